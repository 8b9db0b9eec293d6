"""`fsck`, `backup` and `restore` of a ledger whose trees are in a storage."""

import shutil

import pytest
from looking import told

from provenance import Ledger, backup, fsck, restore
from provenance.ledger import storing
from provenance.ledger.config import StorageConfig
from provenance.verification import Mark


@pytest.fixture
def place(tmp_path):
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def stored(home, folder, place):
    """The ledger, with its trees in a folder elsewhere, and copies of them in the cache."""
    with Ledger.open(home) as ledger:
        made = storing.use(ledger, StorageConfig(url=f"file://{place}"))
        assert (made.count, made.damaged) == (5, ())
    with Ledger.open(home) as ledger:
        assert storing.free(ledger).count == 5
    for path in folder.glob("*.lock"):
        path.unlink()
    return home


def objects(place):
    return sorted(path for path in (place / "trees").iterdir())


def test_a_whole_ledger(stored, folder, place):
    found = fsck(stored)
    assert found.verdict == "whole"
    assert found["trees"].found == f"5 trees of 309 records, in file://{place}"
    assert found["trees"].notes == ()
    shutil.rmtree(folder / "cache")
    assert fsck(stored).verdict == "whole"
    assert not (folder / "cache").exists()


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_any_damage_there_or_in_a_copy_is_found(stored, folder, place):
    source = objects(place)
    for path in (*source, *(folder / "cache").glob("*/*")):
        whole = path.read_bytes()
        for at in (0, len(whole) // 2, len(whole) - 1):
            flip(path, at)
            found = fsck(stored)
            assert {area.name for area in found.areas if area.faults} == {"trees"}, path
            assert path.name.removesuffix(".index") in told(found)["trees"]
            (fault,) = found["trees"].faults
            assert fault.means
            assert "delete" in fault.remedy
            path.write_bytes(whole)
    assert fsck(stored).verdict == "whole"


def test_what_is_missing_there_is_undecided(stored, place):
    lost = objects(place)[2]
    lost.unlink()
    found = fsck(stored)
    assert found.verdict == "undecided"
    (doubt,) = found["trees"].doubts
    assert doubt.startswith(f"trees/{lost.name} is not here: it never was")


def test_a_place_that_does_not_answer_is_one_doubt(stored, place):
    place.rename(place.with_name("away"))
    found = fsck(stored)
    assert found.verdict == "undecided"
    (doubt,) = found["trees"].doubts
    assert "holds no trees of a ledger" in doubt
    assert found["trees"].mark is Mark.UNDECIDED


def test_what_lies_in_the_folder_alone_is_told(home, folder, place):
    with Ledger.open(home) as ledger:
        storing.use(ledger, StorageConfig(url=f"file://{place}"))
    first, *_ = objects(place)
    assert fsck(home)["trees"].notes == ()
    first.unlink()
    found = fsck(home)
    assert found.verdict == "whole"
    note = f"trees/{first.name} is here alone: see `provenance storage --free`"
    assert found["trees"].notes == (note,)


def test_a_backup_leaves_the_trees_where_they_are(stored, place, tmp_path):
    made = backup(tmp_path / "copy", stored, with_keys=True)
    assert made.storage == f"file://{place}"
    assert not any((tmp_path / "copy/.provenance/trees").iterdir())
    assert not (tmp_path / "copy/.provenance/cache").exists()
    assert fsck(tmp_path / "copy").verdict == "whole"
    restored = restore(tmp_path / "copy", tmp_path / "back", force=True)
    assert f"its trees are in file://{place}, where they have to stay" in restored.warnings
    with Ledger.open(tmp_path / "back") as ledger:
        assert ledger.prove("rows", index=7).indices == (7,)


def test_what_is_damaged_is_not_put_there(home, folder, place):
    with Ledger.open(home) as ledger:
        rows = ledger.resolve("rows").artifact
        whole = ledger.folder.tree(rows.digest).read_bytes()
        flip(ledger.folder.tree(rows.digest), 0)
        made = storing.use(ledger, StorageConfig(url=f"file://{place}"))
        said = f"trees/{rows.digest_hex} is damaged: register the same data again"
        assert (made.count, made.damaged) == (4, (said,))
    with Ledger.open(home) as ledger:
        assert storing.free(ledger).damaged == (said,)
        ledger.folder.tree(rows.digest).write_bytes(whole)
        assert storing.free(ledger) == storing.Stored(1, ())
        assert not any(ledger.folder.trees.iterdir())
    assert len(objects(place)) == 5
