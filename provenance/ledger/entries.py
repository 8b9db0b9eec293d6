"""One entry of the log, with what was signed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from provenance.log import Entry
from provenance.signing import Envelope
from provenance.statements import KIND_NUMBERS, Kind, Statement

__all__ = ["EntryState", "LogEntry"]

EntryState = Literal["logged", "checkpointed", "anchored"]
"""How far an entry got."""

_KINDS: dict[int, Kind] = {number: kind for kind, number in KIND_NUMBERS.items()}


@dataclass(frozen=True)
class LogEntry:
    """One entry of the log.

    Attributes:
        index: its place.
        entry: the leaf: kind, SHA-256 of the envelope, artifact digests.
        state: how far it got.
        envelope: its bytes; None where they were erased.
    """

    index: int
    entry: Entry
    state: EntryState
    envelope: bytes | None = field(repr=False)

    @property
    def kind(self) -> Kind:
        """Of its statement."""
        return _KINDS[self.entry.kind]

    @cached_property
    def signed(self) -> Envelope | None:
        """The envelope, read; None where it was erased."""
        return None if self.envelope is None else Envelope.parse(self.envelope)

    @cached_property
    def statement(self) -> Statement | None:
        """What was signed; None where it was erased."""
        return None if self.signed is None else Statement.parse(self.signed.payload)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Their names; none where the envelope was erased."""
        return () if self.statement is None else tuple(s.name for s in self.statement.subjects)

    @property
    def issued(self) -> str:
        """By the signer's clock; "" where the envelope was erased."""
        return "" if self.statement is None else self.statement.predicate.issued
