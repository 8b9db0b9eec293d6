"""in-toto Statements, v1: the payload of an envelope.

::

    {"_type": "https://in-toto.io/Statement/v1",
     "subject": [{"name": "train", "digest": {"provenance-artifact-v1": "9f86…"}}],
     "predicateType": "urn:provenance-ledger:dataset:v1",
     "predicate": {"nonce": "mR0m…==", "issued": "2026-01-31T12:00:00Z", …}}

written as RFC 8785, every field with a value of its own present. A statement is signed and stored
as bytes; what was parsed gives the same bytes back.

The tests read these with ``in-toto-attestation``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from provenance import forms
from provenance.errors import MalformedError
from provenance.statements.key import Key
from provenance.statements.predicates import (
    Access,
    Dataset,
    Described,
    Kind,
    Model,
    Outputs,
    Predicate,
    Quality,
    Review,
    Step,
    Supersede,
)
from provenance.statements.resources import Subject

__all__ = [
    "KIND_NUMBERS",
    "MAX_ARTIFACTS",
    "MAX_STATEMENT",
    "PREDICATES",
    "Statement",
    "predicate_type",
]

MAX_STATEMENT = 4 * 2**20
"""Bytes of the largest statement."""

MAX_ARTIFACTS = 2000
"""Artifact digests that a statement can name, since an entry of the log can hold no more."""

PREDICATES: dict[Kind, type[Predicate]] = {
    "dataset": Dataset,
    "model": Model,
    "outputs": Outputs,
    "step": Step,
    "quality": Quality,
    "review": Review,
    "access": Access,
    "key": Key,
    "supersede": Supersede,
}

KIND_NUMBERS: dict[Kind, int] = {kind: number for number, kind in enumerate(PREDICATES, start=1)}
"""Kind → the byte that stands for it in the log's entries."""


def predicate_type(kind: Kind) -> str:
    """Return the predicateType of a kind."""
    return f"urn:provenance-ledger:{kind}:v1"


_KINDS: dict[str, Kind] = {predicate_type(kind): kind for kind in PREDICATES}


@dataclass(frozen=True, kw_only=True)
class Wire:
    """An in-toto Statement, v1, whose predicate is not read yet."""

    type: Literal["https://in-toto.io/Statement/v1"] = field(metadata={"json": "_type"})
    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: dict[str, forms.Json]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Subjects, and what is said of them.

    Raises:
        MalformedError: no subjects, one twice, such that cannot be the predicate's, or more than
            `MAX_ARTIFACTS` artifacts.
    """

    subjects: tuple[Subject, ...]
    predicate: Predicate

    def __post_init__(self) -> None:
        if not self.subjects:
            raise MalformedError("a statement has subjects")
        named = {(subject.name, *sorted(subject.digest.items())) for subject in self.subjects}
        if len(named) != len(self.subjects):
            raise MalformedError("a subject of the statement stands twice")
        self.predicate.check_subjects(self.subjects)
        if len(self.artifact_digests()) > MAX_ARTIFACTS:
            raise MalformedError(f"the statement names more than {MAX_ARTIFACTS} artifacts")

    @classmethod
    def parse(cls, data: bytes) -> Statement:
        """Read the one byte form: ``Statement.parse(data).to_bytes() == data``.

        Raises:
            MalformedError: any other bytes, even such that mean the same.
        """
        value = forms.parse_canonical(data, what="the statement", cap=MAX_STATEMENT)
        wire = forms.decode(Wire, value, "statement", whole=True)
        if wire.predicate_type not in _KINDS:
            raise MalformedError(f"a statement of no kind known here: {wire.predicate_type!r}")
        form = PREDICATES[_KINDS[wire.predicate_type]]
        predicate = forms.decode(form, wire.predicate, "statement.predicate", whole=True)
        return cls(subjects=wire.subject, predicate=predicate)

    def to_bytes(self) -> bytes:
        """Return the one byte form, having read it back: what is signed can be verified.

        Raises:
            MalformedError: a value that the form cannot hold.
        """
        wire = Wire(
            type="https://in-toto.io/Statement/v1",
            subject=self.subjects,
            predicate_type=predicate_type(self.kind),
            predicate=forms.encode(self.predicate),
        )
        data = forms.dump(wire)
        Statement.parse(data)
        return data

    @property
    def kind(self) -> Kind:
        """What sort of statement this is."""
        return self.predicate.kind

    def described(self) -> Described:
        """Return what it says of the artifact that it registers.

        Raises:
            MalformedError: it registers none.
        """
        if not isinstance(self.predicate, Described):
            raise MalformedError(f"of kind {self.kind!r}, which describes no artifact")
        return self.predicate

    def artifact_digests(self) -> tuple[bytes, ...]:
        """Return what the log's entry lists, 32 bytes each, without repeats.

        First the subjects' artifact digests in order, then those of the artifacts that the
        predicate refers to, in order.
        """
        subjects = [subject.artifact for subject in self.subjects if subject.artifact is not None]
        references = [reference.artifact for reference in self.predicate.references()]
        return tuple(dict.fromkeys([*subjects, *references]))
