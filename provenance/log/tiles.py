"""Tiles: how a log is served as static files (C2SP tlog-tiles).

A tile holds up to 256 hashes of one level; tile level L holds the tree's level 8·L. So every
complete subtree can be had from one tile, and any proof from a few. Entry bundles hold the
entries themselves, each behind its length as a big-endian uint16::

    tile/0/x001/x234/067          the 1,234,067th full tile of leaf hashes
    tile/1/000.p/5                the first tile above it, so far with 5 hashes
    tile/entries/000.p/12         the first 12 entries
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from provenance.errors import MalformedError
from provenance.merkle import HASH_SIZE, node_hash

__all__ = [
    "ENTRIES",
    "HEIGHT",
    "WIDTH",
    "TilePath",
    "format_entries",
    "node_from_tiles",
    "parse_entries",
    "tile_width",
]

HEIGHT = 8
WIDTH = 1 << HEIGHT

ENTRIES = "entries"
"""Stands where a tile path has its level, for entry bundles."""

_PATH = re.compile(
    r"tile/(entries|0|[1-5]?[0-9]|6[0-3])/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True)
class TilePath:
    """Names one tile: `level` (or `ENTRIES`), `index` and how many items it holds."""

    level: int | str
    index: int
    width: int = WIDTH

    @classmethod
    def parse(cls, path: str) -> TilePath:
        """Read a path such as ``tile/0/x001/234.p/17``; the inverse of ``str``.

        Raises:
            MalformedError: not the one path that names a tile.
        """
        match = _PATH.fullmatch(path)
        if match:
            level = ENTRIES if match[1] == ENTRIES else int(match[1])
            index = int(match[2].replace("/", "").replace("x", ""))
            tile = cls(level, index, int(match[3] or WIDTH))
            if tile.width <= WIDTH and str(tile) == path:
                return tile
        raise MalformedError(f"not the path of a tile: {path[:80]!r}")

    def __str__(self) -> str:
        digits = f"{self.index:03}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        *groups, last = (digits[at : at + 3] for at in range(0, len(digits), 3))
        number = "".join(f"x{group}/" for group in groups) + last
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{self.level}/{number}{partial}"


def tile_width(level: int, index: int, size: int) -> int:
    """Return how many hashes tile (`level`, `index`) holds in a log of `size` entries, 0 … 256."""
    hashes = size >> (HEIGHT * level)
    return max(0, min(WIDTH, hashes - index * WIDTH))


def node_from_tiles(tile: Callable[[int, int], bytes]) -> Callable[[int, int], bytes]:
    """Return ``node(level, index)`` for proofs, from ``tile(tile level, tile index)``.

    `tile` gives the hashes of a full or partial tile, 32 bytes each.
    """

    def node(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, HEIGHT)
        tile_index, first = divmod(index << height, WIDTH)
        start, end = first * HASH_SIZE, (first + (1 << height)) * HASH_SIZE
        block = tile(tile_level, tile_index)[start:end]
        if len(block) != end - start:
            raise MalformedError(f"tile {TilePath(tile_level, tile_index)} is too short")
        hashes = [block[at : at + HASH_SIZE] for at in range(0, len(block), HASH_SIZE)]
        while len(hashes) > 1:
            hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
        return hashes[0]

    return node


def format_entries(entries: Iterable[bytes]) -> bytes:
    """Return an entry bundle: each entry behind its length as a big-endian uint16."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_entries(data: bytes) -> Iterator[bytes]:
    """Yield the entries of a bundle; the inverse of `format_entries`.

    Raises:
        MalformedError: it ends within an entry.
    """
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if len(data) < at + 2 or end > len(data):
            raise MalformedError("an entry bundle that ends within an entry")
        yield data[at + 2 : end]
        at = end
