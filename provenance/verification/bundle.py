"""A bundle: one file with every proof on the path from a record to a block.

::

    {
      "mediaType": "application/vnd.provenance-ledger.bundle.v1+json",
      "records": [{"index": 7, "path": ["…", "…"]}],               RFC 9162, in the artifact
      "statement": {"envelope": "eyJw…", "entry": "AQG8…",          DSSE envelope, its entry,
                    "index": 12, "path": […]},                      RFC 9162, in the log
      "checkpoint": "acme.example/ml\\n42\\n…",                      C2SP signed note
      "anchors": [{"anchor": {…}, "consistency": […],               tree heads on chains,
                   "state": {"header": …, "account": […], "storage": […]}}],   EIP-1186
      "standing": [{"envelope": …, "entry": …, …}]                  keys, revocations, supersessions
    }

What stands elsewhere is left out, so that no two parts of a bundle can disagree: the artifact's
root, size and encoding stand inside the signed statement, and a proof's tree size is that of the
artifact, or of the checkpoint.

Everything here is hostile until `provenance.verification.verifier` has said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, Self

from provenance import forms
from provenance.anchoring import Anchor, StateProof
from provenance.errors import MalformedError

__all__ = [
    "BUNDLE_TYPE",
    "MAX_BUNDLE",
    "MAX_RECORDS",
    "AnchorProof",
    "Bundle",
    "LoggedEnvelope",
    "RecordProof",
]

BUNDLE_TYPE: Final = "application/vnd.provenance-ledger.bundle.v1+json"
MAX_BUNDLE = 16 << 20
MAX_RECORDS = 1 << 14
"""That one bundle proves."""


@dataclass(frozen=True, kw_only=True)
class RecordProof:
    """The record is leaf `index` of the artifact."""

    index: int
    path: tuple[forms.Hash, ...]


@dataclass(frozen=True, kw_only=True)
class LoggedEnvelope:
    """An envelope whose `entry` is leaf `index` of the log, in the tree of the checkpoint."""

    envelope: bytes
    entry: bytes
    index: int
    path: tuple[forms.Hash, ...]


@dataclass(frozen=True, kw_only=True)
class AnchorProof:
    """An anchored tree head, and the proof that the checkpoint continues it.

    With `state` the hash of the anchor's block is enough to check it, and no node is needed.
    """

    anchor: Anchor
    consistency: tuple[forms.Hash, ...]
    state: StateProof | None = None


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Every proof of the path, unverified."""

    media_type: Literal["application/vnd.provenance-ledger.bundle.v1+json"] = field(
        default=BUNDLE_TYPE, metadata={"required": True}
    )
    records: tuple[RecordProof, ...] = ()
    statement: LoggedEnvelope
    checkpoint: str
    anchors: tuple[AnchorProof, ...] = ()
    standing: tuple[LoggedEnvelope, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a bundle.

        Raises:
            MalformedError: longer than 16 MiB, not JSON, unknown or missing fields, values of
                another form, or more records than `MAX_RECORDS`.
        """
        value = forms.parse(data, what="the bundle", cap=MAX_BUNDLE)
        records = value.get("records") if isinstance(value, dict) else None
        if isinstance(records, list) and len(records) > MAX_RECORDS:  # before each is looked at
            raise MalformedError(f"the bundle proves more than {MAX_RECORDS:,} records")
        return forms.decode(cls, value, "the bundle")

    def to_bytes(self) -> bytes:
        """Return the RFC 8785 bytes."""
        return forms.dump(self)
