"""What the grades of a history follow from, by the indices of the catalogue.

Each question is about some artifacts or statements and takes as long as they are many, however
often the log names them elsewhere: of a list that may be long, its first or its last is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    LargeBinary,
    ScalarSelect,
    Select,
    column,
    literal,
    literal_column,
    select,
    values,
)
from sqlmodel import Session

from provenance.errors import LedgerError
from provenance.ledger.catalog import FACET
from provenance.ledger.indexing import Facet, signers_digest
from provenance.ledger.refs import read_statement
from provenance.lineage import End
from provenance.lineage.grades import ends_of, set_digest, step_digest
from provenance.lineage.signers import Signers
from provenance.log.log import Log
from provenance.signing import Envelope
from provenance.statements import Key, Statement, Step

__all__ = ["Vouching", "read_signers"]

BATCH = 500
"""Artifacts in one question to the database."""

_BEYOND = b"\xff" * 97
"""Behind a digest, above all that can stand there in a facet."""


def read_signers(log: Log, size: int, covered: Callable[[datetime], int]) -> Signers:
    """Return what the first `size` entries say of keys; `covered` as for `Signers`."""
    entries = [entry for entry in log.of_kinds("key") if entry < size]
    keys = (read_statement(log, entry).predicate for entry in entries)
    return Signers((key for key in keys if isinstance(key, Key)), covered)


class Vouching:
    """Questions within a session, as of a size of the log."""

    def __init__(self, session: Session, log: Log, signers: Signers, size: int) -> None:
        self._session = session
        self._log = log
        self._signers = signers
        self.size = size

    def revoked(self, keyids: Iterable[str], entry: int) -> tuple[str, ...]:
        """Return the keys whose signature under an entry is revoked."""
        return self._signers.revoked(keyids, entry)

    def all_revoked(self, entries: Iterable[int]) -> set[int]:
        """Return the entries of steps and outputs under which a signature is revoked."""
        found: set[int] = set()
        if not self._signers.revoked_from:
            return found
        left = iter(entries)
        while batch := list(islice(left, BATCH)):
            for keyid, first in self._signers.revoked_from.items():
                query = select(FACET.c.entry).where(
                    FACET.c.facet.in_((Facet.SIGNER, Facet.STEP_SIGNER)),
                    FACET.c.value == bytes.fromhex(keyid),
                    FACET.c.entry.in_([entry for entry in batch if entry >= first]),
                )
                found.update(self._session.connection().execute(query).scalars())
        return found

    def ends(self, artifacts: Iterable[bytes], *, claims: bool = True) -> dict[bytes, End]:
        """Return what is known of artifacts; without `claims`, not whether they conflict."""
        found = {}
        for asked in _tables((each, each + _BEYOND) for each in artifacts):
            digest = asked.c.low
            told: list[ColumnElement[Any]] = [
                self._first(Facet.DIGEST, digest, unrevoked=True),
                self._first(Facet.DIGEST, digest),
                self._first(Facet.SUPERSEDED, digest),
            ]
            if claims:
                told += [
                    self._claim(facet, asked, last=last)
                    for facet in (Facet.MADE, Facet.MODEL)
                    for last in (False, True)
                ]
            for artifact, counts, registered, superseded, *claimed in self._rows(digest, *told):
                by = [each and each[32:64] for each in claimed]
                found[artifact] = End(
                    registered=registered if counts is None else counts,
                    revoked=registered is not None and counts is None,
                    superseded=superseded,
                    conflict=by[::2] != by[1::2],
                )
        return found

    def _first(self, which: Facet, value: Any, *, unrevoked: bool = False) -> ScalarSelect[int]:
        """Ask for the first entry that has a value."""
        facet = FACET.alias()
        query = select(facet.c.entry).where(
            facet.c.facet == _is(which), facet.c.value == value, facet.c.entry < self.size
        )
        if unrevoked:
            for keyid, entry in self._signers.revoked_from.items():
                signed = FACET.alias()
                by_key: Select[Any] = select(literal_column("1")).where(
                    signed.c.facet == _is(Facet.SIGNER),
                    signed.c.value == bytes.fromhex(keyid),
                    signed.c.entry == facet.c.entry,
                )
                query = query.where((facet.c.entry < entry) | ~by_key.exists())
        return query.order_by(facet.c.entry).limit(1).scalar_subquery()

    def _claim(self, which: Facet, between: CTE, *, last: bool = False) -> ScalarSelect[bytes]:
        """Ask for the first or the last value between two others."""
        value, query = self._values(which, between.c.low, between.c.high)
        return query.order_by(value.desc() if last else value).limit(1).scalar_subquery()

    def _values(self, which: Facet, low: Any, high: Any) -> tuple[Any, Select[bytes]]:
        facet = FACET.alias()
        query = select(facet.c.value).where(
            facet.c.facet == _is(which),
            facet.c.value > low,
            facet.c.value < high,
            facet.c.entry < self.size,
        )
        return facet.c.value, query

    def reproduced(
        self, entry: int, statement: Statement, keyids: Sequence[str]
    ) -> dict[bytes, int]:
        """Return what somebody else's run of the same step made, too.

        Args:
            entry: of the statement.
            statement: what was signed.
            keyids: those who signed it.

        Returns:
            Artifact digest → the first such run's entry.
        """
        step, (sources, made) = statement.predicate, ends_of(statement)
        digest = step_digest(step) if isinstance(step, Step) else bytes(32)
        if digest == bytes(32) or self.revoked(keyids, entry):
            return {}
        run, own = set_digest(sources) + digest, signers_digest(keyids)
        found = {}
        for asked in _tables(
            each
            for artifact in made
            for each in (
                (artifact + run, artifact + run + own),
                (artifact + run + own, artifact + run + _BEYOND),
            )
        ):
            others = self._rows(asked.c.low, self._claim(Facet.MADE, asked))
            for artifact in {low[:32] for low, other in others if other is not None}:
                runs = list(self._runs_by_others(artifact + run, keyids))
                if runs:
                    found[artifact] = min(runs)
        return found

    def all_reproduced(self, artifacts: Iterable[bytes]) -> set[tuple[int, bytes]]:
        """Return (entry, artifact) of each step that somebody else's run reproduced, of each.

        It takes as long as there are steps that made them, and asks for none of their statements
        but those that several signed.
        """
        found: set[tuple[int, bytes]] = set()
        for asked in _tables((each, each + _BEYOND) for each in artifacts):
            facet = FACET.alias()
            query = select(facet.c.value, facet.c.entry).where(
                facet.c.facet == _is(Facet.MADE),
                facet.c.value > asked.c.low,
                facet.c.value < asked.c.high,
                facet.c.entry < self.size,
            )
            runs: dict[bytes, dict[bytes, list[int]]] = {}
            for value, entry in self._session.connection().execute(query):
                if value[64:96] != bytes(32):
                    signers = runs.setdefault(value[:96], {})
                    signers.setdefault(value[96:], []).append(entry)
            for run, signers in runs.items():
                if len(signers) > 1:
                    found.update((entry, run[:32]) for entry in self._reproduced_of(signers))
        return found

    def _reproduced_of(self, runs: Mapping[bytes, list[int]]) -> Iterator[int]:
        """Yield the runs of one step that count, and are no only ones; by `signers_digest`."""
        counting: dict[frozenset[str], list[int]] = {}
        for digest, entries in runs.items():
            keyids = self._keyids(digest, min(entries))
            counts = [entry for entry in entries if keyids and not self.revoked(keyids, entry)]
            if counts:
                counting.setdefault(self._signers.persons(keyids), []).extend(counts)
        for persons, entries in counting.items():
            if any(persons.isdisjoint(others) for others in counting):
                yield from entries

    def _runs_by_others(self, run: bytes, keyids: Sequence[str]) -> Iterator[int]:
        """Yield the first run by each set of signers who have nobody among `keyids`."""
        persons = self._signers.persons(keyids)
        facet, after = FACET.c, run
        while True:
            query = select(facet.value, facet.entry).where(
                facet.facet == _is(Facet.MADE),
                facet.value > after,
                facet.value < run + _BEYOND,
                facet.entry < self.size,
            )
            ordered = query.order_by(facet.value, facet.entry).limit(1)
            row = self._session.connection().execute(ordered).first()
            if row is None:
                return
            after, entry = row
            others = self._keyids(after[-32:], entry)
            counts = others and not self.revoked(others, entry)
            if counts and persons.isdisjoint(self._signers.persons(others)):
                yield entry

    def _keyids(self, digest: bytes, entry: int) -> Sequence[str]:
        """Return whose `signers_digest` this is under an entry; nobody, where it was erased."""
        if digest.hex() in self._signers.keyids:
            return (digest.hex(),)
        try:
            return Envelope.parse(self._log.envelope(entry)).keyids
        except LedgerError:
            return ()

    def _rows(self, *columns: ColumnElement[Any]) -> Sequence[Any]:
        return self._session.connection().execute(select(*columns)).all()


def _is(which: Facet) -> ColumnElement[int]:
    """Return a facet that stands in the text of the question: plans are made for it alone."""
    return literal(int(which), literal_execute=True)


def _tables(rows: Iterable[tuple[bytes, bytes]]) -> Iterator[CTE]:
    """Yield tables of two columns, low and high, of at most `BATCH` rows each."""
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        low, high = column("low", LargeBinary), column("high", LargeBinary)
        yield values(low, high, name="asked").data(batch).cte("asked")
