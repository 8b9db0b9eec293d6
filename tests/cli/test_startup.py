"""`provenance verify` starts quickly: it loads what it needs, and nothing else."""

import os
import subprocess
import sys

import pytest
from command_line import COMMAND, environment

HEAVY = {
    "web3",
    "eth",
    "eth_tester",
    "eth_account",
    "sqlmodel",
    "sqlalchemy",
    "pyarrow",
    "pandas",
    "fastapi",
    "uvicorn",
    "pydantic",
    "rich",
    "httpx",
    "numpy",
}
BUDGET = 0.2
"""Seconds of work beyond Python's own start…"""

BARE = 0.0125
"""… on a machine where that is this long."""

LOADED = """
import sys
from provenance.cli import main
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def loaded_by(folder, home, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        cwd=folder,
        env=environment(home),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_verifying_a_file_that_needs_no_anchor_loads_little(made, tmp_path):
    policy = ("--policy", str(made / "policy.json"))
    loaded = loaded_by(tmp_path, tmp_path, "verify", str(made / "open.csv"), *policy)
    assert not loaded & HEAVY
    assert "typer" in loaded


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("register", "--help")])
def test_asking_for_help_loads_little(tmp_path, arguments):
    assert not loaded_by(tmp_path, tmp_path, *arguments) & HEAVY


def test_what_needs_more_loads_more(made, tmp_path):
    """The test above can fail: the names in it are those of what is loaded."""
    assert loaded_by(made, tmp_path, "status") & HEAVY >= {"sqlmodel", "sqlalchemy", "pydantic"}
    assert "eth" in loaded_by(made, tmp_path, "verify", "rows.jsonl")


def work_of(command, folder, home):
    """Return the seconds of processor time of one run: other work on the machine adds none."""
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execve(command[0], command, environment(home))
    _, status, usage = os.wait4(child, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs wait4 to measure a process")
def test_verify_starts_within_its_budget(made, tmp_path):
    policy = ["--policy", str(made / "policy.json")]
    command = [*COMMAND, "verify", str(made / "open.csv"), *policy]
    bare = min(work_of([sys.executable, "-c", "pass"], tmp_path, tmp_path) for _ in range(10))
    # Processor time, too, is longer while others use the same caches: measured by Python's start.
    budget = BUDGET * max(1, bare / BARE)
    spent = min(work_of(command, tmp_path, tmp_path) for _ in range(10)) - bare
    assert spent < budget, f"{spent:.3f} s, not {budget:.3f}: see {sys.executable} -X importtime"
