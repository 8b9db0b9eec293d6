"""`Ledger.register`: once for the same, anew for anything else, and nothing for what is wrong."""

import hashlib
import json
import threading

import pandas as pd
import pyarrow as pa
import pytest

from provenance import InputError, Ledger, LedgerError
from provenance.lineage.model_signature import ModelSignature, sign_model
from provenance.merkle import Tree
from provenance.signing import PrivateKey

ROWS = [{"id": number, "text": f"row {number}"} for number in range(5)]
CLAIMS = {"source": "https://a.example", "provider": "A", "license": "MIT", "metadata": {"k": [1]}}


def state(ledger):
    """Everything that registering could leave."""
    folders = (ledger.folder.trees, ledger.folder.drafts, ledger.folder.spool)
    return ledger.status().size, [
        sorted(f.name for f in d.iterdir()) for d in folders if d.exists()
    ]


def test_the_same_is_registered_once(ledger):
    first = ledger.register(ROWS, name="rows", **CLAIMS)
    assert ledger.register(pa.Table.from_pylist(ROWS), name="other", **CLAIMS).index != first.index
    again = ledger.register(list(ROWS), name="rows", **CLAIMS)
    assert again == first
    assert again.statement.predicate.nonce == first.statement.predicate.nonce


@pytest.mark.parametrize(
    "change",
    [
        {"name": "b"},
        {"license": None},
        {"provider": "B"},
        {"metadata": {}},
        {"sensitivity": "public"},
    ],
)
def test_other_claims_are_another_entry(ledger, change):
    first = ledger.register(ROWS, **{"name": "a", **CLAIMS})
    second = ledger.register(ROWS, **{"name": "a", **CLAIMS, **change})
    assert second.index == first.index + 1
    assert second.digest == first.digest


def test_other_bytes_of_the_same_rows_are_another_entry_of_the_same_artifact(ledger, tmp_path):
    path = tmp_path / "rows.jsonl"
    found = []
    for space in ("", " "):
        path.write_text("".join(json.dumps(row) + space + "\n" for row in ROWS))
        found.append(ledger.register(path))
        assert found[-1].name == "rows.jsonl"
        assert found[-1].digests["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found[0].digest == found[1].digest
    assert found[0].index != found[1].index


def test_what_a_second_signer_or_a_new_key_signs_is_another_entry(ledger, home):
    """Otherwise a data set registered before a revocation could never count again."""
    first = ledger.register(ROWS, name="rows")
    ledger.add_key(ledger.keyring.new("second"), name="second")
    with Ledger.open(home, signers=("signer", "second")) as both:
        two = both.register(ROWS, name="rows")
        assert two.index != first.index
        assert both.register(ROWS, name="rows") == two
    assert ledger.register(ROWS, name="rows") == two, "signed by one more than asked for"
    ledger.revoke_key("signer", reason="lost")
    with Ledger.open(home, signers=("second",)) as second:
        assert second.register(ROWS, name="rows") == two


def test_every_kind_and_every_input(ledger, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/a.bin").write_bytes(b"weights")
    (tmp_path / "weights.safetensors").write_bytes(b"more weights")
    (tmp_path / "table.csv").write_text("a,b\n1,x\n")
    model = ledger.register(tmp_path / "model", kind="model", license="MIT", source="here")
    assert (model.name, model.kind, model.artifact.encoding.name) == ("model", "model", "file")
    assert ledger.register(tmp_path / "weights.safetensors").kind == "model"
    assert ledger.register(b"\x00" * 3_000_000, name="blob").size == 3
    outputs = ledger.register(ROWS, name="answers", kind="outputs", model="model")
    assert outputs.statement.predicate.model.digest == model.digests
    typed = ledger.register(tmp_path / "table.csv", schema={"a": "int64", "b": "string"})
    assert typed.statement.predicate.schema == {"a": "int64", "b": "string"}
    frame = ledger.register(pd.DataFrame({"a": [1], "b": ["x"]}), name="frame")
    assert frame.root == typed.root != ledger.register(tmp_path / "table.csv").root
    joined = ledger.register([tmp_path / "table.csv"] * 2, together=True, name="both")
    assert joined.size == 2
    assert [a.kind for a in ledger.artifacts(kind="model")] == ["model", "model"]
    assert [a.name for a in ledger.artifacts(limit=2)] == ["both", "table.csv"]
    page = ledger.artifacts(cursor=ledger.artifacts(limit=2).next_cursor, limit=1)
    assert [a.name for a in page] == ["frame"]
    assert ledger.status().artifacts == len({a.digest for a in ledger.artifacts()})


def test_an_empty_data_set_has_a_place_and_no_records(ledger):
    empty = ledger.register([], name="empty")
    assert (empty.size, empty.root) == (0, hashlib.sha256(b"").hexdigest())
    with pytest.raises(InputError, match="has no record 0"):
        ledger.prove(empty, index=0)


class Untouched:
    """Rows that must not be read."""

    def __iter__(self):
        raise AssertionError("the data was read before the mistake was found")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give one with name="),
        ({"name": "a", "kind": "step"}, "there are dataset, model, outputs"),
        ({"name": "a", "kind": "model", "provider": "B"}, "which has no provider"),
        ({"name": "a", "model": "nobody"}, "nothing is registered as 'nobody'"),
        ({"name": "a\x1b[2J"}, "control"),
        ({"name": "a", "sensitivity": "secret"}, "sensitivity"),
        ({"name": "a", "metadata": {"k": {1}}}, "unsupported type"),
        ({"name": "a", "metadata": {"k": float("nan")}}, "nan"),
        ({"name": "a", "encoding": "rows"}, "no encoding 'rows'"),
    ],
)
def test_a_mistake_is_found_before_anything_is_read(ledger, given, said):
    before = state(ledger)
    with pytest.raises(InputError, match=said):
        ledger.register(Untouched(), **given)
    assert state(ledger) == before


def test_bad_rows_leave_nothing(ledger, tmp_path):
    before = state(ledger)

    def rows():
        yield from ROWS
        yield {"id": {1, 2}}

    with pytest.raises(InputError, match=r"row 6|5"):
        ledger.register(rows(), name="rows")
    path = tmp_path / "cut.jsonl"
    path.write_text('{"a":1}\n{"a":')
    with pytest.raises(InputError, match=str(path)):
        ledger.register(path)
    with pytest.raises(InputError, match="no file"):
        ledger.register(tmp_path / "missing.jsonl")
    assert state(ledger) == before


def test_a_file_that_changes_while_it_is_read(ledger, tmp_path):
    path = tmp_path / "grows.bin"
    path.write_bytes(b"x" * (40 << 20))
    before = state(ledger)

    def grow(done, total):
        with path.open("ab") as file:
            file.write(b"y")

    with pytest.raises(InputError, match=rf"{path} changed while it was read; try again"):
        ledger.register(path, progress=grow)
    assert state(ledger) == before


def test_a_ledger_within_the_folder_is_named(ledger, home):
    (home / "data.bin").write_bytes(b"x")
    with pytest.raises(InputError, match=r"\.provenance"):
        ledger.register(home)


def test_guessable_rows_are_warned_of(ledger):
    with pytest.warns(UserWarning, match="rows of few possible values can be guessed") as warned:
        ledger.register(ROWS, name="people", sensitivity="confidential")
    assert warned[0].filename == __file__, "of the line that registers"


def test_memory_does_not_grow_with_rows(run):
    """The tree file of 300,000 rows has 19 MB and is mapped; the rows would be another 80."""
    small, large = (int(run(MANY_ROWS, count)) for count in (1000, 300_000))
    assert large - small < 30 << 10, "kilobytes more than for 1,000 rows"


MANY_ROWS = """
import resource, sys
import provenance
count = int(sys.argv[1])
with provenance.Ledger.open() as ledger:
    rows = ({"id": number} for number in range(count))
    assert ledger.register(rows, name="many").size == count
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_what_a_killed_process_was_building_is_cleared(ledger, start):
    process = start(
        "import os, signal, provenance\n"
        "def rows():\n"
        "    yield {'a': 1}\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "provenance.Ledger.open().register(rows(), name='dies')\n"
    )
    process.wait()
    assert list(ledger.folder.drafts.iterdir()), "nothing was left: this test shows nothing"
    ledger.register(ROWS, name="rows")
    assert not list(ledger.folder.drafts.iterdir())


def test_a_tree_that_somebody_builds_is_not_cleared(ledger, home):
    reached, go_on = threading.Event(), threading.Event()
    built = []

    def rows():
        yield from ROWS
        reached.set()
        assert go_on.wait(20)

    def build():
        with Ledger.open(home) as other:
            built.append(other.register(rows(), name="slow"))

    thread = threading.Thread(target=build)
    thread.start()
    assert reached.wait(20)
    ledger.register([{"other": 1}], name="quick")
    go_on.set()
    thread.join()
    assert Tree.open(ledger.folder.tree(built[0].artifact.digest)).size == len(ROWS)


TWO_REGISTER = """
import os, provenance, provenance.ledger.ledger
for own in "ab":
    if os.fork() == 0:
        with provenance.Ledger.open() as ledger:
            for number in range(8):
                same = ledger.register([{"n": number}], name=f"n{number}").index
                ledger.register([{"own": own, "n": number}], name="own")
                os.write(1, f"{number} {same}\\n".encode())
        os._exit(0)
for _ in range(2):
    assert os.wait()[1] == 0
"""


def test_two_processes_write_one_ledger(ledger, run):
    """Each entry once, every own entry in, the log whole."""
    said = run(TWO_REGISTER).splitlines()
    assert (len(said), len(set(said))) == (16, 8), "the same content got two entries"
    assert ledger.status().size == 2 + 8 + 16
    assert len(ledger.artifacts(name="own")) == 16
    ledger.anchor()


def test_a_writer_that_never_ends_is_named(ledger, monkeypatch):
    monkeypatch.setattr("provenance.log.backends.BUSY_SECONDS", 0.2)
    said = r"ledger\.db is being written by another process"
    with Ledger.open(ledger.folder.path.parent) as other:
        with ledger._database.writing(), pytest.raises(LedgerError, match=said):
            other.register(ROWS, name="rows")
        assert other.register(ROWS, name="rows").index == 2


def test_a_model_signature_is_checked_before_anything_is_signed(ledger, tmp_path):
    key = PrivateKey.generate("ecdsa-p256")
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"weights")
    plain = ledger.register(weights, kind="model")
    data = sign_model(plain.statement, weights, key)
    signature = ModelSignature.open(data, key.public.to_pem().encode())
    signed = ledger.register(str(weights), kind="model", model_signature=signature)
    assert signed.digest == plain.digest
    assert signed.statement.predicate.evidence == (signature.evidence,)
    before = ledger.status().size
    with pytest.raises(InputError, match="is of files, and this is in memory"):
        ledger.register(b"weights", name="w", kind="model", model_signature=signature)
    weights.write_bytes(b"others")
    with pytest.raises(InputError, match="is of another"):
        ledger.register(weights, kind="model", model_signature=signature, cache=False)
    assert ledger.status().size == before
