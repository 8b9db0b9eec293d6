"""An anchor, and how a stranger checks it against any node of its chain.

An anchor says: the contract at this address, on this chain, recorded for this ledger a tree of
`size` leaves under `root`, in this block. In a bundle::

    {"chainId": 1, "contract": "0x5fbd…0aa3", "ledgerId": "9c1f…", "size": 1200,
     "root": "4be0…", "block": 21000000}

It carries no time: the time is the block's, and means "not later than". Nothing in it is
trusted. A `ChainPin` of the verifier's own policy says which chain, contract, ledger id and
contract code count, and `check_anchor` asks a node, through a `ChainReader`, for the rest.

The pin names the contract's code by SHA-256 of the runtime code as ``eth_getCode`` returns it:
with the code, its rules are fixed (no owner, no upgrade: one history for each ledger id), and
checking needs no Keccak. The few constants of the contract's ABI stand here as bytes; the tests
hold them against the compiled contract.

Who trusts the hash of a block needs no node: a `StateProof` leads from that hash to the contract's
storage. Checking one takes Keccak and tries, and is in `provenance.anchoring.state`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol

from provenance.errors import ChainError, ProvenanceError
from provenance.forms import Hash, Pattern

__all__ = [
    "ADDRESS",
    "ANCHORED_TOPIC",
    "LATEST_SELECTOR",
    "ROOT_AT_SELECTOR",
    "YEAR_10000",
    "Anchor",
    "AnchorCheck",
    "AnchorError",
    "AnchorFacts",
    "ChainPin",
    "ChainReader",
    "Head",
    "StateCheck",
    "StateProof",
    "check_anchor",
    "check_contract",
    "check_pinned",
    "latest_head",
    "root_at",
]

ADDRESS = Pattern("0x[0-9a-f]{40}", "a contract address: 0x and 40 lower-case hex digits")

ROOT_AT_SELECTOR = bytes.fromhex("930b6ace")
"""Keccak-256("rootAt(bytes32,uint64)")[:4]"""

LATEST_SELECTOR = bytes.fromhex("79feb107")
"""Keccak-256("latest(bytes32)")[:4]"""

ANCHORED_TOPIC = bytes.fromhex("7196d6002b555d592bc808cc522b6e167501be1b6185fd206cd187b7330acf7a")
"""Keccak-256("Anchored(bytes32,uint64,bytes32,address)"): topic 0 of the event"""


class AnchorError(ProvenanceError):
    """An anchor that the chain does not bear out, or that the policy's pin does not allow."""


YEAR_10000 = 253_402_300_800
"""Seconds from 1970 to the first time that no RFC 3339 text can name."""


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A tree head that a contract recorded in a block."""

    chain_id: int
    contract: Annotated[str, ADDRESS]
    ledger_id: Hash
    size: int
    root: Hash
    block: int


@dataclass(frozen=True, kw_only=True)
class StateProof:
    """What leads from a block's hash to a root in the contract's storage, as bytes.

    The block's header in RLP, and the nodes of the two Merkle Patricia tries in it as
    ``eth_getProof`` (EIP-1186) returns them, from the root down: to the contract's account under
    the header's state root, and to the storage slot under the account's storage root.
    """

    header: bytes
    account: tuple[bytes, ...]
    storage: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class ChainPin:
    """The one chain, contract and ledger id whose anchors count, pinned in a policy.

    `confirmations` counts the block itself: 1 is satisfied by the newest block. `embedded` marks
    a chain inside a ledger folder, worth as much as the machine it lies on; `name` is for people.
    """

    chain_id: int
    contract: Annotated[str, ADDRESS]
    ledger_id: Hash
    code_sha256: Hash
    confirmations: int
    embedded: bool = False
    name: str = ""

    def anchor(self, *, size: int, root: bytes, block: int) -> Anchor:
        """Return the anchor of a tree head in the pinned contract."""
        return Anchor(
            chain_id=self.chain_id,
            contract=self.contract,
            ledger_id=self.ledger_id,
            size=size,
            root=root,
            block=block,
        )


@dataclass(frozen=True)
class Head:
    """The newest tree head that the contract has for a ledger id."""

    size: int
    root: bytes


class ChainReader(Protocol):
    """What checking an anchor asks of a chain. Every method may raise `ChainError`.

    Heads, blocks and code are those of the canonical chain as this reader sees it now.
    """

    @property
    def name(self) -> str:
        """What errors call this chain: a host or a file, never a secret."""

    def chain_id(self) -> int:
        """Return the chain id (EIP-155)."""

    def code(self, contract: str) -> bytes:
        """Return the runtime code at an address; empty where there is none."""

    def call(self, contract: str, data: bytes) -> bytes:
        """Return what the contract returns for `data` at the newest block."""

    def head(self) -> int:
        """Return the number of the newest block."""

    def finalized(self) -> int | None:
        """Return the number of the newest final block; None where the chain names none."""

    def block_time(self, number: int) -> int:
        """Return the time of a block, in seconds since 1970 (UTC)."""

    def anchored(self, contract: str, ledger_id: bytes, block: int) -> list[Head]:
        """Return the heads that `contract` reports, in this one block, for this ledger id."""


@dataclass(frozen=True)
class AnchorFacts:
    """What a chain says of an anchor that holds.

    Attributes:
        block_time: of the anchor's block, in seconds since 1970: the tree is not younger.
        confirmations: blocks from the anchor's to the newest, both counted; None where no chain
            was asked, since the caller vouches for the block.
        final: whether the chain calls the block final; None where it has no such notion.
    """

    block_time: int
    confirmations: int | None
    final: bool | None


StateCheck = Callable[[Anchor, ChainPin, StateProof], AnchorFacts]
"""`provenance.anchoring.state.check_state` under one trusted block hash.

Raises `AnchorError` where the anchor does not hold, `ChainError` where that cannot be told.
"""


AnchorCheck = Callable[[Anchor, ChainPin, ChainReader], AnchorFacts]
"""`check_anchor`, or one that does the same in another way."""


def check_anchor(anchor: Anchor, pin: ChainPin, reader: ChainReader) -> AnchorFacts:
    """Check that the chain bears out `anchor`, under the contract that `pin` names.

    In order: chain id, contract and ledger id are the pinned ones; the reader is on that chain;
    the contract's code is the pinned code; it has this root at this size; it said so in the
    anchor's block; enough blocks confirm it.

    Raises:
        AnchorError: it does not hold.
        ChainUnreachableError: the chain does not answer: undecided, ask again.
        ChainError: the chain's word cannot be had for another reason (the node is on another
            chain, or answers garbage): undecided as well.
    """
    check_pinned(anchor, pin)
    check_contract(pin, reader)
    root = root_at(reader, pin.contract, pin.ledger_id, anchor.size)
    if root is None:
        raise AnchorError(f"the contract {pin.contract} has no root at size {anchor.size}")
    if root != anchor.root:
        raise AnchorError(
            f"the contract {pin.contract} has the root {root.hex()} at size {anchor.size}, "
            f"not {anchor.root.hex()}"
        )
    head = reader.head()
    if anchor.block > head:
        raise AnchorError(f"the anchor names block {anchor.block}; {reader.name} is at {head}")
    if Head(anchor.size, anchor.root) not in reader.anchored(
        pin.contract, pin.ledger_id, anchor.block
    ):
        raise AnchorError(f"block {anchor.block} of {reader.name} does not anchor this root")
    confirmations = head - anchor.block + 1
    if confirmations < pin.confirmations:
        raise AnchorError(
            f"block {anchor.block} has {confirmations} of {pin.confirmations} confirmations; "
            "wait for more blocks"
        )
    if not 0 <= (block_time := reader.block_time(anchor.block)) < YEAR_10000:
        raise ChainError(f"{reader.name} gives block {anchor.block} the time {block_time}")
    finalized = reader.finalized()
    return AnchorFacts(
        block_time=block_time,
        confirmations=confirmations,
        final=None if finalized is None else anchor.block <= finalized,
    )


def check_pinned(anchor: Anchor, pin: ChainPin) -> None:
    """Check that an anchor is on the chain, in the contract and for the ledger id of the pin.

    Raises:
        AnchorError: it is not, or of an empty log.
    """
    if anchor.chain_id != pin.chain_id:
        raise AnchorError(f"anchored on chain {anchor.chain_id}; the policy pins {pin.chain_id}")
    if anchor.contract != pin.contract:
        raise AnchorError(f"anchored in {anchor.contract}; the policy pins {pin.contract}")
    if anchor.ledger_id != pin.ledger_id:
        raise AnchorError(
            f"anchored for the ledger id {anchor.ledger_id.hex()}; "
            f"the policy pins {pin.ledger_id.hex()}"
        )
    if anchor.size == 0:
        raise AnchorError("an empty log is never anchored")


def root_at(reader: ChainReader, contract: str, ledger_id: bytes, size: int) -> bytes | None:
    """Return the root that the contract has for `ledger_id` at `size`; None where it has none.

    `ledger_id` is 32 bytes, `size` at most 2^64-1.

    Raises:
        ChainError: the chain does not answer, or not with one word.
    """
    (root,) = _call(reader, contract, ROOT_AT_SELECTOR + ledger_id + size.to_bytes(32, "big"), 1)
    return root if any(root) else None


def latest_head(reader: ChainReader, contract: str, ledger_id: bytes) -> Head | None:
    """Return the newest head that the contract has for `ledger_id`; None before the first.

    Raises:
        ChainError: the chain does not answer, or not with a size and a root.
    """
    size, root = _call(reader, contract, LATEST_SELECTOR + ledger_id, 2)
    return Head(int.from_bytes(size, "big"), root) if any(size) else None


def check_contract(pin: ChainPin, reader: ChainReader) -> None:
    """Check that the reader is on the pinned chain, and that the pinned code is at the address.

    Raises:
        AnchorError: there is no code, or another.
        ChainError: the reader is on another chain, or the chain does not answer.
    """
    if (chain_id := reader.chain_id()) != pin.chain_id:
        raise ChainError(f"{reader.name} is on chain {chain_id}; the policy pins {pin.chain_id}")
    code = reader.code(pin.contract)
    if not code:
        raise AnchorError(f"there is no contract at {pin.contract} on {reader.name}")
    if (digest := hashlib.sha256(code).digest()) != pin.code_sha256:
        raise AnchorError(
            f"the code of {pin.contract} on {reader.name} has SHA-256 {digest.hex()}; "
            f"the policy pins {pin.code_sha256.hex()}"
        )


def _call(reader: ChainReader, contract: str, data: bytes, words: int) -> list[bytes]:
    answer = reader.call(contract, data)
    if len(answer) != 32 * words:
        raise ChainError(
            f"{reader.name} answers {len(answer)} bytes for {contract}, not {32 * words}"
        )
    return [answer[i : i + 32] for i in range(0, len(answer), 32)]
