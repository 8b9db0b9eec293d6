"""Runs that other tools tell of, collected: each that ends becomes a step, signed by the collector.

``[service.lineage]`` in ``config.toml`` names the collector's key, one of its own, so that a policy
can tell what it signed from what a pipeline signed itself: it vouches for having been told so.

What events of a run told before its end waits in ``lineage/<run>.json``, without what is not kept
of an event (`provenance.lineage.reports`). A crash loses none of it that was answered; a run that
never ends makes way, after `MOST_WAITING` others. The end of a run is logged once, however often,
and to however many processes, it is told: it is found by its run and event in the log itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from heapq import nsmallest
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmodel import col, select

from provenance import forms
from provenance.errors import InputError, LedgerError, MalformedError
from provenance.ledger.catalog import FacetRow
from provenance.ledger.folder import locked, write_file
from provenance.ledger.indexing import Facet
from provenance.ledger.keys import own_key
from provenance.lineage.reports import ENDS, MAX_EVENT, RunReport, read_event
from provenance.signing import PrivateKey

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["Collector", "NotCollectingError"]

MOST_WAITING = 1000
"""Runs of which it waits what was told of them."""

_ADVICE = (
    "make one: `provenance keys new NAME`, `provenance keys add NAME --kind step`, and "
    'key = "NAME" under [service.lineage] in config.toml'
)


class NotCollectingError(InputError):
    """The ledger takes no lineage."""


class Collector:
    """Takes OpenLineage events into a ledger. May be shared between threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._folder = ledger.folder.path / "lineage"
        self._config = ledger.config.service.lineage
        self._opened: PrivateKey | None = None

    @property
    def is_on(self) -> bool:
        """Whether the ledger's configuration says that it takes lineage."""
        return self._config is not None

    def key(self) -> PrivateKey:
        """Return the key that signs.

        Raises:
            NotCollectingError: the ledger takes no lineage.
            InputError: it cannot be opened, or may not sign steps.
        """
        if self._config is None:
            raise NotCollectingError(
                "this ledger takes no lineage: [service.lineage] in its config.toml would say so"
            )
        return own_key(self._ledger, self._config.key, "step", "what is collected", _ADVICE)

    def take(self, event: bytes) -> int | None:
        """Take one event; where it ends a run, sign and log the step, and return its entry.

        Raises:
            NotCollectingError: the ledger takes no lineage.
            MalformedError: it is no event.
            LedgerError: the key may not sign, or something cannot be written.
        """
        self.check_is_on()
        told = read_event(event)
        if told is None:
            return None
        with self._alone(told):
            path = self._folder / f"{told.run}.json"
            if told.event in ENDS and (known := self._logged(told)) is not None:
                path.unlink(missing_ok=True)  # its beginning was told again, too
                return known
            earlier = self._waiting(path)
            report = told if earlier is None else told.after(earlier)
            if report.event not in ENDS:
                self._keep(path, report)
                return None
            statement = report.to_statement(**self._ledger.journal.stamp())
            with _own_fault():
                entry = self._ledger.journal.submit(statement, [self._signer()])
            path.unlink(missing_ok=True)
            return entry

    def check_is_on(self) -> None:
        """Check that the ledger takes lineage.

        Raises:
            NotCollectingError: it does not.
        """
        if not self.is_on:
            self.key()

    def _signer(self) -> PrivateKey:
        """Return the key, which may take long to open the first time."""
        if self._opened is None:
            with _own_fault():
                self._opened = self.key()
        return self._opened

    def _logged(self, told: RunReport) -> int | None:
        """Return the entry in which the collector said that a run ended so."""
        signer = bytes.fromhex(self._signer().public.keyid)
        with self._ledger._database.reading() as session:
            reports = select(FacetRow.entry).where(
                FacetRow.facet == Facet.RUN, FacetRow.value == told.key
            )
            own = select(FacetRow.entry).where(
                FacetRow.facet == Facet.STEP_SIGNER,
                FacetRow.value == signer,
                col(FacetRow.entry).in_(reports),
            )
            return session.exec(own.order_by(col(FacetRow.entry)).limit(1)).first()

    @contextmanager
    def _alone(self, told: RunReport) -> Iterator[None]:
        """Be the one who takes events of a run, among all processes."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise LedgerError(f"cannot make {self._folder}: {error.strerror}") from error
        with locked(self._folder / f"{told.run[:2]}.lock"):
            yield

    def _waiting(self, path: Path) -> RunReport | None:
        try:
            data = path.read_bytes()
            kept = forms.parse(data, what=path.name, cap=2 * MAX_EVENT)
            return forms.decode(RunReport, kept, path.name)
        except FileNotFoundError:
            return None
        except (OSError, MalformedError):  # damaged: what ends the run tells most of it
            return None

    def _keep(self, path: Path, report: RunReport) -> None:
        data = forms.dump(report)
        if len(data) > MAX_EVENT:
            raise MalformedError(f"what was told of a run has at most {MAX_EVENT:,} bytes")
        write_file(path, data.decode(), private=True)
        waiting = list(self._folder.glob("*.json"))
        if len(waiting) > MOST_WAITING:
            for old in nsmallest(len(waiting) - MOST_WAITING, waiting, key=_last_told):
                old.unlink(missing_ok=True)


@contextmanager
def _own_fault() -> Iterator[None]:
    """Make of what is wrong with the collector's key no fault of who tells."""
    try:
        yield
    except InputError as error:
        raise LedgerError(f"what is collected cannot be signed: {error}") from error


def _last_told(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # it ended just now
        return 0
