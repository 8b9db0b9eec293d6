"""`Connections`: questions to one server over connections that are kept open, through httpx.

Who follows a log, or browses a ledger, asks thousands of times: a handshake for each, as `posting`
makes it, would be most of the work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult

from provenance.errors import InputError
from provenance.exchange.peer import Join, Peer, place, split_url

if TYPE_CHECKING:
    import httpx

__all__ = ["Connections", "sendable"]

T = TypeVar("T")


class Connections:
    """To one server; may be shared between threads.

    Args:
        url: http or https, perhaps with a path.
        what: the URL is of, such as ``a log``.
        timeout: seconds for each exchange, all of it.
        unanswered: the error where there is no answer, or not in time.
        overlong: the error where there is too much of one.
        encodings: the ``Accept-Encoding``; nothing is unpacked here.
        token: sent with each request (RFC 6750).

    Raises:
        InputError: not such a URL, one that a token is not sent to, or httpx is not installed.
    """

    def __init__(
        self,
        url: str,
        what: str,
        timeout: float,
        *,
        unanswered: Callable[[str], Exception],
        overlong: Callable[[str], Exception],
        encodings: str = "identity",
        token: str | None = None,
    ) -> None:
        try:
            import httpx
        except ImportError as error:
            raise InputError(
                f"asking {what} over HTTP needs httpx: pip install 'provenance-ledger[client]'"
            ) from error
        parts = split_url(url, what)
        headers = {"Accept-Encoding": encodings}
        if token is not None:
            headers["Authorization"] = f"Bearer {sendable(token, parts)}"
        try:
            self._client: httpx.Client = httpx.Client(
                base_url=url, timeout=timeout, headers=headers
            )
        except httpx.InvalidURL:
            raise InputError(f"the URL of {what} that is no URL") from None
        self.name = place(parts)
        self._peer = Peer(self.name, timeout, unanswered, overlong)

    def close(self) -> None:
        """Give them back."""
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        read: Callable[[httpx.Response, Join], T],
        *,
        attempts: int = 1,
        query: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Return what `read` makes of the answer, of whatever status, or raise what it raises.

        It is given the answer when the headers are there. With more `attempts`, an exchange that
        breaks off is begun anew.
        """
        import httpx

        def attempt(join: Join) -> T:
            with self._client.stream(
                method, path, params=query, content=content, headers=headers
            ) as response:
                return read(response, join)

        def exchange(join: Join) -> T:
            try:
                for _ in range(attempts - 1):
                    with suppress(httpx.NetworkError, httpx.RemoteProtocolError):
                        return attempt(join)
                return attempt(join)
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
                raise self._peer.silent(error) from error

        return self._peer.within_time(exchange)


def sendable(token: str, parts: SplitResult) -> str:
    """Return a token, if it can be sent there without anybody on the way who reads it.

    Raises:
        InputError: it cannot. It is not repeated.
    """
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise InputError("a token is sent over https only, or to this machine")
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise InputError("the token holds characters that no token has")
    return token
