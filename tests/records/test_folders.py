"""Folders as records, chunks and lines. Oracle: each file hashed here once more."""

import hashlib
import os
import socket
import subprocess
import sys
import unicodedata
from pathlib import Path

import blake3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from reading import leaves, merkletools_root, read

from provenance.errors import InputError
from provenance.merkle import parallel
from provenance.merkle.bulk import Hashlib, Native
from provenance.records import CHUNK, FILE, LINE, Encoding, filesystem, folders, hash_record
from provenance.records.cache import DigestCache
from provenance.records.opening import open_source

ROOT = Path(__file__).parents[2]


def leaf(path: str, data: bytes) -> bytes:
    sha256 = hashlib.sha256(data).hexdigest()
    return rfc8785.dumps({"path": path, "sha256": sha256, "size": len(data)})


def blake3_leaf(path: str, data: bytes) -> bytes:
    return rfc8785.dumps(
        {"path": path, "blake3": blake3.blake3(data).hexdigest(), "size": len(data)}
    )


@pytest.fixture(autouse=True, params=["extension", "without"])
def way(request, monkeypatch):
    """Files are listed and read by the extension, and without it."""
    if request.param == "without":
        monkeypatch.setattr(filesystem, "kernel", Hashlib)
    elif not isinstance(filesystem.kernel(), Native):
        pytest.skip("the extension is not built, or not chosen")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def fill(folder, contents):
    for path, data in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def refused(folder, **options) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, **options)
    message = str(caught.value)
    assert str(folder) in message
    return message.replace(str(folder), "FOLDER")


CONTENTS = {
    "b.txt": b"b",
    "B.txt": b"",
    "a/z": b"x" * 3_000_000,
    "a.txt": b"a",
    "a/b/c": b"deep",
    "ä.txt": b"umlaut",
    "\U0001f600": b"astral",
    "\ufb33": b"",
    "data.csv": b"not read as a table",
    "back\\slash": b"",
    ".hidden": b"",
}


def test_files_sorted_by_code_point(folder):
    fill(folder, CONTENTS)
    expected = [leaf(path, CONTENTS[path]) for path in sorted(CONTENTS)]
    assert leaves(folder) == expected
    result = read(folder)
    assert (result.encoding, result.digests, result.schema) == (FILE, {}, None)
    assert result.root == merkletools_root(expected)
    source = open_source(folder)
    assert (source.name, source.media_type, source.default_kind) == ("folder", None, "dataset")


def test_order_is_of_whole_paths(folder):
    """'.' and '-' stand before '/', so a.b and a-b stand before a/b, as sorted paths have it."""
    fill(folder, {"a/b": b"", "a.b": b"", "a-b": b"", "a0": b""})
    assert [rfc8785.dumps("a-b"), rfc8785.dumps("a.b"), rfc8785.dumps("a/b"), b'"a0"'] == [
        line.split(b",")[0].removeprefix(b'{"path":') for line in leaves(folder)
    ]


def test_names_are_kept_as_found(folder):
    name = unicodedata.normalize("NFD", "é")
    fill(folder, {name: b""})
    assert leaves(folder) == [leaf(name, b"")]


def test_an_empty_folder_is_empty(folder):
    (folder / "sub").mkdir()
    assert read(folder).size == 0


def test_ignoring_is_signed_and_whole(folder):
    fill(folder, {"keep": b"1", "x.tmp": b"2", "sub/y.tmp": b"3", ".git/config": b"4"})
    fill(folder, {"out/a": b"5", "sub/out/b": b"6", "logs/out/c": b"7"})
    result = read(folder, ignore=["*.tmp", ".git", "logs/out", "*.tmp"])
    assert result.encoding == Encoding(
        name="file", digest="sha256", ignore=("*.tmp", ".git", "logs/out"), follow_symlinks=False
    )
    kept = {"keep": b"1", "out/a": b"5", "sub/out/b": b"6"}
    assert leaves(folder, encoding=result.encoding) == [leaf(p, d) for p, d in kept.items()]


def test_ignoring_makes_a_folder_of_tables_a_folder_of_files(folder):
    fill(folder, {"a.jsonl": b"{}\n", "b.jsonl": b"{}\n", "c": b""})
    assert read(folder, ignore=["c"]).encoding.name == "file"
    with pytest.raises(InputError, match="only the encoding 'file' has globs to ignore"):
        open_source(folder, encoding="json", ignore=["c"])


# --- many files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("digest", ["sha256", "blake3"])
@pytest.mark.parametrize("cores", [1, 2, 5])
def test_files_of_all_sizes_around_the_buffer(folder, monkeypatch, digest, cores):
    """Groups are as large as the buffer, or as many files; a file that fills it is read alone."""
    monkeypatch.setattr(folders, "_BUFFER", 100)
    monkeypatch.setattr(folders, "_GROUP", 4)
    monkeypatch.setattr(parallel, "cores", lambda: cores)
    sizes = [0, 1, 98, 1, 0, 99, 100, 0, 101, 250, *[10] * 9, *[0] * 9, 100, 100, 55, 64, 55]
    contents = {f"{i:03}": bytes([i]) * size for i, size in enumerate(sizes)}
    fill(folder, contents)
    make = {"sha256": leaf, "blake3": blake3_leaf}[digest]
    expected = [make(path, data) for path, data in contents.items()]
    assert leaves(folder, digest=digest) == expected


@pytest.mark.parametrize("size", [3, 100])
@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes() + b"longer"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.rename(path.with_name("old")), path.write_bytes(b"x" * 100)),
    ],
)
def test_a_file_that_changes_before_it_is_read(folder, monkeypatch, size, change):
    monkeypatch.setattr(folders, "_BUFFER", 100)
    fill(folder, {"a": b"1", "m": b"2" * size})
    stream = open_source(folder).leaves()
    change(folder / "m")
    with pytest.raises(
        InputError, match=r"folder(/m)? (changed while|cannot be read|is not a reg)"
    ):
        list(stream)


def test_a_file_that_lies_elsewhere_but_for_a_moment(folder, monkeypatch):
    """Both lists of the folder are the same, and the file that was opened is another one."""
    fill(folder, {"a": b"1", "m": b"2", "../other": b"3"})
    path, other, spare = folder / "m", folder.parent / "other", folder.parent / "spare"
    really_read = folders.read_files

    def swapped(*arguments):
        path.rename(spare)
        other.rename(path)
        found = really_read(*arguments)
        path.rename(other)
        spare.rename(path)
        return found

    monkeypatch.setattr(folders, "read_files", swapped)
    with pytest.raises(InputError, match="folder/m changed while the folder was read"):
        leaves(folder)


@pytest.mark.parametrize("with_cache", [False, True])
def test_a_large_file_whose_folder_lies_elsewhere_but_for_a_moment(
    folder, tmp_path, monkeypatch, with_cache
):
    """That changes no time of the file, and the other one is of the same size and times."""
    monkeypatch.setattr(folders, "_BUFFER", 100)
    fill(folder, {"sub/m": b"2" * 200, "../other/m": b"3" * 200})
    path, other, spare = folder / "sub", folder.parent / "other", folder.parent / "spare"
    for parent in (path, other):
        os.utime(parent / "m", (0, 5))
    really_read = folders._Reader._digest_of_large

    def swapped(*arguments):
        path.rename(spare)
        other.rename(path)
        found = really_read(*arguments)
        path.rename(other)
        spare.rename(path)
        return found

    monkeypatch.setattr(folders._Reader, "_digest_of_large", swapped)
    cache = DigestCache(
        tmp_path / "digests",
        boot="7ecb7806-ba3b-49a5-ab2e-fc040cbaa051",
        clock=lambda: 2**62,
        is_local=lambda path: True,
    )
    with pytest.raises(InputError, match="folder/sub/m changed while the folder was read"):
        leaves(folder, cache=cache if with_cache else None)
    assert not (tmp_path / "digests").exists()


def test_reading_many_files_takes_little_memory(folder, tmp_path):
    """96 MB in 3,000 files and a large one: the buffers, and what is known of each file."""
    for number in range(3000):
        (folder / str(number)).write_bytes(b"x" * 20_000)
    (folder / "large").write_bytes(bytes(36 << 20))
    code = """if True:
        import re, sys
        from provenance.records.opening import open_source

        def peak():
            return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) >> 10

        before = peak()
        open_source(sys.argv[1]).artifact()
        print(peak() - before)
    """
    run = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, env={"PYTHONPATH": ROOT}
    )
    assert run.stderr == b""
    assert int(run.stdout) < 4 * parallel.cores() + 20


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\x7fb", "a\x85b", "\x01"])
def test_control_characters(folder, name):
    fill(folder, {f"sub/{name}": b""})
    assert refused(folder) == f"FOLDER/sub holds a name with a control character: {name!r}"


def test_names_that_are_not_utf8(folder):
    (folder / os.fsdecode(b"a\xff")).write_bytes(b"")
    assert refused(folder) == "FOLDER holds a name that is not UTF-8: b'a\\xff'"


def test_names_that_are_equal_after_nfc(folder):
    fill(folder, {"sub/\u00e9/x": b"", "sub/e\u0301/x": b""})
    message = refused(folder)
    assert message.startswith("FOLDER holds two names that look the same")
    assert r"'sub/\xe9/x'" in message
    assert r"'sub/e\u0301/x'" in message


# --- symlinks and what else is no file ------------------------------------------------------------


def test_symlinks_are_refused_by_name(folder):
    fill(folder, {"sub/a": b"1"})
    (folder / "sub/link").symlink_to("a")
    expected = "FOLDER/sub/link is a symlink; symlinks are followed only on request"
    assert refused(folder) == expected
    assert refused(folder, encoding="json") == expected
    assert leaves(folder, ignore=["link"]) == [leaf("sub/a", b"1")]


def test_symlinks_inside_the_folder_are_followed_on_request(folder):
    fill(folder, {"sub/a": b"1"})
    (folder / "file").symlink_to("sub/a")
    (folder / "dir").symlink_to(folder / "sub")
    assert leaves(folder, follow_symlinks=True) == [
        leaf("dir/a", b"1"),
        leaf("file", b"1"),
        leaf("sub/a", b"1"),
    ]
    assert read(folder, follow_symlinks=True).encoding.follow_symlinks is True


@pytest.mark.parametrize("target", ["/etc/hostname", "..", "../outside", "../folder-2/a"])
def test_symlinks_out_of_the_folder(folder, target):
    fill(folder.parent, {"outside": b"", "folder-2/a": b""})
    (folder / "link").symlink_to(target)
    message = refused(folder, follow_symlinks=True)
    assert message.startswith("the symlink FOLDER/link leads out of the folder, to ")


@pytest.mark.parametrize("target", ["link", "nowhere"])
def test_symlinks_that_lead_nowhere(folder, target):
    (folder / "link").symlink_to(target)
    assert refused(folder, follow_symlinks=True) == "the symlink FOLDER/link leads nowhere"


def test_symlinks_in_a_circle(folder):
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    (folder / "a/x").symlink_to("../b")
    (folder / "b/y").symlink_to("../a")
    assert "leads back to a folder it lies in" in refused(folder, follow_symlinks=True)


def test_a_folder_reached_through_a_symlink(folder):
    fill(folder, {"a": b"1"})
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert leaves(link) == [leaf("a", b"1")]
    assert leaves(link, follow_symlinks=True) == [leaf("a", b"1")]


def test_pipes_and_sockets(folder):
    os.mkfifo(folder / "pipe")
    assert refused(folder) == "FOLDER/pipe is neither a file nor a folder"
    with pytest.raises(InputError, match=r"pipe is not a regular file"):
        read(folder / "pipe")
    (folder / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(".", os.O_RDONLY)
        os.chdir(folder)  # the path of a socket is short
        listener.bind("s")
        os.chdir(here)
        os.close(here)
    assert refused(folder) == "FOLDER/s is neither a file nor a folder"


def test_a_ledger_inside_the_folder(folder):
    fill(folder, {"a": b"1", "sub/.provenance/ledger.db": b"2"})
    message = refused(folder)
    assert message.startswith("FOLDER/sub/.provenance is a ledger inside the folder")
    assert leaves(folder, ignore=[".provenance"]) == [leaf("a", b"1")]


def test_a_deep_folder(folder):
    """Deeper than Python recurses."""
    path = folder
    for _ in range(1010):
        path = path / "d"
        path.mkdir()
    (path / "f").write_bytes(b"1")
    inside = path.relative_to(folder).as_posix()
    assert leaves(folder) == [leaf(f"{inside}/f", b"1")]
    (path / "f").unlink()
    while path != folder:  # pytest would recurse to remove it
        path.rmdir()
        path = path.parent


# --- change ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a").write_bytes(b"changed, already read"),
        lambda folder: os.utime(folder / "a", ns=(1, 1)),
        lambda folder: (folder / "new").write_bytes(b""),
        lambda folder: (folder / "z").unlink(),
        lambda folder: (folder / "z").write_bytes(b"another size"),
    ],
)
def test_a_folder_that_changes_while_it_is_read(folder, change):
    fill(folder, {"a": b"1", "m": b"2", "z": b"3"})
    stream = open_source(folder).leaves()
    next(stream)
    change(folder)
    with pytest.raises(InputError, match=r"changed while|cannot be read"):
        list(stream)


def test_a_file_that_is_not_as_long_as_it_says():
    with pytest.raises(InputError, match=r"/proc/version gave [\d,]+ bytes, but its size is 0"):
        read("/proc/version")


def test_blake3_in_the_records_of_a_folder(folder):
    fill(folder, CONTENTS)
    expected = [blake3_leaf(path, CONTENTS[path]) for path in sorted(CONTENTS)]
    encoding = Encoding(name="file", digest="blake3", ignore=(), follow_symlinks=False)
    for options in ({"digest": "blake3"}, {"encoding": encoding}):
        assert leaves(folder, **options) == expected
        assert read(folder, **options).encoding == encoding
    assert read(folder, digest="blake3", tree_only=True).digests == {}
    ignoring = read(folder, digest="blake3", ignore=["a"]).encoding
    assert (ignoring.digest, ignoring.ignore) == ("blake3", ("a",))


def test_blake3_needs_its_package(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "blake3", None)
    fill(folder, {"a": b"1"})
    for path in (folder, folder / "a"):
        with pytest.raises(InputError, match=r"pip install 'provenance-ledger\[blake3\]'"):
            read(path, digest="blake3")


def test_other_digests_are_not_known(folder):
    with pytest.raises(InputError, match="no digest 'md5'; there are sha256, blake3"):
        open_source(folder, digest="md5")


# --- one file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.bin", "x.jsonl", "x.csv", "x.parquet"])
def test_digests_of_one_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b'{"a":1}\n')
    if name == "x.parquet":
        pq.write_table(pa.table({"a": [1]}), path)
    data = path.read_bytes()
    sha256, extra = hashlib.sha256(data).hexdigest(), blake3.blake3(data).hexdigest()
    plain = read(path)
    assert plain.digests == {"sha256": sha256}
    both, tree = read(path, digest="blake3"), read(path, digest="blake3", tree_only=True)
    assert (both.digests, tree.digests) == ({"sha256": sha256, "blake3": extra}, {})
    assert plain.root == both.root == tree.root
    if name == "x.bin":
        assert read(data, digest="blake3").digests == both.digests
        assert read(data, tree_only=True).digests == {}


@pytest.mark.parametrize("size", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20])
def test_chunks(tmp_path, size):
    data = bytes(i % 251 for i in range(1000)) * (size // 1000 + 1)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(data[:size])
    expected = [data[at : min(at + 2**20, size)] for at in range(0, size, 2**20)]
    assert leaves(path) == leaves(data[:size]) == leaves(bytearray(data[:size])) == expected
    result = read(path)
    assert result.encoding == CHUNK
    assert result.digests == {"sha256": hashlib.sha256(data[:size]).hexdigest()}
    assert read(data[:size]).digests == result.digests
    assert open_source(path).default_kind == "model"


def test_small_chunks(tmp_path):
    encoding = Encoding(name="chunk", chunk_size=3)
    assert leaves(b"abcdefgh", encoding=encoding) == [b"abc", b"def", b"gh"]


@given(st.lists(st.binary(max_size=5).filter(lambda line: b"\n" not in line)), st.booleans())
def test_lines(lines, ended):
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    expected = data.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert leaves(data, encoding="line") == expected


def test_a_line_keeps_its_cr(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"a\r\n\n\xff")
    assert leaves(path, encoding="line") == [b"a\r", b"", b"\xff"]
    tree = b"".join(open_source(path, encoding="line").leaf_hash_blocks())
    assert tree[:32] == hash_record("a\r", LINE)
