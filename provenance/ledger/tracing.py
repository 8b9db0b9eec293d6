"""`Tracing`: where artifacts came from, and what was made of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from os import PathLike
from typing import Any, Unpack

from sqlmodel import Session

from provenance.errors import InputError, LedgerError
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.ledger.filters import Filters
from provenance.ledger.folder import Folder
from provenance.ledger.following import Closed, Follower
from provenance.ledger.impact import MAX_SOURCES, Reach, page_of, reach_of
from provenance.ledger.leaves import sought_leaves
from provenance.ledger.lookup import ArtifactTrees
from provenance.ledger.paging import Places, holders, read_walk_cursor
from provenance.ledger.recent import Recent
from provenance.ledger.refs import Ref
from provenance.ledger.vouching import Vouching, read_signers
from provenance.ledger.walking import MAX_PAGE, Walk, Walked
from provenance.lineage import Event, History, Impact
from provenance.lineage.impact import Records
from provenance.lineage.signers import Signers
from provenance.log.kept import Kept
from provenance.log.log import Log
from provenance.log.store import Database
from provenance.signing import Envelope
from provenance.statements import MAX_ARTIFACTS, Statement, Verdict
from provenance.verification import Policy

__all__ = ["Tracing"]


MOST_PROVEN = 10_000
"""Claims of which it is kept that they were proven."""


class Tracing(ABC):
    """The questions of a `LedgerView` about history."""

    origin: str
    folder: Folder
    _trees: ArtifactTrees
    _database: Database
    _kept: Kept

    def __init__(self) -> None:
        self._reaches = Recent[Reach]()
        self._walks = Recent[Walked]()
        self._proven = Recent[bool](MOST_PROVEN)

    @abstractmethod
    def policy(self) -> Policy:
        """Return the ledger's own policy; as `LedgerView`."""

    @abstractmethod
    def digest_of(self, ref: Ref | bytes, *, paths: bool = True) -> bytes:
        """Return the digest of what a REF names; as `LedgerView`."""

    @abstractmethod
    def find(
        self,
        *,
        leaf_hash: bytes | Sequence[bytes] | None = None,
        cursor: str | None = None,
        **filters: Unpack[Filters],
    ) -> Places[RegisteredArtifact]:
        """Return in which artifacts a record is; as `LedgerView`."""

    def history(
        self,
        ref: Ref | bytes,
        *,
        depth: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        as_of: int | None = None,
    ) -> History:
        """Return every statement about an artifact and about what it came from, nearest first.

        Args:
            ref: the artifact, as `digest_of` takes it.
            depth: how many steps back; None for all, 0 for the artifact alone.
            limit: statements on a page; None for all. A page ends early where it holds 8 MiB.
            cursor: the ``next_cursor`` of the page before, of the same question.
            as_of: only what the first so many entries say, as if there were no more: the size
                that a checkpoint names, say. REF is what it means today.

        Raises:
            InputError: unknown REF or cursor, a size that the log never had, or a walk of more
                than 100,000 statements that is asked for page by page.
        """
        return self._walk(ref, depth, limit, cursor, as_of, onward=False)

    def descendants(
        self,
        ref: Ref | bytes,
        *,
        depth: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        as_of: int | None = None,
    ) -> History:
        """Return every statement by which something was made of an artifact; as `history`.

        Those are steps that it went into, and batches of outputs of a model; and on from what
        they made.
        """
        return self._walk(ref, depth, limit, cursor, as_of, onward=True)

    def remarks(self, ref: Ref | bytes, *, limit: int, below: int | None = None) -> History:
        """Return what was told of an artifact later: figures, verdicts and corrections.

        The newest first, and what is known of the artifact.

        Args:
            ref: the artifact, as `digest_of` takes it.
            limit: statements at most; fewer where they hold 8 MiB.
            below: of the entries before this one alone: the ``next_cursor`` of the page before.

        Raises:
            InputError: unknown REF.
        """
        digest = self.digest_of(ref)
        with self._database.reading() as session:
            log = Log(session, self.origin)
            signers = self._signers(session, log.size)
            end = log.size if below is None else min(below, log.size)
            found = Catalog(session).remarks(digest, below=end, limit=limit + 1)
            events: list[Event] = []
            held = taken = 0
            for entry in found[:limit]:
                taken += 1
                with suppress(LedgerError):  # it was erased
                    data = log.envelope(entry)
                    envelope = Envelope.parse(data)
                    statement, keyids = Statement.parse(envelope.payload), envelope.keyids
                    revoked = signers.revoked(keyids, entry)
                    events.append(Event(entry, statement, keyids, revoked=revoked))
                    held += len(data)
                if held > MAX_PAGE:
                    break
            cursor = str(found[taken - 1]) if taken < len(found) else None
            ends = Vouching(session, log, signers, log.size).ends([digest])
            return History(digest, tuple(events), cursor, log.size, ends)

    def verdicts(self, artifacts: Iterable[bytes]) -> dict[bytes, Verdict]:
        """Return the newest verdict on each artifact, by digests of 32 bytes.

        A verdict whose signature is revoked is none.
        """
        with self._database.reading() as session:
            log = Log(session, self.origin)
            signers = self._signers(session, log.size)
            return Vouching(session, log, signers, log.size).verdicts(artifacts)

    def _walk(
        self,
        ref: Ref | bytes,
        depth: int | None,
        limit: int | None,
        cursor: str | None,
        as_of: int | None,
        *,
        onward: bool,
    ) -> History:
        digest = self.digest_of(ref)
        with self._database.reading() as session:
            way = Walk(
                session, self.origin, onward=onward, signers=self._signers, recent=self._walks
            )
            return way.page(digest, depth=depth, limit=limit, cursor=cursor, as_of=as_of)

    def impact(
        self,
        ref: Ref | bytes | None = None,
        *,
        record: Any = None,
        records: Any = None,
        path: str | PathLike[str] | None = None,
        leaf_hash: bytes | Sequence[bytes] | None = None,
        artifacts: Sequence[bytes] | None = None,
        depth: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        as_of: int | None = None,
    ) -> Impact:
        """Return what descends from an artifact, or from every artifact that holds a record.

        All of it is graded before a page is told, and kept for the pages after it. Ways by which
        the record provably did not go on are not gone (`provenance.ledger.following`).

        Args:
            ref: the artifact; or one of the next five.
            record: as for `find`, and so are the next three: every artifact is asked.
            records: likewise.
            path: likewise.
            leaf_hash: likewise.
            artifacts: digests, 32 bytes each, at most 10,000. Of these and of those that hold a
                record, such count as were registered. With a record: of these alone.
            depth: how many steps to go; None for all.
            limit: descendants on a page; None for all.
            cursor: the ``next_cursor`` of the page before, of the same question.
            as_of: as for `history`.

        Raises:
            InputError: named in no way or in several; as `find` and `history` say; or there are
                more than a million arrows.
        """
        wanted = sought_leaves(
            ref, artifacts, record=record, records=records, path=path, leaf_hash=leaf_hash
        )
        digest = b"" if ref is None else self.digest_of(ref)
        held: dict[bytes, Records] | None = None
        unread: tuple[int, ...] = ()
        if wanted and artifacts is None:
            held, unread = holders(lambda cursor: self.find(leaf_hash=wanted, cursor=cursor))
            artifacts = [*held]
        if artifacts is not None and len(artifacts) > MAX_SOURCES:
            raise InputError(f"at most {MAX_SOURCES:,} artifacts are asked about at once")
        with self._database.reading() as session:
            log = Log(session, self.origin)
            size, start = read_walk_cursor(cursor, log.size, as_of, most=MAX_ARTIFACTS)
            signers = self._signers(session, size)
            vouching = Vouching(session, log, signers, size)
            if ref is not None:
                sources = [digest]
            else:
                ends = vouching.ends(artifacts or (), claims=False)
                known = dict.fromkeys(artifacts or ())
                sources = [each for each in known if ends[each].registered is not None]
            key = (log.root(size), *signers.revoked_from.items(), depth, *sources, None, *wanted)
            reach = self._reaches.get(key)
            if reach is None:
                closed = Closed()
                if wanted:
                    follower = Follower(session, log, self._trees, self.folder, self._proven)
                    closed = follower.closed(vouching, sources, wanted)
                reach = reach_of(session, log, vouching, sources, depth, closed)
                self._reaches.put(key, reach)
            return page_of(session, log, vouching, reach, start, limit, unread, held)

    def _signers(self, session: Session, size: int) -> Signers:
        """Return what the first `size` entries say of keys."""

        def covered(time: datetime) -> int:
            policy = self.policy()
            chains = [pin.name for pin in policy.chains if policy.dates(pin)]
            return Catalog(session).covered(chains, time)

        log = Log(session, self.origin)
        return self._kept.get(("signers", size), lambda: read_signers(log, size, covered))
