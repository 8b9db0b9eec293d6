"""Records are looked up by the index of their tree: always there, and built where it is not."""

import pytest

from provenance import InputError, LedgerError
from provenance.ledger import lookup
from provenance.ledger.folder import Folder
from provenance.merkle import Tree
from provenance.records import JSON, hash_record

ROWS = [{"id": number % 40} for number in range(50)]


@pytest.fixture
def rows(ledger):
    return ledger.register(ROWS, name="rows", sensitivity="public")


@pytest.fixture
def index(ledger, rows):
    """The path of the index."""
    return ledger.folder.index(rows.artifact.digest)


@pytest.fixture
def no_scan(monkeypatch):
    """Nobody goes through all leaves."""
    monkeypatch.setattr(Tree, "find", None)


@pytest.fixture
def no_build(monkeypatch):
    """Nobody builds an index."""
    monkeypatch.setattr(lookup, "write_index", None)


def check(ledger):
    for number in range(40):
        proof = ledger.prove("rows", record={"id": number})
        assert (proof.indices, proof.equal) == ((number,), 2 if number < 10 else 1)
    for number in (3, 43):
        proof = ledger.prove("rows", index=number)
        assert (proof.indices, proof.equal) == ((number,), 2)
    many = [{"id": number} for number in (39, 0, 7)]
    assert ledger.prove("rows", records=many).indices == (39, 0, 7)
    for number in (-1, 40, 1.5):
        with pytest.raises(InputError, match="has no such record: no leaf has the hash"):
            ledger.prove("rows", record={"id": number})


@pytest.mark.usefixtures("no_build", "no_scan")
def test_what_is_registered_has_an_index(ledger, rows):
    check(ledger)


@pytest.mark.usefixtures("no_build", "no_scan")
def test_outputs_have_one(ledger):
    with ledger.outputs(name="answers") as out:
        out.record({"a": 1})
    assert ledger.prove("answers", record={"a": 1}).indices == (0,)


def test_nothing_is_found_in_no_rows(ledger):
    ledger.register([], name="none")
    with pytest.raises(InputError, match="has no such record"):
        ledger.prove("none", leaf_hash=bytes(32))


DAMAGES = {
    "missing": None,
    "empty": b"",
    "cut": lambda data: data[:-1],
    "a bit": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "zeros": lambda data: bytes(len(data)),
}


@pytest.mark.usefixtures("no_scan")
@pytest.mark.parametrize("damage", DAMAGES)
def test_an_index_that_cannot_be_used_is_built_again(ledger, index, damage):
    data, change = index.read_bytes(), DAMAGES[damage]
    index.unlink()
    if change is not None:
        index.write_bytes(change(data) if callable(change) else change)
    check(ledger)
    assert index.read_bytes() == data
    assert list(ledger.folder.drafts.iterdir()) == []


@pytest.mark.usefixtures("no_scan")
def test_an_index_of_another_artifact_is_not_believed(ledger, index):
    data = index.read_bytes()
    other = ledger.register([{"id": number + 100} for number in range(50)], name="other")
    index.write_bytes(ledger.folder.index(other.artifact.digest).read_bytes())
    check(ledger)
    assert index.read_bytes() == data


def test_where_it_cannot_be_written_the_leaves_are_gone_through(ledger, index):
    index.unlink()
    index.mkdir()
    check(ledger)
    assert index.is_dir()


def test_leaves_are_held_against_the_root_once_for_many_records(ledger, index, monkeypatch):
    checked, check_leaves = [], Tree.check_leaves
    monkeypatch.setattr(Tree, "check_leaves", lambda tree: checked.append(check_leaves(tree)))
    index.unlink()
    index.mkdir()
    assert ledger.prove("rows", records=ROWS[:30]).indices == (*range(30),)
    assert len(checked) == 1


@pytest.mark.usefixtures("no_build", "no_scan")
@pytest.mark.parametrize("before", ["missing", "damaged"])
def test_one_that_another_built_meanwhile_is_used(ledger, index, monkeypatch, before):
    whole, alone = index.with_name("whole"), Folder.alone
    index.rename(whole)
    if before == "damaged":
        index.write_bytes(bytes(whole.stat().st_size))

    def built_before(folder, name):
        whole.rename(index)
        return alone(folder, name)

    monkeypatch.setattr(Folder, "alone", built_before)
    assert ledger.prove("rows", record={"id": 7}).equal == 2


@pytest.mark.parametrize("indexed", ["with the index", "without it", "where none can be written"])
@pytest.mark.parametrize("number", [0, 7, 25, 39])
def test_a_record_whose_leaf_is_damaged_is_never_said_to_be_missing(
    ledger, rows, index, indexed, number
):
    path = ledger.folder.tree(rows.artifact.digest)
    data = bytearray(path.read_bytes())
    data[32 * number + 5] ^= 1
    path.write_bytes(data)
    if indexed != "with the index":
        index.unlink()
    if indexed == "where none can be written":
        index.mkdir()
    wanted = hash_record(ROWS[number], JSON)
    with pytest.raises(LedgerError, match=rf"'rows', trees/{rows.digest}, is missing or damaged"):
        ledger.prove(rows, leaf_hash=wanted)


def test_registering_again_writes_both_anew(ledger, rows, index):
    tree = ledger.folder.tree(rows.artifact.digest)
    data = tree.read_bytes(), index.read_bytes()
    tree.write_bytes(b"")
    index.write_bytes(b"")
    assert ledger.register(ROWS, name="rows", sensitivity="public") == rows
    assert (tree.read_bytes(), index.read_bytes()) == data
