"""Anchors as a ledger knows them: where each tree head stands on its way into a chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from provenance.anchoring import ChainPin
from provenance.ledger.catalog import AnchorRow, AnchorState, Catalog
from provenance.log.store import Database

__all__ = ["AnchorRecord", "AnchorState", "newest", "recorded"]


@dataclass(frozen=True, kw_only=True)
class AnchorRecord:
    """A tree head of the ledger on one chain.

    Attributes:
        chain: its name in ``config.toml``.
        size: entries that it covers.
        root: of the log's tree at that size, 32 bytes.
        state: ``submitted``: sent, and not seen in a block · ``mined``: in a block ·
            ``confirmed``: under as many blocks as the policy asks for · ``final``: the chain
            itself says that it stays · ``reorged``: its block is gone, and the contract does not
            have it any more.
        tx_hash: of the transaction, 32 bytes.
        nonce: of the transaction; None where it was found in the contract.
        block: the block's number; None, as the next two, while it is in none.
        block_hash: the block's hash, 32 bytes.
        block_time: the block's time: nothing it covers is younger.
        embedded: whether the chain is worth only as much as this machine.
    """

    chain: str
    size: int
    root: bytes
    state: AnchorState
    tx_hash: bytes
    nonce: int | None = None
    block: int | None = None
    block_hash: bytes | None = None
    block_time: datetime | None = None
    embedded: bool

    @classmethod
    def of(cls, row: AnchorRow, pin: ChainPin) -> AnchorRecord:
        """Return what the catalogue holds."""
        time = None if row.block_time is None else datetime.fromtimestamp(row.block_time, UTC)
        return cls(
            chain=row.chain,
            size=row.size,
            root=row.root,
            state=cast(AnchorState, row.state),
            tx_hash=row.tx_hash,
            nonce=row.nonce,
            block=row.block,
            block_hash=row.block_hash,
            block_time=time,
            embedded=pin.embedded,
        )

    def row(self) -> AnchorRow:
        """Return what the catalogue is to hold."""
        return AnchorRow(
            chain=self.chain,
            size=self.size,
            root=self.root,
            state=self.state,
            tx_hash=self.tx_hash,
            nonce=self.nonce,
            block=self.block,
            block_hash=self.block_hash,
            block_time=None if self.block_time is None else int(self.block_time.timestamp()),
        )


def recorded(database: Database, pins: Mapping[str, ChainPin]) -> list[AnchorRecord]:
    """Return every anchor that the catalogue knows, the smallest tree first."""
    with database.reading() as session:
        return [
            AnchorRecord.of(row, pins[row.chain])
            for row in Catalog(session).anchors()
            if row.chain in pins
        ]


def newest(
    database: Database, pins: Mapping[str, ChainPin], below: int | None, limit: int
) -> list[AnchorRecord]:
    """Return some of them, the largest tree first; as `LedgerView.newest_anchors`."""
    with database.reading() as session:
        catalog = Catalog(session)
        found = [
            AnchorRecord.of(row, pin)
            for pin in pins.values()
            for row in catalog.anchors_below(pin.name, below, limit)
        ]
    found.sort(key=lambda anchor: (-anchor.size, anchor.chain))
    return [anchor for anchor in found if anchor.size >= found[:limit][-1].size]
