"""What changed between two versions, record by record, from their trees alone.

Equal records are paired, the first of one version with the first of the other, the second with the
second. What has no partner was *removed*, or *added*. Of the pairs, a largest set stands in one
order in both versions: these are *unchanged*, and the others *moved*. So whoever takes out what was
removed and what moved, and puts in what was added and what moved, has the other version; and fewer
need not be moved, as equal records were paired.

The set is a longest increasing subsequence, found in n log n steps (Fredman, 1975). There may be
several of one length; which one is taken follows from the two versions alone.

Memory: 20 bytes for each record at most, 40 from 2^32 records on, beside that of sorting and the
result.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, islice
from operator import lt, not_
from pathlib import Path

from provenance.derivation.columns import Column, Version
from provenance.derivation.matching import matched
from provenance.errors import InputError

__all__ = ["Difference", "compare", "out_of_order"]

_SHORT = 1 << 32
"""Numbers of fewer records have four bytes."""


@dataclass(frozen=True)
class Difference:
    """How one version became another: the numbers of records, from 0, in ascending order.

    Attributes:
        unchanged: how many records are in both, in the same order.
        removed: of the first version.
        added: of the second.
        moved: of the first, and behind it where each is in the second.
    """

    unchanged: int
    removed: Sequence[int]
    added: Sequence[int]
    moved: tuple[Sequence[int], Sequence[int]]


def compare(before: Version, after: Version, folder: Path) -> Difference:
    """Return what changed from one version to the other.

    Args:
        before: its leaves are believed.
        after: likewise.
        folder: for spare files, where a version has more than 2^18 records.

    Raises:
        InputError: they are of different encodings.
        LedgerError: a spare file cannot be written.
    """
    if before.artifact.encoding != after.artifact.encoding:
        raise InputError("records of different encodings cannot be compared")
    old, new = Column([before.tree]), Column([after.tree])
    nowhere = max(old.size, new.size)
    code = "I" if nowhere < _SHORT else "Q"
    places = array(code, [nowhere]) * old.size
    is_added = bytearray(b"\1") * new.size
    for found in matched(old, new, folder):
        for number, place in zip(found.left, found.right, strict=True):
            places[number] = place
            is_added[place] = 0
    is_kept = bytearray(map(nowhere.__gt__, places))
    kept = array(code, compress(places, is_kept))
    del places
    is_moved = out_of_order(kept)
    numbers = compress(range(old.size), is_kept)
    moved = array(code, compress(numbers, is_moved)), array(code, compress(kept, is_moved))
    return Difference(
        unchanged=len(kept) - len(moved[0]),
        removed=array(code, compress(range(old.size), map(not_, is_kept))),
        added=array(code, compress(range(new.size), is_added)),
        moved=moved,
    )


def out_of_order(numbers: array[int]) -> bytearray:
    """Mark with 1 as few of different numbers as possible, so that the others ascend."""
    if all(map(lt, numbers, islice(numbers, 1, None))):
        return bytearray(len(numbers))
    ends, lengths = numbers[:0], numbers[:0]  # the least end of an ascending row of each length
    last = -1
    for number in numbers:
        if number > last:
            lengths.append(len(ends))
            ends.append(number)
            last = number
        else:
            length = bisect_left(ends, number)
            lengths.append(length)
            ends[length] = number
            last = ends[-1]
    marks = bytearray(b"\1") * len(numbers)
    wanted = len(ends) - 1
    for at in range(len(numbers) - 1, -1, -1):
        if lengths[at] == wanted:  # the last such one before is the least, so it ascends from there
            marks[at] = 0
            wanted -= 1
    return marks
