"""An entry: the log's leaf for one envelope.

::

    offset  bytes  content
         0      1  0x01, the version
         1      1  the statement's kind (`provenance.statements.KIND_NUMBERS`)
         2     32  SHA-256 of the envelope as stored
        34      2  n, big-endian, at most 2000
        36   32·n  the digests of the artifacts that the statement names, subjects first

An entry holds no names, no payload and no key ids: an envelope can be erased by law and the log
stays whole. At 64,036 bytes at most it fits an entry bundle of C2SP tlog-tiles, and the contract
reads it (``verifyRecord``).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from provenance.errors import MalformedError
from provenance.merkle import HASH_SIZE, leaf_hash
from provenance.statements import KIND_NUMBERS, MAX_ARTIFACTS, Statement

__all__ = ["Entry"]

_VERSION = 1
_HEADER = 2 + HASH_SIZE + 2


@dataclass(frozen=True)
class Entry:
    """One leaf of the log."""

    kind: int
    envelope_hash: bytes
    artifacts: tuple[bytes, ...]

    @classmethod
    def of(cls, envelope: bytes, statement: Statement) -> Entry:
        """Return the entry of a stored envelope and the statement inside it.

        A statement names at most `MAX_ARTIFACTS` artifacts, so every one has an entry.
        """
        kind = KIND_NUMBERS[statement.kind]
        return cls(kind, sha256(envelope).digest(), statement.artifact_digests())

    @classmethod
    def parse(cls, data: bytes) -> Entry:
        """Read an entry; the inverse of `to_bytes`.

        Raises:
            MalformedError: not an entry of this version.
        """
        if len(data) < _HEADER or data[0] != _VERSION:
            raise MalformedError("not a log entry of version 1")
        count = int.from_bytes(data[_HEADER - 2 : _HEADER], "big")
        if data[1] not in KIND_NUMBERS.values():
            raise MalformedError(f"a log entry of the unknown kind {data[1]}")
        if count > MAX_ARTIFACTS or len(data) != _HEADER + count * HASH_SIZE:
            raise MalformedError(f"a log entry of {len(data)} bytes that names {count} artifacts")
        digests = (data[at : at + HASH_SIZE] for at in range(_HEADER, len(data), HASH_SIZE))
        return cls(data[1], data[2 : 2 + HASH_SIZE], tuple(digests))

    def to_bytes(self) -> bytes:
        """Return the leaf bytes."""
        head = bytes((_VERSION, self.kind)) + self.envelope_hash
        return head + len(self.artifacts).to_bytes(2, "big") + b"".join(self.artifacts)

    @property
    def leaf_hash(self) -> bytes:
        """SHA-256(0x00 ‖ entry)."""
        return leaf_hash(self.to_bytes())
