"""Trees that are kept elsewhere: there before the log names them, and read through a cache."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import places
import pytest
from places import KINDS, new_place, objects, read, write
from postgres import Server

from provenance import InputError, Ledger, LedgerError, TreeMissingError
from provenance.ledger import readiness, treefiles
from provenance.ledger.config import Config, StorageConfig
from provenance.ledger.folder import Folder
from provenance.ledger.readiness import faults
from provenance.ledger.storage import Storage
from provenance.merkle import Tree
from provenance.merkle.index import write_index
from provenance.merkle.trees import tree_length
from provenance.records import JSON, Artifact, hash_record

ROWS = [{"id": number} for number in range(1000)]


@pytest.fixture(scope="session")
def ftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with places.ftp(tmp_path_factory.mktemp("ftp")) as url:
        yield url


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    with places.s3() as url:
        yield url


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place that is ready: a folder, unless a test asks for others."""
    made = new_place(getattr(request, "param", "file"), request, tmp_path)
    Storage(made).make()
    return made


everywhere = pytest.mark.parametrize("url", KINDS, indirect=True)


def configure(home: Path, url: str, **more: Any) -> None:
    Folder(home / ".provenance").configure(storage=StorageConfig(url=url, **more))


@pytest.fixture
def stored(home: Path, url: str) -> Iterator[Ledger]:
    """A ledger whose trees are there."""
    configure(home, url)
    with Ledger.open(home) as ledger:
        yield ledger


def cached(ledger: Ledger) -> list[str]:
    """The trees in the cache, the one that was used least recently first."""
    places = [path for path in ledger.trees.cache.glob("*") if path.is_dir()]
    return [path.name for path in sorted(places, key=lambda path: path.stat().st_mtime_ns)]


def clear(ledger: Ledger) -> None:
    shutil.rmtree(ledger.trees.cache)


def prove(ledger: Ledger, name: str = "rows") -> None:
    proof = ledger.prove(name, record=ROWS[7])
    assert proof.indices == (7,)


# --- there and back -------------------------------------------------------------------------------


@everywhere
def test_what_is_registered_is_there_and_is_read_from_there(stored: Ledger, url: str) -> None:
    rows = stored.register(ROWS, name="rows", sensitivity="public")
    name = f"trees/{rows.digest}"
    assert objects(url)[name] == tree_length(1000)
    assert not any(stored.folder.trees.iterdir())
    prove(stored)
    (file, index) = sorted((stored.trees.cache / rows.digest).iterdir())
    assert file.read_bytes() == read(url, name)
    built = index.read_bytes()
    clear(stored)  # by anybody, at any time
    prove(stored)
    assert (file.read_bytes(), index.read_bytes()) == (read(url, name), built)
    assert stored.find(record=ROWS[7]).items[0].index == 7
    assert set(objects(url)) == {"provenance-storage", name}


@everywhere
def test_an_empty_tree_can_be_kept(stored: Ledger, url: str) -> None:
    nothing = stored.register([], name="nothing", sensitivity="public")
    assert objects(url)[f"trees/{nothing.digest}"] == 0
    clear(stored)
    with pytest.raises(InputError, match="has no such record"):
        stored.prove("nothing", record=ROWS[0])


@everywhere
def test_an_upload_ends_there(stored: Ledger, url: str) -> None:
    leaves = b"".join(hash_record(row, JSON) for row in ROWS)
    artifact = Artifact(root=Tree.from_leaf_hashes(leaves).root, size=1000, encoding=JSON)
    upload = stored.uploads.begin(artifact, "me")
    appending = stored.uploads.append(upload.id, "me", 0)
    appending.write(leaves)
    appending.close()
    assert stored.uploads.find(upload.id, "me").offset == upload.length
    assert read(url, f"trees/{artifact.digest_hex}")[: len(leaves)] == leaves
    clear(stored)  # that it is there is known without fetching it
    assert stored.uploads.begin(artifact, "you").offset == upload.length
    assert cached(stored) == []
    write(url, f"trees/{artifact.digest_hex}", leaves)  # as a put that broke off leaves it
    assert stored.uploads.begin(artifact, "them").offset == 0


def test_what_is_submitted_must_be_there(stored: Ledger, url: str) -> None:
    rows = stored.register(ROWS, name="rows", sensitivity="public")
    envelope = stored.entry(rows.index).envelope
    clear(stored)
    assert stored.submit(envelope, with_tree=True) == rows.index
    places.remove(url, f"trees/{rows.digest}")
    with pytest.raises(TreeMissingError, match="are not here: send them first"):
        stored.submit(envelope, with_tree=True)


def test_registering_the_same_again_sends_nothing(
    stored: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stored.register(ROWS, name="rows", sensitivity="public", cache=False)
    monkeypatch.setattr(Storage, "put", None)
    assert stored.register(ROWS, name="rows", sensitivity="public", cache=False) == before


def test_what_lies_in_the_folder_from_before_is_read_there(home: Path, url: str) -> None:
    with Ledger.open(home) as ledger:
        before = ledger.register(ROWS, name="rows", sensitivity="public")
    configure(home, url)
    with Ledger.open(home) as ledger:
        prove(ledger)
        assert set(objects(url)) == {"provenance-storage"}
        ledger.trees.move(before.artifact)
        assert not any(ledger.folder.trees.iterdir())
        assert {path.name for path in (ledger.trees.cache / before.digest).iterdir()} == {
            before.digest,
            f"{before.digest}.index",
        }
        clear(ledger)
        prove(ledger)


def test_what_was_damaged_before_does_not_stay_in_the_way(home: Path, url: str) -> None:
    with Ledger.open(home) as ledger:
        before = ledger.register(ROWS, name="rows", sensitivity="public")
        ledger.folder.tree(before.artifact.digest).write_bytes(b"")
    configure(home, url)
    with Ledger.open(home) as ledger:
        with pytest.raises(LedgerError, match="register the same data again"):
            prove(ledger)
        with pytest.raises(LedgerError, match="is damaged: register the same data again"):
            ledger.trees.move(before.artifact)
        ledger.register(ROWS, name="rows", sensitivity="public", cache=False)
        prove(ledger)


def test_two_machines_with_one_database_and_one_storage(
    tmp_path: Path, postgres: Server, url: str
) -> None:
    """What one registers the other proves, though it never saw the data."""
    made = Ledger.init(
        tmp_path / "first", origin="acme.example/ml", database=postgres.database(), storage=url
    )
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    with made as first, Ledger.open(tmp_path / "second") as second:
        first.register(ROWS, name="rows", sensitivity="public")
        prove(second)
        second.register(ROWS[::-1], name="again", sensitivity="public")
        assert first.prove("again", record=ROWS[7]).indices == (992,)


# --- the order of it ------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from provenance import Ledger
from provenance.ledger import treefiles, storage

where = sys.argv[1]
owner, _, name = where.rpartition(".")
owner = {"storage": storage.Storage, "files": treefiles.TreeFiles, "module": treefiles}[owner]
whole = getattr(owner, name)

def die(*arguments, **more):
    if "after" in sys.argv:
        whole(*arguments, **more)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, name, die)
with Ledger.open(".") as ledger:
    ledger.register([{"id": number} for number in range(1000)], name="rows", sensitivity="public")
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("where", ["storage.put", "files._into_cache", "module.write_index"])
def test_a_crash_on_the_way_there(home: Path, url: str, where: str, when: str) -> None:
    """Whatever it leaves: the log names nothing that is not there, and the next call mends it."""
    configure(home, url)
    command = [sys.executable, "-c", KILLED, where, when]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=home, env=environment, timeout=120)
    assert done.returncode == -signal.SIGKILL
    with Ledger.open(home) as ledger:
        assert ledger.artifacts().items == ()
        put = (where, when) != ("storage.put", "before")
        assert (len(objects(url)) == 2) == put
        ledger.register(ROWS, name="rows", sensitivity="public")
        prove(ledger)
        assert len(objects(url)) == 2
        assert not any(ledger.folder.drafts.iterdir())
        clear(ledger)
        prove(ledger)


def test_a_put_that_broke_off_is_mended(stored: Ledger, url: str) -> None:
    digest = Artifact(
        root=Tree.from_leaf_hashes(b"".join(hash_record(row, JSON) for row in ROWS)).root,
        size=1000,
        encoding=JSON,
    ).digest_hex
    write(url, f"trees/{digest}", b"a part")
    stored.register(ROWS, name="rows", sensitivity="public")
    clear(stored)
    prove(stored)


def test_nothing_is_logged_that_is_not_there(
    stored: Ledger, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = stored.size()
    shutil.rmtree(url.removeprefix("file://"))
    with pytest.raises(LedgerError, match=r"file://.*no provenance-storage"):
        stored.register(ROWS, name="rows", sensitivity="public")
    Storage(url).make()
    with monkeypatch.context() as failing:

        def put(_files: Any, _path: str, target: str) -> None:
            Path(target).write_bytes(b"half")

        failing.setattr(fsspec.get_filesystem_class("file"), "put_file", put)
        with pytest.raises(LedgerError, match=r"of 63,808 bytes it kept 4"):
            stored.register(ROWS, name="rows", sensitivity="public")
    assert stored.size() == size
    assert not any(stored.folder.drafts.iterdir())
    stored.register(ROWS, name="rows", sensitivity="public")
    prove(stored)


# --- what goes wrong there ------------------------------------------------------------------------


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@everywhere
def test_a_tree_that_is_missing_or_damaged_there(stored: Ledger, url: str) -> None:
    rows = stored.register(ROWS, name="rows", sensitivity="public")
    other = stored.register(ROWS[:999], name="other", sensitivity="public")
    name = f"trees/{rows.digest}"
    whole = read(url, name)
    for data, said in (
        (whole[:-32], f"{name} in .* has 63,776 bytes, not 63,808: register the same data again"),
        (changed(whole, 0), f"{name} in .* is damaged: delete it, and register the same data"),
        (changed(whole, 63_807), f"{name} in .* is damaged: delete it, and register the same"),
        (None, f"{name} in .* is missing: register the same data again, which puts it there anew"),
    ):
        clear(stored)
        places.remove(url, name)
        if data is not None:
            write(url, name, data)
        for _ in range(2):
            with pytest.raises(LedgerError, match=said):
                prove(stored)
        assert rows.digest not in cached(stored)
        found = stored.find(record=ROWS[7])
        while found.next_cursor and not found.unread:
            found = stored.find(record=ROWS[7], cursor=found.next_cursor)
        assert found.unread == (rows.index,)
    stored.register(ROWS, name="rows", sensitivity="public", cache=False)
    assert read(url, name) == whole
    write(url, name, (whole[:32] * 2000)[: len(whole)])
    clear(stored)
    prove(stored, "other")
    assert other.digest in cached(stored)


def test_another_whole_tree_of_the_same_length(stored: Ledger, url: str) -> None:
    rows = stored.register(ROWS, name="rows", sensitivity="public")
    other = stored.register(ROWS[::-1], name="other", sensitivity="public")
    write(url, f"trees/{rows.digest}", read(url, f"trees/{other.digest}"))
    clear(stored)
    with pytest.raises(LedgerError, match="is damaged: delete it, and register the same"):
        prove(stored)


@pytest.mark.parametrize("url", ["file", "memory", "s3"], indirect=True)
def test_a_place_that_was_emptied_is_not_taken_for_trees_that_are_missing(
    stored: Ledger, url: str
) -> None:
    rows = stored.register(ROWS, name="rows", sensitivity="public")
    clear(stored)
    for name in objects(url):
        places.remove(url, name)
    for call in (
        lambda: prove(stored),
        stored.trees.check,
        lambda: stored.submit(stored.entry(rows.index).envelope, with_tree=True),
    ):
        with pytest.raises(LedgerError, match="holds no trees of a ledger: it has no provenance"):
            call()
    assert [*faults(stored)] == ["the storage of trees does not answer"]


def test_a_server_that_goes_away_and_comes_back(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "served").mkdir()
    port = places.free_port()
    with contextlib.ExitStack() as stack:
        with places.ftp(tmp_path / "served", port) as server:
            url = f"{server}/deep/down"
            Storage(url).make()
            configure(home, url)
            ledger = stack.enter_context(Ledger.open(home))
            rows = ledger.register(ROWS, name="rows", sensitivity="public")
            assert faults(ledger) == {}
        monkeypatch.setattr(readiness, "RECENT", 0)
        said = rf"the storage ftp://127.0.0.1:{port}/deep/down cannot be used: Connection refused"
        prove(ledger)  # what is here is enough
        clear(ledger)
        for call in (
            lambda: prove(ledger),
            lambda: ledger.register(ROWS[1:], name="more", sensitivity="public"),
            lambda: ledger.trees.has(rows.artifact.digest, 1000, rows.artifact.root),
            ledger.trees.check,
        ):
            with pytest.raises(LedgerError, match=said):
                call()
        assert [*faults(ledger)] == ["the storage of trees does not answer"]
        with places.ftp(tmp_path / "served", port):
            prove(ledger)
            assert faults(ledger) == {}


def test_who_asks_often_is_told_what_is_known(
    stored: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may_answer = threading.Semaphore(0), threading.Semaphore(0)

    def check(storage: Storage) -> None:
        asked.release()
        assert may_answer.acquire(timeout=30)
        raise LedgerError("away")

    monkeypatch.setattr(Storage, "check", check)
    first = threading.Thread(target=faults, args=(stored,))
    first.start()
    assert asked.acquire(timeout=30)
    assert faults(stored) == {}  # nothing is known yet, and nobody waits
    may_answer.release()
    first.join()
    for _ in range(3):
        assert [*faults(stored)] == ["the storage of trees does not answer"]
    assert not asked.acquire(blocking=False), "it is not asked again so soon"
    monkeypatch.setattr(readiness, "RECENT", 0)
    monkeypatch.setattr(Storage, "check", lambda _: None)
    assert faults(stored) == {}


def test_no_message_shows_a_password(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    with places.ftp(tmp_path / "served") as server:
        wrong = server.replace("s3cret", "hid%20den")
        with pytest.raises(LedgerError, match=r"the storage ftp://127.0.0.1:\d+/x cannot") as told:
            Storage(f"{wrong}/x").make()
        assert "530" in str(told.value)  # what FTP says of a wrong password
    assert "hid" not in str(told.value)
    assert "hid" not in repr(StorageConfig(url=wrong))
    echo = Storage("odd-protocol://me:hid%20den@host/x")
    assert "hid" not in str(echo._unusable("no hid den, nor me:hid%20den"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("odd://bucket/x", "the storage odd://bucket/x cannot be used: Protocol not known: odd"),
        ("sftp://host/x", "cannot be used: .*paramiko"),
    ],
)
def test_a_protocol_that_is_not_there(url: str, said: str) -> None:
    with pytest.raises(LedgerError, match=said):
        Storage(url).check()


def test_fsspec_is_asked_for_only_with_a_storage(
    stored: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(LedgerError, match=r"needs fsspec.*pip install 'provenance-ledger\[stor"):
        stored.trees.check()


@pytest.mark.parametrize("url", ["s3", "bucket/x", "s3:// x", " s3://x", "S3://x", "s3:/x"])
def test_a_url_that_is_none(home: Path, url: str) -> None:
    path = home / ".provenance/config.toml"
    path.write_text(path.read_text() + f'\n[storage]\nurl = "{url}"\n')
    with pytest.raises(LedgerError, match="a URL such as s3://bucket/prefix"):
        Config.read(path)


def test_the_configuration_can_be_written_and_read(home: Path) -> None:
    configure(home, "s3://bucket/ä", cache_bytes=7)
    config = Config.read(home / ".provenance/config.toml")
    assert config.storage == StorageConfig(url="s3://bucket/ä", cache_bytes=7)
    assert 'url = "s3://bucket/\\u00e4"\ncacheBytes = 7\n' in config.to_toml()


# --- the cache ------------------------------------------------------------------------------------


def test_what_was_used_least_recently_makes_way(
    home: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(treefiles, "MARKED_EVERY", 0)
    configure(home, url, cache_bytes=3 * 5000)
    with Ledger.open(home) as ledger:
        digest = {
            n: ledger.register(ROWS[n : n + 64], name=f"rows {n}", sensitivity="public").digest
            for n in range(5)
        }
        assert cached(ledger) == [digest[2], digest[3], digest[4]]
        ledger.prove("rows 2", index=0)
        assert cached(ledger) == [digest[3], digest[4], digest[2]]
        ledger.prove("rows 0", record=ROWS[0])
        assert cached(ledger) == [digest[4], digest[2], digest[0]]
        # What is larger than the cache is in it all the same, alone.
        large = ledger.register(ROWS, name="rows", sensitivity="public").digest
        assert cached(ledger) == [large]
        prove(ledger)
        for n in range(5):
            ledger.prove(f"rows {n}", record=ROWS[n + 1])
        held = sum(path.stat().st_size for path in ledger.trees.cache.rglob("*") if path.is_file())
        assert held <= 4 * 5000


def test_a_copy_that_was_damaged_is_fetched_anew(stored: Ledger) -> None:
    rows = stored.register(ROWS, name="rows", sensitivity="public")
    path = stored.trees.here(rows.artifact.digest)
    assert path is not None
    whole = path.read_bytes()
    for data in (b"", whole[:-32], changed(whole, len(whole) - 1)):
        path.unlink()
        path.write_bytes(data)
        prove(stored)
        assert path.read_bytes() == whole
    path.unlink()
    path.write_bytes(changed(whole, 7 * 32))
    with pytest.raises(LedgerError, match="was damaged, and has been removed: ask again"):
        prove(stored)
    prove(stored)
    assert path.read_bytes() == whole


def test_one_fetches_while_others_wait(
    stored: Ledger, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.register(ROWS, name="rows", sensitivity="public")
    clear(stored)
    fetched, whole = [], Storage.get

    def get(storage: Storage, digest: bytes, path: Path) -> None:
        fetched.append(digest)
        whole(storage, digest, path)

    monkeypatch.setattr(Storage, "get", get)
    wrong: list[BaseException] = []

    def ask(ledger: Ledger) -> None:
        try:
            prove(ledger)
        except BaseException as error:
            wrong.append(error)

    with Ledger.open(home) as second:
        threads = [threading.Thread(target=ask, args=(ledger,)) for ledger in (stored, second) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (wrong, len(fetched)) == ([], 1)


def test_the_cache_may_go_at_any_time(home: Path, url: str, start: Any) -> None:
    """Somebody deletes it again and again; nobody who asks notices."""
    configure(home, url, cache_bytes=10_000)
    with Ledger.open(home) as ledger:
        for n in range(4):
            ledger.register(ROWS[n : n + 100], name=f"rows {n}", sensitivity="public")
        deleting = start(
            "import itertools, pathlib, shutil\n"
            "for number in itertools.count():\n"
            "    shutil.rmtree('.provenance/cache', ignore_errors=True)\n"
        )
        end = time.monotonic() + 3
        proven = 0
        while time.monotonic() < end:
            name = f"rows {proven % 4}"
            with contextlib.suppress(LedgerError):  # all of three attempts were in vain
                assert ledger.prove(name, index=9).indices == (9,)
                proven += 1
        deleting.kill()
        deleting.wait()
        for n in range(4):
            assert ledger.prove(f"rows {n}", record=ROWS[n + 50]).indices == (50,)


def test_what_is_registered_does_not_rest_on_the_cache(
    stored: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as deleting:

        def delete(tree: Tree, drafts: Path, path: Path) -> None:
            clear(stored)
            write_index(tree, drafts, path)

        deleting.setattr(treefiles, "write_index", delete)
        stored.register(ROWS, name="rows", sensitivity="public")
    prove(stored)


def test_a_disk_without_room(stored: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.register(ROWS, name="rows", sensitivity="public")
    clear(stored)
    none = shutil.disk_usage("/")._replace(free=1000)
    with monkeypatch.context() as full:
        full.setattr(treefiles.shutil, "disk_usage", lambda _: none)  # type: ignore[attr-defined]
        with pytest.raises(
            LedgerError, match=r"cache.*there is no room for a tree of 63,808 bytes"
        ):
            prove(stored)
    prove(stored)


def test_a_search_ends_a_page_where_a_tree_had_to_be_fetched(stored: Ledger) -> None:
    for n in range(3):
        stored.register(ROWS[n:], name=f"rows {n}", sensitivity="public")
    clear(stored)
    pages, cursor = [], None
    while True:
        page = stored.find(record=ROWS[9], cursor=cursor)
        pages.append(len(page.items))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert pages == [1, 1, 1]
    assert len(stored.find(record=ROWS[9]).items) == 3
