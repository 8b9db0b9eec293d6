"""A signal under load: what is being answered is answered, and what was acknowledged is there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path

import httpx
import pytest
from asking import JSON
from served import ROWS

from provenance import Ledger
from provenance.signing import PrivateKey, sign
from provenance.statements import Quality, Statement, Subject

CLIENTS = 6
ENOUGH = 10
"""Answers that a client has, on the average, before the signal comes."""


class Served:
    """`provenance serve` with a ledger, and what it wrote."""

    def __init__(self, home: Path, workers: int) -> None:
        self._log = home / f"{workers}.log"
        program = "from provenance.cli import main; main()"
        options = ["--port", "0", "--workers", str(workers), "--log", "json"]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, "serve", *options],
                stdout=log,
                stderr=log,
                cwd=home,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
        end = time.monotonic() + 60
        while not (found := re.search(r"http://\S+", self._log.read_text())):
            assert time.monotonic() < end
            time.sleep(0.05)
        self.url = found[0]

    def lines(self) -> Iterator[dict[str, object]]:
        """Yield each line of its log."""
        for line in self._log.read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ending")


@pytest.fixture(scope="module")
def own(home: Path) -> Iterator[Ledger]:
    with Ledger.init(home, origin="acme.example/own") as ledger:
        ledger.register(ROWS, name="train", sensitivity="public")
        yield ledger


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_under_load(own: Ledger, home: Path, workers: int) -> None:
    _, token = own.tokens.new(f"of {workers}", scope="submit")
    key = PrivateKey.generate()
    own.add_key(key.public, name=f"of {workers}")
    train = own.resolve("train")
    subject = Subject(name=train.name, digest=train.digests)
    answered: dict[str, int] = {}
    acknowledged: list[bytes] = []
    served = Served(home, workers)

    def write_and_read(client: int) -> None:
        headers = {"Authorization": f"Bearer {token}", **JSON}
        with httpx.Client(base_url=served.url, headers=headers, timeout=60) as http:
            for number in count():
                said = Quality(**own.journal.stamp(), metrics={"n": number}, passed=True)
                statement = Statement(subjects=(subject,), predicate=said)
                envelope = sign(statement.to_bytes(), [key]).to_bytes()
                for path, body in (
                    ("/v1/entries", envelope),
                    ("/v1/artifacts/train/proofs", b'{"index":7}'),
                ):
                    name = f"{client}-{number}-{len(path)}"
                    try:
                        answer = http.post(path, content=body, headers={"X-Request-Id": name})
                    except httpx.ConnectError:
                        return  # nobody is let in any more
                    except httpx.TransportError:
                        continue  # the connection was ended as it was used again
                    answered[name] = answer.status_code
                    if answer.status_code == 200 and path == "/v1/entries":
                        acknowledged.append(envelope)

    clients = [threading.Thread(target=write_and_read, args=(n,)) for n in range(CLIENTS)]
    try:
        for client in clients:
            client.start()
        end = time.monotonic() + 60
        while len(answered) < CLIENTS * ENOUGH:
            assert time.monotonic() < end
            time.sleep(0.02)
        served.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(60)
            assert not client.is_alive()
        assert served.process.wait(60) == 0
    finally:
        served.process.kill()
        served.process.wait()
    told = [line for line in served.lines() if "method" in line]
    assert all("status" in line for line in told), "somebody was not waited for"
    assert {str(line["request"]): line["status"] for line in told} == answered
    assert set(answered.values()) <= {200, 503}
    assert not [line for line in served.lines() if "traceback" in line]
    logged = Counter(entry.entry.envelope_hash for entry in own.entries(limit=2000))
    assert len(acknowledged) >= CLIENTS * ENOUGH // 4
    assert all(logged[sha256(envelope).digest()] == 1 for envelope in acknowledged)
