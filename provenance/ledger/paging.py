"""A page of an answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from provenance.errors import InputError
from provenance.lineage.impact import MAX_PLACES, HeldAt, Records

__all__ = ["WALK_CURSOR", "Page", "Place", "Places", "holders", "read_walk_cursor"]

WALK_CURSOR = r"[1-9][0-9]{0,15}\.[1-9][0-9]{0,15}"
"""``42.100``: how large the log was at the first page of a walk, and how many were told."""

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


@dataclass(frozen=True)
class Place(Generic[T]):
    """A record in an artifact.

    Attributes:
        artifact: as it was registered last.
        leaf_hash: of the record, 32 bytes.
        index: its number, from 0; that of the first of those that are equal.
        equal: how many records of the artifact are equal to it, itself among them.
    """

    artifact: T
    leaf_hash: bytes
    index: int
    equal: int


@dataclass(frozen=True)
class Places(Page[Place[T]]):
    """A page of places.

    Attributes:
        unread: entries of artifacts of which nothing can be said: their trees are damaged, or
            their statements were erased.
    """

    unread: tuple[int, ...] = ()


def holders(
    find: Callable[[str | None], Places[Any]],
) -> tuple[dict[bytes, Records], tuple[int, ...]]:
    """Return every artifact in which a record was found, and the entries that could not be asked.

    Args:
        find: returns the page at a cursor.
    """
    found: dict[bytes, Records] = {}
    unread: list[int] = []
    page = find(None)
    while True:
        for place in page:
            digest = place.artifact.artifact.digest
            known = found.get(digest, Records(0, ()))
            places = known.places
            if len(places) < MAX_PLACES:
                places += (HeldAt(place.leaf_hash, place.index, place.equal),)
            found[digest] = Records(known.count + 1, places)
        unread += page.unread
        if page.next_cursor is None:
            return found, tuple(sorted(unread))
        page = find(page.next_cursor)


def read_walk_cursor(
    cursor: str | None, size: int, as_of: int | None, *, most: int = 1
) -> tuple[int, int]:
    """Return (size of the log, how many were told) where a page of a walk begins.

    Args:
        cursor: that of the page; None for the first one.
        size: of the log.
        as_of: which size of it was asked for, if any was.
        most: how many can be told for each entry.

    Raises:
        InputError: there is no such cursor, or no such size.
    """
    if as_of is not None and not 1 <= as_of <= size:
        raise InputError(f"the log has {size} entries: it can be asked as of 1 to {size}")
    if cursor is None:
        return as_of or size, 0
    if re.fullmatch(WALK_CURSOR, cursor):
        begun, told = map(int, cursor.split("."))
        if told <= most * begun and begun <= size and as_of in (None, begun):
            return begun, told
    raise InputError(f"{cursor[:100]!r} is no cursor of this log, or of this question")
