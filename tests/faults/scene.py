"""A ledger with its witness, and the calls that write: what each returns is written down."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from whole_ledger import Promises

from provenance import Ledger
from provenance.ledger import outputs
from provenance.log import Checkpoint
from provenance.records import JSON, hash_record
from provenance.signing import Envelope, sign
from provenance.statements import Review, Statement, Subject
from provenance.witness import Witness

ROWS = [{"id": number} for number in range(3)]


@dataclass
class Scene:
    """What calls are made on. It stays when the ledger is closed and opened again.

    Attributes:
        folder: holds ``home`` and ``witness``.
        batch: envelopes to append.
        serve: serves a witness over HTTP.
        clock: of the ledger and its witness.
    """

    folder: Path
    batch: list[bytes]
    serve: Callable[[Witness], Any]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    promised: Promises = field(default_factory=Promises)
    _ledger: Ledger | None = None

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def witness(self) -> Path:
        return self.folder / "witness"

    @property
    def ledger(self) -> Ledger:
        assert self._ledger is not None
        return self._ledger

    @contextmanager
    def opened(self) -> Iterator[None]:
        """As a process that starts: open everything anew."""
        with (
            Ledger.open(self.home, clock=self.clock) as self._ledger,
            Witness.open(self.witness, clock=self.clock) as witness,
            self.serve(witness),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # that a witness did not answer
            yield

    def renew_batch(self) -> None:
        """Take other envelopes than so far."""
        self.batch = envelopes(self.ledger, *"abcd")


def envelopes(ledger: Ledger, *names: str) -> list[bytes]:
    """What a signer of the ledger could send to it."""
    found = []
    for name in names:
        predicate = Review(**ledger.journal.stamp(), verdict="approve", reason=name)
        digest = {"provenance-artifact-v1": f"{len(name):064x}"}
        statement = Statement(subjects=(Subject(name="it", digest=digest),), predicate=predicate)
        found.append(sign(statement.to_bytes(), ledger.keyring.signers).to_bytes())
    return found


def append(scene: Scene) -> int:
    (index,) = scene.ledger.submit_all(scene.batch[:1])
    scene.promised.entries[index] = Envelope.parse(scene.batch[0]).payload
    return index


def append_batch(scene: Scene) -> list[int]:
    """Over the end of a tile."""
    indices = scene.ledger.submit_all(scene.batch)
    payloads = [Envelope.parse(envelope).payload for envelope in scene.batch]
    scene.promised.entries |= dict(zip(indices, payloads, strict=True))
    return indices


def register(scene: Scene) -> int:
    found = scene.ledger.register(ROWS, name="rows")
    scene.promised.entries[found.index] = found.statement.to_bytes()
    return found.index


def record(scene: Scene) -> None:
    """Outputs, of which the last one fills a batch."""
    with scene.ledger.outputs(name="answers", flush_count=2, flush_seconds=600) as out:
        for row in ROWS[:2]:
            out.record(row)
            scene.promised.outputs.append(hash_record(row, JSON))


def recover(scene: Scene) -> None:
    outputs.recover(scene.ledger)


def checkpoint(scene: Scene) -> int:
    note = scene.ledger.checkpoint()
    scene.promised.notes.append(note)
    return Checkpoint.of_note(note).size


def cosign(scene: Scene) -> int:
    """With a signature of the witness, or not at all."""
    scene.ledger.cosign(need=1, patience=0)
    return checkpoint(scene)


def anchor(scene: Scene) -> list[tuple[str, int, str]]:
    anchors = scene.ledger.anchor()
    scene.promised.anchors |= {(each.chain, each.size) for each in anchors}
    return [(each.chain, each.size, each.state) for each in anchors]
