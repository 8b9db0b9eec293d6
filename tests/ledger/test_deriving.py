"""Versions in a ledger: compared, proven, and claimed in steps."""

import pytest

from provenance import InputError, Ledger, LedgerError
from provenance.derivation import Derivation, Place, check_derivation
from provenance.ledger.refs import read_statement
from provenance.log.log import Log
from provenance.statements import Step

ROWS = [{"id": number % 40} for number in range(50)]  # ten of them twice
CLEAN = ROWS[:40]


@pytest.fixture
def versions(ledger):
    """A data set, without its duplicates, and split."""
    names = {"raw": ROWS, "clean": CLEAN, "train": CLEAN[::-2], "test": CLEAN[::2]}
    return {name: ledger.register(rows, name=name) for name, rows in names.items()}


def claims_of(ledger, index):
    with ledger._database.reading() as session:
        statement = read_statement(Log(session, ledger.origin), index)
    assert isinstance(statement.predicate, Step)
    return statement.predicate.derivations


def claim(name, sources, targets, *, ordered):
    digests = [tuple(each.artifact.digest for each in side) for side in (sources, targets)]
    return Derivation(claim=name, ordered=ordered, sources=digests[0], targets=digests[1])


def test_a_step_claims_what_it_did_to_the_records(ledger):
    raw = ledger.register(ROWS, name="raw")
    with ledger.step("deduplicate", inputs=["raw", raw]) as run:
        clean = run.output(CLEAN, name="clean")
        found = run.derive()
        assert run.derive() == found
    assert found == claim("subset", [raw], [clean], ordered=True)
    assert claims_of(ledger, run.index) == (found,)
    with ledger.step("split", inputs=[clean]) as run:
        train = run.output(CLEAN[::-2], name="train")
        test = run.output(CLEAN[::2], name="test")
        found = run.derive()
    assert found == claim("split", [clean], [train, test], ordered=False)
    assert claims_of(ledger, run.index) == (found,)


def test_a_step_of_several_claims(ledger):
    raw = ledger.register(ROWS, name="raw")
    with ledger.step("prepare", inputs=[raw]) as run:
        clean = run.output(CLEAN, name="clean")
        run.derive()
        parts = [run.output(CLEAN[:9], name="a"), run.output(CLEAN[9:], name="b")]
        run.derive(clean, parts)
    subset, split = claims_of(ledger, run.index)
    assert subset == claim("subset", [raw], [clean], ordered=True)
    assert split == claim("split", [clean], parts, ordered=True)


def test_what_a_step_cannot_claim(ledger, versions):
    with pytest.raises(InputError, match="record 1 of the targets is none of the sources"):  # noqa: SIM117, PT012
        with ledger.step("adds", inputs=["clean"]) as run:
            run.output([ROWS[0], {"id": "new"}], name="out")
            run.derive()
    assert claims_of(ledger, run.index) is None  # it failed, and that was recorded
    with ledger.step("other", inputs=["raw"]) as run:
        with pytest.raises(InputError, match="sources and targets"):
            run.derive()
        run.output(CLEAN, name="clean")
        with pytest.raises(InputError, match="step 'other' has no 'train' there"):
            run.derive(versions["train"])
        with pytest.raises(InputError, match="step 'other' has no 'raw' there"):
            run.derive(targets="raw")
    assert claims_of(ledger, run.index) is None
    with pytest.raises(InputError, match="is not running"):
        run.derive()


def test_a_claim_about_what_was_registered_before(ledger, versions):
    run = ledger.derive("raw", ["clean"], step="deduplicate")
    assert claims_of(ledger, run.index) == (
        claim("subset", [versions["raw"]], [versions["clean"]], ordered=True),
    )
    size = ledger.size()
    with pytest.raises(InputError, match="is none of the sources"):
        ledger.derive("test", "train", step="nothing")
    assert ledger.size() == size
    assert [*ledger.folder.drafts.iterdir()] == []


def test_a_proof_is_checked_by_whoever_has_the_digests(ledger, versions, tmp_path):
    found = ledger.prove_derivation("clean", ["train", "test"], tmp_path / "proof")
    wanted = claim(
        "split", [versions["clean"]], [versions["train"], versions["test"]], ordered=False
    )
    checked = check_derivation(tmp_path / "proof", wanted, follow=[0, 39])
    assert checked.derivation == found == wanted
    assert checked.places == {0: Place(1, 0), 39: Place(0, 0)}
    ledger.prove_derivation("clean", ["train", "test"], str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == (tmp_path / "proof").read_bytes()


def test_what_changed_between_versions(ledger, versions):
    found = ledger.diff("raw", versions["clean"])
    assert (found.unchanged, [*found.removed]) == (40, [*range(40, 50)])
    assert ([*found.added], len(found.moved[0])) == ([], 0)
    found = ledger.diff("test", "train")
    assert (found.unchanged, len(found.removed), len(found.added)) == (0, 20, 20)
    with pytest.raises(InputError, match="nothing is registered as 'none'"):
        ledger.diff("raw", "none")


def test_a_damaged_tree_is_no_ground_for_anything(home, tmp_path):
    with Ledger.open(home) as ledger:
        raw = ledger.register(ROWS, name="raw")
        ledger.register(CLEAN, name="clean")
        tree = ledger.folder.tree(raw.artifact.digest)
    data = bytearray(tree.read_bytes())
    data[3] ^= 1
    tree.chmod(0o600)
    tree.write_bytes(data)
    with Ledger.open(home) as ledger:
        with pytest.raises(LedgerError, match=r"the tree file of 'raw', .* is missing or damaged"):
            ledger.diff("raw", "clean")
        data[3] ^= 1
        data[32 * 45] ^= 1  # a record that was removed: the order of the others is as it was
        tree.write_bytes(data)
        with pytest.raises(LedgerError, match="a tree file is damaged, see `provenance fsck`"):
            ledger.prove_derivation("raw", "clean", tmp_path / "proof")
        with pytest.raises(LedgerError, match="a tree file is damaged"):
            ledger.derive("raw", "clean", step="deduplicate")
        assert not (tmp_path / "proof").exists()
        assert [*ledger.folder.drafts.iterdir()] == []


def test_versions_of_different_encodings(ledger, versions):
    ledger.register(b"id\n0\n", name="lines", encoding="line")
    for call in (ledger.diff, lambda a, b: ledger.derive(a, b, step="x")):
        with pytest.raises(InputError, match="encodings"):
            call("raw", "lines")
