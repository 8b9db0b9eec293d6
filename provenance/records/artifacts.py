"""Artifacts: an ordered list of records, named by one digest.

An inclusion proof without a committed size does not fix the index, and a root without its
encoding does not fix the meaning. So all three go into the name::

    provenance-artifact-v1 = SHA-256("provenance-artifact/v1\\n" ‖ u64be size ‖ root
                                     ‖ SHA-256(RFC 8785 of the encoding))

The encoding says how a record becomes leaf bytes; all its parameters are part of it::

    {"encoding":"json"}                         RFC 8785 of the row, mapped as in `canonical`
    {"encoding":"line"}                         the bytes between two LFs
    {"chunkSize":1048576,"encoding":"chunk"}    a slice of one file
    {"digest":"sha256","encoding":"file","followSymlinks":false,"ignore":[]}
                                                RFC 8785 of {"path","sha256","size"}
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any, Literal

from provenance import forms
from provenance.errors import InputError, MalformedError
from provenance.forms import MAX_INTEGER, Hash
from provenance.forms.fields import fields
from provenance.merkle import EMPTY_ROOT, HASH_SIZE, leaf_hash
from provenance.records.canonical import canonical_row, parse_row

__all__ = [
    "ARTIFACT_DIGEST",
    "CHUNK",
    "FILE",
    "JSON",
    "LINE",
    "MAX_CHUNK_SIZE",
    "Artifact",
    "Encoding",
    "hash_record",
    "leaf_bytes",
]

ARTIFACT_DIGEST = "provenance-artifact-v1"
"""The name of the artifact digest in a DigestSet."""

MAX_CHUNK_SIZE = 64 << 20

_PARAMETERS = {
    "json": (),
    "line": (),
    "chunk": ("chunkSize",),
    "file": ("digest", "ignore", "followSymlinks"),
}


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a record becomes leaf bytes, with every parameter of it."""

    name: Literal["json", "line", "chunk", "file"] = field(metadata={"json": "encoding"})
    chunk_size: int | None = None
    digest: Literal["sha256", "blake3"] | None = None
    ignore: tuple[str, ...] | None = None
    follow_symlinks: bool | None = None

    def __post_init__(self) -> None:
        wanted = _PARAMETERS[self.name]
        for parameter in fields(Encoding)[1:]:
            given = getattr(self, parameter.attribute) is not None
            if given != (parameter.name in wanted):
                verb = "has no" if given else "needs the"
                what = f"{verb} parameter {parameter.name!r}"
                raise MalformedError(f"the encoding {self.name!r} {what}")
        if self.chunk_size is not None and not 1 <= self.chunk_size <= MAX_CHUNK_SIZE:
            raise MalformedError(f"no chunk has {self.chunk_size} bytes: 1 to {MAX_CHUNK_SIZE:,}")
        if self.ignore is not None and list(self.ignore) != sorted(set(self.ignore)):
            raise MalformedError("the globs to ignore are not sorted, or one stands twice")

    @property
    def hash(self) -> bytes:
        """SHA-256(RFC 8785 of the encoding), 32 bytes."""
        return _hash_of(self)


@lru_cache(maxsize=64)
def _hash_of(encoding: Encoding) -> bytes:
    return sha256(forms.dump(encoding)).digest()


JSON = Encoding(name="json")
LINE = Encoding(name="line")
CHUNK = Encoding(name="chunk", chunk_size=1 << 20)
FILE = Encoding(name="file", digest="sha256", ignore=(), follow_symlinks=False)


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """An ordered list of `size` records with the RFC 9162 root `root`."""

    root: Hash
    size: int
    encoding: Encoding

    def __post_init__(self) -> None:
        if len(self.root) != HASH_SIZE or not 0 <= self.size <= MAX_INTEGER:
            raise MalformedError(f"no artifact of {self.size} records has this root")
        if (self.size == 0) != (self.root == EMPTY_ROOT):
            raise MalformedError(
                f"an artifact of {self.size} records cannot have the root {self.root.hex()}"
            )

    @cached_property
    def digest(self) -> bytes:
        """The artifact digest, 32 bytes."""
        preimage = self.size.to_bytes(8, "big") + self.root + self.encoding.hash
        return sha256(b"provenance-artifact/v1\n" + preimage).digest()

    @property
    def digest_hex(self) -> str:
        """The artifact digest, 64 lower-case hex digits."""
        return self.digest.hex()


def hash_record(record: Any, encoding: Encoding) -> bytes:
    """Return the leaf hash of one record, as a person has it at hand.

    Raises:
        InputError: `record` is not a record of this encoding.
    """
    return leaf_hash(leaf_bytes(record, encoding))


def leaf_bytes(record: Any, encoding: Encoding) -> bytes:
    """Return the leaf bytes of one record.

    Under ``json`` and ``file`` a record is a dict or JSON text; under ``line`` text or bytes
    without LF; under ``chunk`` the bytes.

    Raises:
        InputError: `record` is not a record of this encoding.
    """
    if encoding.name in ("json", "file"):
        if isinstance(record, (str, bytes)):
            record = parse_row(record)
        leaf = canonical_row(record)
        if encoding.name == "file":
            _check_file_record(record, encoding)
        return leaf
    if isinstance(record, str) and encoding.name == "line":
        try:
            record = record.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError("the record holds an unpaired surrogate") from None
    if not isinstance(record, bytes):
        wanted = "text or bytes" if encoding.name == "line" else "bytes"
        raise InputError(f"a record of the encoding {encoding.name!r} must be {wanted}")
    if encoding.name == "line" and b"\n" in record:
        raise InputError("a record of the encoding 'line' is one line, without its LF")
    if encoding.chunk_size is not None and not 1 <= len(record) <= encoding.chunk_size:
        raise InputError(f"a chunk has 1 to {encoding.chunk_size:,} bytes, not {len(record):,}")
    return record


def _check_file_record(record: dict[str, Any], encoding: Encoding) -> None:
    digest = str(encoding.digest)
    if set(record) != {"path", digest, "size"}:
        raise InputError(f"a record of the encoding 'file' has path, {digest} and size, no others")
    size = record["size"]
    if not isinstance(record["path"], str) or type(size) is not int or not 0 <= size <= MAX_INTEGER:
        raise InputError("the path of a file is a string and its size a whole number")
    if not isinstance(record[digest], str) or not re.fullmatch("[0-9a-f]{64}", record[digest]):
        raise InputError(f"the {digest} of a file is 64 lower-case hex digits")
