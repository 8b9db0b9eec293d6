"""What the fields of a form say, read once from its annotations."""

from __future__ import annotations

import dataclasses
import functools
import types
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

__all__ = ["Field", "Hash", "Hex", "Pattern", "fields", "optional_of", "timestamp_pattern"]


@dataclass(frozen=True)
class Pattern:
    """A string that matches `regex` as a whole; `what` names it in errors."""

    regex: str
    what: str


@dataclass(frozen=True)
class Hex:
    """Marks bytes of a fixed length that are written as lower-case hex."""

    size: int


Hash = Annotated[bytes, Hex(32)]
"""A SHA-256 value: 32 bytes in memory, 64 lower-case hex digits in JSON."""

timestamp_pattern = Pattern(
    "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?Z",
    "an RFC 3339 time in UTC, such as 2026-01-31T12:00:00Z",
)


class Field(NamedTuple):
    """One field of a form.

    Attributes:
        attribute: its name in the form.
        name: its name in JSON.
        hint: its type.
        may_lack: whether a reader may find it left out: it has a default.
        is_written: whether it is written wherever it has its default: that is not None.
    """

    attribute: str
    name: str
    hint: Any
    may_lack: bool
    is_written: bool


@functools.cache
def fields(form: type) -> tuple[Field, ...]:
    """Return the fields of a form, in order."""
    hints = get_type_hints(form, include_extras=True)
    return tuple(
        Field(
            field.name,
            field.metadata.get("json", _camel(field.name)),
            hints[field.name],
            may_lack=not field.metadata.get("required")
            and (
                field.default is not dataclasses.MISSING
                or field.default_factory is not dataclasses.MISSING
            ),
            is_written=field.default is not None,
        )
        for field in dataclasses.fields(form)
    )


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


@functools.cache
def optional_of(hint: Any) -> Any:
    """Return X of ``X | None``, else None."""
    if get_origin(hint) in (Union, types.UnionType):
        others = [arg for arg in get_args(hint) if arg is not types.NoneType]
        if len(others) == 1:
            return others[0]
    return None
