"""Making bundles: every proof of the path, from what the ledger holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from provenance import forms
from provenance.errors import InputError, NoSuchRecordError
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.ledger.lookup import ArtifactTree
from provenance.ledger.refs import Ref
from provenance.ledger.states import kept_state_proof
from provenance.log import Checkpoint, LogProof
from provenance.log.log import Log
from provenance.merkle import HASH_SIZE, ProofError, check_inclusions, path_length
from provenance.records import hash_record
from provenance.signing import strip_foreign_lines
from provenance.verification import (
    AnchorProof,
    Bundle,
    Content,
    LoggedEnvelope,
    Policy,
    RecordProof,
)
from provenance.verification.bundle import MAX_BUNDLE, MAX_RECORDS

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["Proof", "prove", "prove_entries", "prove_entry"]

_HASH_TEXT = len(f'"{"0" * 2 * HASH_SIZE}",')
_RECORD_TEXT = len('{"index":9007199254740991,"path":[]},')


@dataclass(frozen=True)
class Proof:
    """A bundle, and what else is worth knowing of it.

    Attributes:
        bundle: the proofs.
        equal: where it proves one record, how many records of the artifact are equal to it; the
            first of them is proven, unless it was named by its number.
        leaf_hashes: of the records that it proves, 32 bytes each.
        frame: the bytes of the bundle before and after its records, where they are known.
    """

    bundle: Bundle
    equal: int = 0
    leaf_hashes: tuple[bytes, ...] = field(default=(), repr=False, compare=False)
    frame: tuple[bytes, bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def indices(self) -> tuple[int, ...]:
        """Numbers of the records that it proves; none for a whole artifact."""
        return tuple(proof.index for proof in self.bundle.records)

    def to_bytes(self) -> bytes:
        """Return the bytes of the bundle."""
        if self.frame is None:
            return self.bundle.to_bytes()
        return forms.canonical([forms.encode(one) for one in self.bundle.records]).join(self.frame)

    @cached_property
    def around(self) -> tuple[bytes, bytes]:
        """The bytes before and after the records, of a bundle that proves none."""
        head, sign, tail = self.to_bytes().partition(b'"records":[]')
        return head + sign[:-2], tail  # no text in it holds such quotes: they are escaped

    @property
    def length(self) -> int:
        """How many bytes the bundle has, without the records that it proves."""
        return sum(map(len, self.around))


def prove(
    ledger: Ledger,
    ref: Ref,
    *,
    record: Any,
    records: Any,
    index: int | Sequence[int] | None,
    path: str | PathLike[str] | None,
    leaf_hash: bytes | Sequence[bytes] | None,
) -> Proof:
    """Return the bundle of an artifact, or of records of it; as `Ledger.prove`."""
    given = [way for way in (record, records, index, path, leaf_hash) if way is not None]
    if len(given) > 1:
        raise InputError("name records in one way: record, records, index, path or leaf hash")
    registered = ledger.resolve(ref)  # first, so that the checkpoint covers it
    policy = ledger.policy()

    def whole() -> Proof:
        note = _checkpoint(ledger, policy, registered)
        with ledger._database.reading() as session:
            return _prove_artifact(session, ledger.origin, policy, note, registered)

    key = ("proof", registered.index, policy.fingerprint)
    proof = ledger._kept.get(key, whole, lambda made: made.length)
    if not given:
        return proof
    kept = ledger._trees.open(registered)
    if index is not None:
        indices = [index] if isinstance(index, int) else [*index]
        return _prove_indices(proof, registered, kept, indices)
    encoding = registered.artifact.encoding
    if record is not None:
        wanted = [hash_record(record, encoding)]
    elif records is not None:
        described = registered.statement.described()
        wanted = Content(records).leaf_hashes(described, most=MAX_RECORDS)
    elif path is not None:
        wanted = [_leaf_of_file(registered, kept, Path(path))]
    else:
        wanted = [leaf_hash] if isinstance(leaf_hash, bytes) else [*(leaf_hash or ())]
    return _prove_indices(proof, registered, kept, _find(registered, kept, wanted), wanted)


def prove_entry(ledger: Ledger, ref: Ref | int) -> LogProof:
    """Return the proof that an entry is in the log; as `Ledger.prove_entry`."""
    if isinstance(ref, int):
        return prove_entries(ledger, [ref])[0]
    policy, registered = ledger.policy(), ledger.resolve(ref)
    return _under(ledger, policy, _checkpoint(ledger, policy, registered), [registered.index])[0]


def prove_entries(ledger: Ledger, indices: Sequence[int]) -> list[LogProof]:
    """Return the proofs that entries are in the log; as `Ledger.prove_entries`."""
    return _under(ledger, ledger.policy(), ledger.checkpoint(), indices)


def _under(ledger: Ledger, policy: Policy, note: str, indices: Sequence[int]) -> list[LogProof]:
    """Return the proofs of entries under one checkpoint."""
    size, shown = Checkpoint.of_note(note).size, _stripped(note, policy)
    proofs = []
    with ledger._database.reading() as session:
        log = Log(session, ledger.origin)
        for index in indices:
            if not 0 <= index < size:
                raise NoSuchRecordError(f"the log has no entry {index}: it has {size}")
            proofs.append(replace(log.prove_entry(index, size), checkpoint=shown))
    return proofs


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
    level = policy.level(registered.statement.described().sensitivity)
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


def _find(registered: RegisteredArtifact, kept: ArtifactTree, wanted: Sequence[bytes]) -> list[int]:
    """Return the first index of each leaf hash.

    Raises:
        NoSuchRecordError: it is not in the artifact.
        InputError: no leaf hash.
    """
    found = []
    for place, leaf_hash in enumerate(wanted):
        if len(leaf_hash) != HASH_SIZE:
            raise InputError(f"a leaf hash has {HASH_SIZE} bytes, not {len(leaf_hash)}")
        first, count = kept.find(leaf_hash)
        if not count:
            which = "" if len(wanted) == 1 else f" as number {place} of those given"
            raise NoSuchRecordError(
                f"{registered.name!r} has no such record{which}: no leaf has the hash "
                f"{leaf_hash.hex()}"
            )
        found.append(first)
    return found


def _prove_indices(
    proof: Proof,
    registered: RegisteredArtifact,
    kept: ArtifactTree,
    indices: Sequence[int],
    wanted: Sequence[bytes] | None = None,
) -> Proof:
    """Add the proofs of records to a bundle, and check them: of the leaf hashes `wanted`, if given.

    Raises:
        NoSuchRecordError: one is not in the artifact.
        InputError: none is named, or more than fit into a bundle.
        LedgerError: the tree file is damaged.
    """
    tree = kept.tree
    if not indices:
        raise InputError("no record is named: there is nothing to prove")
    for index in indices:
        if not 0 <= index < tree.size:
            raise NoSuchRecordError(
                f"{registered.name!r} has no record {index}: it has {tree.size}"
            )
    hashes = sum(path_length(index, tree.size) for index in indices)
    length = proof.length + _HASH_TEXT * hashes + _RECORD_TEXT * len(indices)
    if length > MAX_BUNDLE or len(indices) > MAX_RECORDS:
        raise InputError(
            f"the proofs of {len(indices):,} records do not fit into a bundle of {MAX_BUNDLE:,} "
            f"bytes and at most {MAX_RECORDS:,} records: prove fewer at a time"
        )
    leaf_hashes = [tree.leaf(index) for index in indices] if wanted is None else wanted
    proofs = tree.prove_all(indices)
    try:
        check_inclusions(
            leaf_hashes=b"".join(leaf_hashes),
            indices=indices,
            size=registered.size,
            paths=proofs.paths,
            root=registered.artifact.root,
        )
    except ProofError as error:
        raise kept.damaged() from error
    records = tuple(RecordProof(index=one.index, path=one.path) for one in proofs)
    equal = kept.find(leaf_hashes[0])[1] if len(indices) == 1 else 0
    bundle = replace(proof.bundle, records=records)
    return Proof(bundle, equal, tuple(leaf_hashes), proof.around)


def _leaf_of_file(registered: RegisteredArtifact, kept: ArtifactTree, path: Path) -> bytes:
    if registered.artifact.encoding.name != "file":
        raise InputError(f"{registered.name!r} is not a folder: it has rows or chunks, not files")
    for _, leaf_hash in Content(path).file_leaves(registered.artifact.encoding):
        if kept.find(leaf_hash)[1]:
            return leaf_hash
    raise NoSuchRecordError(f"{registered.name!r} has no file with the name and content of {path}")
