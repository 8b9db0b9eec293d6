"""What the catalogue keeps of a statement, as it follows from the envelope alone.

A *mention* is an artifact that the statement names, as a subject or as something it refers to. A
*facet* is one thing that an entry is found by: a number of what it is, and a value of at most 200
bytes, whose order as bytes is the order of what it stands for::

    REGISTERED   nothing: of every statement that registers an artifact
    NAME         the name, UTF-8
    ISSUED       the time without its Z and without trailing zeros: 2026-01-31T12:00:00.5
    SIZE         records, u64
    KIND, SENSITIVITY, LICENSE, PROVIDER, SOURCE
                 the text, UTF-8
    SIGNER       the keyid, 32 bytes, of each signature
    DIGEST, ROOT, SHA256
                 of the artifact, 32 bytes
    METADATA     SHA-256(RFC 8785 of [key, text]) of each member; see `facet_of_metadata`
    ENVELOPE     SHA-256 of the envelope: of every statement
    SUPERSEDED   the artifact digest that a correction is about, 32 bytes
    STEP_SIGNER  the keyid, 32 bytes, of each signature under a step, or under a verdict
    MADE         of each artifact that a step which succeeded made: its digest, then that of the
                 set of inputs, that of the step, and `signers_digest`, 32 bytes each; see
                 `provenance.lineage.grades`
    MODEL        of outputs whose model is named: their digest and the model's, 32 bytes each
    DERIVED      of each source and each target of a derivation that a step claims, by which the one
                 has nothing but records of the other, so of no extension: both digests
    RUN          of a step that is a report (`provenance.lineage.reports`), the run's UUID, 16
                 bytes, and the event that ended it
    NAMED        of each data set that a report names: SHA-256 of the name, and what stands for it.
                 It is in no MADE: a name is made again and again
    REMARKED     the digest of each artifact of which quality, a verdict or a correction is told
    REVIEWED     the digest of each artifact that a verdict is on, and the verdict

A batch of uses (``access``) has DIGEST, ROOT and ENVELOPE alone, so that its records can be proven:
it is found by its digest, and stands in no list of what was registered.

A text of 200 bytes or more is its first 168 and its SHA-256: so it is found by all of it, and put
in order by its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from enum import IntEnum
from hashlib import sha256
from typing import NamedTuple

from provenance import forms
from provenance.errors import MalformedError
from provenance.lineage.grades import ends_of, set_digest, step_digest
from provenance.lineage.reports import data_of, run_of
from provenance.statements import (
    KIND_NUMBERS,
    Kind,
    Outputs,
    Quality,
    Review,
    Statement,
    Step,
    Supersede,
)
from provenance.statements.predicates import Described

__all__ = [
    "ARTIFACT_KINDS",
    "SORTED_BY",
    "Facet",
    "IndexRows",
    "Registers",
    "facet_of_metadata",
    "facet_of_text",
    "facet_of_time",
    "index_rows",
    "signers_digest",
]

ARTIFACT_KINDS: tuple[Kind, ...] = ("dataset", "model", "outputs")
"""Statements of these kinds register their subject, for everybody to find."""

LONGEST = 200
"""Bytes of a value. PostgreSQL's indices would take 2,700."""


_MAY_BE_JSON = re.compile(r'[ \t\r\n]*([{\["0-9-]|(true|false|null)[ \t\r\n]*$)')
"""Most texts are not, and reading one only to refuse it takes as long as all the rest here."""


class Facet(IntEnum):
    """What a value is of. A registration has each of the first four once."""

    REGISTERED = 0
    NAME = 1
    ISSUED = 2
    SIZE = 3
    KIND = 4
    SENSITIVITY = 5
    LICENSE = 6
    PROVIDER = 7
    SOURCE = 8
    SIGNER = 9
    DIGEST = 10
    ROOT = 11
    SHA256 = 12
    METADATA = 13
    ENVELOPE = 14
    SUPERSEDED = 15
    STEP_SIGNER = 16
    MADE = 17
    MODEL = 18
    DERIVED = 19
    RUN = 20
    NAMED = 21
    REMARKED = 22
    REVIEWED = 23


SORTED_BY = (Facet.NAME, Facet.ISSUED, Facet.SIZE)
"""What registrations can be put in order by, beside the order of the log."""


class Registers(NamedTuple):
    """What a statement registers: the name, and of the artifact digest, root and size."""

    name: str
    digest: bytes
    root: bytes
    size: int


class IndexRows(NamedTuple):
    """What is kept of one statement.

    Attributes:
        registers: the artifact, where it registers one.
        mentions: (artifact digest, number of the statement's kind, whether it is a subject), in
            the statement's order.
        facets: (facet, value), in order, none twice.
    """

    registers: Registers | None
    mentions: tuple[tuple[bytes, int, bool], ...]
    facets: tuple[tuple[int, bytes], ...]


def index_rows(statement: Statement, *, keyids: Iterable[str], envelope_hash: bytes) -> IndexRows:
    """Return what is kept of a statement.

    Args:
        statement: that of the entry.
        keyids: whose signatures are on its envelope, hex.
        envelope_hash: SHA-256 of the envelope, as the entry has it.
    """
    predicate, subject = statement.predicate, statement.subjects[0]
    kind, keyids = KIND_NUMBERS[statement.kind], list(keyids)
    mentions = [(digest, kind, True) for each in statement.subjects if (digest := each.artifact)]
    mentions += [(each.artifact, kind, False) for each in predicate.references()]
    facets = {(Facet.ENVELOPE, envelope_hash), *_links(statement, keyids)}
    registers = None
    if isinstance(predicate, Described):
        artifact = predicate.artifact
        registers = Registers(subject.name, artifact.digest, artifact.root, artifact.size)
        facets |= {(Facet.DIGEST, artifact.digest), (Facet.ROOT, artifact.root)}
    if isinstance(predicate, Described) and statement.kind in ARTIFACT_KINDS:
        facets |= {
            (Facet.REGISTERED, b""),
            (Facet.ISSUED, facet_of_time(predicate.issued)),
            (Facet.SIZE, predicate.artifact.size.to_bytes(8)),
        }
        texts = {
            Facet.NAME: subject.name,
            Facet.KIND: statement.kind,
            Facet.SENSITIVITY: predicate.sensitivity,
            Facet.LICENSE: getattr(predicate, "license", None),
            Facet.PROVIDER: getattr(predicate, "provider", None),
            Facet.SOURCE: getattr(predicate, "source", None),
        }
        facets |= {
            (facet, facet_of_text(text)) for facet, text in texts.items() if text is not None
        }
        facets |= {(Facet.SIGNER, bytes.fromhex(keyid)) for keyid in keyids}
        if "sha256" in subject.digest:
            facets.add((Facet.SHA256, bytes.fromhex(subject.digest["sha256"])))
        for key, value in predicate.metadata.items():
            facets.add((Facet.METADATA, facet_of_metadata(key, value)))
    ordered = sorted((int(facet), value) for facet, value in facets)
    return IndexRows(registers, tuple(mentions), tuple(ordered))


def _links(statement: Statement, keyids: Sequence[str]) -> Iterator[tuple[Facet, bytes]]:
    """Yield the facets by which it is found how sure a history is, and what is said of it."""
    predicate, (sources, made) = statement.predicate, ends_of(statement)
    if isinstance(predicate, (Quality, Review, Supersede)):
        subjects = [each.artifact for each in statement.subjects if each.artifact]
        yield from ((Facet.REMARKED, artifact) for artifact in subjects)
        if isinstance(predicate, Review):
            verdict = predicate.verdict.encode()
            yield from ((Facet.REVIEWED, artifact + verdict) for artifact in subjects)
            yield from ((Facet.STEP_SIGNER, bytes.fromhex(keyid)) for keyid in keyids)
    if isinstance(predicate, Supersede):
        yield Facet.SUPERSEDED, statement.artifact_digests()[0]
    elif isinstance(predicate, Outputs):
        yield from ((Facet.MODEL, made[0] + model) for model in sources)
    elif isinstance(predicate, Step):
        yield from ((Facet.STEP_SIGNER, bytes.fromhex(keyid)) for keyid in keyids)
        named = data_of(predicate)
        if (report := run_of(predicate)) is not None:
            yield Facet.RUN, report
        for digest in named.keys() & {*sources, *made}:
            yield Facet.NAMED, sha256(named[digest].named[0].encode()).digest() + digest
        if predicate.outcome == "succeeded":
            run = set_digest(sources) + step_digest(predicate) + signers_digest(keyids)
            yield from ((Facet.MADE, artifact + run) for artifact in made if artifact not in named)
        for claim in predicate.derivations or ():
            if claim.claim != "extension":
                for source in claim.sources:
                    yield from ((Facet.DERIVED, source + target) for target in claim.targets)


def signers_digest(keyids: Sequence[str]) -> bytes:
    """Return the digest of those who signed: of one, the keyid; else that of the set of them."""
    if len(keyids) == 1:
        return bytes.fromhex(keyids[0])
    return set_digest(map(bytes.fromhex, keyids))


def facet_of_text(text: str) -> bytes:
    """Return the value of a text."""
    data = text.encode()
    if len(data) < LONGEST:
        return data
    return data[: LONGEST - 32] + sha256(data).digest()


def facet_of_time(time: str) -> bytes:
    """Return the value of an RFC 3339 time in UTC; a day alone stands before all of its times."""
    whole, point, fraction = time.removesuffix("Z").partition(".")
    fraction = fraction.rstrip("0")
    return (whole + point + fraction if fraction else whole).encode()


def facet_of_metadata(key: str, value: forms.Json) -> bytes:
    """Return the value of one member of the metadata.

    Found alike is what is written alike: the number 1.5, and the texts ``1.5``, ``1.50`` and
    ``"1.5"``.
    """
    with suppress(MalformedError, UnicodeEncodeError):  # as JSON where it is that, else as it is
        while isinstance(value, str) and _MAY_BE_JSON.match(value):
            value = forms.parse(value.encode(), what="metadata", cap=len(value) * 4)
    text = value if isinstance(value, str) else forms.canonical(value).decode()
    return sha256(forms.canonical([key, text])).digest()
