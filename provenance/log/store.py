"""The log's tables and the one database they share with the ledger: SQLite through SQLModel.

One writer at a time, any number of readers (WAL). A transaction that `Database.writing` leaves
without an exception is on disk (``synchronous=FULL``): `kill -9` or a power cut right after
loses nothing of it, and one before leaves nothing of it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, Engine, event
from sqlalchemy.exc import DatabaseError
from sqlmodel import Field, Session, SQLModel, create_engine

from provenance.errors import InputError, LedgerError

__all__ = [
    "CheckpointRow",
    "CosignatureRow",
    "Database",
    "EntryRow",
    "EnvelopeRow",
    "TileRow",
]

SCHEMA_VERSION = 1
BUSY_SECONDS = 30


class EntryRow(SQLModel, table=True):
    """One leaf of the log. `submission` names payload and keys, so that a resend is found."""

    __tablename__ = "entry"

    index: int = Field(primary_key=True)
    kind: int
    leaf: bytes
    envelope_hash: bytes = Field(unique=True)
    submission: bytes = Field(unique=True)


class EnvelopeRow(SQLModel, table=True):
    """The bytes of one envelope. The only part of the log that may be erased."""

    __tablename__ = "envelope"

    hash: bytes = Field(primary_key=True)
    data: bytes


class TileRow(SQLModel, table=True):
    """One tile of hashes, full or still growing, 32 bytes each."""

    __tablename__ = "tile"

    level: int = Field(primary_key=True)
    index: int = Field(primary_key=True)
    hashes: bytes


class CheckpointRow(SQLModel, table=True):
    """Every checkpoint ever signed: never overwritten, so that the log can be held to it."""

    __tablename__ = "checkpoint"

    size: int = Field(primary_key=True)
    note: str


class CosignatureRow(SQLModel, table=True):
    """The newest signature line of one witness, named by its vkey, under one checkpoint."""

    __tablename__ = "cosignature"

    size: int = Field(primary_key=True)
    witness: str = Field(primary_key=True)
    line: str


class Database:
    """One SQLite file. Models of other packages join it by being imported before `create`."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self._engine = engine

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make the tables in a new file.

        Raises:
            LedgerError: the file cannot be made.
        """
        database = cls(path, _engine(path))
        with database.writing() as session:
            connection = session.connection()
            SQLModel.metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return database

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing file.

        Raises:
            LedgerError: no such file, no right to it, not ours, or of another version.
        """
        if not path.is_file():
            raise LedgerError(f"the ledger's database {path} is missing")
        if not os.access(path, os.R_OK | os.W_OK):
            raise LedgerError(f"no right to read and write {path}: check its owner and mode")
        database = cls(path, _engine(path))
        with database.reading() as session:
            version = session.connection().exec_driver_sql("PRAGMA user_version").scalar()
        if version != SCHEMA_VERSION:
            database.close()
            raise LedgerError(f"{path} has schema version {version}, not {SCHEMA_VERSION}")
        return database

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read one consistent state."""
        with _explained(self.path), Session(self._engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Be the one writer; commit at the end, or leave everything as it was.

        Raises:
            LedgerError: another process writes for longer than 30 s, or the disk is full.
        """
        writer = self._engine.execution_options(writes=True)
        with _explained(self.path), Session(writer) as session, session.begin():
            session.connection()  # takes the lock before anything is read
            yield session


def _engine(path: Path) -> Engine:
    url = URL.create("sqlite", database=str(path))  # a path may hold what a URL reads otherwise
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as error:
        raise InputError(f"{ascii(error.object)[:80]} is not text: it has half a sign") from error
    except DatabaseError as error:
        reason = str(error.orig)
        if "locked" in reason:
            raise LedgerError(
                f"{path} is being written by another process for more than {BUSY_SECONDS} s: "
                "wait for it, or end it"
            ) from error
        if "full" in reason or "disk I/O" in reason:
            raise LedgerError(f"the disk is full: {path} was left as it was") from error
        raise LedgerError(f"{path} cannot be used: {reason}") from error
