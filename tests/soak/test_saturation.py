"""Three seconds of `saturation.py`; `scripts/soak saturation` offers too much for 120."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from postgres import binaries

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")


def run(folder, *options):
    """Offer four times what can be answered; return what is told, by what it is of."""
    small = ["--seconds", "3", "--times", "4", "--records", "100"]
    done = subprocess.run(
        [sys.executable, HERE / "saturation.py", folder, *small, *options],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = [re.fullmatch(r"(\w+): (.*): (.*)", line) for line in done.stdout.splitlines()]
    return {line[2]: line[3] for line in lines}


def check(told):
    """Whoever was refused nothing, and took nothing down, tested nothing."""
    counted = {what: int(value) for what, value in told.items() if value.isdigit()}
    assert counted["answered"] + counted["refused"] == counted["requests"]
    assert counted["refused"] > 0
    assert counted["acknowledged and logged"] > 0
    assert counted["proofs answered and recorded as uses"] > 0
    assert counted["promised to pipelines and logged"] > 0


def test_a_service_that_is_asked_for_too_much(tmp_path):
    check(run(tmp_path))
    begun = (tmp_path / "sqlite" / "serve.log").stat().st_mtime_ns
    run(tmp_path)
    assert (tmp_path / "sqlite" / "serve.log").stat().st_mtime_ns == begun, "it was done already"


def test_on_postgresql():
    if binaries() is None:
        pytest.skip("no PostgreSQL server is installed")
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as server:
        Path(server).chmod(0o755)
        check(run(Path(server) / "soak", "--postgres", Path(server) / "s"))
