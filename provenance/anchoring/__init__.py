"""Anchors: tree heads recorded by a contract on a chain, and how they are checked.

- `anchor`: the anchor, the policy's pin, and the check of one against the other and a node
- `jsonrpc`: reading any node over JSON-RPC, with the standard library alone
- `contract`: the compiled contract, and what may be sent to it
- `embedded`: a chain in one file, for a ledger without a node; `chainfile`: that file
- `rpc`: sending through any node
- `recent`: anchors that held a moment ago, for a server
- `state`: proofs of a chain's state, made by a node and checked without one

Only the first two, the verify half, are loaded here. The others need libraries of Ethereum and
are imported where they are used.
"""

from provenance.anchoring.anchor import (
    Anchor,
    AnchorCheck,
    AnchorError,
    AnchorFacts,
    ChainPin,
    ChainReader,
    Head,
    StateCheck,
    StateProof,
    check_anchor,
    check_contract,
    latest_head,
    root_at,
)
from provenance.anchoring.jsonrpc import RpcReader

__all__ = [
    "Anchor",
    "AnchorCheck",
    "AnchorError",
    "AnchorFacts",
    "ChainPin",
    "ChainReader",
    "Head",
    "RpcReader",
    "StateCheck",
    "StateProof",
    "check_anchor",
    "check_contract",
    "latest_head",
    "root_at",
]
