"""`Endpoint`: questions posted to one URL, each over a connection of its own.

With the standard library alone: a verifier asks a node for the root of an anchor, and a ledger its
witnesses, where nothing else is installed.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from http.client import HTTPException, HTTPResponse
from typing import Any, TypeVar
from urllib.parse import SplitResult

from provenance.errors import InputError
from provenance.exchange.peer import Join, Peer, split_url

__all__ = ["Endpoint", "pieces", "plain_url"]

T = TypeVar("T")


class Endpoint:
    """Where questions of one content type are posted.

    Args:
        url: as `plain_url` takes it. From configuration only: never from a bundle or a request.
        content_type: of the questions.
        peer: who answers there.
    """

    def __init__(self, url: str, content_type: str, peer: Peer) -> None:
        self._url = url
        self._headers = {"Content-Type": content_type}
        self._peer = peer
        self._opener = urllib.request.build_opener(_NoRedirect)

    def post(self, question: bytes, read: Callable[[HTTPResponse, Join], T]) -> T:
        """Return what `read` makes of the answer, of whatever status, or raise what it raises.

        It is given the answer when the headers are there, for `pieces` to read on.
        """

        def exchange(join: Join) -> T:
            request = urllib.request.Request(self._url, question, self._headers)  # noqa: S310 (checked)
            try:
                with self._open(request) as response:
                    return read(response, join)
            except (OSError, HTTPException, ValueError) as error:
                raise self._peer.silent(error) from None

        return self._peer.within_time(exchange)

    def _open(self, request: urllib.request.Request) -> Any:
        try:
            return self._opener.open(request, timeout=self._peer.timeout)
        except urllib.error.HTTPError as error:
            return error  # an answer like any other


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other, too."""

    def redirect_request(self, *_: object) -> None:
        return None


def pieces(response: HTTPResponse) -> Iterator[bytes]:
    """Yield the body as it comes."""
    return iter(partial(response.read1, 1 << 16), b"")


def plain_url(url: str, what: str, *, query: bool = False) -> SplitResult:
    """Return the parts of a URL that urllib sends as it stands; arguments as for `split_url`.

    Raises:
        InputError: not such a URL. Nothing of it is repeated.
    """
    parts = split_url(url, what, query=query)
    if "@" in parts.netloc:
        raise InputError(f"the URL of {what} has no password")
    if not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
        raise InputError(f"the URL of {what} has no spaces and no characters beyond ASCII")
    return parts
