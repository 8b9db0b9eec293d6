"""What descends from artifacts, all of it, by the indices of the catalogue alone.

The surest way to an artifact may be a long one, so the whole of what descends is walked and graded
before a page of it is told. No statement is read but those that name what the page tells.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import literal
from sqlmodel import Session, col, select

from provenance.derivation import Claim
from provenance.errors import InputError, LedgerError
from provenance.ledger.catalog import FACET, FacetRow, MentionRow
from provenance.ledger.following import Closed
from provenance.ledger.indexing import LONGEST, Facet
from provenance.ledger.refs import read_statement
from provenance.ledger.vouching import Vouching
from provenance.lineage import End, Grade
from provenance.lineage.impact import (
    Descendant,
    DescendantKind,
    Impact,
    LeftOut,
    Records,
    Source,
    surest,
)
from provenance.log.log import Log
from provenance.merkle import HASH_SIZE
from provenance.statements import KIND_NUMBERS

__all__ = ["MAX_SOURCES", "Reach", "page_of", "reach_of"]

MOST = 1_000_000
"""Arrows that are walked, in about as many kilobytes."""

MAX_SOURCES = 10_000
"""Artifacts whose descendants are asked for at once."""

_BATCH = 1000
"""Values in one question to the database."""

_KINDS: dict[int, DescendantKind] = {
    KIND_NUMBERS["dataset"]: "dataset",
    KIND_NUMBERS["model"]: "model",
    KIND_NUMBERS["outputs"]: "outputs",
}

T = TypeVar("T")


class _End(NamedTuple):
    """The end of closed ways: the first step that claims so, and the entry that registers it."""

    by: int
    artifact: bytes
    claim: Claim
    registered: int = -1


@dataclass(frozen=True)
class Reach:
    """All that descends from some artifacts: for each, at the same place of each column.

    Attributes:
        size: of the log as of which it is so.
        sources: artifact that was asked about → the entry that registers it; -1 for none.
        digests: 32 bytes for each descendant, the nearest first.
        depths: how many steps away each is.
        by: the first entry that says so.
        grades: of the surest way to each.
        registered: the entry that registers each; -1 for none.
        kinds: how many there are of each.
        left_out: what all ways to are closed, in order.
        unproven: as `Closed` has it.
    """

    size: int
    sources: dict[bytes, int]
    digests: bytes
    depths: array[int]
    by: array[int]
    grades: bytes
    registered: array[int]
    kinds: Counter[DescendantKind]
    left_out: tuple[_End, ...] = ()
    unproven: tuple[int, ...] = ()


def reach_of(
    session: Session,
    log: Log,
    vouching: Vouching,
    sources: Sequence[bytes],
    depth: int | None,
    closed: Closed | None = None,
) -> Reach:
    """Walk all that descends, and grade it.

    Args:
        session: of the database.
        log: its log.
        vouching: as of the size that is asked about.
        sources: artifact digests, 32 bytes each.
        depth: how many steps to go; None for all.
        closed: ways from the sources that are not gone. What else leads to a source leads on by
            them, too: what came of the records otherwise may have gone any way.

    Raises:
        InputError: there is more than `MOST` arrows of it.
    """
    closed = closed or Closed()
    walked = _Walked(session, vouching.size, sources, depth, closed.ways)
    left_out = walked.left_out()
    ends: dict[bytes, End] = {}
    again: set[tuple[int, bytes]] = set()
    for batch in _batches([*walked.found, *(each.artifact for each in left_out)]):
        ends |= vouching.ends(batch, claims=False)
        again |= vouching.all_reproduced(batch)
    best = surest(sources, walked.graded(ends, again, vouching.all_revoked(walked.made)))
    artifacts = [artifact for artifact in walked.found if artifact not in walked.sources]
    registered = array("q", (_or_minus_one(ends[artifact].registered) for artifact in artifacts))
    kinds: Counter[DescendantKind] = Counter()
    for entries in _batches(entry for entry in registered if entry >= 0):
        kinds.update(kind for _, kind in _kinds(session, entries))
    kinds["unregistered"] = len(artifacts) - kinds.total()
    return Reach(
        vouching.size,
        {artifact: _or_minus_one(ends[artifact].registered) for artifact in sources},
        b"".join(artifacts),
        array("q", (walked.found[artifact][0] for artifact in artifacts)),
        array("q", (walked.found[artifact][1] for artifact in artifacts)),
        bytes(best[artifact] for artifact in artifacts),
        registered,
        kinds,
        tuple(
            each._replace(registered=_or_minus_one(ends[each.artifact].registered))
            for each in left_out
        ),
        closed.unproven,
    )


def _or_minus_one(entry: int | None) -> int:
    return -1 if entry is None else entry


_Node = bytes | int | tuple[bytes] | tuple[int, bytes]
"""An artifact, or a statement; a source that was made of one of them; or a statement as it is
reached from a source of which a way is closed there."""


class _Walked:
    """What was found by going on from the sources, breadth first.

    Attributes:
        sources: as they were given.
        found: artifact → (depth, the first entry that leads there); sources, too, at depth 0.
        into: artifact → the entries of its depth or before it that it went into.
        made: entry → what it made.
    """

    def __init__(
        self,
        session: Session,
        size: int,
        sources: Sequence[bytes],
        depth: int | None,
        closed: Mapping[tuple[int, bytes], Mapping[bytes, Claim]],
    ) -> None:
        self.sources = frozenset(sources)
        self.found = dict.fromkeys(sources, (0, -1))
        self.into: dict[bytes, list[int]] = {}
        self.made: dict[int, list[bytes]] = {}
        self._session = session
        self._size = size
        self._arrows = 0
        self._closed = closed
        self._partly = {entry for entry, _ in closed}
        self._made_again = dict.fromkeys((source for _, source in closed), False)
        level, again, distance = list(self.found), list[bytes](), 0
        while (level or again) and distance != depth:
            distance += 1
            for source in again:
                self._made_again[source] = True
            reached = [*self._next(level, again, distance)]
            level = [artifact for artifact in reached if artifact not in self.sources]
            again = [artifact for artifact in reached if artifact in self.sources]

    def _next(
        self, level: Sequence[bytes], again: Sequence[bytes], distance: int
    ) -> Iterator[bytes]:
        """Yield what was not found before, and sources that were made again, and not before.

        Args:
            level: artifacts of the distance before.
            again: such sources.
            distance: of what is found.
        """
        new: set[int] = set()
        by: dict[int, list[bytes]] = {}
        for artifact in again:
            for entry in self.into[artifact]:
                by.setdefault(entry, []).append(b"")  # by no source: nothing is closed
        for batch in _batches(level):
            query = select(MentionRow.digest, MentionRow.entry).where(
                col(MentionRow.digest).in_(batch),
                col(MentionRow.subject).is_(False),
                MentionRow.entry < self._size,
                MentionRow.kind != KIND_NUMBERS["supersede"],
            )
            for artifact, entry in self._counted(query):
                self.into.setdefault(artifact, []).append(entry)
                if entry in self._partly:
                    by.setdefault(entry, []).append(artifact)
                if entry not in self.made:
                    new.add(entry)
        for entries in _batches(sorted(new)):
            self.made.update((entry, []) for entry in entries)
            made = select(MentionRow.entry, MentionRow.digest).where(
                col(MentionRow.entry).in_(entries), col(MentionRow.subject).is_(True)
            )
            ordered = made.order_by(col(MentionRow.entry), col(MentionRow.position))
            for entry, artifact in self._counted(ordered):
                self.made[entry].append(artifact)
        seen = set[bytes]()
        for entry in sorted(new.union(by)):
            for artifact in self.made[entry]:
                if artifact in self.sources:
                    is_new = self._made_again.get(artifact) is False and artifact not in seen
                else:
                    is_new = artifact not in self.found
                if is_new and self._leads(entry, artifact, by.get(entry, (b"",))):
                    seen.add(artifact)
                    self.found.setdefault(artifact, (distance, entry))
                    yield artifact

    def _leads(self, entry: int, artifact: bytes, by: Iterable[bytes]) -> bool:
        return any(artifact not in self._closed.get((entry, each), ()) for each in by)

    def left_out(self) -> tuple[_End, ...]:
        """Return what is at the end of closed ways alone."""
        found: dict[bytes, _End] = {}
        for (entry, _), ways in sorted(self._closed.items()):
            if entry in self.made:
                for artifact, claim in ways.items():
                    if artifact not in self.found:
                        found.setdefault(artifact, _End(entry, artifact, claim))
        return tuple(found.values())

    def _counted(self, query: Any) -> Iterator[Any]:
        for row in self._session.connection().execute(query):
            self._arrows += 1
            if self._arrows > MOST:
                raise InputError(f"there are more than {MOST:,} arrows: ask for less depth")
            yield row

    def graded(
        self, ends: dict[bytes, End], again: set[tuple[int, bytes]], revoked: set[int]
    ) -> dict[_Node, list[tuple[_Node, Grade]]]:
        """Return the arrows that leave each artifact and each statement, with their grades."""
        rerun = {entry for entry, _ in again}
        arrows: dict[_Node, list[tuple[_Node, Grade]]] = {}

        def grade(entry: int, artifact: bytes, reproduced: bool) -> Grade:
            own = Grade.BROKEN if entry in revoked else ends[artifact].grade
            return Grade.REPRODUCED if reproduced and own is Grade.ATTESTED else own

        def made(entry: int, without: Collection[bytes] = ()) -> list[tuple[_Node, Grade]]:
            return [
                (
                    (each,) if each in self._made_again else each,
                    grade(entry, each, (entry, each) in again),
                )
                for each in self.made[entry]
                if each in self.found and each not in without
            ]

        for artifact, entries in self.into.items():
            into = [(each, grade(each, artifact, each in rerun)) for each in entries]
            arrows[artifact] = [
                ((each, artifact) if (each, artifact) in self._closed else each, own)
                for each, own in into
            ]
            if self._made_again.get(artifact):
                arrows[(artifact,)] = [*into]
        for entry in self.made:
            arrows[entry] = made(entry)
        for (entry, source), ways in self._closed.items():
            if entry in self.made:
                arrows[entry, source] = made(entry, ways)
        return arrows


def page_of(
    session: Session,
    log: Log,
    vouching: Vouching,
    reach: Reach,
    start: int,
    limit: int | None,
    unread: tuple[int, ...],
    held: Mapping[bytes, Records] | None = None,
) -> Impact:
    """Return the page that begins at one of the descendants; all of them without `limit`."""
    count = len(reach.registered)
    end = count if limit is None else min(start + limit, count)
    entries = [*reach.registered[start:end], *reach.sources.values()]
    entries += (each.registered for each in reach.left_out)
    named = _named(session, log, [entry for entry in entries if entry >= 0])
    found = (
        reach.digests[at : at + HASH_SIZE]
        for at in range(start * HASH_SIZE, end * HASH_SIZE, HASH_SIZE)
    )
    ends = vouching.ends([*reach.sources, *found, *(each.artifact for each in reach.left_out)])

    mentioned = {
        digest: _first_mention(session, digest) if entry < 0 else -1
        for digest, entry in reach.sources.items()
    }

    def source(digest: bytes, registered: int, by: int) -> dict[str, Any]:
        if registered in named:
            (name, kind), entry = named[registered], registered
        else:
            (name, kind), entry = (_name_in(log, by, digest), "unregistered"), None
        told = {"digest": digest, "name": name, "kind": kind, "registered": entry}
        return {**told, "conflict": ends[digest].conflict}

    return Impact(
        reach.size,
        tuple(
            Source(
                **source(digest, entry, mentioned[digest]),
                records=None if held is None else held.get(digest),
            )
            for digest, entry in reach.sources.items()
        ),
        tuple(
            Descendant(
                **source(
                    reach.digests[at * HASH_SIZE : (at + 1) * HASH_SIZE],
                    reach.registered[at],
                    reach.by[at],
                ),
                depth=reach.depths[at],
                grade=Grade(reach.grades[at]),
                by=reach.by[at],
            )
            for at in range(start, end)
        ),
        {kind: number for kind, number in reach.kinds.items() if number},
        {Grade(grade): number for grade, number in Counter(reach.grades).items()},
        unread,
        f"{reach.size}.{end}" if end < count else None,
        tuple(
            LeftOut(**source(each.artifact, each.registered, each.by), by=each.by, claim=each.claim)
            for each in reach.left_out
        ),
        reach.unproven,
    )


def _named(
    session: Session, log: Log, entries: Sequence[int]
) -> dict[int, tuple[str | None, DescendantKind]]:
    """Return the name and the kind of what each entry registers."""
    found: dict[int, tuple[str | None, DescendantKind]] = {}
    for batch in _batches(entries):
        kinds = dict(_kinds(session, batch))
        names = select(FacetRow.entry, FacetRow.value).where(
            FACET.c.facet == literal(int(Facet.NAME), literal_execute=True),
            col(FacetRow.entry).in_(batch),
        )
        for entry, value in session.exec(names):
            name = value.decode() if len(value) < LONGEST else _name_in(log, entry, None)
            found[entry] = name, kinds[entry]
    return found


def _first_mention(session: Session, digest: bytes) -> int:
    mentions = select(MentionRow.entry).where(MentionRow.digest == digest)
    return session.exec(mentions.order_by(col(MentionRow.entry)).limit(1)).first() or -1


def _kinds(session: Session, entries: Sequence[int]) -> Iterator[tuple[int, DescendantKind]]:
    query = select(MentionRow.entry, MentionRow.kind).where(
        col(MentionRow.entry).in_(entries), MentionRow.position == 0
    )
    for entry, number in session.exec(query):
        if number in _KINDS:  # a batch of uses is nothing that was registered
            yield entry, _KINDS[number]


def _name_in(log: Log, entry: int, digest: bytes | None) -> str | None:
    """Return what a statement calls what has this digest, or its first subject."""
    with suppress(LedgerError, InputError):  # it was erased, or there is none
        statement = read_statement(log, entry)
        for subject in statement.subjects:
            if digest in (None, subject.artifact):
                return subject.name
        for reference in statement.predicate.references():
            if reference.artifact == digest:
                return reference.name
    return None


def _batches(values: Iterable[T]) -> Iterator[list[T]]:
    left = iter(values)
    while batch := list(islice(left, _BATCH)):
        yield batch
