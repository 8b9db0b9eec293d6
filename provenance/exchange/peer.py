"""`Peer`: who is asked, what one exchange with them may take, and what failures become."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from provenance.errors import InputError

__all__ = ["Join", "Peer", "place", "split_url"]

T = TypeVar("T")

Join = Callable[[Iterable[bytes], int, str], bytes]
"""Joins the pieces of a body as they come: so many bytes at most, in answer to what is named."""


@dataclass(frozen=True)
class Peer:
    """Somebody at the other end, who is not trusted to be well-behaved.

    Attributes:
        name: for errors. Never the whole URL, since paths and queries carry keys.
        timeout: seconds for one exchange, from looking up the name to the last byte.
        unanswered: the error where there is no answer, or not in time.
        overlong: the error where there is too much of one.
    """

    name: str
    timeout: float
    unanswered: Callable[[str], Exception]
    overlong: Callable[[str], Exception]

    def within_time(self, exchange: Callable[[Join], T]) -> T:
        """Return what `exchange` returns, or raise what it raises, while there is time.

        It runs in a thread of its own: only so is there one limit for all of it, name look-up, TLS
        handshake and dripping headers included. A thread given up on ends with the socket's own
        timeout, and never holds up the end of the process.
        """
        answers: queue.SimpleQueue[T | BaseException] = queue.SimpleQueue()
        join = partial(self._joined, time.monotonic() + self.timeout)

        def run() -> None:
            try:
                answers.put(exchange(join))
            except BaseException as error:
                answers.put(error)

        threading.Thread(target=run, daemon=True).start()
        try:
            answer = answers.get(timeout=self.timeout)
        except queue.Empty:
            raise self.too_slow() from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _joined(self, until: float, pieces: Iterable[bytes], cap: int, of: str) -> bytes:
        body = bytearray()
        for piece in pieces:
            body += piece
            if len(body) > cap:
                raise self.overlong(f"{self.name} answers more than {cap:,} bytes for {of}")
            if time.monotonic() > until:
                raise self.too_slow()
        return bytes(body)

    def too_slow(self) -> Exception:
        """Return the error where the time is over."""
        return self.unanswered(f"{self.name} takes longer than {self.timeout:g} s")

    def silent(self, error: Exception) -> Exception:
        """Return what an error of the library below becomes, harmless to a terminal."""
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            return self.too_slow()
        said = ascii(str(reason))[1:-1][:200] or type(reason).__name__
        return self.unanswered(f"{self.name} does not answer: {said}")


def split_url(url: str, what: str, *, query: bool = False) -> SplitResult:
    """Return the parts of an http or https URL; `what` it is of, such as ``a log``.

    Raises:
        InputError: not such a URL, or one with a query that may have none. Nothing of it is
            repeated.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it is read here to be checked
    except ValueError:
        raise InputError(f"the URL of {what} that is no URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"the URL of {what} is http:// or https://, a host, perhaps a path")
    if not query and (parts.query or parts.fragment):
        raise InputError(f"the URL of {what} has no query and no fragment")
    return parts


def place(parts: SplitResult) -> str:
    """Return host and port, as far as there is one: what may be shown of a URL."""
    return f"{parts.hostname}" if parts.port is None else f"{parts.hostname}:{parts.port}"
