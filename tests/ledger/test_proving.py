"""`Ledger.prove`: by record, number, path and leaf hash; and what a damaged tree does."""

import hashlib
from dataclasses import replace

import pyarrow as pa
import pytest

from provenance import InputError, Ledger, LedgerError, MalformedError, VerificationError, verify
from provenance.merkle import leaf_hash
from provenance.records import JSON, hash_record
from provenance.signing import VerifierKey, open_note
from provenance.verification import Bundle
from provenance.verification.bundle import MAX_BUNDLE, MAX_RECORDS

ROWS = [{"id": 1}, {"id": 2}, {"id": 1}, {"id": 3}, {"id": 1}]


@pytest.fixture
def rows(ledger):
    rows = ledger.register(ROWS, name="rows", sensitivity="public")
    ledger.anchor()
    return rows


def check(ledger, proof, **what):
    return verify(proof, policy=ledger.policy(), chains=ledger.chains, **what)


@pytest.mark.parametrize(
    ("way", "index", "equal"),
    [
        ({"record": {"id": 1}}, 0, 3),
        ({"record": '{"id":1.0}'}, 0, 3),
        ({"record": {"id": 3}}, 3, 1),
        ({"index": 2}, 2, 3),
        ({"index": 0}, 0, 3),
        ({"leaf_hash": hash_record({"id": 2}, JSON)}, 1, 1),
    ],
)
def test_one_record(ledger, rows, way, index, equal):
    proof = ledger.prove("rows", **way)
    assert (proof.indices, proof.equal) == ((index,), equal)
    assert check(ledger, proof, record=ROWS[index]).record_indices == (index,)
    assert Bundle.parse(proof.to_bytes()) == proof.bundle


@pytest.mark.parametrize(
    ("way", "indices"),
    [
        ({"index": [4, 0, 4]}, (4, 0, 4)),
        ({"index": range(5)}, (0, 1, 2, 3, 4)),
        ({"leaf_hash": [hash_record({"id": n}, JSON) for n in (3, 1, 2)]}, (3, 0, 1)),
        ({"records": [{"id": 3}, {"id": 1}, {"id": 1}]}, (3, 0, 0)),
        ({"records": pa.table({"id": [2, 3]})}, (1, 3)),
        ({"records": b'{"id":3}\n'}, (3,)),
    ],
)
def test_several_records(ledger, rows, way, indices):
    proof = ledger.prove("rows", **way)
    assert proof.indices == indices
    assert proof.equal == (1 if len(indices) == 1 else 0)
    asked = [ROWS[index] for index in indices]
    assert check(ledger, proof, data=asked).record_indices == indices
    (one,) = check(ledger, proof, record=asked[-1]).record_indices
    assert ROWS[one] == asked[-1]
    assert Bundle.parse(proof.to_bytes()) == proof.bundle
    with pytest.raises(VerificationError, match="bundle proves"):
        check(ledger, proof, data=[*asked, {"id": 1}])


def test_several_records_of_a_csv_file_are_read_by_the_signed_schema(ledger, tmp_path):
    whole, sample = tmp_path / "whole.csv", tmp_path / "sample.csv"
    whole.write_text("id,score\n1,0.5\n2,1.50\n3,2\n")
    sample.write_text("id,score\n3,2\n1,.5\n")
    schema = {"id": "int64", "score": "double"}
    table = ledger.register(whole, schema=schema, sensitivity="public")
    proof = ledger.prove(table, records=sample)
    assert proof.indices == (2, 0)
    assert check(ledger, proof, data=sample).record_indices == (2, 0)


def test_no_more_records_than_a_bundle_holds(ledger):
    """What the estimate lets pass is a bundle that is read; the first beyond it is told."""
    many = ledger.register([{"n": n} for n in range(5000)], name="many", sensitivity="public")
    proof = ledger.prove(many, index=[4095] * MAX_RECORDS)
    assert MAX_BUNDLE * 0.8 < len(proof.to_bytes()) <= MAX_BUNDLE
    assert check(ledger, proof, record={"n": 4095}).record_indices == (4095,)
    with pytest.raises(InputError, match="the proofs of 16,385 records do not fit into a bundle"):
        ledger.prove(many, index=[4095] * (MAX_RECORDS + 1))
    more = replace(proof.bundle, records=(*proof.bundle.records, proof.bundle.records[0]))
    with pytest.raises(MalformedError, match="proves more than 16,384 records"):
        Bundle.parse(more.to_bytes())
    large = ledger.register(pa.table({"n": range(40_000)}), name="large", sensitivity="public")
    room = MAX_BUNDLE // (16 * 67)
    assert len(ledger.prove(large, index=[0] * (room - 600)).to_bytes()) <= MAX_BUNDLE
    with pytest.raises(InputError, match="do not fit into a bundle"):
        ledger.prove(large, index=[0] * room)


def test_a_whole_artifact(ledger, rows):
    proof = ledger.prove(rows)
    assert (proof.indices, proof.equal, proof.bundle.records) == ((), 0, ())
    assert check(ledger, proof).record_indices == ()
    assert check(ledger, proof, data=ROWS)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ({"index": 5}, "has no record 5: it has 5"),
        ({"index": -1}, "has no record -1"),
        ({"record": {"id": 4}}, "has no such record: no leaf has the hash"),
        ({"record": [1]}, "object"),
        ({"leaf_hash": bytes(32)}, "has no such record"),
        ({"leaf_hash": b""}, "a leaf hash has 32 bytes, not 0"),
        ({"leaf_hash": bytes(31)}, "not 31"),
        ({"leaf_hash": []}, "no record is named"),
        ({"leaf_hash": [leaf_hash(b'{"id":1}'), bytes(32)]}, "as number 1 of"),
        ({"index": []}, "no record is named"),
        ({"index": [0, 5]}, "has no record 5: it has 5"),
        ({"records": []}, "no record is named"),
        ({"records": [{"id": 1}, {"id": 4}]}, "has no such record as number 1 of those given"),
        ({"path": "rows"}, "is not a folder: it has rows or chunks"),
        ({"index": 0, "record": {"id": 1}}, "name records in one way"),
    ],
)
def test_records_that_are_not_there(ledger, rows, way, said):
    with pytest.raises(InputError, match=said):
        ledger.prove(rows, **way)


def test_a_file_of_a_folder(ledger, tmp_path):
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "sub/a.png", "sub/b.png")):
        (folder / name).write_bytes(b"image %d" % number)
    (folder / "sub/copy.png").write_bytes(b"image 0")
    images = ledger.register(folder, sensitivity="public")
    for path in (folder / "sub/a.png", str(folder / "a.png")):
        proof = ledger.prove(images, path=path)
        assert check(ledger, proof, data=path).record_indices == proof.indices
    typed = '{"path":"sub/b.png","sha256":"%s","size":7}'
    record = typed % hashlib.sha256(b"image 2").hexdigest()
    assert ledger.prove(images, record=record).indices == (2,)
    (folder / "a.png").write_bytes(b"changed")
    with pytest.raises(
        InputError, match=r"'images' has no file with the name and content of .*a\.png"
    ):
        ledger.prove(images, path=folder / "a.png")
    with pytest.raises(InputError, match=r"missing\.png cannot be read"):
        ledger.prove(images, path=folder / "missing.png")


def test_lines_and_chunks(ledger, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"one\ntwo\r\nthree")
    lines = ledger.register(path, encoding="line", sensitivity="public")
    assert check(ledger, ledger.prove(lines, record="two\r"), record="two\r").record_indices == (1,)
    chunks = ledger.register(path, name="chunks", sensitivity="public")
    proof = ledger.prove(chunks, leaf_hash=leaf_hash(path.read_bytes()))
    assert check(ledger, proof, record=path.read_bytes()).record_indices == (0,)


def test_a_bundle_dates_by_the_earliest_anchor(ledger, rows):
    (first,) = ledger.anchors()
    for name in ("b", "c"):
        ledger.register([{"n": name}], name=name)
        ledger.anchor()
    (proof,) = ledger.prove(rows).bundle.anchors
    assert (proof.anchor.size, proof.anchor.block) == (first.size, first.block)
    (proof,) = ledger.prove("c").bundle.anchors
    assert proof.anchor.size == ledger.status().size
    assert ledger.prove(ledger.register([{"n": 4}], name="d")).bundle.anchors == ()


def test_corrections_go_along_and_warn(ledger, rows):
    new = ledger.register([{"id": 9}], name="new", sensitivity="public")
    entry = ledger.supersede(rows, new, reason="mislabelled rows")
    verified = check(ledger, ledger.prove(rows))
    (warning,) = verified.report.warnings
    assert warning.startswith(f"superseded by 'new' at entry {entry}: ")
    assert "mislabelled rows" in warning
    assert check(ledger, ledger.prove(new)).report.warnings == ()
    assert [logged.index for logged in ledger.prove(rows).bundle.standing] == [0, 1, entry]


def test_only_an_original_signer_or_the_admin_supersedes(ledger, home, rows):
    ledger.add_key(ledger.keyring.new("other"), name="other")
    with Ledger.open(home, signers=("other",)) as other:
        size = other.status().size
        with pytest.raises(InputError, match="neither an admin key nor an original signer"):
            other.supersede(rows, reason="I do not like it")
        assert other.status().size == size
        other.register(ROWS, name="rows", sensitivity="public")
        other.supersede(rows, reason="my own word")
    with Ledger.open(home, signers=("admin",)) as admin:
        admin.supersede(rows, reason="by the admin")
    with pytest.raises(InputError, match="cannot replace itself"):
        ledger.supersede(rows, rows, reason="none")


def test_quality_against_criteria(ledger, rows):
    assert ledger.quality(rows, metrics={"accuracy": 0.93}, criteria={"accuracy": ">= 0.9"})
    assert ledger.quality("rows", metrics={"accuracy": 0.8}, criteria={"accuracy": ">= 0.9"})
    assert ledger.quality(rows, metrics={"rows": 5})
    passed = [
        event.statement.predicate.passed
        for event in ledger.history(rows).events
        if event.statement.kind == "quality"
    ]
    assert passed == [True, False, True]
    size = ledger.status().size
    for metrics, criteria in (
        ({"a": "high"}, {}),
        ({"a": 1}, {"a": "about 1"}),
        ({"a": 1}, {"b": ">= 1"}),
    ):
        with pytest.raises(InputError):
            ledger.quality(rows, metrics=metrics, criteria=criteria)
    assert ledger.status().size == size


# --- damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["leaf", "inner", "length", "empty", "odd", "gone"])
def test_a_damaged_tree_gives_no_proof_and_is_written_anew(ledger, rows, where):
    path = ledger.folder.tree(rows.artifact.digest)
    data = bytearray(path.read_bytes())
    if where == "gone":
        path.unlink()
    else:
        at = {"leaf": 3 * 32, "inner": 6 * 32}.get(where)
        if at is not None:
            data[at] ^= 1
        path.write_bytes({"length": data[:-64], "empty": b"", "odd": data[:-1]}.get(where, data))
    with pytest.raises(
        LedgerError, match=rf"'rows', trees/{rows.digest}, is missing or damaged: reg"
    ):
        ledger.prove(rows, index=1 if where == "inner" else 2)
    assert ledger.prove(rows), "the artifact itself needs no tree"
    assert ledger.register(ROWS, name="rows", sensitivity="public") == rows
    assert ledger.prove(rows, index=2).indices == (2,)


def test_a_proof_while_others_register_and_anchor(ledger, home, monkeypatch):
    """The log grows between the checkpoint and all that is looked up for the proof."""
    old = ledger.register(ROWS, name="rows", sensitivity="public")
    sign = ledger.checkpoint

    def checkpoint():
        note = sign()
        with Ledger.open(home) as other:
            other.register(ROWS[:2], name="rows", sensitivity="public")
            other.anchor()
        return note

    monkeypatch.setattr(ledger, "checkpoint", checkpoint)
    proof = ledger.prove("rows", index=1)
    assert check(ledger, proof, record={"id": 2}).index == old.index
    assert proof.bundle.anchors == (), "none that the checkpoint covers"
    assert ledger.resolve("rows").index > old.index


# --- served --------------------------------------------------------------------------------------


def test_checkpoint_and_tiles(ledger, rows):
    key = [VerifierKey.parse(vkey) for vkey in ledger.policy().log_keys]
    note = open_note(ledger.checkpoint().encode(), key)
    assert note.text.startswith("acme.example/ml\n3\n")
    assert ledger.checkpoint() == ledger.checkpoint()
    entries = [data for data, _ in ledger.every_entry(3)]
    assert ledger.tile("tile/0/000.p/3") == b"".join(map(leaf_hash, entries))
    bundle = b"".join(len(e).to_bytes(2, "big") + e for e in entries)
    assert ledger.tile("tile/entries/000.p/3") == bundle
    for path in ("tile/0/000", "tile/0/000.p/4", "tile/1/000", "tile/0/001", "../ledger.db", ""):
        with pytest.raises(InputError):
            ledger.tile(path)


def test_tiles_before_any_checkpoint(ledger):
    assert ledger.latest_checkpoint() is None
    with pytest.raises(InputError, match="run `provenance anchor`"):
        ledger.tile("tile/0/000.p/2")
