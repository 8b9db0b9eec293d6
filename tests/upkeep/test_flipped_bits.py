"""Any single bit, in any file: it is reported, or nothing rests on it.

That nothing rests on a bit is no list of exceptions. The file without it means the same to whoever
reads it (`looking.content`): each value of each table and the schema are what they were, as where
SQLite keeps pages that are free; a key is the same key; of any other file every byte counts.
"""

import random
import shutil
import sqlite3

import pytest
from looking import content, without_spare_files

from provenance import fsck
from provenance.upkeep.database import TABLES
from provenance.upkeep.report import Findings

SAMPLES = 150


def files(folder):
    """Those that are not empty, in an order that does not depend on their names."""
    return sorted(
        (path for path in folder.rglob("*") if path.is_file() and path.stat().st_size),
        key=lambda path: (path.suffix, path.stat().st_size, path.name),
    )


def flipped(data, at, bit):
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def check(home, path, data, at, bit):
    """Flip one bit, and hold what is said against what the file then means; put it back."""
    meant = content(path)
    path.write_bytes(flipped(data, at, bit))
    found = fsck(home)
    if found.verdict == "whole":
        without_spare_files(path.parent)
        assert content(path) == meant, f"bit {bit} of byte {at} of {path} is not found"
    path.write_bytes(data)
    without_spare_files(home / ".provenance")
    return found.verdict


@pytest.mark.parametrize("seed", range(3))
def test_random_bits_of_every_file(home, folder, seed):
    source = random.Random(seed)
    verdicts = []
    paths = files(folder)
    assert {path.suffix for path in paths} == {
        *("", ".db", ".index", ".json", ".pem", ".sha256", ".spool", ".toml")
    }
    for number in range(SAMPLES // 3):
        path = paths[number % len(paths)]
        data = path.read_bytes()
        verdicts.append(check(home, path, data, source.randrange(len(data)), number % 8))
    assert verdicts.count("damaged") > SAMPLES // 6
    assert fsck(home).verdict == "whole"


def test_every_byte_of_what_is_small(home, folder):
    """One bit of each byte, of the smallest file of each kind; not of databases."""
    smallest = {path.suffix: path for path in reversed(files(folder)) if path.suffix != ".db"}
    del smallest[".pem"]  # as good as random bytes; a good part of the others is text
    del smallest[".toml"], smallest[".json"]  # each has a checksum
    for path in smallest.values():
        data = path.read_bytes()
        for at in range(0, len(data), 1 + len(data) // 40):
            check(home, path, data, at, at % 8)


def rows_of(connection):
    """Table, key columns, key, column and value, of every value of a database."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (table,) in tables:
        columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
        names = [column[1] for column in columns]
        keys = [column[1] for column in columns if column[5]]
        for row in connection.execute(f'SELECT * FROM "{table}"').fetchall():
            values = dict(zip(names, row, strict=True))
            for name, value in values.items():
                yield table, {key: values[key] for key in keys}, name, value


def another(value, source):
    """A value that is one bit away."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value ^ 1 << source.randrange(20)
    data = (value.encode() if isinstance(value, str) else value) or b"\x01"
    while True:
        changed = flipped(data, source.randrange(len(data)), source.randrange(8))
        try:
            return changed.decode() if isinstance(value, str) else changed
        except UnicodeDecodeError:  # SQLite would not take it for text
            continue


def test_a_bit_of_every_value_of_the_database(home, folder, monkeypatch):
    """The logical half of the above: each column of each row, whatever page it lies in."""
    quick(monkeypatch)
    source = random.Random(7)
    path = folder / "ledger.db"
    whole = path.read_bytes()
    connection = sqlite3.connect(path, isolation_level=None)
    values = [value for value in rows_of(connection) if TABLES[value[0]] is not None]
    connection.close()
    without_spare_files(folder)
    assert {table for table, *_ in values} >= {"entry", "mention", "anchor", "token", "cosignature"}
    for table, key, name, value in values:
        connection = sqlite3.connect(path, isolation_level=None)
        where = " AND ".join(f'"{column}" = ?' for column in key)
        sql = f'UPDATE "{table}" SET "{name}" = ? WHERE {where}'
        try:
            connection.execute(sql, (another(value, source), *key.values()))
        except sqlite3.IntegrityError:  # the key of another row
            continue
        finally:
            connection.close()
        assert fsck(home).verdict == "damaged", (table, key, name)
        without_spare_files(folder)
        path.write_bytes(whole)
    assert fsck(home).verdict == "whole"


def quick(monkeypatch):
    """Leave out what does not look at the database."""
    import sys

    module = sys.modules["provenance.upkeep.fsck"]
    for name in ("check_chain_files", "check_trees", "check_keys"):
        area = Findings(name).area("left out", there=False)
        monkeypatch.setattr(module, name, lambda *_, area=area: area)


def test_the_content_of_a_database_is_what_its_tables_hold(folder, tmp_path):
    """What the tests above rest on can fail."""
    path = folder / "ledger.db"
    before = content(path)
    copy = tmp_path / "ledger.db"
    shutil.copy(path, copy)
    connection = sqlite3.connect(copy, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("VACUUM")
    assert content(copy) == before, "another file, and the same tables"
    for sql in (
        "UPDATE token SET scope = 'read' WHERE scope = 'submit'",
        "UPDATE alembic_version SET version_num = '0'",
        "DROP INDEX mention_digest",
    ):
        connection.execute(sql)
        assert content(copy) != before
        before = content(copy)
    connection.close()
