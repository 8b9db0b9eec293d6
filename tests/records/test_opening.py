"""The door itself: what opens as what, and what does not."""

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import read

from provenance.errors import InputError
from provenance.records import CHUNK, FILE, JSON, LINE
from provenance.records.opening import open_source

TABLE = pa.table({"a": [1, 2, 3]})
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "encoding", "media_type", "kind"),
    [
        ("t.jsonl", JSON, "application/jsonl", "dataset"),
        ("t.jsonl.gz", JSON, "application/gzip", "dataset"),
        ("T.CSV", JSON, "text/csv", "dataset"),
        ("t.parquet", JSON, "application/vnd.apache.parquet", "dataset"),
        ("t.arrow", JSON, "application/vnd.apache.arrow.file", "dataset"),
        ("t.feather", JSON, "application/vnd.apache.arrow.file", "dataset"),
        ("t.json", CHUNK, "application/octet-stream", "dataset"),
        ("t", CHUNK, "application/octet-stream", "dataset"),
        ("m.onnx", CHUNK, "application/octet-stream", "model"),
    ],
)
def test_files_by_their_suffix(here, name, encoding, media_type, kind):
    (here / name).write_bytes(b"")
    source = open_source(name)
    assert (source.name, source.encoding) == (name, encoding)
    assert (source.media_type, source.default_kind) == (media_type, kind)
    assert open_source(here / name, encoding="line").encoding == LINE


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (["a.jsonl", "b.jsonl"], JSON),
        (["a.jsonl", "sub/b.jsonl.gz"], JSON),
        (["a.arrow", "b.feather"], JSON),
        (["a.jsonl", "b.csv"], FILE),
        (["a.jsonl", "README.md"], FILE),
        (["a.jsonl", "a.jsonl.provenance.json"], FILE),
        ([], FILE),
    ],
)
def test_folders_by_what_they_hold(here, names, encoding):
    folder = here / "folder"
    (folder / "sub").mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"")
    assert open_source("folder").encoding == encoding


def test_the_name_of_a_folder_is_its_own(here):
    (here / "sub").mkdir()
    assert open_source(".").name == here.name
    assert open_source("sub/..").name == here.name
    assert open_source("sub/").name == "sub"


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("missing.jsonl", {}, "there is no file missing.jsonl"),
        ("nul\0", {}, "there is no file nul"),
        ("folder", {"encoding": "chunk"}, "folder is a folder; the encoding 'chunk' is for"),
        ("folder", {"encoding": "json"}, "folder holds 'x.txt', which is not a table; known are"),
        ("mixed", {"encoding": "json"}, "mixed holds tables of several formats, 'a.csv'"),
        ("empty", {"encoding": "json"}, "empty holds no tables"),
        ("x.txt", {"encoding": "json"}, "x.txt is not a table; known are .jsonl, .jsonl.gz, .csv"),
        ("x.txt", {"encoding": "file"}, "x.txt is not a folder; the encoding 'file' is"),
        ("x.txt", {"encoding": "yaml"}, "no encoding 'yaml'; there are json, line, chunk, file"),
        ("x.txt", {"ignore": ["a"]}, "x.txt is not a folder; the encoding 'file' is"),
        ("x.txt", {"together": True}, "x.txt is not a table"),
        (["x.txt"], {}, "a list of paths: open each by itself, or all of them together"),
        ([], {"together": True}, "together joins the tables of a list of paths"),
        ([{}], {"together": True}, "together joins the tables of a list of paths"),
        (7, {"together": True}, "together joins the tables of a list of paths"),
        (["a.csv"], {"together": True, "encoding": "line"}, "together joins tables under"),
        (["a.csv", "no.csv"], {"together": True}, "there is no file no.csv"),
        (b"x", {"encoding": "file"}, "the bytes given is not a folder"),
        (TABLE, {"encoding": "chunk"}, "rows in memory have the encoding 'json', not 'chunk'"),
        ({"a": 1}, {}, "no records in a dict; a path, a table or frame, an iterable of dicts or"),
        (None, {}, "no records in a NoneType"),
        (7, {}, "no records in a int"),
        (pa.array([1]), {}, "no records in a Int64Array"),
    ],
)  # fmt: skip
def test_what_does_not_open(here, data, options, message):
    for path in ("folder/x.txt", "mixed/a.csv", "mixed/b.jsonl", "x.txt", "a.csv"):
        (here / path).parent.mkdir(exist_ok=True)
        (here / path).write_bytes(b"a\n")
    (here / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        read(data, **options)
    assert str(caught.value).startswith(message)


def test_rows_that_are_not_objects():
    with pytest.raises(InputError, match="the rows given, row 2 is not an object but a list"):
        read([{"a": 1}, [1]])


def test_an_error_of_the_given_iterator_is_its_own():
    def rows():
        yield {"a": 1}
        raise OSError("the disk of somebody else")

    with pytest.raises(OSError, match="somebody else"):
        read(rows())


def test_a_source_is_read_once():
    for data in (TABLE.to_reader(), [{"a": 1}], b"x"):
        source = open_source(data)
        with pytest.raises(ValueError, match="known only once all leaves were read"):
            _ = source.schema
        assert len(list(source.leaves())) >= 1
        with pytest.raises(InputError, match="this source was already read; open it again"):
            next(source.leaves())


def test_a_reader_is_consumed_as_a_stream():
    taken = []

    def batches():
        for i in range(100):
            taken.append(i)
            yield pa.record_batch({"a": [i]})

    reader = pa.RecordBatchReader.from_batches(TABLE.schema, batches())
    stream = open_source(reader).leaves()
    assert next(stream) == b'{"a":0}'
    assert len(taken) < 5
    assert len(list(stream)) == 99


@pytest.mark.parametrize(
    "form", ["jsonl", "csv", "parquet", "arrow", "table", "rows", "bytes", "dir"]
)
def test_progress_goes_up_to_the_total(here, form):
    table = pa.table({"a": range(200_000)})
    path = here / f"t.{form}"
    total = None
    if form == "parquet":
        pq.write_table(table, path)
    elif form == "arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=1000)
    elif form == "csv":
        path.write_text("a\n" + ("x" * 200 + "\n") * 20_000)
    elif form == "jsonl":
        path.write_text(('{"a":"%s"}\n' % ("x" * 200)) * 20_000)
    elif form == "dir":
        path.mkdir()
        for i in range(200):
            (path / str(i)).write_bytes(b"x" * 10)
        total = 2000
    data = {"table": table, "rows": table.to_pylist(), "bytes": bytes(20 << 20)}.get(form, path)
    total = total or {"table": 200_000, "rows": 200_000, "bytes": 20 << 20}.get(form)
    calls = []
    for _ in open_source(data).leaf_hash_blocks(progress=lambda *call: calls.append(call)):
        pass
    done = [call[0] for call in calls]
    total = total or path.stat().st_size
    assert {call[1] for call in calls} == {total}
    assert done == sorted(done)
    assert done[-1] == total
    assert 0 < done[0] < total


MEMORY = """if True:
    import os, re, sys
    from provenance.records import opening, tables

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])

    def peak():  # ru_maxrss would count what the parent held before exec
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) >> 10

    before = peak()
    size = sum(len(block) for block in opening.open_source(sys.argv[1]).leaf_hash_blocks()) // 32
    print(size, peak() - before)
"""


@pytest.mark.parametrize(
    "name", ["t.parquet", "t.arrow", "t.jsonl", "t.jsonl.gz", "t.csv", "t.bin"]
)
def test_memory_stays_bounded(here, name):
    """96 MB in one row group, 600 record batches or one file: 64 MiB more at most, on two cores."""
    rows = 120_000
    text = pa.array([f"{i:0800}" for i in range(rows)])
    table = pa.table({"text": text})
    if name == "t.parquet":
        options = {"compression": "none", "use_dictionary": False}
        pq.write_table(table, name, row_group_size=rows, **options)
    elif name == "t.arrow":
        with pa.ipc.new_file(name, table.schema) as writer:
            writer.write_table(table, max_chunksize=200)
    else:
        line = b'{"text":"%0800d"}\n' if "jsonl" in name else b"%0800d\n"
        data = (b"text\n" if name == "t.csv" else b"") + b"".join(line % i for i in range(rows))
        Path(name).write_bytes(gzip.compress(data, 1) if name.endswith(".gz") else data)
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, name], capture_output=True, env={"PYTHONPATH": ROOT}
    )
    assert run.stderr == b""
    size, growth = map(int, run.stdout.split())
    assert size == (rows if name != "t.bin" else -(-rows * 801 // 2**20))
    assert growth < 64


def test_the_pure_half_and_text_files_need_no_pyarrow(here):
    (here / "t.jsonl").write_text('{"a":1}\n')
    (here / "t.csv").write_text("a\n1\n")
    code = """if True:
        import sys
        sys.modules["pyarrow"] = None
        from provenance.errors import InputError
        from provenance.records.opening import open_source
        for data in ("t.jsonl", "t.csv", [{"a": 1}], b"x"):
            assert list(open_source(data).leaves())
        try:
            open_source("t.parquet")
        except InputError as error:
            print(error)
    """
    (here / "t.parquet").write_bytes(b"")
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ROOT}
    )
    assert run.stderr == ""
    assert run.stdout == "t.parquet needs pyarrow: pip install 'provenance-ledger[tables]'\n"


class Pipe(io.RawIOBase):
    """Gives one byte at a time."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._data.readinto(memoryview(buffer)[:1])


@pytest.mark.parametrize("open_stream", [io.BytesIO, Pipe])
@pytest.mark.parametrize("encoding", [None, "chunk", "line", "json"])
def test_a_stream_is_what_its_bytes_are(open_stream, encoding):
    for data in (b"", b'{"a": 1}\n', b'{"a": 1}\n{"a": 2}\n' * 300):
        stream = open_stream(data)
        assert read(stream, encoding=encoding) == read(data, encoding=encoding)
        assert not stream.closed
        found = open_source(open_stream(data), encoding=encoding, digest="blake3")
        assert found.total is None
        assert found.artifact() == open_source(data, encoding=encoding).artifact()
        assert set(found.digests) == {"sha256", "blake3"}


def test_a_stream_that_does_not_wait_is_not_taken_for_its_end():
    inner, outer = os.pipe()
    os.set_blocking(inner, False)
    with os.fdopen(inner, "rb", 0) as stream, os.fdopen(outer, "wb"):
        for encoding in ("chunk", "line"):
            with pytest.raises(InputError, match="has no bytes yet"):
                open_source(stream, encoding=encoding).artifact()


def test_a_stream_is_no_folder():
    with pytest.raises(InputError, match="the stream given is not a folder"):
        open_source(io.BytesIO(b""), encoding="file")
