"""What is brought to the log, and what the log keeps of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from provenance.log.entry import Entry
from provenance.merkle import leaf_hash
from provenance.signing import Envelope
from provenance.statements import Statement

__all__ = ["Leaf", "Submission"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """What the log keeps of one submission.

    Attributes:
        kind: of its statement, as the entry says it.
        data: the entry's bytes.
        hash: SHA-256(0x00 ‖ data).
        identity: SHA-256 over payload and key ids: equal for the same payload by the same keys.
        envelope: its bytes.
    """

    kind: int
    data: bytes
    hash: bytes
    identity: bytes
    envelope: bytes


@dataclass(frozen=True)
class Submission:
    """An envelope and the statement inside it."""

    envelope: Envelope
    statement: Statement

    @cached_property
    def leaf(self) -> Leaf:
        """What the log keeps of it."""
        envelope = self.envelope.to_bytes()
        entry = Entry.of(envelope, self.statement)
        data = entry.to_bytes()
        keyids = "".join(self.envelope.keyids).encode()
        identity = sha256(sha256(self.envelope.payload).digest() + keyids).digest()
        return Leaf(entry.kind, data, leaf_hash(data), identity, envelope)
