"""How far everything got: the state of each entry, and of each chain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from provenance.anchoring import ChainPin
from provenance.errors import InputError, LedgerError
from provenance.ledger.anchors import AnchorRecord, AnchorState
from provenance.ledger.catalog import Catalog
from provenance.ledger.entries import EntryState, LogEntry
from provenance.log import Checkpoint
from provenance.log.log import Log
from provenance.log.tiles import TilePath

__all__ = ["ChainStatus", "Reached", "Status", "entries", "reached", "status", "tile"]

MAX_PAGE = 8 << 20
"""Bytes of envelopes, after which a page of entries ends."""


@dataclass(frozen=True, kw_only=True)
class ChainStatus:
    """What the ledger knows of one chain; `size` is 0 before the first anchor.

    Attributes:
        name: in the policy.
        embedded: whether it is worth only as much as this machine.
        size: entries that the newest anchor in a block covers.
        state: of that anchor: ``mined``, ``confirmed`` or ``final``.
        block: its block.
        block_time: the time of that block.
        sent: entries that an anchor covers which is in no block yet, or in none any more.
    """

    name: str
    embedded: bool
    size: int
    state: AnchorState | None
    block: int | None
    block_time: datetime | None
    sent: int | None


@dataclass(frozen=True)
class Status:
    """A ledger in figures.

    Attributes:
        origin: the log's name.
        size: entries logged.
        checkpoint_size: entries covered by the newest checkpoint; None before the first.
        artifacts: distinct artifacts registered, as far as they were counted.
        pending_outputs: outputs in the spool, not yet registered.
        chains: each that the policy pins.
    """

    origin: str
    size: int
    checkpoint_size: int | None
    artifacts: int
    pending_outputs: int
    chains: tuple[ChainStatus, ...]


def status(
    session: Session, origin: str, pins: Iterable[ChainPin], pending: int, most: int | None = None
) -> Status:
    """Return the figures of a ledger; at most `most` artifacts are counted, if it is given."""
    log, catalog = Log(session, origin), Catalog(session)
    chains = []
    for pin in pins:
        row = catalog.newest_anchor(pin.name)
        newest = AnchorRecord.of(row, pin) if row else None
        last = catalog.last_anchor(pin.name)
        chains.append(
            ChainStatus(
                name=pin.name,
                embedded=pin.embedded,
                size=newest.size if newest else 0,
                state=newest.state if newest else None,
                block=newest.block if newest else None,
                block_time=newest.block_time if newest else None,
                sent=last.size if last and last.block is None else None,
            )
        )
    checkpoint = _checkpoint(log)
    return Status(
        origin=origin,
        size=log.size,
        checkpoint_size=checkpoint.size if checkpoint else None,
        artifacts=catalog.count(most),
        pending_outputs=pending,
        chains=tuple(chains),
    )


@dataclass(frozen=True)
class Reached:
    """How many entries the newest checkpoint covers, and the newest anchor in a block."""

    checkpointed: int
    anchored: int

    def state(self, index: int) -> EntryState:
        """Return how far an entry got."""
        if index >= self.checkpointed:
            return "logged"
        return "anchored" if index < self.anchored else "checkpointed"


def reached(session: Session, origin: str) -> Reached:
    """Return how far the entries of a log got, at this moment."""
    checkpoint, newest = _checkpoint(Log(session, origin)), Catalog(session).newest_anchor()
    return Reached(checkpoint.size if checkpoint else 0, newest.size if newest else 0)


def entries(session: Session, origin: str, start: int, limit: int) -> list[LogEntry]:
    """Return the entries from `start` on, at most `limit`; fewer where they hold 8 MiB."""
    log, got = Log(session, origin), reached(session, origin)
    found: list[LogEntry] = []
    held = 0
    for index in range(max(start, 0), min(max(start, 0) + limit, log.size)):
        try:
            envelope: bytes | None = log.envelope(index)
        except LedgerError:  # erased: the entry still says of which kind it was
            envelope = None
        found.append(LogEntry(index, log.entry(index), got.state(index), envelope))
        held += len(envelope or b"")
        if held > MAX_PAGE:
            break
    return found


def tile(session: Session, origin: str, path: TilePath) -> bytes:
    """Return a tile of the latest checkpoint's tree.

    Raises:
        InputError: there is no such tile.
    """
    log = Log(session, origin)
    checkpoint = _checkpoint(log)
    if checkpoint is None:
        raise InputError("no checkpoint was signed yet: run `provenance anchor`")
    return log.tile(path, checkpoint.size)


def _checkpoint(log: Log) -> Checkpoint | None:
    note = log.latest_checkpoint()
    return Checkpoint.of_note(note) if note else None
