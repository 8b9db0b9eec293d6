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
from collections.abc import Callable
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


# What a form's fields say is read once, into functions that are put together once.


class _MisfitError(Exception):
    """A value that a form does not take: where in it, and why not."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.where = ""
        self.why = why

    def within(self, outer: str) -> _MisfitError:
        """Return it as seen from around it."""
        self.where = outer + self.where
        return self


_Decoder = Callable[[Json], Any]
_Encoder = Callable[[Any], Json]


def decode(form: type[T], value: Json, what: str) -> T:
    """Read a form from a JSON value; `what` is the path named in errors.

    Raises:
        MalformedError: unknown or missing field, or a value of another type.
    """
    try:
        return cast(T, _decoder(cast(type, form))(value))
    except _MisfitError as misfit:
        raise MalformedError(f"{what}{misfit.where}{misfit.why}") from None


def encode(form: object) -> Json:
    """Return the JSON value of a form."""
    return _form_encoder(cast(type, type(form)))(form)


@functools.cache
def _form_encoder(form: type) -> _Encoder:
    plan = [
        (field_name, name, _encoder(hint)) for field_name, (name, hint, _) in _fields(form).items()
    ]

    def encode_form(value: object) -> Json:
        members = {}
        for field_name, name, encode_member in plan:
            member = getattr(value, field_name)
            if member is not None:
                members[name] = member if encode_member is None else encode_member(member)
        return members

    return encode_form


def _encoder(hint: Any) -> _Encoder | None:
    """Return what makes a JSON value; None where it is one already."""
    hint = _optional_of(hint) or hint
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated and isinstance(args[1], _Hex):
        return bytes.hex
    if origin is tuple:
        item = _encoder(args[0])
        return list if item is None else functools.partial(_encode_list, item)
    if origin is dict:
        item = _encoder(args[1])
        return dict if item is None else functools.partial(_encode_dict, item)
    if hint is bytes:
        return lambda value: base64.b64encode(value).decode()
    return encode if dataclasses.is_dataclass(hint) else None


def _encode_list(encode_item: _Encoder, value: tuple[Any, ...]) -> Json:
    return [encode_item(item) for item in value]


def _encode_dict(encode_item: _Encoder, value: dict[str, Any]) -> Json:
    return {name: encode_item(item) for name, item in value.items()}


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


@functools.cache
def _decoder(hint: Any) -> _Decoder:
    if hint is Any:
        return _as_it_is
    inner = _optional_of(hint)
    if inner is not None:
        return _decoder(inner)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _decoder_of_text(args[1])
    if origin is Literal:
        return _decoder_of_literal(args)
    if origin is tuple:
        return _decoder_of_list(_decoder(args[0]))
    if origin is dict:
        return _decoder_of_dict(_decoder(args[1]))
    if dataclasses.is_dataclass(hint):
        return _decoder_of_form(cast(type, hint))
    return _decode_bytes if hint is bytes else _decoder_of_plain(hint)


def _as_it_is(value: Json) -> Json:
    return value


def _decoder_of_form(form: type) -> _Decoder:
    plan = [
        (field_name, name, _decoder(hint), may_lack)
        for field_name, (name, hint, may_lack) in _fields(form).items()
    ]
    known = {name for _, name, _, _ in plan}

    def decode_form(value: Json) -> Any:
        if not isinstance(value, dict):
            raise _MisfitError(" must be an object")
        if not value.keys() <= known:
            name = next(name for name in value if name not in known)
            listed = ", ".join(sorted(known))
            raise _MisfitError(f" has an unknown field {_quoted(name)}; known are {listed}")
        arguments = {}
        for field_name, name, decode_member, may_lack in plan:
            member = value.get(name)
            if member is not None:
                try:
                    arguments[field_name] = decode_member(member)
                except _MisfitError as misfit:
                    raise misfit.within(f".{name}") from None
            elif name in value:
                raise _MisfitError(f".{name} is null; leave it out instead")
            elif not may_lack:
                raise _MisfitError(f" lacks the field {name!r}")
        return form(**arguments)

    return decode_form


def _decoder_of_list(decode_item: _Decoder) -> _Decoder:
    def decode_list(value: Json) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _MisfitError(" must be a list")
        items = []
        for item in value:
            try:
                items.append(decode_item(item))
            except _MisfitError as misfit:
                raise misfit.within(f"[{len(items)}]") from None
        return tuple(items)

    return decode_list


def _decoder_of_dict(decode_item: _Decoder) -> _Decoder:
    def decode_dict(value: Json) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _MisfitError(" must be an object")
        if decode_item is _as_it_is:
            return dict(value)
        members = {}
        for name, item in value.items():
            try:
                members[name] = decode_item(item)
            except _MisfitError as misfit:
                raise misfit.within(f"[{_quoted(name)}]") from None
        return members

    return decode_dict


def _decoder_of_literal(choices: tuple[Any, ...]) -> _Decoder:
    kinds = {type(choice) for choice in choices}

    def decode_literal(value: Json) -> Any:
        if value not in choices or type(value) not in kinds:
            raise _MisfitError(f" must be one of {', '.join(map(repr, choices))}")
        return value

    return decode_literal


def _decoder_of_text(rule: Any) -> _Decoder:
    if isinstance(rule, _Hex):
        digits = 2 * rule.size
        is_hex = re.compile(rf"[0-9a-f]{{{digits}}}").fullmatch

        def decode_hex(value: Json) -> bytes:
            if not isinstance(value, str) or not is_hex(value):
                raise _MisfitError(f" must be {digits} lower-case hex digits")
            return bytes.fromhex(value)

        return decode_hex
    matches = re.compile(rule.regex, re.ASCII).fullmatch

    def decode_pattern(value: Json) -> str:
        if not isinstance(value, str) or not matches(value):
            raise _MisfitError(f" must be {rule.what}")
        return value

    return decode_pattern


def _decoder_of_plain(kind: type) -> _Decoder:
    noun = {int: "a whole number from 0 to 2^53-1", str: "a string", bool: "true or false"}[kind]

    def decode_plain(value: Json) -> Any:
        if type(value) is not kind or (kind is int and not 0 <= cast(int, value) <= MAX_INTEGER):
            raise _MisfitError(f" must be {noun}")
        return value

    return decode_plain


def _decode_bytes(value: Json) -> bytes:
    data = _base64(value)
    if data is None:
        raise _MisfitError(_NOT_BASE64)
    return data


def decode_base64(value: Json, what: str) -> bytes:
    """Read standard padded base64 (RFC 4648 section 4), the one form of these bytes.

    Raises:
        MalformedError: it is not.
    """
    data = _base64(value)
    if data is None:
        raise MalformedError(f"{what}{_NOT_BASE64}")
    return data


_NOT_BASE64 = " must be standard base64 with padding"


def _base64(value: Json) -> bytes | None:
    if isinstance(value, str) and value.isascii():
        try:
            data = base64.b64decode(value, validate=True)
        except ValueError:
            return None
        if base64.b64encode(data) == value.encode():
            return data
    return None


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
