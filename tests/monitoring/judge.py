"""A third party: reads an evidence file as docs/formats.md tells it, with none of our code.

The note is parsed and its Ed25519 signature checked by hand; proofs are checked by a walk over
RFC 9162, sections 2.1.3.2 and 2.1.4.2, that is written down recursively here.
"""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def signed_head(note: str, vkey: str) -> tuple[int, bytes]:
    """Size and root of a checkpoint that the key signed."""
    text, _, signatures = note.partition("\n\n")
    name, key_id, key = vkey.split("+", 2)
    raw = base64.b64decode(key)
    assert raw[0] == 1
    (line,) = (
        base64.b64decode(line.split(" ")[2])
        for line in signatures.splitlines()
        if line.split(" ")[1] == name and base64.b64decode(line.split(" ")[2])[:4].hex() == key_id
    )
    Ed25519PublicKey.from_public_bytes(raw[1:]).verify(line[4:], f"{text}\n".encode())
    origin, size, root = text.split("\n")
    assert origin == name
    return int(size), base64.b64decode(root)


def consistent(old_size: int, old_root: bytes, size: int, root: bytes, path: list[bytes]) -> bool:
    """Walk SUBPROOF of RFC 9162, section 2.1.4.1, backwards."""
    if old_size == size:
        return not path and old_root == root

    def walk(m: int, n: int, whole: bool, rest: list[bytes]) -> tuple[bytes, bytes, list[bytes]]:
        """Return (root of the first m, root of n, what is left); the proof is read from its end."""
        if m == n:
            return (old_root, old_root, rest) if whole else (rest[-1], rest[-1], rest[:-1])
        k = 1 << (n - 1).bit_length() - 1
        if m <= k:
            sibling, rest = rest[-1], rest[:-1]
            old, new, rest = walk(m, k, whole, rest)
            return old, node(new, sibling), rest
        sibling, rest = rest[-1], rest[:-1]
        old, new, rest = walk(m - k, n - k, False, rest)
        return node(sibling, old), node(sibling, new), rest

    old, new, rest = walk(old_size, size, True, path)
    return not rest and (old, new) == (old_root, root)


def included(leaf_hash: bytes, index: int, size: int, root: bytes, path: list[bytes]) -> bool:
    """Walk PATH of RFC 9162, section 2.1.3.1, backwards."""

    def walk(m: int, n: int, rest: list[bytes]) -> tuple[bytes, list[bytes]]:
        if n == 1:
            return leaf_hash, rest
        k = 1 << (n - 1).bit_length() - 1
        sibling, rest = rest[-1], rest[:-1]
        if m < k:
            value, rest = walk(m, k, rest)
            return node(value, sibling), rest
        value, rest = walk(m - k, n - k, rest)
        return node(sibling, value), rest

    value, rest = walk(index, size, path)
    return not rest and value == root


def convicts(evidence: Path | bytes, vkey: str) -> bool:
    """Whether the file alone shows that whoever holds the key signed two histories."""
    data = evidence.read_bytes() if isinstance(evidence, Path) else evidence
    value: dict[str, Any] = json.loads(data)
    assert value["type"] == "urn:provenance-ledger:evidence:v1"
    heads = sorted(signed_head(value[name], vkey) for name in ("seen", "checkpoint"))
    (old_size, old_root), (size, root) = heads
    if old_size == size:
        return old_root != root
    return other_root(value, size, root) != old_root


def other_root(value: dict[str, Any], size: int, root: bytes) -> bytes:
    """The root that the history under (size, root) is proven to have at the smaller size."""
    history = value["history"]
    assert (history["size"], bytes.fromhex(history["root"])) == (size, root)
    old_root = bytes.fromhex(history["oldRoot"])
    path = [bytes.fromhex(text) for text in history["path"]]
    assert consistent(history["oldSize"], old_root, size, root, path)
    return old_root


def stands(value: dict[str, Any], vkey: str) -> tuple[bytes, bytes]:
    """(leaf hash of the entry in the file, leaf hash proven to stand at its index)."""
    size, root = signed_head(value["checkpoint"], vkey)
    entry = value["entry"]
    leaf_hash = bytes.fromhex(entry["leafHash"])
    path = [bytes.fromhex(text) for text in entry["path"]]
    assert included(leaf_hash, entry["index"], size, root, path)
    return sha256(b"\x00" + base64.b64decode(entry["entry"])).digest(), leaf_hash
