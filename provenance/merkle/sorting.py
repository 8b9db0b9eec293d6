"""The leaves of a tree in the order of their hashes, whatever their number, in bounded memory.

What is sorted are records: a leaf hash, and behind it the number of its leaf, big-endian::

    size 3:   9c…01 00 | 2e…77 01 | 9c…01 02   →   2e…77 01 | 9c…01 00 | 9c…01 02

No two are equal, and equal leaves stand in the order of the tree.

Up to 2^18 leaves are sorted at once: a run. Of more, each run goes to a spare file, sorted; then
the order is cut into sections of about as many records, each a stretch of every run, and section
after section is sorted. Where to cut is chosen among every 512th record of each run, so a section
holds 2^18 records and 512 for each run at most, whoever chose the hashes.

Memory: some 50 MB for each core, or 100 MB by Python, and every 512th record. Disk: 33 to 39 bytes
a leaf for the spare file. The extension sorts on every core, where the kernel in use is its own;
else Python does on one, to the same bytes.
"""

from __future__ import annotations

import mmap
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from provenance.merkle.bulk import Bytes, Native, kernel
from provenance.merkle.drafts import Draft
from provenance.merkle.hashing import HASH_SIZE
from provenance.merkle.parallel import in_order

__all__ = ["Leaves", "big_endian", "columns", "sorted_leaves", "sorted_records", "sorted_sections"]

_RUN = 1 << 18
_SAMPLED = 1 << 9
_BLOCK = 1 << 12


class Leaves(Protocol):
    """A tree, or whatever else has leaves in an order."""

    size: int

    def leaf_hashes(self, begin: int, end: int) -> bytes:
        """Return the hashes of leaves `begin` … `end` - 1, contiguous; of fewer at the end."""


def sorted_sections(tree: Leaves, width: int, folder: Path, what: str) -> Iterator[bytes]:
    """Yield all records of a tree in order, many at a time.

    Args:
        tree: of any size.
        width: bytes of the number of a leaf.
        folder: for the spare file.
        what: cannot be written, where that cannot be.

    Raises:
        LedgerError: the disk is full, say.
    """
    size = HASH_SIZE + width
    work = in_order if isinstance(kernel(), Native) else map
    starts = range(0, tree.size, _RUN)
    runs = work(lambda at: sorted_leaves(tree.leaf_hashes(at, at + _RUN), at, width), starts)
    if len(starts) <= 1:
        yield from runs
        return
    with Draft(folder, what) as spare:
        sampled = []
        for run in runs:
            with spare.writing():
                spare.file.write(run)
            sampled += [run[at : at + size] for at in range(0, len(run), _SAMPLED * size)]
        with spare.writing():
            spare.file.flush()
            buffer = mmap.mmap(spare.file.fileno(), 0, access=mmap.ACCESS_READ)
        sampled.sort()
        step = _RUN // _SAMPLED
        stretches = _stretches(_Records(buffer, size), starts, sampled[step::step])

        def section(bounds: list[tuple[int, int]]) -> bytes:
            parts = [buffer[begin * size : end * size] for begin, end in bounds]
            return sorted_records(b"".join(parts), size)

        yield from work(section, stretches)


def sorted_leaves(leaves: Bytes, first: int, width: int) -> bytes:
    """Return the records of 32·n bytes of leaf hashes, the first of leaf `first`, in order."""
    if isinstance(kernel(), Native):
        from provenance.native import kernel as extension

        return extension.sorted_leaves(leaves, first, width)
    view = memoryview(leaves)
    step = _BLOCK * HASH_SIZE  # so much is in the cache while it is gone through column by column
    blocks = (
        _records(bytes(view[at : at + step]), first + at // HASH_SIZE, width)
        for at in range(0, len(view), step)
    )
    return sorted_records(b"".join(blocks), HASH_SIZE + width)


def sorted_records(records: bytes, size: int) -> bytes:
    """Return records of `size` bytes in order."""
    if isinstance(kernel(), Native):
        from provenance.native import kernel as extension

        return extension.sorted_records(records, size)
    text = records.decode("latin-1")  # in the order of bytes, which Python compares faster
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    parts.sort()
    return "".join(parts).encode("latin-1")


def columns(records: bytes, size: int, begin: int, end: int) -> bytearray:
    """Return bytes `begin` … `end` - 1 of each record, contiguous."""
    taken = bytearray(len(records) // size * (end - begin))
    for column in range(begin, end):
        taken[column - begin :: end - begin] = records[column::size]
    return taken


def big_endian(numbers: array[int] | bytearray) -> array[int]:
    """Return numbers of 64 bits in the other order of bytes: from big-endian, or to it."""
    swapped = array("Q", numbers)
    if sys.byteorder == "little":
        swapped.byteswap()
    return swapped


def _records(leaves: bytes, first: int, width: int) -> bytearray:
    count, size = len(leaves) // HASH_SIZE, HASH_SIZE + width
    behind = big_endian(array("Q", range(first, first + count))).tobytes()
    records = bytearray(count * size)
    for column in range(HASH_SIZE):
        records[column::size] = leaves[column::HASH_SIZE]
    for column in range(width):
        records[HASH_SIZE + column :: size] = behind[8 - width + column :: 8]
    return records


class _Records:
    """A sequence of records, for `bisect`."""

    def __init__(self, buffer: mmap.mmap, size: int) -> None:
        self._buffer = buffer
        self._size = size

    def __len__(self) -> int:
        return len(self._buffer) // self._size

    def __getitem__(self, index: int) -> bytes:
        return self._buffer[index * self._size : (index + 1) * self._size]


def _stretches(
    records: _Records, starts: range, cuts: list[bytes]
) -> Iterator[list[tuple[int, int]]]:
    """Yield for each section which records of each run belong to it."""
    ends = [min(start + starts.step, len(records)) for start in starts]
    begins = list(starts)
    for cut in cuts:
        reached = [
            bisect_left(records, cut, begin, end) for begin, end in zip(begins, ends, strict=True)
        ]
        yield list(zip(begins, reached, strict=True))
        begins = reached
    yield list(zip(begins, ends, strict=True))
