"""A whole Merkle tree in one buffer, in memory or memory-mapped from a file.

Layout: the leaf hashes, then every level above them that holds a complete subtree, bottom up,
32 bytes a hash and nothing else. Where a hash lies follows from the number of leaves, and that
follows from the length of the buffer::

    n = 5:   L0 L1 L2 L3 L4 | N01 N23 | N0123        8 hashes, 256 bytes

A proof reads O(log n) hashes of it, whatever the size. `TreeWriter` fills a file from a stream:
leaves first, then each level from the one below, so memory stays at one block (1 MiB).
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from provenance.errors import LedgerError
from provenance.merkle.bulk import kernel
from provenance.merkle.hashing import HASH_SIZE, check_whole
from provenance.merkle.proofs import (
    ConsistencyProof,
    InclusionProof,
    prove_consistency,
    prove_inclusion,
    range_root,
)

__all__ = ["Tree", "TreeWriter"]

_BLOCK = 1 << 20


class Tree:
    """An RFC 9162 tree that answers from its stored subtrees."""

    def __init__(self, buffer: bytes | mmap.mmap, size: int) -> None:
        self._buffer = buffer
        self.size = size
        self._starts = _level_starts(size)

    @classmethod
    def from_leaf_hashes(cls, leaf_hashes: bytes) -> Self:
        """Build in memory from 32·n contiguous bytes.

        Raises:
            ValueError: they are not whole hashes.
        """
        check_whole(leaf_hashes)
        levels = [leaf_hashes]
        while len(levels[-1]) >= 2 * HASH_SIZE:
            levels.append(kernel().level_above(levels[-1]))
        return cls(b"".join(levels), len(leaf_hashes) // HASH_SIZE)

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
                if size == 0:
                    return cls(b"", 0)
                return cls(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), size)
        except FileNotFoundError:
            raise LedgerError(f"the tree file {path} is missing") from None
        except OSError as error:
            raise LedgerError(f"the tree file {path} cannot be read: {error.strerror}") from error

    def node(self, level: int, index: int) -> bytes:
        """Return the root of a complete subtree, 32 bytes.

        Raises:
            IndexError: this tree does not hold it.
        """
        if not (0 <= level < len(self._starts) and 0 <= index < self.size >> level):
            raise IndexError(f"no subtree {index} at level {level} in a tree of {self.size}")
        start = (self._starts[level] + index) * HASH_SIZE
        return self._buffer[start : start + HASH_SIZE]

    def leaf(self, index: int) -> bytes:
        """Return the hash of leaf `index`.

        Raises:
            IndexError: `index` is not below the size.
        """
        return self.node(0, index)

    @property
    def root(self) -> bytes:
        """The RFC 9162 root; SHA-256("") for a tree without leaves."""
        return range_root(0, self.size, self.node)

    def prove(self, index: int) -> InclusionProof:
        """Return the inclusion proof of leaf `index`."""
        return prove_inclusion(index, self.size, self.node)

    def prove_consistency(self, old_size: int) -> ConsistencyProof:
        """Return the proof that the first `old_size` leaves are a prefix of this tree."""
        return prove_consistency(old_size, self.size, self.node)

    def find(self, leaf_hash: bytes) -> Iterator[int]:
        """Yield every index at which `leaf_hash`, 32 bytes, stands, in order."""
        end = self.size * HASH_SIZE
        at = self._buffer.find(leaf_hash, 0, end)
        while at != -1:
            if at % HASH_SIZE == 0:
                yield at // HASH_SIZE
                at = self._buffer.find(leaf_hash, at + HASH_SIZE, end)
            else:
                at = self._buffer.find(leaf_hash, at + 1, end)


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
        self._folder = folder
        self._path = folder / f".building-{os.getpid()}-{os.urandom(4).hex()}"
        with self._writing():
            self._file = self._path.open("w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a spare file, which nobody reads
            self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # on a full disk the buffer is written once more
            self._file.close()

    def extend(self, leaf_hashes: bytes) -> None:
        """Append 32·n contiguous bytes of leaf hashes.

        Raises:
            ValueError: they are not whole hashes.
            LedgerError: the disk is full, say.
        """
        check_whole(leaf_hashes)
        with self._writing():
            self._file.write(leaf_hashes)

    def finish(self) -> Tree:
        """Compute every level above the leaves and return the tree.

        Raises:
            LedgerError: the disk is full, say.
        """
        with self._writing():
            begin, end = 0, self._file.tell()
            size = end // HASH_SIZE
            while end - begin >= 2 * HASH_SIZE:
                # Read one level while its parents are appended behind it.
                for at in range(begin, end, _BLOCK):
                    self._file.seek(at)
                    block = self._file.read(min(_BLOCK, end - at))
                    self._file.seek(0, os.SEEK_END)
                    self._file.write(kernel().level_above(block))
                begin, end = end, self._file.tell()
            self._file.flush()
            os.fsync(self._file.fileno())
            if size == 0:
                return Tree(b"", 0)
            return Tree(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), size)

    def keep(self, path: Path) -> None:
        """Give the finished file its name, durably. A crash before leaves only a spare file.

        Raises:
            LedgerError: it cannot be moved there.
        """
        with self._writing():
            self._path.replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LedgerError(
                f"a tree file in {self._folder} cannot be written: {error.strerror}"
            ) from error


def _level_starts(size: int) -> list[int]:
    starts, start = [], 0
    while size:
        starts.append(start)
        start += size
        size >>= 1
    return starts


def _size_of_length(length: int, path: Path) -> int:
    """Return n of n + n//2 + n//4 + … = 2n - popcount(n) hashes."""
    hashes, rest = divmod(length, HASH_SIZE)
    for size in range(hashes // 2, hashes // 2 + 64):
        if rest == 0 and 2 * size - size.bit_count() == hashes:
            return size
    raise LedgerError(f"{path} has {length:,} bytes, which no tree file has")
