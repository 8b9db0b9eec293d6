"""The right edge of a tree: of every tile level, the hashes of the one tile that is not full yet.

It is all that appending needs, at most 255 hashes a level, and gives the RFC 9162 root::

    70,000 leaves = level 0: 112 hashes, level 1: 17 hashes, level 2: 1 hash

A log that appends writes its tiles from such an edge; a monitor that grows its own from the
entries therefore knows what every tile must hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from provenance.errors import MalformedError
from provenance.log.tiles import HEIGHT, WIDTH
from provenance.merkle import HASH_SIZE, CompactRange

__all__ = ["FullTile", "RightEdge"]

FULL = WIDTH * HASH_SIZE


@dataclass(frozen=True)
class FullTile:
    """A tile that appending filled: what the log must serve for it."""

    level: int
    index: int
    hashes: bytes


class RightEdge:
    """A tree of which only the right edge is kept; it grows at its end."""

    def __init__(self, levels: Iterable[bytes] = ()) -> None:
        """Take the hashes of each level's last tile, level 0 first.

        Raises:
            MalformedError: a level is not 0 to 255 whole hashes.
        """
        self._levels = list(levels)
        if any(len(hashes) % HASH_SIZE or len(hashes) >= FULL for hashes in self._levels):
            raise MalformedError("a level of a tree's edge is 0 to 255 hashes of 32 bytes")

    @property
    def levels(self) -> tuple[bytes, ...]:
        """The hashes of each level's last tile, level 0 first; empty where that tile is full."""
        return tuple(self._levels)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return sum(
            len(hashes) // HASH_SIZE << (HEIGHT * level)
            for level, hashes in enumerate(self._levels)
        )

    def copy(self) -> RightEdge:
        """Return one that grows by itself."""
        return RightEdge(self._levels)

    def append(self, leaf_hashes: bytes) -> list[FullTile]:
        """Add 32·n contiguous bytes of leaf hashes; return the tiles that got full, level 0 first.

        Raises:
            ValueError: they are not whole hashes.
        """
        if len(leaf_hashes) % HASH_SIZE:
            raise ValueError(f"{len(leaf_hashes)} bytes are not whole hashes")
        size, level, added = self.size, 0, leaf_hashes
        filled = []
        while added:
            if level == len(self._levels):
                self._levels.append(b"")
            data, added = self._levels[level] + added, b""
            index = size >> (HEIGHT * (level + 1))
            for at in range(0, len(data) - FULL + 1, FULL):
                tile = FullTile(level, index, data[at : at + FULL])
                filled.append(tile)
                added += CompactRange.over(0, tile.hashes).root()
                index += 1
            self._levels[level] = data[len(data) - len(data) % FULL :]
            level += 1
        return filled

    def root(self) -> bytes:
        """Return the RFC 9162 root."""
        size = self.size
        subtrees: list[bytes] = []
        for level, hashes in reversed(list(enumerate(self._levels))):
            begin = size >> (HEIGHT * (level + 1)) << HEIGHT
            subtrees += CompactRange.over(begin, hashes).hashes
        return CompactRange(0, size, tuple(subtrees)).root()
