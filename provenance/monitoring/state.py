"""What a monitor keeps of a log from one round to the next: a strict JSON file of some kilobytes.

::

    {"type": "urn:provenance-ledger:monitor:v1",
     "checkpoint": "acme.example/ml\\n70000\\n…",      the newest that was seen, with signatures
     "edge": ["…", "…", "AbC…"],                      of the tree over the entries read so far
     "chains": [{"chainId": 1, "contract": "0x…", …}],
     "stale": false}                                  whether an older checkpoint was served last

So following is as much work as there is new. The checkpoint covers the edge: a first round over a
large log is saved on its way, and each time the tree so far is shown to lie under the checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Final, Literal, Self

from provenance import forms
from provenance.anchoring import ChainPin
from provenance.anchoring.anchor import ADDRESS
from provenance.errors import MalformedError
from provenance.log import Checkpoint
from provenance.monitoring.edge import RightEdge

__all__ = ["STATE_TYPE", "SeenHead", "State"]

STATE_TYPE: Final = "urn:provenance-ledger:monitor:v1"
MAX_STATE = 4 << 20


@dataclass(frozen=True, kw_only=True)
class SeenHead:
    """The newest head that a contract had, on the log's history.

    Attributes:
        chain_id: of the chain.
        contract: its address.
        ledger_id: for which it was.
        size: entries that it covers.
        root: of the log's tree at that size.
        first_block: the newest block when it was first seen.
        last_block: the newest block when it was last seen.
    """

    chain_id: int
    contract: Annotated[str, ADDRESS]
    ledger_id: forms.Hash
    size: int
    root: forms.Hash
    first_block: int
    last_block: int

    def is_of(self, pin: ChainPin) -> bool:
        """Say whether it was seen where `pin` looks."""
        own = (self.chain_id, self.contract, self.ledger_id)
        return own == (pin.chain_id, pin.contract, pin.ledger_id)


@dataclass(frozen=True, kw_only=True)
class State:
    """What was seen of one log, and found to be one history.

    Attributes:
        checkpoint: the newest, a signed note.
        edge: of the tree over the entries read so far.
        chains: the newest head of each contract, at most as large as the checkpoint.
        stale: whether an older one was served last.
    """

    type: Literal["urn:provenance-ledger:monitor:v1"] = field(
        default=STATE_TYPE, metadata={"required": True}
    )
    checkpoint: str
    edge: tuple[bytes, ...]
    chains: tuple[SeenHead, ...] = ()
    stale: bool = False

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a state.

        Raises:
            MalformedError: not a state, or one whose parts do not belong together.
        """
        state = forms.decode(cls, forms.parse(data, what="the state", cap=MAX_STATE), "the state")
        edge, head = RightEdge(state.edge), state.head
        if edge.size > head.size or (edge.size == head.size and edge.root() != head.root):
            raise MalformedError("the state's edge is not that of its checkpoint")
        return state

    def to_bytes(self) -> bytes:
        """Return the RFC 8785 bytes."""
        return forms.dump(self)

    @cached_property
    def head(self) -> Checkpoint:
        """The tree head in the checkpoint."""
        return Checkpoint.of_note(self.checkpoint, extended=True)

    def seen(self, pin: ChainPin) -> SeenHead | None:
        """Return the newest head seen where `pin` looks."""
        return next((seen for seen in self.chains if seen.is_of(pin)), None)
