"""Bringing a ledger's tree heads to one chain, and following what becomes of them there::

    submitted ──► mined ──► confirmed ──► final
        ▲           └──────────┴──► reorged ──┐
        └─────────────── sent again ──────────┘

What a transaction is known by is written down before it is broadcast, and before anything is sent
the contract is read: so neither a crash nor a lost answer at any point leads to a second anchor.
The contract itself takes the same head twice for one, and no head beside its history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from provenance.anchoring import AnchorError, ChainPin, Head, check_contract, latest_head
from provenance.errors import ChainError
from provenance.ledger.anchors import AnchorRecord
from provenance.ledger.catalog import AnchorRow, Catalog
from provenance.ledger.states import keep_state_proof
from provenance.log import Checkpoint
from provenance.log.log import Log
from provenance.log.store import Database

if TYPE_CHECKING:
    from provenance.anchoring.contract import Chain, Receipt, Sent

__all__ = ["Sender", "Told", "watched_above"]

WATCHED_BLOCKS = 256
"""How deep a chain that calls no block final is watched for reorgs of what it confirmed."""

Told = Callable[[AnchorRecord], object]
"""Is called with an anchor whenever something about it changed."""


class Sender:
    """One ledger's way to one chain. One at a time for each, across processes: the caller's part.

    Every method raises `ChainError` where the chain does not do what it should, and what was
    written down until then stays true.
    """

    def __init__(
        self,
        database: Database,
        origin: str,
        chain: Chain,
        pin: ChainPin,
        told: Told = lambda _: None,
    ) -> None:
        self._database = database
        self._origin = origin
        self._chain = chain
        self._pin = pin
        self._told = told

    def bring(self, note: str) -> AnchorRecord:
        """See to it that the chain has the tree head of the checkpoint `note`, or a later one.

        Returns:
            The newest anchor there. Nothing was sent where it covers the checkpoint already.

        Raises:
            ChainError: the node is not the one that is pinned, the chain does not take the head,
                or it has another history than this log.
        """
        checkpoint = Checkpoint.of_note(note)
        self.follow()
        head = self._head()
        if head is None or head.size < checkpoint.size:
            sent = self._submitted()
            if self._chain.settle(sent[-1].tx_hash if sent else None):
                head = self._head()  # what was in flight may be mined by now
        if head is not None and head.size >= checkpoint.size:
            return self._found(head)
        with self._database.reading() as session:
            log = Log(session, self._origin)
            proof = log.prove_consistency(head.size, checkpoint.size).path if head else ()
        anchor = AnchorRecord(
            chain=self._pin.name,
            size=checkpoint.size,
            root=checkpoint.root,
            state="submitted",
            tx_hash=b"",
            embedded=self._pin.embedded,
        )
        anchor = self._send(anchor, proof)
        # A crash here leaves an anchor that is written down as submitted: `follow` finds it.
        anchor = self._judged(anchor, self._chain.head(), self._chain.finalized())
        self._write_down(anchor)
        for overtaken in self._submitted():
            self._look(overtaken, self._chain.head(), None)
        return anchor

    def follow(self) -> None:
        """Look what became of every anchor that is not final yet.

        Raises:
            ChainError: the node is not the one that is pinned.
        """
        self._check_node()
        height, final = self._chain.head(), self._chain.finalized()
        with self._database.reading() as session:
            rows = Catalog(session).unsettled_anchors(
                self._pin.name, above=watched_above(height, final)
            )
            anchors = [AnchorRecord.of(row, self._pin) for row in rows]
        for anchor in anchors:
            self._look(anchor, height, final)

    # --- looking ------------------------------------------------------------------------------

    def _submitted(self) -> list[AnchorRecord]:
        with self._database.reading() as session:
            rows = Catalog(session).submitted_anchors(self._pin.name)
            return [AnchorRecord.of(row, self._pin) for row in rows]

    def _look(self, anchor: AnchorRecord, height: int, final: int | None) -> None:
        """Find the state of one anchor: by its block, or else by the contract."""
        now = anchor
        if anchor.block is None or self._chain.block_hash(anchor.block) != anchor.block_hash:
            pin = self._pin
            receipt = self._chain.locate(pin.contract, pin.ledger_id, anchor.size, anchor.root)
            if receipt is None:
                self._miss(anchor)
                return
            now = _placed(anchor, receipt)
        now = self._judged(now, height, final)
        if now != anchor:
            self._write_down(now)

    def _judged(self, anchor: AnchorRecord, height: int, final: int | None) -> AnchorRecord:
        """Return an anchor that is in a block with the state that this gives it."""
        block = anchor.block or 0
        if final is not None and block <= final:
            return replace(anchor, state="final")
        confirmed = height - block + 1 >= self._pin.confirmations
        return replace(anchor, state="confirmed" if confirmed else "mined")

    def _miss(self, anchor: AnchorRecord) -> None:
        """Say what it means that the contract does not have an anchor."""
        if anchor.state == "submitted":
            head = latest_head(self._chain, self._pin.contract, self._pin.ledger_id)
            if head is not None and head.size > anchor.size:
                self._drop(anchor)  # a larger head overtook it: it can never be mined
        elif anchor.state != "reorged":
            self._write_down(
                replace(anchor, state="reorged", block=None, block_hash=None, block_time=None)
            )

    def _found(self, head: Head) -> AnchorRecord:
        """Return the anchor of the contract's head; written down, if it was not."""
        with self._database.reading() as session:
            row = session.get(AnchorRow, (self._pin.name, head.size))
            known = AnchorRecord.of(row, self._pin) if row is not None else None
        if known is not None and known.block is not None:
            return known
        pin = self._pin
        receipt = self._chain.locate(pin.contract, pin.ledger_id, head.size, head.root)
        if receipt is None:
            raise ChainError(f"{self._chain.name} has the root of size {head.size} and no event")
        anchor = known or AnchorRecord(
            chain=pin.name,
            size=head.size,
            root=head.root,
            state="mined",
            tx_hash=receipt.tx_hash,
            embedded=pin.embedded,
        )
        placed = _placed(anchor, receipt)
        anchor = self._judged(placed, self._chain.head(), self._chain.finalized())
        self._write_down(anchor)
        return anchor

    def _head(self) -> Head | None:
        """Return the newest head that the contract has; one that this log has, too."""
        head = latest_head(self._chain, self._pin.contract, self._pin.ledger_id)
        with self._database.reading() as session:
            log = Log(session, self._origin)
            if head and (head.size > log.size or log.root(head.size) != head.root):
                raise ChainError(
                    f"{self._chain.name} has a head of {head.size} entries that this log of "
                    f"{log.size} does not have, as after restoring the ledger from an old copy. "
                    "The contract takes no other history: bring the newest copy back, or make a "
                    "new ledger"
                )
        return head

    def _check_node(self) -> None:
        """Check, before anything is sent, that this is the chain with the contract that is meant.

        Raises:
            ChainError: it is another chain, or has lost the contract.
        """
        try:
            check_contract(self._pin, self._chain)
        except AnchorError as error:
            advice = "the node has lost its state, or has not synced it yet. Bring its data back"
            raise ChainError(
                f"{error}: {advice}; or, if that chain is gone for good, take {self._pin.name} out "
                "of config.toml and policy.json and add the new one. Nothing was sent"
            ) from error

    # --- writing ------------------------------------------------------------------------------

    def _send(self, anchor: AnchorRecord, proof: tuple[bytes, ...]) -> AnchorRecord:
        """Get an anchor mined, and return it so. What is broadcast was written down before."""
        from provenance.anchoring.contract import RefusedError

        sent = anchor

        def sending(transaction: Sent) -> None:
            nonlocal sent
            sent = replace(anchor, tx_hash=transaction.tx_hash, nonce=transaction.nonce)
            self._write_down(sent)

        pin = self._pin
        try:
            receipt = self._chain.anchor(
                pin.contract, pin.ledger_id, anchor.size, anchor.root, proof, sending=sending
            )
        except RefusedError:
            self._drop(anchor)
            raise
        return _placed(sent, receipt)

    def _write_down(self, anchor: AnchorRecord) -> None:
        """Keep what an anchor has become. Every change of one, of any state, passes here."""
        with self._database.writing() as session:
            session.merge(anchor.row())
        keep_state_proof(self._database, self._chain, self._pin, anchor)
        self._told(anchor)

    def _drop(self, anchor: AnchorRecord) -> None:
        """Forget an anchor that was submitted and will not be mined."""
        with self._database.writing() as session:
            row = session.get(AnchorRow, (anchor.chain, anchor.size))
            if row is not None and row.state == "submitted":
                session.delete(row)


def watched_above(height: int, final: int | None) -> int:
    """Return the block above which a confirmed anchor may change, given the newest and final."""
    return -1 if final is not None else height - WATCHED_BLOCKS


def _placed(anchor: AnchorRecord, receipt: Receipt) -> AnchorRecord:
    """Return an anchor as mined where the receipt says."""
    return replace(
        anchor,
        state="mined",
        tx_hash=receipt.tx_hash,
        nonce=anchor.nonce if anchor.tx_hash == receipt.tx_hash else None,
        block=receipt.block,
        block_hash=receipt.block_hash,
        block_time=datetime.fromtimestamp(receipt.block_time, UTC),
    )
