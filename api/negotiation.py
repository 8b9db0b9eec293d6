"""What a client takes, and what it has: ``Accept`` and ``If-None-Match`` (RFC 9110).

::

    Accept: text/plain;q=0.5, application/vnd.provenance-ledger.bundle.v1+json
    If-None-Match: "6e6e…"
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Header, Request, Response

from api.errors import NotAcceptableError

__all__ = ["NOT_MODIFIED", "IfNoneMatch", "chosen", "tagged"]

IfNoneMatch = Annotated[
    str,
    Header(
        alias="If-None-Match",
        description="`ETag` of what is there already: then it is not sent again.",
        examples=['"6e6e"'],
    ),
]

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "What is there already is what would be sent."}
}

_WEIGHT = re.compile(r"(0(\.[0-9]{0,3})?|1(\.0{0,3})?)")
# Weak ones (W/) as well: section 13.1.2 compares what stands between the quotes.
_TAG = re.compile(r'"([\x21\x23-\x7e\x80-\xff]*)"')


def chosen(request: Request, offered: Sequence[str]) -> str:
    """Return the media type that a client likes best; of equals, the first that is offered.

    Section 12.5.1: the narrowest range that fits a type says how much it is liked. Without
    ``Accept`` everything is taken.

    Raises:
        NotAcceptableError: it takes none of them.
    """
    given = ",".join(request.headers.getlist("accept"))
    if not given.strip():
        return offered[0]
    weights: dict[str, float] = {}
    for part in given.split(","):
        media_range, *parameters = (each.strip().lower() for each in part.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        if _WEIGHT.fullmatch(weight):
            weights[media_range] = float(weight)

    def liked(media_type: str) -> float:
        ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
        return next((weights[each] for each in ranges if each in weights), 0.0)

    best = max(offered, key=liked)
    if not liked(best):
        raise NotAcceptableError(f"this is answered as {' or '.join(offered)}")
    return best


def tagged(data: bytes, known: str, *, media_type: str, headers: dict[str, str]) -> Response:
    """Return an answer under its ``ETag``, or 304 where the client has it (section 13.1.2).

    Args:
        data: what is answered, as it is sent: compressed, if it is.
        known: the ``If-None-Match`` of the request.
        media_type: of it.
        headers: sent with either.
    """
    tag = sha256(data).hexdigest()
    headers = {**headers, "ETag": f'"{tag}"'}
    if known.strip() == "*" or tag in _TAG.findall(known):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)
