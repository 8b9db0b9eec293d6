"""A file that is registered again: what the ledger has of its tree is used, if it is whole."""

import time

import pytest

from provenance.merkle import Tree, leaf_hash
from provenance.records.cache import DigestCache
from provenance.records.opening import open_source

BOOT = "7ecb7806-ba3b-49a5-ab2e-fc040cbaa051"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    found = DigestCache(
        tmp_path / "digests",
        boot=BOOT,
        clock=lambda: time.time_ns() + 3600 * 10**9,
        is_local=lambda path: True,
    )
    monkeypatch.setattr("provenance.ledger.recording.user_cache", lambda: found)
    return found


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.jsonl"
    write(path, 0, 5)
    return path


def write(path, begin, end):
    with path.open("ab") as file:
        file.writelines(b'{"a": %d}\n' % number for number in range(begin, end))


def check_tree(ledger, registered, count):
    """Hold the tree file in the ledger against the tree of so many rows."""
    wanted = Tree.from_leaf_hashes(b"".join(leaf_hash(b'{"a":%d}' % n) for n in range(count)))
    found = Tree.open(ledger.folder.tree(registered.artifact.digest))
    assert (registered.size, registered.artifact.root) == (count, wanted.root)
    assert [found.prove(index) for index in range(count)] == list(map(wanted.prove, range(count)))


def test_appended_rows_are_hashed_by_themselves(ledger, file, parsed):
    ledger.register(file)
    write(file, 5, 5000)
    parsed.clear()
    found = ledger.register(file)
    assert parsed == list(range(5, 5000))
    check_tree(ledger, found, 5000)
    parsed.clear()
    assert ledger.register(file) == found
    assert parsed == []
    assert ledger.register(file, cache=False) == found
    assert len(parsed) == 5000


def test_an_empty_file_goes_on(ledger, file, parsed):
    file.write_bytes(b"")
    ledger.register(file)
    write(file, 0, 3)
    check_tree(ledger, ledger.register(file), 3)


def flip(at):
    def change(path):
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)

    return change


@pytest.mark.parametrize("grown", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        flip(0),
        flip(159),
        flip(-1),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(path.read_bytes()[:128]),
    ],
)
def test_a_tree_that_is_not_whole_is_written_anew(ledger, file, parsed, change, grown):
    before = ledger.register(file)
    change(ledger.folder.tree(before.artifact.digest))
    if grown:
        write(file, 5, 9)
    check_tree(ledger, ledger.register(file), 9 if grown else 5)


def test_another_ledger_has_no_tree_of_it(ledger, file, parsed, cache):
    open_source(file, cache=cache).artifact()
    parsed.clear()
    check_tree(ledger, ledger.register(file), 5)
    assert len(parsed) == 5
