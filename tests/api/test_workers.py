"""Several processes at one address: killed, terminated, and left alone by their supervisor."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from served import ROWS

import provenance
from api.serving import Opening, serve_by_workers
from provenance import InputError, Ledger
from provenance.errors import LedgerError
from provenance.signing import PrivateKey

PROGRAM = """
import sys, pathlib, api.serving
opening = api.serving.Opening({"": pathlib.Path(sys.argv[1])}, {"": "horse"}, None)
say = lambda url: print(url, flush=True)
api.serving.serve_by_workers(opening, 2, "127.0.0.1", 0, log="json", listening=say)
print("ended", flush=True)
"""


class Service:
    """Two workers and their supervisor."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "service.log"  # a pipe that nobody reads would fill, and stop it
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(folder)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=Path(__file__).parents[2],
                env={**os.environ, "TMPDIR": str(folder)},
            )
        self.seen: set[int] = set()
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def workers(self) -> set[int]:
        """Return the processes that answer, or soon will."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        found = {int(pid) for pid in children.split() if b"spawn_main" in command(int(pid))}
        self.seen |= found
        return found

    def end(self) -> None:
        """Leave nothing behind, whatever did not work."""
        self.process.kill()
        for pid in self.seen:
            if b"spawn_main" in command(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def until(holds: object) -> None:
    """Wait until something holds, or fail."""
    end = time.monotonic() + 60
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.init(tmp_path, origin="acme.example/own", passphrase="horse") as ledger:
        ledger.register(ROWS, name="train")
        yield ledger


@pytest.fixture
def service(own: Ledger, tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    try:
        yield service
    finally:
        service.end()


def is_well(service: Service) -> bool:
    try:
        return httpx.get(f"{service.url}/readyz", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def test_a_worker_that_is_killed_is_replaced_and_nothing_acknowledged_is_lost(
    service: Service, own: Ledger
) -> None:
    """Two clients write to whichever worker they meet while one after the other is killed."""
    _, token = own.tokens.new("ci", scope="submit")
    signer = PrivateKey.generate()
    own.add_key(signer.public, name="pipeline")
    acknowledged: list[list[str]] = [[], []]
    stop = threading.Event()

    def write(client: int) -> None:
        with provenance.connect(service.url, token=token, signer=signer) as ledger:
            while not stop.is_set():
                name = f"{client}-{len(acknowledged[client])}"
                ledger.register([{"client": client, "n": len(acknowledged[client])}], name=name)
                acknowledged[client].append(name)

    until(lambda: is_well(service))
    writers = [threading.Thread(target=write, args=(client,)) for client in range(2)]
    for writer in writers:
        writer.start()
    for _ in range(2):
        before, done = service.workers(), [len(names) for names in acknowledged]
        assert len(before) == 2
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(service.workers() - {killed}) == 2)  # noqa: B023 - asked at once
        until(lambda: all(len(n) > d for n, d in zip(acknowledged, done, strict=True)))  # noqa: B023
    stop.set()
    for writer in writers:
        writer.join(60)
        assert not writer.is_alive()
    registered = [artifact.name for artifact in own.artifacts(limit=None)]
    assert sorted(registered) == sorted(["train", *acknowledged[0], *acknowledged[1]])


def test_what_all_of_them_counted_is_told_by_each(service: Service, own: Ledger) -> None:
    """Also what one counted that is dead."""
    headers = {"Authorization": f"Bearer {own.tokens.new('reader')[1]}"}
    until(lambda: is_well(service))
    until(lambda: len(service.workers()) == 2)

    def counted() -> set[float]:
        """Return what several answers say, each over a connection of its own."""
        url = f"{service.url}/metrics"
        answers = (httpx.get(url, headers=headers, timeout=30) for _ in range(10))
        counts = 'provenance_requests_total{method="GET",route="/checkpoint",status="404"} '
        return {
            float(line.removeprefix(counts))
            for answer in answers
            for line in answer.text.splitlines()
            if line.startswith(counts)
        }

    for _ in range(20):
        answer = httpx.get(f"{service.url}/checkpoint", headers=headers, timeout=30)
        assert answer.status_code == 404
    until(lambda: counted() == {20.0})
    killed = min(service.workers())
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(service.workers() - {killed}) == 2 and is_well(service))
    until(lambda: counted() == {20.0})


def test_a_signal_lets_every_worker_finish(service: Service, own: Ledger, tmp_path: Path) -> None:
    _, token = own.tokens.new("reader")
    until(lambda: is_well(service))
    workers, begun, go_on = service.workers(), threading.Semaphore(0), threading.Event()
    answers = []

    def body() -> Iterator[bytes]:
        yield b'{"index":'
        begun.release()
        go_on.wait(10)
        yield b"7}"

    def ask() -> None:
        answers.append(
            httpx.post(
                f"{service.url}/v1/artifacts/train/proofs",
                content=body(),
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
                timeout=30,
            ).status_code
        )

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
        assert begun.acquire(timeout=30)
    service.process.terminate()
    until(lambda: not is_well(service))  # refused: every worker got the signal
    go_on.set()
    for thread in threads:
        thread.join(30)
    out, _ = service.process.communicate(timeout=30)
    told = service.log.read_text()
    assert (service.process.returncode, out) == (0, "ended\n")
    assert answers == [200] * 6
    assert not list(tmp_path.glob("provenance-metrics-*"))
    assert not any(command(pid) for pid in workers)
    assert '"traceback"' not in told
    assert all(line.startswith('{"time": ') for line in told.splitlines())


def test_without_their_supervisor_workers_end_and_leave_the_address(service: Service) -> None:
    until(lambda: is_well(service))
    workers = service.workers()
    service.process.kill()
    until(lambda: not any(command(pid) for pid in workers))
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/healthz")


def test_what_cannot_be_opened_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger in"):
        serve_by_workers(Opening({"": tmp_path}, {"": None}, None), 2)
    with Ledger.init(tmp_path, origin="acme.example/own"):
        pass
    opening = Opening({"Vision": tmp_path}, {"Vision": None}, None)
    with pytest.raises(InputError, match="cannot name a project"):
        serve_by_workers(opening, 2)


def test_no_passphrase_is_shown() -> None:
    assert not re.search("horse", repr(Opening({"": Path()}, {"": "horse"}, None)))
