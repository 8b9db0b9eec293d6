"""py-evm as the embedded chain uses it: the rules of the chain.

Prague rules from genesis on. The gas limit stays as it is, and so does the base fee, at zero, since
no block of one transaction is ever half full.
"""

from __future__ import annotations

from typing import Any

from provenance.anchoring.recursion import recursion_limit_kept

with recursion_limit_kept():
    from eth.abc import BlockHeaderAPI
    from eth.chains.base import MiningChain
    from eth.constants import (
        POST_MERGE_DIFFICULTY,
        POST_MERGE_MIX_HASH,
        POST_MERGE_NONCE,
        ZERO_ADDRESS,
    )
    from eth.exceptions import PyEVMError
    from eth.vm.forks.prague import PragueVM
    from eth_typing import BlockNumber
    from eth_utils.exceptions import ValidationError
    from rlp.exceptions import RLPException  # type: ignore[import-untyped]
    from trie.exceptions import MissingTraversalNode, MissingTrieNode

__all__ = ["EVM_ERRORS", "GAS_LIMIT", "evm_class", "genesis"]

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
