"""Offer a service twice what it can answer, and hold it to every answer that it gave.

What it can answer is what wrk has answered over 32 connections, each of which asks again when it is
answered. Twice that is then offered at an even pace, however slow the answers are: whoever finds no
connection free opens another, and each answer is timed from the moment at which it was to be asked
for. Of twenty requests 17 ask for the proof of a record, two for a verdict on one, and one submits
a statement; who asks for what is recorded (docs/access.md). Beside them three pipelines record over
HTTP with spools, as in `service.py`::

    python tests/soak/saturation.py FOLDER --seconds 120
    python tests/soak/saturation.py FOLDER --postgres /tmp/soak-pg

Every answer must be good, or a 429 or 503 that says when to ask again. In the end every statement
that was acknowledged, and all that a pipeline was promised, must be in the log once, and of every
proof that was answered a use must be recorded. With ``--postgres`` the log lies on a PostgreSQL
server of its own. A database that was done is not done again; one that was broken off is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import service
from offering import ENTRIES, PROOFS, VERDICTS, Offer, percentiles
from service import SPOOLS, Place, forked, kill

from provenance import Ledger
from provenance.log.log import Log
from provenance.signing import read_key_file, sign
from provenance.statements import Quality, Statement, Subject

sys.path.insert(0, str(Path(__file__).parents[1]))

HERE = Path(__file__).parent
MIX = [PROOFS] * 9 + [VERDICTS] + [PROOFS] * 8 + [VERDICTS, ENTRIES]
ASKED = 1000  # proofs that are asked for by different numbers
CLOSED = 20_000  # requests that wrk has to choose from
CONNECTIONS = 32
SETTLED = 10  # good answers in a row


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folder", type=Path, help="of the run; it goes on where it stopped")
    options.add_argument("--seconds", type=float, default=120, help="for which it is offered")
    options.add_argument("--times", type=float, default=2, help="what can be answered")
    options.add_argument("--records", type=int, default=20_000, help="that are proven")
    options.add_argument(
        "--postgres", type=Path, metavar="DIR", help="of the server: a short path, open to all"
    )
    given = options.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger("provenance").setLevel(logging.ERROR)  # that statements wait is the point
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for the server, too
    with ExitStack() as stack:
        server, name = None, "sqlite"
        if given.postgres:
            from postgres import Server

            server, name = Server.again(given.postgres), "postgres"
            stack.callback(server.stop)
        place = Place(given.folder / name)
        done = place.folder / "done.json"
        if not done.exists():
            shutil.rmtree(place.folder, ignore_errors=True)
            service.begin(place, server)
            told = run(place, given.seconds, given.times, given.records)
            done.write_text(json.dumps(told))
        for what, value in json.loads(done.read_text()).items():
            print(f"{name}: {what}: {value}", flush=True)


def run(place: Place, seconds: float, times: float, records: int) -> dict[str, Any]:
    asked = prepare(place, records)
    token = place.read()["token"]
    with serving(place) as (port, pid), ExitStack() as pipelines:
        writing = [
            pipelines.enter_context(forked(service.record, place, number, random.random(), 0.2))
            for number in range(len(SPOOLS))
        ]
        mix = place.folder / "mix"
        mix.write_bytes(
            b"".join(b"%s %s\n" % (path.encode(), body) for path, body in asked(CLOSED))
        )
        for path, body in asked(len(MIX)):  # all is loaded now
            assert ask(port, token, path, body)[0] == 200, path
        settled(port, token)
        saturation = closed_loop(port, mix, token, max(3.0, seconds / 12))
        settled(port, token)  # what the loop left behind is still being answered
        before, memory = one_by_one(port, token), Memory(pid)
        requests = asked(round(times * saturation * seconds))
        offer = Offer(port, token, times * saturation, requests, memory.look)
        asyncio.run(offer.make())
        end = time.monotonic()
        recovered = settled(port, token) - end
        after = one_by_one(port, token)
        memory.look()
        for pipeline in writing:
            kill(pipeline)
        waited = sum(1 for _ in place.folder.glob("spool-*/waiting/*"))
        for spool in sorted(set(SPOOLS)):
            with place.connect(spool) as ledger:
                ledger.drain()
                assert ledger.waiting() == 0
    held = service.check(place)
    return {
        "answers a second at saturation": round(saturation),
        "requests offered a second": round(times * saturation),
        "requests": len(requests),
        "late by, ms, median and 99 %": percentiles(offer.late),
        **offer.told(),
        "acknowledged and logged": check_logged(place, offer.acknowledged),
        "proofs answered and recorded as uses": check_uses(place, offer.proven),
        "promised to pipelines and logged": sum(held.values()),
        "of these, waited for the end in spools": waited,
        "resident MiB, before, at most, after": memory.told(),
        "answers again after, seconds": round(recovered, 2),
        "a proof before and after, ms": [round(1000 * each, 2) for each in (before, after)],
    }


def prepare(place: Place, records: int) -> Callable[[int], Sequence[tuple[str, bytes]]]:
    """Register what is asked for; return what makes requests, no statement of which is the same."""
    config = place.home / ".provenance" / "config.toml"
    config.write_text(config.read_text() + "\n[service.accessLog]\n")
    with Ledger.open(place.home) as ledger:
        rows = [{"id": i, "text": f"record {i} " * 12} for i in range(records)]
        train = ledger.register(rows, name="train", sensitivity="public")
        ledger.anchor()
        numbers = [i * 7919 % records for i in range(ASKED)]
        verdicts = [
            json.dumps(
                {"bundle": json.loads(ledger.prove(train, index=n).to_bytes()), "record": rows[n]}
            ).encode()
            for n in numbers[:100]
        ]
        stamp = ledger.journal.stamp
    key = read_key_file(place.key)
    subject = Subject(name=train.name, digest=train.digests)

    def statement(number: int) -> bytes:
        said = Quality(**stamp(), metrics={"run": number}, passed=True)
        return sign(Statement(subjects=(subject,), predicate=said).to_bytes(), [key]).to_bytes()

    def asked(count: int) -> Sequence[tuple[str, bytes]]:
        made = []
        for number in range(count):
            path = MIX[number % len(MIX)]
            if path == PROOFS:
                body = b'{"index":%d}' % numbers[number % ASKED]
            elif path == VERDICTS:
                body = verdicts[number % len(verdicts)]
            else:
                body = statement(number)
            made.append((path, body))
        return made

    return asked


@contextmanager
def serving(place: Place) -> Iterator[tuple[int, int]]:
    """Serve as an operator does; yield the port and the process."""
    port = place.read()["port"]
    program = "from provenance.cli import main; main()"
    with (place.folder / "serve.log").open("a") as log:  # no pipe: nobody would read it
        server = subprocess.Popen(
            [sys.executable, "-c", program, "serve", "--port", str(port), "--log", "json"],
            cwd=place.home,
            stdout=log,
            stderr=log,
        )
        try:
            for _ in range(600):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                    break
                time.sleep(0.05)
            yield port, server.pid
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
        finally:
            server.kill()
            server.wait()


def closed_loop(port: int, mix: Path, token: str, seconds: float) -> float:
    """Return how many requests wrk had answered in a second."""
    url, script = f"http://127.0.0.1:{port}", HERE / "saturation.lua"
    pace = ["-t1", f"-c{CONNECTIONS}", "--timeout", "30s", f"-d{round(seconds)}s"]
    command = ["wrk", *pace, "-s", script, url, "--", mix, token]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["answered"] > told["refused"] + told["broken"], told
    answered: float = told["answered"] / told["microseconds"] * 1e6
    return answered


# --- what it is held to -------------------------------------------------------------------------


class Memory:
    """What a process has of the machine's memory, in MiB."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._seen: list[float] = []
        self.look()

    def look(self) -> None:
        (line,) = [x for x in self._status.read_text().splitlines() if x.startswith("VmRSS:")]
        self._seen.append(int(line.split()[1]) / 1024)

    def told(self) -> list[int]:
        return [round(each) for each in (self._seen[0], max(self._seen), self._seen[-1])]


def ask(
    port: int, token: str, path: str = PROOFS, body: bytes = b'{"index":1}'
) -> tuple[int, float]:
    """Ask over a connection of its own; return the status, and how long it took."""
    begun = time.monotonic()
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, time.monotonic() - begun


def one_by_one(port: int, token: str) -> float:
    """Return the median time of a hundred proofs, one after the other."""
    asked = [ask(port, token) for _ in range(100)]
    statuses = {status for status, _ in asked}
    assert statuses == {200}, f"answered {statuses}"
    return statistics.median(seconds for _, seconds in asked)


def settled(port: int, token: str) -> float:
    """Return the moment since which it answers all that it is asked."""
    good, since = 0, time.monotonic()
    while good < SETTLED:
        begun = time.monotonic()
        status, _ = ask(port, token)
        good = good + 1 if status == 200 else 0
        since = begun if good == 1 else since
        assert time.monotonic() - since < 60, "it does not recover"
        time.sleep(0.05)
    return since


def check_logged(place: Place, acknowledged: Sequence[bytes]) -> int:
    """Check that each of these envelopes is in the log, and none there twice."""
    with Ledger.open(place.home) as ledger, ledger._database.reading() as session:
        log = Log(session, ledger.origin)
        logged = Counter(sha256(log.envelope(index)).digest() for index in range(log.size))
    assert max(logged.values()) == 1, "a statement was logged twice"
    for envelope in acknowledged:
        assert logged[sha256(envelope).digest()] == 1, f"lost: {envelope[:200]!r}"
    return len(acknowledged)


def check_uses(place: Place, proven: Sequence[int]) -> int:
    """Check that each of these proofs was recorded as a use, and that all uses were signed."""
    found: set[str] = set()
    with Ledger.open(place.home) as ledger:
        cursor = None
        while True:
            page = ledger.access("train", limit=10_000, cursor=cursor)
            found.update(each.use.request for each in page.items)
            for batch in page.batches:
                assert batch.here == batch.counted
            cursor = page.next_cursor
            if cursor is None:
                break
    lost = {str(number) for number in proven} - found
    assert not lost, f"{len(lost)} uses were answered and not recorded"
    return len(proven)


if __name__ == "__main__":
    main()
