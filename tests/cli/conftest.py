"""One ledger, made by the command once; tests that write get a copy of their own."""

import json
import shutil

import pytest
from command_line import ROWS, CommandLine


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with a ledger, data, and sidecars: all registered, anchored and proven."""
    folder = tmp_path_factory.mktemp("ledger")
    provenance = CommandLine(folder, tmp_path_factory.mktemp("home"))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    model = folder / "model"
    (model / "layers").mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "layers" / "1.bin").write_bytes(bytes(range(256)))
    (folder / "open.csv").write_text("a,b\n1,x\n")
    provenance("init", "--origin", "acme.example/ml")
    provenance("register", "rows.jsonl", "--name", "rows", "--license", "CC-BY-4.0")
    provenance("register", "model", "--kind", "model", "--name", "clf")
    provenance("register", "open.csv", "--sensitivity", "public")
    provenance("anchor")
    for path in ("rows.jsonl", "model", "open.csv"):
        provenance("prove", path, "--sidecar")
    provenance("prove", "rows", "--record", json.dumps(ROWS[7]), "-o", "row7.json")
    provenance("prove", "clf", "--path", "model/layers/1.bin", "-o", "layer.json")
    provenance("policy", "export", "-o", "policy.json")
    return folder


@pytest.fixture
def provenance(made, tmp_path):
    """The command in a copy of the ledger."""
    folder = tmp_path / "ledger"
    shutil.copytree(made, folder)
    return CommandLine(folder, tmp_path / "home")


@pytest.fixture
def reading(made, tmp_path):
    """The command in the ledger that all tests share: only to read."""
    return CommandLine(made, tmp_path / "home")


@pytest.fixture
def elsewhere(tmp_path):
    """The command in a folder without a ledger, of a user who trusts nobody."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return CommandLine(folder, tmp_path / "home")
