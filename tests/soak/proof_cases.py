"""True proofs in trees of any size, and what can be done to them.

A tree of 2^60 leaves need not exist to have proofs: the hash of every subtree that no proof looks
into is invented, a different one for each.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256

from provenance import merkle
from provenance.merkle.proofs import range_root

__all__ = ["LARGEST", "Consistency", "Inclusion", "a_consistency", "an_inclusion", "mutate"]

LARGEST = 2**64 - 1
"""The largest size that the contract's ABI has room for."""

Path = tuple[bytes, ...]


@dataclass(frozen=True)
class Inclusion:
    """What `check_inclusion` asks."""

    leaf_hash: bytes
    index: int
    size: int
    path: Path
    root: bytes


@dataclass(frozen=True)
class Consistency:
    """What `check_consistency` asks."""

    old_size: int
    old_root: bytes
    size: int
    root: bytes
    path: Path


Proof = Inclusion | Consistency


# --- true proofs ----------------------------------------------------------------------------------


def an_inclusion(source: random.Random, largest: int = LARGEST) -> Inclusion:
    """Return a true proof in some tree of up to `largest` leaves."""
    size = a_size(source, largest)
    index = source.choice((source.randrange(size), source.randrange(size), 0, size - 1))
    node = sparse(source.randbytes(16), 2 * index + 1)
    path = merkle.prove_inclusion(index, size, node).path
    return Inclusion(node(0, index), index, size, path, range_root(0, size, node))


def a_consistency(source: random.Random, largest: int = LARGEST) -> Consistency:
    """Return a true proof between two sizes of some tree of up to `largest` leaves."""
    size = a_size(source, largest)
    old_size = source.choice(
        (source.randrange(1, size + 1), max(1, size - 1), max(1, size // 2), a_size(source, size))
    )
    node = sparse(source.randbytes(16), 2 * old_size)
    path = merkle.prove_consistency(old_size, size, node).path
    return Consistency(
        old_size, range_root(0, old_size, node), size, range_root(0, size, node), path
    )


def sparse(seed: bytes, cut: int) -> Callable[[int, int], bytes]:
    """Return the nodes of a tree; only subtrees around `cut`, in half leaves, have parts."""

    @cache
    def node(level: int, index: int) -> bytes:
        begin, end = index << level, (index + 1) << level
        if level and 2 * begin < cut < 2 * end:
            return merkle.node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))
        return sha256(seed + f"{level}/{index}".encode()).digest()

    return node


def a_size(source: random.Random, largest: int) -> int:
    """Return 1 … `largest`: small ones often, powers of two and their neighbours often."""
    kind = source.randrange(4)
    if kind == 0:
        size = source.randrange(1, 40)
    elif kind == 1:
        size = (1 << source.randrange(65)) + source.choice((-1, 0, 1))
    elif kind == 2:
        size = largest - source.randrange(4)
    else:
        size = source.randrange(1, 2 << source.randrange(64))
    return min(max(size, 1), largest)


# --- what can be done to them ---------------------------------------------------------------------


def mutate(proof: Proof, source: random.Random, *, sizes: bool) -> Proof:
    """Return `proof` with something changed; its sizes only where `sizes` says so.

    A tree's size is what a checkpoint signs together with the root, and no proof shows it: leaf 0
    of 5 and leaf 0 of 8 ask for the same hashing. So whoever changes a size may leave a true proof.
    """
    while True:
        changed = _changed(proof, source, sizes)
        if changed != proof:
            return changed


def _changed(proof: Proof, source: random.Random, sizes: bool) -> Proof:
    hashes, numbers = (
        (("leaf_hash", "root"), ("index",))
        if isinstance(proof, Inclusion)
        else (("old_root", "root"), ())
    )
    if sizes:
        numbers += ("size",) if isinstance(proof, Inclusion) else ("size", "old_size")
    kind = source.randrange(6)
    if kind == 0:
        name = source.choice(hashes)
        return replace(proof, **{name: _hash(getattr(proof, name), source)})
    if kind == 1 and numbers:
        name = source.choice(numbers)
        return replace(proof, **{name: _number(getattr(proof, name), source)})
    if kind == 2 and isinstance(proof, Consistency):
        return replace(proof, old_root=proof.root, root=proof.old_root)
    return replace(proof, path=_path(proof.path, source))


def _hash(value: bytes, source: random.Random) -> bytes:
    bit = 1 << source.randrange(256)
    return source.choice(
        (
            (int.from_bytes(value, "big") ^ bit).to_bytes(32, "big"),
            source.randbytes(32),
            bytes(32),
            merkle.EMPTY_ROOT,
            value[::-1],
        )
    )


def _number(value: int, source: random.Random) -> int:
    changed = source.choice(
        (
            value + 1,
            value - 1,
            value ^ 1 << source.randrange(64),
            2 * value,
            value // 2,
            source.randrange(LARGEST + 1),
            0,
            LARGEST,
        )
    )
    return min(max(changed, 0), LARGEST)


def _path(path: Path, source: random.Random) -> Path:
    """Return a path with hashes changed, cut, added, doubled, moved or turned around."""
    at, other = source.randrange(len(path) + 1), source.randrange(len(path) + 1)
    begin, end = sorted((at, other))
    kind = source.randrange(8)
    if kind == 0 and at < len(path):
        return (*path[:at], _hash(path[at], source), *path[at + 1 :])
    if kind == 1:
        return path[:begin] + path[end:]
    if kind == 2:
        return (*path[:at], source.choice((source.randbytes(32), bytes(32))), *path[at:])
    if kind == 3:
        return path[:end] + path[begin:]
    if kind == 4 and end < len(path):
        return (*path[:begin], path[end], *path[begin + 1 : end], path[begin], *path[end + 1 :])
    if kind == 5:
        return path[:begin] + path[begin:end][::-1] + path[end:]
    if kind == 6:
        return path[at:] + path[:at]
    return source.choice((path[:-1], path[1:], (), (*path, source.randbytes(32))))
