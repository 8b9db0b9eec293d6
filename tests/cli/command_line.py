"""Runs the real command in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = [{"id": number, "text": f"row {number}"} for number in range(20)]
"""What stands in rows.jsonl of the ledger that the tests share."""

COMMAND = (sys.executable, "-c", "from provenance.cli import main; main()")


def environment(home, **changes):
    """An environment without any of the caller's settings, and with a trust store of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "COLUMNS": "80",
        **changes,
    }


# Loads what commands load once, then runs each in a process of its own.
MANY = """
import json, os, sys, tempfile
import provenance.ledger.ledger, provenance.cli.app
from provenance.cli import main

def run(arguments):
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as told:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(told.fileno(), 2)
            main(arguments)
        _, status = os.waitpid(child, 0)
        out.seek(0), told.seek(0)
        return os.waitstatus_to_exitcode(status), out.read(), told.read()

json.dump([run(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
"""


class CommandLine:
    """``provenance`` in one working folder."""

    def __init__(self, folder, home):
        self.folder = Path(folder)
        self.home = Path(home)

    def __call__(self, *arguments, status=0, **more):
        """Run it, check the exit status, return (standard output, standard error)."""
        done = self.run(*arguments, **more)
        assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout, done.stderr

    def json(self, *arguments, status=0, **more):
        """Run it with --json and return what it printed; standard output holds nothing else."""
        out, _ = self(*arguments, "--json", status=status, **more)
        return json.loads(out)

    def run(self, *arguments, stdin=None, folder=None, **changes):
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=folder or self.folder,
            env=environment(self.home, **changes),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def many(self, cases):
        """Run it with each list of arguments; return [(exit status, output, errors)]."""
        done = subprocess.run(
            [sys.executable, "-c", MANY],
            cwd=self.folder,
            env=environment(self.home),
            input=json.dumps(cases),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, *arguments, **more):
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=environment(self.home),
            text=True,
            **more,
        )
