"""What a check of a ledger finds, area by area.

A fault says three things: what was found where, what it means, and the way out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from provenance.errors import ProvenanceError
from provenance.verification.report import Mark

__all__ = ["SHOWN", "Area", "Fault", "Findings", "Kind", "Progress", "Report", "counted"]

Progress = Callable[[int, int | None], object]
"""Called with how much was read, and of how much."""

SHOWN = 20
"""Faults of one area that are told one by one; of more, how many there are."""


def counted(number: int, noun: str) -> str:
    """Return how many there are of something, in words."""
    if number == 1:
        return f"1 {noun}"
    return (
        f"{number:,} {noun.removesuffix('y')}ies" if noun.endswith("y") else f"{number:,} {noun}s"
    )


@dataclass(frozen=True)
class Kind:
    """What faults of one kind mean, and the way out of them."""

    means: str
    remedy: str


@dataclass(frozen=True)
class Fault:
    """Something that is not as it must be."""

    what: str
    means: str
    remedy: str


@dataclass(frozen=True)
class Area:
    """One part of a ledger.

    Attributes:
        name: of the part.
        mark: ✓ whole, ✗ damaged, ? cannot be told, – nothing there to look at.
        found: what is there, in words.
        faults: what is damaged; the first `SHOWN`.
        more: how many faults there are beyond.
        doubts: what cannot be told, and why.
        notes: what is worth knowing, and no fault.
    """

    name: str
    mark: Mark
    found: str
    faults: tuple[Fault, ...] = ()
    more: int = 0
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A checked ledger.

    Attributes:
        place: its folder.
        origin: the log's name; None where nothing tells it.
        size: entries of the log, as far as they can be read.
        areas: every part, in order.
    """

    place: str
    origin: str | None
    size: int
    areas: tuple[Area, ...]

    def __getitem__(self, name: str) -> Area:
        return {area.name: area for area in self.areas}[name]

    @property
    def verdict(self) -> Literal["whole", "damaged", "undecided"]:
        """Damaged if any part is; else undecided if any is."""
        marks = {area.mark for area in self.areas}
        if Mark.FAILS in marks:
            return "damaged"
        return "undecided" if Mark.UNDECIDED in marks else "whole"


@dataclass
class Findings:
    """What was found of one area so far."""

    name: str
    faults: list[Fault] = field(default_factory=list)
    more: int = 0
    doubts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fault(self, what: str, kind: Kind) -> None:
        """Add a fault."""
        if len(self.faults) < SHOWN:
            self.faults.append(Fault(what, kind.means, kind.remedy))
        else:
            self.more += 1

    @contextmanager
    def catching(self, kind: Kind, where: str = "") -> Iterator[None]:
        """Let what the block raises on purpose be a fault of `kind`."""
        try:
            yield
        except ProvenanceError as error:
            self.fault(f"{where}{error}", kind)

    def area(self, found: str, *, there: bool = True) -> Area:
        """Return the area, of which `found` was seen; not `there`: it holds nothing."""
        mark = Mark.HOLDS if there else Mark.NOT_DEMANDED
        if self.faults:
            mark = Mark.FAILS
        elif self.doubts:
            mark = Mark.UNDECIDED
        return Area(
            self.name,
            mark,
            found,
            tuple(self.faults),
            self.more,
            tuple(self.doubts),
            tuple(self.notes),
        )
