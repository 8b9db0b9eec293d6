"""A page of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

__all__ = ["Page"]

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class Page(Sequence[T]):
    """A sequence of what was found, and where more of it begins.

    Attributes:
        items: what was found.
        next_cursor: given as ``cursor`` it leads to the next page; None at the end. A page may be
            short, or empty, and have one.
    """

    items: tuple[T, ...]
    next_cursor: str | None = None

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[T, ...]: ...
    def __getitem__(self, at: int | slice) -> T | tuple[T, ...]:
        return self.items[at]
