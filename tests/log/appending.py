"""Entries to append, and processes that do it until they are killed.

::

    python tests/log/appending.py PATH|URL NAME COUNT BATCH [GATE]

appends COUNT entries of the writer NAME, BATCH at a time, each batch and each checkpoint in a
transaction of its own, and writes down what was promised only after the commit: a line
``first last`` of indices, or ``checkpoint size``. With a folder GATE it waits there until all are.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import select

from provenance.log import Checkpoint
from provenance.log.backends import is_url
from provenance.log.log import Log
from provenance.log.store import CheckpointRow, Database, EntryRow
from provenance.log.submission import Submission
from provenance.merkle import Tree, leaf_hash
from provenance.records import ARTIFACT_DIGEST
from provenance.signing import Envelope, PrivateKey, VerifierKey, open_note, sign
from provenance.statements import Review, Statement, Subject

ORIGIN = "log.example/ml"
KEY = PrivateKey(Ed25519PrivateKey.from_private_bytes(bytes(32)))


def statement(name: str) -> Statement:
    nonce = sha256(name.encode()).digest()[:16]
    predicate = Review(nonce=nonce, issued="2026-01-31T12:00:00Z", verdict="approve", reason=name)
    digest = {ARTIFACT_DIGEST: sha256(name.encode()).hexdigest()}
    return Statement(subjects=(Subject(name="it", digest=digest),), predicate=predicate)


def submission(name: str, *keys: PrivateKey) -> Submission:
    said = statement(name)
    return Submission(sign(said.to_bytes(), keys or (KEY,)), said)


def append_and_tell(
    database: Database, name: str, count: int, batch: int, pause: float = 0.0
) -> None:
    for first in itertools.count(0, batch):
        if first >= count:
            return
        names = [f"{name} {number}" for number in range(first, min(first + batch, count))]
        with database.writing() as session:
            indices = Log(session, ORIGIN).append([submission(each) for each in names])
        print(indices[0], indices[-1], flush=True)
        with database.writing() as session:
            note = Log(session, ORIGIN).checkpoint(KEY)
        print("checkpoint", note.splitlines()[1], flush=True)
        time.sleep(pause)


def start(
    place: Path | str,
    name: str,
    count: int,
    batch: int,
    gate: Path | None = None,
    stderr: int | None = None,
) -> subprocess.Popen[str]:
    """Start a writer of its own process; with a gate, it waits there until it is opened."""
    return subprocess.Popen(
        [sys.executable, __file__, str(place), name, str(count), str(batch), *_given(gate)],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def _given(gate: Path | None) -> list[str]:
    return [] if gate is None else [str(gate)]


def wait_at(gate: Path, name: str) -> None:
    """Say in the folder `gate` that one is here, and wait for the file ``open``."""
    (gate / name).touch()
    while not (gate / "open").exists():
        time.sleep(0.01)


def check_whole(place: Path | str) -> list[str]:
    """Check the log against itself; return whose entries it has, in order.

    Indices without gaps, every envelope, every proof's tiles, every checkpoint ever signed.
    """
    database = Database.open(place)
    with database.reading() as session:
        log = Log(session, ORIGIN)
        rows = session.exec(select(EntryRow).order_by(EntryRow.index)).all()  # type: ignore[arg-type]
        assert [row.index for row in rows] == list(range(log.size))
        tree = Tree.from_leaf_hashes(b"".join(leaf_hash(row.leaf) for row in rows))
        assert log.root(log.size) == tree.root
        for index in range(0, log.size, 7):
            assert log.prove_inclusion(index, log.size) == tree.prove(index)
        for row in session.exec(select(CheckpointRow)):
            note = open_note(row.note.encode(), [VerifierKey(ORIGIN, KEY.public)])
            whole = Tree.from_leaf_hashes(
                b"".join(leaf_hash(each.leaf) for each in rows[: row.size])
            )
            assert row.size <= log.size
            assert Checkpoint.parse(note.text) == Checkpoint(ORIGIN, row.size, whole.root)
        names = []
        for index in range(log.size):
            predicate = Statement.parse(Envelope.parse(log.envelope(index)).payload).predicate
            assert isinstance(predicate, Review)
            names.append(str(predicate.reason))
    database.close()
    return names


def promised(lines: list[str]) -> tuple[list[tuple[int, int]], list[int]]:
    """Return ranges of indices and sizes of checkpoints from whole lines of a writer."""
    words = [line.split() for line in lines if line.endswith("\n")]
    ranges = [(int(a), int(b)) for a, b in words if a != "checkpoint"]
    return ranges, [int(b) for a, b in words if a == "checkpoint"]


if __name__ == "__main__":
    place = sys.argv[1]
    database = Database.open(place if is_url(place) else Path(place))
    if sys.argv[5:]:
        wait_at(Path(sys.argv[5]), sys.argv[2])
    # SQLite has no queue: who waits looks ever more seldom, and who wrote last is there first.
    pause = 0.02 if sys.argv[5:] else 0.0
    append_and_tell(database, sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), pause)
