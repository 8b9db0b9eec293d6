"""The log's database on PostgreSQL: what goes wrong is told, and nothing is told of passwords."""

from __future__ import annotations

import functools
import importlib
import itertools
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import pytest
from appending import ORIGIN, check_whole, submission
from postgres import QUOTED, Server
from sqlalchemy import BigInteger, Integer, event, make_url
from sqlalchemy.dialects import postgresql
from sqlmodel import Session, SQLModel

from provenance.errors import InputError, LedgerError
from provenance.ledger import searching
from provenance.ledger.catalog import Catalog, FacetRow, MentionRow
from provenance.ledger.filters import Filters, Sort, Sought
from provenance.ledger.indexing import Facet
from provenance.ledger.searching import search
from provenance.log import backends
from provenance.log.log import Log
from provenance.log.store import Database, EntryRow, EnvelopeRow, insert


@pytest.fixture
def url(postgres: Server) -> str:
    made = postgres.database()
    Database.create(made).close()
    return made


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database.open(url)
    yield opened
    opened.close()


def name_of(url: str) -> str:
    return str(make_url(url).database)


def append(database: Database, *names: str) -> list[int]:
    with database.writing() as session:
        return Log(session, ORIGIN).append([submission(name) for name in names])


def told(call: Callable[[], object]) -> str:
    """Return what a call that must fail says; neither that nor its causes show the password."""
    with pytest.raises((LedgerError, InputError)) as caught:
        call()
    error: BaseException | None = caught.value
    while error is not None:
        for secret in ("s3cret", QUOTED, "hidden"):
            assert secret not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return str(caught.value)


# --- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://me:hidden@127.0.0.1:1/db", "postgresql://127.0.0.1:1/db cannot be reached"),
        ("postgresql://me:hidden@no.invalid/db", "postgresql://no.invalid/db cannot be reached"),
        ("postgresql:///db?host=/nowhere&password=hidden", "cannot be reached"),
        ("postgresql://me:hidden@/db?odd=1", "cannot be reached: invalid connection option"),
        ("postgresql://me:hid:den@host:port/db", "not the URL of a database"),
        ("mysql://me:hidden@host/db", "not the URL of a database"),
        ("ledger.db", "not the URL of a database"),
    ],
)
def test_a_server_that_is_out_of_reach(url: str, message: str) -> None:
    for call in (Database.create, Database.open):
        assert message in told(functools.partial(call, url))


def test_the_wrong_password_or_database_is_told(postgres: Server) -> None:
    wrong = postgres.url("postgres", password="hidden")
    assert "password authentication failed" in told(lambda: Database.open(wrong))
    missing = postgres.url("nobody_made_it")
    assert 'database "nobody_made_it" does not exist' in told(lambda: Database.open(missing))
    assert "holds no ledger" in told(lambda: Database.open(postgres.url("postgres")))


def test_no_driver_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    said = told(lambda: Database.open("postgresql://me:hidden@host/db"))
    assert "pip install 'provenance-ledger[postgres]'" in said


def test_a_second_ledger_in_one_database_is_refused(postgres: Server, url: str) -> None:
    said = told(lambda: Database.create(url))
    assert "is taken" in said
    assert "Give each ledger a database, or a schema, of its own" in said
    # In a schema of its own it can stay.
    postgres.run("CREATE SCHEMA second", name_of(url))
    own = f"{url}&options=-csearch_path%3Dsecond"
    Database.create(own).close()
    for place, name in ((url, "first"), (own, "second")):
        opened = Database.open(place)
        assert append(opened, name) == [0]
        opened.close()
        assert check_whole(place) == [name]
    assert "is taken" in told(lambda: Database.create(own))


def test_of_two_that_create_at_once_one_is_refused(postgres: Server) -> None:
    url, outcomes = postgres.database(), []

    def create() -> None:
        try:
            Database.create(url).close()
            outcomes.append("made")
        except LedgerError as error:
            outcomes.append(re.sub(r"^\S+ (is taken|cannot be used).*", "refused", str(error)))

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "refused", "refused", "refused"]
    assert check_whole(url) == []


def test_a_database_of_another_version(postgres: Server, url: str) -> None:
    postgres.run("UPDATE alembic_version SET version_num = '99'", name_of(url))
    said = "has schema version 99, not 9: use the version of provenance-ledger that made it"
    assert said in told(lambda: Database.open(url))
    postgres.run("DELETE FROM alembic_version", name_of(url))
    assert "holds no ledger: it tells no schema version" in told(lambda: Database.open(url))


def test_a_database_that_cannot_hold_every_text(postgres: Server) -> None:
    url = postgres.database(encoding="'LATIN1'", locale="'C'", template="template0")
    assert "server_encoding = LATIN1" in told(lambda: Database.create(url))


def test_a_server_that_does_not_sync() -> None:
    server = Server(fsync="off")
    try:
        url = server.start().database()
        Database.create(url).close()
        assert "fsync = off: a power cut would lose" in told(lambda: Database.open(url))
    finally:
        server.close()


def test_a_writer_that_waits_too_long(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "BUSY_SECONDS", 0.2)
    first, second = Database.open(url), Database.open(url)
    with first.writing() as session:
        Log(session, ORIGIN).append([submission("one")])
        assert "by another process for more than 0.2 s" in told(lambda: append(second, "two"))
        with second.reading() as reading:
            assert Log(reading, ORIGIN).size == 0
    assert append(second, "two") == [1]
    first.close()
    second.close()
    assert check_whole(url) == ["one", "two"]


FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device'
      USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON tile EXECUTE FUNCTION full_disk();
"""


def test_a_full_disk_leaves_everything_as_it_was(
    postgres: Server, url: str, database: Database
) -> None:
    append(database, "kept")
    postgres.run(FULL, name_of(url))
    assert "disk of the server is full" in told(lambda: append(database, "lost"))
    postgres.run("DROP TRIGGER full_disk ON tile", name_of(url))
    assert append(database, "later") == [1]
    assert check_whole(url) == ["kept", "later"]


def test_no_right_to_the_tables(postgres: Server, url: str) -> None:
    postgres.run("CREATE ROLE reader LOGIN PASSWORD 'hidden'")
    reader = postgres.url(name_of(url), user="reader", password="hidden")
    assert "cannot be used: permission denied" in told(lambda: Database.open(reader))


def test_a_connection_that_broke(postgres: Server, url: str, database: Database) -> None:
    """Between two transactions nobody notices; within one it is told, and the next one works."""
    end = f"""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = '{name_of(url)}'"""
    append(database, "one")
    postgres.run(end)
    assert append(database, "two") == [1]

    def broken() -> None:
        with database.writing() as session:
            Log(session, ORIGIN).append([submission("three")])
            postgres.run(end)

    def broken_within() -> None:
        with database.writing() as session:
            postgres.run(end)
            insert(session, EnvelopeRow, [(2, b"three")])

    for breaking in (broken, broken_within):
        said = told(breaking)
        assert "broke the connection: " in said
        assert "may be there or not; ask again" in said
    assert append(database, "three") == [2]
    assert check_whole(url) == ["one", "two", "three"]


# --- what it rests on -----------------------------------------------------------------------------


def test_the_generation_is_asked_for_over_another_connection_where_one_broke(
    postgres: Server, url: str, database: Database
) -> None:
    assert database.generation() == 0
    postgres.run(
        f"""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = '{name_of(url)}'"""
    )
    assert database.generation() == 0
    append(database, "one")
    assert database.generation() == 1


def test_what_is_committed_is_on_disk(database: Database) -> None:
    with database.writing() as session:
        ask = session.connection().exec_driver_sql
        assert ask("SHOW synchronous_commit").scalar() == "on"
        assert ask("SHOW transaction_isolation").scalar() == "read committed"
        assert ask("SHOW idle_in_transaction_session_timeout").scalar() == "1min"


def test_writers_do_not_rest_on_the_defaults_of_the_server(postgres: Server, url: str) -> None:
    postgres.run(
        f"ALTER DATABASE {name_of(url)} SET default_transaction_isolation = 'repeatable read'"
    )
    with closing(Database.open(url)) as database, database.writing() as session:
        shown = session.connection().exec_driver_sql("SHOW transaction_isolation")
        assert shown.scalar() == "read committed"


def test_a_reader_sees_one_state_and_cannot_write(url: str, database: Database) -> None:
    with database.reading() as session:
        log = Log(session, ORIGIN)
        assert log.size == 0
        append(database, "one", "two")
        assert log.size == 0
    with database.reading() as session:
        assert Log(session, ORIGIN).size == 2

    def write() -> None:
        with database.reading() as session:
            insert(session, EntryRow, [(2, 1, b"", b"")])

    assert "read-only transaction" in told(write)


def test_every_number_has_64_bits() -> None:
    """Of every table, also of those that other packages add."""
    importlib.import_module("provenance.ledger.ledger")
    assert {"mention", "facet", "anchor", "state_proof"} <= set(SQLModel.metadata.tables)
    # A kind is one byte, and a statement names at most 2,000 artifacts.
    narrow = {("entry", "kind"), ("mention", "position"), ("mention", "kind"), ("facet", "facet")}
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in SQLModel.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type.dialect_impl(dialect), Integer) or isinstance(
                column.type, Integer
            ):
                shown = column.type.compile(dialect=dialect)
                wide = shown == "BIGINT"
                assert wide or (table.name, column.name) in narrow, f"{table.name}.{column.name}"
    assert BigInteger().compile(dialect=dialect) == "BIGINT"


SOUGHT: list[Filters] = [
    {},
    {"kind": "dataset"},
    {"issued_after": "2026-01-31"},
    {"issued_after": "2026-01-31", "issued_before": "2026-02-28", "name": "data 7"},
    {"license": "MIT", "metadata": {"split": "train", "n": 1}, "signer": "00" * 32},
]


def _ask_for_artifacts(
    session: Session, monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, Any]]
) -> list[tuple[str, Any]]:
    """Ask for every kind of page; return the questions that follow an order."""
    for few in (True, False):  # what few meet leads, or the order does
        monkeypatch.setattr(searching._Search, "_count", lambda *_, few=few: 0 if few else 10**6)
        first = len(asked)
        for sort, wanted in itertools.product(get_args(Sort), SOUGHT):
            for after in (None, (b"", 7)):
                search(session, Sought.of(wanted, sort), after=after, limit=10)
    return asked[first:]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nothing_that_an_append_or_a_look_up_asks_is_a_scan(
    kind: str, tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Database.create(postgres.database() if kind == "postgresql" else tmp_path / "ledger.db")
    for first in range(0, 600, 200):
        append(made, *(f"{first + number}" for number in range(200)))
    with made.writing() as session:
        insert(session, MentionRow, [(n, 0, n.to_bytes(32), 1, True) for n in range(600)])
        insert(session, FacetRow, [(f, n.to_bytes(32), n) for f in Facet for n in range(600)])
    asked: list[tuple[str, Any]] = []

    @event.listens_for(made._engine, "before_cursor_execute")
    def watch(_connection: Any, _cursor: Any, sql: str, values: Any, *_rest: object) -> None:
        if sql.startswith("SELECT"):
            asked.append((sql, values))

    with made.writing() as session:
        if kind == "postgresql":
            # So they are planned only where no index could serve; of few rows, they are fastest.
            off = "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off"
            session.connection().exec_driver_sql(off)
        log, looked = Log(session, ORIGIN), Catalog(session)
        log.append([submission("one more"), submission("7")])
        log.of_kinds("key", "supersede", since=3)
        log.envelope(5)
        looked.digests_like("0" * 60)
        looked.about("00" * 32)
        looked.registrations(name="data 7", limit=1)
        looked.registrations(digest="00" * 32, limit=1)
        looked.registrations(name="data 7", digest="00" * 32)
        looked.with_envelope(bytes(32))
        assert len(asked) == 12
        followed = _ask_for_artifacts(session, monkeypatch, asked)
        questions = list(asked)
        explain = "EXPLAIN QUERY PLAN" if kind == "sqlite" else "EXPLAIN"
        for sql, values in questions:
            cursor = session.connection().connection.cursor()
            cursor.execute(f"{explain} {sql}", values)
            plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
            plan = plan.replace("SCAN anon_1", "")  # of the ten thousand that were counted at most
            assert "SCAN" not in plan, (sql, plan)
            assert "Seq Scan" not in plan, (sql, plan)
            if (sql, values) in followed:  # a list that lies in order is not put in order
                assert "TEMP B-TREE" not in plan, (sql, plan)
                assert "Sort" not in plan, (sql, plan)
                if "(facet_1.value, facet_1.entry)" in sql:  # it begins where the page before ended
                    assert re.search(r"[( ]\(?value, ?entry\) ?[<>]", plan), (sql, plan)
    made.close()
