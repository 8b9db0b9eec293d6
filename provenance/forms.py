"""Strict JSON forms: a frozen dataclass is the form, its field types are the rules.

Statements, policies, bundles and key files are all read through here, so hostile input is met
once::

    @dataclass(frozen=True, kw_only=True)
    class ChainPin:
        chain_id: int                      # "chainId": JSON names are lowerCamelCase
        contract: Annotated[str, ADDRESS]
        confirmations: int = 1             # has a default: may be left out, unless its
                                           # metadata says "required"

    value = forms.parse(data, what="the pin", cap=1 << 20)
    pin = forms.decode(ChainPin, value, "the pin")
    forms.encode(pin)                      # → {"chainId": …}; canonical bytes: forms.dump(pin)

`parse` refuses what RFC 8259 leaves open and attackers use: duplicate keys, invalid UTF-8,
unpaired surrogates, NaN, integers beyond 2^53-1 (unless RFC 8785 writes a double so: then it is
a double), nesting deeper than 64, more bytes than the cap. `decode` refuses unknown and
missing fields and values of another type. `encode` is its inverse; `dump` writes RFC 8785.
A field whose value is None is left out, and so null is never the value of a field.

The annotations understood: ``str``, ``int`` (0 … 2^53-1), ``bool``, ``bytes`` (standard padded
base64), `Hash` (64 lower-case hex digits), ``tuple[X, ...]``, ``dict[str, X]``, ``X | None``,
``Literal``, nested forms, `Json` (anything), and ``Annotated[str, Pattern(...)]``.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import re
import types
from collections import Counter
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import rfc8785

from provenance.errors import MalformedError

__all__ = [
    "MAX_DEPTH",
    "MAX_INTEGER",
    "Hash",
    "Json",
    "Pattern",
    "canonical",
    "check_depth",
    "decode",
    "decode_base64",
    "dump",
    "encode",
    "json_schema",
    "parse",
    "timestamp_pattern",
]

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 64

Json = Any
T = TypeVar("T")


@dataclass(frozen=True)
class Pattern:
    """A string that matches `regex` as a whole; `what` names it in errors."""

    regex: str
    what: str


@dataclass(frozen=True)
class _Hex:
    """Marks bytes of a fixed length that are written as lower-case hex."""

    size: int


Hash = Annotated[bytes, _Hex(32)]
"""A SHA-256 value: 32 bytes in memory, 64 lower-case hex digits in JSON."""

timestamp_pattern = Pattern(
    "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?Z",
    "an RFC 3339 time in UTC, such as 2026-01-31T12:00:00Z",
)


# --- bytes ↔ JSON values -------------------------------------------------------------------


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
    check_depth(text, what)
    try:
        value = json.loads(
            text,
            object_pairs_hook=functools.partial(_object, what),
            parse_constant=functools.partial(_constant, what),
            parse_int=functools.partial(_integer, what),
            parse_float=functools.partial(_float, what),
        )
    except json.JSONDecodeError as error:
        raise MalformedError(f"{what} is not JSON: {error}") from None
    _check_text(value, what)
    return value


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
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise MalformedError(f"no canonical JSON for this value: {error}") from None


def dump(form: object) -> bytes:
    """Return the RFC 8785 bytes of a form."""
    return canonical(encode(form))


def _object(what: str, pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = next(name for name, count in times.items() if count > 1)
        raise MalformedError(f"{what} names {_quoted(twice)} twice in one object")
    return members


def _quoted(name: str) -> str:
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


# --- JSON values ↔ forms --------------------------------------------------------------------


def decode(form: type[T], value: Json, what: str) -> T:
    """Read a form from a JSON value; `what` is the path named in errors.

    Raises:
        MalformedError: unknown or missing field, or a value of another type.
    """
    return cast(T, _decode_form(form, value, what))


def encode(form: object) -> Json:
    """Return the JSON value of a form."""
    return {
        name: _encode(hint, value)
        for field_name, (name, hint, _) in _fields(cast(type, type(form))).items()
        if (value := getattr(form, field_name)) is not None
    }


def _encode(hint: Any, value: Any) -> Json:
    hint = _optional_of(hint) or hint
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated and isinstance(args[1], _Hex):
        return value.hex()
    if origin is tuple:
        return [_encode(args[0], item) for item in value]
    if origin is dict:
        return {name: _encode(args[1], item) for name, item in value.items()}
    if hint is bytes:
        return base64.b64encode(value).decode()
    return encode(value) if dataclasses.is_dataclass(hint) else value


@functools.cache
def _optional_of(hint: Any) -> Any:
    """Return X of ``X | None``, else None."""
    if get_origin(hint) in (Union, types.UnionType):
        others = [arg for arg in get_args(hint) if arg is not types.NoneType]
        if len(others) == 1:
            return others[0]
    return None


@functools.cache
def _fields(form: type) -> dict[str, tuple[str, Any, bool]]:
    """Field name → (JSON name, type, may be left out)."""
    hints = get_type_hints(form, include_extras=True)
    return {
        field.name: (
            field.metadata.get("json", _camel(field.name)),
            hints[field.name],
            not field.metadata.get("required")
            and (
                field.default is not dataclasses.MISSING
                or field.default_factory is not dataclasses.MISSING
            ),
        )
        for field in dataclasses.fields(form)
    }


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _decode_form(form: type, value: Json, what: str) -> Any:
    if not isinstance(value, dict):
        raise MalformedError(f"{what} must be an object")
    fields = _fields(form)
    known = {name for name, _, _ in fields.values()}
    for name in value:
        if name not in known:
            listed = ", ".join(sorted(known))
            raise MalformedError(f"{what} has an unknown field {_quoted(name)}; known are {listed}")
    arguments = {}
    for field_name, (name, hint, may_lack) in fields.items():
        if name in value:
            if value[name] is None:
                raise MalformedError(f"{what}.{name} is null; leave it out instead")
            arguments[field_name] = _decode(hint, value[name], f"{what}.{name}")
        elif not may_lack:
            raise MalformedError(f"{what} lacks the field {name!r}")
    return form(**arguments)


def _decode(hint: Any, value: Json, what: str) -> Any:
    if hint is Any:
        return value
    inner = _optional_of(hint)
    if inner is not None:
        return _decode(inner, value, what)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _decode_annotated(args[1], value, what)
    if origin is Literal:
        if value not in args or type(value) not in {type(arg) for arg in args}:
            raise MalformedError(f"{what} must be one of {', '.join(map(repr, args))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise MalformedError(f"{what} must be a list")
        return tuple(_decode(args[0], item, f"{what}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise MalformedError(f"{what} must be an object")
        return {
            name: _decode(args[1], item, f"{what}[{_quoted(name)}]") for name, item in value.items()
        }
    if dataclasses.is_dataclass(hint):
        return _decode_form(cast(type, hint), value, what)
    return _decode_plain(hint, value, what)


def _decode_annotated(rule: Any, value: Json, what: str) -> Any:
    if isinstance(rule, _Hex):
        if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-f]{{{2 * rule.size}}}", value):
            raise MalformedError(f"{what} must be {2 * rule.size} lower-case hex digits")
        return bytes.fromhex(value)
    if not isinstance(value, str) or not re.fullmatch(rule.regex, value, re.ASCII):
        raise MalformedError(f"{what} must be {rule.what}")
    return value


def _decode_plain(hint: Any, value: Json, what: str) -> Any:
    if hint is bytes:
        return decode_base64(value, what)
    noun = {int: "a whole number from 0 to 2^53-1", str: "a string", bool: "true or false"}[hint]
    if type(value) is not hint or (hint is int and not 0 <= value <= MAX_INTEGER):
        raise MalformedError(f"{what} must be {noun}")
    return value


def decode_base64(value: Json, what: str) -> bytes:
    """Read standard padded base64 (RFC 4648 section 4), the one form of these bytes."""
    if isinstance(value, str) and value.isascii():
        try:
            data = base64.b64decode(value, validate=True)
        except ValueError:
            data = None
        if data is not None and base64.b64encode(data).decode() == value:
            return data
    raise MalformedError(f"{what} must be standard base64 with padding")


# --- forms → JSON Schema ----------------------------------------------------------------------


_NOT_NULL = {"not": {"type": "null"}}
# The last group may set no bit that stands for nothing: one text for the same bytes.
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"


def json_schema(form: type) -> dict[str, Json]:
    """Return the JSON Schema (draft 2020-12) of a form."""
    fields = _fields(form)
    return {
        "type": "object",
        "description": " ".join((form.__doc__ or "").partition("\n\n")[0].split()),
        "properties": {name: _schema(hint) or _NOT_NULL for name, hint, _ in fields.values()},
        "required": [name for name, _, may_lack in fields.values() if not may_lack],
        "additionalProperties": False,
    }


def _schema(hint: Any) -> dict[str, Json]:
    if hint is Any:
        return {}
    inner = _optional_of(hint)
    if inner is not None:
        return _schema(inner)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        rule = args[1]
        if isinstance(rule, _Hex):
            return {"type": "string", "pattern": f"^[0-9a-f]{{{2 * rule.size}}}$"}
        return {"type": "string", "pattern": f"^({rule.regex})$", "description": rule.what}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": _schema(args[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(args[1])}
    if dataclasses.is_dataclass(hint):
        return json_schema(cast(type, hint))
    if hint is int:
        return {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER}
    if hint is bytes:
        return {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
    return {"type": {str: "string", bool: "boolean"}[hint]}
