"""The catalogue made again: every row of it follows from the statements in the log."""

from __future__ import annotations

from contextlib import closing
from hashlib import sha256
from itertools import groupby
from os import PathLike
from pathlib import Path

from sqlalchemy import delete
from sqlmodel import Session, col, func, select

from provenance.errors import LedgerError
from provenance.ledger.catalog import Catalog, FacetRow, MentionRow
from provenance.ledger.config import Config
from provenance.ledger.folder import Folder
from provenance.ledger.indexing import IndexRows, index_rows
from provenance.log import Entry
from provenance.log.store import Database, EntryRow, EnvelopeRow
from provenance.signing import Envelope
from provenance.statements import Statement
from provenance.upkeep.report import Progress

__all__ = ["reindex"]

_BATCH = 100
"""Envelopes that are held at a time."""


def reindex(path: str | PathLike[str] | None = None, *, progress: Progress | None = None) -> int:
    """Make the catalogue of a ledger again, from its log; return of how many statements.

    What is said of an erased statement follows from nothing that is here, and stays as it is. It
    is one transaction: others read meanwhile as before, and a crash leaves what was there.

    Args:
        path: where to look for the ledger, and above; the working folder, if None.
        progress: called with entries done, and all of them.

    Raises:
        LedgerError: there is no ledger, or an envelope is damaged; nothing has changed.
    """
    folder = Folder.find(Path(path or "."))
    place = Config.read(folder.config).database or folder.database
    told = progress or (lambda _done, _total: None)
    with closing(Database.open(place)) as database, database.writing() as session:
        return _reindex(session, told)


def _reindex(session: Session, told: Progress) -> int:
    index = col(EntryRow.index)
    erased = select(EntryRow.index).where(index.not_in(select(EnvelopeRow.index)))
    for row in (MentionRow, FacetRow):
        session.connection().execute(delete(row).where(col(row.entry).not_in(erased)))
    catalog, total = Catalog(session), session.exec(select(func.count(index))).one()
    done, last = 0, -1
    query = select(EntryRow.index, EntryRow.leaf, EnvelopeRow.data).join(
        EnvelopeRow, col(EnvelopeRow.index) == index
    )
    while batch := session.exec(query.where(index > last).order_by(index).limit(_BATCH)).all():
        for _, run in groupby(enumerate(batch), key=lambda pair: pair[1][0] - pair[0]):
            together = [found for _, found in run]  # with none erased between them
            catalog.add(together[0][0], [_rows(*found) for found in together])
        done, last = done + len(batch), batch[-1][0]
        told(last + 1, total)
    return done


def _rows(index: int, leaf: bytes, data: bytes) -> IndexRows:
    envelope_hash = Entry.parse(leaf).envelope_hash
    if sha256(data).digest() != envelope_hash:
        raise LedgerError(
            f"the envelope of entry {index} is not the one that the entry names: `provenance fsck` "
            "says what to do"
        )
    envelope = Envelope.parse(data)
    statement = Statement.parse(envelope.payload)
    return index_rows(statement, keyids=envelope.keyids, envelope_hash=envelope_hash)
