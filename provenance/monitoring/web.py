"""Any C2SP tlog-tiles log behind an HTTP prefix.

The server is not trusted to be well-behaved: an answer is read, and unpacked, up to a size and a
moment, redirects are not followed, and its text is never shown. ``404`` and ``410`` mean that
there is no such thing; anything else but ``200`` means no answer.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from provenance.exchange.connections import Connections
from provenance.exchange.peer import Join
from provenance.log import TilePath
from provenance.monitoring.source import MAX_NOTE, MissingError, SourceError, max_length

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpSource"]

ATTEMPTS = 2
"""A connection that was kept open may be gone: once more, then it counts as no answer."""

GZIP = 31
"""zlib's name for the gzip form."""


class HttpSource:
    """A log behind the prefix of its URLs. May be shared between threads."""

    def __init__(self, url: str, timeout: float = 30.0, token: str | None = None) -> None:
        """Name the log; nothing is sent yet.

        Args:
            url: what stands before ``/checkpoint``, http or https.
            timeout: seconds for each request, all of it.
            token: sent with each, where not everybody may read the log.

        Raises:
            InputError: not such a URL, one that a token is not sent to, or httpx is not installed.
        """
        self._log = Connections(
            url,
            "a log",
            timeout,
            unanswered=SourceError,
            overlong=SourceError,
            encodings="gzip, identity",
            token=token,
        )

    def close(self) -> None:
        """Close the connections."""
        self._log.close()

    @property
    def name(self) -> str:
        """Host and port."""
        return self._log.name

    def checkpoint(self) -> bytes:
        """Return the newest checkpoint, a signed note."""
        # From the log itself: what a cache has may be older than what is on a chain by now.
        return self._get("checkpoint", MAX_NOTE, {"Cache-Control": "no-cache"})

    def tile(self, path: str) -> bytes:
        """Return the tile or entry bundle of a path."""
        return self._get(path, max_length(TilePath.parse(path)))

    def _get(self, path: str, cap: int, headers: Mapping[str, str] | None = None) -> bytes:
        def read(response: httpx.Response, join: Join) -> bytes:
            status = response.status_code
            if status in (404, 410):
                raise MissingError(f"{self.name} has no {path}")
            if status != 200:
                raise SourceError(f"{self.name} answers HTTP {status} for {path}")
            encoding = response.headers.get("content-encoding", "identity")
            if encoding not in ("gzip", "identity"):
                raise SourceError(f"{self.name} answers {path} in a form that was not asked for")
            pieces = response.iter_raw()
            try:
                packed = encoding == "gzip"
                return join(_unpacked(pieces, cap) if packed else pieces, cap, path)
            except zlib.error:
                raise SourceError(f"{self.name} answers {path} in broken gzip") from None

        return self._log.ask("GET", path, read, attempts=ATTEMPTS, headers=headers)


def _unpacked(pieces: Iterable[bytes], cap: int) -> Iterator[bytes]:
    """Unpack gzip as it comes, and of what would be more than `cap` bytes one byte too many."""
    unpacking, left = zlib.decompressobj(GZIP), cap + 1
    for piece in pieces:
        unpacked = unpacking.decompress(piece, left)
        left -= len(unpacked)
        yield unpacked
    if not unpacking.eof or unpacking.unused_data:
        raise zlib.error("cut off, or more behind it")
