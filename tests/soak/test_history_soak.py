"""A few thousand statements of `history.py`; `scripts/soak history` walks through a million."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def soak(folder, count):
    done = subprocess.run(
        [sys.executable, HERE / "history.py", folder, "--count", str(count)],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith("| ")]


@pytest.mark.usefixtures("postgres")  # which skips where there is no server
def test_history_on_both_databases():
    """Every figure is there, both databases tell as much, and what is done is not done again."""
    # Not in pytest's folder: PostgreSQL's user may not pass through that.
    with tempfile.TemporaryDirectory(prefix="history", dir="/tmp") as made:
        head, sqlite, postgresql = soak(made, 2_000)
        for name, row in (("sqlite", sqlite), ("postgresql", postgresql)):
            assert row.count("|") == head.count("|")
            assert row.startswith(f"| {name} | 2,000 |")
            assert "| 200 |" in row, "the hub's own, of which nothing else is made"
        kept = Path(made) / "sqlite-2000" / "figures.json"
        figures = json.loads(kept.read_text())
        assert figures["impact"]["descendants"] == 200
        assert len(figures["first"]["history"]) == 20
        again = soak(made, 2_000)
        assert again == [head, sqlite, postgresql]
