"""The first page: how far the ledger got, what is wrong, and what arrived lately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request, Response

from api.access import MayRead
from api.deps import Served, servers_fault
from api.pages.heads import newest_head
from api.pages.rendering import page
from api.pages.route import PageRoute
from api.pages.rows import EntryRow, entry_row, names_of
from api.pages.wording import ago, plural, sentence
from provenance.ledger.ledger import Ledger
from provenance.ledger.readiness import faults
from provenance.ledger.status import Status

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, dependencies=[MayRead])

LATELY: Final = 12
"""Entries that are shown."""

COUNTED: Final = 10_000
"""Artifacts that are counted: a page may not take longer the more there are."""

LATE: Final = timedelta(days=1)
"""After which entries that no anchor covers are worth a warning."""


@dataclass(frozen=True)
class Wrong:
    """Something that is wrong: in words, and the page about it, if there is one."""

    text: str
    page: str = ""


@router.get("/")
def show_overview(request: Request, ledger: Served) -> Response:
    """Show the ledger as a whole."""
    with servers_fault():
        policy, status = ledger.policy(), ledger.status(most=COUNTED + 1)
    began = datetime.fromisoformat(ledger.entry(0).issued)
    names = names_of(policy)
    entries = ledger.entries(start=max(status.size - LATELY, 0), limit=LATELY)
    rows = [entry_row(entry, names) for entry in reversed(entries)]
    return page(
        request,
        "overview",
        status=status,
        counted=COUNTED,
        wrong=[*_amiss(ledger), *_late(status, began), *_said(rows)],
        head=newest_head(ledger, policy),
        pins={pin.name: pin for pin in policy.chains},
        rows=rows,
    )


def _amiss(ledger: Ledger) -> Iterator[Wrong]:
    """Yield what the server cannot do."""
    for fault in faults(ledger):
        yield Wrong(sentence(fault))


def _late(status: Status, began: datetime) -> Iterator[Wrong]:
    """Yield the chains that do not have the newest entries, and have been waiting for long."""
    now = datetime.now(UTC)
    for chain in status.chains:
        missing = status.size - chain.size
        if missing and now - (chain.block_time or began) > LATE:
            entries = plural(missing, "entry", "entries")
            last = f"the last one was {ago(chain.block_time, now)}" if chain.block_time else ""
            since = last or f"the log began {ago(began, now)}"
            yield Wrong(
                f"No anchor on chain {chain.name} covers the newest {entries}; {since}.",
                "/anchors",
            )


def _said(rows: list[EntryRow]) -> Iterator[Wrong]:
    """Yield what was lately said against something."""
    for row in rows:
        if row.tone == "bad":
            yield Wrong(f"{row.name or row.kind}: {row.says}", f"/log/{row.index}")
