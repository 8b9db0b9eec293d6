"""Inclusion and consistency proofs: RFC 9162, sections 2.1.3 and 2.1.4.

`prove_x` reads hashes of stored subtrees; `check_x` is its opposite and needs nothing but plain
values. ``node(level, index)`` gives the root of the complete subtree over the leaves
``index * 2**level … (index + 1) * 2**level - 1``, as in C2SP tlog-tiles, so one prover serves a
memory-mapped tree and a log in tiles alike.

A path of an inclusion proof runs from the leaf's sibling up. The exact number of hashes follows
from index and size alone, and is checked before anything is hashed. Many proofs of one tree are one
buffer of their paths; they are checked side by side.

No root fixes the number of its leaves: leaf 0 of 5 and leaf 0 of 8 ask for the same hashing. So a
check means something only with a size that is signed together with the root, as in an artifact
digest or a checkpoint; with it, the index is fixed too.

The tests hold this against a ten-line recursive reference for every index of every size up to
a few hundred, and against ``merkletools``.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from struct import unpack_from

from provenance.errors import ProvenanceError
from provenance.merkle.bulk import Bytes, kernel
from provenance.merkle.hashing import EMPTY_ROOT, HASH_SIZE, node_hash

__all__ = [
    "MAX_SIZE",
    "ConsistencyProof",
    "InclusionProof",
    "InclusionProofs",
    "Node",
    "ProofError",
    "check_consistency",
    "check_inclusion",
    "check_inclusions",
    "path_length",
    "prove_consistency",
    "prove_inclusion",
    "range_root",
]

MAX_SIZE = 2**53 - 1
"""Trees are no larger, so that every size is exact in any JSON reader."""

Node = Callable[[int, int], bytes]
"""(level, index) → root of that complete subtree."""


class ProofError(ProvenanceError):
    """A proof that does not prove what it is said to."""


@dataclass(frozen=True)
class InclusionProof:
    """The leaf at `index` is in the tree of `size` leaves; `path` leads to its root."""

    index: int
    size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True)
class InclusionProofs:
    """Leaf ``indices[i]`` is in the tree of `size` leaves, for each i.

    Attributes:
        paths: the path of each, one behind the other, 32 bytes a hash.
    """

    indices: Sequence[int]
    size: int
    paths: bytes

    def __iter__(self) -> Iterator[InclusionProof]:
        """Yield each by itself."""
        at = 0
        for index in self.indices:
            length = path_length(index, self.size)
            path = unpack_from(f"{HASH_SIZE}s" * length, self.paths, at)
            yield InclusionProof(index, self.size, path)
            at += length * HASH_SIZE


@dataclass(frozen=True)
class ConsistencyProof:
    """The tree of `old_size` leaves is a prefix of the tree of `size` leaves."""

    old_size: int
    size: int
    path: tuple[bytes, ...]


# --- inclusion --------------------------------------------------------------------------------


def path_length(index: int, size: int) -> int:
    """Return how many hashes lead from leaf `index` to the root of `size` leaves."""
    # Up to where it parts from the last leaf, one on each level; then one for each left subtree.
    part = (index ^ (size - 1)).bit_length()
    return part + (index >> part).bit_count()


def prove_inclusion(index: int, size: int, node: Node) -> InclusionProof:
    """Return the proof that leaf `index` is in the tree of `size` leaves.

    Raises:
        ValueError: `index` is not below `size`.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    # Below the level at which index and last leaf part, every sibling is complete. There it holds
    # the last leaf; above, both are of one subtree, and what is left of it is complete.
    part = (index ^ (size - 1)).bit_length()
    path = [node(level, index >> level ^ 1) for level in range(part - 1)]
    if part:
        path.append(range_root((index >> part - 1 ^ 1) << part - 1, size, node))
    path += [
        node(level, (index >> level) - 1)
        for level in range(part, index.bit_length())
        if index >> level & 1
    ]
    return InclusionProof(index, size, tuple(path))


def check_inclusion(
    *, leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that the leaf with hash `leaf_hash` is number `index` of `size` under `root`.

    Raises:
        ProofError: it is not shown to be (RFC 9162, section 2.1.3.2).
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError(f"no leaf {index} in a tree of {size}")
    expected = path_length(index, size)
    if len(path) != expected:
        raise ProofError(f"the path has {len(path)} hashes; leaf {index} of {size} has {expected}")
    _check_hashes(leaf_hash, root, *path)
    fn, sn, value = index, size - 1, leaf_hash
    for sibling in path:
        if fn & 1 or fn == sn:
            value = node_hash(sibling, value)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            value = node_hash(value, sibling)
        fn >>= 1
        sn >>= 1
    if value != root:
        raise ProofError(f"the path leads to the root {value.hex()}, not {root.hex()}")


def check_inclusions(
    *, leaf_hashes: Bytes, indices: Sequence[int], size: int, paths: Bytes, root: bytes
) -> None:
    """Check that leaf hash i of 32·n bytes is number ``indices[i]`` of `size` under `root`.

    `paths` are those of the proofs, one behind the other, as in `InclusionProofs`.

    Raises:
        ProofError: one is not shown to be (RFC 9162, section 2.1.3.2); the first such is named.
    """
    for index in indices:
        if not 0 <= index < size <= MAX_SIZE:
            raise ProofError(f"no leaf {index} in a tree of {size}")
    count, given = len(indices), (len(leaf_hashes), len(paths), len(root))
    expected = sum(path_length(index, size) for index in indices)
    if given != (count * HASH_SIZE, expected * HASH_SIZE, HASH_SIZE):
        raise ProofError(
            f"{count} proofs have as many leaf hashes and {expected} hashes in their paths, of "
            f"{HASH_SIZE} bytes, not {given[0]} and {given[1]} bytes"
        )
    values = kernel().climb(leaf_hashes, array("Q", indices), size, paths)
    if values != root * count:
        for at, index in enumerate(indices):
            value = values[at * HASH_SIZE : (at + 1) * HASH_SIZE]
            if value != root:
                raise ProofError(
                    f"the path of leaf {index} leads to the root {value.hex()}, not {root.hex()}"
                )


# --- consistency ------------------------------------------------------------------------------


def prove_consistency(old_size: int, size: int, node: Node) -> ConsistencyProof:
    """Return the proof that the first `old_size` of `size` leaves are unchanged.

    Raises:
        ValueError: unless 1 ≤ `old_size` ≤ `size`.
    """
    if not 1 <= old_size <= size:
        raise ValueError(f"no consistency proof from size {old_size} to {size}")
    path = []
    begin, end = 0, size
    while end != old_size:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            path.append(range_root(middle, end, node))
            end = middle
        else:
            path.append(range_root(begin, middle, node))
            begin = middle
    if begin:
        path.append(range_root(begin, end, node))
    return ConsistencyProof(old_size, size, tuple(reversed(path)))


def check_consistency(
    *, old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the tree (`old_size`, `old_root`) is a prefix of the tree (`size`, `root`).

    Raises:
        ProofError: it is not shown to be (RFC 9162, section 2.1.4.2).
    """
    if not 1 <= old_size <= size <= MAX_SIZE:
        raise ProofError(f"no consistency proof leads from size {old_size} to {size}")
    _check_hashes(old_root, root, *path)
    if old_size == size:
        if path:
            raise ProofError("a proof between equal sizes has no hashes")
        if old_root != root:
            raise ProofError(f"two roots at size {size}: {old_root.hex()} and {root.hex()}")
        return
    if not path:
        raise ProofError(f"an empty proof from size {old_size} to {size}")
    hashes = list(path)
    if old_size.bit_count() == 1:
        hashes.insert(0, old_root)
    fn, sn = old_size - 1, size - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    old_value = value = hashes[0]
    for sibling in hashes[1:]:
        if sn == 0:
            raise ProofError("the proof has too many hashes")
        if fn & 1 or fn == sn:
            old_value = node_hash(sibling, old_value)
            value = node_hash(sibling, value)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            value = node_hash(value, sibling)
        fn >>= 1
        sn >>= 1
    if sn:
        raise ProofError("the proof has too few hashes")
    if old_value != old_root:
        raise ProofError(f"the proof leads to the old root {old_value.hex()}, not {old_root.hex()}")
    if value != root:
        raise ProofError(f"the proof leads to the root {value.hex()}, not {root.hex()}")


# --- shared -----------------------------------------------------------------------------------


def range_root(begin: int, end: int, node: Node) -> bytes:
    """Return the root over leaves `begin` … `end` - 1, a subtree of some RFC 9162 tree.

    `begin` must be a multiple of the smallest power of two that is not below the length.
    """
    length = end - begin
    if length == 0:
        return EMPTY_ROOT
    if length & (length - 1) == 0:
        return node(length.bit_length() - 1, begin // length)
    middle = begin + _split(length)
    return node_hash(range_root(begin, middle, node), range_root(middle, end, node))


def _split(size: int) -> int:
    """Return the largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_hashes(*hashes: bytes) -> None:
    for value in hashes:
        if len(value) != HASH_SIZE:
            raise ProofError(f"a hash of {len(value)} bytes instead of {HASH_SIZE}")
