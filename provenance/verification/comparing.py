"""What the caller has at hand, held against what was signed.

A proof says where a record is, not which: the leaf hash comes from the caller's own bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from provenance.errors import InputError, MalformedError
from provenance.merkle import (
    HASH_SIZE,
    ProofError,
    check_inclusion,
    check_inclusions,
    path_length,
)
from provenance.records import Artifact, hash_record
from provenance.statements.predicates import Described
from provenance.verification.bundle import RecordProof
from provenance.verification.content import Content
from provenance.verification.report import Mark, StepError

__all__ = ["AtHand", "Compared", "check_records"]


@dataclass(frozen=True)
class Compared:
    """How a comparison ended, what was seen, and which records were shown to be in."""

    mark: Mark
    finding: str
    indices: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AtHand:
    """What the caller brought, in one of four ways, or nothing.

    Attributes:
        record: a record, as `hash_record` takes it.
        records: all records that a bundle proves, each as `hash_record` takes it, in its order.
        leaf_hashes: of all of these, 32 bytes each.
        content: the file, folder or table that was signed; where a bundle proves records, all of
            them, in its order.
        exact: a file must also be the same bytes, not only the same records.

    Raises:
        InputError: more than one of them is given.
    """

    record: Any = None
    records: Sequence[Any] | None = None
    leaf_hashes: Sequence[bytes] | None = None
    content: Content | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        if [self.record, self.records, self.leaf_hashes, self.content].count(None) < 3:
            raise InputError(
                "give a record, several, leaf hashes or content: one of them is checked"
            )

    def compare(
        self, described: Described, digests: Mapping[str, str], proofs: Sequence[RecordProof]
    ) -> Compared:
        """Hold it against what was signed.

        Args:
            described: what was signed of the artifact.
            digests: the signed digests of it.
            proofs: of records in it; none of the whole artifact.

        Raises:
            StepError, ProofError: it is something else.
            InputError: it cannot be read.
        """
        try:
            return self._compare(described, digests, proofs)
        except MalformedError as error:  # of what the caller brought, not of the bundle
            raise InputError(str(error)) from error

    def _compare(
        self, described: Described, digests: Mapping[str, str], proofs: Sequence[RecordProof]
    ) -> Compared:
        artifact, encoding = described.artifact, described.artifact.encoding
        if [self.record, self.records, self.leaf_hashes, self.content].count(None) == 4:
            hint = "; give the record to have it checked" if proofs else ""
            return Compared(Mark.NOT_DEMANDED, "nothing was given to compare" + hint)
        if not proofs:
            if self.content is None:
                raise StepError("the bundle proves no record: make one with `provenance prove`")
            return _whole(self.content, described, digests, exact=self.exact)
        if self.record is not None:
            return _found([("the record", hash_record(self.record, encoding))], proofs, artifact)
        if self.records is not None:
            return _all([hash_record(each, encoding) for each in self.records], proofs, artifact)
        if self.content is None:
            return _all(self.leaf_hashes or (), proofs, artifact)
        if encoding.name == "file" and self.content.is_file:
            leaves = self.content.file_leaves(encoding)
            return _found(((f"the file {name!r}", leaf) for name, leaf in leaves), proofs, artifact)
        if self.exact and encoding.name in ("json", "line"):
            raise StepError("nothing is signed that fixes the bytes of a file of some records")
        return _all(self.content.leaf_hashes(described, most=len(proofs)), proofs, artifact)


def _whole(
    content: Content, described: Described, digests: Mapping[str, str], *, exact: bool
) -> Compared:
    """Check that some content is the whole artifact."""
    found, artifact = content.measure(described), described.artifact
    if found.artifact.digest != artifact.digest:
        raise StepError(
            f"{found.artifact.size} records with root {found.artifact.root.hex()}; signed are "
            f"{artifact.size} with root {artifact.root.hex()}"
        )
    compared = [name for name in found.digests if name in digests]
    differ = [name for name in compared if found.digests[name] != digests[name]]
    if exact and differ:
        raise StepError(f"the same records, but another {differ[0]}: the file was re-encoded")
    # The records of the other encodings are the bytes themselves.
    if exact and not compared and artifact.encoding.name in ("json", "line"):
        raise StepError("the same records, but nothing is signed that fixes the file's bytes")
    again = "; file re-encoded" if differ else ""
    if artifact.encoding.ignore:
        again += f"; left out: {', '.join(map(repr, artifact.encoding.ignore))}"
    return Compared(Mark.HOLDS, f"all {artifact.size} records, recomputed{again}")


def _found(
    named: Iterable[tuple[str, bytes]], proofs: Sequence[RecordProof], artifact: Artifact
) -> Compared:
    """Find which of some named leaf hashes one of the proofs is of.

    Raises:
        ProofError: none.
    """
    failure = "nothing was given that could be a record"
    for what, leaf_hash in named:
        for proof in proofs:
            try:
                check_inclusion(
                    leaf_hash=leaf_hash,
                    index=proof.index,
                    size=artifact.size,
                    path=proof.path,
                    root=artifact.root,
                )
            except ProofError as error:
                failure = f"{what} is not number {proof.index} of {artifact.size}: {error}"
            else:
                finding = f"{what} is number {proof.index} of {artifact.size}"
                return Compared(Mark.HOLDS, finding, (proof.index,))
    if len(proofs) > 1:
        failure = f"it is none of the {len(proofs)} records that the bundle proves"
    raise ProofError(failure)


def _all(
    leaf_hashes: Sequence[bytes], proofs: Sequence[RecordProof], artifact: Artifact
) -> Compared:
    """Check that the proofs are of these leaf hashes, one by one."""
    indices = check_records(leaf_hashes, proofs, artifact)
    numbers = ", ".join(map(str, indices[:5])) + (", …" if len(indices) > 5 else "")
    what = "the record is number" if len(indices) == 1 else "the records are numbers"
    return Compared(Mark.HOLDS, f"{what} {numbers} of {artifact.size}", indices)


def check_records(
    leaf_hashes: Sequence[bytes], proofs: Sequence[RecordProof], artifact: Artifact
) -> tuple[int, ...]:
    """Check that the proofs are of these leaf hashes, one by one; return their indices.

    Raises:
        ProofError: they are not, or there are more or fewer.
    """
    if len(leaf_hashes) != len(proofs):
        given = "more" if len(leaf_hashes) > len(proofs) else f"only {len(leaf_hashes)}"
        raise ProofError(f"the bundle proves {len(proofs)} records, and {given} were given")
    # One by one: in what they are joined to, a part of one could go to the next.
    for leaf_hash, proof in zip(leaf_hashes, proofs, strict=True):
        if len(leaf_hash) != HASH_SIZE:
            raise ProofError(f"a leaf hash of {len(leaf_hash)} bytes instead of {HASH_SIZE}")
        if not proof.index < artifact.size or len(proof.path) != path_length(
            proof.index, artifact.size
        ):
            raise ProofError(
                f"no path of {len(proof.path)} hashes leads from leaf {proof.index} of "
                f"{artifact.size}"
            )
    indices = tuple(proof.index for proof in proofs)
    try:
        check_inclusions(
            leaf_hashes=b"".join(leaf_hashes),
            indices=indices,
            size=artifact.size,
            paths=b"".join(chain.from_iterable(proof.path for proof in proofs)),
            root=artifact.root,
        )
    except ProofError as error:
        raise ProofError(
            f"the records are not those that the bundle proves, in its order: {error}"
        ) from error
    return indices
