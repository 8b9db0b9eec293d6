"""Every error that this package raises on purpose.

::

    ProvenanceError                 catch this one to catch them all
    ├── InputError                  what was given cannot be used: a file, a row, a REF, a key
    │   ├── MalformedError          bytes that are not of the form they should have
    │   ├── NoSuchRecordError       an artifact does not have such a record
    │   ├── TreeMissingError        an artifact's leaf hashes must come before its statement
    │   └── BatchError              one of a batch cannot be used; ``.position`` says which
    ├── LedgerError                 the ledger folder: missing, locked, half made, out of space
    ├── ChainError                  a chain refuses, or answers what it must not
    │   └── ChainUnreachableError   a chain does not answer: ask again later
    ├── WitnessError                a witness does not cosign, or too few do: ask again later
    └── VerificationError           checked, and it does not hold; ``.step`` says where
        └── UndecidedError          could not be decided: no policy, or a chain out of reach

A message names the thing and the way out. Exit codes and HTTP statuses are mapped from these
classes in one table each (``provenance.cli``, ``api.errors``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provenance.verification.report import Report

__all__ = [
    "BatchError",
    "ChainError",
    "ChainUnreachableError",
    "InputError",
    "LedgerError",
    "MalformedError",
    "NoSuchRecordError",
    "ProvenanceError",
    "TreeMissingError",
    "UndecidedError",
    "VerificationError",
    "WitnessError",
]


class ProvenanceError(Exception):
    """Root of all errors of this package."""


class InputError(ProvenanceError):
    """What was given cannot be used; nothing was written."""


class MalformedError(InputError):
    """Bytes that are not of the form they should have."""


class NoSuchRecordError(InputError):
    """An artifact does not have such a record."""


class TreeMissingError(InputError):
    """A statement is about an artifact whose tree is not here, so nothing in it could be proven."""


class BatchError(InputError):
    """One of a batch cannot be used, so nothing of the batch was written.

    Attributes:
        reason: why not.
        position: of the first that cannot be used, from 0.
    """

    def __init__(self, reason: InputError, position: int) -> None:
        super().__init__(f"item {position} of the batch: {reason}")
        self.reason = reason
        self.position = position


class LedgerError(ProvenanceError):
    """The ledger folder cannot be used as it is."""


class ChainError(ProvenanceError):
    """A chain refuses, or answers what it must not."""


class ChainUnreachableError(ChainError):
    """A chain does not answer. Asking again later may help."""


class WitnessError(ProvenanceError):
    """A witness does not cosign, or too few do. What others answered is kept; ask again later."""


class VerificationError(ProvenanceError):
    """Something was checked and does not hold.

    Attributes:
        step: the first step that failed, of ``provenance.verification.STEPS``.
        report: every step with its mark and its evidence.
    """

    def __init__(self, message: str, *, step: str, report: Report) -> None:
        super().__init__(message)
        self.step = step
        self.report = report


class UndecidedError(VerificationError):
    """No step fails, yet one that is demanded could not be decided."""
