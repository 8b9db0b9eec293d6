"""Answers that are kept until something is written, in this process or in another."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event
from sqlmodel import select

from provenance.errors import LedgerError
from provenance.log import kept
from provenance.log.blocking import WouldBlockError, nonblocking
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


def test_connections_are_opened_as_they_are_needed_and_stay(database):
    """PostgreSQL forks a process for each, and derives a key from its password."""
    opened, together = [], threading.Barrier(12)
    event.listen(database._engine, "connect", lambda *_: opened.append(1))

    def read(_):
        with database.reading() as session:
            session.exec(select(CheckpointRow.size)).all()
            together.wait(30)

    with ThreadPoolExecutor(12) as threads:
        for _ in range(3):
            list(threads.map(read, range(12)))
    assert 10 <= len(opened) <= 12  # making the tables took one, or two


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


def test_a_database_that_was_put_back_is_read_anew(database):
    answers = Kept(database)
    for size in range(3):
        write(database, size)
    assert answers.get("sizes", lambda: sizes(database)) == [0, 1, 2]
    with database._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM checkpoint WHERE size > 0")
        connection.exec_driver_sql("UPDATE generation SET number = 1")
    for _ in range(2):
        assert answers.get("sizes", lambda: sizes(database)) == [0]
    write(database, 1)
    assert answers.get("sizes", lambda: sizes(database)) == [0, 1]


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


class Slow:
    """Makes one answer after the other, each when it is let go on."""

    def __init__(self, *answers):
        self.answers, self.begun, self.go_on = [*answers], threading.Semaphore(0), []

    def __call__(self):
        answer, waits = self.answers.pop(0), threading.Event()
        self.go_on.append(waits)
        self.begun.release()
        assert waits.wait(30)
        if isinstance(answer, Exception):
            raise answer
        return answer


def ask(threads, answers, make):
    """Ask for a slow answer in a thread; return it to come, once it is being made."""
    asked = threads.submit(answers.get, "slow", make)
    assert make.begun.acquire(timeout=30)
    return asked


def test_where_many_ask_one_makes_it(database):
    answers, make = Kept(database), Slow("made once")
    with ThreadPoolExecutor(9) as threads:
        asked = [ask(threads, answers, make)]
        asked += [threads.submit(answers.get, "slow", make) for _ in range(8)]
        with nonblocking(), pytest.raises(WouldBlockError):
            answers.get("slow", make)
        assert answers.get("other", lambda: 1) == 1, "nobody waits for another answer"
        make.go_on[0].set()
        assert {each.result(30) for each in asked} == {"made once"}


def test_who_asks_after_a_write_does_not_wait_for_what_was_begun_before(database):
    answers, make = Kept(database), Slow("old", "new")
    with ThreadPoolExecutor(2) as threads:
        before = ask(threads, answers, make)
        write(database, 1)
        after = ask(threads, answers, make)
        make.go_on[1].set()
        assert after.result(30) == "new"
        make.go_on[0].set()
        assert before.result(30) == "old"
    assert answers.get("slow", make) == "new"


def test_what_one_could_not_make_the_next_who_waits_makes(database):
    answers, make = Kept(database), Slow(LedgerError("not there"), "there")
    with ThreadPoolExecutor(2) as threads:
        first = ask(threads, answers, make)
        second = threads.submit(answers.get, "slow", make)
        make.go_on[0].set()
        with pytest.raises(LedgerError):
            first.result(30)
        assert make.begun.acquire(timeout=30)
        make.go_on[1].set()
        assert second.result(30) == "there"


def test_a_database_that_cannot_be_asked(tmp_path):
    database = Database.create(tmp_path / "ledger.db")
    with sqlite3.connect(tmp_path / "ledger.db") as other:
        other.execute("DROP TABLE generation")
    other.close()
    with pytest.raises(LedgerError, match=r"ledger\.db cannot be used: no such table"):
        database.generation()
    database.close()
