"""Any C2SP tlog-tiles log behind an HTTP prefix.

The server is not trusted to be well-behaved: an answer is read, and unpacked, up to a size and a
moment, redirects are not followed, and its text is never shown. ``404`` and ``410`` mean that
there is no such thing; anything else but ``200`` means no answer.
"""

from __future__ import annotations

import queue
import threading
import time
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from provenance.errors import InputError
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

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        """Name the log; nothing is sent yet.

        Args:
            url: what stands before ``/checkpoint``, http or https.
            timeout: seconds for each request, all of it.

        Raises:
            InputError: not such a URL, or httpx is not installed.
        """
        try:
            import httpx
        except ImportError as error:
            raise InputError(
                "following a log over HTTP needs httpx: pip install 'provenance-ledger[client]'"
            ) from error
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise InputError(f"not the URL of a log: {error}") from error
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
            raise InputError("the URL of a log is http:// or https://, a host, perhaps a path")
        try:
            self._client: httpx.Client = httpx.Client(
                base_url=url, timeout=timeout, headers={"Accept-Encoding": "gzip, identity"}
            )
        except httpx.InvalidURL as error:
            raise InputError(f"not the URL of a log: {error}") from error
        self._name = f"{host}:{port}" if port else host
        self._timeout = timeout

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def name(self) -> str:
        """Host and port."""
        return self._name

    def checkpoint(self) -> bytes:
        """Return the newest checkpoint, a signed note."""
        # From the log itself: what a cache has may be older than what is on a chain by now.
        return self._get("checkpoint", MAX_NOTE, {"Cache-Control": "no-cache"})

    def tile(self, path: str) -> bytes:
        """Return the tile or entry bundle of a path."""
        return self._get(path, max_length(TilePath.parse(path)))

    def _get(self, path: str, cap: int, headers: Mapping[str, str] | None = None) -> bytes:
        # In a thread of its own: only so is there one limit for all of it, name look-up and
        # dripping headers included. One that is given up on never holds up the process's end.
        answers: queue.SimpleQueue[bytes | BaseException] = queue.SimpleQueue()
        until = time.monotonic() + self._timeout

        def ask() -> None:
            try:
                answers.put(self._exchange(path, cap, headers, until))
            except BaseException as error:
                answers.put(error)

        threading.Thread(target=ask, daemon=True).start()
        try:
            answer = answers.get(timeout=self._timeout)
        except queue.Empty:
            raise self._too_slow() from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _exchange(
        self, path: str, cap: int, headers: Mapping[str, str] | None, until: float
    ) -> bytes:
        import httpx

        for attempt in range(ATTEMPTS):
            try:
                with self._client.stream("GET", path, headers=headers) as response:
                    return self._body(path, response, cap, until)
            except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
                if attempt + 1 == ATTEMPTS:
                    raise self._no_answer(error) from error
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
                raise self._no_answer(error) from error
        raise AssertionError

    def _body(self, path: str, response: httpx.Response, cap: int, until: float) -> bytes:
        status = response.status_code
        if status in (404, 410):
            raise MissingError(f"{self._name} has no {path}")
        if status != 200:
            raise SourceError(f"{self._name} answers HTTP {status} for {path}")
        encoding = response.headers.get("content-encoding", "identity")
        if encoding not in ("gzip", "identity"):
            raise SourceError(f"{self._name} answers {path} in a form that was not asked for")
        unpacking = zlib.decompressobj(GZIP) if encoding == "gzip" else None
        body = bytearray()
        for piece in response.iter_raw():
            try:
                body += unpacking.decompress(piece, cap + 1 - len(body)) if unpacking else piece
            except zlib.error:
                raise SourceError(f"{self._name} answers {path} in broken gzip") from None
            if len(body) > cap:
                raise SourceError(f"{self._name} answers more than {cap:,} bytes for {path}")
            if time.monotonic() > until:
                raise self._too_slow()
        if unpacking and (not unpacking.eof or unpacking.unused_data):
            raise SourceError(f"{self._name} answers {path} in broken gzip")
        return bytes(body)

    def _no_answer(self, error: Exception) -> SourceError:
        said = "".join(char if char.isprintable() else "·" for char in str(error)[:200])
        return SourceError(f"{self._name} does not answer: {said or type(error).__name__}")

    def _too_slow(self) -> SourceError:
        return SourceError(f"{self._name} takes longer than {self._timeout:g} s")
