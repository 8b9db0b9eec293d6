"""What a statement can say: one frozen form for each kind.

Common to all kinds::

    {"nonce": "mR0m…==",                        16 random bytes: an erased envelope cannot be
                                                guessed from its hash
     "issued": "2026-01-31T12:00:00Z",          the signer's clock, not a proof of time
     "evidence": []}                            hashes of quotes, proofs, results

``dataset``, ``model`` and ``outputs`` describe an artifact, and so does ``access``, whose artifact
is a batch of uses of others; ``step`` links artifacts, ``quality`` and ``review`` add what became
known later, ``supersede`` corrects, and ``key`` (in `provenance.statements.key`) says who may sign.
Nothing is ever edited.

A form checks itself when it is made, and `check_subjects` says what it may be about. Free texts
are kept as given; whoever shows them must escape them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, ClassVar, Literal

from provenance import forms
from provenance.derivation.claims import Derivation
from provenance.errors import MalformedError
from provenance.records.artifacts import ARTIFACT_DIGEST, Artifact
from provenance.statements.criteria import Metric, judge
from provenance.statements.resources import (
    RUN_DIGEST,
    ArtifactRef,
    Evidence,
    Name,
    Subject,
    Time,
    check_time,
)

__all__ = [
    "NONCE_SIZE",
    "Access",
    "Code",
    "Dataset",
    "Kind",
    "Model",
    "Outputs",
    "Predicate",
    "Quality",
    "Review",
    "Sensitivity",
    "Step",
    "Supersede",
    "Verdict",
    "run_digest",
]

Kind = Literal[
    "dataset", "model", "outputs", "step", "quality", "review", "access", "key", "supersede"
]

Sensitivity = Literal["public", "internal", "confidential", "restricted"]

Verdict = Literal["approve", "flag", "reject"]
"""What somebody makes of an artifact; to flag it is to have a doubt."""

Commit = Annotated[str, forms.Pattern(r"[0-9a-f]{40}([0-9a-f]{24})?", "a git commit, in full")]

NONCE_SIZE = 16


@dataclass(frozen=True, kw_only=True)
class Predicate:
    """What every kind holds."""

    kind: ClassVar[Kind]

    nonce: bytes
    issued: Time
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        if len(self.nonce) != NONCE_SIZE:
            raise MalformedError(f"a nonce has {NONCE_SIZE} bytes, not {len(self.nonce)}")
        check_time(self.issued, "issued")

    def references(self) -> tuple[ArtifactRef, ...]:
        """Return the artifacts that are named beside the subjects, in order."""
        return ()

    def check_subjects(self, subjects: Sequence[Subject]) -> None:
        """Check that these can be the subjects: as a rule, artifacts.

        Raises:
            MalformedError: they cannot.
        """
        self._check_artifacts(subjects)

    def _check_artifacts(self, subjects: Sequence[Subject]) -> None:
        for subject in subjects:
            if subject.artifact is None:
                raise MalformedError(
                    f"a {self.kind!r} statement is about artifacts, and {subject.name!r} has no "
                    f"{ARTIFACT_DIGEST}"
                )


# --- artifacts ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Described(Predicate):
    """What `Dataset`, `Model`, `Outputs` and `Access` share: the artifact that they describe."""

    artifact: Artifact
    sensitivity: Sensitivity = "internal"
    metadata: dict[str, forms.Json] = field(default_factory=dict)

    def check_subjects(self, subjects: Sequence[Subject]) -> None:
        """Check that the one subject is the artifact that root, size and encoding name."""
        super().check_subjects(subjects)
        if len(subjects) != 1:
            raise MalformedError(f"a {self.kind!r} statement has one subject, not {len(subjects)}")
        self._check_described(subjects[0])

    def _check_described(self, subject: Subject) -> None:
        if subject.artifact != self.artifact.digest:
            raise MalformedError(
                f"{subject.name!r} has another {ARTIFACT_DIGEST} than its root, size and "
                f"encoding give: {self.artifact.digest_hex}"
            )


@dataclass(frozen=True, kw_only=True)
class Dataset(Described):
    """A data set: where it is from, under which licence, and what its columns are.

    `schema` maps columns to type texts; the root commits to values, this commits to types.
    """

    kind = "dataset"

    source: str | None = None
    provider: str | None = None
    collected: str | None = None
    license: str | None = None
    schema: dict[str, forms.Json] | None = None


@dataclass(frozen=True, kw_only=True)
class Model(Described):
    """A model: its files or its one file."""

    kind = "model"

    source: str | None = None
    license: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outputs(Described):
    """A batch of what a model gave back, one record for each answer."""

    kind = "outputs"

    model: ArtifactRef | None = None

    def references(self) -> tuple[ArtifactRef, ...]:
        """Return the model."""
        return () if self.model is None else (self.model,)


# --- what was done --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Code:
    """What ran: the command's arguments, and the commit it ran at."""

    command: tuple[str, ...] | None = None
    git_commit: Commit | None = None
    dirty: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Step(Predicate):
    """A step from inputs to outputs. The subjects are the outputs.

    A step without outputs, because it failed, say, has one subject that stands for the run: the
    step's name with `run_digest` of the nonce.

    What is claimed of the records in `derivations`, whoever has the proof can check: how outputs
    follow from inputs, or from other outputs.
    """

    kind = "step"

    name: Name
    inputs: tuple[ArtifactRef, ...] = ()
    code: Code | None = None
    parameters: dict[str, forms.Json] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    started: Time
    finished: Time
    outcome: Literal["succeeded", "failed"]
    error: str | None = None
    derivations: tuple[Derivation, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_time(self.started, "started")
        check_time(self.finished, "finished")
        if self.outcome == "succeeded" and self.error is not None:
            raise MalformedError("a step that succeeded has no error")
        if self.derivations is not None and not self.derivations:
            raise MalformedError("a step that claims no derivation leaves them out")

    def references(self) -> tuple[ArtifactRef, ...]:
        """Return the inputs."""
        return self.inputs

    @property
    def run(self) -> Subject:
        """The subject of a step without outputs."""
        return Subject(name=self.name, digest={RUN_DIGEST: run_digest(self.nonce).hex()})

    def check_subjects(self, subjects: Sequence[Subject]) -> None:
        """Check that the subjects are artifacts, or the run alone, and what derives from what."""
        if list(subjects) != [self.run]:
            super().check_subjects(subjects)
        outputs = {subject.artifact for subject in subjects}
        known = outputs | {reference.artifact for reference in self.inputs}
        for derivation in self.derivations or ():
            if not outputs.issuperset(derivation.targets) or not known.issuperset(
                derivation.sources
            ):
                raise MalformedError(
                    "a derivation leads from inputs and outputs of the step to its outputs"
                )


def run_digest(nonce: bytes) -> bytes:
    """Return SHA-256("provenance-run/v1\\n" ‖ nonce), which stands for a step without outputs."""
    return sha256(b"provenance-run/v1\n" + nonce).digest()


# --- what became known later ----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Quality(Predicate):
    """Metrics of the subjects against criteria; `passed` is what `judge` says of them."""

    kind = "quality"

    metrics: dict[str, Metric]
    criteria: dict[str, str] = field(default_factory=dict)
    passed: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.passed != judge(self.metrics, self.criteria):
            raise MalformedError(f"passed cannot be {self.passed}: the metrics say otherwise")


@dataclass(frozen=True, kw_only=True)
class Review(Predicate):
    """A person's verdict on the subjects; the signature says whose."""

    kind = "review"

    verdict: Verdict
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Access(Described):
    """A batch of uses, one record for each. The subjects are the batch, then the artifacts used.

    The artifact is the tree over the records, each of which says who used what, and when; they are
    not in the statement, so that they can be erased. `uses` says how many there are of each
    artifact, by its digest; `started` and `finished` are the times of the first and the last.
    """

    kind = "access"

    uses: dict[str, int]
    started: Time
    finished: Time

    def __post_init__(self) -> None:
        super().__post_init__()
        check_time(self.started, "started")
        check_time(self.finished, "finished")
        if min(self.uses.values(), default=0) < 1 or sum(self.uses.values()) != self.artifact.size:
            raise MalformedError(f"the uses are not the {self.artifact.size} that the batch has")

    def check_subjects(self, subjects: Sequence[Subject]) -> None:
        """Check that the subjects are the batch, and exactly the artifacts used."""
        self._check_artifacts(subjects)
        self._check_described(subjects[0])
        if sorted(subject.digest[ARTIFACT_DIGEST] for subject in subjects[1:]) != sorted(self.uses):
            raise MalformedError("the subjects are not the batch and the artifacts used")


@dataclass(frozen=True, kw_only=True)
class Supersede(Predicate):
    """The subject is not to be used any more; `replacement` is, where there is one."""

    kind = "supersede"

    replacement: ArtifactRef | None = None
    reason: str

    def references(self) -> tuple[ArtifactRef, ...]:
        """Return the replacement."""
        return () if self.replacement is None else (self.replacement,)

    def check_subjects(self, subjects: Sequence[Subject]) -> None:
        """Check that one artifact is superseded, and not by itself."""
        super().check_subjects(subjects)
        if len(subjects) != 1:
            raise MalformedError(f"one artifact is superseded at a time, not {len(subjects)}")
        if self.replacement and self.replacement.artifact == subjects[0].artifact:
            raise MalformedError(f"{subjects[0].name!r} cannot replace itself")
