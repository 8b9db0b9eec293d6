"""Entries to append, and processes that do it until they are killed.

::

    python tests/log/appending.py DATABASE NAME COUNT BATCH

appends COUNT entries of the writer NAME, BATCH at a time, each batch and each checkpoint in a
transaction of its own, and writes down what was promised only after the commit: a line
``first last`` of indices, or ``checkpoint size``.
"""

from __future__ import annotations

import itertools
import sys
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.log.log import Log, Submission
from provenance.log.store import Database
from provenance.records import ARTIFACT_DIGEST
from provenance.signing import PrivateKey, sign
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


def append_and_tell(database: Database, name: str, count: int, batch: int) -> None:
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


if __name__ == "__main__":
    append_and_tell(
        Database.open(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    )
