"""Tree heads on chains."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import ConfigDict, Field

from api.answers.parts import DIGEST, HEX, ROOT, Answer
from provenance.anchoring import ChainPin
from provenance.ledger.anchors import AnchorRecord, AnchorState

__all__ = ["Anchors", "anchor_answer"]


class AnchorAnswer(Answer):
    """A tree head of this log on one chain."""

    chain: str
    chain_id: int
    contract: str
    ledger_id: str = Field(pattern=HEX)
    size: int = Field(ge=1, description="Entries of the log that it covers.")
    root: str = Field(pattern=HEX)
    state: AnchorState = Field(
        description="submitted: in no block yet; mined; confirmed: by as many blocks as the policy "
        "asks for; final: by the chain's own word; reorged: taken back, and to be sent again."
    )
    block: int | None = Field(
        None, ge=0, description="Left out, as the next two, while it is in no block."
    )
    block_hash: str | None = Field(None, pattern=HEX)
    block_time: str | None = Field(None, description="RFC 3339: nothing that it covers is younger.")
    tx_hash: str = Field(pattern=HEX)
    embedded: bool = Field(description="Whether the chain is worth only as much as the server.")


class Anchors(Answer):
    """Every anchor of this log, the smallest tree first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "anchors": [
                    {
                        "chain": "embedded",
                        "chain_id": 5221003310448871,
                        "contract": "0x5fbdb2315678afecb367f032d93f642f64180aa3",
                        "ledger_id": ROOT,
                        "size": 42,
                        "root": ROOT,
                        "state": "final",
                        "block": 3,
                        "block_hash": DIGEST,
                        "block_time": "2026-11-21T02:29:18Z",
                        "tx_hash": ROOT,
                        "embedded": True,
                    }
                ]
            }
        }
    )

    anchors: list[AnchorAnswer]


def anchor_answer(anchor: AnchorRecord, pin: ChainPin) -> AnchorAnswer:
    """Return what is told of an anchor."""
    return AnchorAnswer(
        chain=anchor.chain,
        chain_id=pin.chain_id,
        contract=pin.contract,
        ledger_id=pin.ledger_id.hex(),
        size=anchor.size,
        root=anchor.root.hex(),
        state=anchor.state,
        block=anchor.block,
        block_hash=None if anchor.block_hash is None else anchor.block_hash.hex(),
        block_time=None if anchor.block_time is None else utc_text(anchor.block_time),
        tx_hash=anchor.tx_hash.hex(),
        embedded=anchor.embedded,
    )


def utc_text(time: datetime) -> str:
    """Return RFC 3339 in UTC, to the second."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
