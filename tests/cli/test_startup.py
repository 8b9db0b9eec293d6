"""`provenance verify` starts quickly: it loads what it needs, and nothing else."""

import re
import subprocess
import sys

import pytest
from command_line import environment

from provenance.cli.app import COMMANDS

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
LOADED = """
import sys
from provenance.cli import main
try:
    main()
finally:
    print("loaded:", *sys.modules, file=sys.stderr)
"""


def modules_loaded_by(folder, home, *arguments, status=0):
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        cwd=folder,
        env=environment(home),
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    return set(done.stderr.partition("loaded:")[2].split())


def loaded_by(folder, home, *arguments):
    return {name.partition(".")[0] for name in modules_loaded_by(folder, home, *arguments)}


def test_verifying_a_file_that_needs_no_anchor_loads_little(made, tmp_path):
    policy = ("--policy", str(made / "policy.json"))
    loaded = loaded_by(tmp_path, tmp_path, "verify", str(made / "open.csv"), *policy)
    assert not loaded & HEAVY
    assert "typer" in loaded


def test_hashing_loads_little(made, tmp_path):
    loaded = loaded_by(made, tmp_path, "hash", "model", "rows.jsonl", "open.csv")
    assert not loaded & {*HEAVY, "cryptography"}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("register", "--help")])
def test_asking_for_help_loads_little(tmp_path, arguments):
    assert not loaded_by(tmp_path, tmp_path, *arguments) & HEAVY


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("--version",), 0, set()),
        (("has",), 2, set()),
        (("hash", "--help"), 0, {"sums"}),
        (("chain", "add", "--help"), 0, {"chain"}),
    ],
)
def test_a_command_loads_no_other(tmp_path, arguments, status, expected):
    homes = {f"provenance.cli.{home.partition(':')[0]}" for home in COMMANDS.values()}
    loaded = modules_loaded_by(tmp_path, tmp_path, *arguments, status=status) & homes
    assert loaded == {f"provenance.cli.{name}" for name in expected}


def test_only_who_makes_tables_loads_what_makes_them(made, tmp_path):
    assert "alembic" not in loaded_by(made, tmp_path, "status")
    assert "alembic" in loaded_by(tmp_path, tmp_path, "init", "--origin", "a.example/x")


def test_what_needs_more_loads_more(made, tmp_path):
    """The test above can fail: the names in it are those of what is loaded."""
    assert loaded_by(made, tmp_path, "status") & HEAVY >= {"sqlmodel", "sqlalchemy", "pydantic"}
    assert "eth" in loaded_by(made, tmp_path, "verify", "rows.jsonl")


def test_the_version_names_the_kernel(tmp_path):
    def ask(kernel):
        return subprocess.run(
            [sys.executable, "-c", "from provenance.cli import main; main()", "--version"],
            env=environment(tmp_path, PROVENANCE_KERNEL=kernel),
            capture_output=True,
            text=True,
        )

    done = ask("hashlib")
    assert re.fullmatch(r"provenance-ledger \d+\.\d+\.\d+\nkernel hashlib\n", done.stdout)
    done = ask("abacus")
    assert (done.returncode, done.stdout) == (2, "")
    assert "PROVENANCE_KERNEL: no kernel 'abacus' here; there are" in done.stderr
