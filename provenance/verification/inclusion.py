"""Records at hand, held against the proofs of a bundle.

A proof says where a record is, not which: the leaf hash comes from the caller's own bytes. What is
refused is a `ProofError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from provenance.merkle import (
    HASH_SIZE,
    ProofError,
    check_inclusion,
    check_inclusions,
    path_length,
)
from provenance.records import Artifact
from provenance.verification.bundle import RecordProof

__all__ = ["check_records", "find_record"]


def find_record(
    named: Iterable[tuple[str, bytes]], proofs: Sequence[RecordProof], artifact: Artifact
) -> tuple[str, int]:
    """Return which of some named leaf hashes one of the proofs is of, and its index.

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
                return what, proof.index
    if len(proofs) > 1:
        failure = f"it is none of the {len(proofs)} records that the bundle proves"
    raise ProofError(failure)


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
