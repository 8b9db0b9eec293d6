"""What is remembered is held against the files: what is wrong is named and removed."""

import json
import os
import time
from hashlib import sha256

import pytest

from provenance.records.cache import DigestCache
from provenance.records.files import SteadyFile
from provenance.records.opening import open_source
from provenance.records.recheck import recheck
from provenance.records.sources import Source

BOOT = "7ecb7806-ba3b-49a5-ab2e-fc040cbaa051"


@pytest.fixture
def cache(tmp_path):
    """A cache for which every file was changed long ago."""
    return DigestCache(
        tmp_path / "digests",
        boot=BOOT,
        clock=lambda: time.time_ns() + 3600 * 10**9,
        is_local=lambda path: True,
    )


@pytest.fixture
def data(tmp_path):
    """A folder and a file."""
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    for name in ("a", "b/c", "b/d"):
        (folder / name).write_bytes(name.encode())
    (tmp_path / "t.jsonl").write_bytes(b'{"a": 1}\n{"a": 2}\n{"a": 3}\n')
    return folder, tmp_path / "t.jsonl"


def remember(cache, *paths, **options):
    for path in paths:
        open_source(path, cache=cache, **options).artifact()


def forge(page, change):
    """Change what a page says, and have it look as it was written so."""
    body = change(page.read_bytes()[32:])
    name = f"{page.parent.name}/{page.name}\n".encode()
    page.write_bytes(sha256(name + body).digest() + body)


def told(cache):
    return [(found.path, found.files, found.wrong, found.kept) for found in recheck(cache)]


def test_what_is_right_stays(cache, data, tmp_path):
    folder, file = data
    ways = [{}, {"digest": "blake3"}]
    for way in ways:
        remember(cache, folder, file, **way)
    for way in ({"tree_only": True}, {"encoding": "line"}, {"encoding": "chunk"}):
        remember(cache, file, **way)
    (tmp_path / "t.csv").write_bytes(b"a\n1\n")
    remember(cache, tmp_path / "t.csv", schema={"a": "int64"})
    pages = cache.pages()
    assert sorted(told(cache), key=str) == sorted(
        [(folder, 3, (), True)] * 2
        + [(file, 1, (), True)] * 5
        + [(tmp_path / "t.csv", 1, (), True)],
        key=str,
    )
    assert cache.pages() == pages


def test_by_the_name_that_it_was_hashed_under(cache, data, tmp_path):
    """The form of a file goes by its name, also where that is of a symlink."""
    (tmp_path / "blob").write_bytes(b'{"a": 1}\n')
    (tmp_path / "link.jsonl").symlink_to("blob")
    remember(cache, tmp_path / "link.jsonl")
    assert told(cache) == [(tmp_path / "link.jsonl", 1, (), True)]


@pytest.mark.parametrize("digest", ["sha256", "blake3"])
def test_a_wrong_digest_in_a_folder(cache, data, digest):
    folder, _ = data
    remember(cache, folder, digest=digest)
    (page,) = cache.pages()
    forge(page, lambda body: body[:-1] + bytes([body[-1] ^ 1]))
    assert told(cache) == [(folder, 2, (f"{folder}/b/d has another {digest}",), False)]
    assert cache.pages() == []


def set_field(**fields):
    return lambda body: json.dumps(json.loads(body) | fields).encode()


@pytest.mark.parametrize(
    "change",
    [
        set_field(digests={"sha256": "0" * 64}),
        set_field(digests={}),
        set_field(schema={"a": "int64"}),
        set_field(length=5),
        set_field(records=1, hashes=["00" * 32]),
        set_field(records=0, hashes=[]),
        set_field(whole=False),
    ],
)
def test_a_wrong_word_on_a_file(cache, data, change):
    _, file = data
    remember(cache, file)
    (page,) = cache.pages()
    forge(page, change)
    assert told(cache) == [(file, 0, (f"{file} has another root or digest",), False)]
    assert cache.pages() == []


def test_a_damaged_page(cache, data):
    remember(cache, *data)
    for page in cache.pages():
        page.write_bytes(page.read_bytes()[:-1])
    assert told(cache) == [(None, 0, ("it is damaged",), False)] * 2
    assert cache.pages() == []


def test_what_is_none_of_ours(cache, data):
    remember(cache, data[0])
    (page,) = cache.pages()
    page.with_name("notes").write_bytes(b"")
    page.with_name(".spare").write_bytes(b"")
    assert told(cache)[1:] == [(None, 0, ("it is none of ours",), False)]
    assert sorted(path.name for path in page.parent.iterdir()) == [".spare", page.name]


def move(path):
    path.rename(path.with_name("moved"))


def replace_folder(path):
    move(path)
    path.mkdir()


def touch_all(path):
    for file in path.rglob("*") if path.is_dir() else [path]:
        before = file.stat().st_ctime_ns
        while file.stat().st_ctime_ns == before:
            os.utime(file)


@pytest.mark.parametrize("change", [move, replace_folder, touch_all])
@pytest.mark.parametrize("which", [0, 1])
def test_what_nothing_can_be_held_against_is_forgotten(cache, data, change, which):
    remember(cache, data[which])
    change(data[which])
    assert told(cache) == [(data[which], 0, (), False)]
    assert cache.pages() == []


def test_what_changed_in_a_folder_is_passed_over(cache, data):
    folder, _ = data
    remember(cache, folder)
    touch_all(folder / "a")
    assert told(cache) == [(folder, 2, (), True)]


def test_what_was_not_read_is_not_left(cache, data, tmp_path):
    """Moving its folder away and back changes no time of a file."""
    folder, _ = data
    plain = open_source(folder).artifact()
    remember(cache, folder)
    (page,) = cache.pages()
    forge(page, lambda body: body[:-1] + bytes([body[-1] ^ 1]))  # b/d
    (folder / "b").rename(tmp_path / "b")
    assert told(cache) == [(folder, 1, (), True)]
    assert len(cache.page(folder, "sha256").digests()) == 1
    (tmp_path / "b").rename(folder / "b")
    assert open_source(folder, cache=cache).artifact() == plain


def test_what_cannot_be_written_anew_is_removed(cache, data, monkeypatch):
    def full(page, body):
        raise OSError(28, "No space left on device")

    folder, _ = data
    remember(cache, folder)
    touch_all(folder / "a")
    monkeypatch.setattr("provenance.records.recheck.write_page", full)
    assert told(cache) == [(folder, 0, (), False)]
    assert cache.pages() == []


def test_a_file_that_lies_elsewhere_but_for_a_moment(cache, data, tmp_path, monkeypatch):
    """What was read is another file: that proves nothing, and nothing wrong."""
    (tmp_path / "other.jsonl").write_bytes(b'{"a": 4}\n{"a": 5}\n{"a": 6}\n')
    (tmp_path / "link.jsonl").symlink_to("t.jsonl")
    remember(cache, tmp_path / "link.jsonl")
    is_as = Source.is_as

    def swapped(source, known):
        (tmp_path / "link.jsonl").unlink()
        (tmp_path / "link.jsonl").symlink_to("other.jsonl")
        try:
            return is_as(source, known)
        finally:
            (tmp_path / "link.jsonl").unlink()
            (tmp_path / "link.jsonl").symlink_to("t.jsonl")

    monkeypatch.setattr(Source, "is_as", swapped)
    assert told(cache) == [(tmp_path / "link.jsonl", 0, (), False)]


def test_a_folder_that_lies_elsewhere_but_for_a_moment(cache, data, tmp_path, monkeypatch):
    folder, _ = data
    (tmp_path / "other").mkdir()
    for name in "cd":
        (tmp_path / "other" / name).write_bytes(b"xxx")
    remember(cache, folder)

    class Swapped(SteadyFile):
        def __init__(self, path, *arguments):
            self.swap = path.parent.name == "b"
            if self.swap:
                (folder / "b").rename(tmp_path / "spare")
                (tmp_path / "other").rename(folder / "b")
            super().__init__(path, *arguments)

        def close(self):
            if self.swap:
                (folder / "b").rename(tmp_path / "other")
                (tmp_path / "spare").rename(folder / "b")
                self.swap = False
            super().close()

    monkeypatch.setattr("provenance.records.recheck.SteadyFile", Swapped)
    monkeypatch.setattr("provenance.merkle.parallel.cores", lambda: 1)
    assert told(cache) == [(folder, 1, (), True)]
    assert len(cache.page(folder, "sha256").digests()) == 1


@pytest.mark.parametrize(
    "change",
    [lambda body: b"{}", lambda body: b"", lambda body: body.replace(b'"encoding"', b'"old"')],
)
def test_a_page_of_another_form_is_forgotten(cache, data, change):
    remember(cache, data[1])
    (page,) = cache.pages()
    forge(page, change)
    assert told(cache) == [(None, 0, (), False)]
    assert cache.pages() == []


def test_what_another_version_hashed_is_forgotten(cache, data, monkeypatch):
    """It may have had another root for it, by which nothing is wrong."""
    remember(cache, data[1])
    (page,) = cache.pages()
    forge(page, set_field(records=1, hashes=["00" * 32]))
    monkeypatch.setattr("provenance.records.opening.VERSION", "99")
    assert told(cache) == [(data[1], 0, (), False)]


def test_what_may_only_go_on_is_forgotten(tmp_path, data):
    """Its state says nothing of its content."""
    cache = DigestCache(
        tmp_path / "digests", boot=BOOT, clock=lambda: 0, is_local=lambda path: True
    )
    remember(cache, data[1])
    assert len(cache.pages()) == 1
    assert told(cache) == [(data[1], 0, (), False)]


def test_where_nothing_is_remembered(cache):
    assert told(cache) == []
