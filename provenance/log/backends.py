"""The two databases that a log can live in, and how each keeps what `Database` promises.

=================== ============================ ==============================================
\\                   SQLite                       PostgreSQL
=================== ============================ ==============================================
named by            a path                       ``postgresql://[user[:password]@]host/database``
one writer          ``BEGIN IMMEDIATE``          a lock on the one row of ``alembic_version``
one state to read   WAL                          ``REPEATABLE READ``, read only
on disk at commit   ``synchronous = FULL``       ``synchronous_commit = on``, ``fsync`` demanded
=================== ============================ ==============================================

A ledger has a database of its own, or on PostgreSQL a schema of its own
(``?options=-csearch_path%3Dname``). The password may stand in the URL; better it comes from
``PGPASSWORD``, ``~/.pgpass`` or a service file, as libpq reads them. No message shows it.
"""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from provenance.errors import InputError, LedgerError
from provenance.log.schema import REVISION, VERSION_TABLE, found_revision

__all__ = ["Backend", "PostgreSQL", "SQLite", "backend", "is_url"]

BUSY_SECONDS = 30
CONNECT_SECONDS = 10

POOL = {"pool_size": 15, "max_overflow": 0}
"""Connections that a process opens as it needs them. All stay: on PostgreSQL one costs tens of
milliseconds, and SQLAlchemy by itself would keep five of the fifteen that it allows."""


def is_url(place: str) -> bool:
    """Say whether `place` is the URL of a PostgreSQL database."""
    return place.startswith(("postgresql://", "postgres://"))


def backend(place: Path | str) -> Backend:
    """Return the database at a path or a URL.

    Raises:
        InputError: a URL that is none, or of another kind of database.
        LedgerError: PostgreSQL's driver is not installed.
    """
    return SQLite(place) if isinstance(place, Path) else PostgreSQL(place)


class Backend(ABC):
    """One kind of database.

    Attributes:
        place: how messages name it.
        reading: execution options of a transaction that reads.
        writing: execution options of one that writes.
        is_remote: whether even the smallest answer comes over a connection.
    """

    place: str
    is_remote: ClassVar[bool] = False
    reading: ClassVar[Mapping[str, Any]] = {}
    writing: ClassVar[Mapping[str, Any]] = {"writes": True}

    @abstractmethod
    def engine(self, *, to_write: bool) -> Engine:
        """Return what opens connections; none is open yet."""

    @abstractmethod
    def look(self, *, to_write: bool) -> None:
        """Raise LedgerError for what can be seen to be wrong without a connection."""

    def check_room(self, connection: Connection) -> None:
        """Check that tables can be made here.

        Raises:
            LedgerError: there are tables of a ledger already, or of somebody else's Alembic.
        """
        if found_revision(connection) is not None:
            raise LedgerError(self.taken(f"it has a table {VERSION_TABLE}"))

    def check(self, connection: Connection) -> None:
        """Check that tables of this version are there.

        Raises:
            LedgerError: they are not.
        """
        found = found_revision(connection)
        if found is None:
            raise LedgerError(f"{self.place} holds no ledger: it tells no schema version")
        if found != REVISION:
            raise LedgerError(
                f"{self.place} has schema version {found}, not {REVISION}: use the version of "
                "provenance-ledger that made it"
            )

    def taken(self, reason: str) -> str:
        """Say that no ledger can be made here."""
        return (
            f"{self.place} is taken: {reason}. Give each ledger a database, or a schema, of its own"
        )

    @abstractmethod
    def explain(self, error: DBAPIError) -> str:
        """Say what happened, and what to do."""


class SQLite(Backend):
    """A file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)

    def engine(self, *, to_write: bool) -> Engine:
        """Return what opens connections; none is open yet."""
        # A path may hold what a URL reads otherwise.
        url = URL.create("sqlite", database=str(self.path))
        if not to_write:
            place = self.path.absolute().as_uri()
            url = URL.create("sqlite", database=place, query={"mode": "ro", "uri": "true"})
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **POOL)

        @event.listens_for(engine, "connect")
        def _connect(connection: sqlite3.Connection, _record: Any) -> None:
            connection.isolation_level = None  # transactions are begun below, not by the driver
            if to_write:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            writes = connection.get_execution_options().get("writes")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine

    def look(self, *, to_write: bool) -> None:
        """Raise LedgerError where the file is missing or may not be used."""
        if not self.path.is_file():
            raise LedgerError(f"the ledger's database {self.path} is missing")
        if not os.access(self.path, os.R_OK | os.W_OK if to_write else os.R_OK):
            what = "read and write" if to_write else "read"
            raise LedgerError(f"no right to {what} {self.path}: check its owner and mode")

    def explain(self, error: DBAPIError) -> str:
        """Say what happened, and what to do."""
        reason = str(error.orig)
        if "locked" in reason:
            return (
                f"{self.place} is being written by another process for more than {BUSY_SECONDS} s: "
                "wait for it, or end it"
            )
        if "full" in reason or "disk I/O" in reason:
            return f"the disk is full: {self.place} was left as it was"
        return f"{self.place} cannot be used: {reason}"


class PostgreSQL(Backend):
    """A database on a server; or one schema of it, as the URL's search_path says."""

    is_remote: ClassVar[bool] = True
    reading: ClassVar[Mapping[str, Any]] = {
        "isolation_level": "REPEATABLE READ",
        "postgresql_readonly": True,
    }
    # Said, since a server may have another default: each statement after the lock has to see what
    # the writer before committed.
    writing: ClassVar[Mapping[str, Any]] = {"writes": True, "isolation_level": "READ COMMITTED"}

    def __init__(self, url: str) -> None:
        try:
            if not is_url(url):
                raise ArgumentError  # noqa: TRY301 - as if SQLAlchemy had said so
            parsed = make_url(url).set(drivername="postgresql+psycopg")
        except (ArgumentError, ValueError):  # of a password, perhaps: nothing of it is shown
            raise InputError(
                "not the URL of a database: postgresql://user@host/database is one"
            ) from None
        self.place = _place(parsed)
        query = {"connect_timeout": str(CONNECT_SECONDS), "application_name": "provenance"}
        self._url = parsed.set(query={**query, **parsed.query})

    def engine(self, *, to_write: bool) -> Engine:
        """Return what opens connections; none is open yet."""
        try:
            # A connection that a restart of the server broke is replaced before it is used.
            engine = create_engine(self._url, pool_pre_ping=True, **POOL)
        except ImportError as error:
            raise LedgerError(
                f"PostgreSQL needs {error.name}: pip install 'provenance-ledger[postgres]'"
            ) from error

        @event.listens_for(engine, "connect")
        def _connect(connection: Any, _record: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SET synchronous_commit = on; SET client_min_messages = error; "
                    f"SET lock_timeout = {int(BUSY_SECONDS * 1000)}"
                )
            connection.commit()

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            if connection.get_execution_options().get("writes"):
                # A writer that stands still, its machine asleep, say, must not keep others out.
                # Behind a pooler what was set at the connect may have been set elsewhere.
                connection.exec_driver_sql(
                    "SET LOCAL synchronous_commit = on; "
                    "SET LOCAL idle_in_transaction_session_timeout = '60s'; "
                    "SELECT version_num FROM alembic_version FOR UPDATE"
                )

        return engine

    def look(self, *, to_write: bool) -> None:
        """Nothing can be seen from here."""

    def check_room(self, connection: Connection) -> None:
        """Check that tables can be made here, and hold any text.

        Raises:
            LedgerError: they cannot.
        """
        super().check_room(connection)
        self._demand(connection, "server_encoding", "UTF8", "make the database with encoding UTF8")

    def check(self, connection: Connection) -> None:
        """Check the version, and that the server writes to disk what it commits.

        Raises:
            LedgerError: another version, or it does not.
        """
        super().check(connection)
        self._demand(connection, "fsync", "on", "a power cut would lose what was acknowledged")

    def _demand(self, connection: Connection, setting: str, value: str, why: str) -> None:
        found = connection.exec_driver_sql(f"SHOW {setting}").scalar()
        if found != value:
            raise LedgerError(f"{self.place} runs with {setting} = {found}: {why}")

    def explain(self, error: DBAPIError) -> str:
        """Say what happened, and what to do."""
        state = getattr(error.orig, "sqlstate", None)
        reason = _first_line(error.orig)
        match state:
            case "42P07":  # duplicate_table
                return self.taken(reason)
            case "55P03":  # lock_not_available
                return (
                    f"{self.place} is being written by another process for more than "
                    f"{BUSY_SECONDS} s: wait for it, or end it"
                )
            case "53100":  # disk_full
                return f"the disk of the server is full: {self.place} was left as it was"
        if error.connection_invalidated:
            return (
                f"{self.place} broke the connection: {reason}. What was under way may be there or "
                "not; ask again, since nothing is logged twice"
            )
        if state is None:
            return f"{self.place} cannot be reached: {reason}"
        return f"{self.place} cannot be used: {reason}"


def _place(url: URL) -> str:
    """Name a database without user, password, or what else may stand in the URL."""
    query = {key: value for key, value in url.query.items() if key in ("host", "port", "options")}
    shown = URL.create("postgresql", None, None, url.host, url.port, url.database, query)
    return shown.render_as_string()


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
