"""Faults below the store: writes are counted, and one of them fails, before or after it is done.

A write is what changes something that outlives the process: a statement or a commit in a database
(at the driver's own cursor and connection), or a call to the system on a file. Counting finds them,
so a write that is added tomorrow is in the matrix by itself::

    faults = Faults()
    with faults.watching():              # counts
        call()
    for fault in faults.matrix():        # (0, LOST), (0, KEPT), (1, LOST), …
        with faults.watching(fault):
            call()
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, TypeVar

import psycopg
import pytest

T = TypeVar("T")

LOST, KEPT = "did not persist", "persisted but reported failure"

WRITE = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|CREATE|BEGIN IMMEDIATE|SELECT .* FOR UPDATE)")
FILE_CALLS = ("fsync", "pwrite", "rename", "replace", "unlink")


class Fault(NamedTuple):
    """One cell of the matrix: which write fails, and how."""

    number: int
    mode: str


class Faults:
    """Counts writes while it is armed, and fails the one it is told to.

    Attributes:
        writes: what was written since it was armed last, in order.
        hit: whether the fault came.
    """

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.hit = False
        self._fault: Fault | None = None
        self._armed = False
        self._lock = threading.Lock()

    @contextmanager
    def watching(self, fault: Fault | None = None) -> Iterator[None]:
        """Count from here on; with a fault, fail that write."""
        self.writes, self.hit, self._fault, self._armed = [], False, fault, True
        try:
            yield
        finally:
            self._armed = False

    def matrix(self) -> list[Fault]:
        """Return every way in which one of the writes that were counted can fail.

        Of many alike in a row, the nodes of a trie, say, only the first and the last.
        """
        around = [None, *self.writes, None]
        numbers = [
            number
            for number, write in enumerate(self.writes)
            if not around[number] == write == around[number + 2]
        ]
        return [Fault(number, mode) for number in numbers for mode in (LOST, KEPT)]

    def write(self, what: str, do: Callable[[], T], fail: Callable[[], Exception]) -> T:
        """Do a write, unless it is the one to fail."""
        if not self._armed:
            return do()
        with self._lock:
            mode = (
                self._fault.mode if self._fault and self._fault.number == len(self.writes) else None
            )
            self.writes.append(what)
            self.hit = self.hit or mode is not None
        if mode == LOST:
            raise fail()
        done = do()
        if mode == KEPT:
            raise fail()
        return done

    # --- where writes pass ----------------------------------------------------------------------

    def under_sqlite(self, patch: pytest.MonkeyPatch) -> None:
        """Every connection to SQLite that is opened from now on is watched."""
        faults = self

        class Cursor(sqlite3.Cursor):
            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                connection: Any = self.connection
                if sql.startswith("COMMIT"):
                    return connection.write_if_any(lambda: super(Cursor, self).execute(sql))
                return connection.watched(sql, lambda: super(Cursor, self).execute(sql, *values))

            def executemany(self, sql: str, values: Any) -> sqlite3.Cursor:
                connection: Any = self.connection
                return connection.watched(sql, lambda: super(Cursor, self).executemany(sql, values))

        class Connection(sqlite3.Connection):
            wrote = False

            def cursor(self, factory: Any = Cursor) -> Any:
                return super().cursor(factory)

            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                return self.cursor().execute(sql, *values)

            def executemany(self, sql: str, values: Any) -> sqlite3.Cursor:
                return self.cursor().executemany(sql, values)

            def watched(self, sql: str, do: Callable[[], T]) -> T:
                if not WRITE.match(sql):
                    return do()
                self.wrote = True
                return faults.write(name(sql), do, disk_error)

            def write_if_any(self, do: Callable[[], T]) -> T:
                if not self.wrote:
                    return do()
                done = faults.write("COMMIT", do, disk_error)
                self.wrote = False
                return done

            def commit(self) -> None:
                self.write_if_any(super().commit)

            def rollback(self) -> None:
                super().rollback()
                self.wrote = False

        real = sqlite3.connect

        def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
            return real(*arguments, **{**options, "factory": Connection})

        patch.setattr(sqlite3, "connect", connect)
        patch.setattr("sqlite3.dbapi2.connect", connect)

    def under_postgres(self, patch: pytest.MonkeyPatch) -> None:
        """Every connection of psycopg is watched. A fault is the end of it, as a cable's is."""
        faults = self

        class Cursor(psycopg.Cursor[Any]):
            def execute(self, query: Any, *values: Any, **options: Any) -> Any:
                return self._watched(query, lambda: super(Cursor, self).execute(query, *values))

            def executemany(self, query: Any, *values: Any, **options: Any) -> None:
                self._watched(query, lambda: super(Cursor, self).executemany(query, *values))

            @contextmanager
            def copy(self, query: Any, *values: Any, **options: Any) -> Iterator[Any]:
                connection: Any = self.connection
                connection.wrote = True
                with ExitStack() as stack:
                    yield stack.enter_context(super().copy(query, *values, **options))
                    faults.write(name(query), stack.close, connection.cut)

            def _watched(self, query: Any, do: Callable[[], T]) -> T:
                sql = str(query).rpartition("; ")[2]
                if not WRITE.match(sql):
                    return do()
                connection: Any = self.connection
                connection.wrote = True
                return faults.write(name(sql), do, connection.cut)

        class Connection(psycopg.Connection[Any]):
            wrote = False

            def cut(self) -> Exception:
                self.pgconn.finish()
                return psycopg.OperationalError("server closed the connection unexpectedly")

            def commit(self) -> None:
                if not self.wrote:
                    super().commit()
                    return
                faults.write("COMMIT", super().commit, self.cut)
                self.wrote = False

            def rollback(self) -> None:
                super().rollback()
                self.wrote = False

        def connect(*arguments: Any, **options: Any) -> psycopg.Connection[Any]:
            return Connection.connect(*arguments, cursor_factory=Cursor, **options)

        patch.setattr(psycopg, "connect", connect)

    def under_files(self, patch: pytest.MonkeyPatch) -> None:
        """Every call that makes a file durable, names it or removes it is watched."""
        for name in FILE_CALLS:
            patch.setattr(os, name, self._watched_call(name, getattr(os, name)))

    def _watched_call(self, name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: self.write(name, lambda: do(*arguments), input_output_error)


def name(sql: str) -> str:
    """Name a statement by its verb and its table."""
    words = sql.replace("OR REPLACE ", "").split()
    return " ".join(words[: 3 if words[0] in ("INSERT", "DELETE") else 2])


def disk_error() -> Exception:
    return sqlite3.OperationalError("disk I/O error")


def input_output_error() -> Exception:
    return OSError(errno.EIO, os.strerror(errno.EIO))
