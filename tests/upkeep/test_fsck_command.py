"""``provenance fsck``: what is printed, and the exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def command(home, tmp_path):
    def run(*arguments, status):
        done = subprocess.run(
            [sys.executable, "-c", "from provenance.cli import main; main()", *arguments],
            cwd=home,
            env={"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, (done.stdout, done.stderr)
        assert done.stderr == ""
        return done.stdout

    return run


def test_what_is_printed(command, folder, database):
    lines = command("fsck", status=0).splitlines()
    assert lines[2] == "✓ log        12 entries, 1 tile, 3 checkpoints, 1 cosignature"
    assert lines[-2:] == ["", "whole: acme.example/ml, 12 entries"]
    assert len(lines) == 12 + 2

    (folder / "policy.json.sha256").unlink()
    (folder / "config.toml.sha256").write_text("edited")
    lines = command("fsck", status=3).splitlines()
    assert lines[0].startswith("? settings   1 chain, 0 witnesses, policy ")
    assert lines[1].startswith("  ? config.toml and config.toml.sha256 do not agree: ")
    assert lines[2].startswith("  - there is no policy.json.sha256: ")
    assert lines[-1] == "undecided: settings"

    database("UPDATE mention SET kind = 7 WHERE entry = 2")
    database("UPDATE token SET scope = 'submit'")
    lines = command("fsck", str(folder.parent), status=1).splitlines()
    at = lines.index("✗ catalogue  72 rows")
    assert lines[at + 1 : at + 4] == [
        "  ✗ the rows of entry 2 are not those of its statement",
        "    means: it is found where it is not, or not found where it is",
        "    do:    make it again from the statements: `provenance reindex`",
    ]
    assert lines[-1] == "damaged: catalogue, tokens"

    found = json.loads(command("fsck", "--json", status=1))
    assert (found["verdict"], found["origin"], found["size"]) == ("damaged", "acme.example/ml", 12)
    areas = {area["area"]: area for area in found["areas"]}
    assert areas["catalogue"]["mark"] == "fails"
    assert set(areas["catalogue"]["faults"][0]) == {"what", "means", "remedy"}
    assert areas["settings"]["mark"] == "undecided"


def test_where_there_is_no_ledger(command, tmp_path):
    found = json.loads(command("fsck", str(tmp_path), "--json", status=2))
    assert found["error"]["type"] == "LedgerError"


def test_the_catalogue_is_made_again(command, database):
    database("UPDATE mention SET kind = 7 WHERE entry = 2")
    assert command("reindex", status=0) == "the catalogue of 12 statements is made again\n"
    assert json.loads(command("reindex", "--json", ".", status=0)) == {"statements": 12}
    assert command("fsck", status=0).endswith("whole: acme.example/ml, 12 entries\n")
