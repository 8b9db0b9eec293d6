"""Forms → JSON values and RFC 8785 bytes."""

from __future__ import annotations

import base64
import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, Any, cast, get_args, get_origin

from provenance.forms.fields import Hex, fields, optional_of
from provenance.forms.text import Json, canonical

__all__ = ["dump", "encode"]

_Encoder = Callable[[Any], Json]


def encode(form: object) -> Json:
    """Return the JSON value of a form."""
    return _form_encoder(cast(type, type(form)))(form)


@functools.cache
def _form_encoder(form: type) -> _Encoder:
    plan = [(field.attribute, field.name, _encoder(field.hint)) for field in fields(form)]

    def encode_form(value: object) -> Json:
        members = {}
        for attribute, name, encode_member in plan:
            member = getattr(value, attribute)
            if member is not None:
                members[name] = member if encode_member is None else encode_member(member)
        return members

    return encode_form


def _encoder(hint: Any) -> _Encoder | None:
    """Return what makes a JSON value; None where it is one already."""
    hint = optional_of(hint) or hint
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated and isinstance(args[1], Hex):
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


def dump(form: object) -> bytes:
    """Return the RFC 8785 bytes of a form."""
    return canonical(encode(form))
