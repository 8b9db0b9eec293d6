"""A few rounds of `crash.py`; `scripts/soak crash` runs 200."""

import re
import subprocess
import sys
from pathlib import Path

ROUNDS = 10
HERE = Path(__file__).parent


def rounds(folder, number):
    done = subprocess.run(
        [sys.executable, HERE / "crash.py", folder, "--rounds", str(number), "--seed", "1"],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith("round ")]


def test_killed_at_random_moments(tmp_path):
    """Every promise holds after every kill, and a folder goes on where it stopped."""
    said = [*rounds(tmp_path, ROUNDS // 2), *rounds(tmp_path, ROUNDS)]
    assert [line.partition(":")[0] for line in said] == [f"round {n + 1}" for n in range(ROUNDS)]
    held = {kind: int(count) for count, kind in re.findall(r"(\d+) (\w+)", said[-1])}
    # The disk may be slow, but a round in which nothing was ever promised tests nothing.
    for kind, least in (("output", ROUNDS), ("entry", 3), ("anchor", 1), ("checkpoint", ROUNDS)):
        assert held[kind] >= least, said[-1]
    assert rounds(tmp_path, ROUNDS) == []
