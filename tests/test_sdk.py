"""The SDK as people are told to use it, on data that is real."""

import os
import textwrap

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression

import provenance
from provenance.records import JSON, hash_record

WORD_FOR_WORD = """
import provenance

ledger = provenance.Ledger.init(origin="acme.example/ml")             # .provenance/ here: keys, log, embedded chain, contract deployed, own policy
ledger = provenance.Ledger.open()                                     # found upward from here, as git does
raw   = ledger.register("data/train.parquet", name="train-raw", source="https://…", provider="…", collected="2026-05/06 by survey",
                        license="CC-BY-4.0", sensitivity="internal")
with ledger.step("deduplicate", inputs=[raw], params={"threshold": 0.9}) as step:
    table = dedupe(...)
    clean = step.output(table, name="train-clean")                    # path, folder, pyarrow.Table/RecordBatchReader, pandas/polars frame, list of dicts, bytes
with ledger.step("train", inputs=[clean]) as step:
    model = step.output("model/", name="clf", kind="model")
with ledger.outputs(model=model, name="predictions") as out:          # batches model outputs, flushed by count and by time
    out.record({"input": "…", "output": "…"})                         # returns once it is in the spool: survives kill -9
ledger.quality(clean, metrics={"accuracy": 0.93}, criteria={"accuracy": ">= 0.9"})
ledger.supersede(old, new, reason="mislabelled rows")
ledger.anchor()                                                       # checkpoint, then the contract
bundle   = ledger.prove(clean, record={"id": 7, "text": "…"})         # or index=, or path= for a file of a folder; first equal row, and says how many
verified = provenance.verify(bundle, record={"id": 7, "text": "…"})   # policy=…; raises VerificationError with .step
ledger.history(clean)                                                 # every statement up to the sources
"""  # noqa: E501


class Old:
    """What `old` and `new` in the block stand for: registered when they are first asked for."""

    def __init__(self, names):
        self.names = names

    def __getitem__(self, name):
        if name in self.names:
            return self.names[name]
        if name in ("old", "new"):
            return self.names["ledger"].register([{"which": name}], name=name)
        raise KeyError(name)

    def __setitem__(self, name, value):
        self.names[name] = value


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Sentences about three data sets, some of them twice, and a model that is trained."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROVENANCE_PASSPHRASE", raising=False)
    texts = [
        line.strip()
        for load in (load_digits, load_iris, load_wine)
        for line in load().DESCR.splitlines()
        if line.strip()
    ]
    texts[7] = "…"
    (tmp_path / "data").mkdir()
    rows = [{"id": number, "text": text} for number, text in enumerate(texts)]
    pq.write_table(pa.Table.from_pylist(rows), "data/train.parquet")
    digits = load_digits(return_X_y=True)
    classifier = LogisticRegression(max_iter=20000, tol=0.1).fit(*digits)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights.bin").write_bytes(classifier.coef_.tobytes())
    (tmp_path / "model/intercept.bin").write_bytes(classifier.intercept_.tobytes())
    return tmp_path


def dedupe(_):
    seen, rows = set(), []
    for row in pq.read_table("data/train.parquet").to_pylist():
        if row["text"] not in seen:
            seen.add(row["text"])
            rows.append(row)
    return pa.Table.from_pylist(rows)


def test_the_block_that_the_product_is_described_by(project):
    names = {"dedupe": dedupe}
    exec(compile(WORD_FOR_WORD, "<the block>", "exec"), names, Old(names))
    ledger, raw, clean, model = (names[n] for n in ("ledger", "raw", "clean", "model"))
    assert raw.size == pq.read_metadata("data/train.parquet").num_rows
    assert clean.size == dedupe(...).num_rows < raw.size
    assert (model.kind, model.size) == ("model", 2)
    (batch,) = names["out"].artifacts
    leaf = hash_record({"input": "…", "output": "…"}, JSON)
    assert ledger.prove(batch, leaf_hash=leaf).equal == 1

    verified = names["verified"]
    assert isinstance(verified, provenance.Verified)
    assert verified.artifact == clean.artifact
    assert verified.record_indices == (7,)
    assert verified.signers == ("signer",)
    assert [anchored.pin.name for anchored in verified.anchors] == ["embedded"]
    (anchor,) = ledger.anchors()
    assert verified.anchors[0].time == anchor.block_time

    said = [event.statement.kind for event in ledger.history(clean).events]
    assert said == ["dataset", "step", "quality", "dataset"], "the nearest first"
    kinds = [line.kind for line in ledger.entries(start=2)]
    steps = ["dataset", "step", "model", "step"]
    assert kinds == ["dataset", *steps, "outputs", "quality", "dataset", "dataset", "supersede"]
    assert {line.state for line in ledger.entries()} == {"anchored"}

    with pytest.raises(provenance.VerificationError, match=r"^record: ") as failure:
        provenance.verify(names["bundle"], record={"id": 7, "text": "..."})
    assert failure.value.step == "record"
    for nearer in ("data", "model"):
        os.chdir(project / nearer)
        with provenance.Ledger.open() as again:
            assert again.resolve("train-clean") == clean
    ledger.close()


def test_the_quick_start_in_the_docstring(project):
    rows = [{"id": number, "text": "hello"} for number in range(9)]
    pq.write_table(pa.Table.from_pylist([*rows, *rows]), "train.parquet")

    def without_repeats(path):
        return [dict(row) for row in {tuple(r.items()) for r in pq.read_table(path).to_pylist()}]

    block = provenance.__doc__.split("::\n", 1)[1].split("\n`verify`", 1)[0]
    names = {"dedupe": without_repeats}
    exec(compile(textwrap.dedent(block), "<the docstring>", "exec"), names)
    assert names["verified"].artifact == names["clean"].artifact
    assert names["clean"].size == 9
    names["ledger"].close()


def test_every_exported_name_is_there():
    for name in provenance.__all__:
        assert getattr(provenance, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        provenance.nothing  # noqa: B018


def test_an_error_of_a_batch_says_which_of_it_and_why():
    reason = provenance.InputError("no such key")
    error = provenance.BatchError(reason, 3)
    assert str(error) == "item 3 of the batch: no such key"
    assert (error.reason, error.position) == (reason, 3)
