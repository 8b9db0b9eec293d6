"""HTTP to a server that is not trusted: an answer is read up to a size and a moment.

Redirects are not followed, nothing is unpacked, and a refusal (RFC 9457) becomes an error whose
text is made harmless to a terminal first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from provenance import forms
from provenance.errors import (
    InputError,
    LedgerError,
    MalformedError,
    NoSuchRecordError,
    TreeMissingError,
)
from provenance.exchange.connections import Connections
from provenance.exchange.peer import Join

if TYPE_CHECKING:
    import httpx

__all__ = ["ElsewhereError", "LaterError", "NotAllowedError", "Transport", "retry_after"]

MAX_PROBLEM = 1 << 16

LONGEST: Final = 60.0
"""Seconds for which a server may have itself left alone at a time."""


class ElsewhereError(InputError):
    """An upload does not stand where it was thought to."""


class NotAllowedError(InputError):
    """The token does not let in, or not for this."""


class LaterError(LedgerError):
    """The server takes it later, and says when (RFC 9110 section 10.2.3).

    Attributes:
        seconds: after which to ask again, `LONGEST` at most.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


_KINDS: dict[str, type[InputError]] = {
    "forbidden": NotAllowedError,
    "offset": ElsewhereError,
    "tree-missing": TreeMissingError,
    "unauthorized": NotAllowedError,
    "unknown-record": NoSuchRecordError,
}
"""Type of a problem → the error that it becomes; any other is an InputError."""


class Transport:
    """Requests to one server.

    Args:
        url: http or https, perhaps with a path.
        timeout: seconds for each request, all of it.
        token: sent with each request.

    Raises:
        InputError: not such a URL, one that a token is not sent to, or httpx is not installed.
    """

    def __init__(self, url: str, timeout: float, token: str | None = None) -> None:
        self._ledger = Connections(
            url, "a ledger", timeout, unanswered=LedgerError, overlong=MalformedError, token=token
        )
        self.name = self._ledger.name

    def close(self) -> None:
        """Close the connections."""
        self._ledger.close()

    def exchange(
        self,
        method: str,
        path: str,
        *,
        cap: int,
        query: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        good: int = 200,
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return the body, at most `cap` bytes, and the headers of a good answer.

        Args:
            method, path, query, content: of the request.
            cap: bytes of the answer.
            headers: of the request; without a ``Content-Type`` the content is JSON.
            good: the status of a good answer.

        Raises:
            InputError: the server refuses the question.
            LedgerError: it does not answer in time, or fails; LaterError, where it says when to ask
                again.
            MalformedError: its answer is too long.
        """

        def read(response: httpx.Response, join: Join) -> tuple[bytes, Mapping[str, str]]:
            if response.status_code != good:
                problem = join(response.iter_raw(), MAX_PROBLEM, path)
                raise self._refusal(response.status_code, problem, response.headers)
            return join(response.iter_raw(), cap, path), response.headers

        sent = dict(headers or {})
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        return self._ledger.ask(method, path, read, query=query, content=content, headers=sent)

    def _refusal(
        self, status: int, body: bytes, headers: Mapping[str, str]
    ) -> InputError | LedgerError:
        """Return what a problem becomes here."""
        slug = ""
        try:
            value = forms.parse(body, what="the problem", cap=MAX_PROBLEM)
            said = _plain(str(value.get("detail") or value.get("title")))
            slug = str(value.get("type")).removeprefix("urn:provenance-ledger:problem:")
        except (MalformedError, AttributeError):
            said = "no reason that can be read"
        refused = 400 <= status < 500 and status != 429  # Too Many Requests, RFC 6585
        kind = _KINDS.get(slug, InputError) if refused else LedgerError
        message = f"{self.name} answers HTTP {status}: {said}"
        seconds = retry_after(headers) if status in (429, 503) else None
        return kind(message) if seconds is None else LaterError(message, seconds)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds after which an answer has itself asked for again, `LONGEST` at most.

    It says how many, or a time: by the clock of its ``Date``, so that none of the two need be
    right. None where it says neither.
    """
    told = headers.get("retry-after", "")
    if re.fullmatch("[0-9]{1,9}", told, re.ASCII):
        return min(float(told), LONGEST)
    until, now = _moment(told), _moment(headers.get("date", "")) or datetime.now(UTC)
    return None if until is None else min(max((until - now).total_seconds(), 0.0), LONGEST)


def _moment(text: str) -> datetime | None:
    """Read an HTTP-date (RFC 9110 section 5.6.7)."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # an offset beyond all days
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _plain(text: str) -> str:
    """Return a stranger's text, short and without anything that acts on a terminal."""
    return "".join(char if char.isprintable() else "·" for char in text[:500])
