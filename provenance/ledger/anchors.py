"""Anchoring: bringing a ledger's tree heads to its chains, and writing down where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from provenance.anchoring import ChainPin, latest_head
from provenance.errors import ChainError
from provenance.ledger.catalog import AnchorRow, Catalog
from provenance.log import Checkpoint
from provenance.log.log import Log
from provenance.log.store import Database

if TYPE_CHECKING:
    from provenance.anchoring.contract import Chain

__all__ = ["AnchorRecord", "anchor_to", "recorded"]


@dataclass(frozen=True)
class AnchorRecord:
    """A tree head of the ledger on one chain.

    Attributes:
        chain: its name in ``config.toml``.
        size: entries that it covers.
        root: of the log's tree at that size, 32 bytes.
        block: the block's number.
        block_time: the block's time: nothing it covers is younger.
        tx_hash: of the transaction, 32 bytes.
        embedded: whether the chain is worth only as much as this machine.
    """

    chain: str
    size: int
    root: bytes
    block: int
    block_time: datetime
    tx_hash: bytes
    embedded: bool

    @classmethod
    def of(cls, row: AnchorRow, pin: ChainPin) -> AnchorRecord:
        """Return what the catalogue holds."""
        time = datetime.fromtimestamp(row.block_time, UTC)
        return cls(row.chain, row.size, row.root, row.block, time, row.tx_hash, pin.embedded)


def anchor_to(
    database: Database, origin: str, chain: Chain, pin: ChainPin, note: str
) -> AnchorRecord:
    """Bring the tree head of the checkpoint `note` to one chain, and write down where it stands.

    A crash after the transaction was mined leaves a head that the contract knows and the
    catalogue does not: the next call finds it there instead of sending it again. The caller sees
    to it that nobody else anchors meanwhile, so the head is never above the checkpoint.

    Raises:
        ChainError: the chain does not take it, or has another history than this log.
    """
    checkpoint = Checkpoint.of_note(note)
    head = latest_head(chain, pin.contract, pin.ledger_id)
    with database.reading() as session:
        log = Log(session, origin)
        if head and (head.size > log.size or log.root(head.size) != head.root):
            raise ChainError(
                f"{chain.name} has a head of {head.size} entries that this log of {log.size} does "
                "not have, as after restoring the ledger from an old copy. The contract takes no "
                "other history: bring the newest copy back, or make a new ledger"
            )
        proof = log.prove_consistency(head.size, checkpoint.size).path if head else ()
    receipt = chain.anchor(pin.contract, pin.ledger_id, checkpoint.size, checkpoint.root, proof)
    row = AnchorRow(
        chain=pin.name,
        size=checkpoint.size,
        root=checkpoint.root,
        block=receipt.block,
        block_time=receipt.block_time,
        tx_hash=receipt.tx_hash,
    )
    record = AnchorRecord.of(row, pin)
    with database.writing() as session:
        session.merge(row)
    return record


def recorded(database: Database, pins: Mapping[str, ChainPin]) -> list[AnchorRecord]:
    """Return every anchor that the catalogue knows, the smallest tree first."""
    with database.reading() as session:
        return [
            AnchorRecord.of(row, pins[row.chain])
            for row in Catalog(session).anchors()
            if row.chain in pins
        ]
