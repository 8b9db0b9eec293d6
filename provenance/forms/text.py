"""JSON texts: bytes ↔ JSON values, strictly (RFC 8259), and in their one form (RFC 8785).

Hostile input meets `parse` first. Of what is signed there is one text only, and `parse_canonical`
takes no other.

The tests hold `canonical` against ``rfc8785``, with which it writes whatever is not plain.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from typing import Any, cast

import rfc8785

from provenance.errors import MalformedError

__all__ = [
    "MAX_DEPTH",
    "MAX_INTEGER",
    "Json",
    "canonical",
    "check_depth",
    "parse",
    "parse_canonical",
    "quoted",
]

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 64

Json = Any


def parse(data: bytes, *, what: str, cap: int) -> Json:
    """Read one JSON text from `data`; `what` names it in errors.

    Raises:
        MalformedError: as the module says.
    """
    if len(data) > cap:
        raise MalformedError(f"{what} is {len(data):,} bytes long; at most {cap:,} are read")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(f"{what} is not UTF-8 at byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise MalformedError(f"{what} is not JSON: Unexpected UTF-8 BOM")
    check_depth(text, what)
    try:
        value = _parser(what).decode(text)
    except json.JSONDecodeError as error:
        raise MalformedError(f"{what} is not JSON: {error}") from None
    if "\\ud" in text or "\\uD" in text:  # in UTF-8 there is no other way to write half a sign
        _check_text(value, what)
    return value


def parse_canonical(data: bytes, *, what: str, cap: int) -> Json:
    """Read a JSON text that is RFC 8785, as `canonical` writes the value that is returned.

    Raises:
        MalformedError: any other bytes, even such that mean the same.
    """
    value = _read_plain(data, what, cap)
    if value is None:
        value = parse(data, what=what, cap=cap)
        if canonical(value) != data:
            raise MalformedError(f"{what} is not in canonical form (RFC 8785)")
    return value


def _read_plain(data: bytes, what: str, cap: int) -> Json | None:
    """Read a plain value whose text is as `_PLAIN` writes it, else None.

    Python's own parser takes what `parse` refuses; none of that is written again as it was read.
    """
    if len(data) > cap:
        return None
    try:
        text = data.decode("utf-8")
        check_depth(text, what)
        value = _PLAIN_PARSER.decode(text)
        if (text.isascii() or _is_plain(value)) and _PLAIN.encode(value) == text:
            return value
    except (ValueError, MalformedError):  # `parse` says what it is
        pass
    return None


def _not_plain(token: str) -> Json:
    raise ValueError(token)


def _plain_integer(token: str) -> int:
    value = int(token)
    return value if abs(value) <= MAX_INTEGER else _not_plain(token)


_PLAIN_PARSER = json.JSONDecoder(
    parse_float=_not_plain, parse_constant=_not_plain, parse_int=_plain_integer
)


@functools.lru_cache(maxsize=64)
def _parser(what: str) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=functools.partial(_object, what),
        parse_constant=functools.partial(_constant, what),
        parse_int=functools.partial(_integer, what),
        parse_float=functools.partial(_float, what),
    )


def check_depth(text: str, what: str) -> None:
    """Refuse a JSON text that nests deeper than 64 levels, before a recursive parser meets it.

    Python's own crashes the process on deep nesting where a library has raised the recursion
    limit, as those of the EVM do.

    Raises:
        MalformedError: it does.
    """
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _NESTING.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedError(f"{what} nests deeper than {MAX_DEPTH} levels")
        elif token[0] in "]}":
            depth -= 1


_NESTING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
"""Brackets, and strings whole, also one that does not end: every character is read once."""


def canonical(value: Json) -> bytes:
    """Return the RFC 8785 bytes of a JSON value.

    Raises:
        MalformedError: the value has no RFC 8785 form.
    """
    try:
        if _is_plain(value):
            return _PLAIN.encode(value).encode()
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise MalformedError(f"no canonical JSON for this value: {error}") from None


_PLAIN = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")
)
"""Python's own encoder, in C. It escapes in strings what RFC 8785 does, and nothing else."""


def _is_plain(value: Json, depth: int = 0) -> bool:
    """Whether `_PLAIN` writes RFC 8785: no doubles, and keys that sort alike in any encoding.

    Nor is it trusted with what nests deeply: it recurses in C.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return abs(cast(int, value)) <= MAX_INTEGER
    if kind is dict:
        for name in value:
            if type(name) is not str or not name.isascii():
                return False
        members = value.values()
    elif kind is list:
        members = value
    else:
        return False
    for member in members:
        if type(member) is not str and (depth > MAX_DEPTH or not _is_plain(member, depth + 1)):
            return False
    return True


def _object(what: str, pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = next(name for name, count in times.items() if count > 1)
        raise MalformedError(f"{what} names {quoted(twice)} twice in one object")
    return members


def quoted(name: str) -> str:
    """Name a member in an error: short, and without a character that acts on a terminal."""
    return repr(name if len(name) <= 64 else name[:64] + "…")


def _constant(what: str, token: str) -> Json:
    raise MalformedError(f"{what} holds {token}, which is not JSON")


def _integer(what: str, token: str) -> int | float:
    if len(token) <= 22:  # the longest that RFC 8785 writes: below 1e21, with a sign
        if abs(int(token)) <= MAX_INTEGER:
            return int(token)
        # RFC 8785 writes a double from 2^53 to 1e21 without a point. It is read as that double.
        if rfc8785.dumps(float(token)) == token.encode():
            return float(token)
    raise MalformedError(f"{what} holds an integer beyond 2^53-1: {token[:24]}")


def _float(what: str, token: str) -> float:
    value = float(token)
    if value in (float("inf"), float("-inf")):
        raise MalformedError(f"{what} holds a number beyond the range of a double: {token[:24]}")
    return value


_SURROGATE = re.compile("[\ud800-\udfff]")


def _check_text(value: Json, what: str) -> None:
    if isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            raise MalformedError(f"{what} holds an unpaired surrogate")
    elif isinstance(value, (list, dict)):
        members = (*value, *value.values()) if isinstance(value, dict) else value
        for member in members:
            _check_text(member, what)
