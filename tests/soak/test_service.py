"""Two rounds of `service.py`; `scripts/soak service` runs 200."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from postgres import binaries

HERE = Path(__file__).parent


def rounds(folder, number, *options):
    done = subprocess.run(
        [sys.executable, HERE / "service.py", folder, "--rounds", str(number), *options],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def held(line):
    return {kind: int(count) for count, kind in re.findall(r"(\d+) (statements|outputs)", line)}


def test_a_server_is_killed_under_its_pipelines(tmp_path):
    said = [*rounds(tmp_path, 1), *rounds(tmp_path, 2)]
    assert [line.partition(":")[0] for line in said] == ["round 1", "round 2"]
    assert min(held(said[-1]).values()) > 5, "where nothing was promised, nothing was tested"


def test_on_postgresql():
    if binaries() is None:
        pytest.skip("no PostgreSQL server is installed")
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as server:
        Path(server).chmod(0o755)
        said = rounds(Path(server) / "soak", 1, "--postgres", Path(server) / "s")
    assert held(said[-1])["outputs"] > 5
