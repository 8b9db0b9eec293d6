"""Ledgers to test on. Making one loads py-evm and takes seconds, so one is made and copied."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provenance import Ledger
from provenance.log.store import Database

ORIGIN = "acme.example/ml"


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A new ledger that nobody writes to."""
    folder = tmp_path_factory.mktemp("template")
    Ledger.init(folder, origin=ORIGIN).close()
    return folder


@pytest.fixture(autouse=True)
def _nothing_of_this_user(monkeypatch, tmp_path):
    monkeypatch.delenv("PROVENANCE_PASSPHRASE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)


@pytest.fixture
def home(template, tmp_path):
    """A folder with a ledger of its own."""
    return Path(shutil.copytree(template, tmp_path / "home"))


@pytest.fixture
def ledger(home):
    with Ledger.open(home) as ledger:
        yield ledger


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request, tmp_path_factory):
    """The tables of a ledger and nothing in them, on either database."""
    if request.param == "sqlite":
        place = tmp_path_factory.mktemp("store") / "ledger.db"
    else:
        place = request.getfixturevalue("postgres").database()
    database = Database.create(place)
    yield database
    database.close()


@pytest.fixture
def start(home):
    """Start a program in the folder of the ledger, in a process of its own."""
    running = []

    def start(program, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            cwd=home,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start):
    """Run a program to its end; return what it printed."""

    def run(program, *arguments):
        process = start(program, *arguments)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return output

    return run
