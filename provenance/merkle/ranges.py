"""Compact ranges: the smallest set of hashes that stands for leaves ``begin … end - 1``.

A compact range holds the roots of the largest complete subtrees that tile the range, left to
right. Appending a leaf needs no other hash; two ranges that meet merge into one; the range from
0 gives the RFC 9162 root. So a tree can be grown from its frontier, or hashed in parts on
several machines and joined to the same root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from provenance.merkle.bulk import kernel
from provenance.merkle.hashing import EMPTY_ROOT, HASH_SIZE, check_whole, node_hash

__all__ = ["CompactRange"]


@dataclass
class CompactRange:
    """Leaves `begin` … `end` - 1, as the roots of their largest complete subtrees."""

    begin: int = 0
    end: int = 0
    hashes: tuple[bytes, ...] = ()

    @classmethod
    def over(cls, begin: int, leaf_hashes: bytes) -> Self:
        """Return the range of 32·n contiguous bytes of leaf hashes, the first at `begin`.

        Raises:
            ValueError: they are not whole hashes.
        """
        check_whole(leaf_hashes)
        end = begin + len(leaf_hashes) // HASH_SIZE
        left, right = [], []
        first, last, level = begin, end, leaf_hashes
        while first < last:
            # What has no sibling within the range stays; pairs move up a level.
            if first & 1:
                left.append(level[:HASH_SIZE])
                level = level[HASH_SIZE:]
                first += 1
            if last & 1:
                right.append(level[-HASH_SIZE:])
                level = level[:-HASH_SIZE]
                last -= 1
            first, last, level = first >> 1, last >> 1, kernel().level_above(level)
        return cls(begin, end, (*left, *reversed(right)))

    @classmethod
    def of(cls, size: int, node: Callable[[int, int], bytes]) -> Self:
        """Return the range over all leaves of a tree, of which `node` returns the subtrees.

        Args:
            size: how many leaves.
            node: (level, index) → the root of a complete subtree, as `Tree.node` has it.
        """
        return cls(0, size, tuple(node(level, index) for level, index in _subtrees(0, size)))

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf at the end."""
        self.extend(leaf_hash)

    def extend(self, leaf_hashes: bytes) -> None:
        """Add 32·n contiguous bytes of leaf hashes at the end."""
        self.merge(CompactRange.over(self.end, leaf_hashes))

    def merge(self, other: CompactRange) -> None:
        """Add the range that starts where this one ends.

        Raises:
            ValueError: it starts elsewhere.
        """
        if other.begin != self.end:
            raise ValueError(
                f"a range from {other.begin} cannot follow one that ends at {self.end}"
            )
        # A subtree (level, index) on the stack: two siblings fold into their parent.
        stack = list(zip(_subtrees(self.begin, self.end), self.hashes, strict=True))
        for subtree, value in zip(_subtrees(other.begin, other.end), other.hashes, strict=True):
            stack.append((subtree, value))
            while len(stack) > 1:
                # They meet: at one level they are siblings iff the second is a right child.
                (left_level, _), left = stack[-2]
                (level, index), right = stack[-1]
                if left_level != level or index % 2 == 0:
                    break
                stack[-2:] = [((level + 1, index >> 1), node_hash(left, right))]
        self.end = other.end
        self.hashes = tuple(value for _, value in stack)

    def root(self) -> bytes:
        """Return the RFC 9162 root.

        Raises:
            ValueError: the range does not start at 0.
        """
        if self.begin:
            raise ValueError(f"a range from {self.begin} has no root of its own")
        if not self.hashes:
            return EMPTY_ROOT
        value = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            value = node_hash(left, value)
        return value


def _subtrees(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (level, index) of the largest complete subtrees that tile the range."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level
