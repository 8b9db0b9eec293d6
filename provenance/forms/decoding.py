"""JSON values → forms: what the fields of a form say becomes functions, put together once."""

from __future__ import annotations

import base64
import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin

from provenance.errors import MalformedError
from provenance.forms.fields import Hex, fields, optional_of
from provenance.forms.text import MAX_INTEGER, Json, quoted

__all__ = ["decode", "decode_base64"]

T = TypeVar("T")


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


def decode(form: type[T], value: Json, what: str, *, whole: bool = False) -> T:
    """Read a form from a JSON value; `what` is the path named in errors.

    Args:
        form: the dataclass.
        value: as `provenance.forms.parse` returns it.
        what: it is.
        whole: nothing that `encode` writes may be left out, also where it has a default; so
            `encode` gives the same value back.

    Raises:
        MalformedError: unknown or missing field, or a value of another type.
    """
    try:
        return cast(T, _decoder(cast(type, form), whole)(value))
    except _MisfitError as misfit:
        raise MalformedError(f"{what}{misfit.where}{misfit.why}") from None


@functools.cache
def _decoder(hint: Any, whole: bool) -> _Decoder:
    if hint is Any:
        return _as_it_is
    inner = optional_of(hint)
    if inner is not None:
        return _decoder(inner, whole)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _decoder_of_text(args[1])
    if origin is Literal:
        return _decoder_of_literal(args)
    if origin is tuple:
        return _decoder_of_list(_decoder(args[0], whole))
    if origin is dict:
        return _decoder_of_dict(_decoder(args[1], whole))
    if dataclasses.is_dataclass(hint):
        return _decoder_of_form(cast(type, hint), whole)
    return _decode_bytes if hint is bytes else _decoder_of_plain(hint)


def _as_it_is(value: Json) -> Json:
    return value


def _decoder_of_form(form: type, whole: bool) -> _Decoder:
    plan = [
        (
            field.attribute,
            field.name,
            _decoder(field.hint, whole),
            field.may_lack and not (whole and field.is_written),
        )
        for field in fields(form)
    ]
    known = {name for _, name, _, _ in plan}

    def decode_form(value: Json) -> Any:
        if not isinstance(value, dict):
            raise _MisfitError(" must be an object")
        if not value.keys() <= known:
            name = next(name for name in value if name not in known)
            listed = ", ".join(sorted(known))
            raise _MisfitError(f" has an unknown field {quoted(name)}; known are {listed}")
        arguments = {}
        for attribute, name, decode_member, may_lack in plan:
            member = value.get(name)
            if member is not None:
                try:
                    arguments[attribute] = decode_member(member)
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
                raise misfit.within(f"[{quoted(name)}]") from None
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
    if isinstance(rule, Hex):
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
