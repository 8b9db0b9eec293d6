"""Proofs of a chain's state: what a node shows once, checked later without any node.

The hash of a block commits to everything that the chain holds at its end (yellow paper, section
4.3, and EIP-1186)::

    block hash ──► header ──► state root ──► account ──► storage root ──► rootAt[ledgerId][size]
    Keccak-256     RLP         trie of all accounts       trie of the contract's slots

`check_state` walks that way down for one anchor and takes nothing on trust but the block's hash,
which the caller names. `capture_state` asks a node for what it takes, as long as the node has it:
a full node forgets the state of a block after a hundred or so.

What a proof must not get away with, and why it does not:

- another header, node or account: each is named by its Keccak-256 in the one above
- another contract, ledger id or size: both keys of the tries are computed here, from the pin
- another code: the account's code hash must be that of the contract whose layout is known here
- a proof that something is absent: only a value counts, and only the anchor's root
- nodes that nobody needs, twice the same, in another order: there is one proof, byte for byte

The tries are walked by py-trie, RLP is pyrlp's; the tests hold them against headers and proofs of
Ethereum's main network, against py-evm's headers, and against anvil's.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak
from trie.hexary import HexaryTrie

from provenance.anchoring.anchor import (
    YEAR_10000,
    Anchor,
    AnchorError,
    AnchorFacts,
    ChainPin,
    StateProof,
    check_pinned,
)
from provenance.anchoring.contract import runtime_code
from provenance.anchoring.jsonrpc import RpcReader
from provenance.errors import ChainError

__all__ = ["block_hash_of", "capture_state", "check_state", "header_of", "root_slot"]

ROOT_AT = 1
"""Where the mapping `rootAt` stands in the contract's storage layout."""

MAX_HEADER = 1 << 16
"""Bytes. Ethereum's have 650; those of a proof of authority carry a list of signers."""

MAX_NODE = 532
"""Bytes of a branch with 16 hashes: no node of these tries is longer."""

MAX_NODES = 65
"""One for each of a key's 64 nibbles, and a leaf."""


def check_state(
    anchor: Anchor, pin: ChainPin, proof: StateProof, *, block_hash: bytes
) -> AnchorFacts:
    """Check that the state of the block `block_hash` bears out `anchor`. Nothing is asked.

    In order: chain id, contract and ledger id are the pinned ones; the header is that of the
    block, and of the number that the anchor names; the contract's account, its code and its
    storage slot follow from it; the slot holds the anchor's root.

    The block may be later than the one in which the root was recorded, since the contract
    forgets none: the time that counts is the block's own. No header tells its chain's id: who
    names the hash says of which chain it is, that it is final, and how many confirmations are
    enough.

    Raises:
        AnchorError: it does not hold, or the proof is not of this block.
        ChainError: the policy pins a contract whose storage layout is not known here.
    """
    check_pinned(anchor, pin)
    if pin.code_sha256 != hashlib.sha256(runtime_code()).digest():
        raise ChainError(
            f"the policy pins a contract with the code {pin.code_sha256.hex()}, and where that "
            "keeps its roots is not known here: ask a node instead"
        )
    number, block_time, state_root = _header(proof.header, block_hash)
    if number != anchor.block:
        raise AnchorError(
            f"the block with the hash 0x{block_hash.hex()} is block {number}; "
            f"the anchor names block {anchor.block}"
        )
    if block_time >= YEAR_10000:
        raise AnchorError(f"block {number} has the time {block_time}")
    storage_root = _account(state_root, pin, proof.account)
    value = _proven(storage_root, root_slot(pin.ledger_id, anchor.size), proof.storage, "root")
    if not any(anchor.root) or value != rlp.encode(anchor.root.lstrip(b"\0")):
        raise AnchorError(
            f"the contract {pin.contract} has another root at size {anchor.size} "
            f"than {anchor.root.hex()}"
        )
    return AnchorFacts(block_time=block_time, confirmations=None, final=True)


def capture_state(
    reader: RpcReader, anchor: Anchor, pin: ChainPin, *, block_hash: bytes
) -> StateProof:
    """Ask a node for the proof of an anchor in the block `block_hash`, and check it.

    Raises:
        ChainError: the node makes no such proofs, has forgotten the block's state, or knows
            another block of this number; or the chain's headers are of no form known here.
        AnchorError: the chain does not bear out the anchor.
    """
    header = header_of(reader.block(anchor.block))
    if block_hash_of(header) != block_hash:
        raise ChainError(
            f"{reader.name} shows another block {anchor.block} than 0x{block_hash.hex()}, "
            "or one with fields in its header that are not known here"
        )
    slot = root_slot(pin.ledger_id, anchor.size)
    account, storage = reader.proof(pin.contract, slot, anchor.block)
    proof = StateProof(header=header, account=account, storage=storage)
    check_state(anchor, pin, proof, block_hash=block_hash)
    return proof


def block_hash_of(header: bytes) -> bytes:
    """Return the hash of the block with this header: Keccak-256 of its RLP."""
    return keccak(header)


def root_slot(ledger_id: bytes, size: int) -> bytes:
    """Return the storage slot of ``rootAt[ledgerId][size]``.

    Solidity, "Layout of State Variables in Storage": the entry of a mapping at p with the key k
    is at Keccak-256(k ‖ p), each of them 32 bytes.
    """
    of_ledger = keccak(ledger_id + ROOT_AT.to_bytes(32, "big"))
    return keccak(size.to_bytes(32, "big") + of_ledger)


# --- headers ------------------------------------------------------------------------------------

_FIELDS = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot"),
    *("logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData"),
    *("mixHash", "nonce"),
)
_LATER_FIELDS = (
    "baseFeePerGas",  # London, EIP-1559
    "withdrawalsRoot",  # Shanghai, EIP-4895
    *("blobGasUsed", "excessBlobGas"),  # Cancun, EIP-4844
    "parentBeaconBlockRoot",  # Cancun, EIP-4788
    "requestsHash",  # Prague, EIP-7685
)
_NUMBERS = frozenset(
    {
        *("difficulty", "number", "gasLimit", "gasUsed", "timestamp"),
        *("baseFeePerGas", "blobGasUsed", "excessBlobGas"),
    }
)
_STATE_ROOT, _NUMBER, _TIMESTAMP = (
    _FIELDS.index(name) for name in ("stateRoot", "number", "timestamp")
)


def header_of(block: Mapping[str, Any]) -> bytes:
    """Return the RLP of the header of a block as JSON-RPC writes it.

    Whether it is the header shows its hash alone: a chain may have fields of its own.

    Raises:
        ChainError: a field is missing or of another form.
    """
    later = takewhile(lambda name: block.get(name) is not None, _LATER_FIELDS)
    try:
        fields = [
            int(block[name], 16) if name in _NUMBERS else bytes.fromhex(block[name][2:])
            for name in (*_FIELDS, *later)
        ]
        return bytes(rlp.encode(fields))
    except (KeyError, TypeError, ValueError, rlp.exceptions.RLPException) as error:
        raise ChainError(f"a block without the header of one ({type(error).__name__})") from None


def _header(header: bytes, block_hash: bytes) -> tuple[int, int, bytes]:
    """Return number, time and state root of the header that has this hash.

    Every fork has added fields at the end, and moved none.
    """
    if len(header) > MAX_HEADER or (found := block_hash_of(header)) != block_hash:
        what = "too long" if len(header) > MAX_HEADER else f"of the block 0x{found.hex()}"
        raise AnchorError(f"the state proof's header is {what}; you trust 0x{block_hash.hex()}")
    fields = _decoded(header, "the block's header")
    sizes = [len(field) for field in fields[: _STATE_ROOT + 1]]
    numbers = fields[_NUMBER : _TIMESTAMP + 1]
    if len(fields) < len(_FIELDS) or sizes != [32, 32, 20, 32] or max(map(len, numbers)) > 8:
        raise AnchorError(f"0x{block_hash.hex()} is the hash of something that is no block")
    number, block_time = (int.from_bytes(fields[i], "big") for i in (_NUMBER, _TIMESTAMP))
    return number, block_time, fields[_STATE_ROOT]


# --- tries --------------------------------------------------------------------------------------


def _account(state_root: bytes, pin: ChainPin, nodes: Sequence[bytes]) -> bytes:
    """Return the storage root of the contract's account, whose code is the known one."""
    key = bytes.fromhex(pin.contract[2:])
    fields = _decoded(_proven(state_root, key, nodes, "contract"), "the account")
    if [len(field) for field in fields[2:]] != [32, 32]:
        raise AnchorError(f"{pin.contract} is no account")
    _nonce, _balance, storage_root, code_hash = fields
    if code_hash != _known_code_hash():
        raise AnchorError(f"{pin.contract} has another code than the policy pins")
    return storage_root


@functools.cache
def _known_code_hash() -> bytes:
    return keccak(runtime_code())


def _proven(root: bytes, key: bytes, nodes: Sequence[bytes], what: str) -> bytes:
    """Return the value at Keccak-256(key) in the trie under `root`.

    `nodes` must be those on the way to it, each once, from the root down, and no other. A node
    shorter than a hash stands inside the one above (yellow paper, appendix D).

    Raises:
        AnchorError: they are not, or show that there is no value; `what` names it.
    """
    if len(nodes) > MAX_NODES or any(len(node) > MAX_NODE for node in nodes):
        raise AnchorError(f"the state proof has more or longer nodes than lead to a {what}")
    trie, path = HexaryTrie({keccak(node): node for node in nodes}, root), keccak(key)
    try:
        value = trie.get(path)
        found = trie.get_proof(path)  # type: ignore[no-untyped-call]
        way = [bytes(rlp.encode(node)) for node in found]
    except Exception as error:  # py-trie lets out whatever goes wrong on nodes that are none
        raise AnchorError(f"the state proof does not lead to a {what}") from error
    if not isinstance(value, bytes) or not value:
        raise AnchorError(f"the state proof shows that there is no {what} where it should be")
    if [node for node in way if len(node) >= 32] != list(nodes):
        raise AnchorError(f"the state proof has other nodes than those that lead to the {what}")
    return value


def _decoded(data: bytes, what: str) -> list[bytes]:
    """Return the items of an RLP list of byte strings."""
    try:
        items = rlp.decode(data)
    except (rlp.exceptions.RLPException, RecursionError) as error:
        raise AnchorError(f"{what} is not RLP") from error
    if not isinstance(items, list) or not all(isinstance(item, bytes) for item in items):
        raise AnchorError(f"{what} is no list of values")
    return items
