"""A proof from a single record of an AI data set to a block on a chain.

::

    import provenance

    ledger = provenance.Ledger.init(origin="acme.example/ml")
    raw = ledger.register("train.parquet", name="train-raw", license="CC-BY-4.0")
    with ledger.step("deduplicate", inputs=[raw]) as step:
        clean = step.output(dedupe("train.parquet"), name="train-clean")
    ledger.anchor()

    proof = ledger.prove(clean, record={"id": 7, "text": "hello"})
    verified = provenance.verify(proof, record={"id": 7, "text": "hello"})

`verify` needs no ledger: a bundle, the record and a `Policy` are enough, and for anchors a way to
reach the chain. Everything that is raised on purpose is a `ProvenanceError`.

Names are loaded when they are used, so that verifying stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provenance.client import connect
    from provenance.errors import (
        BatchError,
        ChainError,
        ChainUnreachableError,
        InputError,
        LedgerError,
        MalformedError,
        ProvenanceError,
        UndecidedError,
        VerificationError,
        WitnessError,
    )
    from provenance.ledger.catalog import RegisteredArtifact
    from provenance.ledger.checking import verify
    from provenance.ledger.ledger import Ledger
    from provenance.ledger.proving import Proof
    from provenance.upkeep.backup import backup
    from provenance.upkeep.fsck import fsck
    from provenance.upkeep.restore import restore
    from provenance.verification import Bundle, Policy, Verified

_HOMES = {
    "BatchError": "provenance.errors",
    "Bundle": "provenance.verification",
    "ChainError": "provenance.errors",
    "ChainUnreachableError": "provenance.errors",
    "InputError": "provenance.errors",
    "Ledger": "provenance.ledger.ledger",
    "LedgerError": "provenance.errors",
    "MalformedError": "provenance.errors",
    "NoSuchRecordError": "provenance.errors",
    "Policy": "provenance.verification",
    "Proof": "provenance.ledger.proving",
    "ProvenanceError": "provenance.errors",
    "RegisteredArtifact": "provenance.ledger.catalog",
    "TreeMissingError": "provenance.errors",
    "UndecidedError": "provenance.errors",
    "VerificationError": "provenance.errors",
    "Verified": "provenance.verification",
    "WitnessError": "provenance.errors",
    "backup": "provenance.upkeep.backup",
    "connect": "provenance.client",
    "fsck": "provenance.upkeep.fsck",
    "restore": "provenance.upkeep.restore",
    "verify": "provenance.ledger.checking",
}

__all__ = [
    "BatchError",
    "Bundle",
    "ChainError",
    "ChainUnreachableError",
    "InputError",
    "Ledger",
    "LedgerError",
    "MalformedError",
    "NoSuchRecordError",
    "Policy",
    "Proof",
    "ProvenanceError",
    "RegisteredArtifact",
    "TreeMissingError",
    "UndecidedError",
    "VerificationError",
    "Verified",
    "WitnessError",
    "backup",
    "connect",
    "fsck",
    "restore",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'provenance' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
