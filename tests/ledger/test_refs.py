"""REF: names, prefixes of digests, and paths of what is registered."""

import hashlib
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provenance import InputError
from provenance.ledger.catalog import Catalog

ROWS = [{"id": number} for number in range(3)]


def test_the_newest_of_a_name(ledger):
    old = ledger.register(ROWS, name="rows")
    new = ledger.register(ROWS[:1], name="rows")
    assert ledger.resolve("rows") == new
    assert ledger.resolve(old) == old


def test_a_name_comes_before_a_digest_and_a_path(ledger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = ledger.register(ROWS[:1], name="other")
    (tmp_path / "other").write_bytes(b"x")
    named = ledger.register(ROWS, name=other.digest[:8])
    assert ledger.resolve(other.digest[:8]) == named
    assert ledger.resolve("other") == other


def test_prefixes_of_digest_root_and_sha256(ledger, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n")
    found = ledger.register(path, name="table")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    for text in (found.digest, found.root, sha256):
        for length in (8, 9, 64):
            assert ledger.resolve(text[:length]) == found
        assert ledger.resolve(text[:20].upper()) == found
        for wrong in (text[:7], text + "0", text[:8] + "g", "0" * 8):
            with pytest.raises(InputError, match="nothing is registered as"):
                ledger.resolve(wrong)


def test_what_is_ambiguous_is_listed(ledger, tmp_path):
    """One file under two encodings: the sha256 means both, each digest one."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a":1}\n')
    table = ledger.register(path, name="table")
    lines = ledger.register(path, name="lines", encoding="line")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    for ref in (sha256[:10], path):
        with pytest.raises(InputError, match=r"is ambiguous.*give more of the digest") as failure:
            ledger.resolve(ref)
        assert table.digest in str(failure.value)
        assert lines.digest in str(failure.value)
    assert ledger.resolve(lines.digest[:16]) == lines


@pytest.mark.parametrize(
    "wild", ["%", "_" * 8, "%" * 8, "0000000_", "' OR 1 --", "", "\x00", "a\nb"]
)
def test_no_text_is_a_pattern(ledger, wild):
    ledger.register(ROWS, name="rows")
    with pytest.raises(InputError, match="nothing is registered as"):
        ledger.resolve(wild)


def test_texts_that_no_file_system_takes(ledger):
    for text in ("a" * 5000, "a/" * 5000, "\ud800"):
        with pytest.raises(InputError, match="nothing is registered as"):
            ledger.resolve(text)
    with pytest.raises(InputError, match="is not text"):
        ledger.artifacts(name="\ud800")


def test_by_path_of_a_file_a_folder_and_a_table_encoded_anew(ledger, tmp_path, monkeypatch):
    table = pa.table({"a": [1, 2], "b": ["x", "y"]})
    path = tmp_path / "t.parquet"
    pq.write_table(table, path)
    registered = ledger.register(path, name="table")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"a")
    images = ledger.register(folder, name="images")
    blob = ledger.register(folder / "a.bin", name="blob")

    again = tmp_path / "again.parquet"
    pq.write_table(table, again, compression="zstd", use_dictionary=False)
    assert again.read_bytes() != path.read_bytes()
    assert ledger.resolve(path) == ledger.resolve(again) == registered
    assert ledger.resolve(folder) == images
    (tmp_path / "name-\udcff.csv").write_text("a\n1\n")
    strange = ledger.register(tmp_path / "name-\udcff.csv", name="strange")
    assert ledger.resolve(tmp_path / "name-\udcff.csv") == strange
    monkeypatch.chdir(folder)
    assert ledger.resolve("a.bin") == blob
    assert ledger.resolve(".") == images

    (folder / "b.bin").write_bytes(b"b")
    pq.write_table(table.slice(1), again)
    for ref in (folder, again, folder / "b.bin"):
        with pytest.raises(InputError, match="nothing is registered as"):
            ledger.resolve(ref)


def test_a_path_that_cannot_be_read_is_named(ledger, tmp_path):
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=str(broken)):
        ledger.resolve(broken)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="not a regular file"):
        ledger.resolve(pipe)


def test_looking_up_uses_the_indices(ledger):
    """A REF among a million entries must not read them all."""
    plans = []
    with ledger._database.reading() as session:
        connection = session.connection()
        run = connection.connection.dbapi_connection
        statements = []
        run.set_trace_callback(statements.append)
        catalog = Catalog(session)
        catalog.digests_like("0" * 8)
        catalog.about("0" * 64)
        catalog.registrations(name="a", limit=1)
        catalog.registrations(digest="0" * 64, limit=1)
        run.set_trace_callback(None)
        for statement in statements:
            if statement.startswith("SELECT"):
                rows = run.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
                plans.append(" ".join(row[3] for row in rows))
    assert len(plans) == 4
    assert not [plan for plan in plans if "SCAN" in plan], plans
