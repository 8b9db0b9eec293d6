"""What the contracts hold, next to the history of the log.

One head of a contract stands for all of them: the pinned code takes a head only with the proof
that it continues the one before, so where the newest lies on the log's history, all do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provenance.anchoring import (
    AnchorError,
    ChainPin,
    ChainReader,
    Head,
    check_contract,
    latest_head,
)
from provenance.errors import ChainError
from provenance.merkle.proofs import MAX_SIZE
from provenance.monitoring.evidence import History, OnChain
from provenance.monitoring.served import ServedTree
from provenance.monitoring.state import SeenHead

__all__ = ["Contradiction", "Look", "compare", "look", "taken_back"]


@dataclass(frozen=True)
class Look:
    """What one chain said.

    Attributes:
        pin: where it was looked at.
        block: the newest block just before.
        head: the contract's newest head; None before the first.
        unasked: why nobody knows, and nobody has to.
        undecided: why nobody knows.
        wrong: what is not as the policy pins it.
    """

    pin: ChainPin
    block: int = 0
    head: Head | None = None
    unasked: str | None = None
    undecided: str | None = None
    wrong: str | None = None

    @property
    def known(self) -> bool:
        """Whether the chain answered, from the pinned contract."""
        return not (self.unasked or self.undecided or self.wrong)


@dataclass(frozen=True)
class Contradiction:
    """A head that the log does not have."""

    finding: str
    anchor: OnChain | None
    history: History | None = None


def look(pin: ChainPin, readers: Mapping[str, ChainReader]) -> Look:
    """Ask the chain of `pin` for the contract's newest head."""
    try:
        reader = readers.get(pin.name)
        if reader is None:
            if pin.embedded:
                return Look(pin, unasked="a file beside its ledger")
            return Look(pin, undecided="no way to reach it is configured: name a node of it")
        check_contract(pin, reader)
        block = reader.head()
        head = latest_head(reader, pin.contract, pin.ledger_id)
    except AnchorError as error:
        return Look(pin, wrong=str(error))
    except ChainError as error:
        return Look(pin, undecided=str(error))
    if block > MAX_SIZE:
        return Look(pin, undecided=f"{reader.name} is at block {block}")
    return Look(pin, block, head)


def taken_back(looked: Look, seen: SeenHead | None) -> bool:
    """Say whether the contract no longer has the head that was seen, or one that continues it."""
    if seen is None:
        return False
    head = looked.head
    return (
        head is None or head.size < seen.size or (head.size == seen.size and not _same(head, seen))
    )


def compare(
    looked: Look, head: Head, tree: ServedTree, seen: SeenHead | None
) -> Contradiction | None:
    """Compare the contract's head with the log's history, which `tree` is.

    Args:
        looked: what the chain said.
        head: the contract's.
        tree: of the log.
        seen: a head of the contract that was found to lie on the history before `tree`.

    Raises:
        UnshownError: the log's tiles do not tell its root at that size.
        SourceError: they cannot be read.
    """
    pin, own = looked.pin, tree.head
    if seen is not None and _same(head, seen):
        return None
    anchor = OnChain.of(pin, head.size, head.root, looked.block) if head.size <= MAX_SIZE else None
    if head.size > own.size:
        return Contradiction(
            f"chain {pin.name!r} has a head of {head.size} entries; the log shows {own.size}",
            anchor,
        )
    root, proof = tree.prefix(head.size)
    if root == head.root:
        return None
    return Contradiction(
        f"chain {pin.name!r} has the root {head.root.hex()} at {head.size} entries; "
        f"the log has {root.hex()}",
        anchor,
        History.of(root, proof, own.root),
    )


def _same(head: Head, seen: SeenHead) -> bool:
    return (head.size, head.root) == (seen.size, seen.root)
