"""What may not wait is told where it would have to, and sees one state."""

import threading

import pytest
from sqlmodel import select

from provenance.log.blocking import WouldBlockError, before_blocking, nonblocking, once
from provenance.log.kept import Kept
from provenance.log.store import CheckpointRow, Database


@pytest.fixture
def database(tmp_path):
    database = Database.create(tmp_path / "ledger.db")
    yield database
    database.close()


def test_only_in_the_block_and_in_this_thread_nothing_waits():
    before_blocking()
    with nonblocking():
        with pytest.raises(WouldBlockError):
            before_blocking()
        other = threading.Thread(target=before_blocking)  # its exception would fail the test
        other.start()
        other.join()
    before_blocking()


def test_an_exception_ends_the_block():
    with pytest.raises(ZeroDivisionError), nonblocking():
        raise ZeroDivisionError
    before_blocking()


def test_a_database_is_read_and_written_by_those_alone_who_may_wait(database):
    with nonblocking():
        for opened in (database.reading, database.writing):
            with pytest.raises(WouldBlockError), opened():
                pass
        assert database.generation() == 0


def test_a_database_on_a_server_is_asked_nothing(postgres):
    pytest.importorskip("psycopg")
    database = Database.create(postgres.database())
    kept = Kept(database)
    assert kept.get("size", lambda: 7) == 7
    with nonblocking(), pytest.raises(WouldBlockError):
        kept.get("size", lambda: 8)
    database.close()


def test_what_is_kept_is_at_hand_and_what_is_not_is_not(database):
    kept = Kept(database)

    def size():
        with database.reading() as session:
            return len(session.exec(select(CheckpointRow)).all())

    with nonblocking(), pytest.raises(WouldBlockError):
        kept.get("size", size)
    assert kept.get("size", size) == 0
    with nonblocking():
        assert kept.get("size", size) == 0
    with database.writing() as session:
        session.add(CheckpointRow(size=1, note=""))
    with nonblocking(), pytest.raises(WouldBlockError):
        kept.get("size", size)
    assert kept.get("size", size) == 1


def test_a_block_asks_once_and_the_next_asks_anew():
    answers = iter(range(9))
    for expected in range(2):
        with nonblocking():
            assert {once("key", lambda: next(answers)) for _ in range(3)} == {expected}
    assert [once("key", lambda: next(answers)) for _ in range(3)] == [2, 3, 4]
