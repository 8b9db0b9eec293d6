"""What a monitor found, in a form that others can check: one strict JSON file for each finding.

::

    {
      "type": "urn:provenance-ledger:evidence:v1",
      "kind": "fork",
      "origin": "acme.example/ml",
      "time": "2026-01-31T12:00:00Z",
      "finding": "the tree of 900 entries does not continue the one of 500",
      "seen": "acme.example/ml\\n500\\n…",              C2SP signed note
      "checkpoint": "acme.example/ml\\n900\\n…",        C2SP signed note, as served now
      "history": {"oldSize": 500, "oldRoot": "…", "size": 900, "root": "…", "path": ["…"]}
    }

`history` is an RFC 9162 consistency proof, and it holds: it leads to the root of the larger of the
two notes. What it shows is which root *that* history has at the smaller size. Where the smaller
note, or a contract, has another one, there are two histories, and whoever signed both is caught.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Annotated, Final, Literal, Self

from provenance import forms
from provenance.anchoring import ChainPin
from provenance.anchoring.anchor import ADDRESS
from provenance.merkle import ConsistencyProof, InclusionProof

__all__ = ["EVIDENCE_TYPE", "Evidence", "History", "Kind", "OnChain", "ServedEntry", "ServedTile"]

EVIDENCE_TYPE: Final = "urn:provenance-ledger:evidence:v1"
MAX_EVIDENCE = 4 << 20

Kind = Literal["checkpoint", "fork", "rollback", "entries", "tiles", "entry", "anchor", "chain"]
"""What can be found; docs/formats.md says of each what it proves, and to whom."""


@dataclass(frozen=True, kw_only=True)
class History:
    """An RFC 9162 consistency proof that holds: the first `old_size` entries have `old_root`."""

    old_size: int
    old_root: forms.Hash
    size: int
    root: forms.Hash
    path: tuple[forms.Hash, ...]

    @classmethod
    def of(cls, old_root: bytes, proof: ConsistencyProof, root: bytes) -> History:
        """Return a proof with the two roots that it connects."""
        return cls(
            old_size=proof.old_size,
            old_root=old_root,
            size=proof.size,
            root=root,
            path=proof.path,
        )


@dataclass(frozen=True, kw_only=True)
class ServedEntry:
    """An entry as it was served, and where it was proven the leaf hash at its index.

    `path` is the RFC 9162 inclusion proof of `leaf_hash` under the checkpoint.
    """

    index: int
    entry: bytes
    leaf_hash: forms.Hash | None = None
    path: tuple[forms.Hash, ...] | None = None

    @classmethod
    def of(cls, entry: bytes, leaf_hash: bytes, proof: InclusionProof) -> ServedEntry:
        """Return an entry beside what stands at its index."""
        return cls(index=proof.index, entry=entry, leaf_hash=leaf_hash, path=proof.path)


@dataclass(frozen=True, kw_only=True)
class ServedTile:
    """A tile, and the SHA-256 of what was served under its path."""

    path: str
    sha256: forms.Hash


@dataclass(frozen=True, kw_only=True)
class OnChain:
    """A tree head that a contract had when `block` was the newest block: ask it for ``rootAt``."""

    chain: str
    chain_id: int
    contract: Annotated[str, ADDRESS]
    ledger_id: forms.Hash
    size: int
    root: forms.Hash
    block: int

    @classmethod
    def of(cls, pin: ChainPin, size: int, root: bytes, block: int) -> OnChain:
        """Return a head that the contract of `pin` had."""
        return cls(
            chain=pin.name,
            chain_id=pin.chain_id,
            contract=pin.contract,
            ledger_id=pin.ledger_id,
            size=size,
            root=root,
            block=block,
        )


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One finding.

    Attributes:
        kind: of what was found.
        origin: the log, as the policy names it.
        time: of the finding, by the monitor's clock.
        finding: in words, for a person.
        checkpoint: what the log serves now.
        seen: what it served before.
        history: how the two, or the checkpoint and the anchor, lie to each other.
        entry: the entry that is meant.
        tile: the tile that is meant.
        anchor: what the contract has.
        lost: what the contract had before.
    """

    type: Literal["urn:provenance-ledger:evidence:v1"] = field(
        default=EVIDENCE_TYPE, metadata={"required": True}
    )
    kind: Kind
    origin: str
    time: Annotated[str, forms.timestamp_pattern]
    finding: str
    checkpoint: str | None = None
    seen: str | None = None
    history: History | None = None
    entry: ServedEntry | None = None
    tile: ServedTile | None = None
    anchor: OnChain | None = None
    lost: OnChain | None = None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read an evidence file.

        Raises:
            MalformedError: not evidence; a misspelt field is named.
        """
        value = forms.parse(data, what="the evidence", cap=MAX_EVIDENCE)
        return forms.decode(cls, value, "the evidence")

    def to_bytes(self) -> bytes:
        """Return the RFC 8785 bytes."""
        return forms.dump(self)

    @property
    def file_name(self) -> str:
        """``provenance-evidence-ORIGIN-HASH.json``: the same for the same finding at any time."""
        origin = re.sub("[^A-Za-z0-9.]+", "-", self.origin)[:60].strip("-.")
        same = replace(self, time="1970-01-01T00:00:00Z").to_bytes()
        return f"provenance-evidence-{origin}-{sha256(same).hexdigest()[:16]}.json"
