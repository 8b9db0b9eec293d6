"""Answers that are kept until something is written, in this process or in another."""

import sqlite3
import threading

import pytest
from sqlmodel import select

from provenance.errors import LedgerError
from provenance.log import kept
from provenance.log.kept import Kept
from provenance.log.store import CheckpointRow, Database


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    if request.param == "sqlite":
        return tmp_path / "ledger.db"
    pytest.importorskip("psycopg")
    return request.getfixturevalue("postgres").database()


@pytest.fixture
def database(place):
    database = Database.create(place)
    yield database
    database.close()


def write(database, size):
    with database.writing() as session:
        session.add(CheckpointRow(size=size, note=""))


def sizes(database):
    with database.reading() as session:
        return sorted(session.exec(select(CheckpointRow.size)))


def test_what_is_kept_is_what_a_look_would_find(database, place):
    """Whoever writes: this process, or another that has the database open."""
    answers, asked = Kept(database), []

    def look():
        asked.append(1)
        return sizes(database)

    other = Database.open(place)
    for size, writer in enumerate([database, other, database, other]):
        for _ in range(3):
            assert answers.get("sizes", look) == sizes(database)
        write(writer, size)
    assert answers.get("sizes", look) == [0, 1, 2, 3]
    assert len(asked) == 5
    other.close()


def test_a_transaction_that_failed_changed_nothing(database):
    before = database.generation()
    with pytest.raises(ZeroDivisionError), database.writing() as session:  # noqa: PT012
        session.add(CheckpointRow(size=1, note=""))
        1 / 0  # noqa: B018
    assert database.generation() == before
    write(database, 1)
    assert database.generation() > before


def test_what_was_read_while_somebody_wrote_is_not_kept_for_the_next(database):
    answers = Kept(database)

    def look():
        found = sizes(database)
        if not found:
            write(database, 1)  # after this one looked, before it is kept
        return found

    assert answers.get("sizes", look) == []
    assert answers.get("sizes", look) == [1]


def test_what_is_raised_and_what_is_large_is_not_kept(database, monkeypatch):
    answers, asked = Kept(database), []

    def fail():
        asked.append(1)
        raise LedgerError("not there")

    for _ in range(2):
        with pytest.raises(LedgerError):
            answers.get("failing", fail)
    assert len(asked) == 2

    def make():
        asked.append(1)
        return b"12345"

    monkeypatch.setattr(kept, "LARGE", 4)
    for _ in range(2):
        assert answers.get("large", make, len) == b"12345"
    assert len(asked) == 4


def test_the_one_that_was_asked_for_least_recently_gives_way(database, monkeypatch):
    monkeypatch.setattr(kept, "MOST", 2)
    answers, asked = Kept(database), []

    def get(key):
        return answers.get(key, lambda: asked.append(key) or key)

    for key in "abacab":
        assert get(key) == key
    assert asked == ["a", "b", "c", "b"]


def test_threads_share_it(database):
    """Whoever asks after a write has returned sees it."""
    answers, written, stale = Kept(database), [0], []

    def read():
        for _ in range(200):
            least = written[0]
            if len(answers.get("sizes", lambda: sizes(database))) < least:
                stale.append(least)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for size in range(20):
        write(database, size)
        written[0] = size + 1
    for thread in threads:
        thread.join()
    assert stale == []
    assert answers.get("sizes", lambda: sizes(database)) == list(range(20))


def test_a_database_that_cannot_be_asked(tmp_path):
    database = Database.create(tmp_path / "ledger.db")
    with sqlite3.connect(tmp_path / "ledger.db") as other:
        other.execute("DROP TABLE generation")
    other.close()
    with pytest.raises(LedgerError, match=r"ledger\.db cannot be used: no such table"):
        database.generation()
    database.close()
