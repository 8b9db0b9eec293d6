"""Where a log is read from: a checkpoint and tiles, by their paths in C2SP tlog-tiles."""

from __future__ import annotations

from itertools import islice
from typing import Protocol

from provenance.errors import LedgerError
from provenance.log import TilePath
from provenance.log.tiles import ENTRIES, WIDTH, format_entries, parse_entries
from provenance.merkle import HASH_SIZE
from provenance.signing.note import MAX_NOTE

__all__ = ["MAX_NOTE", "LogSource", "MissingError", "SourceError", "max_length", "read_tile"]

MAX_ENTRY = 2 + 0xFFFF


class SourceError(LedgerError):
    """A log cannot be read: no answer, or none within the limits. Asking again may help."""


class MissingError(SourceError):
    """The log answers that it does not have what was asked for."""


class LogSource(Protocol):
    """What a monitor asks of a log. Nothing that it returns is trusted.

    May be called from several threads at once. Every method may raise `SourceError`.
    """

    @property
    def name(self) -> str:
        """What messages call this source: a host or a folder, never a secret."""

    def checkpoint(self) -> bytes:
        """Return the newest checkpoint, a signed note."""

    def tile(self, path: str) -> bytes:
        """Return the tile or entry bundle of a path such as ``tile/0/x001/234.p/17``."""


def max_length(path: TilePath) -> int:
    """Return the bytes that a tile of this path has at most."""
    return path.width * (MAX_ENTRY if path.level == ENTRIES else HASH_SIZE)


def read_tile(source: LogSource, path: TilePath) -> bytes:
    """Return a tile; a partial one from the full tile, where the log has that only.

    A log may delete a partial tile once the full one is there (tlog-tiles, "Partial Tiles").

    Raises:
        SourceError: it cannot be read.
        MalformedError: a full bundle that was to be cut is no entry bundle.
    """
    try:
        return source.tile(str(path))
    except MissingError as missing:
        if path.width == WIDTH:
            raise
        try:
            full = source.tile(str(TilePath(path.level, path.index)))
        except MissingError:
            raise missing from None
    return _cut(full, path)


def _cut(full: bytes, path: TilePath) -> bytes:
    if path.level != ENTRIES:
        return full[: path.width * HASH_SIZE]
    return format_entries(islice(parse_entries(full), path.width))
