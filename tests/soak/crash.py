"""Kill four writers of one ledger with SIGKILL at random moments; nothing promised may be lost.

Each round forks the four processes of `crash_writers`, which use one ledger as different machines
of a team would, and kills them all at one moment. Then the ledger is held to everything that was
ever promised (`crash_check`): entries under their index, outputs within a registered batch,
checkpoints and anchors on the history that the entries have, cosignatures, and the record of the
witness, which was killed with them. One ledger lives through all rounds::

    python tests/soak/crash.py FOLDER --rounds 500 --seed 1
    python tests/soak/crash.py FOLDER --postgres /tmp/soak-pg

With ``--postgres`` the log lies on a PostgreSQL server of its own, and every other round kills that
in place of the writers: all of its processes, with SIGKILL, too.

A folder that has rounds behind it goes on where it stopped, whenever it was stopped.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import shutil
import signal
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from crash_check import Seen, check, check_whole
from crash_writers import BROKEN, READY, SERVER_IS_GONE, WRITERS, run, serve

import provenance
import provenance.anchoring.embedded  # before the fork: it takes as long as a round
from provenance.ledger.config import WitnessConfig
from provenance.witness import Witness

sys.path.insert(0, str(Path(__file__).parents[1]))
if TYPE_CHECKING:
    from postgres import Server

LONGEST = 2.0  # seconds of work before the kill; the first anchor takes a tenth of that


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folder", type=Path, help="of the run; it goes on where it stopped")
    options.add_argument("--rounds", type=int, default=500)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "--postgres", type=Path, metavar="DIR", help="of the server: a short path, open to all"
    )
    given = options.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        server = None
        if given.postgres:
            from postgres import Server

            server = Server.again(given.postgres)
            stack.callback(server.stop)
        kind = "sqlite" if server is None else "postgres"
        rounds(given.folder / kind, given.rounds, given.seed, server)


def rounds(folder: Path, count: int, seed: int, server: Server | None) -> None:
    state = folder / "rounds.json"
    seen = Seen.load(state) or begin(folder, server)
    if seen.rounds >= count:
        return
    for number in range(seen.rounds, count):
        rng = random.Random(f"{seed}/{number}")
        began = time.monotonic()
        work_and_die(folder, rng, server if number % 2 else None)
        died = time.monotonic()
        seen = check(folder, seen)
        seen.save(state)
        took = f"{died - began:.1f} s and {time.monotonic() - died:.1f} s to check"
        print(f"round {number + 1}: {told(seen)}; {took}", flush=True)
    with Witness.open(folder / "witness") as witness:
        serve(witness, door_of(folder))
        whole = check_whole(folder, count)
    assert (whole.size, whole.held, whole.read) == (seen.size, seen.held, seen.read)
    print(f"killed {count} times, and whole: {told(whole)}", flush=True)


def told(seen: Seen) -> str:
    return ", ".join(f"{number:,} {kind}" for kind, number in sorted(seen.held.items()))


def begin(folder: Path, server: Server | None) -> Seen:
    """Make the ledger and its witness, under another name until they are whole."""
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    database = server.database() if server else None
    with (
        provenance.Ledger.init(draft, origin="soak.example/crash", database=database) as ledger,
        Witness.init(draft / "witness", name="soak.example/witness") as witness,
    ):
        witness.watch(*ledger.policy().log_keys)
        ledger.add_witness("w", "http://127.0.0.1:9", str(witness.vkey))
    seen = check(draft, Seen(rounds=-1))
    seen.save(draft / "rounds.json")
    draft.rename(folder)
    return seen


def door_of(folder: Path) -> socket.socket:
    """Listen where the witness will answer, and tell the ledger where that is."""
    door = socket.create_server(("127.0.0.1", 0), backlog=64)
    with provenance.Ledger.open(folder) as ledger, ledger.folder.alone("policy"):
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        (known,) = ledger.witnesses().values()
        ledger.folder.configure(witnesses={"w": WitnessConfig(url=url, vkey=known.vkey)})
    return door


def work_and_die(folder: Path, rng: random.Random, server: Server | None) -> None:
    """Fork the writers; kill them, or the server under them."""
    readable, writable = os.pipe()
    pids: list[int] = []
    with door_of(folder) as door:
        for work in WRITERS:
            own = random.Random(rng.random())
            pid = os.fork()
            if pid == 0:
                run(work, folder, own, writable, door)
            os.setpgid(pid, (pids or [pid])[0])  # one group, so that one call kills them all
            pids.append(pid)
        try:
            began = b""
            while len(began) < len(WRITERS) and BROKEN not in began:
                assert select.select([readable], [], [], 60)[0], "the writers did not start"
                began += os.read(readable, 1)
            if began == READY * len(WRITERS):
                time.sleep(rng.uniform(0, LONGEST))
                if server is not None:
                    server.kill()
        finally:
            os.killpg(pids[0], signal.SIGKILL)
            statuses = [os.waitpid(pid, 0)[1] for pid in pids]
            os.close(readable)
            os.close(writable)
    for work, status in zip(WRITERS, statuses, strict=True):
        fine = os.WIFSIGNALED(status) or (server and os.WEXITSTATUS(status) == SERVER_IS_GONE)
        assert fine, f"the {work.__name__} ended by itself, with status {status}"
    if server is not None:
        server.start()


if __name__ == "__main__":
    main()
