"""Runs the real command, each time in a process of its own."""

import atexit
import json
import os
import subprocess
import sys
from functools import cache
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


# Loads what commands load once, and runs each in a process of its own, forked from there.
SHOP = """
import gc, json, os, signal, sys, tempfile
import provenance.anchoring.embedded, provenance.anchoring.rpc, provenance.ledger.ledger
import provenance.cli.app, provenance.client.remote
from provenance.cli import main

gc.freeze()  # what is loaded stays shared
for line in sys.stdin:
    asked = json.loads(line)
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as out, \\
            tempfile.TemporaryFile("w+") as told:
        child = os.fork()
        if child == 0:
            signal.alarm(120)
            given.write(asked["stdin"]), given.seek(0)
            for number, file in enumerate((given, out, told)):
                os.dup2(file.fileno(), number)
            sys.stdin = open(0)
            os.chdir(asked["folder"])
            os.environ.clear(), os.environ.update(asked["environment"])
            try:
                main(asked["arguments"])
            except SystemExit as end:
                sys.stdout.flush(), sys.stderr.flush()
                os._exit(end.code)  # taking all that is loaded apart takes longer than to run
        _, status = os.waitpid(child, 0)
        out.seek(0), told.seek(0)
        print(json.dumps([os.waitstatus_to_exitcode(status), out.read(), told.read()]), flush=True)
"""


@cache
def shop():
    """One for this process and all of its tests; it ends when its input does."""
    process = subprocess.Popen(
        [sys.executable, "-c", SHOP],
        env=environment("/nowhere"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.communicate)
    return process


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
        if any(name.startswith("PYTHON") for name in changes):  # read as an interpreter starts
            with self.start(
                *arguments,
                env=environment(self.home, **changes),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as process:
                out, told = process.communicate(timeout=120)
            return subprocess.CompletedProcess(arguments, process.returncode, out, told)
        asked = {
            "arguments": list(map(os.fspath, arguments)),
            "folder": os.fspath(folder or self.folder),
            "environment": environment(self.home, **changes),
            "stdin": stdin or "",
        }
        shop().stdin.write(json.dumps(asked) + "\n")
        shop().stdin.flush()
        return subprocess.CompletedProcess(arguments, *json.loads(shop().stdout.readline()))

    def many(self, cases):
        """Run it with each list of arguments; return [(exit status, output, errors)]."""
        done = [self.run(*arguments) for arguments in cases]
        return [(each.returncode, each.stdout, each.stderr) for each in done]

    def start(self, *arguments, **more):
        """Run it by an interpreter of its own."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            text=True,
            **{"env": environment(self.home), **more},
        )
