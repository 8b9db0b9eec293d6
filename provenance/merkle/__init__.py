"""Merkle trees and their proofs, exactly as in RFC 9162, section 2.

- `hashing`: leaf and node hashes
- `bulk`: the same of many at once, in C++ where it is there
- `proofs`: inclusion and consistency, prove and check
- `ranges`: compact ranges, to grow a tree or to join parts of one
- `trees`: a whole tree in a buffer or a memory-mapped file
- `index`: where a leaf stands in it, by its hash

Nothing here knows signatures, records or logs.
"""

from provenance.merkle.bulk import kernel
from provenance.merkle.hashing import EMPTY_ROOT, HASH_SIZE, leaf_hash, node_hash
from provenance.merkle.proofs import (
    ConsistencyProof,
    InclusionProof,
    InclusionProofs,
    ProofError,
    check_consistency,
    check_inclusion,
    check_inclusions,
    path_length,
    prove_consistency,
    prove_inclusion,
)
from provenance.merkle.ranges import CompactRange
from provenance.merkle.trees import Tree, TreeWriter

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "CompactRange",
    "ConsistencyProof",
    "InclusionProof",
    "InclusionProofs",
    "ProofError",
    "Tree",
    "TreeWriter",
    "check_consistency",
    "check_inclusion",
    "check_inclusions",
    "kernel",
    "leaf_hash",
    "node_hash",
    "path_length",
    "prove_consistency",
    "prove_inclusion",
]
