"""HTTP to a server that is not trusted: an answer is read up to a size and a moment.

Redirects are not followed, nothing is unpacked, and a refusal (RFC 9457) becomes an error whose
text is made harmless to a terminal first.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from provenance import forms
from provenance.errors import InputError, LedgerError, MalformedError

if TYPE_CHECKING:
    import httpx

__all__ = ["Transport"]

MAX_PROBLEM = 1 << 16


class Transport:
    """Requests to one server.

    Args:
        url: http or https, perhaps with a path.
        timeout: seconds for each request, all of it.

    Raises:
        InputError: not such a URL, or httpx is not installed.
    """

    def __init__(self, url: str, timeout: float) -> None:
        try:
            import httpx
        except ImportError as error:
            raise InputError(
                "connecting needs httpx: pip install 'provenance-ledger[client]'"
            ) from error
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise InputError(f"not the URL of a ledger: {error}") from error
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
            raise InputError("the URL of a ledger is http:// or https://, a host, perhaps a path")
        try:
            self._client: httpx.Client = httpx.Client(
                base_url=url, timeout=timeout, headers={"Accept-Encoding": "identity"}
            )
        except httpx.InvalidURL as error:
            raise InputError(f"not the URL of a ledger: {error}") from error
        self.name = f"{host}:{port}" if port else host
        self._timeout = timeout

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def exchange(
        self,
        method: str,
        path: str,
        *,
        cap: int,
        query: Mapping[str, Any] | None = None,
        content: bytes | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return the body, at most `cap` bytes, and the headers of a good answer.

        Raises:
            InputError: the server refuses the question.
            LedgerError: it does not answer in time, or fails.
            MalformedError: its answer is too long.
        """
        # In a thread of its own: only so is there one limit for all of it, dripping headers
        # included. One that is given up on never holds up the end of the process.
        answers: queue.SimpleQueue[tuple[bytes, Mapping[str, str]] | BaseException] = (
            queue.SimpleQueue()
        )

        def ask() -> None:
            try:
                answers.put(self._exchange(method, path, cap, query, content))
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
        self,
        method: str,
        path: str,
        cap: int,
        query: Mapping[str, Any] | None,
        content: bytes | None,
    ) -> tuple[bytes, Mapping[str, str]]:
        import httpx

        headers = None if content is None else {"Content-Type": "application/json"}
        until = time.monotonic() + self._timeout
        try:
            with self._client.stream(
                method, path, params=query, content=content, headers=headers
            ) as response:
                good = response.status_code == httpx.codes.OK
                limit = cap if good else MAX_PROBLEM
                body = bytearray()
                for piece in response.iter_raw():
                    body += piece
                    if len(body) > limit:
                        raise MalformedError(f"{self.name} answers more than {limit:,} bytes")
                    if time.monotonic() > until:
                        raise self._too_slow()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            said = _plain(str(error)) or type(error).__name__
            raise LedgerError(f"{self.name} does not answer: {said}") from error
        if not good:
            raise self._refusal(response.status_code, bytes(body))
        return bytes(body), response.headers

    def _too_slow(self) -> LedgerError:
        return LedgerError(f"{self.name} takes longer than {self._timeout:g} s")

    def _refusal(self, status: int, body: bytes) -> InputError | LedgerError:
        """Return what a problem becomes here."""
        try:
            value = forms.parse(body, what="the problem", cap=MAX_PROBLEM)
            said = _plain(str(value.get("detail") or value.get("title")))
        except (MalformedError, AttributeError):
            said = "no reason that can be read"
        kind = InputError if 400 <= status < 500 else LedgerError
        return kind(f"{self.name} answers HTTP {status}: {said}")


def _plain(text: str) -> str:
    """Return a stranger's text, short and without anything that acts on a terminal."""
    return "".join(char if char.isprintable() else "·" for char in text[:500])
