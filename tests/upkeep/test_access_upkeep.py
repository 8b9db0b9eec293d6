"""Uses, signed and not: looked at by `fsck`, copied by `backup`, and brought back by `restore`."""

import shutil

import pytest
from looking import told

from provenance import Ledger, backup, fsck, restore
from provenance.ledger.uses import use_files


def use(ledger, name, request):
    artifact = ledger.resolve(name).artifact.digest
    ledger.access_log.record("show", [(artifact, None)], who="public", request=request)


@pytest.fixture(scope="module")
def used(made, tmp_path_factory):
    """A ledger with two batches of uses, and two that wait as a killed process left them."""
    home = tmp_path_factory.mktemp("used") / "home"
    shutil.copytree(made, home)
    with Ledger.open(home) as ledger:
        for number in range(3):
            use(ledger, "rows", f"r{number}")
        ledger.access_log.roll()
        use(ledger, "data", "d")
        ledger.access_log.roll()
        use(ledger, "rows", "waits")
        use(ledger, "rows", "waits, too".replace(", ", "-"))
        ledger.access_log._file.close()
        ledger.access_log._file = None
    return home


@pytest.fixture
def home(used, tmp_path):
    return shutil.copytree(used, tmp_path / "home")


@pytest.fixture
def batch(folder):
    """The file of the larger batch."""
    return max(folder.glob("access/*.jsonl"), key=lambda path: path.stat().st_size)


def test_what_is_there(home):
    report = fsck(home)
    assert report.verdict == "whole"
    assert report["access"].found == "4 uses in 2 statements"
    assert report["access"].notes == ()
    assert "2 uses not signed" in report["pending"].found


def test_what_was_erased_is_told_and_no_fault(home, batch):
    lines = batch.read_bytes().split(b"\n")
    batch.write_bytes(b"\n".join([b"", *lines[1:]]))
    report = fsck(home)
    assert (report.verdict, report["access"].found) == ("whole", "3 uses in 2 statements")
    assert report["access"].notes == (f"access/{batch.name}: 1 use erased",)
    batch.unlink()
    report = fsck(home)
    assert (report.verdict, report["access"].found) == ("whole", "1 use in 2 statements")
    assert report["access"].notes == (
        f"access/{batch.name} is not here: it was erased, or is lost",
    )


def test_what_is_no_file_of_the_ledger(home, folder, batch):
    (folder / "access/roll").touch()
    (folder / "access/notes.txt").touch()
    shutil.copy(batch, folder / f"access/{'0' * 64}.jsonl")
    report = fsck(home)
    assert report.verdict == "whole"
    assert report["access"].notes == (
        f"access/{'0' * 64}.jsonl is of no statement: a call that failed",
        "access/notes.txt is none of the ledger's files",
    )


def test_each_byte_of_what_was_signed(home, folder, batch):
    data = batch.read_bytes()
    for at in range(0, len(data), 11):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        batch.write_bytes(flipped)
        assert fsck(home).verdict == "damaged", at
    for cut in (data[:-1], data + b"x", data[data.index(b"\n") + 1 :], data + b"\n"):
        batch.write_bytes(cut)
        assert "it has not one line for each of 3 uses" in told(fsck(home))["access"]
    batch.write_bytes(data)
    (folder / "trees" / batch.stem).unlink()
    assert set(told(fsck(home))) == {"trees"}
    batch.write_bytes(b"\n" + data.split(b"\n", 1)[1])
    assert set(told(fsck(home))) == {"trees", "access"}


def test_each_byte_of_what_waits(home, folder):
    (path,) = use_files(folder / "access")
    data = path.read_bytes()
    for at in (*range(0, len(data) - 1, 23), len(data) - 1):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        assert set(told(fsck(home))) == {"pending"}, at
    path.write_bytes(data[:-1])
    assert "its last use is torn by a crash" in told(fsck(home))["pending"]
    path.unlink()
    path.mkdir()
    assert "it cannot be read" in told(fsck(home))["pending"]


def test_a_copy_has_who_used_what_and_can_be_gone_on_with(home, folder, tmp_path):
    with Ledger.open(home) as ledger:
        before = ledger.access("rows", limit=100)
    assert [known.state for known in before] == ["recorded"] * 2 + ["logged"] * 3
    backup(tmp_path / "copy", home, with_keys=True)
    assert fsck(tmp_path / "copy").verdict == "whole"
    assert (tmp_path / "copy/.provenance/access").stat().st_mode & 0o077 == 0
    (tmp_path / "new").mkdir()
    restore(tmp_path / "copy", tmp_path / "new", force=True)
    with Ledger.open(tmp_path / "new") as again:
        assert again.access("rows", limit=100) == before
        again.access_log.roll()
        assert {known.state for known in again.access("rows")} == {"logged"}
        assert [batch.here for batch in again.access("rows").batches] == [2, 3]


def test_a_use_that_is_signed_while_it_is_copied_is_there_once(home, tmp_path, monkeypatch):
    from provenance.upkeep.backup import _Copy

    databases = _Copy._take_databases

    def signed_meanwhile(copy):
        with Ledger.open(home) as ledger:
            ledger.access_log.roll()
        databases(copy)

    monkeypatch.setattr(_Copy, "_take_databases", signed_meanwhile)
    backup(tmp_path / "copy", home, with_keys=True)
    with Ledger.open(tmp_path / "copy") as again:
        size = again.size()
        found = again.access("rows")
        assert [known.state for known in found] == ["logged"] * 5
        assert again.access_log.roll() == []
        assert (again.size(), again.access("rows")) == (size, found)
