"""Bodies of requests: capped and timed before they are parsed, and taken apart as they are.

A record is proven by its very text, so no lenient parser may touch it: `members` cuts a JSON
object into the texts of its members, and each goes to the strict parser of what it is. Integers
keep their digits, a key twice in one object is an error::

    members(b'{"record": {"id": 9007199254740993}}')  →  {"record": '{"id": 9007199254740993}'}
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress

from fastapi import Request
from starlette.requests import ClientDisconnect

from api.errors import BodyTooLargeError, BodyTooSlowError, MediaTypeError
from provenance.errors import MalformedError

__all__ = ["BODY_SECONDS", "JSON_LINES", "JsonBody", "linger", "media_type", "members", "read_body"]

LINGER = 1 << 20
"""Bytes beyond the cap that are taken and thrown away: who is still sending reads no answer."""

BODY_SECONDS = 30
"""Within which a body must have come."""

_SPACE = re.compile(r"[ \t\r\n]*")

# Finds where a value ends; what the value is, is read by a strict parser later.
_SCANNER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


JSON = "application/json"
JSON_LINES = "application/jsonl"


class JsonBody:
    """Dependency: the body of a request as bytes, at most `cap` of them."""

    def __init__(self, cap: int, *, lines: bool = False) -> None:
        self.cap = cap
        self.taken = (JSON, JSON_LINES) if lines else (JSON,)

    async def __call__(self, request: Request) -> bytes:
        """Read the body.

        Raises:
            MediaTypeError: it is not JSON, or compressed.
            BodyTooLargeError: it is too long.
            BodyTooSlowError: it takes too long.
        """
        if media_type(request) not in self.taken or "content-encoding" in request.headers:
            raise MediaTypeError(f"send {' or '.join(self.taken)}, uncompressed")
        return await read_body(request, self.cap)


def media_type(request: Request) -> str:
    """Return the media type of a body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, cap: int) -> bytes:
    """Return the body of a request.

    Raises:
        BodyTooLargeError: it is longer than `cap`.
        BodyTooSlowError: it takes longer than `BODY_SECONDS`.
    """
    too_large = BodyTooLargeError(f"at most {cap:,} bytes are read here")
    if int(request.headers.get("content-length", 0)) > cap + LINGER:
        raise too_large
    body, length = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                length += len(chunk)
                if length <= cap:
                    body += chunk
                elif length > cap + LINGER:
                    break
    except TimeoutError:
        raise BodyTooSlowError(f"a body must come within {BODY_SECONDS} seconds") from None
    if length > cap:
        raise too_large
    return bytes(body)


async def linger(request: Request) -> None:
    """Take and throw away what may still come of a body that is refused, up to `LINGER`."""
    length = 0
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                length += len(chunk)
                if length > LINGER:
                    return


def members(data: bytes, *known: str) -> dict[str, str]:
    """Return name → JSON text of the members of one JSON object.

    Raises:
        MalformedError: not UTF-8, not a JSON object, a name that is not `known`, or twice there.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(f"the request is not UTF-8 at byte {error.start}") from None
    found: dict[str, str] = {}
    at = _sign(text, _skip(text, 0), "{")
    while text[at : at + 1] != "}":
        if found:
            at = _sign(text, at, ",")
        name, end = _value(text, at)
        if text[at] != '"' or name not in known:
            raise MalformedError(
                f"the request has an unknown field {text[at:end][:64]}; known: {', '.join(known)}"
            )
        if name in found:
            raise MalformedError(f"the request names {name!r} twice")
        begin = _sign(text, _skip(text, end), ":")
        _, end = _value(text, begin)
        found[str(name)] = text[begin:end]
        at = _skip(text, end)
    if _skip(text, at + 1) != len(text):
        raise _not_json(at + 1, "more than one value")
    return found


def _skip(text: str, at: int) -> int:
    """Return where the white space at `at` ends."""
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _sign(text: str, at: int, sign: str) -> int:
    """Return what comes after `sign` and white space."""
    if text[at : at + 1] != sign:
        raise _not_json(at, f"no {sign!r}")
    return _skip(text, at + 1)


def _value(text: str, at: int) -> tuple[object, int]:
    """Return the value at `at`, loosely read, and where it ends."""
    try:
        return _SCANNER.raw_decode(text, at)
    except RecursionError:
        raise MalformedError("the request nests too deep") from None
    except json.JSONDecodeError as error:
        raise MalformedError(f"the request is not JSON: {error}") from None


def _not_json(at: int, found: str) -> MalformedError:
    return MalformedError(f"the request is not a JSON object: {found} at character {at + 1}")
