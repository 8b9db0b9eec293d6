"""A few rounds of `crash.py`; `scripts/soak crash` runs 500."""

import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROUNDS = 4
HERE = Path(__file__).parent


def command(folder, number, *options):
    options = ["--rounds", str(number), "--seed", "1", *options]
    return [sys.executable, HERE / "crash.py", folder, *map(str, options)]


def rounds(folder, number, *options):
    done = subprocess.run(
        command(folder, number, *options),
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_killed_at_random_moments(tmp_path):
    """Every promise holds after every kill, and a folder goes on where it stopped."""
    break_off(tmp_path)
    said = [*rounds(tmp_path, ROUNDS // 2)[:-1], *rounds(tmp_path, ROUNDS)]
    assert [line.partition(":")[0] for line in said[:-1]] == [
        f"round {n + 1}" for n in range(ROUNDS)
    ]
    assert said[-1].startswith(f"killed {ROUNDS} times, and whole: ")
    held = {kind: int(count) for count, kind in re.findall(r"(\d+) (\w+)", said[-1])}
    # The disk may be slow, but a round in which nothing was ever promised tests nothing.
    for kind, least in (("output", ROUNDS), ("entry", ROUNDS), ("checkpoint", 1), ("cosigned", 1)):
        assert held[kind] >= least, said[-1]


def break_off(folder):
    """Kill it while it makes its ledger."""
    draft = folder / "sqlite.new"
    with subprocess.Popen(command(folder, 1), cwd=HERE.parents[1]) as process:
        while not draft.exists() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "sqlite").exists()


def test_a_server_is_killed_under_its_writers():
    pytest.importorskip("psycopg")
    from postgres import binaries

    if binaries() is None:
        pytest.skip("no PostgreSQL server is installed")
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as server:
        Path(server).chmod(0o755)
        said = rounds(Path(server) / "soak", 2, "--postgres", Path(server) / "s")
    assert said[-1].startswith("killed 2 times, and whole: ")
