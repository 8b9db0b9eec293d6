"""The three hashes of RFC 9162, section 2.1.1.

Leaves and nodes are hashed under different prefixes, so an inner node can never pass for a leaf.
"""

from __future__ import annotations

from hashlib import sha256

__all__ = ["EMPTY_ROOT", "HASH_SIZE", "check_whole", "leaf_hash", "node_hash"]

HASH_SIZE = 32

EMPTY_ROOT = sha256(b"").digest()
"""SHA-256(""): the root of a tree without leaves."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ leaf)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def check_whole(hashes: bytes | memoryview) -> None:
    """Check that a buffer holds 32·n bytes.

    Raises:
        ValueError: the last hash is cut.
    """
    if len(hashes) % HASH_SIZE:
        raise ValueError(f"{len(hashes)} bytes are not whole hashes of {HASH_SIZE}")
