"""What the forms of several answers share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["DIGEST", "HEX", "ROOT", "STATEMENT", "Answer", "Kind"]

HEX = "^[0-9a-f]{64}$"
"""32 bytes."""

Kind = Literal["dataset", "model", "outputs"]
"""What artifacts are registered as; one of uses (`access`) stands in no list."""

DIGEST = "6a3149e82f070fa9d2a58d9756367b08b8b2dccc002f6d677db414e0e9f3c9dd"

ROOT = "41c2a9d8c4a53b1e5f0b6ad0c9c7c1a2e1bb0f6df0d3d6b7c6b1c1f5e4f8a902"

STATEMENT: dict[str, Any] = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "train", "digest": {"provenance-artifact-v1": DIGEST}}],
    "predicateType": "urn:provenance-ledger:dataset:v1",
    "predicate": {
        "artifact": {"encoding": {"encoding": "json"}, "root": ROOT, "size": 4821},
        "evidence": [],
        "issued": "2026-11-21T02:29:17.120Z",
        "license": "CC-BY-4.0",
        "metadata": {},
        "nonce": "mR0mXAjO1oV0VJr0sCu4Wg==",
        "sensitivity": "internal",
    },
}


class Answer(BaseModel):
    """Of every answer: it has no other fields than these."""

    model_config = ConfigDict(extra="forbid")
