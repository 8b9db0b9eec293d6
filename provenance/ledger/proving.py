"""Making bundles: every proof of the path, from what the ledger holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlmodel import Session

from provenance.anchoring import Anchor
from provenance.errors import InputError
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.log import Checkpoint
from provenance.log.log import Log
from provenance.merkle import Tree
from provenance.records import hash_record
from provenance.verification import (
    AnchorProof,
    Bundle,
    Content,
    LoggedEnvelope,
    Policy,
    RecordProof,
)

__all__ = ["Proof", "prove_artifact", "prove_record"]


@dataclass(frozen=True)
class Proof:
    """A bundle, and what else is worth knowing of it.

    Attributes:
        bundle: the proofs.
        index: of the record that it proves; None for a whole artifact.
        equal: how many records of the artifact are equal to it; the first of them is proven.
    """

    bundle: Bundle
    index: int | None = None
    equal: int = 0

    def to_bytes(self) -> bytes:
        """Return the bytes of the bundle."""
        return self.bundle.to_bytes()


def prove_artifact(
    session: Session, origin: str, policy: Policy, note: str, registered: RegisteredArtifact
) -> Proof:
    """Return the bundle of a whole artifact under the checkpoint `note`.

    Each chain's earliest anchor that covers the entry goes in: it dates it.
    """
    log, catalog = Log(session, origin), Catalog(session)
    checkpoint = Checkpoint.parse(note.partition("\n\n")[0] + "\n")

    def logged(index: int) -> LoggedEnvelope:
        return LoggedEnvelope(
            envelope=log.envelope(index),
            entry=log.entry(index).to_bytes(),
            index=index,
            path=log.prove_inclusion(index, checkpoint.size).path,
        )

    anchors = []
    for pin in policy.chains:
        for row in catalog.anchors(chain=pin.name, above=registered.index)[:1]:
            anchor = Anchor(
                chain_id=pin.chain_id,
                contract=pin.contract,
                ledger_id=pin.ledger_id,
                size=row.size,
                root=row.root,
                block=row.block,
            )
            consistency = log.prove_consistency(row.size, checkpoint.size).path
            anchors.append(AnchorProof(anchor=anchor, consistency=consistency))
    about = catalog.about(registered.digest)
    standing = [*catalog.of_kinds("key")]
    standing += [i for i in catalog.of_kinds("supersede") if i in about]
    return Proof(
        Bundle(
            statement=logged(registered.index),
            checkpoint=note,
            anchors=tuple(anchors),
            standing=tuple(logged(i) for i in sorted(standing) if i < checkpoint.size),
        )
    )


def prove_record(
    proof: Proof,
    registered: RegisteredArtifact,
    tree: Tree,
    *,
    record: Any = None,
    index: int | None = None,
    path: Path | None = None,
    leaf_hash: bytes | None = None,
) -> Proof:
    """Add the proof of one record, named in one of four ways.

    Raises:
        InputError: there is no such record.
    """
    if index is not None:
        if not 0 <= index < tree.size:
            raise InputError(f"{registered.name!r} has no record {index}: it has {tree.size}")
        equal = list(tree.find(tree.leaf(index)))
    elif path is not None:
        equal = _find_file(registered, tree, path)
    else:
        wanted = leaf_hash or hash_record(record, registered.artifact.encoding)
        equal = list(tree.find(wanted))
        if not equal:
            raise InputError(
                f"{registered.name!r} has no such record: no leaf has the hash {wanted.hex()}"
            )
    found = equal[0] if index is None else index
    record_proof = RecordProof(index=found, path=tree.prove(found).path)
    return Proof(replace(proof.bundle, record=record_proof), found, len(equal))


def _find_file(registered: RegisteredArtifact, tree: Tree, path: Path) -> list[int]:
    if registered.artifact.encoding.name != "file":
        raise InputError(f"{registered.name!r} is not a folder: it has rows or chunks, not files")
    for _, leaf_hash in Content(path).file_leaves(registered.artifact.encoding):
        equal = list(tree.find(leaf_hash))
        if equal:
            return equal
    raise InputError(f"{registered.name!r} has no file with the name and content of {path}")
