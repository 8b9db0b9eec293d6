"""One small ledger with something of everything in it, made once and copied."""

import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from provenance import Ledger
from provenance.ledger.outputs import OutputBatches
from provenance.log import Checkpoint
from provenance.log.log import Log
from provenance.merkle import CompactRange
from provenance.records import JSON, Artifact
from provenance.signing import COSIGNATURE, PrivateKey, VerifierKey, cosign_note

ORIGIN = "acme.example/ml"


@pytest.fixture(autouse=True)
def _nothing_of_this_user(monkeypatch, tmp_path):
    monkeypatch.delenv("PROVENANCE_PASSPHRASE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def fill(home):
    """Make the ledger."""
    with Ledger.init(home, origin=ORIGIN) as ledger:
        rows = ledger.register([{"id": n, "text": f"row {n}"} for n in range(300)], name="rows")
        (home / "data").mkdir()
        for name in "abc":
            (home / "data" / name).write_text(name * 100)
        ledger.register(home / "data", name="data", sensitivity="public")
        witness_cosigns(ledger, ledger.checkpoint())
        ledger.anchor()
        with ledger.step("sample", inputs=["rows"]) as step:
            step.output([{"id": n} for n in range(4)], name="sample")
        ledger.supersede(rows, "sample", reason="mislabelled rows")
        ledger.add_key(ledger.keyring.new("second", "ecdsa-p256"), name="second")
        ledger.register([{"a": 1}], name="one row", cache=False)
        ledger.quality("sample", metrics={"accuracy": 0.93}, criteria={"accuracy": ">= 0.9"})
        ledger.anchor()
        ledger.revoke_key("second", reason="no longer used")
        ledger.anchor()
        ledger.tokens.new("pipeline", scope="submit")
        ledger.tokens.new("auditor", expires=ledger._clock() + timedelta(days=30))
        ledger.tokens.revoke("auditor")
        ledger.register([{"a": 2}], name="not checkpointed yet")
        leaves = bytes(range(64))
        upload = Artifact(root=CompactRange.over(0, leaves).root(), size=2, encoding=JSON)
        begun = ledger.uploads.begin(upload, "somebody")
        ledger.uploads.append(begun.id, "somebody", 0).close()
        batches = ledger.outputs(name="answers", flush_count=100)
        for number in range(3):
            batches.record({"answer": number})
        keep_spool(batches)
    for path in (home / ".provenance").glob("*.lock"):
        path.unlink()


def keep_spool(batches: OutputBatches):
    """Leave the spool as a process does that is killed."""
    batches._timer.cancel()
    batches._spool._held.close()


def witness_cosigns(ledger, note):
    key = PrivateKey.generate()
    vkey = VerifierKey("witness.example/w1", key.public, COSIGNATURE)
    ledger.add_witness("w1", "http://127.0.0.1:9", str(vkey))
    text = note.partition("\n\n")[0] + "\n"
    line = cosign_note(text, "witness.example/w1", key, time=1_800_000_000)
    with ledger._database.writing() as session:
        Log(session, ledger.origin).cosign(Checkpoint.of_note(note).size, vkey, line)
    ledger.folder.configure(witnesses={})  # nobody listens there


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("made")
    fill(home)
    return home


@pytest.fixture
def home(made, tmp_path):
    """A folder with such a ledger."""
    return Path(shutil.copytree(made, tmp_path / "home"))


@pytest.fixture
def folder(home):
    return home / ".provenance"


@pytest.fixture
def database(folder):
    """Change the database behind the ledger's back."""
    connection = sqlite3.connect(folder / "ledger.db", isolation_level=None)
    yield connection.execute
    connection.close()
