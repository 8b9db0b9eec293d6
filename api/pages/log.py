"""The log and its anchors, page by page, and one entry."""

from __future__ import annotations

import json
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from api.access import MayRead
from api.deps import OwnPolicy, Served, servers_fault
from api.pages.heads import newest_head
from api.pages.rendering import page
from api.pages.route import Below, PageRoute
from api.pages.rows import entry_row, names_of
from provenance.forms import MAX_INTEGER

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, dependencies=[MayRead])

ON_A_PAGE: Final = 50
"""Entries, and anchors."""


@router.get("/log")
def show_log(request: Request, ledger: Served, policy: OwnPolicy, below: Below = None) -> Response:
    """Show the entries, the newest first."""
    size = ledger.size()
    end = size if below is None else min(below, size)
    start = max(end - ON_A_PAGE, 0)
    names = names_of(policy)
    entries = ledger.entries(start=start, limit=end - start)
    return page(
        request,
        "log",
        size=size,
        rows=[entry_row(entry, names) for entry in reversed(entries)],
        newer=None if end >= size else min(end + ON_A_PAGE, size),
        older=start or None,
        head=newest_head(ledger, policy),
    )


@router.get("/log/{index}")
def show_entry(
    request: Request,
    ledger: Served,
    policy: OwnPolicy,
    index: Annotated[int, Path(ge=0, le=MAX_INTEGER)],
) -> Response:
    """Show one entry: what the log's leaf says, and what was signed."""
    entry = ledger.entry(index)
    statement = entry.statement
    return page(
        request,
        "entry",
        entry=entry,
        row=entry_row(entry, names_of(policy)),
        leaf_hash=entry.entry.leaf_hash.hex(),
        statement=None
        if statement is None
        else json.dumps(json.loads(statement.to_bytes()), indent=2, ensure_ascii=False),
        anchors=ledger.dating(index),
        size=ledger.size(),
    )


@router.get("/anchors")
def show_anchors(
    request: Request, ledger: Served, policy: OwnPolicy, below: Below = None
) -> Response:
    """Show tree heads on chains, the newest first, and the newest checkpoint."""
    with servers_fault():
        found = ledger.newest_anchors(below=below, limit=ON_A_PAGE)
    return page(
        request,
        "anchors",
        anchors=found,
        older=found[-1].size if len(found) >= ON_A_PAGE else None,
        is_first=below is None,
        head=newest_head(ledger, policy),
        pins={pin.name: pin for pin in policy.chains},
        explorers={name: chain.explorer for name, chain in ledger.config.chains.items()},
    )
