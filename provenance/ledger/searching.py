"""Looking for artifacts in the catalogue.

It takes the same time among ten thousand statements and among ten million. Every filter is a list
of entries in the index of `FacetRow`, and so is every order. Where several are to hold at once,

- and one is met by few, these are all looked at, and put in order;
- else one list is followed, the others are asked of each entry in it, and after `MOST` of them the
  page ends where it stands, with however few it found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    func,
    literal,
    literal_column,
    select,
    true,
    tuple_,
)
from sqlmodel import Session

from provenance.ledger.catalog import FACET
from provenance.ledger.filters import Condition, Key, Sought
from provenance.ledger.indexing import Facet

__all__ = ["search"]

MOST = 10_000
"""Entries that are looked at for one page."""

FIRST = 256
"""Of those that have to be looked at one by one: so many at first, then ever more at a time."""


def search(
    session: Session, sought: Sought, *, after: Key | None, limit: int
) -> tuple[list[Key], Key | None]:
    """Return a page of what is sought, and the key after which there may be more; None at the end.

    A page that holds less than `limit`, or nothing, need not be the last.
    """
    return _Search(session, sought).page(after, limit)


class _Search:
    """One question within a session. Every part of it is asked by an index, in order."""

    def __init__(self, session: Session, sought: Sought) -> None:
        self._session = session
        self._by = sought.by
        self._descending = sought.descending
        self._conditions = sought.conditions

    def page(self, after: Key | None, limit: int) -> tuple[list[Key], Key | None]:
        leading = next(filter(self._lies_in_order, self._conditions), None)
        rest = [each for each in self._conditions if each is not leading]
        if rest:
            counts = [self._count(each) for each in self._conditions]
            rarest = self._conditions[counts.index(min(counts))]
            if min(counts) <= MOST:
                found = self._rows(self._put_in_order(rarest, after).limit(limit + 1))
                return _cut(found, limit)
        return self._follow(leading, rest, after, limit)

    def _lies_in_order(self, condition: Condition) -> bool:
        if self._by is Facet.REGISTERED:
            return condition.high is None
        return condition.facet is self._by

    def _follow(
        self, leading: Condition | None, rest: Sequence[Condition], after: Key | None, limit: int
    ) -> tuple[list[Key], Key | None]:
        """Go along the order, where `leading` holds, and ask for the rest of each entry."""
        found: list[Key] = []
        looked, size = 0, FIRST if rest else limit + 1
        while looked < MOST:
            rows = self._rows(self._along(leading, rest, after).limit(size))
            for value, entry, holds in rows:
                after = value, entry
                if holds:
                    found.append(after)
                if len(found) > limit:
                    return _cut(found, limit)
            if len(rows) < size:
                return found, None
            looked += size
            size = min(2 * size, MOST - looked)
        return found, after

    def _rows(self, query: Select[Any]) -> Sequence[Any]:
        return self._session.connection().execute(query).all()

    def _count(self, condition: Condition) -> int:
        """Return how many entries meet a condition, but no more than one beyond `MOST`."""
        facet = FACET.alias()
        few: Select[Any] = (
            select(literal_column("1")).where(*_meets(facet, condition)).limit(MOST + 1)
        )
        return int(self._rows(select(func.count()).select_from(few.subquery()))[0][0])

    def _along(
        self, leading: Condition | None, rest: Sequence[Condition], after: Key | None
    ) -> Select[Any]:
        """Return the question for (value, entry, whether the rest holds), in order."""
        facet = FACET.alias()
        holds = and_(true(), *(_holds(facet.c.entry, each) for each in rest))
        if self._by is Facet.REGISTERED:  # entries of one value: those are in order already
            lies_in = leading or Condition(Facet.REGISTERED, b"")
            query = select(literal(b"").label("value"), facet.c.entry, holds)
            query = query.where(*_meets(facet, lies_in))
            if after is not None:
                entry, last = facet.c.entry, after[1]
                query = query.where(entry < last if self._descending else entry > last)
            return query.order_by(facet.c.entry.desc() if self._descending else facet.c.entry)
        # No bound beside the one that `after` is: of two, SQLite would begin at either.
        query = select(facet.c.value, facet.c.entry, holds).where(_is_of(facet, self._by))
        if leading is not None and (after is None or self._descending):
            query = query.where(facet.c.value >= leading.low)
        if leading is not None and (after is None or not self._descending):
            beyond = leading.low + b"\0" if leading.high is None else leading.high
            query = query.where(facet.c.value < beyond)
        return self._in_order(query, facet.c.value, facet.c.entry, after)

    def _put_in_order(self, rarest: Condition, after: Key | None) -> Select[Any]:
        """Return the question for (value, entry) of all that meets every condition, in order."""
        facet, order = FACET.alias(), FACET.alias()
        value: ColumnElement[bytes] = literal(b"")
        if self._by is not Facet.REGISTERED:
            of_entry = order.c.entry == facet.c.entry
            value = select(order.c.value).where(_is_of(order, self._by), of_entry).scalar_subquery()
        rest = (_holds(facet.c.entry, each) for each in self._conditions if each is not rarest)
        met = select(value.label("value"), facet.c.entry).where(*_meets(facet, rarest), *rest)
        all_met = met.subquery()
        query = select(all_met.c.value, all_met.c.entry)
        return self._in_order(query, all_met.c.value, all_met.c.entry, after)

    def _in_order(
        self, query: Select[Any], value: Any, entry: Any, after: Key | None
    ) -> Select[Any]:
        if after is not None:
            here, last = tuple_(value, entry), tuple_(literal(after[0]), literal(after[1]))
            query = query.where(here < last if self._descending else here > last)
        if self._descending:
            return query.order_by(value.desc(), entry.desc())
        return query.order_by(value, entry)


def _meets(facet: FromClause, condition: Condition) -> list[ColumnElement[bool]]:
    """Return what holds of a row that meets a condition."""
    value = facet.c.value
    if condition.high is None:
        return [_is_of(facet, condition.facet), value == condition.low]
    return [_is_of(facet, condition.facet), value >= condition.low, value < condition.high]


def _is_of(facet: FromClause, which: Facet) -> ColumnElement[bool]:
    """Return whether a row is of a facet, which stands in the text of the question.

    An index over some facets serves only what is seen to be of them.
    """
    return facet.c.facet == literal(int(which), literal_execute=True)


def _holds(entry: ColumnElement[int], condition: Condition) -> ColumnElement[bool]:
    """Return whether an entry meets a condition: asked one by one, so that no plan reads a list."""
    facet = FACET.alias()
    met: Select[Any] = select(literal_column("1")).where(
        *_meets(facet, condition), facet.c.entry == entry
    )
    return met.limit(1).scalar_subquery().is_not(None)


def _cut(rows: Sequence[Any], limit: int) -> tuple[list[Key], Key | None]:
    """Return at most `limit` keys, and the last of them where there are more."""
    keys = [(row[0], row[1]) for row in rows[:limit]]
    return keys, keys[-1] if len(rows) > limit else None
