"""`reindex`: the catalogue as it was, from the statements alone."""

import pytest
from looking import told

from provenance import Ledger, LedgerError, fsck
from provenance.upkeep import reindexing
from provenance.upkeep.reindexing import reindex

HURT = ("DELETE FROM mention WHERE entry = 2", "DELETE FROM facet WHERE facet IN (1, 17)")
TOO_MUCH = (
    "UPDATE mention SET digest = {x} WHERE entry = 4",
    "INSERT INTO facet VALUES (1, {x}, 2), (1, {x}, 99)",
    "INSERT INTO mention VALUES (99, 0, {x}, 1, true)",
)
EVERY = ("SELECT * FROM mention ORDER BY 1, 2", "SELECT * FROM facet ORDER BY 1, 2, 3")


@pytest.fixture(params=["sqlite", "postgresql"])
def ask(request, home):
    """Ask the database of `home` behind the ledger's back."""
    if request.param == "sqlite":
        database = request.getfixturevalue("database")
        yield lambda sql: database(sql.format(x="X'78'")).fetchall()
        return
    url = request.getfixturevalue("postgres").database()
    for name in ("data", ".provenance"):
        (home / name).rename(home / f"old{name}")
    with Ledger.init(home, origin="acme.example/ml", database=url) as ledger:
        raw = ledger.register([{"a": 1}, {"a": 2}], name="raw")
        with ledger.step("clean", inputs=[raw]) as step:
            step.output([{"a": 1}], name="clean")
            step.derive()
        engine = ledger._database._engine

        def asked(sql):
            with engine.begin() as connection:
                found = connection.exec_driver_sql(sql.format(x="'x'::bytea"))
                return [tuple(row) for row in found] if sql.startswith("SELECT") else None

        yield asked


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_it_is_what_it_was(home, ask, batch, monkeypatch):
    monkeypatch.setattr(reindexing, "_BATCH", batch)
    before = [ask(sql) for sql in EVERY]
    for sql in (*HURT, *TOO_MUCH):
        ask(sql)
    assert set(told(fsck(home))) == {"catalogue"}
    calls = []
    count = reindex(home, progress=lambda done, total: calls.append((done, total)))
    assert [ask(sql) for sql in EVERY] == before
    assert fsck(home).verdict == "whole"
    assert calls[-1] == (count, count)


def test_what_was_erased_stays_as_it_is(home, database):
    before = [database(sql).fetchall() for sql in EVERY]
    database('DELETE FROM envelope WHERE "index" = 8')
    database("DELETE FROM mention WHERE entry = 2")
    assert reindex(home) == 11
    assert [database(sql).fetchall() for sql in EVERY] == before
    database("DELETE FROM mention WHERE entry = 8")
    reindex(home)
    assert not database("SELECT * FROM mention WHERE entry = 8").fetchall()


def test_nothing_is_made_of_a_damaged_statement(home, database):
    database('UPDATE envelope SET data = CAST(data || zeroblob(1) AS BLOB) WHERE "index" = 8')
    database(HURT[0])
    before = [database(sql).fetchall() for sql in EVERY]
    with pytest.raises(LedgerError, match="the envelope of entry 8 is not the one"):
        reindex(home)
    assert [database(sql).fetchall() for sql in EVERY] == before


def test_who_has_the_ledger_open_sees_it(home, database):
    with Ledger.open(home) as ledger:
        found = ledger.history("sample")
        database(HURT[0])
        reindex(home)
        assert ledger.history("sample") == found
