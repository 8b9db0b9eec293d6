"""What a verification found, step by step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from provenance.errors import ProvenanceError, VerificationError

__all__ = ["STEPS", "Check", "Mark", "Report", "StepError", "failure"]

STEPS = (
    "bundle",
    "checkpoint",
    "witnesses",
    "entry",
    "envelope",
    "signature",
    "statement",
    "record",
    "anchor",
    "standing",
    "policy",
)
"""The names of all steps, in the order in which they run."""


class Mark(StrEnum):
    """How one step ended."""

    HOLDS = "✓"
    FAILS = "✗"
    UNDECIDED = "?"
    NOT_DEMANDED = "–"


@dataclass(frozen=True)
class Check:
    """One step: its name, its mark and what was seen, in words for a person."""

    step: str
    mark: Mark
    finding: str


@dataclass(frozen=True)
class Report:
    """The steps that ran, in order. A failing one is the last."""

    checks: tuple[Check, ...]
    warnings: tuple[str, ...] = ()

    def __getitem__(self, step: str) -> Check:
        return {check.step: check for check in self.checks}[step]


class StepError(ProvenanceError):
    """A step found something that does not hold."""


def failure(
    step: str, finding: str, before: Iterable[Check] = (), warnings: Iterable[str] = ()
) -> VerificationError:
    """Return the error of a step that fails, after those that ran before."""
    report = Report((*before, Check(step, Mark.FAILS, finding)), tuple(warnings))
    return VerificationError(f"{step}: {finding}", step=step, report=report)
