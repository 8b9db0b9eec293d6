"""How sure each arrow of a history is, and what that follows from.

An *arrow* leads from an artifact into a statement, or from a statement to what it made: from the
inputs into a step and on to its outputs; from a model into a batch of its outputs. The surest of
these that holds is its grade, and of two things that are true of it the worse counts:

- *broken*: a signature under the statement is revoked, or the artifact at its end is superseded,
  or registered under revoked signatures alone;
- *declared*: the artifact at its end is registered nowhere in the log, only named;
- *attested*: it is registered, and the statement's signatures count;
- *reproduced*: as attested, and the step was run again by somebody else, who states the same digest
  for what it made. An arrow into a step is reproduced if one of those out of it could be.

What was made of an artifact by a statement is as sure as the worse of the two arrows.

A signature is *revoked* if its key was, ``compromised_since`` a time, and no anchor in a block
before that time covers its entry. A key that was revoked without such a time signed for what it
signed. Two runs are of *the same step* if both succeeded with the same name, parameters and set of
inputs, at the same git commit (or neither at a known one), and nothing uncommitted; by *somebody
else* if no key that signed one, nor any in its rotations, signed the other.

Nothing of this asks where in the log a statement stands, but for what an anchor covers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import NamedTuple

from provenance import forms
from provenance.derivation import Derivation
from provenance.statements import Outputs, Statement, Step

__all__ = ["Arrow", "End", "Ends", "Grade", "ends_of", "set_digest", "step_digest"]


class Grade(IntEnum):
    """Of an arrow; the greater the surer."""

    BROKEN = 0
    DECLARED = 1
    ATTESTED = 2
    REPRODUCED = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class End:
    """What the log says of an artifact that a statement names.

    Attributes:
        registered: the first entry that registers it, its signatures unrevoked, or else the first
            that registers it at all; None if none does.
        revoked: each statement that registers it has a signature that is revoked.
        superseded: the first entry that supersedes it.
        conflict: two steps that succeeded say that they made it, of different inputs; or two
            statements say that it is the outputs of different models. Whatever their grades.
    """

    registered: int | None = None
    revoked: bool = False
    superseded: int | None = None
    conflict: bool = False

    @property
    def grade(self) -> Grade:
        """The surest that an arrow from it or to it can be, but for what is reproduced."""
        if self.revoked or self.superseded is not None:
            return Grade.BROKEN
        return Grade.DECLARED if self.registered is None else Grade.ATTESTED


@dataclass(frozen=True)
class Arrow:
    """An arrow between an artifact and a statement.

    Attributes:
        artifact: its digest, 32 bytes.
        into: whether it leads from the artifact into the statement.
        grade: how sure it is.
        claims: what the step claims of the records of what it made (`provenance.derivation`).
            That it is signed is all that is known here: a proof shows whether it is true.
    """

    artifact: bytes
    into: bool
    grade: Grade
    claims: tuple[Derivation, ...] = ()


class Ends(NamedTuple):
    """The artifacts at the ends of a statement's arrows, each once, in its order."""

    sources: tuple[bytes, ...] = ()
    made: tuple[bytes, ...] = ()


def ends_of(statement: Statement) -> Ends:
    """Return what a statement says was made, and of what: a step, or outputs of a named model."""
    predicate = statement.predicate
    if not isinstance(predicate, Step) and not (isinstance(predicate, Outputs) and predicate.model):
        return Ends()
    sources = dict.fromkeys(reference.artifact for reference in predicate.references())
    made = dict.fromkeys(subject.artifact for subject in statement.subjects if subject.artifact)
    return Ends(tuple(sources), tuple(made))


def set_digest(members: Iterable[bytes]) -> bytes:
    """Return SHA-256 over the members of 32 bytes, each once, the smallest first."""
    return sha256(b"".join(sorted(set(members)))).digest()


def step_digest(step: Step) -> bytes:
    """Return the digest of what two runs of the same step have in common, beside their inputs.

    SHA-256(RFC 8785 of ``[name, parameters, gitCommit]``); 32 zeros, which is the same as nothing,
    for a step that failed or ran with what was not committed.
    """
    code = step.code
    if step.outcome != "succeeded" or (code is not None and code.dirty):
        return bytes(32)
    commit = None if code is None else code.git_commit
    return sha256(forms.canonical([step.name, step.parameters, commit])).digest()
