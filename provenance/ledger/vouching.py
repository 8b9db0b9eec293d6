"""What the grades of a history follow from, by the indices of the catalogue.

Each question is about some artifacts or statements and takes as long as they are many, however
often the log names them elsewhere: of a list that may be long, its first or its last is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any, Final, get_args

from sqlalchemy import ColumnElement, literal, select
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
from provenance.statements import Key, Statement, Step, Verdict

__all__ = ["Vouching", "read_signers"]

BATCH = 500
"""Artifacts in one question to the database."""

_VERDICTS: Final[dict[str, Verdict]] = {verdict: verdict for verdict in get_args(Verdict)}

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
        told = [
            self._first(Facet.DIGEST, self._unrevoked()),
            self._first(Facet.DIGEST),
            self._first(Facet.SUPERSEDED),
        ]
        if claims:
            for facet in (Facet.MADE, Facet.MODEL):
                told += [self._claim(facet), self._claim(facet, last=True)]
        found = {}
        asked = ((each, each + _BEYOND) for each in artifacts)
        for row in self._ask(asked, f"low, {', '.join(told)} FROM asked"):
            artifact, counts, registered, superseded, *claimed = row
            by = [each and each[32:64] for each in claimed]
            found[artifact] = End(
                registered=registered if counts is None else counts,
                revoked=registered is not None and counts is None,
                superseded=superseded,
                conflict=by[::2] != by[1::2],
            )
        return found

    def verdicts(self, artifacts: Iterable[bytes]) -> dict[bytes, Verdict]:
        """Return the newest verdict on each artifact whose signatures count, where there is one."""
        found: dict[bytes, tuple[int, Verdict]] = {}
        asked = ((each + verdict.encode(), b"") for each in artifacts for verdict in _VERDICTS)
        newest = self._first(Facet.REVIEWED, self._unrevoked(Facet.STEP_SIGNER), last=True)
        for value, entry in self._ask(asked, f"low, {newest} FROM asked"):
            artifact, verdict = value[:32], _VERDICTS[value[32:].decode()]
            if entry is not None and entry >= found.get(artifact, (0,))[0]:
                found[artifact] = entry, verdict
        return {artifact: verdict for artifact, (_, verdict) in found.items()}

    def _first(self, facet: Facet, more: str = "", *, last: bool = False) -> str:
        """Ask for the first entry that has the value `low`, or the last."""
        order = "f.entry DESC" if last else "f.entry"
        where = f"f.facet = {facet:d} AND f.value = low AND f.entry < {self.size:d}{more}"
        return f"(SELECT f.entry FROM facet f WHERE {where} ORDER BY {order} LIMIT 1)"  # noqa: S608 - own numbers

    def _claim(self, facet: Facet, *, last: bool = False) -> str:
        """Ask for the first value between `low` and `high`, or the last."""
        order = "f.value DESC" if last else "f.value"
        where = self._between(facet)
        return f"(SELECT f.value FROM facet f WHERE {where} ORDER BY {order} LIMIT 1)"  # noqa: S608 - own numbers

    def _between(self, facet: Facet) -> str:
        between = f"f.facet = {facet:d} AND f.value > low AND f.value < high"
        return f"{between} AND f.entry < {self.size:d}"

    def _unrevoked(self, signer: Facet = Facet.SIGNER) -> str:
        """Say that no signature under a statement is revoked, whose facet `signer` names them."""
        conditions = ""
        for keyid, entry in self._signers.revoked_from.items():
            key = f"X'{keyid}'" if self._sqlite else f"'\\x{keyid}'::bytea"
            where = f"s.facet = {signer:d} AND s.value = {key} AND s.entry = f.entry"
            by_key = f"EXISTS (SELECT 1 FROM facet s WHERE {where})"  # noqa: S608 - hex digits
            conditions += f" AND (f.entry < {entry:d} OR NOT {by_key})"
        return conditions

    def reproduced(
        self, events: Mapping[int, tuple[Statement, Sequence[str]]]
    ) -> dict[int, dict[bytes, int]]:
        """Return what somebody else's runs of the same steps made, too.

        Args:
            events: entry → what was signed, and the keys that signed it.

        Returns:
            Entry → artifact digest → the first such run's entry; only where there is one.
        """
        asked: dict[bytes, list[tuple[int, bytes]]] = {}
        between: list[tuple[bytes, bytes]] = []
        for entry, (statement, keyids) in events.items():
            step, (sources, made) = statement.predicate, ends_of(statement)
            digest = step_digest(step) if isinstance(step, Step) else bytes(32)
            if digest == bytes(32) or self.revoked(keyids, entry):
                continue
            run, own = set_digest(sources) + digest, signers_digest(keyids)
            for low in (artifact + run for artifact in made):
                asked.setdefault(low, []).append((entry, low[:32]))
                between += [(low, low + own), (low + own, low + _BEYOND)]
        others = self._ask(between, f"low, {self._claim(Facet.MADE)} FROM asked")
        found: dict[int, dict[bytes, int]] = {}
        for low in {low[:96] for low, other in others if other is not None}:
            for entry, artifact in asked[low]:
                runs = list(self._runs_by_others(low, events[entry][1]))
                if runs:
                    found.setdefault(entry, {})[artifact] = min(runs)
        return found

    def all_reproduced(self, artifacts: Iterable[bytes]) -> set[tuple[int, bytes]]:
        """Return (entry, artifact) of each step that somebody else's run reproduced, of each.

        Where not all that made an artifact is of one step and one signer, it takes as long as there
        are steps that made it; and it reads no statements but some of those that several signed.
        """
        found: set[tuple[int, bytes]] = set()
        runs: dict[bytes, dict[bytes, list[int]]] = {}
        asked = ((each, each + _BEYOND) for each in artifacts)
        ends = f"{self._claim(Facet.MADE)}, {self._claim(Facet.MADE, last=True)}"
        rows = self._ask(asked, f"low, {ends} FROM asked")
        several = [(low, low + _BEYOND) for low, first, last in rows if first != last]
        every = f"FROM asked CROSS JOIN facet f WHERE {self._between(Facet.MADE)}"
        for value, entry in self._ask(several, f"f.value, f.entry {every}"):
            if value[64:96] != bytes(32):
                runs.setdefault(value[:96], {}).setdefault(value[96:], []).append(entry)
        for run, signers in runs.items():
            if len(signers) > 1:
                found.update((entry, run[:32]) for entry in self._reproduced_of(signers))
        return found

    def claims(self, artifacts: Iterable[bytes]) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (entry, source, target) of what steps claim of the records of artifacts."""
        asked = ((each, each + _BEYOND) for each in artifacts)
        every = f"FROM asked CROSS JOIN facet f WHERE {self._between(Facet.DERIVED)}"
        for value, entry in self._ask(asked, f"f.value, f.entry {every}"):
            yield entry, value[:32], value[32:]

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

    def _ask(
        self, between: Iterable[tuple[bytes, bytes]], question: str
    ) -> Iterator[Sequence[Any]]:
        """Yield the rows of a question to a table `asked` of pairs, called low and high.

        Its text is the driver's own: to compose it anew for each page takes longer than to answer.
        """
        connection = self._session.connection()
        pair = "(?, ?)" if self._sqlite else "(%s, %s)"
        left = iter(between)
        while batch := list(islice(left, BATCH)):
            asked = f"WITH asked (low, high) AS (VALUES {', '.join([pair] * len(batch))})"
            sql = f"{asked} SELECT {question}"
            yield from connection.exec_driver_sql(sql, tuple(chain.from_iterable(batch)))

    @property
    def _sqlite(self) -> bool:
        return self._session.connection().dialect.name == "sqlite"


def _is(which: Facet) -> ColumnElement[int]:
    """Return a facet that stands in the text of the question: plans are made for it alone."""
    return literal(int(which), literal_execute=True)
