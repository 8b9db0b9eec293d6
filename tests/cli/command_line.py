"""Runs the real command in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
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
        out, _ = self(
            "--json" if not arguments else arguments[0],
            *arguments[1:],
            "--json",
            status=status,
            **more,
        )
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

    def start(self, *arguments, **more):
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=environment(self.home),
            text=True,
            **more,
        )
