"""The leaf hashes by which records are looked for where it is not known how they were encoded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from typing import Any

from provenance.errors import InputError
from provenance.merkle import HASH_SIZE, leaf_hash
from provenance.records import FILE, JSON, hash_record
from provenance.records.opening import open_source
from provenance.verification import Content

__all__ = ["MAX_HASHES", "leaves_of", "leaves_of_record", "sought_leaves"]

MAX_HASHES = 256
"""Leaf hashes that are looked for at once."""


def leaves_of(
    *,
    record: Any = None,
    records: Any = None,
    path: str | PathLike[str] | None = None,
    leaf_hash: bytes | Sequence[bytes] | None = None,
) -> list[bytes]:
    """Return what records can be found by, named in one way; as for `Ledger.find`.

    Raises:
        InputError: none, or too many; or more than one way to name them.
    """
    if [record, records, path, leaf_hash].count(None) != 3:
        raise InputError("name records in one way: record, records, path or leaf hash")
    hashes: Sequence[bytes]
    if record is not None:
        hashes = leaves_of_record(record)
    elif records is not None:
        hashes = _leaves_of_all(records)
    elif path is not None:
        hashes = _leaves_of_file(path)
    else:
        hashes = [leaf_hash] if isinstance(leaf_hash, bytes) else [*(leaf_hash or ())]
    for each in hashes:
        if len(each) != HASH_SIZE:
            raise InputError(f"a leaf hash has {HASH_SIZE} bytes, not {len(each)}")
    if not 1 <= len(hashes) <= MAX_HASHES:
        raise InputError(f"1 to {MAX_HASHES} records are looked for at once")
    return list(dict.fromkeys(hashes))


def sought_leaves(
    ref: object,
    artifacts: Sequence[bytes] | None,
    *,
    record: Any,
    records: Any,
    path: str | PathLike[str] | None,
    leaf_hash: bytes | Sequence[bytes] | None,
) -> list[bytes]:
    """Return what records `impact` is asked about, if it is asked about records.

    Raises:
        InputError: as `leaves_of` says; or nothing is named, or an artifact and something else.
    """
    by_record = any(each is not None for each in (record, records, path, leaf_hash))
    if (ref is not None) == (by_record or artifacts is not None):
        raise InputError("name one artifact, or records in one way, or digests of artifacts")
    if not by_record:
        return []
    return leaves_of(record=record, records=records, path=path, leaf_hash=leaf_hash)


def leaves_of_record(record: Any) -> list[bytes]:
    """Return the leaf hashes that a record has under any encoding.

    A row, and the line of a folder that describes a file, have one form: RFC 8785. A text or bytes
    may be a line or a chunk, too.
    """
    hashes = []
    if isinstance(record, str | bytes):
        try:
            hashes.append(leaf_hash(record.encode() if isinstance(record, str) else record))
        except UnicodeEncodeError:
            raise InputError("the record holds an unpaired surrogate") from None
        with suppress(InputError):  # no JSON object
            hashes.append(hash_record(record, JSON))
    else:
        hashes.append(hash_record(record, JSON))
    return hashes


def _leaves_of_all(records: Any) -> list[bytes]:
    """Return the leaf hash of each record; where there are more than `MAX_HASHES`, not all."""
    hashes: list[bytes] = []
    for block in open_source(records).leaf_hash_blocks():
        hashes += (block[at : at + HASH_SIZE] for at in range(0, len(block), HASH_SIZE))
        if len(hashes) > MAX_HASHES:
            break
    return hashes


def _leaves_of_file(path: str | PathLike[str]) -> list[bytes]:
    """Return the leaf hashes of a file under every end of its path, by either digest."""
    hashes = [leaf for _, leaf in Content(path).file_leaves(FILE)]
    with suppress(InputError):  # where blake3 is installed
        hashes += [leaf for _, leaf in Content(path).file_leaves(replace(FILE, digest="blake3"))]
    return hashes
