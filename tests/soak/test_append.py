"""A few batches of `append.py`; `scripts/soak append` runs a million entries."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def soak(folder, count):
    done = subprocess.run(
        [sys.executable, HERE / "append.py", folder, "--count", str(count), "--batch", "300"],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith("| ")]


@pytest.mark.usefixtures("postgres")  # which skips where there is no server
def test_appending_on_both_databases():
    """The log is whole, every figure is there, and a run that was broken off goes on."""
    # Not in pytest's folder: PostgreSQL's user may not pass through that.
    with tempfile.TemporaryDirectory(prefix="append", dir="/tmp") as made:
        head, sqlite, postgresql = soak(made, 600)
        for name, row in (("sqlite", sqlite), ("postgresql", postgresql)):
            assert row.count("|") == head.count("|")
            assert row.startswith(f"| {name} | 603 |")
        figures = Path(made) / "sqlite" / "figures.json"
        kept = json.loads(figures.read_text())
        assert kept["ledger"]["waits"]["tile"]
        for name in ("ledger", "whole", "same tables"):
            del kept[name]
        figures.write_text(json.dumps(kept))
        (Path(made) / "sqlite" / "done.jsonl").write_text("[0, 0.5]\n")
        assert soak(made, 600)[1].startswith("| sqlite | 603 |")
