"""Four processes that write to one ledger until they are killed.

Each writes down, after a call returned, what it was promised: a line of its own file, handed to the
system in one piece, so that a kill leaves it whole or not at all.

========== ==========================================================================
registrar  registers data sets, and appends batches of statements
recorder   records outputs, in batches of five
anchorer   signs checkpoints, has them cosigned, and anchors them
cosigner   signs checkpoints and has them cosigned; and serves the witness that does it
========== ==========================================================================
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import uvicorn

import provenance
from api import create_witness_app
from provenance.log import Checkpoint
from provenance.records import JSON, hash_record
from provenance.signing import sign
from provenance.statements import Review, Statement, Subject
from provenance.witness import Witness

Promise = Callable[..., None]
Work = Callable[[provenance.Ledger, random.Random, Promise], NoReturn]

READY, BROKEN = b"r", b"x"
SERVER_IS_GONE = 3
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def registrar(ledger: provenance.Ledger, rng: random.Random, promise: Promise) -> NoReturn:
    while True:
        if rng.random() < 0.6:
            value = rng.getrandbits(64)
            found = ledger.register(
                [{"value": str(value), "row": row} for row in range(3)], name="rows"
            )
            promise("entry", found.index, found.digest)
        else:
            digests = [f"{rng.getrandbits(256):064x}" for _ in range(rng.randint(1, 30))]
            indices = ledger.submit_all([review(ledger, digest) for digest in digests])
            for index, digest in zip(indices, digests, strict=True):
                promise("entry", index, digest)


def review(ledger: provenance.Ledger, digest: str) -> bytes:
    predicate = Review(**ledger.journal.stamp(), verdict="approve", reason="it is one")
    subject = Subject(name="it", digest={"provenance-artifact-v1": digest})
    statement = Statement(subjects=(subject,), predicate=predicate)
    return sign(statement.to_bytes(), ledger.keyring.signers).to_bytes()


def recorder(ledger: provenance.Ledger, rng: random.Random, promise: Promise) -> NoReturn:
    out = ledger.outputs(name="outputs", flush_count=5, flush_seconds=0.3)
    while True:
        row = {"output": str(rng.getrandbits(64))}
        out.record(row)
        promise("output", hash_record(row, JSON).hex())


def anchorer(ledger: provenance.Ledger, _: random.Random, promise: Promise) -> NoReturn:
    while True:
        for anchor in ledger.anchor():
            promise("anchor", anchor.size, anchor.root.hex())


def cosigner(ledger: provenance.Ledger, _: random.Random, promise: Promise) -> NoReturn:
    while True:
        checkpoint = Checkpoint.of_note(ledger.checkpoint())
        promise("checkpoint", checkpoint.size, checkpoint.root.hex())
        try:
            (answer,) = ledger.cosign(need=1, patience=0)
        except provenance.WitnessError as error:
            if "ask for the newest" not in str(error):
                raise
            # The anchorer asked for a larger tree meanwhile, and the witness never goes back.
        else:
            promise("cosigned", answer.size)


WRITERS: tuple[Work, ...] = (registrar, recorder, anchorer, cosigner)


def run(work: Work, folder: Path, rng: random.Random, ready: int, door: socket.socket) -> NoReturn:
    """Write until killed; say so once it begins."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # if the run itself is killed
    warnings.simplefilter("ignore")
    try:
        if work is cosigner:
            serve(Witness.open(folder / "witness"), door)
        with (folder / f"promises.{work.__name__}").open("ab", buffering=0) as file:

            def promise(*words: object) -> None:
                file.write((" ".join(map(str, words)) + "\n").encode())

            ledger = provenance.Ledger.open(folder)
            os.write(ready, READY)
            work(ledger, rng, promise)
    except BaseException as error:
        if "broke the connection" in str(error) or "cannot be reached" in str(error):
            os._exit(SERVER_IS_GONE)
        print(f"the {work.__name__} failed: {error!r}", file=sys.stderr)
    os.write(ready, BROKEN)
    os._exit(1)


def serve(witness: Witness, door: socket.socket) -> None:
    """Answer at `door`, in a thread, as long as the process lives."""
    config = uvicorn.Config(create_witness_app(witness), log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True).start()
