"""A chain in one file, for a ledger without a node: py-evm over SQLite.

It runs the same contract on a real EVM, so the whole path from a record to a block works with
nothing installed but Python packages. It proves that path, not trust: the file is worth as much
as the machine it lies on, and whoever holds it can make another. ::

    chain = EmbeddedChain.create(path, account)     # once
    chain = EmbeddedChain.open(path, account)       # to write
    chain = EmbeddedChain.open(path)                # to read, also while another process writes

One transaction makes one block, and one block is one transaction of the file, in which the index of
``Anchored`` events is written too. So a crash at any instruction leaves the chain as of the last
block that was acknowledged, or one block later, and there is nothing to recover. Writers in several
processes take turns; each continues at the head it finds.

Block times are the wall clock, or one second after the parent where that is later: a block is
never dated earlier than it was made. Gas is free, so any account may send. Every chain has its own
random id, 2^52 or more, so that two of them are never taken for one another. Mined is final.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from provenance.anchoring.anchor import ADDRESS, Head
from provenance.anchoring.chainfile import ChainFile
from provenance.anchoring.contract import Chain, Mined, Receipt, Sent, anchored_of, refusal
from provenance.anchoring.evm import GAS_LIMIT, evm_class, genesis
from provenance.anchoring.recursion import recursion_limit_kept
from provenance.errors import ChainError, InputError

with recursion_limit_kept():
    from eth.abc import BlockHeaderAPI, ComputationAPI, ReceiptAPI
    from eth.chains.base import MiningChain
    from eth.constants import CREATE_CONTRACT_ADDRESS, ZERO_ADDRESS
    from eth.db.atomic import AtomicDB
    from eth_keys.datatypes import PrivateKey
    from eth_typing import Address, BlockNumber
    from eth_utils.exceptions import ValidationError

if TYPE_CHECKING:
    from os import PathLike

    from eth_account.signers.local import LocalAccount

__all__ = ["EmbeddedChain"]

TRANSACTION_GAS = 16_000_000
CHAIN_ID_FLOOR = 2**52


class EmbeddedChain(Chain):
    """An EVM chain in a file. Made by `create` and `open`; may be shared between threads."""

    def __init__(
        self,
        file: ChainFile,
        key: PrivateKey | None,
        clock: Callable[[], float],
    ) -> None:
        self._file = file
        self._key = key
        self._clock = clock
        self._evm = evm_class(file.chain_id)

    @classmethod
    def create(
        cls,
        path: str | PathLike[str],
        account: LocalAccount | bytes | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> EmbeddedChain:
        """Make a new chain in a new file, with a genesis block and nothing in it.

        A crash leaves either the chain or a file without tables, which `create` fills.

        Args:
            path: of the file.
            account: who sends, as for `open`.
            clock: seconds since 1970.

        Raises:
            ChainError: the file exists already and holds something, or cannot be written.
        """
        key = _private_key(account)
        chain_id = CHAIN_ID_FLOOR + secrets.randbelow(CHAIN_ID_FLOOR // 2)

        def begin(nodes: AtomicDB) -> None:
            evm_class(chain_id).from_genesis(nodes, genesis(int(clock())))

        return cls(ChainFile.create(Path(path), chain_id, begin), key, clock)

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        account: LocalAccount | bytes | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> EmbeddedChain:
        """Open a chain; without an account, only to read.

        Args:
            path: of the file.
            account: who sends: an eth-account account, or a private key of 32 bytes.
            clock: seconds since 1970.

        Raises:
            ChainError: no such file, or not such a file.
        """
        key = _private_key(account)
        return cls(ChainFile.open(Path(path), to_write=key is not None), key, clock)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> EmbeddedChain:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- reading ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The file, as errors name it."""
        return f"the embedded chain {self._file.path}"

    @property
    def embedded(self) -> bool:
        """True: worth as much as this machine."""
        return True

    def chain_id(self) -> int:
        """Return the chain id, random for each file."""
        return self._file.chain_id

    def code(self, contract: str) -> bytes:
        """Return the runtime code at an address; empty where there is none."""
        with self._reading() as evm:
            code: bytes = evm.get_vm().state.get_code(_address(contract))
            return code

    def call(self, contract: str, data: bytes) -> bytes:
        """Return what the contract returns for `data` at the newest block."""
        to = _address(contract)
        with self._reading() as evm:
            vm = evm.get_vm()
            computation = vm.execute_bytecode(
                origin=ZERO_ADDRESS,
                gas_price=0,
                gas=GAS_LIMIT,
                to=to,
                sender=ZERO_ADDRESS,
                value=0,
                data=data,
                code=vm.state.get_code(to),
            )
        if computation.is_error:
            raise self._refusal(computation)
        output: bytes = computation.output
        return output

    def head(self) -> int:
        """Return the number of the newest block."""
        with self._reading() as evm:
            number: int = evm.get_canonical_head().block_number
            return number

    def finalized(self) -> int:
        """Return the number of the newest block: none is ever taken back."""
        return self.head()

    def block_time(self, number: int) -> int:
        """Return the time of a block, in seconds since 1970 (UTC)."""
        with self._reading() as evm:
            if not 0 <= number <= evm.get_canonical_head().block_number:
                raise ChainError(f"{self.name} has no block {number}")
            timestamp: int = evm.get_canonical_block_header_by_number(BlockNumber(number)).timestamp
            return timestamp

    def block_hash(self, number: int) -> bytes | None:
        """Return the hash of a block; None where the chain is not that long."""
        with self._reading() as evm:
            if number > evm.get_canonical_head().block_number:
                return None
            return bytes(evm.get_canonical_block_header_by_number(BlockNumber(number)).hash)

    def balance(self) -> int:
        """Return 0: gas is free here, and nobody has anything."""
        return 0

    def anchored(self, contract: str, ledger_id: bytes, block: int) -> list[Head]:
        """Return the heads that `contract` reports, in this one block, for this ledger id."""
        return self._file.anchored(_address(contract), ledger_id, block)

    def find(self, contract: str, ledger_id: bytes, size: int) -> Receipt | None:
        """Return where the head of `size` was anchored; None if it was not."""
        with self._reading() as evm:
            found = self._file.find(_address(contract), ledger_id, size)
            if found is None:
                return None
            tx_hash, block = found
            header = evm.get_canonical_block_header_by_number(BlockNumber(block))
            return Receipt(tx_hash, block, bytes(header.hash), header.timestamp)

    # --- writing ------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The sending account."""
        return str(self._sender().public_key.to_address())

    def _send(
        self, to: str | None, data: bytes, sending: Callable[[Sent], object] = lambda _: None
    ) -> Mined:
        key = self._sender()
        with self._writing() as evm:
            nonce = evm.get_vm().state.get_nonce(Address(key.public_key.to_canonical_address()))
            transaction = (
                evm.get_vm()
                .get_transaction_builder()
                .create_unsigned_transaction(
                    nonce=nonce,
                    gas_price=0,
                    gas=TRANSACTION_GAS,
                    to=CREATE_CONTRACT_ADDRESS if to is None else _address(to),
                    value=0,
                    data=data,
                )
                .as_signed_transaction(key, chain_id=self._file.chain_id)
            )
            sending(Sent(transaction.hash, nonce))
            parent = evm.get_canonical_head()
            evm.set_header_timestamp(max(int(self._clock()), parent.timestamp + 1))
            imported, (receipt,), (computation,) = evm.mine_all([transaction], blob_gas_used=0)
            if computation.is_error:
                raise self._refusal(computation)
            header = imported.imported_block.header
            self._index(receipt, header, transaction.hash)
        # Here the block is on disk. A crash now loses the receipt, not the block: the caller asks
        # again and finds it in the contract.
        created = f"0x{computation.msg.storage_address.hex()}" if to is None else None
        receipt_of = (transaction.hash, header.block_number, bytes(header.hash), header.timestamp)
        return Mined(Receipt(*receipt_of), created)

    def _index(self, receipt: ReceiptAPI, header: BlockHeaderAPI, tx_hash: bytes) -> None:
        for log in receipt.logs:
            topics = [topic.to_bytes(32, "big") for topic in log.topics]
            if (event := anchored_of(topics, log.data)) is None:
                continue
            ledger_id, head = event
            self._file.index(log.address, ledger_id, head, header.block_number, tx_hash)

    @contextmanager
    def _reading(self) -> Iterator[MiningChain]:
        """One snapshot of the chain, whatever a writer does meanwhile."""
        with self._file.reading() as nodes:
            yield self._evm(nodes)

    @contextmanager
    def _writing(self) -> Iterator[MiningChain]:
        """All or nothing, and no other writer."""
        with self._file.writing() as nodes:
            yield self._evm(nodes)

    def _sender(self) -> PrivateKey:
        if self._key is None:
            raise ChainError(f"{self.name} was opened without an account, only to read")
        return self._key

    def _refusal(self, computation: ComputationAPI) -> ChainError:
        return refusal(self.name, computation.output, otherwise=str(computation.error))


def _private_key(account: LocalAccount | bytes | None) -> PrivateKey | None:
    if account is None:
        return None
    try:
        return PrivateKey(bytes(account if isinstance(account, bytes) else account.key))
    except (ValueError, ValidationError):
        raise InputError("an account's private key is 32 bytes, below the curve's order") from None


def _address(text: str) -> Address:
    if not re.fullmatch(ADDRESS.regex, text):
        raise InputError(f"{text!r} is not {ADDRESS.what}")
    return Address(bytes.fromhex(text[2:]))
