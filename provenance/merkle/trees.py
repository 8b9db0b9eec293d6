"""A whole Merkle tree in one buffer, in memory or memory-mapped from a file.

Layout: the leaf hashes, then every level above them that holds a complete subtree, bottom up,
32 bytes a hash and nothing else. Where a hash lies follows from the number of leaves, and that
follows from the length of the buffer::

    n = 5:   L0 L1 L2 L3 L4 | N01 N23 | N0123        8 hashes, 256 bytes

A proof reads O(log n) hashes of it, whatever the size. `TreeWriter` fills a file from a stream,
leaves first. The levels above are computed on every core, in blocks of 2^15 hashes that go up 15
levels while they are in the processor's cache. Memory: 2 MiB for each core, and 2 MiB.
"""

from __future__ import annotations

import mmap
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Self

from provenance.errors import LedgerError
from provenance.merkle.bulk import kernel
from provenance.merkle.drafts import Draft
from provenance.merkle.hashing import HASH_SIZE, check_whole
from provenance.merkle.parallel import in_order
from provenance.merkle.proofs import (
    ConsistencyProof,
    InclusionProof,
    InclusionProofs,
    prove_consistency,
    range_root,
)
from provenance.merkle.ranges import CompactRange

__all__ = ["Tree", "TreeWriter", "tree_length"]

_Buffer = bytes | mmap.mmap

_BLOCK_LEVELS = 15


class Tree:
    """An RFC 9162 tree that answers from its stored subtrees."""

    def __init__(self, size: int, leaves: _Buffer, above: _Buffer, start: int = 0) -> None:
        """Take the leaf hashes, and from byte `start` on the levels `above` them."""
        self.size = size
        self._leaves = leaves
        self._above, self._shift = above, size * HASH_SIZE - start
        starts = [start + at - size * HASH_SIZE for at in _level_starts(size)[1:]]
        self._levels = [(leaves, 0), *((above, at) for at in starts)]

    @classmethod
    def from_leaf_hashes(cls, leaf_hashes: bytes) -> Self:
        """Build in memory from 32·n contiguous bytes. They are kept, and as many are added.

        Raises:
            ValueError: they are not whole hashes.
        """
        check_whole(leaf_hashes)
        size = len(leaf_hashes) // HASH_SIZE
        if size <= 1 << _BLOCK_LEVELS:
            return cls(size, leaf_hashes, kernel().levels_above(leaf_hashes))
        leaves, end = memoryview(leaf_hashes), len(leaf_hashes)
        above = mmap.mmap(-1, tree_length(size) - end)

        def read(begin: int, stop: int) -> bytes | memoryview:
            return leaves[begin:stop] if begin < end else above[begin - end : stop - end]

        def write(at: int, hashes: memoryview) -> None:
            above[at - end : at - end + len(hashes)] = hashes

        _fill_above(size, read, write)
        return cls(size, leaf_hashes, above)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map the file that a `TreeWriter` finished.

        Raises:
            LedgerError: no such file, it cannot be read, or no tree has this length.
        """
        try:
            with path.open("rb") as file:
                length = os.fstat(file.fileno()).st_size
                size = _size_of_length(length, path)
                return cls.mapped(file.fileno(), size)
        except FileNotFoundError:
            raise LedgerError(f"the tree file {path} is missing") from None
        except OSError as error:
            raise LedgerError(f"the tree file {path} cannot be read: {error.strerror}") from error

    @classmethod
    def mapped(cls, descriptor: int, size: int) -> Self:
        """Map the file of a tree of `size` leaves."""
        if size == 0:
            return cls(0, b"", b"")
        buffer = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        return cls(size, buffer, buffer, size * HASH_SIZE)

    def node(self, level: int, index: int) -> bytes:
        """Return the root of a complete subtree, 32 bytes.

        Raises:
            IndexError: this tree does not hold it.
        """
        if not (0 <= level < len(self._levels) and 0 <= index < self.size >> level):
            raise IndexError(f"no subtree {index} at level {level} in a tree of {self.size}")
        buffer, start = self._levels[level]
        start += index * HASH_SIZE
        return buffer[start : start + HASH_SIZE]

    def leaf(self, index: int) -> bytes:
        """Return the hash of leaf `index`.

        Raises:
            IndexError: `index` is not below the size.
        """
        return self.node(0, index)

    def leaf_hashes(self, begin: int, end: int) -> bytes:
        """Return the hashes of leaves `begin` … `end` - 1, contiguous; of fewer at the end."""
        return self._leaves[begin * HASH_SIZE : min(end, self.size) * HASH_SIZE]

    def check_leaves(self) -> None:
        """Check that the leaf hashes are those of the root, by hashing every level again.

        Raises:
            LedgerError: they are not.
        """
        step = 1 << _BLOCK_LEVELS
        whole = CompactRange()
        for part in in_order(
            lambda at: CompactRange.over(at, self.leaf_hashes(at, at + step)),
            range(0, self.size, step),
        ):
            whole.merge(part)
        if whole.root() != self.root:
            raise LedgerError("the leaf hashes in the tree file are not those of its root")

    def check(self) -> None:
        """Check every hash that is stored above the leaves, by hashing every level again.

        Whether the root is the one that it should be, the caller knows.

        Raises:
            LedgerError: one is not that of the two below it.
        """
        end = self.size * HASH_SIZE

        def read(at: int, stop: int) -> bytes:
            if at < end:
                return self._leaves[at:stop]
            return self._above[at - self._shift : stop - self._shift]

        def compare(at: int, hashes: memoryview) -> None:
            found = read(at, at + len(hashes))
            if found != hashes:
                wrong = next(i for i in range(len(hashes)) if found[i : i + 1] != hashes[i : i + 1])
                raise LedgerError(
                    f"the hash at byte {(at + wrong) // HASH_SIZE * HASH_SIZE} of the tree file is "
                    "not that of the two below it"
                )

        _fill_above(self.size, read, compare)

    @property
    def root(self) -> bytes:
        """The RFC 9162 root; SHA-256("") for a tree without leaves."""
        return range_root(0, self.size, self.node)

    def prove(self, index: int) -> InclusionProof:
        """Return the inclusion proof of leaf `index`.

        Raises:
            ValueError: `index` is not below the size.
        """
        (proof,) = self.prove_all([index])
        return proof

    def prove_all(self, indices: Sequence[int]) -> InclusionProofs:
        """Return the inclusion proofs of several leaves, in any order.

        Raises:
            ValueError: one is not below the size.
        """
        for index in indices:
            if not 0 <= index < self.size:
                raise ValueError(f"no leaf {index} in a tree of {self.size}")
        levels, last = self._buffers
        paths = kernel().paths(levels, last, array("Q", indices), self.size)
        return InclusionProofs(indices, self.size, paths)

    @cached_property
    def _buffers(self) -> tuple[list[memoryview], bytes]:
        """Each level by itself, and for each below the root what its last subtree comes to."""
        levels = [memoryview(buffer)[start:] for buffer, start in self._levels]
        last = [
            range_root((self.size - 1 >> level) << level, self.size, self.node)
            for level in range((self.size - 1).bit_length() if self.size else 0)
        ]
        return levels, b"".join(last)

    def prove_consistency(self, old_size: int) -> ConsistencyProof:
        """Return the proof that the first `old_size` leaves are a prefix of this tree."""
        return prove_consistency(old_size, self.size, self.node)

    def find(self, leaf_hash: bytes) -> Iterator[int]:
        """Yield every index at which `leaf_hash`, 32 bytes, stands, in order; reads every leaf.

        `provenance.merkle.index` does the same of a stored tree, and reads few.
        """
        end = self.size * HASH_SIZE
        at = self._leaves.find(leaf_hash, 0, end)
        while at != -1:
            if at % HASH_SIZE == 0:
                yield at // HASH_SIZE
                at = self._leaves.find(leaf_hash, at + HASH_SIZE, end)
            else:
                at = self._leaves.find(leaf_hash, at + 1, end)


class TreeWriter:
    """Writes a tree file from a stream of leaf hashes.

    The file appears under its name only when it is whole and durable::

        with TreeWriter(folder) as writer:
            for block in blocks:
                writer.extend(block)
            tree = writer.finish()
            writer.keep(path)
    """

    def __init__(self, folder: Path) -> None:
        self._draft = Draft(folder, "a tree file")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._draft.__exit__(*error)

    def extend(self, leaf_hashes: bytes) -> None:
        """Append 32·n contiguous bytes of leaf hashes.

        Raises:
            ValueError: they are not whole hashes.
            LedgerError: the disk is full, say.
        """
        check_whole(leaf_hashes)
        with self._draft.writing():
            self._draft.file.write(leaf_hashes)

    def finish(self) -> Tree:
        """Compute every level above the leaves and return the tree.

        Raises:
            LedgerError: the disk is full, say.
        """
        with self._draft.writing():
            self._draft.file.flush()
            descriptor = self._draft.file.fileno()
            size = os.fstat(descriptor).st_size // HASH_SIZE

            def read(at: int, end: int) -> bytes:
                return os.pread(descriptor, end - at, at)

            def write(at: int, hashes: memoryview) -> None:
                while hashes:  # on a full disk some may fit, and then none
                    written = os.pwrite(descriptor, hashes, at)
                    at, hashes = at + written, hashes[written:]

            _fill_above(size, read, write)
            return Tree.mapped(descriptor, size)

    def keep(self, path: Path) -> None:
        """Give the finished file its name, durably. A crash before leaves only a spare file.

        Raises:
            LedgerError: it cannot be written, or moved there.
        """
        self._draft.keep(path)


def _fill_above(
    size: int,
    read: Callable[[int, int], bytes | memoryview],
    write: Callable[[int, memoryview], None],
) -> None:
    """Compute every level above `size` leaves, on every core.

    ``read(at, end)`` and ``write(at, hashes)`` count bytes of the layout, and are called from
    several threads at a time. A level is read only once it was written.
    """
    starts = _level_starts(size)

    def climb(block: tuple[int, int, int]) -> None:
        level, begin, end = block
        at = starts[level]
        above = memoryview(
            kernel().levels_above(read(at + begin * HASH_SIZE, at + end * HASH_SIZE))
        )
        if end - begin == size >> level:  # all of the level: what is above it stands behind it
            write(at + end * HASH_SIZE, above)
            return
        while above:
            level, begin, end = level + 1, begin >> 1, end >> 1
            length = (end - begin) * HASH_SIZE
            write(starts[level] + begin * HASH_SIZE, above[:length])
            above = above[length:]

    for level in range(0, size.bit_length() - 1, _BLOCK_LEVELS):
        width, step = size >> level, 1 << _BLOCK_LEVELS
        blocks = ((level, begin, min(begin + step, width)) for begin in range(0, width, step))
        for _ in in_order(climb, blocks):
            pass


def _level_starts(size: int) -> list[int]:
    """Return at which byte of the layout each level begins."""
    lengths = [(size >> level) * HASH_SIZE for level in range(size.bit_length())]
    return list(accumulate(lengths[:-1], initial=0))


def tree_length(size: int) -> int:
    """Return how many bytes the file of a tree has: 32 · (n + n//2 + n//4 + …)."""
    return (2 * size - size.bit_count()) * HASH_SIZE


def _size_of_length(length: int, path: Path) -> int:
    half = length // HASH_SIZE // 2
    for size in range(half, half + 64):
        if tree_length(size) == length:
            return size
    raise LedgerError(f"{path} has {length:,} bytes, which no tree file has")
