"""Walks along the log's statements, by the index of what each names.

A page begins where the one before ended, by counting: the walk starts anew, over the index alone,
and only the statements of the page are read. A cursor holds how large the log was at the first
page, and later entries are no part of the walk; so what is logged meanwhile moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from sqlmodel import Session, col, select

from provenance.errors import InputError, LedgerError
from provenance.ledger.catalog import MentionRow
from provenance.ledger.paging import read_walk_cursor
from provenance.ledger.vouching import Vouching
from provenance.lineage import Event, History, walk
from provenance.lineage.signers import Signers
from provenance.log.log import Log
from provenance.signing import Envelope
from provenance.statements import KIND_NUMBERS, Statement

__all__ = ["Walk"]

MOST = 100_000
"""Statements of a walk that is asked for page by page."""

MAX_PAGE = 8 << 20
"""Bytes of envelopes, after which a page ends."""

_BATCH = 500
"""Values in one question to the database."""


class Walk:
    """A walk within a session: to the sources of an artifact, or to what was made of it."""

    def __init__(
        self,
        session: Session,
        origin: str,
        *,
        onward: bool,
        signers: Callable[[Session, int], Signers],
    ) -> None:
        """Begin.

        Args:
            session: of the database.
            origin: the log's name.
            onward: to what was made.
            signers: what the log says of keys, as of a size.
        """
        self._session = session
        self._log = Log(session, origin)
        self._onward = onward
        self._signers = signers

    def page(
        self,
        artifact: bytes,
        *,
        depth: int | None,
        limit: int | None,
        cursor: str | None,
        as_of: int | None = None,
    ) -> History:
        """Return the statements of a page, the nearest first; all of them without `limit`.

        Raises:
            InputError: no cursor of this log, or one as of another size; the log never had this
                size; or the walk is longer than is told page by page.
        """
        size, start = read_walk_cursor(cursor, self._log.size, as_of)
        most = None if limit is None else start + limit + 1
        if most is not None and start + 1 > MOST:
            raise InputError(
                f"the walk goes beyond {MOST:,} statements: ask for less depth, or begin at an "
                "artifact that it reached"
            )
        steps = walk(
            artifact,
            statements=lambda level: self._statements(level, size, most),
            linked=self._linked,
            depth=depth,
        )
        signers = self._signers(self._session, size)
        vouching = Vouching(self._session, self._log, signers, size)
        found, held, taken = list(islice(steps, start, most)), 0, 0
        events: list[Event] = []
        for entry, distance in found[:limit]:
            taken += 1
            with suppress(LedgerError):  # it was erased: the walk goes on by the index
                data = self._log.envelope(entry)
                envelope = Envelope.parse(data)
                statement, keyids = Statement.parse(envelope.payload), envelope.keyids
                revoked = vouching.revoked(keyids, entry)
                reproduced = vouching.reproduced(entry, statement, keyids)
                events.append(Event(entry, statement, keyids, distance, revoked, reproduced))
                held += len(data)
            if limit is not None and held > MAX_PAGE:
                break
        more = taken < len(found)
        cursor = f"{size}.{start + taken}" if more else None
        page = History(artifact, tuple(events), cursor, size)
        return replace(page, ends=vouching.ends(page.names))

    def _statements(self, artifacts: Sequence[bytes], size: int, most: int | None) -> list[int]:
        """Return the entries below `size` that artifacts lead to, in order: the first `most`."""
        found: set[int] = set()
        for at in range(0, len(artifacts), _BATCH):
            query = select(MentionRow.entry).where(
                col(MentionRow.digest).in_(artifacts[at : at + _BATCH]),
                col(MentionRow.subject).is_(not self._onward),
                MentionRow.entry < size,
            )
            if self._onward:  # the replacement of an artifact is not made of it
                query = query.where(MentionRow.kind != KIND_NUMBERS["supersede"])
            ordered = query.distinct().order_by(col(MentionRow.entry)).limit(most)
            found.update(self._session.exec(ordered))
        return sorted(found)[:most]

    def _linked(self, entries: Sequence[int]) -> list[bytes]:
        """Return what entries refer to, or what they made; a replacement is neither."""
        found: list[bytes] = []
        for at in range(0, len(entries), _BATCH):
            query = select(MentionRow.digest).where(
                col(MentionRow.entry).in_(entries[at : at + _BATCH]),
                col(MentionRow.subject).is_(self._onward),
                MentionRow.kind != KIND_NUMBERS["supersede"],
            )
            ordered = query.order_by(col(MentionRow.entry), col(MentionRow.position))
            found += self._session.exec(ordered)
        return found
