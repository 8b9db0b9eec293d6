"""The leaf hashes of several artifacts, one behind the other, as if they were those of one tree."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from struct import Struct

from provenance.merkle import HASH_SIZE, Tree
from provenance.records.artifacts import Artifact

__all__ = ["BLOCK", "Column", "Version", "hashes_in"]

BLOCK = 1 << 15
"""Leaf hashes that are read at a time: 1 MiB."""

_HASH = Struct(f"{HASH_SIZE}s")


@dataclass(frozen=True)
class Version:
    """An artifact, and the tree of its records.

    Attributes:
        tree: has the artifact's size; that its leaves are those of the root is not known.
    """

    artifact: Artifact
    tree: Tree


class Column:
    """The leaves of trees, numbered through."""

    def __init__(self, trees: Sequence[Tree]) -> None:
        self._trees = trees
        self._starts = list(accumulate((tree.size for tree in trees), initial=0))
        self.size = self._starts[-1]

    def leaf_hashes(self, begin: int, end: int) -> bytes:
        """Return the hashes of leaves `begin` … `end` - 1, contiguous; of fewer at the end."""
        found = []
        end = min(end, self.size)
        while begin < end:
            which = bisect_right(self._starts, begin) - 1
            start = self._starts[which]
            found.append(self._trees[which].leaf_hashes(begin - start, end - start))
            begin = self._starts[which + 1]
        return found[0] if len(found) == 1 else b"".join(found)

    def blocks(self) -> Iterator[bytes]:
        """Yield all leaf hashes, `BLOCK` of them at a time."""
        for at in range(0, self.size, BLOCK):
            yield self.leaf_hashes(at, at + BLOCK)

    def __iter__(self) -> Iterator[bytes]:
        """Yield each leaf hash, 32 bytes."""
        return chain.from_iterable(map(hashes_in, self.blocks()))


def hashes_in(block: bytes) -> Iterator[bytes]:
    """Yield each of 32·n contiguous bytes of hashes."""
    return chain.from_iterable(_HASH.iter_unpack(block))
