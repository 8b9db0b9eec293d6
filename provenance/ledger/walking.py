"""Walks along the log's statements, by the index of what each names.

A page begins where the one before ended, by counting. A cursor holds how large the log was at the
first page, and later entries are no part of the walk; so what is logged meanwhile moves nothing.
What was walked for a page after the first, and as much again, is kept for those after it; where it
is not, the walk starts anew, over the index alone. Of statements, only those of the page are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from sqlmodel import Session, col, select

from provenance.errors import InputError
from provenance.ledger.catalog import MentionRow
from provenance.ledger.paging import read_walk_cursor
from provenance.ledger.recent import Recent
from provenance.ledger.vouching import Vouching
from provenance.lineage import Event, History, walk
from provenance.lineage.signers import Signers
from provenance.log.log import Log
from provenance.log.store import EnvelopeRow
from provenance.signing import Envelope
from provenance.statements import KIND_NUMBERS, Statement

__all__ = ["Walk", "Walked"]

MOST = 100_000
"""Statements of a walk that is asked for page by page."""

MAX_PAGE = 8 << 20
"""Bytes of envelopes, after which a page ends."""

READ = 32
"""Envelopes that are read at a time; the largest have megabytes."""

_BATCH = 500
"""Values in one question to the database."""


@dataclass(frozen=True)
class Walked:
    """The beginning of a walk.

    Attributes:
        found: (entry, depth) of each statement, in order.
        whole: there are no more.
    """

    found: Sequence[tuple[int, int]]
    whole: bool


class Walk:
    """A walk within a session: to the sources of an artifact, or to what was made of it."""

    def __init__(
        self,
        session: Session,
        origin: str,
        *,
        onward: bool,
        signers: Callable[[Session, int], Signers],
        recent: Recent[Walked],
    ) -> None:
        """Begin.

        Args:
            session: of the database.
            origin: the log's name.
            onward: to what was made.
            signers: what the log says of keys, as of a size.
            recent: what was walked for earlier pages.
        """
        self._session = session
        self._log = Log(session, origin)
        self._onward = onward
        self._signers = signers
        self._recent = recent

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
        end = None if limit is None else start + limit
        if end is not None and start + 1 > MOST:
            raise InputError(
                f"the walk goes beyond {MOST:,} statements: ask for less depth, or begin at an "
                "artifact that it reached"
            )
        signers = self._signers(self._session, size)
        vouching = Vouching(self._session, self._log, signers, size)
        found = self._found(artifact, depth, size, start, end)
        held, taken = 0, 0
        read: dict[int, tuple[Statement, tuple[str, ...]]] = {}
        for entry, data in self._envelopes(entry for entry, _ in found[:limit]):
            taken += 1
            if data is not None:  # else it was erased: the walk goes on by the index
                envelope = Envelope.parse(data)
                read[entry] = Statement.parse(envelope.payload), envelope.keyids
                held += len(data)
            if limit is not None and held > MAX_PAGE:
                break
        again = vouching.reproduced(read)
        events = tuple(
            Event(
                entry,
                *read[entry],
                distance,
                vouching.revoked(read[entry][1], entry),
                again.get(entry, {}),
            )
            for entry, distance in found[:taken]
            if entry in read
        )
        more = taken < len(found)
        cursor = f"{size}.{start + taken}" if more else None
        page = History(artifact, events, cursor, size)
        return replace(page, ends=vouching.ends(page.names))

    def _found(
        self, artifact: bytes, depth: int | None, size: int, start: int, end: int | None
    ) -> Sequence[tuple[int, int]]:
        """Return (entry, depth) from `start` to `end` of a walk, and one more if there is one."""
        if end is None or start == 0:
            return self._walked(artifact, depth, size, end)[start:]
        key = (self._log.root(size), artifact, self._onward, depth)
        walked = self._recent.get(key)
        if walked is None or not (walked.whole or end < len(walked.found)):
            most = min(2 * end, MOST + end - start)
            found = self._walked(artifact, depth, size, most)
            walked = self._recent.put(key, Walked(found, whole=len(found) <= most))
        return walked.found[start : end + 1]

    def _walked(
        self, artifact: bytes, depth: int | None, size: int, end: int | None
    ) -> list[tuple[int, int]]:
        """Return the walk up to `end`, and one more."""
        most = None if end is None else end + 1
        steps = walk(
            artifact,
            statements=lambda level: self._statements(level, size, most),
            linked=self._linked,
            depth=depth,
        )
        return list(islice(steps, most))

    def _envelopes(self, entries: Iterable[int]) -> Iterator[tuple[int, bytes | None]]:
        """Yield each entry with its envelope, None where it was erased."""
        left = iter(entries)
        while batch := list(islice(left, READ)):
            query = select(EnvelopeRow.index, EnvelopeRow.data).where(
                col(EnvelopeRow.index).in_(batch)
            )
            held = dict(self._session.exec(query).all())
            yield from ((entry, held.get(entry)) for entry in batch)

    def _statements(self, artifacts: Sequence[bytes], size: int, most: int | None) -> list[int]:
        """Return the entries below `size` that artifacts lead to, in order: the first `most`.

        Batches of uses are of no artifact's history but their own: there may be one an hour.
        """
        found: set[int] = set()
        for at in range(0, len(artifacts), _BATCH):
            query = select(MentionRow.entry).where(
                col(MentionRow.digest).in_(artifacts[at : at + _BATCH]),
                col(MentionRow.subject).is_(not self._onward),
                MentionRow.entry < size,
                (MentionRow.kind != KIND_NUMBERS["access"]) | (MentionRow.position == 0),
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
