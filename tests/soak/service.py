"""Kill a server under its pipelines, and those too, with SIGKILL; all they recorded comes through.

Each round serves one ledger, and has three processes record over HTTP, two of which share a spool:
data sets, metrics and outputs. The server is killed at a random moment, is away for a moment or
for the rest of the round, and the pipelines are killed at its end. Each writes down what a call
promised once it returned. Then the spools are drained, and everything that was ever promised must
be in the log, once: each statement by its own name, each output in one batch::

    python tests/soak/service.py FOLDER --rounds 200 --seed 1
    python tests/soak/service.py FOLDER --postgres /tmp/soak-pg

With ``--postgres`` the log lies on a PostgreSQL server of its own. A folder that has rounds behind
it goes on where it stopped, whenever it was stopped.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import random
import shutil
import signal
import socket
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import api.serving
import provenance
from provenance.client import RemoteLedger
from provenance.log.log import Log
from provenance.merkle import HASH_SIZE
from provenance.records import JSON, hash_record
from provenance.signing import Envelope, PrivateKey, read_key_file, write_key_file
from provenance.statements import Statement

sys.path.insert(0, str(Path(__file__).parents[1]))
if TYPE_CHECKING:
    from postgres import Server

SPOOLS = ("shared", "shared", "own")  # of the pipelines
LONGEST = 2.0  # seconds until the server is killed, and again until the pipelines are
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folder", type=Path, help="of the run; it goes on where it stopped")
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "--postgres", type=Path, metavar="DIR", help="of the server: a short path, open to all"
    )
    given = options.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger("provenance").setLevel(logging.ERROR)  # that statements wait is the point
    with ExitStack() as stack:
        server = None
        if given.postgres:
            from postgres import Server

            server = Server.again(given.postgres)
            stack.callback(server.stop)
        place = Place(given.folder / ("sqlite" if server is None else "postgres"))
        if not place.folder.exists():
            begin(place, server)
        rounds(place, given.rounds, given.seed)


class Place:
    """Where a run keeps what it needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.state = folder / "state.json"
        self.key = folder / "key.pem"

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.state.read_text())
        return found

    def write(self, state: dict[str, Any]) -> None:
        draft = self.state.with_suffix(".new")
        draft.write_text(json.dumps(state))
        draft.replace(self.state)

    def promises(self, pipeline: int) -> Path:
        return self.folder / f"promises-{pipeline}"

    def connect(self, spool: str, **given: Any) -> RemoteLedger:
        state = self.read()
        return provenance.connect(
            f"http://127.0.0.1:{state['port']}",
            token=state["token"],
            signer=read_key_file(self.key),
            spool=self.folder / f"spool-{spool}",
            **given,
        )


def begin(place: Place, server: Server | None) -> None:
    """Make the ledger, under another name until it is whole."""
    draft = Place(place.folder.with_name(f"{place.folder.name}.new"))
    shutil.rmtree(draft.folder, ignore_errors=True)
    database = server.database() if server else None
    key = PrivateKey.generate()
    with provenance.Ledger.init(
        draft.home, origin="soak.example/service", database=database
    ) as ledger:
        ledger.add_key(key.public, name="pipeline")
        token = ledger.tokens.new("pipeline", scope="submit")[1]
    write_key_file(draft.key, key, None)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    draft.write({"rounds": 0, "port": port, "token": token})
    draft.folder.rename(place.folder)


def rounds(place: Place, count: int, seed: int) -> None:
    state = place.read()
    for number in range(state["rounds"], count):
        rng = random.Random(f"{seed}/{number}")
        waited = work_and_die(place, rng)
        with serving(place):
            for spool in sorted(set(SPOOLS)):
                with place.connect(spool) as ledger:
                    ledger.drain()
                    assert ledger.waiting() == 0
        held = check(place)
        state["rounds"] = number + 1
        place.write(state)
        told = ", ".join(f"{held[kind]:,} {kind}" for kind in ("statements", "outputs"))
        print(f"round {number + 1}: {told}; {waited} had to wait", flush=True)


# --- a round ------------------------------------------------------------------------------------


def work_and_die(place: Place, rng: random.Random) -> int:
    """Kill the server while pipelines record, then those; return how many statements wait."""
    with ExitStack() as stack:
        server = stack.enter_context(serving(place))
        pipelines = [
            stack.enter_context(forked(record, place, number, rng.random()))
            for number in range(len(SPOOLS))
        ]
        time.sleep(rng.uniform(0.1, LONGEST))
        kill(server)
        time.sleep(rng.uniform(0, LONGEST / 2))
        if rng.random() < 0.7:
            stack.enter_context(serving(place))
        time.sleep(rng.uniform(0, LONGEST))
        for pid in pipelines:
            kill(pid)
    return sum(1 for _ in place.folder.glob("spool-*/waiting/*"))


@contextmanager
def serving(place: Place) -> Iterator[int]:
    """Serve the ledger from a process of its own; yield its id once it answers."""
    port = place.read()["port"]

    def serve() -> None:
        with provenance.Ledger.open(place.home) as ledger:
            api.serving.serve(ledger, port=port)

    with forked(serve) as pid:
        for _ in range(600):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                break
            time.sleep(0.05)
        else:
            raise AssertionError("the server does not answer")
        yield pid


@contextmanager
def forked(work: Callable[..., object], *given: Any) -> Iterator[int]:
    """Run a function in a process of its own, and kill that in the end."""
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        status = 1
        try:
            work(*given)
            status = 0
        finally:
            os._exit(status)
    try:
        yield pid
    finally:
        kill(pid)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def record(place: Place, pipeline: int, seed: float, pause: float = 0.02) -> NoReturn:
    """Record until killed; write down what was promised, a line in one piece."""
    rng = random.Random(seed)
    run = f"{pipeline}-{rng.getrandbits(64):016x}"
    warnings.simplefilter("ignore")
    promises = os.open(place.promises(pipeline), os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def promise(what: str) -> None:
        os.write(promises, f"{what}\n".encode())

    ledger, registered, number = place.connect(SPOOLS[pipeline]), None, 0
    with ledger.outputs(name=f"answers {run}", flush_count=7, flush_seconds=1) as out:
        while True:
            name = f"{run} {number}"
            kind = rng.choice(["data", "metrics", "outputs"])
            if kind == "data":
                registered = ledger.register([{"name": name}], name=name)
                promise(f"dataset {name}")
            elif kind == "metrics" and registered:
                ledger.quality(registered, metrics={"number": number})
            for part in range(rng.randrange(5)):
                out.record({"name": name, "part": part})
                promise(json.dumps({"name": name, "part": part}))
            number += 1
            time.sleep(pause)


# --- what is there --------------------------------------------------------------------------------


def check(place: Place) -> Counter[str]:
    """Hold the log to every promise; return how much was promised and kept."""
    logged: Counter[str] = Counter()
    leaves: Counter[bytes] = Counter()
    with provenance.Ledger.open(place.home) as ledger, ledger._database.reading() as session:
        log = Log(session, ledger.origin)
        for index in range(log.size):
            statement = Statement.parse(Envelope.parse(log.envelope(index)).payload)
            name = statement.subjects[0].name
            if statement.kind == "dataset":
                logged[f"dataset {name}"] += 1
            elif statement.kind == "outputs":
                artifact = statement.described().artifact
                data = ledger.folder.tree(artifact.digest).read_bytes()[: artifact.size * HASH_SIZE]
                leaves.update(data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE))
    assert max(logged.values(), default=1) == 1, "a statement was logged twice"
    assert max(leaves.values(), default=1) == 1, "an output was registered twice"
    held: Counter[str] = Counter()
    for pipeline in range(len(SPOOLS)):
        for line in place.promises(pipeline).read_text().splitlines():
            if line.startswith("{"):
                assert leaves[hash_record(line, JSON)] == 1, f"lost: {line}"
                held["outputs"] += 1
            else:
                assert logged[line] == 1, f"lost: {line}"
                held["statements"] += 1
    return held


if __name__ == "__main__":
    main()
