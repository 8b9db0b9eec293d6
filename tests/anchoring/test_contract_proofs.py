"""Solidity and Python give one verdict on every proof: valid, mutated, truncated, replayed.

The contract's RFC 9162 and `provenance.merkle` were written apart; each is the other's oracle here.
These go through the deployed contract; its checks alone meet thousands of proofs in
tests/contracts/test_differential.py.
"""

from __future__ import annotations

import hashlib
import random
import secrets
from collections.abc import Callable, Iterator, Sequence

import pytest
from sample_log import ALICE

from provenance import merkle
from provenance.anchoring.contract import RefusedError, view
from provenance.anchoring.embedded import EmbeddedChain

Hashes = tuple[bytes, ...]


class Forest:
    """A tree of any size up to 2^53 with one leaf of our own; all other leaves are alike."""

    def __init__(self, size: int, index: int, leaf: bytes) -> None:
        self.size = size
        self.index = index
        self._alike = [merkle.leaf_hash(b"")]
        self._own = [merkle.leaf_hash(leaf)]
        for level in range(53):
            alike, own = self._alike[level], self._own[level]
            pair = (alike, own) if index >> level & 1 else (own, alike)
            self._alike.append(merkle.node_hash(alike, alike))
            self._own.append(merkle.node_hash(*pair))

    def node(self, level: int, index: int) -> bytes:
        return (self._own if self.index >> level == index else self._alike)[level]

    def root(self, size: int) -> bytes:
        return merkle.proofs.range_root(0, size, self.node)


def mutations(path: Hashes, source: random.Random) -> Iterator[Hashes]:
    """Yield `path` as it is, and changed in every way that a list of hashes can be."""
    yield path
    yield (*path, source.randbytes(32))
    yield (source.randbytes(32), *path)
    yield (*path, bytes(32))
    if path:
        at = source.randrange(len(path))
        changed = (int.from_bytes(path[at], "big") ^ 1 << source.randrange(256)).to_bytes(32, "big")
        yield (*path[:at], changed, *path[at + 1 :])
        yield path[1:]
        yield path[:-1]
        yield path[:at] + path[at + 1 :]
        yield (*path[:at], path[at], *path[at:])
        yield path[::-1]
        yield ()


def a_size(source: random.Random) -> int:
    """Return a size: small ones often, powers of two and their neighbours often."""
    kind = source.randrange(3)
    if kind == 0:
        return source.randrange(1, 40)
    if kind == 1:
        return max(1, (1 << source.randrange(53)) + source.choice((-1, 0, 1)))
    return source.randrange(1, 1 << source.randrange(1, 53))


def holds(check: Callable[..., None], **values: object) -> bool:
    try:
        check(**values)
    except merkle.ProofError:
        return False
    return True


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedChain]:
    path = tmp_path_factory.mktemp("chain") / "chain.db"
    with EmbeddedChain.create(path, ALICE) as chain:
        yield chain


@pytest.fixture(scope="module")
def contract(chain: EmbeddedChain) -> str:
    return chain.deploy()


def ledger_with(chain: EmbeddedChain, contract: str, size: int, root: bytes) -> bytes:
    """Return a new ledger id with one head."""
    ledger_id = chain.register(contract, secrets.token_bytes(32))
    chain.anchor(contract, ledger_id, size, root, ())
    return ledger_id


@pytest.mark.parametrize("seed", range(3))
def test_inclusion(chain: EmbeddedChain, contract: str, seed: int) -> None:
    source = random.Random(seed)
    size = a_size(source)
    index = source.randrange(size)
    entry = source.randbytes(source.choice((0, 1, 36, 68, 500)))
    forest = Forest(size, index, entry)
    root = forest.root(size)
    ledger_id = ledger_with(chain, contract, size, root)
    path = merkle.prove_inclusion(index, size, forest.node).path
    verdicts = {True: 0, False: 0}
    for at in {index, index ^ 1, index + 1, 0, size - 1, size, 2 * index, index >> 1}:
        for changed in mutations(path, source):
            solidity = view(chain, contract, "verifyEntry", ledger_id, size, entry, at, changed)
            python = holds(
                merkle.check_inclusion,
                leaf_hash=merkle.leaf_hash(entry),
                index=at,
                size=size,
                path=changed,
                root=root,
            )
            assert solidity == (python,), (size, at, len(changed))
            verdicts[python] += 1
    assert verdicts[True] >= 1
    assert verdicts[False] >= 1
    assert view(chain, contract, "verifyEntry", ledger_id, size, entry + b"x", index, path) == (
        False,
    )
    assert view(chain, contract, "verifyEntry", ledger_id, size + 1, entry, index, path) == (False,)


@pytest.mark.parametrize("seed", range(6))
def test_consistency(chain: EmbeddedChain, contract: str, seed: int) -> None:
    source = random.Random(seed)
    size = a_size(source) + 1
    old_size = source.choice((source.randrange(1, size), max(1, size // 2), size - 1, 1))
    forest = Forest(size, source.randrange(size), source.randbytes(9))
    old_root, root = forest.root(old_size), forest.root(size)
    ledger_id = ledger_with(chain, contract, old_size, old_root)
    path = merkle.prove_consistency(old_size, size, forest.node).path
    attempts = [(size, root, changed) for changed in mutations(path, source)]
    attempts += [(size + 1, root, path), (size, old_root, path), (old_size + 1, root, path)]
    attempts += [(size, forest.root(size - 1) if size > 2 else bytes(32), path)]
    random.Random(seed).shuffle(attempts)
    accepted = []
    for new_size, new_root, changed in attempts:
        if new_root == bytes(32):
            continue
        python = holds(
            merkle.check_consistency,
            old_size=old_size,
            old_root=old_root,
            size=new_size,
            root=new_root,
            path=changed,
        )
        if python:
            accepted.append((new_size, new_root, changed))
        else:
            with pytest.raises(RefusedError, match=r"InconsistentHead|DifferentRoot"):
                chain.anchor(contract, ledger_id, new_size, new_root, changed)
    assert accepted
    for new_size, new_root, changed in accepted[:1]:
        chain.anchor(contract, ledger_id, new_size, new_root, changed)


# --- from a record to an anchored root --------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_record(chain: EmbeddedChain, contract: str, seed: int) -> None:
    """verifyRecord against the formulas of the formats, written out."""
    source = random.Random(seed)
    size, index = (lambda n: (n, source.randrange(n)))(source.randrange(1, 1 << 40))
    records = Forest(size, index, b'{"id":7}')
    encoding_hash = hashlib.sha256(b'{"encoding":"json"}').digest()
    digest = hashlib.sha256(
        b"provenance-artifact/v1\n" + size.to_bytes(8, "big") + records.root(size) + encoding_hash
    ).digest()
    digests = [source.randbytes(32) for _ in range(source.randrange(4))]
    position = source.randrange(len(digests) + 1)
    digests.insert(position, digest)
    entry = b"\1\1" + source.randbytes(32) + len(digests).to_bytes(2, "big") + b"".join(digests)
    log_size, entry_index = (lambda n: (n, source.randrange(n)))(source.randrange(1, 1 << 30))
    log = Forest(log_size, entry_index, entry)
    ledger_id = ledger_with(chain, contract, log_size, log.root(log_size))
    record = (
        merkle.leaf_hash(b'{"id":7}'),
        index,
        size,
        records.root(size),
        encoding_hash,
        merkle.prove_inclusion(index, size, records.node).path,
    )
    entry_path = merkle.prove_inclusion(entry_index, log_size, log.node).path
    good = (ledger_id, log_size, record, position, entry, entry_index, entry_path)
    assert view(chain, contract, "verifyRecord", *good) == (True,)
    for wrong in wrong_records(good, source):
        assert view(chain, contract, "verifyRecord", *wrong) == (False,)


def wrong_records(good: Sequence[object], source: random.Random) -> Iterator[tuple[object, ...]]:
    ledger_id, log_size, record, position, entry, entry_index, entry_path = good
    assert isinstance(record, tuple)
    assert isinstance(entry, bytes)
    assert isinstance(position, int)
    leaf, index, size, root, encoding_hash, path = record
    head, tail = (ledger_id, log_size), (position, entry, entry_index, entry_path)
    other = source.randbytes(32)
    yield (*head, (other, index, size, root, encoding_hash, path), *tail)
    yield (*head, (leaf, index + 1, size, root, encoding_hash, path), *tail)
    yield (*head, (leaf, index, size + 1, root, encoding_hash, path), *tail)
    yield (*head, (leaf, index, size, other, encoding_hash, path), *tail)
    yield (*head, (leaf, index, size, root, other, path), *tail)
    yield (*head, (leaf, index, size, root, encoding_hash, (*path, other)), *tail)
    yield (*head, record, position + 1, entry, entry_index, entry_path)
    yield (*head, record, 2**256 - 1, entry, entry_index, entry_path)
    yield (*head, record, position, b"\2" + entry[1:], entry_index, entry_path)
    yield (*head, record, position, entry + other, entry_index, entry_path)
    yield (*head, record, position, entry[:-1], entry_index, entry_path)
    yield (*head, record, position, b"", entry_index, entry_path)
    yield (other, log_size, record, *tail)
