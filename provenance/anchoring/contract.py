"""The compiled contract, and a chain that may be written to.

The one source of the contract's ABI and code is the committed artifact of ``contracts/``; a wheel
carries it as ``provenance/anchoring/artifact.json``. Its interface file explains every function.

`Chain` is the sending face: deploy, register, anchor, hand over. An implementation only knows how
to get one transaction mined (`Chain._send`); what is sent, and what a refusal means, stands here
once::

    contract = chain.deploy()
    ledger_id = chain.register(contract, sha256(origin))
    receipt = chain.anchor(contract, ledger_id, size, root, proof)

Everything may be called again after a crash or a time-out: what is already mined is found by
reading the contract, and not sent twice. Who wants to know of a transaction whatever happens
passes `anchor` a function that is called with each signed one before it leaves the process.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.crypto import keccak

from provenance.anchoring.anchor import ANCHORED_TOPIC, ChainPin, ChainReader, Head, root_at
from provenance.errors import ChainError, InputError

__all__ = ["Chain", "Receipt", "RefusedError", "Sent", "artifact", "runtime_code", "view"]

ZERO_ADDRESS = "0x" + "00" * 20
MAX_REASON = 300


class RefusedError(ChainError):
    """The contract reverts: a transaction was refused, and changed nothing.

    Attributes:
        error: the name of the contract's error, such as ``InconsistentHead``; empty where the
            contract gave none that it declares.
        arguments: the error's arguments by name.
    """

    def __init__(self, message: str, *, error: str, arguments: dict[str, Any]) -> None:
        super().__init__(message)
        self.error = error
        self.arguments = arguments


@dataclass(frozen=True)
class Sent:
    """A signed transaction that is about to leave this process.

    Attributes:
        tx_hash: 32 bytes.
        nonce: of the sending account: of all that carry the same, one is mined.
    """

    tx_hash: bytes
    nonce: int


@dataclass(frozen=True)
class Receipt:
    """A transaction that was mined, and did what it should.

    Attributes:
        tx_hash: 32 bytes.
        block: the number of its block.
        block_hash: of that block, 32 bytes: a reorg gives the number to another.
        block_time: the time of its block, in seconds since 1970 (UTC).
    """

    tx_hash: bytes
    block: int
    block_hash: bytes
    block_time: int


@dataclass(frozen=True)
class Mined:
    """What `Chain._send` reports: the receipt, and the contract if one was created."""

    receipt: Receipt
    created: str | None = None


class Chain(ChainReader, ABC):
    """A chain that an account of this process can write to. Also a `ChainReader`.

    Addresses are 0x and 40 lower-case hex digits. Every method waits until the transaction is
    mined, and may raise `ChainError`: of which `RefusedError` if the contract refuses, and
    `ChainUnreachableError` if the chain does not answer in time (the transaction may still be
    mined: call again). Arguments that the contract's ABI has no room for are an `InputError`.
    """

    @property
    @abstractmethod
    def address(self) -> str:
        """The sending account."""

    @property
    def embedded(self) -> bool:
        """Whether the chain is worth only as much as this machine."""
        return False

    @abstractmethod
    def _send(
        self, to: str | None, data: bytes, sending: Callable[[Sent], object] = lambda _: None
    ) -> Mined:
        """Get one transaction mined; `to` None creates a contract.

        `sending` is called with each signed transaction before it is broadcast.

        Raises:
            RefusedError: it reverts. Nothing was sent, or what was sent failed.
        """

    @abstractmethod
    def find(self, contract: str, ledger_id: bytes, size: int) -> Receipt | None:
        """Return where the head of `size` was anchored; None if it was not."""

    @abstractmethod
    def block_hash(self, number: int) -> bytes | None:
        """Return the hash of a canonical block; None where the chain is not that long."""

    def settle(self, in_flight: bytes | None = None) -> bool:
        """Wait for what this account has in flight, as long as for a transaction of its own.

        Args:
            in_flight: the hash of the transaction that it sent last, if that is known.

        Returns:
            Whether something was. What the contract says may be another thing now; what is still
            in flight will be outbid by the next transaction.
        """
        return False

    @abstractmethod
    def balance(self) -> int:
        """Return what the account has to pay gas with, in wei."""

    def deploy(self) -> str:
        """Create the contract and return its address.

        A crash before the address was written down leaves a contract that nobody uses.
        """
        created = self._send(None, bytes.fromhex(artifact()["bytecode"][2:])).created
        if created is None:
            raise ChainError(f"{self.name} mined the contract without an address")
        check_code(self, created)
        return created

    def register(self, contract: str, origin_hash: bytes) -> bytes:
        """Make this account the publisher for an origin (by SHA-256); return the ledger id.

        Where that was done before, by this account, nothing is sent.
        """
        (ledger_id,) = view(self, contract, "ledgerIdOf", self.address, origin_hash)
        if view(self, contract, "publisherOf", ledger_id) == (ZERO_ADDRESS,):
            self._send(contract, _encode("register", origin_hash))
        return cast(bytes, ledger_id)

    def anchor(
        self,
        contract: str,
        ledger_id: bytes,
        size: int,
        root: bytes,
        proof: Sequence[bytes],
        *,
        sending: Callable[[Sent], object] = lambda _: None,
    ) -> Receipt:
        """Record a tree head and return where it stands.

        Args:
            contract: the contract's address.
            ledger_id: 32 bytes; this account must be its publisher.
            size: leaves of the tree, at least 1.
            root: of the tree, 32 bytes.
            proof: the consistency proof from the contract's latest head; empty for the first.
            sending: called with each signed transaction before it leaves the process.
        """
        data = _encode("anchor", ledger_id, size, root, proof)
        if root_at(self, contract, ledger_id, size) != root:
            receipt = self._send(contract, data, sending).receipt
            if Head(size, root) in self.anchored(contract, ledger_id, receipt.block):
                return receipt
        found = self.find(contract, ledger_id, size)
        if found is None:
            raise ChainError(f"{self.name} has the root of size {size} and no event for it")
        return found

    def locate(self, contract: str, ledger_id: bytes, size: int, root: bytes) -> Receipt | None:
        """Return where this very head stands; None where the contract does not have it."""
        if root_at(self, contract, ledger_id, size) != root:
            return None
        return self.find(contract, ledger_id, size)

    def transfer_publisher(self, contract: str, ledger_id: bytes, to: str) -> Receipt:
        """Offer the ledger id to the account `to`, which then has to accept."""
        return self._send(contract, _encode("transferPublisher", ledger_id, to)).receipt

    def accept_publisher(self, contract: str, ledger_id: bytes) -> Receipt:
        """Become the publisher of a ledger id that was offered to this account."""
        return self._send(contract, _encode("acceptPublisher", ledger_id)).receipt

    def pin(
        self, contract: str, ledger_id: bytes, *, confirmations: int, name: str = ""
    ) -> ChainPin:
        """Return what a policy pins to count anchors made here.

        The code is the artifact's, not the chain's word; `deploy` and `check_code` compare them.
        """
        return ChainPin(
            chain_id=self.chain_id(),
            contract=contract,
            ledger_id=ledger_id,
            code_sha256=hashlib.sha256(runtime_code()).digest(),
            confirmations=confirmations,
            embedded=self.embedded,
            name=name,
        )


# --- reading ------------------------------------------------------------------------------------


def view(reader: ChainReader, contract: str, function: str, *arguments: Any) -> tuple[Any, ...]:
    """Return the outputs of a view function, such as ``publisherOf``, of the newest block.

    Addresses come back as 0x and lower-case hex, bytes32 as bytes.

    Raises:
        ChainError: the chain does not answer, or not in the form of the ABI.
    """
    answer = reader.call(contract, _encode(function, *arguments))
    try:
        return decode([_type(output) for output in _function(function)["outputs"]], answer)
    except (DecodingError, ValueError):
        raise ChainError(
            f"{reader.name} answers {len(answer)} bytes for {function} of {contract}: "
            "not this contract"
        ) from None


def check_code(reader: ChainReader, contract: str) -> None:
    """Check that the code at `contract` is that of the artifact, byte for byte.

    Raises:
        ChainError: there is none, or another.
    """
    code = reader.code(contract)
    if code != runtime_code():
        what = "another contract than this version's" if code else "no contract"
        raise ChainError(f"there is {what} at {contract} on {reader.name}")


# --- the artifact -------------------------------------------------------------------------------


@functools.cache
def artifact() -> dict[str, Any]:
    """Return the compiled contract: abi, bytecode, deployedBytecode, methodIdentifiers, …."""
    packaged = importlib.resources.files("provenance.anchoring") / "artifact.json"
    if packaged.is_file():
        return cast(dict[str, Any], json.loads(packaged.read_text("utf-8")))
    checkout = Path(__file__).parents[2] / "contracts" / "artifacts" / "ProvenanceAnchor.json"
    return cast(dict[str, Any], json.loads(checkout.read_text("utf-8")))


@functools.cache
def runtime_code() -> bytes:
    """Return the code that a deployed contract has."""
    return bytes.fromhex(artifact()["deployedBytecode"][2:])


@functools.cache
def _function(name: str) -> dict[str, Any]:
    (found,) = (
        item for item in artifact()["abi"] if item["type"] == "function" and item["name"] == name
    )
    return cast(dict[str, Any], found)


def _type(parameter: dict[str, Any]) -> str:
    """Return the ABI type of a parameter, with a struct spelled out as a tuple."""
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(map(_type, parameter['components']))}){kind.removeprefix('tuple')}"


def _signature(item: dict[str, Any]) -> str:
    return f"{item['name']}({','.join(map(_type, item['inputs']))})"


def _encode(function: str, *arguments: Any) -> bytes:
    item = _function(function)
    try:
        data = encode([_type(parameter) for parameter in item["inputs"]], arguments)
    except (EncodingError, TypeError, ValueError) as error:
        raise InputError(f"{function} cannot be called with these arguments: {error}") from None
    return bytes.fromhex(artifact()["methodIdentifiers"][_signature(item)]) + data


# --- refusals and logs --------------------------------------------------------------------------


def refusal(chain: str, data: bytes, otherwise: str = "") -> RefusedError:
    """Name what a contract reverted with.

    Args:
        chain: what to call the chain.
        data: the revert data: a declared error's selector and arguments, ``Error(string)``, or
            something else.
        otherwise: what is known where the data says nothing.
    """
    for selector, item in _errors().items():
        if data[:4] != selector:
            continue
        names = [parameter["name"] or "reason" for parameter in item["inputs"]]
        try:
            values = decode([_type(parameter) for parameter in item["inputs"]], data[4:])
        except (DecodingError, ValueError):
            break
        arguments = dict(zip(names, values, strict=True))
        shown = ", ".join(
            f"{name} {value.hex() if isinstance(value, bytes) else value}"
            for name, value in arguments.items()
        )
        sentence = f"the contract on {chain} refuses: {item['name']}"
        if shown:
            sentence += f" ({ascii(shown)[1:-1][:MAX_REASON]})"
        return RefusedError(sentence, error=item["name"], arguments=arguments)
    reason = otherwise or (f"revert data 0x{data[:36].hex()}" if data else "no reason given")
    return RefusedError(
        f"the contract on {chain} refuses: {ascii(reason)[1:-1][:MAX_REASON]}",
        error="",
        arguments={},
    )


@functools.cache
def _errors() -> dict[bytes, dict[str, Any]]:
    """Selector → declared error, with Solidity's own two."""
    declared = [item for item in artifact()["abi"] if item["type"] == "error"]
    built_in = [
        {"name": "Error", "inputs": [{"name": "reason", "type": "string"}]},
        {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
    ]
    return {keccak(_signature(item).encode())[:4]: item for item in [*declared, *built_in]}


def anchored_of(topics: Sequence[bytes], data: bytes) -> tuple[bytes, Head] | None:
    """Return (ledger id, head) of an ``Anchored`` event; None for any other event."""
    if len(topics) != 3 or topics[0] != ANCHORED_TOPIC or len(data) != 64:
        return None
    return topics[1], Head(int.from_bytes(topics[2], "big"), data[:32])
