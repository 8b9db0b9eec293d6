"""Which artifacts, and in which order: what a caller may ask for, and where a page begins.

::

    {"kind": "dataset", "metadata": {"split": "train"}, "issued_after": "2026-01-31"}

A cursor says what the order had the last entry of a page at, so that what is logged meanwhile moves
nothing: of the newest first, an entry that was told is not told again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypedDict, get_args

from provenance import forms
from provenance.errors import InputError
from provenance.ledger.indexing import (
    ARTIFACT_KINDS,
    Facet,
    facet_of_metadata,
    facet_of_text,
    facet_of_time,
)
from provenance.statements import Sensitivity

__all__ = ["CURSOR", "MOMENT", "Condition", "Filters", "Key", "Sort", "Sought", "read_moment"]

Sort = Literal["index", "-index", "issued", "-issued", "name", "-name", "size", "-size"]
"""Of artifacts: by their entry, by the signer's clock, by name or by records; with - descending."""

CURSOR = r"-?[a-z]{4,6}\.([0-9a-f]{2}){0,200}\.(0|[1-9][0-9]{0,15})"
"""``-index..12``, or ``name.747261696e.12``: the order, the value in it, and the entry."""

MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z)?"
"""A day, or a time in UTC."""


class Filters(TypedDict, total=False):
    """What artifacts must have, all of it. A filter that is None is none.

    Attributes:
        name: this very name.
        kind: ``dataset``, ``model`` or ``outputs``.
        sensitivity: ``public``, ``internal``, ``confidential`` or ``restricted``.
        license: as it was signed.
        provider: as it was signed.
        source: as it was signed.
        signer: the keyid of one who signed, 64 hex digits.
        digest: the artifact digest, 64 hex digits.
        root: of the tree, 64 hex digits.
        sha256: of the one file that it is, 64 hex digits.
        metadata: members that it has, each with this value, as it would be written: the number 1.5
            and the text ``1.5`` are one.
        issued_after: at this time or later, by the signer's clock: a day, or RFC 3339 in UTC.
        issued_before: before it.
    """

    name: str | None
    kind: str | None
    sensitivity: str | None
    license: str | None
    provider: str | None
    source: str | None
    signer: str | None
    digest: str | None
    root: str | None
    sha256: str | None
    metadata: Mapping[str, forms.Json] | None
    issued_after: str | None
    issued_before: str | None


Key = tuple[bytes, int]
"""Where a registration stands in an order: the value in it, and its entry."""


class Condition(NamedTuple):
    """A facet with the value `low`; or with `high`, from `low` on and below `high`."""

    facet: Facet
    low: bytes
    high: bytes | None = None


@dataclass(frozen=True)
class Sought:
    """What is looked for, and in which order.

    Attributes:
        conditions: all of them hold.
        by: the facet that the order is of; ``REGISTERED`` for that of the log.
        descending: whether the greatest comes first.
    """

    conditions: tuple[Condition, ...]
    by: Facet
    descending: bool
    sort: Sort

    @classmethod
    def of(cls, filters: Filters, sort: Sort = "-index") -> Sought:
        """Read what a caller asked for.

        Raises:
            InputError: a value that nothing can have, or an order that there is not.
        """
        if sort not in get_args(Sort):
            raise InputError(f"{sort!r} is no order: one of {', '.join(get_args(Sort))}")
        given: dict[str, Any] = {name: it for name, it in filters.items() if it is not None}
        conditions = [_EXACT[name](name, value) for name, value in given.items() if name in _EXACT]
        for key, value in given.get("metadata", {}).items():
            conditions.append(Condition(Facet.METADATA, facet_of_metadata(key, value)))
        ends = (given.get("issued_after"), given.get("issued_before"))
        after, before = (None if end is None else read_moment(end) for end in ends)
        if after is not None or before is not None:
            conditions.append(Condition(Facet.ISSUED, after or b"", before or b"\xff"))
        if unknown := given.keys() - _EXACT.keys() - {"metadata", "issued_after", "issued_before"}:
            raise TypeError(f"artifacts are not found by {', '.join(sorted(unknown))}")
        name = sort.removeprefix("-")
        by = Facet.REGISTERED if name == "index" else Facet[name.upper()]
        return cls(tuple(conditions), by, sort.startswith("-"), sort)

    def read_cursor(self, cursor: str) -> Key:
        """Return where a page begins.

        Raises:
            InputError: no cursor, or one of another order.
        """
        if not re.fullmatch(CURSOR, cursor):
            raise InputError(f"{cursor[:100]!r} is no cursor")
        sort, value, entry = cursor.split(".")
        if sort != self.sort:
            raise InputError(f"the cursor is of the order {sort!r}, not {self.sort!r}")
        return bytes.fromhex(value), int(entry)

    def cursor(self, key: Key) -> str:
        """Return the cursor of the page that begins after `key`; the inverse of `read_cursor`."""
        return f"{self.sort}.{key[0].hex()}.{key[1]}"


def _text(facet: Facet) -> Callable[[str, str], Condition]:
    def read(name: str, value: str) -> Condition:
        try:
            return Condition(facet, facet_of_text(value))
        except UnicodeEncodeError:
            raise InputError(f"{name} is not text: {value!a:.80} has half a sign") from None

    return read


def _hex(facet: Facet) -> Callable[[str, str], Condition]:
    def read(name: str, value: str) -> Condition:
        if not re.fullmatch("[0-9a-f]{64}", value):
            raise InputError(f"{name} takes 64 hex digits, not {value[:100]!r}")
        return Condition(facet, bytes.fromhex(value))

    return read


def _one_of(facet: Facet, choices: Sequence[str]) -> Callable[[str, str], Condition]:
    def read(name: str, value: str) -> Condition:
        if value not in choices:
            raise InputError(f"{name} takes one of {', '.join(choices)}, not {value[:100]!r}")
        return Condition(facet, facet_of_text(value))

    return read


_EXACT: dict[str, Callable[[str, str], Condition]] = {
    "name": _text(Facet.NAME),
    "kind": _one_of(Facet.KIND, ARTIFACT_KINDS),
    "sensitivity": _one_of(Facet.SENSITIVITY, get_args(Sensitivity)),
    "license": _text(Facet.LICENSE),
    "provider": _text(Facet.PROVIDER),
    "source": _text(Facet.SOURCE),
    "signer": _hex(Facet.SIGNER),
    "digest": _hex(Facet.DIGEST),
    "root": _hex(Facet.ROOT),
    "sha256": _hex(Facet.SHA256),
}
"""Filter → how it is read."""


def read_moment(text: str) -> bytes:
    """Return the value of a day, or of a time in UTC, by which it is put in order.

    Raises:
        InputError: it is neither.
    """
    try:
        if re.fullmatch(MOMENT, text):
            datetime.fromisoformat(text)
            return facet_of_time(text)
    except ValueError:
        pass  # there is no such day
    raise InputError(f"{text[:100]!r} is no time: give 2026-01-31, or 2026-01-31T12:00:00Z")
