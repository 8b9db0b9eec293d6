"""The log's tables, and the one database they share with the ledger: SQLite or PostgreSQL.

One writer at a time, any number of readers, on either. A transaction that `Database.writing`
leaves without an exception is on disk: `kill -9` or a power cut right after loses nothing of it,
and one before leaves nothing of it. `provenance.log.backends` says how each of the two keeps that.

Few indices are kept, since each costs every append a write at a random place: an envelope is
found by its entry's index, and that none is logged twice follows from `EntryRow.submission`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, cast

from sqlalchemy import BigInteger, Connection, Dialect, Index, Integer, Table, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, Session, SQLModel

from provenance import forms
from provenance.errors import InputError, LedgerError
from provenance.log.backends import Backend, backend
from provenance.log.blocking import before_blocking
from provenance.log.schema import make_tables
from provenance.statements import KIND_NUMBERS

__all__ = [
    "CheckpointRow",
    "CosignatureRow",
    "Database",
    "EntryRow",
    "EnvelopeRow",
    "Number",
    "Sealed",
    "TileRow",
    "insert",
    "number_key",
    "seal_of",
]

STANDING_KINDS = (KIND_NUMBERS["key"], KIND_NUMBERS["supersede"])


class Number(TypeDecorator[int]):
    """An integer of 64 bits. SQLite's are so by themselves, and only ``INTEGER`` is its rowid."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type that the column has in this database."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())


def number_key() -> Any:
    """Return the field of a number in a primary key, which the database never counts up."""
    return Field(primary_key=True, sa_type=Number, sa_column_kwargs={"autoincrement": False})


class Sealed(SQLModel):
    """A row that nothing else implies, so it says itself what it should be.

    Attributes:
        seal: see `seal_of`. Made anew whenever the row is written through a session.
    """

    seal: bytes = b""


def seal_of(table: str, values: Mapping[str, str | int | bytes | None]) -> bytes:
    """Return the seal of a row: SHA-256 over the RFC 8785 bytes of ``[table, values]``.

    Args:
        table: its name.
        values: of every column but the seal, by name. Bytes stand there in hex, integers beyond
            2^53-1 as decimal strings.
    """
    shown: dict[str, forms.Json] = {}
    for name, value in values.items():
        if isinstance(value, bytes):
            shown[name] = value.hex()
        elif isinstance(value, int) and abs(value) > forms.MAX_INTEGER:
            shown[name] = str(value)
        else:
            shown[name] = value
    return sha256(forms.canonical([table, shown])).digest()


@event.listens_for(Sealed, "before_insert", propagate=True)
@event.listens_for(Sealed, "before_update", propagate=True)
def _seal(_mapper: Any, _connection: Connection, row: Sealed) -> None:
    table = cast(Table, row.__table__)  # type: ignore[attr-defined]
    names = [column.name for column in table.columns if column.name != "seal"]
    row.seal = seal_of(table.name, {name: getattr(row, name) for name in names})


class EntryRow(SQLModel, table=True):
    """One leaf of the log. `submission` names payload and keys, so that a resend is found."""

    __tablename__ = "entry"
    # What decides on keys and corrections is read again and again, out of very many entries.
    _few = text(" OR ".join(f"kind = {number}" for number in STANDING_KINDS))
    __table_args__ = (
        Index("entry_standing", "kind", "index", sqlite_where=_few, postgresql_where=_few),
    )

    index: int = number_key()
    kind: int
    leaf: bytes
    submission: bytes = Field(unique=True)


class EnvelopeRow(SQLModel, table=True):
    """The bytes of the envelope of entry `index`. The only part of the log that may be erased.

    Whoever does so counts `GenerationRow` up, so that no running process goes on showing it.
    """

    __tablename__ = "envelope"

    index: int = number_key()
    data: bytes


class TileRow(SQLModel, table=True):
    """One tile of hashes, full or still growing, 32 bytes each."""

    __tablename__ = "tile"

    level: int = number_key()
    index: int = number_key()
    hashes: bytes


class CheckpointRow(SQLModel, table=True):
    """Every checkpoint ever signed: never overwritten, so that the log can be held to it."""

    __tablename__ = "checkpoint"

    size: int = number_key()
    note: str


class CosignatureRow(SQLModel, table=True):
    """The newest signature line of one witness, named by its vkey, under one checkpoint."""

    __tablename__ = "cosignature"

    size: int = number_key()
    witness: str = Field(primary_key=True)
    line: str


class GenerationRow(SQLModel, table=True):
    """How many transactions have written; one row. Nothing rests on the number but caches."""

    __tablename__ = "generation"

    only: int = number_key()
    number: int = Field(sa_type=Number)


class Database:
    """One SQLite file, or one schema of PostgreSQL. Models of other packages join by import.

    Attributes:
        place: how messages name it: a path, or a URL without user and password.
    """

    def __init__(self, backend: Backend, *, to_write: bool = True) -> None:
        self.place = backend.place
        self._backend = backend
        self._engine = backend.engine(to_write=to_write)
        self._reader = self._engine.execution_options(**backend.reading)
        self._writer = self._engine.execution_options(**backend.writing)
        self._asking = threading.Lock()
        self._asked: PoolProxiedConnection | None = None
        self._joining = threading.Lock()
        self._next: Future[int] | None = None

    @classmethod
    def create(cls, place: Path | str) -> Self:
        """Make the tables in a new file, or in a database at a ``postgresql://`` URL.

        Raises:
            LedgerError: the file cannot be made, the server does not let us in, or there are
                tables of a ledger already.
        """
        database = cls(backend(place))
        try:
            with database._explained(), database._engine.begin() as connection:
                database._backend.check_room(connection)
                make_tables(connection)
                # Where two make them at once, Alembic lets the second go on with those of the
                # first: this row it cannot add.
                connection.exec_driver_sql("INSERT INTO generation VALUES (0, 0)")
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def open(cls, place: Path | str, *, to_write: bool = True) -> Self:
        """Open what `create` made.

        Raises:
            LedgerError: it is missing, no right to it, not ours, or of another version.
        """
        found = backend(place)
        found.look(to_write=to_write)
        database = cls(found, to_write=to_write)
        try:
            with database._explained(), database._reader.connect() as connection:
                found.check(connection)
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        """Give every connection back."""
        if self._asked is not None:
            self._asked.close()
            self._asked = None
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read one consistent state."""
        before_blocking()
        with self._explained(), Session(self._reader) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Be the one writer; commit at the end, or leave everything as it was.

        Raises:
            LedgerError: another process writes for longer than 30 s, the disk is full, or the
                server went away: then it is not known whether the commit took place.
        """
        before_blocking()
        with self._explained(), Session(self._writer) as session, session.begin():
            session.connection()  # takes the lock before anything is read
            yield session
            session.flush()
            session.connection().exec_driver_sql("UPDATE generation SET number = number + 1")

    def generation(self) -> int:
        """Return a number that is another one after each transaction that wrote.

        The driver is asked without a session, over a connection that stays. A SQLite file answers
        from memory in microseconds, whatever a writer does; a server once for all who wait.

        Raises:
            LedgerError: as `reading`.
        """
        with self._explained():
            try:
                if self._backend.is_remote:
                    before_blocking()
                    return self._ask_for_all()
                with self._asking:
                    return self._ask()
            except self._engine.dialect.loaded_dbapi.Error as error:  # as SQLAlchemy says it
                raise DBAPIError("generation", None, error) from error

    def _ask_for_all(self) -> int:
        """Ask, or wait for the answer to a question that was not asked yet when this began."""
        with self._joining:
            asks = self._next is None
            answer = self._next = self._next or Future()
        if asks:
            try:
                with self._asking:
                    self._begin_next(answer)
                    answer.set_result(self._ask())
            except BaseException as error:
                self._begin_next(answer)
                answer.set_exception(error)
        return answer.result()

    def _begin_next(self, answer: Future[int]) -> None:
        """Have whoever comes from now on wait for another answer: a write may come before them."""
        with self._joining:
            if self._next is answer:
                self._next = None

    def _ask(self) -> int:
        if self._asked is not None:
            try:
                return _generation(self._asked)
            except self._engine.dialect.loaded_dbapi.Error as error:  # the server was restarted?
                self._asked.invalidate(error)
                self._asked = None
        self._asked = self._engine.raw_connection()
        if self._backend.is_remote:
            driver: Any = self._asked.driver_connection
            driver.autocommit = True  # nobody asks to begin and end a transaction
        return _generation(self._asked)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except UnicodeEncodeError as error:
            shown = ascii(error.object)[:80]
            raise InputError(f"{shown} is not text: it has half a sign") from error
        except DBAPIError as error:
            raise LedgerError(self._backend.explain(error)) from error
        except PoolTimeoutError as error:
            raise LedgerError(f"{self.place} has more readers than it answers: wait") from error


def _generation(connection: PoolProxiedConnection) -> int:
    cursor = connection.cursor()
    cursor.execute("SELECT number FROM generation")
    (number,) = cursor.fetchone() or (0,)
    return int(number)


def insert(
    session: Session,
    row: type[SQLModel],
    values: Sequence[tuple[Any, ...]],
    *,
    replace: bool = False,
) -> None:
    """Insert rows by the driver's own means: ten times as fast as objects of the ORM.

    PostgreSQL copies them in, in half the time of its executemany, and a tenth of it here.

    Args:
        session: of the transaction.
        row: the table.
        values: the columns in the order of the class.
        replace: a row of the same primary key gives way.
    """
    if not values:
        return
    connection = session.connection()
    table = cast(Table, row.__table__)  # type: ignore[attr-defined]
    if connection.dialect.name == "postgresql" and not replace:
        _copy(connection, table, values)
    else:
        connection.exec_driver_sql(_statement(table, connection.dialect, replace), list(values))


def _copy(connection: Connection, table: Table, values: Sequence[tuple[Any, ...]]) -> None:
    import psycopg  # only where it is installed: with the extra `postgres`

    quoted = map(connection.dialect.identifier_preparer.format_column, table.columns)
    types = [column.type.compile(connection.dialect).lower() for column in table.columns]
    sql = f"COPY {table.name} ({', '.join(quoted)}) FROM STDIN (FORMAT BINARY)"
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    try:
        with driver.cursor() as cursor, cursor.copy(sql) as copy:
            copy.set_types(types)
            for each in values:
                copy.write_row(each)
    except psycopg.Error as error:  # as SQLAlchemy says what it hands on
        raise DBAPIError(sql, None, error, connection_invalidated=driver.broken) from error


@cache
def _statement(table: Table, dialect: Dialect, replace: bool) -> str:
    quoted = [dialect.identifier_preparer.format_column(column) for column in table.columns]
    marks = ", ".join(["?" if dialect.paramstyle == "qmark" else "%s"] * len(quoted))
    sql = f"INSERT INTO {table.name} ({', '.join(quoted)}) VALUES ({marks})"  # noqa: S608 - own names
    if replace:
        key = [dialect.identifier_preparer.format_column(column) for column in table.primary_key]
        rest = ", ".join(f"{name} = excluded.{name}" for name in quoted if name not in key)
        sql += f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {rest}"
    return sql
