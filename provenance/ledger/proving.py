"""Making bundles: every proof of the path, from what the ledger holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from provenance.errors import InputError, LedgerError
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.ledger.refs import Ref
from provenance.ledger.states import kept_state_proof
from provenance.log import Checkpoint, LogProof
from provenance.log.log import Log
from provenance.merkle import HASH_SIZE, ProofError, Tree, check_inclusion
from provenance.records import hash_record
from provenance.signing import strip_foreign_lines
from provenance.statements.predicates import Described
from provenance.verification import (
    AnchorProof,
    Bundle,
    Content,
    LoggedEnvelope,
    Policy,
    RecordProof,
)

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["Proof", "prove", "prove_entry"]


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


def prove(
    ledger: Ledger,
    ref: Ref,
    *,
    record: Any,
    index: int | None,
    path: str | PathLike[str] | None,
    leaf_hash: bytes | None,
) -> Proof:
    """Return the bundle of an artifact, or of one record of it; as `Ledger.prove`."""
    given = [way for way in (record, index, path, leaf_hash) if way is not None]
    if len(given) > 1:
        raise InputError("name the record in one way: record, index, path or leaf hash")
    registered = ledger.resolve(ref)  # first, so that the checkpoint covers it
    policy = ledger.policy()
    note = _checkpoint(ledger, policy, registered)
    with ledger._database.reading() as session:
        proof = _prove_artifact(session, ledger.origin, policy, note, registered)
    if not given:
        return proof
    try:
        tree = Tree.open(ledger.folder.tree(registered.artifact.digest))
    except LedgerError as error:
        raise _damaged(registered) from error
    if (tree.size, tree.root) != (registered.size, registered.artifact.root):
        raise _damaged(registered)
    return _prove_record(
        proof,
        registered,
        tree,
        record=record,
        index=index,
        path=None if path is None else Path(path),
        leaf_hash=leaf_hash,
    )


def prove_entry(ledger: Ledger, ref: Ref) -> LogProof:
    """Return the proof that an artifact's entry is in the log; as `Ledger.prove_entry`."""
    registered = ledger.resolve(ref)
    policy = ledger.policy()
    note = _checkpoint(ledger, policy, registered)
    size = Checkpoint.of_note(note).size
    with ledger._database.reading() as session:
        proof = Log(session, ledger.origin).prove_entry(registered.index, size)
    return replace(proof, checkpoint=_stripped(note, policy))


def _checkpoint(ledger: Ledger, policy: Policy, registered: RegisteredArtifact) -> str:
    """Return the checkpoint under which an artifact is proven."""
    with ledger._database.reading() as session:
        note = _cosigned_as_demanded(session, ledger.origin, policy, registered)
    return note or ledger.checkpoint()


def _cosigned_as_demanded(
    session: Session, origin: str, policy: Policy, registered: RegisteredArtifact
) -> str | None:
    """Return the newest checkpoint that covers an artifact and satisfies the policy's witnesses.

    None where the policy demands none at the artifact's level, or too few have cosigned one; and
    where keys changed, or the artifact was superseded, after it: a proof must not hide that.
    """
    predicate = registered.statement.predicate
    level = policy.level(predicate.sensitivity if isinstance(predicate, Described) else "public")
    need = policy.demand(level).witnesses
    log = Log(session, origin)
    size = (
        log.newest_cosigned(policy.witnesses, need=need, above=registered.index) if need else None
    )
    if size is None or log.of_kinds("key", since=size):
        return None
    superseded = Catalog(session).about(registered.digest, kind="supersede")
    return None if any(index >= size for index in superseded) else log.cosigned(size)


def _prove_artifact(
    session: Session, origin: str, policy: Policy, note: str, registered: RegisteredArtifact
) -> Proof:
    """Return the bundle of a whole artifact under the checkpoint `note`.

    Each chain's earliest anchor that covers the entry goes in: it dates it. With it, where there
    is one, the proof of the chain's state.
    """
    log, catalog = Log(session, origin), Catalog(session)
    checkpoint = Checkpoint.of_note(note)

    def logged(index: int) -> LoggedEnvelope:
        return LoggedEnvelope(
            envelope=log.envelope(index),
            entry=log.entry(index).to_bytes(),
            index=index,
            path=log.prove_inclusion(index, checkpoint.size).path,
        )

    anchors = []
    for pin in policy.chains:
        row = catalog.earliest_anchor(pin.name, above=registered.index, most=checkpoint.size)
        if row is None or row.block is None or row.block_hash is None:
            continue
        anchors.append(
            AnchorProof(
                anchor=pin.anchor(size=row.size, root=row.root, block=row.block),
                consistency=log.prove_consistency(row.size, checkpoint.size).path,
                state=kept_state_proof(session, pin.name, row.size, row.block_hash),
            )
        )
    standing = [*log.of_kinds("key"), *catalog.about(registered.digest, kind="supersede")]
    return Proof(
        Bundle(
            statement=logged(registered.index),
            checkpoint=_stripped(note, policy).decode(),
            anchors=tuple(anchors),
            standing=tuple(logged(i) for i in sorted(standing) if i < checkpoint.size),
        )
    )


def _stripped(note: str, policy: Policy) -> bytes:
    """Return a checkpoint with the lines on which a verdict by this policy can rest."""
    known = (*policy.log_verifiers, *policy.witness_verifiers)
    return strip_foreign_lines(note.encode(), known)


def _prove_record(
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
        LedgerError: the tree file is damaged.
    """
    if index is not None:
        if not 0 <= index < tree.size:
            raise InputError(f"{registered.name!r} has no record {index}: it has {tree.size}")
        wanted = tree.leaf(index)
    elif path is not None:
        wanted = _leaf_of_file(registered, tree, path)
    else:
        encoding = registered.artifact.encoding
        wanted = hash_record(record, encoding) if leaf_hash is None else leaf_hash
        if len(wanted) != HASH_SIZE:
            raise InputError(f"a leaf hash has {HASH_SIZE} bytes, not {len(wanted)}")
    equal = tree.find(wanted)
    first = next(equal, None)
    if first is None:
        raise InputError(
            f"{registered.name!r} has no such record: no leaf has the hash {wanted.hex()}"
        )
    found = first if index is None else index
    proven = RecordProof(index=found, path=tree.prove(found).path)
    try:
        check_inclusion(
            leaf_hash=wanted,
            index=found,
            size=registered.size,
            path=proven.path,
            root=registered.artifact.root,
        )
    except ProofError as error:
        raise _damaged(registered) from error
    return Proof(replace(proof.bundle, record=proven), found, 1 + sum(1 for _ in equal))


def _damaged(registered: RegisteredArtifact) -> LedgerError:
    """Return the error of a tree file that is not the tree of the artifact any more."""
    return LedgerError(
        f"the tree file of {registered.name!r}, trees/{registered.digest}, is missing or damaged: "
        "register the same data again, which writes it anew"
    )


def _leaf_of_file(registered: RegisteredArtifact, tree: Tree, path: Path) -> bytes:
    if registered.artifact.encoding.name != "file":
        raise InputError(f"{registered.name!r} is not a folder: it has rows or chunks, not files")
    for _, leaf_hash in Content(path).file_leaves(registered.artifact.encoding):
        if next(tree.find(leaf_hash), None) is not None:
            return leaf_hash
    raise InputError(f"{registered.name!r} has no file with the name and content of {path}")
