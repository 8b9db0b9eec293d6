"""A chain in one file, for a ledger without a node: py-evm over SQLite.

It runs the same contract on a real EVM, so the whole path from a record to a block works with
nothing installed but Python packages. It proves that path, not trust: the file is worth as much
as the machine it lies on, and whoever holds it can make another. ::

    chain = EmbeddedChain.create(path, account)     # once
    chain = EmbeddedChain.open(path, account)       # to write
    chain = EmbeddedChain.open(path)                # to read, also while another process writes

One transaction makes one block, and one block is one SQLite transaction (WAL,
``synchronous=FULL``), in which the index of ``Anchored`` events is written too. So a crash at any
instruction leaves the chain as of the last block that was acknowledged, or one block later, and
there is nothing to recover. Writers in several processes take turns; each continues at the head
it finds.

Block times are the wall clock, or one second after the parent where that is later: a block is
never dated earlier than it was made. Gas is free, so any account may send. Every chain has its own
random id, 2^52 or more, so that two of them are never taken for one another. Mined is final.

py-evm keeps everything that a block commits to under its Keccak-256, so each value is checked
against its key as it is read: a damaged file is found, not believed.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from provenance.anchoring.anchor import ADDRESS, Head
from provenance.anchoring.contract import Chain, Mined, Receipt, Sent, anchored_of, refusal
from provenance.anchoring.evm import EVM_ERRORS, GAS_LIMIT, NodeTable, evm_class, genesis
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

FILE_KIND = 0x70726F76
"""SQLite's application_id of these files: "prov"."""

FILE_VERSION = 1
BUSY_SECONDS = 30.0
TRANSACTION_GAS = 16_000_000
CHAIN_ID_FLOOR = 2**52

SCHEMA = (
    "CREATE TABLE chain (id INTEGER NOT NULL) STRICT",
    "CREATE TABLE node (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE anchored (contract BLOB NOT NULL, ledger_id BLOB NOT NULL, size BLOB NOT NULL,"
    " root BLOB NOT NULL, block INTEGER NOT NULL, tx_hash BLOB NOT NULL,"
    " PRIMARY KEY (contract, ledger_id, size)) STRICT, WITHOUT ROWID",
    "CREATE INDEX anchored_in_block ON anchored (contract, ledger_id, block)",
    f"PRAGMA application_id = {FILE_KIND}",
    f"PRAGMA user_version = {FILE_VERSION}",
)


class EmbeddedChain(Chain):
    """An EVM chain in a file. Made by `create` and `open`; may be shared between threads."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        chain_id: int,
        key: PrivateKey | None,
        clock: Callable[[], float],
    ) -> None:
        self._path = path
        self._connection = connection
        self._chain_id = chain_id
        self._key = key
        self._clock = clock
        self._lock = threading.RLock()
        self._evm = evm_class(chain_id)

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
        path, key = Path(path), _private_key(account)
        chain_id = CHAIN_ID_FLOOR + secrets.randbelow(CHAIN_ID_FLOOR // 2)
        with _naming(path):
            connection = _connect(path, "rwc")
            chain = cls(path, connection, chain_id, key, clock)
            try:
                chain._fill()
            except BaseException:
                connection.close()
                raise
        return chain

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
        path, key = Path(path), _private_key(account)
        with _naming(path):
            if not path.is_file():
                raise ChainError(f"there is no embedded chain at {path}")
            connection = _connect(path, "ro" if key is None else "rw")
            try:
                chain_id = _identify(connection, path)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection, chain_id, key, clock)

    def _fill(self) -> None:
        """Write tables and genesis block into a file that has neither."""
        if self._connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is not None:
            raise ChainError(f"{self._path} exists already; a new chain needs a new file")
        self._connection.execute("PRAGMA journal_mode = WAL")
        with self._transaction("BEGIN IMMEDIATE"):
            for statement in SCHEMA:
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO chain VALUES (?)", (self._chain_id,))
            self._evm.from_genesis(self._nodes(), genesis(int(self._clock())))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> EmbeddedChain:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- reading ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The file, as errors name it."""
        return f"the embedded chain {self._path}"

    @property
    def embedded(self) -> bool:
        """True: worth as much as this machine."""
        return True

    def chain_id(self) -> int:
        """Return the chain id, random for each file."""
        return self._chain_id

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
        with self._reading():
            rows = self._connection.execute(
                "SELECT size, root FROM anchored"
                " WHERE contract = ? AND ledger_id = ? AND block = ? ORDER BY size",
                (_address(contract), ledger_id, block),
            ).fetchall()
        return [Head(int.from_bytes(size, "big"), root) for size, root in rows]

    def find(self, contract: str, ledger_id: bytes, size: int) -> Receipt | None:
        """Return where the head of `size` was anchored; None if it was not."""
        with self._reading() as evm:
            row = self._connection.execute(
                "SELECT tx_hash, block FROM anchored"
                " WHERE contract = ? AND ledger_id = ? AND size = ?",
                (_address(contract), ledger_id, size.to_bytes(8, "big")),
            ).fetchone()
            if row is None:
                return None
            tx_hash, block = row
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
                .as_signed_transaction(key, chain_id=self._chain_id)
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
            size = head.size.to_bytes(8, "big")
            row = (log.address, ledger_id, size, head.root, header.block_number, tx_hash)
            # A contract of another kind may repeat itself under the same topic; ours cannot.
            self._connection.execute("INSERT OR REPLACE INTO anchored VALUES (?,?,?,?,?,?)", row)

    def _sender(self) -> PrivateKey:
        if self._key is None:
            raise ChainError(f"{self.name} was opened without an account, only to read")
        return self._key

    def _refusal(self, computation: ComputationAPI) -> ChainError:
        return refusal(self.name, computation.output, otherwise=str(computation.error))

    # --- transactions of the file ---------------------------------------------------------------

    def _nodes(self) -> AtomicDB:
        return AtomicDB(NodeTable(self._connection, self._path))

    @contextmanager
    def _reading(self) -> Iterator[MiningChain]:
        """One snapshot of the file, whatever a writer does meanwhile."""
        with self._transaction("BEGIN"):
            yield self._evm(self._nodes())

    @contextmanager
    def _writing(self) -> Iterator[MiningChain]:
        """All or nothing, and no other writer."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield self._evm(self._nodes())

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._lock, _naming(self._path):
            if self._connection.in_transaction:
                yield
                return
            try:
                self._connection.execute(begin)
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_SECONDS,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _identify(connection: sqlite3.Connection, path: Path) -> int:
    """Return the chain id of a file that is an embedded chain."""
    (kind,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if kind != FILE_KIND:
        raise ChainError(f"{path} is not an embedded chain")
    if version != FILE_VERSION:
        raise ChainError(f"{path} is an embedded chain of version {version}, not {FILE_VERSION}")
    rows = connection.execute("SELECT id FROM chain").fetchall()
    if len(rows) != 1:
        raise ChainError(f"{path} is damaged: {len(rows)} chain ids")
    chain_id: int = rows[0][0]
    return chain_id


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let no exception of SQLite or py-evm out: each becomes an error that names the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ChainError(f"the embedded chain {path} cannot be used: {error}") from error
    except (sqlite3.Error, UnicodeError) as error:  # UnicodeError: SQLite quotes a damaged schema
        raise ChainError(f"{path} is damaged, or not an embedded chain: {error}") from error
    except EVM_ERRORS as error:
        raise ChainError(f"{path} is damaged: {error}") from error


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
