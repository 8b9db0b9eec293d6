"""py-evm as the embedded chain uses it: the rules of the chain, and its store of nodes.

Prague rules from genesis on. The gas limit stays as it is, and so does the base fee, at zero, since
no block of one transaction is ever half full.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from provenance.anchoring.recursion import recursion_limit_kept
from provenance.errors import ChainError

with recursion_limit_kept():
    from eth.abc import BlockHeaderAPI
    from eth.chains.base import MiningChain
    from eth.constants import (
        POST_MERGE_DIFFICULTY,
        POST_MERGE_MIX_HASH,
        POST_MERGE_NONCE,
        ZERO_ADDRESS,
    )
    from eth.db.backends.base import BaseDB
    from eth.exceptions import PyEVMError
    from eth.vm.forks.prague import PragueVM
    from eth_typing import BlockNumber
    from eth_utils.crypto import keccak
    from eth_utils.exceptions import ValidationError
    from rlp.exceptions import RLPException  # type: ignore[import-untyped]
    from trie.exceptions import MissingTraversalNode, MissingTrieNode

__all__ = ["EVM_ERRORS", "GAS_LIMIT", "NodeTable", "evm_class", "genesis"]

GAS_LIMIT = 30_000_000

EVM_ERRORS = (
    PyEVMError,
    ValidationError,
    RLPException,
    MissingTrieNode,
    MissingTraversalNode,
    KeyError,
    RecursionError,
)
"""What py-evm raises on a store that is damaged."""


class NodeTable(BaseDB):
    """py-evm's key-value store as a table; each value checked against its key."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def __getitem__(self, key: bytes) -> bytes:
        row = self._connection.execute("SELECT value FROM node WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        value: bytes = row[0]
        if len(key) == 32 and keccak(value) != key:
            raise ChainError(f"{self._path} is damaged: a value does not have its hash")
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO node VALUES (?, ?)", (key, value))

    def __delitem__(self, key: bytes) -> None:
        if not self._connection.execute("DELETE FROM node WHERE key = ?", (key,)).rowcount:
            raise KeyError(key)

    def _exists(self, key: bytes) -> bool:
        found = self._connection.execute("SELECT 1 FROM node WHERE key = ?", (key,)).fetchone()
        return found is not None


def evm_class(chain_id: int) -> type[MiningChain]:
    """Return the rules of a chain: Prague from genesis, and a gas limit that stays."""

    class EmbeddedEVM(MiningChain):
        vm_configuration = ((BlockNumber(0), PragueVM),)

        def create_header_from_parent(
            self, parent_header: BlockHeaderAPI, **header_params: Any
        ) -> BlockHeaderAPI:
            header_params["gas_limit"] = parent_header.gas_limit
            return super().create_header_from_parent(parent_header, **header_params)

    EmbeddedEVM.chain_id = chain_id
    return EmbeddedEVM


def genesis(timestamp: int) -> dict[str, Any]:
    """Return the fields of the genesis header."""
    return {
        "base_fee_per_gas": 0,
        "coinbase": ZERO_ADDRESS,
        "difficulty": POST_MERGE_DIFFICULTY,
        "gas_limit": GAS_LIMIT,
        "mix_hash": POST_MERGE_MIX_HASH,
        "nonce": POST_MERGE_NONCE,
        "timestamp": timestamp,
    }
