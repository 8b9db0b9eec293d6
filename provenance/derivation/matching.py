"""Which records of two columns are equal: each with one of the other, the first with the first.

Both are sorted by leaf hash (`provenance.merkle.sorting`), in bounded memory, and gone through side
by side. Of equal records the first of one column goes with the first of the other, the second with
the second, and so on; those that are left have no partner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct

from provenance.derivation.columns import Column
from provenance.merkle import HASH_SIZE
from provenance.merkle.sorting import sorted_sections

__all__ = ["Matched", "matched"]

_WIDTH = 8
_RECORD = HASH_SIZE + _WIDTH


@dataclass(frozen=True)
class Matched:
    """Some of the leaves of two columns, by their numbers.

    Attributes:
        left: those of the first column that have a partner.
        right: the partner of each, in the second.
        before: those of the first column that have none.
        after: those of the second.
    """

    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)


def matched(before: Column, after: Column, folder: Path) -> Iterator[Matched]:
    """Yield all leaves of both columns, each once, in the order of their hashes.

    Args:
        before: of any size.
        after: likewise.
        folder: for spare files, where a column has more than 2^18 leaves.

    Raises:
        LedgerError: a spare file cannot be written.
    """
    lefts, rights = _sections(before, folder), _sections(after, folder)
    (ours, numbers), i = next(lefts, _NOTHING), 0
    (theirs, places), j = next(rights, _NOTHING), 0
    while ours and theirs:
        found = Matched()
        here, there = found.left.append, found.right.append
        mine, yours = ours[i], theirs[j]
        with suppress(IndexError):  # one section was gone through
            while True:
                if mine == yours:
                    here(numbers[i])
                    there(places[j])
                    i += 1
                    j += 1
                    mine, yours = ours[i], theirs[j]
                elif mine < yours:
                    found.before.append(numbers[i])
                    i += 1
                    mine = ours[i]
                else:
                    found.after.append(places[j])
                    j += 1
                    yours = theirs[j]
        yield found
        if i == len(ours):
            (ours, numbers), i = next(lefts, _NOTHING), 0
        if j == len(theirs):
            (theirs, places), j = next(rights, _NOTHING), 0
    yield Matched(before=[*numbers[i:]], after=[*places[j:]])
    for _, numbers in lefts:
        yield Matched(before=[*numbers])
    for _, places in rights:
        yield Matched(after=[*places])


_Section = tuple[Sequence[bytes], Sequence[int]]
_NOTHING: _Section = ((), ())


def _sections(column: Column, folder: Path) -> Iterator[_Section]:
    """Yield hashes in order and their leaves, many at a time."""
    for records in sorted_sections(column, _WIDTH, folder, "a derivation"):
        fields = Struct(">" + f"{HASH_SIZE}sQ" * (len(records) // _RECORD)).unpack(records)
        yield fields[::2], fields[1::2]
