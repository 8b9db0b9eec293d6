"""Proofs of a chain's state: kept while a node still has them, and brought into bundles.

A node forgets the state of a block after a hundred or so. So its proof of an anchor is asked for
when the anchor is mined, and again at each further state of it until there is one. It stays in the
ledger; that of a block which a reorg took back is replaced. A node that makes no such proofs takes
nothing away from an anchor.
"""

from __future__ import annotations

from sqlmodel import Field, Session, col, delete

from provenance import forms
from provenance.anchoring import AnchorError, ChainPin, ChainReader, RpcReader, StateProof
from provenance.errors import ChainError
from provenance.ledger.anchors import AnchorRecord
from provenance.ledger.catalog import AnchorRow
from provenance.log.store import Database, Sealed, number_key

__all__ = ["StateProofRow", "forget_chain", "keep_state_proof", "kept_state_proof"]

MAX_PROOF = 1 << 20


class StateProofRow(Sealed, table=True):
    """What leads from the hash of an anchor's block to the root that it anchors."""

    __tablename__ = "state_proof"

    chain: str = Field(primary_key=True)
    size: int = number_key()
    block_hash: bytes
    data: bytes


def keep_state_proof(
    database: Database, reader: ChainReader, pin: ChainPin, anchor: AnchorRecord
) -> bool:
    """Keep the proof of an anchor in its block; say whether it is there.

    The node is asked once for each block. One that does not answer, or makes no proofs, is no
    error: called again, this asks again.
    """
    if anchor.block is None or anchor.block_hash is None or not isinstance(reader, RpcReader):
        return False  # the embedded chain makes none: they would be worth no more than its word
    with database.reading() as session:
        if kept_state_proof(session, anchor.chain, anchor.size, anchor.block_hash) is not None:
            return True
    from provenance.anchoring.state import capture_state

    claim = pin.anchor(size=anchor.size, root=anchor.root, block=anchor.block)
    try:
        proof = capture_state(reader, claim, pin, block_hash=anchor.block_hash)
    except (ChainError, AnchorError):
        return False
    row = StateProofRow(
        chain=anchor.chain,
        size=anchor.size,
        block_hash=anchor.block_hash,
        data=forms.dump(proof),
    )
    with database.writing() as session:
        session.merge(row)
    return True


def kept_state_proof(
    session: Session, chain: str, size: int, block_hash: bytes
) -> StateProof | None:
    """Return the proof of the anchor of `size` in this block; None if there is none."""
    row = session.get(StateProofRow, (chain, size))
    if row is None or row.block_hash != block_hash:
        return None
    what = f"the state proof of size {size} on chain {chain!r}"
    return forms.decode(StateProof, forms.parse(row.data, what=what, cap=MAX_PROOF), what)


def forget_chain(database: Database, chain: str) -> None:
    """Forget the anchors on a chain and their proofs: another one is to be called so."""
    with database.writing() as session:
        session.exec(delete(AnchorRow).where(col(AnchorRow.chain) == chain))
        session.exec(delete(StateProofRow).where(col(StateProofRow.chain) == chain))
