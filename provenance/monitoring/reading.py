"""Reading every entry that is new: the tree is grown from the entries themselves.

Each bundle of 256 is hashed here. The log's own hash tiles are compared with what that gives, and
prove nothing by themselves; where the two differ, a proof under the checkpoint's root decides
which of them lies. A few bundles are asked for ahead, and no more than those are ever in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256

from provenance.errors import MalformedError, ProvenanceError
from provenance.log import Entry, TilePath
from provenance.log.tiles import ENTRIES, HEIGHT, WIDTH, parse_entries, tile_width
from provenance.merkle import HASH_SIZE, leaf_hash
from provenance.monitoring.edge import RightEdge
from provenance.monitoring.evidence import ServedEntry, ServedTile
from provenance.monitoring.served import ServedTree, UnshownError
from provenance.monitoring.source import LogSource, read_tile

__all__ = ["EntriesError", "Reading", "read_entries"]

AHEAD = 4
"""Bundles that are asked for at once: most of a far log's time is the way there and back."""

SAVED_EVERY = 1 << 16
"""Entries after which a long reading may be saved."""


class EntriesError(ProvenanceError):
    """The entries that are served are not those of the checkpoint.

    Attributes:
        entry: one that is not what stands at its index, where that could be told.
    """

    def __init__(self, message: str, entry: ServedEntry | None = None) -> None:
        super().__init__(message)
        self.entry = entry


@dataclass
class Reading:
    """Entries up to the checkpoint, and what is wrong with them though they are its entries.

    Attributes:
        edge: of the tree over all of them.
        misshapen: how many of the new ones are of no form known here.
        first: index, bytes and fault of the first of those.
        tile: the first hash tile that is not that of the entries.
    """

    edge: RightEdge
    misshapen: int = 0
    first: tuple[int, bytes, str] | None = None
    tile: ServedTile | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong so far."""
        return not self.misshapen and self.tile is None


def read_entries(
    source: LogSource,
    tree: ServedTree,
    edge: RightEdge,
    *,
    progress: Callable[[RightEdge], None],
) -> Reading:
    """Read from the end of `edge`, the entries known so far, to that of `tree`.

    Args:
        source: the log.
        tree: of the checkpoint.
        edge: of the tree over the entries known so far.
        progress: called now and then with how far it got, as long as nothing is wrong.

    Raises:
        EntriesError: they do not hash to the root of the checkpoint.
        SourceError: one cannot be read.
    """
    reading = Reading(edge.copy())
    size, saved = tree.head.size, edge.size
    for index, bundle, tile in _fetched(source, edge.size, size):
        first = index * WIDTH
        entries = _entries(bundle, index, tile_width(0, index, size))
        hashes = b"".join(map(leaf_hash, entries))
        known = reading.edge.levels[0] if reading.edge.size > first else b""
        if not hashes.startswith(known):
            _refuse(tree, first, entries, hashes, known)
            raise EntriesError(f"an entry from {first} on was another one before")
        if hashes != tile and reading.tile is None:
            _refuse(tree, first, entries, hashes, tile)
            path = TilePath(0, index, len(entries))
            reading.tile = ServedTile(path=str(path), sha256=sha256(tile).digest())
        for at in range(len(known) // HASH_SIZE, len(entries)):
            _check_form(reading, first + at, entries[at])
        for full in reading.edge.append(hashes[len(known) :]):
            if full.level:
                _compare(source, reading, TilePath(full.level, full.index), full.hashes)
        if reading.clean and reading.edge.size - saved >= SAVED_EVERY:
            saved = reading.edge.size
            progress(reading.edge)
    if size > edge.size:
        for level, hashes in enumerate(reading.edge.levels):
            if level and hashes:
                index = size >> (HEIGHT * (level + 1))
                path = TilePath(level, index, len(hashes) // HASH_SIZE)
                _compare(source, reading, path, hashes)
    if (root := reading.edge.root()) != tree.head.root:
        raise EntriesError(
            f"the {size} entries that are served hash to the root {root.hex()}; "
            f"signed is {tree.head.root.hex()}"
        )
    return reading


def _fetched(source: LogSource, begin: int, end: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield (index, entry bundle, level 0 tile) for every tile with entries `begin` … `end` - 1."""

    def fetch(index: int) -> tuple[int, bytes, bytes]:
        width = tile_width(0, index, end)
        try:
            bundle = read_tile(source, TilePath(ENTRIES, index, width))
        except MalformedError as error:
            raise EntriesError(f"{TilePath(ENTRIES, index)}: {error}") from None
        return index, bundle, read_tile(source, TilePath(0, index, width))

    waiting: deque[Future[tuple[int, bytes, bytes]]] = deque()
    pool = ThreadPoolExecutor(AHEAD)
    try:
        for index in range(begin // WIDTH, -(-end // WIDTH) if begin < end else 0):
            waiting.append(pool.submit(fetch, index))
            if len(waiting) == AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _entries(bundle: bytes, index: int, width: int) -> list[bytes]:
    path = TilePath(ENTRIES, index, width)
    try:
        entries = list(parse_entries(bundle))
    except MalformedError as error:
        raise EntriesError(f"{path}: {error}") from None
    if len(entries) != width:
        raise EntriesError(f"{path} holds {len(entries)} entries")
    return entries


def _check_form(reading: Reading, index: int, entry: bytes) -> None:
    try:
        Entry.parse(entry)
    except MalformedError as error:
        reading.misshapen += 1
        if reading.first is None:
            reading.first = index, entry, str(error)


def _refuse(
    tree: ServedTree, first: int, entries: list[bytes], hashes: bytes, other: bytes
) -> None:
    """Raise if the entries, not the `other` hashes that they were compared with, are wrong.

    Raises:
        EntriesError: another leaf is proven to stand where the first difference is.
    """
    for at, entry in enumerate(entries):
        own = hashes[at * HASH_SIZE : (at + 1) * HASH_SIZE]
        if own == other[at * HASH_SIZE : (at + 1) * HASH_SIZE]:
            continue
        try:
            leaf, proof = tree.leaf(first + at)
        except UnshownError:
            return
        if leaf != own:
            raise EntriesError(
                f"entry {first + at} is served with the leaf hash {own.hex()}; under the "
                f"checkpoint stands {leaf.hex()}",
                ServedEntry.of(entry, leaf, proof),
            )
        return


def _compare(source: LogSource, reading: Reading, path: TilePath, hashes: bytes) -> None:
    served = read_tile(source, path)
    if served != hashes and reading.tile is None:
        reading.tile = ServedTile(path=str(path), sha256=sha256(served).digest())
