"""Random catalogues, and what is to be found in them, gone through entry by entry."""

import contextlib
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st
from sqlalchemy import text

from provenance import forms
from provenance.ledger.catalog import Catalog
from provenance.ledger.indexing import index_rows
from provenance.log.log import Log
from provenance.log.store import EntryRow, EnvelopeRow, insert
from provenance.records import JSON, Artifact
from provenance.records.artifacts import ARTIFACT_DIGEST
from provenance.signing import Envelope, PrivateKey, Signature
from provenance.statements import (
    KIND_NUMBERS,
    ArtifactRef,
    Code,
    Dataset,
    Key,
    Model,
    Outputs,
    Quality,
    Review,
    Statement,
    Step,
    Subject,
    Supersede,
    Verdict,
    key_subject,
)
from provenance.statements.predicates import Described

SIGNERS = [
    PrivateKey(Ed25519PrivateKey.from_private_bytes(sha256(bytes([number])).digest())).public
    for number in range(4)
]
KEYIDS = [key.keyid for key in SIGNERS]
SINCE = ["2026-01-31T00:00:00Z", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5Z"]
NAMES = ["a", "b", "é", "A", "aa", "x" * 199, "x" * 200, "x" * 168 + "y" * 40, "x" * 168 + "z" * 40]
TIMES = [
    "2026-01-31T12:00:00Z",
    "2026-01-31T12:00:00.5Z",
    "2026-01-31T12:00:00.50Z",
    "2026-01-31T12:00:00.123456789Z",
    "2026-01-31T11:59:59.999Z",
    "2025-12-31T23:59:59Z",
    "2026-02-01T00:00:00Z",
]
MOMENTS = [*TIMES, "2026-01-31", "2026-02-01", "2025-01-01"]
TEXTS = ["", "MIT", "CC-BY-4.0", "x" * 300]
VALUES = [
    None,
    True,
    1,
    1.0,
    1.5,
    "1.50",
    "",
    "train",
    '"train"',
    "[",
    "null",
    {"a": [1, "é"]},
    '{"a":[1,"é"]}',
    10**15,
]
KEYS = ["split", "n", "a.b", "é=", ""]


def artifact(number):
    """One of a few, each with a size of its own; two roots have the same size."""
    return Artifact(root=sha256(bytes([number])).digest(), size=1 + number // 2, encoding=JSON)


def subject(number, name="a", **digests):
    return Subject(name=name, digest={ARTIFACT_DIGEST: artifact(number).digest_hex, **digests})


def reference(number):
    return ArtifactRef(name="r", digest={ARTIFACT_DIGEST: artifact(number).digest_hex})


@dataclass(frozen=True)
class Logged:
    """An entry: the statement, who signed it, and the hash of its envelope."""

    index: int
    statement: Statement
    keyids: tuple[str, ...]

    @property
    def envelope(self):
        """Whose signatures nobody looks at."""
        signatures = (Signature(keyid=keyid, sig=bytes(64)) for keyid in self.keyids)
        payload = self.statement.to_bytes()
        return Envelope(payload=payload, signatures=tuple(signatures)).to_bytes()

    @property
    def envelope_hash(self):
        return sha256(b"envelope %d" % self.index).digest()

    @property
    def rows(self):
        return index_rows(self.statement, keyids=self.keyids, envelope_hash=self.envelope_hash)


numbers = st.integers(0, 5)


@st.composite
def descriptions(draw):
    """A statement that registers an artifact."""
    number, kind = draw(numbers), draw(st.sampled_from([Dataset, Model, Outputs]))
    claims = {
        "nonce": bytes(16),
        "issued": draw(st.sampled_from(TIMES)),
        "artifact": artifact(number),
        "sensitivity": draw(st.sampled_from(["public", "internal"])),
        "metadata": draw(
            st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2)
        ),
    }
    texts = {Dataset: ("license", "provider", "source"), Model: ("license", "source")}
    for name in texts.get(kind, ()):
        claims[name] = draw(st.none() | st.sampled_from(TEXTS))
    if kind is Outputs:
        claims["model"] = draw(st.none() | numbers.map(reference))
    digests = draw(st.sampled_from([{}, {"sha256": "ab" * 32}, {"sha256": "cd" * 32}]))
    named = subject(number, draw(st.sampled_from(NAMES)), **digests)
    return Statement(subjects=(named,), predicate=kind(**claims))


codes = st.builds(
    Code,
    command=st.none() | st.just(("make", "it")),
    git_commit=st.none() | st.sampled_from(["1" * 40, "2" * 40]),
    dirty=st.sampled_from([None, False, False, True]),
)


@st.composite
def links(draw):
    """A statement that registers nothing: a step, a correction, a figure."""
    common = {"nonce": bytes(16), "issued": TIMES[0]}
    kind = draw(st.sampled_from([Step, Step, Supersede, Quality, Review]))
    made = draw(st.lists(numbers, min_size=kind is not Step, max_size=2))
    if kind is Step:
        predicate = Step(
            **common,
            name=draw(st.sampled_from("sst")),
            inputs=tuple(map(reference, draw(st.lists(numbers, max_size=3)))),
            code=draw(st.none() | codes),
            parameters=draw(st.sampled_from([{}, {}, {"n": 1}])),
            started=TIMES[0],
            finished=TIMES[0],
            outcome=draw(st.sampled_from(["succeeded", "succeeded", "failed"])),
        )
        subjects = tuple(map(subject, dict.fromkeys(made))) or (predicate.run,)
    elif kind is Supersede:
        others = [each for each in range(6) if each != made[0]]
        new = draw(st.none() | st.sampled_from(others).map(reference))
        predicate, subjects = Supersede(**common, replacement=new, reason="x"), (subject(made[0]),)
    else:
        predicate = (
            Quality(**common, metrics={"a": "1"}, passed=True)
            if kind is Quality
            else Review(**common, verdict=draw(st.sampled_from(get_args(Verdict))))
        )
        subjects = tuple(map(subject, dict.fromkeys(made)))
    return Statement(subjects=subjects, predicate=predicate)


@st.composite
def key_changes(draw):
    """A statement that revokes a key, or by which one takes another's place."""
    common = {"nonce": bytes(16), "issued": TIMES[0]}
    number = draw(st.integers(0, 3))
    if draw(st.booleans()):
        since = draw(st.none() | st.sampled_from(SINCE))
        predicate = Key(
            **common, action="revoke", keyid=KEYIDS[number], reason="x", compromised_since=since
        )
    else:
        number |= 1
        pem, old = SIGNERS[number].to_pem(), KEYIDS[number - 1]
        predicate = Key(**common, action="rotate", public_key=pem, replaces=old)
    return Statement(subjects=(key_subject("k", KEYIDS[number]),), predicate=predicate)


@st.composite
def logs(draw, *, most=25):
    """A log: its entries, in order. Some say the same again, signed by others."""
    kinds = descriptions() | links() | links() | key_changes()
    size = draw(st.integers(0, most))  # or else most would be short
    said = draw(st.lists(kinds, min_size=1, max_size=max(size, 1)))
    by = st.sets(st.sampled_from(KEYIDS), min_size=1, max_size=2).map(sorted).map(tuple)
    signed = draw(st.lists(st.tuples(st.sampled_from(said), by), min_size=size, max_size=size))
    return [Logged(index, *each) for index, each in enumerate(signed)]


def fill(session, log):
    """Put a log into the catalogue in place of what is there."""
    for table in ("facet", "mention"):
        session.connection().execute(text(f"DELETE FROM {table}"))
    Catalog(session).add(0, [each.rows for each in log])


def fill_whole(session, log):
    """`fill`, and the entries with their envelopes."""
    fill(session, log)
    for table in ("entry", "envelope", "tile"):
        session.connection().execute(text(f"DELETE FROM {table}"))
    entries = [
        (each.index, KIND_NUMBERS[each.statement.kind], b"", each.envelope_hash) for each in log
    ]
    insert(session, EntryRow, entries)
    envelopes = [(each.index, each.envelope) for each in log]
    insert(session, EnvelopeRow, envelopes)
    Log(session, "log.example")._integrate(0, [sha256(data).digest() for _, data in envelopes])


def walked(log, start, *, onward, depth=None):
    """(entry, depth) of each statement that is walked to, the nearest first."""
    told, passed, level, far = [], {start}, {start}, 0
    while level and (depth is None or far <= depth):
        entries = []
        following = set()
        for each in log:
            subjects = {s.artifact for s in each.statement.subjects} - {None}
            others = {r.artifact for r in each.statement.predicate.references()}
            if each.statement.kind == "supersede":
                others = set()
            begin, end = (others, subjects) if onward else (subjects, others)
            if begin & level:
                following |= end
                if each.index not in {entry for entry, _ in told}:
                    entries.append(each.index)
        told += [(entry, far) for entry in entries]
        level = following - passed
        passed |= level
        far += 1
    return told


def time_key(time):
    """The seconds and the nanoseconds of a time, as a day alone has them too."""
    day, _, rest = time.removesuffix("Z").partition("T")
    clock, _, fraction = (rest or "00:00:00").partition(".")
    return day, clock, int(fraction.ljust(9, "0"))


def name_key(name):
    data = name.encode()
    return data if len(data) < 200 else data[:168] + sha256(data).digest()


ORDERS = {
    "index": lambda each: 0,
    "issued": lambda each: time_key(each.statement.predicate.issued),
    "name": lambda each: name_key(each.statement.subjects[0].name),
    "size": lambda each: each.statement.predicate.artifact.size,
}


def meets(each, name, wanted):
    """Whether an entry meets one filter."""
    predicate, named = each.statement.predicate, each.statement.subjects[0]
    if not isinstance(predicate, Described):
        return False
    if name == "issued_after":
        return time_key(predicate.issued) >= time_key(wanted)
    if name == "issued_before":
        return time_key(predicate.issued) < time_key(wanted)
    if name == "metadata":
        return all(
            key in predicate.metadata and as_text(predicate.metadata[key]) == as_text(value)
            for key, value in wanted.items()
        )
    if name == "signer":
        return wanted in each.keyids
    return (
        wanted
        == {
            "name": named.name,
            "kind": each.statement.kind,
            "digest": predicate.artifact.digest_hex,
            "root": predicate.artifact.root.hex(),
            "sha256": named.digest.get("sha256"),
            **{
                claim: getattr(predicate, claim, None)
                for claim in ("sensitivity", "license", "provider", "source")
            },
        }[name]
    )


def as_text(value):
    with contextlib.suppress(ValueError):
        while isinstance(value, str):
            value = json.loads(value)
    return value if isinstance(value, str) else forms.canonical(value).decode()


def found(log, filters, sort):
    """The entries that are sought, in order, by going through all of them."""
    met = [
        each
        for each in log
        if isinstance(each.statement.predicate, Described)
        and all(meets(each, name, wanted) for name, wanted in filters.items())
    ]
    key = ORDERS[sort.removeprefix("-")]
    met.sort(key=lambda each: (key(each), each.index), reverse=sort.startswith("-"))
    return [each.index for each in met]


filters = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(NAMES),
        "kind": st.sampled_from(["dataset", "model", "outputs"]),
        "sensitivity": st.sampled_from(["public", "internal", "restricted"]),
        "license": st.sampled_from(TEXTS),
        "provider": st.sampled_from(TEXTS),
        "source": st.sampled_from(TEXTS),
        "signer": st.sampled_from(KEYIDS),
        "digest": numbers.map(lambda number: artifact(number).digest_hex),
        "root": numbers.map(lambda number: artifact(number).root.hex()),
        "sha256": st.sampled_from(["ab" * 32, "cd" * 32, "ef" * 32]),
        "metadata": st.dictionaries(
            st.sampled_from(KEYS), st.sampled_from(VALUES), min_size=1, max_size=2
        ),
        "issued_after": st.sampled_from(MOMENTS),
        "issued_before": st.sampled_from(MOMENTS),
    },
)
