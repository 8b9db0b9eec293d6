"""A server in a process of its own, that can be killed and started again."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import api

SERVER = """
import sys, api, provenance
with provenance.Ledger.open(sys.argv[1]) as ledger:
    api.serve(ledger, "127.0.0.1", int(sys.argv[2]), listening=lambda url: print(url, flush=True))
"""


class Server:
    """`api.serve` in a process of its own, that can be killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", SERVER, str(self.home), str(self.port)]
        root = Path(api.__file__).parents[1]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
        assert self.process.stdout is not None
        assert self.process.stdout.readline()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None
