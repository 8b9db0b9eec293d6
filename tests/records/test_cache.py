"""Digests that are remembered: what did not change is not read again, and no root is ever wrong."""

import os
import threading
import time

import pytest
from reading import read

from provenance.errors import InputError
from provenance.records import FILE, Artifact, folders
from provenance.records.cache import LOCAL, DigestCache, filesystem_of, user_cache
from provenance.records.filesystem import unpack
from provenance.records.listing import list_folder
from provenance.records.opening import open_source
from provenance.statements import Dataset
from provenance.verification.content import Content

BOOT = "7ecb7806-ba3b-49a5-ab2e-fc040cbaa051"
HOUR = 3600 * 10**9
CONTENTS = {"a": b"1", "b/c": b"22", "b/d": b"", "large": bytes(5 << 20)}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    for path, data in CONTENTS.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@pytest.fixture
def cache(tmp_path):
    return cache_in(tmp_path)


def cache_in(tmp_path, boot=BOOT, clock=lambda: time.time_ns() + HOUR, local=True):
    """A cache for which every file was changed long ago."""
    return DigestCache(tmp_path / "digests", boot=boot, clock=clock, is_local=lambda path: local)


@pytest.fixture
def opened(monkeypatch):
    """The names of the files that were read since this was cleared."""
    names = []
    read_group = folders._Reader.digests

    def digests(self, group):
        names.extend(group.paths)
        return read_group(self, group)

    monkeypatch.setattr(folders._Reader, "digests", digests)
    return names


def pages(tmp_path):
    return [path for path in (tmp_path / "digests").rglob("*") if path.is_file()]


def rewrite(path, data):
    """Write, in another tick of the filesystem's clock than what was there."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        path.write_bytes(data)


@pytest.mark.parametrize("digest", ["sha256", "blake3"])
def test_what_did_not_change_is_not_read_again(folder, cache, opened, digest):
    plain = read(folder, digest=digest)
    opened.clear()
    assert read(folder, digest=digest, cache=cache) == plain
    assert sorted(opened) == sorted(CONTENTS)
    opened.clear()
    assert read(folder, digest=digest, cache=cache) == plain
    assert opened == []
    read(folder, cache=cache, digest="blake3" if digest == "sha256" else "sha256")
    assert sorted(opened) == sorted(CONTENTS)


def test_a_folder_is_the_same_by_any_way_to_it(folder, cache, opened, tmp_path, monkeypatch):
    read(folder, cache=cache)
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(folder)
    opened.clear()
    for way in (tmp_path / "link", ".", folder / "b" / ".."):
        assert read(way, cache=cache).root == read(folder).root
        del opened[-len(CONTENTS) :]
    assert opened == []


def replace(path):
    path.with_name("new").write_bytes(b"x")
    path.with_name("new").replace(path)


def rewrite_unseen(path):
    """The size and the time of modification stay; the time of change nobody can set."""
    before = path.stat()
    rewrite(path, b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "read_again"),
    [
        (lambda folder: rewrite(folder / "a", b"x"), ["a"]),
        (lambda folder: rewrite_unseen(folder / "b/c"), ["b/c"]),
        (lambda folder: replace(folder / "a"), ["a"]),
        (lambda folder: (folder / "new").write_bytes(b"1"), ["new"]),
        (lambda folder: (folder / "a").unlink(), []),
        (lambda folder: (folder / "b").rename(folder / "e"), []),
        (lambda folder: (folder / "a").with_name("z").hardlink_to(folder / "large"), None),
    ],
)
def test_a_change_costs_only_itself(folder, cache, opened, change, read_again):
    read(folder, cache=cache)
    change(folder)
    opened.clear()
    found = read(folder, cache=cache)
    assert read_again is None or opened == read_again
    assert found == read(folder)
    opened.clear()
    assert read(folder, cache=cache) == found
    assert opened == []


def test_what_is_gone_is_forgotten(folder, cache):
    read(folder, cache=cache)
    assert len(cache.page(folder, "sha256").digests()) == len(CONTENTS)
    (folder / "a").unlink()
    read(folder, cache=cache)
    assert len(cache.page(folder, "sha256").digests()) == len(CONTENTS) - 1


def test_two_files_that_change_places(folder, cache):
    (folder / "x").write_bytes(b"1")
    (folder / "y").write_bytes(b"2")
    read(folder, cache=cache)
    (folder / "x").rename(folder / "t")
    (folder / "y").rename(folder / "x")
    (folder / "t").rename(folder / "y")
    assert read(folder, cache=cache) == read(folder)


@pytest.mark.parametrize("age", [-HOUR, 0, 2 * 10**9, 2 * 10**9 + 1])
def test_what_changed_just_before_is_not_remembered(tmp_path, folder, opened, age):
    """Another change within the tick of the clock would leave the same times."""
    changed = max((folder / path).stat().st_ctime_ns for path in CONTENTS)
    cache = cache_in(tmp_path, clock=lambda: changed + age)
    read(folder, cache=cache)
    opened.clear()
    read(folder, cache=cache)
    newest = {path for path in CONTENTS if (folder / path).stat().st_ctime_ns == changed}
    assert newest <= set(opened) if age <= 2 * 10**9 else opened == []


def test_by_the_clock_of_this_machine(tmp_path, folder, opened):
    (folder / "a").write_bytes(b"2")
    cache = DigestCache(tmp_path / "digests", boot=BOOT, is_local=lambda path: True)
    read(folder, cache=cache)
    opened.clear()
    (folder / "a").write_bytes(b"3")
    assert read(folder, cache=cache) == read(folder)
    assert "a" in opened


@pytest.mark.parametrize(
    "change",
    [
        lambda path: rewrite(path, b"x"),
        lambda path: rewrite_unseen(path),
        lambda path: path.unlink(),
        lambda path: path.with_name("new").write_bytes(b""),
    ],
)
@pytest.mark.parametrize("known", [False, True])
def test_a_folder_that_changes_while_it_is_read(tmp_path, folder, cache, change, known):
    """Whether the digest was read now or remembered: nothing is returned, nothing remembered."""
    if known:
        read(folder, cache=cache)
    before = [page.read_bytes() for page in pages(tmp_path)]
    stream = open_source(folder, cache=cache).leaves()
    next(stream)
    change(folder / "a")
    with pytest.raises(InputError, match="changed while"):
        list(stream)
    assert [page.read_bytes() for page in pages(tmp_path)] == before
    assert read(folder, cache=cache) == read(folder)


# --- pages that are not what was written --------------------------------------------------------


def flip(at):
    def change(page):
        data = bytearray(page.read_bytes())
        data[at] ^= 1
        page.write_bytes(data)

    return change


def another_folder(page):
    other = page.parent.parent.parent / "other"
    other.mkdir()
    (other / "a").write_bytes(b"")
    read(other, cache=cache_in(page.parent.parent.parent))
    (theirs,) = set(page.parent.iterdir()) - {page}
    theirs.replace(page)


@pytest.mark.parametrize(
    "change",
    [
        *map(flip, (0, 31, 32, 40, 50, 60, -1)),
        lambda page: page.write_bytes(b""),
        lambda page: page.write_bytes(page.read_bytes()[:-1]),
        lambda page: page.write_bytes(page.read_bytes()[:-64]),
        lambda page: page.write_bytes(page.read_bytes() + bytes(64)),
        another_folder,
        lambda page: page.chmod(0o620),
        lambda page: page.chmod(0o602),
        lambda page: (page.rename(page.with_name("x")), page.symlink_to("x")),
        lambda page: (page.unlink(), page.mkdir()),
    ],
)
def test_a_damaged_page_is_not_used(tmp_path, folder, cache, opened, change):
    expected = read(folder)
    read(folder, cache=cache)
    (page,) = pages(tmp_path)
    change(page)
    opened.clear()
    with pytest.warns(UserWarning, match="where digests of files are remembered, is not used: "):
        assert read(folder, cache=cache) == expected
    assert sorted(opened) == sorted(CONTENTS)
    if not page.is_dir():
        opened.clear()
        assert read(folder, cache=cache) == expected
        assert opened == []


def test_a_page_of_somebody_else(tmp_path, folder, cache, monkeypatch):
    read(folder, cache=cache)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.warns(UserWarning, match="others can write to it"):
        read(folder, cache=cache)


def test_only_the_user_can_read_pages(tmp_path, folder, cache):
    read(folder, cache=cache)
    (page,) = pages(tmp_path)
    assert [path.stat().st_mode & 0o777 for path in (page, page.parent)] == [0o600, 0o700]
    assert page.parent.name == BOOT


def test_deleted_at_any_time(tmp_path, folder, cache, opened):
    read(folder, cache=cache)
    stream = open_source(folder, cache=cache).leaves()
    next(stream)
    for page in pages(tmp_path):
        page.unlink()
        page.parent.rmdir()
    list(stream)
    opened.clear()
    assert read(folder, cache=cache) == read(folder)


def test_where_nothing_can_be_written(tmp_path, folder, cache):
    (tmp_path / "digests").write_bytes(b"in the way")
    with pytest.warns(UserWarning, match="is not used: .*Not a directory"):
        assert read(folder, cache=cache) == read(folder)


def test_a_full_disk_leaves_no_spare_file(tmp_path, folder, cache, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    assert read(folder, cache=cache) == read(folder)
    assert pages(tmp_path) == []


# --- boots and filesystems ----------------------------------------------------------------------


def test_nothing_is_used_from_another_boot(tmp_path, folder, opened):
    """Pages that were not written back when the power failed, and devices that changed places."""
    read(folder, cache=cache_in(tmp_path))
    (page,) = pages(tmp_path)
    other = BOOT.replace("7", "8")
    opened.clear()
    read(folder, cache=cache_in(tmp_path, boot=other))
    assert sorted(opened) == sorted(CONTENTS)
    (tmp_path / "digests" / other / page.name).write_bytes(page.read_bytes())
    with pytest.warns(UserWarning, match="it is damaged"):
        read(folder, cache=cache_in(tmp_path, boot=other))


def test_what_earlier_boots_left_is_removed_after_a_month(tmp_path, folder):
    kept = tmp_path / "digests" / "something else"
    kept.mkdir(parents=True)
    os.utime(kept, (0, 0))
    old, recent = (BOOT.replace("7", digit) for digit in "89")
    for boot, days in ((old, 31), (recent, 29)):
        read(folder, cache=cache_in(tmp_path, boot=boot))
        moment = time.time() - days * 86400
        os.utime(tmp_path / "digests" / boot, (moment, moment))
    read(folder, cache=cache_in(tmp_path))
    assert {path.name for path in kept.parent.iterdir()} == {kept.name, recent, BOOT}


def test_nothing_is_remembered_of_other_filesystems(tmp_path, folder, opened):
    cache = cache_in(tmp_path, local=False)
    for _ in range(2):
        read(folder, cache=cache)
    assert sorted(opened) == sorted([*CONTENTS, *CONTENTS])
    assert pages(tmp_path) == []


def test_nothing_is_remembered_of_a_filesystem_mounted_within(folder, cache):
    states = [*unpack(list_folder(folder, "folder").states)]
    states[0] = (states[0][0] + 1, *states[0][1:])
    page = cache.page(folder, "sha256")
    page.keep([(state, bytes(32)) for state in states])
    assert page.digests() == dict.fromkeys(states[1:], bytes(32))


MOUNTS = rb"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw - proc proc rw
24 22 0:30 / /mnt/a rw shared:2 master:3 - nfs4 server:/a rw
25 24 0:31 / /mnt/a/in\040side rw - xfs /dev/vdb rw
26 22 0:32 / /mnt/twice rw - ext4 /dev/vdc rw
27 22 0:33 / /mnt/twice rw - fuse.sshfs you@there rw
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", "ext4"),
        ("/mnt", "ext4"),
        ("/mnt/a", "nfs4"),
        ("/mnt/a/b", "nfs4"),
        ("/mnt/ab", "ext4"),
        ("/mnt/a/in side/x", "xfs"),
        ("/mnt/a/in", "nfs4"),
        ("/mnt/twice/x", "fuse.sshfs"),
    ],
)
def test_the_filesystem_of_a_path(tmp_path, path, found):
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(MOUNTS)
    assert filesystem_of(type(mounts)(path), mounts) == found


def test_the_filesystems_of_this_machine(tmp_path):
    assert filesystem_of(type(tmp_path)("/proc")) == "proc"
    assert "proc" not in LOCAL
    assert filesystem_of(tmp_path, tmp_path / "missing") == ""


@pytest.mark.parametrize(
    ("base", "where"),
    [(None, "home/.cache"), ("", "home/.cache"), ("relative", "home/.cache"), ("/xdg", "/xdg")],
)
def test_where_the_cache_of_the_user_lies(tmp_path, folder, monkeypatch, base, where):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if base is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", base)
    assert user_cache()._folder == tmp_path / where / "provenance/digests"


def test_without_the_id_of_a_boot_there_is_no_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("provenance.records.cache._BOOT_ID", tmp_path / "missing")
    assert user_cache() is None


# --- who reads it -------------------------------------------------------------------------------


def test_several_at_once(tmp_path, folder, cache):
    """The page is replaced as a whole: nobody sees half of one."""
    for number in range(300):
        (folder / f"{number}").write_bytes(b"%d" % number)
    expected = read(folder)
    found = []

    def work():
        for _ in range(5):
            found.append(read(folder, cache=cache_in(tmp_path)))
            for page in pages(tmp_path):
                page.unlink(missing_ok=True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 20


def test_a_verifier_never_reads_it(folder, opened):
    signed = Artifact(root=bytes(32), size=len(CONTENTS), encoding=FILE)
    described = Dataset(nonce=bytes(16), issued="2026-01-31T12:00:00Z", artifact=signed)
    Content(folder).measure(described)
    assert sorted(opened) == sorted(CONTENTS)
