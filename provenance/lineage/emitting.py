"""OpenLineage events, sent to a server by the HTTP transport of `openlineage-python`.

As other clients of OpenLineage send them: one POST for each, to ``api/v1/lineage`` below the URL or
to what OPENLINEAGE_ENDPOINT says, with the token of OPENLINEAGE_API_KEY; with 5 seconds for an
answer, and up to 5 more tries where there is none or a fault. No redirect is followed: a POST would
become a GET, which sends nothing.

Imported on use, since the library is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from openlineage.client.transport.http import HttpConfig, HttpTransport
from requests import RequestException, Session

from provenance.errors import InputError, LedgerError
from provenance.exchange.connections import sendable
from provenance.exchange.peer import place, split_url
from provenance.lineage.shown import shown

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

__all__ = ["send_events"]

LONGEST = 300
"""Bytes of a refusal that are told."""


def send_events(events: Sequence[RunEvent], url: str, environment: Mapping[str, str]) -> None:
    """Send events in their order. To send them again does no harm: they tell of the same runs.

    Args:
        events: of `to_openlineage`.
        url: http or https, perhaps with a path.
        environment: of which OPENLINEAGE_ENDPOINT and OPENLINEAGE_API_KEY are read.

    Raises:
        InputError: not such a URL, one that a token is not sent to, or the server refuses an event.
        LedgerError: it does not answer, or has a fault.
    """
    parts = split_url(url, "a server of OpenLineage")
    config: dict[str, Any] = {"url": url if url.endswith("/") else f"{url}/"}
    if endpoint := environment.get("OPENLINEAGE_ENDPOINT"):
        config["endpoint"] = endpoint
    if token := environment.get("OPENLINEAGE_API_KEY"):
        config["auth"] = {"type": "api_key", "apiKey": sendable(token, parts)}
    settings = HttpConfig.from_dict(config)
    settings.session = Session()
    settings.session.max_redirects = 0
    with closing(HttpTransport(settings)) as transport:
        for number, event in enumerate(events):
            try:
                transport.emit(event)
            except RequestException as error:
                took = f"{place(parts)} took {number} of {len(events)} events"
                raise _failure(took, error) from error


def _failure(took: str, error: RequestException) -> InputError | LedgerError:
    answer = error.response
    if answer is None:
        reason = getattr(error.args[0], "reason", None) if error.args else None
        return LedgerError(f"{took}, and does not answer: {shown(str(reason or error))[:LONGEST]}")
    text = answer.content[:LONGEST].decode(errors="replace")
    said = shown(f"{answer.status_code} {answer.reason} {text}")
    if answer.status_code in (401, 403):
        said += "; OPENLINEAGE_API_KEY is the token"
    kind = InputError if answer.status_code < 500 else LedgerError
    return kind(f"{took}, and answers the next with {said}")
