"""Blocks with a state, built by py-trie from what they shall hold.

::

    block = Block(contract, {(ledger_id, 4): root}, number=1, time=1_800_000_000)
    block.hash                      # what a verifier would have to trust
    block.prove(ledger_id, 4)       # what a node would have shown

Everything that is no part of the question follows from a seed: neighbours in both tries, deep
enough for every sort of node, and a header of any fork.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import rlp
from eth_utils.crypto import keccak
from trie.hexary import HexaryTrie

from provenance.anchoring import StateProof
from provenance.anchoring.contract import runtime_code
from provenance.anchoring.state import root_slot

CODE_SHA256 = sha256(runtime_code()).digest()

HEADER = {
    "parentHash": 32,
    "sha3Uncles": 32,
    "miner": 20,
    "stateRoot": 32,
    "transactionsRoot": 32,
    "receiptsRoot": 32,
    "logsBloom": 256,
    "difficulty": 0,
    "number": 0,
    "gasLimit": 0,
    "gasUsed": 0,
    "timestamp": 0,
    "extraData": 24,
    "mixHash": 32,
    "nonce": 8,
}
"""Name → bytes, of the fields that every fork has; 0 for a number. Yellow paper, section 4.3."""


def filler(what: str, size: int = 32) -> bytes:
    return b"".join(sha256(f"{what} {i}".encode()).digest() for i in range(8))[:size]


class Block:
    """A block whose contract holds `roots`, by ledger id and size."""

    def __init__(
        self,
        contract: str,
        roots: Mapping[tuple[bytes, int], bytes],
        *,
        number: int,
        time: int,
        code: bytes | None = None,
        neighbours: int = 40,
        account: list[bytes] | None = None,
        header: dict[str, Any] | None = None,
    ) -> None:
        self.contract = contract
        self.storage = HexaryTrie({})
        for i in range(neighbours):
            self.storage[keccak(filler(f"slot {i}"))] = rlp.encode(filler(f"value {i}", 1 + i % 32))
        for (ledger_id, size), root in roots.items():
            self.storage[keccak(root_slot(ledger_id, size))] = rlp.encode(root.lstrip(b"\0"))
        self.accounts = HexaryTrie({})
        for i in range(neighbours):
            self.accounts[keccak(filler(f"address {i}", 20))] = rlp.encode(
                [i, 10**18, filler("no storage"), filler("no code")]
            )
        code_hash = keccak(runtime_code() if code is None else code)
        self.accounts[keccak(bytes.fromhex(contract[2:]))] = rlp.encode(
            account or [1, 0, self.storage.root_hash, code_hash]
        )
        fields = {name: filler(name, size) if size else 7 for name, size in HEADER.items()}
        fields |= {"stateRoot": self.accounts.root_hash, "number": number, "timestamp": time}
        self.header: bytes = rlp.encode(list((fields | (header or {})).values()))
        self.hash = keccak(self.header)

    def prove(self, ledger_id: bytes, size: int, *, contract: str = "") -> StateProof:
        address = bytes.fromhex((contract or self.contract)[2:])
        return StateProof(
            header=self.header,
            account=nodes_to(self.accounts, address),
            storage=nodes_to(self.storage, root_slot(ledger_id, size)),
        )


def nodes_to(trie: HexaryTrie, key: bytes) -> tuple[bytes, ...]:
    """Return what ``eth_getProof`` would: a node shorter than a hash is inside the one above."""
    nodes = [rlp.encode(node) for node in trie.get_proof(keccak(key))]
    return tuple(node for node in nodes if len(node) >= 32)
