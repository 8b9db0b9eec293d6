"""Single files that are remembered: an unchanged one is not read, a longer one goes on, and
whatever became of the file, or of what is remembered, the root is that of the file."""

import contextlib
import gzip
import json
import os
import time
from hashlib import sha256
from importlib import metadata
from pkgutil import resolve_name

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import reference_root

from provenance.errors import InputError
from provenance.merkle import CompactRange, Tree, leaf_hash
from provenance.records import artifacts, tables
from provenance.records.cache import DigestCache
from provenance.records.files import Part, SteadyFile
from provenance.records.opening import open_source

BOOT = "7ecb7806-ba3b-49a5-ab2e-fc040cbaa051"
HOUR = 3600 * 10**9


def cache_in(tmp_path, *, clock=lambda: time.time_ns() + HOUR, boot=BOOT):
    """A cache for which every file was changed long ago."""
    return DigestCache(tmp_path / "digests", boot=boot, clock=clock, is_local=lambda path: True)


@pytest.fixture
def cache(tmp_path):
    return cache_in(tmp_path)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_bytes(lines(0, 5))
    return path


def lines(begin, end):
    return b"".join(b'{"a": %d}\n' % number for number in range(begin, end))


def found(path, **options):
    """Everything that is told of a file, the root twice."""
    source = open_source(path, **options)
    artifact = source.artifact()
    return artifact, source.digests, source.schema


def rewrite(path, data):
    """Write, in another tick of the filesystem's clock than what was there."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        path.write_bytes(data)


def append(path, data):
    rewrite(path, path.read_bytes() + data)


def pages(tmp_path):
    return [path for path in (tmp_path / "digests").rglob("*") if path.is_file()]


# --- unchanged ----------------------------------------------------------------------------------


def table():
    return pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})


FORMATS = {
    "t.jsonl": lambda path: path.write_bytes(lines(0, 5)),
    "empty.jsonl": lambda path: path.write_bytes(b""),
    "t.jsonl.gz": lambda path: path.write_bytes(gzip.compress(lines(0, 5))),
    "t.csv": lambda path: path.write_bytes(b"a,b\n1,2\n"),
    "t.parquet": lambda path: pq.write_table(table(), path),
    "t.feather": lambda path: feather.write_feather(table(), path),
    "t.bin": lambda path: path.write_bytes(bytes(3 << 20)),
}
WAYS = [{}, {"tree_only": True}, {"digest": "blake3"}, {"encoding": "line"}, {"encoding": "chunk"}]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("name", FORMATS)
def test_an_unchanged_file_is_not_read_again(tmp_path, cache, monkeypatch, name, way):
    path = tmp_path / name
    FORMATS[name](path)
    plain = found(path, **way)
    assert found(path, cache=cache, **way) == plain
    with monkeypatch.context() as patch:
        patch.setattr("provenance.records.files.SteadyFile.__init__", None)
        for part in (Part, *Part.__subclasses__()):
            patch.setattr(part, "leaf_hash_blocks", None)
        calls = []
        source = open_source(path, cache=cache, **way)
        assert source.artifact(lambda *call: calls.append(call)) == plain[0]
        assert (source.digests, source.schema) == plain[1:]
        assert calls == [(path.stat().st_size,) * 2]
    rewrite(path, path.read_bytes())
    assert found(path, cache=cache, **way) == plain


def test_each_way_by_itself(tmp_path, cache):
    """What is remembered of one way is not taken for another."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\n1\n")
    ways = [*WAYS, {"schema": {"a": "int64"}}, {"schema": {"a": "double"}}]
    plain = [found(path, **way) for way in ways]
    for _ in range(2):
        assert [found(path, cache=cache, **way) for way in ways] == plain
    (tmp_path / "t.jsonl").write_bytes(lines(0, 2))
    for name in ("t.bin", "u.csv"):
        (tmp_path / name).hardlink_to(tmp_path / "t.jsonl")
    for name in ("t.jsonl", "t.bin", "u.csv", "t.jsonl"):
        assert found(tmp_path / name, cache=cache) == found(tmp_path / name)


def test_no_cache_no_page(tmp_path, file):
    found(file)
    assert pages(tmp_path) == []


def test_what_is_no_file_has_no_page(tmp_path, cache, file):
    found([file], cache=cache, together=True)
    found(file, cache=cache, together=True)
    found(b"x", cache=cache)
    found([{"a": 1}], cache=cache)
    assert pages(tmp_path) == []


# --- longer -------------------------------------------------------------------------------------


@pytest.mark.parametrize("digest", ["sha256", "blake3"])
@pytest.mark.parametrize("encoding", ["json", "line"])
@pytest.mark.parametrize("start", [0, 1, 4, 5, 5000])
def test_rows_appended_are_hashed_by_themselves(file, cache, parsed, encoding, digest, start):
    way = {"encoding": encoding, "digest": digest}
    file.write_bytes(lines(0, start))
    found(file, cache=cache, **way)
    end = start
    for more in (1, 2, 4500):
        append(file, lines(end, end + more))
        plain = found(file, **way)
        parsed.clear()
        assert found(file, cache=cache, **way) == plain
        assert parsed == ([] if encoding == "line" else list(range(end, end + more)))
        end += more
    parsed.clear()
    assert found(file, cache=cache, **way) == plain
    assert parsed == []


def test_errors_count_rows_from_the_first(file, cache):
    found(file, cache=cache)
    append(file, lines(5, 7) + b"[]\n")
    with pytest.raises(InputError, match=r"t\.jsonl, row 8"):
        found(file, cache=cache)
    file.write_bytes(lines(0, 7))
    assert found(file, cache=cache) == found(file)


def test_a_line_that_is_too_long_is_named(file, cache, monkeypatch):
    found(file, cache=cache)
    append(file, lines(5, 6) + b'{"a": "%0100d"}\n' % 0)
    monkeypatch.setattr("provenance.records.files.MAX_LINE", 50)
    with pytest.raises(InputError, match=r"t\.jsonl, line 7: longer"):
        found(file, cache=cache)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "change",
    [
        *(lambda data, at=at: flipped(data, at) + lines(5, 7) for at in (6, 15, 42)),
        lambda data: flipped(data, 42),
        lambda data: data[:-1] + b" \n",
        lambda data: data[:18],
        lambda data: b"",
        lambda data: lines(5, 10),
        lambda data: lines(10, 15) + data,
        lambda data: data.replace(b"\n", b"\r\n"),
    ],
)
def test_the_first_bytes_are_others(file, cache, parsed, change):
    """Everything is hashed anew."""
    found(file, cache=cache)
    rewrite(file, change(file.read_bytes()))
    plain = found(file)
    parsed.clear()
    assert found(file, cache=cache) == plain
    assert len(parsed) == plain[0].size
    assert found(file, cache=cache) == plain


@pytest.mark.parametrize("encoding", ["json", "line"])
@pytest.mark.parametrize("more", [b"", b"\n", b" \n", b'\n{"a": 7}', b'\n{"a": 7}\n'])
def test_a_last_row_without_lf_may_go_on(file, cache, parsed, more, encoding):
    file.write_bytes(lines(0, 4) + b'{"a": 4}')
    found(file, cache=cache, encoding=encoding)
    append(file, more)
    plain = found(file, encoding=encoding)
    parsed.clear()
    assert found(file, cache=cache, encoding=encoding) == plain
    if more and encoding == "json":
        assert parsed[:5] == [0, 1, 2, 3, 4]


def test_a_gzipped_file_is_hashed_anew(tmp_path, cache, parsed):
    path = tmp_path / "t.jsonl.gz"
    path.write_bytes(gzip.compress(lines(0, 5)))
    found(path, cache=cache)
    append(path, gzip.compress(lines(5, 7)))
    parsed.clear()
    artifact, *_ = found(path, cache=cache)
    assert parsed == list(range(7))
    assert artifact.root.hex() == reference_root([{"a": number} for number in range(7)])


def test_without_a_digest_of_the_whole_nothing_goes_on(file, cache, parsed):
    found(file, cache=cache, tree_only=True)
    append(file, lines(5, 6))
    parsed.clear()
    assert found(file, cache=cache, tree_only=True) == found(file, tree_only=True)
    assert parsed[:6] == list(range(6))


@pytest.mark.parametrize("name", ["t.csv", "t.bin", "t.parquet"])
def test_other_forms_are_hashed_anew(tmp_path, cache, name):
    path = tmp_path / name
    FORMATS[name](path)
    found(path, cache=cache)
    if name == "t.parquet":
        pq.write_table(pa.concat_tables([table(), table()]), path)
    else:
        append(path, b"3,4\n")
    assert found(path, cache=cache) == found(path)


def test_another_file_of_the_same_name(file, cache, tmp_path):
    found(file, cache=cache)
    other = tmp_path / "other"
    other.write_bytes(lines(7, 12))
    os.utime(other, ns=(0, file.stat().st_mtime_ns))
    other.replace(file)
    assert found(file, cache=cache) == found(file)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["append", "append", "append", "cut", "flip", "replace", "touch"]),
            st.integers(0, 40),
            st.binary(max_size=3),
        ),
        max_size=8,
    )
)
def test_any_history(tmp_path_factory, history):
    """Lines are any bytes: what stands after each step is what a first reading finds."""
    folder = tmp_path_factory.mktemp("history")
    cache, path = cache_in(folder), folder / "file"
    path.write_bytes(b"")
    for step, number, data in history:
        before = path.read_bytes()
        at = min(number, len(before))
        if step == "append":
            rewrite(path, before + data + b"\n" * (number % 3))
        elif step == "cut":
            rewrite(path, before[:at])
        elif step == "flip" and before:
            rewrite(path, flipped(before, at - 1))
        elif step == "replace":
            new, moment = folder / "new", path.stat().st_ctime_ns
            new.write_bytes(before[:at] + data)
            while new.stat().st_ctime_ns == moment:  # its inode may be one that was remembered
                new.write_bytes(before[:at] + data)
            new.replace(path)
        else:
            os.utime(path)
        assert found(path, cache=cache, encoding="line") == found(path, encoding="line")


# --- what is remembered -------------------------------------------------------------------------


@pytest.mark.parametrize("age", [-HOUR, 0, 2 * 10**9, 2 * 10**9 + 1])
def test_what_changed_just_before_is_read_again(tmp_path, file, monkeypatch, age):
    """Another change within the tick of the clock would leave the same times."""
    changed = file.stat().st_ctime_ns
    cache = cache_in(tmp_path, clock=lambda: changed + age)
    plain = found(file, cache=cache)
    found(file, cache=cache, encoding="chunk")  # which cannot go on
    assert len(pages(tmp_path)) == (2 if age > 2 * 10**9 else 1)
    read = []
    pass_over = SteadyFile.pass_over
    monkeypatch.setattr(
        SteadyFile,
        "pass_over",
        lambda self, prefix: (read.append(prefix.length), pass_over(self, prefix)),
    )
    assert found(file, cache=cache) == plain
    assert read == ([] if age > 2 * 10**9 else [file.stat().st_size])


def test_a_change_within_the_tick_of_the_clock(tmp_path, file):
    cache = cache_in(tmp_path, clock=time.time_ns)
    for begin in range(100, 120):
        file.write_bytes(lines(begin, begin + 5))
        assert found(file, cache=cache) == found(file)
        assert found(file, cache=cache, encoding="chunk") == found(file, encoding="chunk")


def test_a_file_that_is_written_to_all_the_time_goes_on(tmp_path, file, parsed):
    cache = cache_in(tmp_path, clock=time.time_ns)
    found(file, cache=cache)
    append(file, lines(5, 7))
    parsed.clear()
    plain, *_ = found(file, cache=cache)
    assert parsed == [5, 6]
    assert plain.root.hex() == reference_root([{"a": number} for number in range(7)])


@pytest.mark.parametrize("encoding", ["json", "chunk"])
def test_a_file_that_changes_on_the_way(file, cache, tmp_path, encoding):
    """Before it is read, and after that, before it is remembered."""
    source = open_source(file, cache=cache, encoding=encoding)
    append(file, lines(5, 6))
    assert source.artifact() == found(file, encoding=encoding)[0]
    assert found(file, cache=cache, encoding=encoding) == found(file, encoding=encoding)
    rewrite(file, lines(10, 17))
    source = open_source(file, cache=cache, encoding=encoding)
    records = source.resume()
    for block in source.leaf_hash_blocks():
        records.extend(block)
    rewrite(file, lines(20, 27))
    source.remember(records)
    assert found(file, cache=cache, encoding=encoding) == found(file, encoding=encoding)


def test_a_file_that_is_gone_is_not_remembered(file, cache, tmp_path):
    source = open_source(file, cache=cache)
    records = source.resume()
    for block in source.leaf_hash_blocks():
        records.extend(block)
    file.unlink()
    source.remember(records)
    assert pages(tmp_path) == []


@pytest.mark.parametrize("at", [0, 31, 32, 40, 100, -1])
def test_a_damaged_page_is_not_used(tmp_path, file, cache, parsed, at):
    plain = found(file, cache=cache)
    (page,) = pages(tmp_path)
    page.write_bytes(flipped(page.read_bytes(), at if at >= 0 else page.stat().st_size - 1))
    parsed.clear()
    with pytest.warns(UserWarning, match="where digests of files are remembered, is not used: "):
        assert found(file, cache=cache) == plain
    assert len(parsed) == 5
    parsed.clear()
    assert found(file, cache=cache) == plain
    assert parsed == []


def point(link, target):
    link.unlink(missing_ok=True)
    link.symlink_to(target)


@pytest.fixture
def two(tmp_path):
    """A link, and what makes it lead to either of two files of equal size and times."""

    def make(name):
        link = tmp_path / name
        paths = [tmp_path / f"{side}-{name}" for side in "ab"]
        for path, first in zip(paths, (1, 4), strict=True):
            if name.endswith(".jsonl"):
                path.write_bytes(lines(first, first + 3))
            else:
                rows_of_three = pa.table({"a": [first, first + 1, first + 2]})
                write = pq.write_table if name.endswith(".parquet") else feather.write_feather
                write(rows_of_three, path)
            os.utime(path, (0, 5))
        assert paths[0].stat().st_size == paths[1].stat().st_size
        assert paths[0].read_bytes() != paths[1].read_bytes()
        point(link, paths[0])
        return link, *paths

    return make


@pytest.mark.parametrize("with_cache", [False, True])
@pytest.mark.parametrize(
    ("name", "encoding", "opener"),
    [
        ("t.jsonl", "json", "pathlib.Path.open"),
        ("t.jsonl", "line", "pathlib.Path.open"),
        ("t.jsonl", "chunk", "os.open"),
        ("t.parquet", "json", "pathlib.Path.open"),
        ("t.parquet", "json", "pyarrow.OSFile"),
        ("t.feather", "json", "pyarrow.OSFile"),
    ],
)
def test_another_file_just_when_it_is_opened(
    tmp_path, cache, monkeypatch, two, name, encoding, opener, with_cache
):
    """The path leads to one and the same before, and at the end."""
    link, ours, other = two(name)
    way = {"encoding": encoding, "cache": cache if with_cache else None}
    really_open = resolve_name(opener)
    swapped = []

    def swap(path, *arguments, **named):
        if str(path) != str(link):
            return really_open(path, *arguments, **named)
        swapped.append(path)
        point(link, other)
        try:
            return really_open(path, *arguments, **named)
        finally:
            point(link, ours)

    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - pathlib opens one more
    with monkeypatch.context() as patch:
        patch.setattr(opener, swap)
        with pytest.raises(InputError, match="changed while it was read; try again"):
            found(link, **way)
    assert len(swapped) == 1
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
    assert pages(tmp_path) == []
    assert found(link, **way) == found(ours, encoding=encoding)


@pytest.mark.parametrize("name", ["t.parquet", "t.feather"])
def test_a_table_that_is_another_file_while_it_is_hashed(tmp_path, monkeypatch, two, name):
    link, ours, other = two(name)
    really_open = tables.open_part

    def swap(part, path):
        point(link, other)
        with really_open(part, path):
            pass
        point(link, ours)
        return contextlib.nullcontext()

    monkeypatch.setattr(tables, "open_part", swap)
    with pytest.raises(InputError, match="changed while it was read; try again"):
        found(link)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet", "t.feather"])
def test_another_file_all_the_time_that_it_is_read(cache, two, name, way):
    """What is remembered is of the file that was open, not of the one that the path leads to."""
    link, ours, other = two(name)
    source = open_source(link, cache=cache, **way)
    records = source.resume()
    point(link, other)
    with contextlib.suppress(InputError):  # of a table, whose size was asked for before
        for block in source.leaf_hash_blocks():
            records.extend(block)
        point(link, ours)
        source.remember(records)
    point(link, ours)
    assert found(link, cache=cache, **way) == found(ours, **way)


@pytest.mark.parametrize("names", [("a.jsonl.gz", "a.jsonl"), ("A.JSONL.GZ", "a.jsonl")])
@pytest.mark.parametrize("turned", [False, True])
def test_by_another_name_gzipped_or_not(tmp_path, cache, names, turned):
    """What cannot be read under a name is not remembered under it either."""
    path, link = (tmp_path / name for name in (names[::-1] if turned else names))
    path.write_bytes(lines(0, 5) if turned else gzip.compress(lines(0, 5)))
    found(path, cache=cache)
    link.symlink_to(path)
    for options in ({}, {"cache": cache}):
        with pytest.raises(InputError):
            found(link, **options)


@pytest.mark.parametrize(
    ("name", "way", "packages"),
    [
        ("t.jsonl", {}, ["provenance-ledger"]),
        ("t.csv", {}, ["provenance-ledger"]),
        ("t.csv", {"schema": {"a": "int64"}}, ["provenance-ledger", "pyarrow"]),
        ("t.parquet", {}, ["provenance-ledger", "pyarrow"]),
        ("t.feather", {}, ["provenance-ledger", "pyarrow"]),
        ("t.parquet", {"encoding": "chunk"}, ["provenance-ledger"]),
    ],
)
def test_what_another_version_hashed_is_not_used(tmp_path, cache, monkeypatch, name, way, packages):
    FORMATS[name](tmp_path / name)
    plain = found(tmp_path / name, cache=cache, **way)
    version = metadata.version
    for changed in ("provenance-ledger", "pyarrow", "numpy"):
        before = len(pages(tmp_path))
        with monkeypatch.context() as patch:
            patch.setattr(
                metadata,
                "version",
                lambda package, changed=changed: version(package) + "x" * (package == changed),
            )
            if changed == "provenance-ledger":
                patch.setattr("provenance.records.opening.VERSION", "99")
            assert found(tmp_path / name, cache=cache, **way) == plain
        assert len(pages(tmp_path)) - before == (changed in packages)


def forge(page, body):
    name = f"{page.parent.name}/{page.name}\n".encode()
    page.write_bytes(sha256(name + body).digest() + body)


@pytest.mark.parametrize(
    "change",
    [
        lambda page: b"",
        lambda page: b"\xff",
        lambda page: b"[" * 100_000,
        lambda page: None,
        lambda page: [],
        lambda page: {},
        *(
            lambda page, name=name: {key: page[key] for key in page if key != name}
            for name in ("path", "how", "state", "length", "digests", "records", "hashes", "whole")
        ),
        lambda page: page | {"newer": 1},
        lambda page: page | {"length": "5"},
        lambda page: page | {"state": page["state"][:4]},
        lambda page: page | {"digests": []},
        lambda page: page | {"schema": []},
        lambda page: page | {"records": page["records"] + 2},
        lambda page: page | {"hashes": [None, None]},
        lambda page: page | {"hashes": ["x", "y"]},
        lambda page: page | {"hashes": ["00", "00"]},
    ],
)
def test_a_page_of_another_form_is_not_used(tmp_path, file, cache, parsed, change):
    plain = found(file, cache=cache)
    (page,) = pages(tmp_path)
    body = change(json.loads(page.read_bytes()[32:]))
    forge(page, body if isinstance(body, bytes) else json.dumps(body).encode())
    parsed.clear()
    assert found(file, cache=cache) == plain
    assert len(parsed) == 5
    parsed.clear()
    assert found(file, cache=cache) == plain
    assert parsed == []


def test_nothing_is_used_from_another_boot(tmp_path, file, cache, parsed):
    found(file, cache=cache)
    parsed.clear()
    found(file, cache=cache_in(tmp_path, boot=BOOT.replace("7", "8")))
    assert len(parsed) == 5


def test_a_file_that_is_read_is_not_remembered_by_leaves(tmp_path, file, cache):
    list(open_source(file, cache=cache).leaves())
    assert pages(tmp_path) == []


# --- the tree beside it -------------------------------------------------------------------------


def test_the_leaf_hashes_follow_those_at_hand(file, cache):
    found(file, cache=cache)
    append(file, lines(5, 9))
    hashes = [leaf_hash(b'{"a":%d}' % number) for number in range(9)]
    known = []
    source = open_source(file, cache=cache)
    records = source.resume(lambda artifact: bool(known.append(artifact) or True))
    assert records == CompactRange.over(0, b"".join(hashes[:5]))
    assert known == [artifacts.Artifact(root=records.root(), size=5, encoding=artifacts.JSON)]
    assert b"".join(source.leaf_hash_blocks()) == b"".join(hashes[5:])
    tree = Tree.from_leaf_hashes(b"".join(hashes))
    source.remember(CompactRange.of(tree.size, tree.node))
    with_none = open_source(file, cache=cache)
    assert with_none.resume(lambda artifact: False) == CompactRange()
    assert b"".join(with_none.leaf_hash_blocks()) == b"".join(hashes)
    assert open_source(file, cache=cache).resume() == CompactRange.over(0, b"".join(hashes))
