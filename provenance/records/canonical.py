"""The text of a row: what its leaf commits to under the encoding ``json``.

A row is an object. Its values are mapped to JSON values, and the leaf is their RFC 8785 text::

    {"when": datetime(2026, 1, 31, tzinfo=UTC), "n": 2**53 + 1, "x": 1.0}
    → {"n":"9007199254740993","when":"2026-01-31T00:00:00Z","x":1}

===================  ============================================================================
integer              a number iff the ES6 form of its double has the same digits, else a string
float                RFC 8785; NaN, Infinity and -Infinity as those strings; narrow ones widened
decimal              plain notation without trailing fraction zeros, a string
timestamp            RFC 3339, UTC with ``Z``, fraction without trailing zeros; naive: no ``Z``
date, time           ``YYYY-MM-DD``, ``HH:MM:SS[.f]``
duration             ``[-]PT<seconds>[.f]S``
bytes                standard base64
None                 ``null``, which is not the same as a missing key
list, dict           nest; keys are strings
===================  ============================================================================

In JSON text a number without point and exponent is an integer, any other one a double. The text
so made is read back to itself: ``canonical_row(parse_row(text)) == text``, so an auditor can type
a row by hand and reach the same leaf.

Tested against ``rfc8785`` over `map_value`.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from provenance.errors import InputError, MalformedError
from provenance.forms import MAX_DEPTH, MAX_INTEGER, Json, check_depth

__all__ = [
    "canonical_row",
    "duration_text",
    "map_value",
    "number_text",
    "parse_row",
    "string_text",
]

_MAX_DECIMAL_DIGITS = 10_000
_PANDAS_NULLS = ("NAType", "NaTType")
_LONGEST_EXACT_INTEGER = 22  # a sign and 21 digits: from 10^21 on, ES6 writes an exponent


# --- text → values ----------------------------------------------------------------------------


def parse_row(text: bytes | str, where: str = "the record") -> Json:
    """Read one JSON text strictly; `where` names it in errors.

    Integers keep all their digits (beyond 21 of them as the string they are mapped to).

    Raises:
        MalformedError: not JSON (RFC 8259), not UTF-8, a key twice in one object, an unpaired
            surrogate, a number beyond the range of a double, nested too deep.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        else:
            text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedError(f"{where} holds an unpaired surrogate") from None
    except UnicodeDecodeError as error:
        raise MalformedError(f"{where} is not UTF-8 at byte {error.start}") from None
    check_depth(text, where)
    try:
        value = _DECODER.decode(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedError(f"{where} holds an unpaired surrogate") from None
    except json.JSONDecodeError as error:
        raise MalformedError(f"{where} is not JSON: {_describe(error)}") from None
    except MalformedError as error:
        raise MalformedError(f"{where} {error}") from None
    return value


def _describe(error: json.JSONDecodeError) -> str:
    if error.doc.startswith("\ufeff"):
        return "it starts with a byte order mark"
    if not error.doc.strip(" \t\r\n"):
        return "it is empty"
    return f"{error.msg} at character {error.pos + 1}"


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise MalformedError(f"names {name!r} twice in one object")
            seen.add(name)
    return members


def _constant(token: str) -> Json:
    raise MalformedError(f'holds {token}, which is not JSON; write "{token}"')


def _integer(token: str) -> int | str:
    return int(token) if len(token) <= _LONGEST_EXACT_INTEGER else token


def _float(token: str) -> float:
    value = float(token)
    if math.isinf(value):
        raise MalformedError(f"holds a number beyond the range of a double: {token[:24]}")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
)


# --- values → JSON values ---------------------------------------------------------------------


def map_value(value: Any, where: str = "the record") -> Json:
    """Map a Python value to the JSON value that stands for it, by the table above.

    Raises:
        InputError: a value that the table does not know, a key that is not a string, an aware
            time of day, or nested too deep.
    """
    try:
        return _map(value, MAX_DEPTH)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _map(value: Any, levels: int) -> Json:
    if isinstance(value, Mapping):
        levels = _descend(levels)
        return {name: _map(value[name], levels) for name in _ordered(value)}
    if isinstance(value, (list, tuple)):
        levels = _descend(levels)
        return [_map(item, levels) for item in value]
    mapped = _map_scalar(value)
    return _map(mapped, levels) if isinstance(mapped, list) else mapped


def _descend(levels: int) -> int:
    if levels == 0:
        raise InputError(f"nests deeper than {MAX_DEPTH} levels")
    return levels - 1


def _map_scalar(value: Any) -> Json:
    """Map anything but a dict or a list; a numpy array becomes a list, yet to be mapped."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # of a subclass, too, the plain text
    if isinstance(value, int):
        return _map_integer(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _non_finite(value)
    if type(value).__name__ in _PANDAS_NULLS:
        return None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, datetime.datetime):
        return _timestamp_text(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        return _time_text(value)
    if isinstance(value, datetime.timedelta):
        microseconds = (86_400 * value.days + value.seconds) * 10**6 + value.microseconds
        return duration_text(1000 * microseconds + getattr(value, "nanoseconds", 0))
    if type(value).__module__ == "numpy" and getattr(value, "dtype", None) is not None:
        return _map_numpy(value)
    raise InputError(f"no JSON form for a value of type {_type_name(value)}")


def _map_integer(value: int) -> int | float | str:
    if -MAX_INTEGER <= value <= MAX_INTEGER:
        return value
    if abs(value) < 10**21 and int(Decimal(repr(float(value)))) == value:
        return float(value)
    try:
        return str(value)
    except ValueError:
        raise InputError("an integer too long to write out") from None


def _non_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _decimal_text(value: Decimal) -> str:
    if not value.is_finite():
        return _non_finite(float("nan") if value.is_nan() else float(value))
    _, digits, exponent = value.as_tuple()
    if not any(digits):
        return "0"
    if isinstance(exponent, int) and max(abs(exponent), len(digits)) > _MAX_DECIMAL_DIGITS:
        raise InputError(f"a decimal of more than {_MAX_DECIMAL_DIGITS:,} digits")
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _timestamp_text(value: datetime.datetime) -> str:
    zone = ""
    nanosecond = getattr(value, "nanosecond", 0)
    if value.tzinfo is not None:
        try:
            value = value.astimezone(datetime.UTC)
        except (OverflowError, ValueError):
            raise InputError(f"the year of {value} in UTC is outside 0001-9999") from None
        zone = "Z"
    fraction = f"{value.microsecond:06}{nanosecond:03}".rstrip("0")
    return f"{value.isoformat()[:19]}{'.' if fraction else ''}{fraction}{zone}"


def _time_text(value: datetime.time) -> str:
    if value.tzinfo is not None:
        raise InputError(f"a time of day with a time zone, {value.isoformat()}")
    text = value.isoformat()
    return text.rstrip("0") if "." in text else text


def duration_text(nanoseconds: int) -> str:
    """Return ``[-]PT<seconds>[.f]S``."""
    seconds, fraction = divmod(abs(nanoseconds), 10**9)
    point = f".{fraction:09}".rstrip("0") if fraction else ""
    return f"{'-' if nanoseconds < 0 else ''}PT{seconds}{point}S"


def _map_numpy(value: Any) -> Json:
    wider_than_double = value.dtype.kind == "f" and value.dtype.itemsize > 8
    if value.dtype.kind not in "biufUO" or wider_than_double:
        raise InputError(f"no JSON form for a numpy value of type {value.dtype}")
    mapped = value.tolist()
    return mapped if isinstance(mapped, list) else _map_scalar(mapped)


def _type_name(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


# --- JSON values → RFC 8785 text --------------------------------------------------------------


def canonical_row(row: Any, where: str = "the record") -> bytes:
    """Return the leaf bytes of a row: RFC 8785 of its mapped values.

    Raises:
        InputError: not an object, or as `map_value`.
    """
    if not isinstance(row, Mapping):
        raise InputError(f"{where} is not an object but {_noun(row)}")
    try:
        return _text(row, MAX_DEPTH).encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"{where} holds an unpaired surrogate") from None
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _noun(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, Sequence) else f"a {_type_name(value)}"


string_text = json.encoder.encode_basestring
"""The JSON string of a str: RFC 8785 and `json` escape the same characters the same way."""


def _text(value: Any, levels: int) -> str:
    kind = type(value)
    if kind is str:
        return string_text(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is float:
        return number_text(value)
    if kind is int and -MAX_INTEGER <= value <= MAX_INTEGER:
        return str(value)
    if kind is dict or isinstance(value, Mapping):
        levels = _descend(levels)
        members = [f"{string_text(name)}:{_text(value[name], levels)}" for name in _ordered(value)]
        return "{" + ",".join(members) + "}"
    if isinstance(value, (list, tuple)):
        levels = _descend(levels)
        return "[" + ",".join([_text(item, levels) for item in value]) + "]"
    # What is left becomes a string, a number, a list: all of them handled above.
    return _text(_map_scalar(value), levels)


def object_text(members: Mapping[str, str]) -> str:
    """Return the object that has these texts as members."""
    return (
        "{" + ",".join([f"{string_text(name)}:{members[name]}" for name in _ordered(members)]) + "}"
    )


def _ordered(members: Mapping[Any, Any]) -> list[str]:
    """Return the names, sorted by UTF-16 code units (RFC 8785, section 3.2.3)."""
    try:
        is_ascii = "".join(members).isascii()
    except TypeError:
        raise InputError(f"the key {_first_non_string(members)!r} is not a string") from None
    return sorted(members) if is_ascii else sorted(members, key=_utf16)


def _first_non_string(members: Mapping[Any, Any]) -> Any:
    return next(name for name in members if not isinstance(name, str))


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def number_text(value: float) -> str:
    """Return a double as ECMAScript writes it (RFC 8785, 3.2.2.3); NaN and infinities as strings.

    Python's `repr` finds the same shortest digits; only the notation differs.
    """
    text = repr(value)
    if "e" not in text:
        if text.endswith(".0"):
            return text[:-2] if text != "-0.0" else "0"
        return text if math.isfinite(value) else f'"{_non_finite(value)}"'
    mantissa, _, exponent = text.partition("e")
    if -7 < int(exponent) < 21:
        return f"{Decimal(text):f}"
    return f"{mantissa}e{int(exponent):+}"
