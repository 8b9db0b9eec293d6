"""How a request names records: by what they are, by their numbers or by their leaf hashes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from api.bodies import members
from provenance import forms
from provenance.errors import MalformedError
from provenance.records import Encoding, hash_record, parse_row
from provenance.verification.bundle import MAX_BUNDLE

__all__ = [
    "LEAF_HASH_SCHEMA",
    "MAX_RECORD",
    "RECORD_SCHEMA",
    "RecordPlaces",
    "one_or_several",
]

MAX_RECORD: Final = 1 << 20
"""Bytes of a request that names records."""

MOST: Final = 4096
"""Records that are proven at once."""

RECORD_SCHEMA: dict[str, Any] = {
    "description": "The record: an object (its very text counts, so an integer of any length may "
    "stand in it), or a string: a line, or the text of an object.",
    "type": ["object", "string"],
}


def one_or_several(schema: dict[str, Any], description: str, *, most: int = MOST) -> dict[str, Any]:
    """Return the schema of a value, or of an array of such."""
    several = {"type": "array", "items": schema, "minItems": 1, "maxItems": most}
    return {"oneOf": [schema, several], "description": description}


LEAF_HASH_SCHEMA = one_or_several(
    {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "SHA-256(0x00 ‖ leaf) of the record, or of several in their order.",
)


@dataclass(frozen=True, kw_only=True)
class RecordPlaces:
    """Which records are meant: by their numbers, or by the hashes of their leaves."""

    index: tuple[int, ...] | None = None
    leaf_hash: tuple[forms.Hash, ...] | None = field(default=None, metadata={"json": "leaf_hash"})

    def __len__(self) -> int:
        return len(self.index or self.leaf_hash or ())

    @classmethod
    def parse(cls, body: bytes, encoding: Encoding) -> RecordPlaces:
        """Read a request.

        Raises:
            MalformedError: it names none, or in more than one way.
            InputError: it holds what is no record under `encoding`.
        """
        given = members(body, "record", "index", "leaf_hash")
        if len(given) != 1:
            raise MalformedError("name the record in one way: record, index or leaf_hash")
        ((name, text),) = given.items()
        if name == "record":
            return cls(leaf_hash=(hash_record(parse_row(text), encoding),))
        return cls.of(name, text, MOST)

    @classmethod
    def of(cls, name: str, text: str, most: int) -> RecordPlaces:
        """Read one value, or an array of at most so many.

        Raises:
            MalformedError: another kind of value.
        """
        value = forms.parse(text.encode(), what=name, cap=MAX_BUNDLE)
        several = value if isinstance(value, list) else [value]
        if len(several) > most:
            raise MalformedError(f"{len(several):,} records: at most {most:,} are taken at once")
        return forms.decode(cls, {name: several}, "the request")
