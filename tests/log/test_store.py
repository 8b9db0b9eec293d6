"""The database under the log: what two writers, `kill -9`, a full disk or a lock leave of it."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from appending import ORIGIN, check_whole, promised, submission
from sqlmodel import select

from provenance.errors import LedgerError
from provenance.ledger.catalog import AnchorRow
from provenance.log import backends
from provenance.log.log import Log
from provenance.log.store import CheckpointRow, Database, EntryRow, seal_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Database.create(tmp_path / "ledger.db").close()
    return tmp_path / "ledger.db"


# --- a full disk ------------------------------------------------------------------------------


def append(database: Database, first: int, count: int) -> None:
    with database.writing() as session:
        names = [f"full {number}" for number in range(first, first + count)]
        Log(session, ORIGIN).append([submission(name) for name in names])


def test_a_full_database_is_left_as_it_was(path: Path) -> None:
    database = Database.open(path)
    append(database, 0, 20)
    with database.reading() as session:
        pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar()
        session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(LedgerError, match=f"the disk is full: {path} was left as it was"):
        append(database, 20, 50)
    assert check_whole(path) == [f"full {number}" for number in range(20)]
    with database.reading() as session:
        session.connection().exec_driver_sql("PRAGMA max_page_count = 100000")
    append(database, 20, 50)
    database.close()
    assert check_whole(path) == [f"full {number}" for number in range(70)]


FILL = """
import sys, resource
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from appending import append_and_tell
from provenance.errors import LedgerError
from provenance.log.store import Database

database = Database.open(Path(sys.argv[2]))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
try:
    append_and_tell(database, "fill", 100_000, 11)
except LedgerError as error:
    print(error, file=sys.stderr)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    append_and_tell(database, "after", 11, 11)
"""


def test_a_file_that_may_grow_no_further(path: Path) -> None:
    """The operating system refuses a write in the midst of a transaction; later it allows it."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(Path(__file__).parent), str(path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == f"the disk is full: {path} was left as it was"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    ranges, sizes = promised(done.stdout.splitlines(keepends=True))
    names = check_whole(path)
    assert len(ranges) > 3
    count = ranges[-1][1] + 1
    fills = [f"fill {number}" for number in range(count - 11)]
    assert names == fills + [f"after {number}" for number in range(11)]
    assert sizes[-1] == count


# --- locks, rights, versions ----------------------------------------------------------------------


def test_a_writer_that_waits_too_long_is_told_why(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "BUSY_SECONDS", 0.1)
    first, second = Database.open(path), Database.open(path)
    with first.writing() as session:
        Log(session, ORIGIN).append([submission("one")])
        with pytest.raises(LedgerError, match=r"another process for more than 0\.1 s"):
            append(second, 0, 1)
        with second.reading() as reading:
            assert Log(reading, ORIGIN).size == 0
    append(second, 0, 1)
    first.close()
    second.close()
    assert check_whole(path) == ["one", "full 0"]


def test_a_reader_sees_one_state(path: Path) -> None:
    """Between its first and its last question nobody can change the answer."""
    reader, writer = Database.open(path), Database.open(path)
    with reader.reading() as session:
        log = Log(session, ORIGIN)
        assert log.size == 0
        append(writer, 0, 3)
        assert log.size == 0
    with reader.reading() as session:
        assert Log(session, ORIGIN).size == 3
    reader.close()
    writer.close()


def test_it_is_durable_and_open_to_readers(path: Path) -> None:
    database = Database.open(path)
    with database.reading() as session:
        pragma = session.connection().exec_driver_sql
        assert pragma("PRAGMA journal_mode").scalar() == "wal"
        assert pragma("PRAGMA synchronous").scalar() == 2
    database.close()


def test_a_database_of_another_version(path: Path) -> None:
    for sql, said in (
        ("UPDATE alembic_version SET version_num = '6'", "schema version 6, not 9: use the"),
        ("UPDATE alembic_version SET version_num = '10'", "schema version 10, not 9: use the"),
        ("INSERT INTO alembic_version VALUES ('ae10')", "schema version 10 and ae10, not 9: use"),
        ("DELETE FROM alembic_version", "holds no ledger: it tells no schema version"),
        ("DROP TABLE alembic_version", "holds no ledger: it tells no schema version"),
    ):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(sql)
        with pytest.raises(LedgerError, match=said):
            Database.open(path)


def test_a_file_that_is_taken(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="is taken: it has a table alembic_version"):
        Database.create(path)
    assert path.read_bytes() == before
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE alembic_version")
    with pytest.raises(LedgerError, match="table entry already exists"):
        Database.create(path)


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="is missing"):
        Database.open(tmp_path / "ledger.db")
    with pytest.raises(LedgerError, match="is missing"):
        Database.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"something else" * 100)
    with pytest.raises(LedgerError, match="cannot be used: file is not a database"):
        Database.open(tmp_path / "ledger.db")


def test_a_damaged_database(path: Path) -> None:
    database = Database.open(path)
    append(database, 0, 30)
    database.close()
    data = bytearray(path.read_bytes())
    begin = 3 * 4096  # behind the version
    data[begin:] = bytes(len(data) - begin)
    path.write_bytes(data)
    database = Database.open(path)
    with pytest.raises(LedgerError, match="cannot be used: database disk image is malformed"):
        append(database, 30, 1)
    database.close()
    data[4096:begin] = bytes(begin - 4096)
    path.write_bytes(data)
    with pytest.raises(LedgerError, match="cannot be used: database disk image is malformed"):
        Database.open(path)


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be used: unable to open database file"):
        Database.create(tmp_path / "missing" / "ledger.db")


WITHOUT_RIGHTS = """
import os
from pathlib import Path
from provenance.errors import LedgerError
from provenance.log.store import Database
if os.geteuid() == 0:  # root may write to any file; nobody may not
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    Database.open(Path("ledger.db"))
except LedgerError as error:
    print(error)
"""


def test_a_file_that_may_not_be_written(path: Path) -> None:
    path.chmod(0o444)
    path.parent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS], capture_output=True, text=True, cwd=path.parent
    )
    expected = "no right to read and write ledger.db: check its owner and mode\n"
    assert (done.stdout, done.stderr) == (expected, "")


@pytest.mark.parametrize("name", ["a?mode=ro", "a#b", "a%20b", "a b", "ü\u0301", "file:x"])
def test_a_path_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    database = Database.create(folder / name)
    append(database, 0, 1)
    database.close()
    assert name in {each.name for each in folder.iterdir()}
    assert check_whole(folder / name) == ["full 0"]


# --- rows that say themselves what they should be -------------------------------------------------


def test_a_seal_is_the_hash_of_a_row() -> None:
    values = {"name": "é", "number": 7, "large": 2**60, "data": b"\x00\xff", "none": None}
    text = '["x",{"data":"00ff","large":"1152921504606846976","name":"é","none":null,"number":7}]'
    assert seal_of("x", values) == sha256(text.encode()).digest()


def test_each_way_to_write_a_row_seals_it(path: Path) -> None:
    with closing(Database.open(path)) as database:
        place = {"size": 4, "root": b"r" * 32, "tx_hash": b"t" * 32, "nonce": 2**60}

        def sealed(chain: str) -> str:
            with database.reading() as session:
                row = session.get(AnchorRow, (chain, 4))
                assert row is not None
                values = {name: value for name, value in row.model_dump().items() if name != "seal"}
                assert row.seal == seal_of("anchor", values)
                return row.state

        with database.writing() as session:
            session.add(AnchorRow(chain="added", state="submitted", **place))
            session.merge(AnchorRow(chain="merged", state="submitted", **place))
        assert (sealed("added"), sealed("merged")) == ("submitted", "submitted")
        with database.writing() as session:
            session.merge(AnchorRow(chain="merged", state="mined", **place))
            row = session.get(AnchorRow, ("added", 4))
            assert row is not None
            row.state = "final"
            session.add(row)
        assert (sealed("added"), sealed("merged")) == ("final", "mined")


def test_what_is_opened_to_be_read_is_not_written(path: Path) -> None:
    before = path.read_bytes()
    with closing(Database.open(path, to_write=False)) as database:
        with database.reading() as session:
            assert session.exec(select(EntryRow)).all() == []
        with pytest.raises(LedgerError, match="readonly"), database.writing() as session:
            session.add(CheckpointRow(size=1, note=""))
    assert path.read_bytes() == before
