"""The file of an embedded chain: its tables in SQLite, and its transactions.

::

    chain       the chain id
    node        py-evm's store: everything that a block commits to, under its Keccak-256
    anchored    the index of ``Anchored`` events

Each value of the store is checked against its key as it is read: a damaged file is found, not
believed. What is written is durable when its transaction ends (WAL, ``synchronous=FULL``).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from provenance.anchoring.anchor import Head
from provenance.anchoring.evm import EVM_ERRORS
from provenance.anchoring.recursion import recursion_limit_kept
from provenance.errors import ChainError

with recursion_limit_kept():
    from eth.db.atomic import AtomicDB
    from eth.db.backends.base import BaseDB
    from eth_utils.crypto import keccak

__all__ = ["ChainFile"]

FILE_KIND = 0x70726F76
"""SQLite's application_id of these files: "prov"."""

FILE_VERSION = 1
BUSY_SECONDS = 30.0

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


class ChainFile:
    """A file with a chain in it. Made by `create` and `open`; may be shared between threads.

    Attributes:
        path: where it lies.
        chain_id: of the chain.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, chain_id: int) -> None:
        self.path = path
        self.chain_id = chain_id
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def create(cls, path: Path, chain_id: int, begin: Callable[[AtomicDB], object]) -> ChainFile:
        """Make the file of a new chain; `begin` writes the genesis block into its store.

        A crash leaves either the chain or a file without tables, which `create` fills.

        Raises:
            ChainError: the file exists already and holds something, or cannot be written.
        """
        with _naming(path):
            file = cls(path, _connect(path, "rwc"), chain_id)
            try:
                file._fill(begin)
            except BaseException:
                file.close()
                raise
        return file

    @classmethod
    def open(cls, path: Path, *, to_write: bool) -> ChainFile:
        """Open the file of a chain.

        Raises:
            ChainError: no such file, or not such a file.
        """
        with _naming(path):
            if not path.is_file():
                raise ChainError(f"there is no embedded chain at {path}")
            connection = _connect(path, "rw" if to_write else "ro")
            try:
                chain_id = _identify(connection, path)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection, chain_id)

    def _fill(self, begin: Callable[[AtomicDB], object]) -> None:
        """Write tables and genesis block into a file that has neither."""
        if self._connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is not None:
            raise ChainError(f"{self.path} exists already; a new chain needs a new file")
        self._connection.execute("PRAGMA journal_mode = WAL")
        with self.writing() as nodes:
            for statement in SCHEMA:
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO chain VALUES (?)", (self.chain_id,))
            begin(nodes)

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            self._connection.close()

    # --- transactions ---------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[AtomicDB]:
        """Lend the store of one snapshot, whatever a writer does meanwhile."""
        with self._transaction("BEGIN"):
            yield AtomicDB(_NodeTable(self._connection, self.path))

    @contextmanager
    def writing(self) -> Iterator[AtomicDB]:
        """Lend the store; all that is written is kept or nothing, and there is no other writer."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield AtomicDB(_NodeTable(self._connection, self.path))

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        """One transaction; within one that is open already, a part of that."""
        with self._lock, _naming(self.path):
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

    def select(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, with whatever is damaged in them."""
        with self._transaction("BEGIN"):
            return self._connection.execute(query).fetchall()

    def values(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key and value of the store, unchecked; the caller is `reading`."""
        yield from self._connection.execute("SELECT key, value FROM node")

    # --- the index ------------------------------------------------------------------------------

    def index(
        self, contract: bytes, ledger_id: bytes, head: Head, block: int, tx_hash: bytes
    ) -> None:
        """Write down where a contract says that it took a head; the caller is `writing`."""
        # A contract of another kind may repeat itself under the same topic; ours cannot.
        self._connection.execute(
            "INSERT OR REPLACE INTO anchored VALUES (?,?,?,?,?,?)",
            (contract, ledger_id, head.size.to_bytes(8, "big"), head.root, block, tx_hash),
        )

    def anchored(self, contract: bytes, ledger_id: bytes, block: int) -> list[Head]:
        """Return the heads that a contract took in this one block, for this ledger id."""
        with self._transaction("BEGIN"):
            rows = self._connection.execute(
                "SELECT size, root FROM anchored"
                " WHERE contract = ? AND ledger_id = ? AND block = ? ORDER BY size",
                (contract, ledger_id, block),
            ).fetchall()
        return [Head(int.from_bytes(size, "big"), root) for size, root in rows]

    def find(self, contract: bytes, ledger_id: bytes, size: int) -> tuple[bytes, int] | None:
        """Return transaction and block of the head of `size`; None if it was not anchored."""
        with self._transaction("BEGIN"):
            row: tuple[bytes, int] | None = self._connection.execute(
                "SELECT tx_hash, block FROM anchored"
                " WHERE contract = ? AND ledger_id = ? AND size = ?",
                (contract, ledger_id, size.to_bytes(8, "big")),
            ).fetchone()
        return row


class _NodeTable(BaseDB):
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
