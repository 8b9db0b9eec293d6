"""`provenance monitor --every`: a line for each round, until something is found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from file_server import FileServer, send, served
from static_log import StaticLog, entry, policy

ENTRIES = [entry(number) for number in range(310)]


def start(server: FileServer, folder: Path, *options: str) -> subprocess.Popen[str]:
    (folder / "policy.json").write_bytes(policy().to_bytes())
    program = "from provenance.cli import main; main()"
    given = ("--policy", "policy.json", "--state", "state.json", "--every", "1s", *options)
    return subprocess.Popen(
        [sys.executable, "-c", program, "monitor", server.url, *given],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_it_goes_on_through_growth_and_silence_and_ends_with_a_finding(tmp_path: Path) -> None:
    with served(StaticLog.of(ENTRIES[:300])) as server:
        with start(server, tmp_path, "--json") as process:
            assert process.stdout

            def line() -> dict[str, Any]:
                assert process.stdout
                value: dict[str, Any] = json.loads(process.stdout.readline())
                return value

            assert (line()["verdict"], line()["new"]) == ("one history", 0)
            server.log.grow(ENTRIES[:305])
            while (grown := line())["new"] == 0:
                pass
            assert (grown["new"], grown["size"]) == (5, 305)
            server.odd["checkpoint"] = lambda handler: send(handler, b"", status=503)
            while (silent := line())["verdict"] == "one history":
                pass
            assert (silent["verdict"], silent["size"]) == ("undecided", 305)
            fork = StaticLog.of([*ENTRIES[:300], *(entry(at, "fork") for at in range(9))])
            server.log.note, server.log.files = fork.note, fork.files
            del server.odd["checkpoint"]
            while (ended := line())["verdict"] == "undecided":
                pass
            assert [finding["kind"] for finding in ended["findings"]] == ["fork"]
            assert process.stdout.read() == ""
            assert process.wait(30) == 1
        assert len(list(tmp_path.glob("provenance-evidence-*.json"))) == 1


def test_it_ends_when_it_is_interrupted(tmp_path: Path) -> None:
    with (
        served(StaticLog.of(ENTRIES[:3])) as server,
        start(server, tmp_path) as process,
    ):
        assert process.stdout
        assert process.stdout.readline().endswith("acme.example/ml: 3 entries, 3 new\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
