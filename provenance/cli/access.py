"""``access``: who asked the service for an artifact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from provenance.cli.opening import open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit, tell
from provenance.errors import InputError

if TYPE_CHECKING:
    from provenance.ledger.usage import KnownUse, UseBatch

__all__ = ["access"]


def access(
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="REF",
            help="A name, 8 or more digits of a digest, root or sha256, or a registered path.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only then or later: a day, or RFC 3339 in UTC."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Uses on a page, at most.")] = 100,
    cursor: Annotated[
        str | None,
        typer.Option(metavar="CURSOR", help="Go on where the page before ended: its next_cursor."),
    ] = None,
    roll: Annotated[
        bool,
        typer.Option("--roll", help="Have what is recorded signed now, by running services too."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show who asked the service for an artifact, the newest first.

    Each use is held against the batch in which it was signed. With --roll alone nothing is shown
    but the entries of the batches that were signed.
    """
    if ref is None and not roll:
        raise InputError("name an artifact, or give --roll")
    with open_ledger(signing=roll) as ledger:
        entries = ledger.access_log.roll() if roll else []
        if ref is None:
            listed = ", ".join(map(str, entries)) or "nothing waited"
            emit(as_json, {"entries": entries}, [f"signed: {listed}"])
            return
        found = ledger.access(ref, since=since, limit=limit, cursor=cursor)
    emit(as_json, {"next_cursor": None, **found.to_json()}, map(_line, found))
    if as_json:
        return
    for batch in found.batches:
        tell(_batch_line(batch))
    if found.next_cursor is not None:
        tell(f"there may be more: --cursor {found.next_cursor}")


def _line(known: KnownUse) -> str:
    use = known.use
    who = use.who if known.name is None else f"{use.who} {known.name!r}"
    records = "" if use.records is None else f" {', '.join(map(str, use.records))}"
    place = "" if known.entry is None else f", entry {known.entry}, use {known.index}"
    return (
        f"{use.when}  {known.state:<12}  {use.action}{records}  by {who}  request {use.request}"
        f"{place}"
    )


def _batch_line(batch: UseBatch) -> str:
    if batch.counted is None:
        return f"entry {batch.entry}, {batch.state}: what was signed is erased"
    missing = batch.counted - batch.here
    here = "all of them here" if not missing else f"{missing} of them erased or altered"
    return f"entry {batch.entry}, {batch.state}: {batch.counted} of these uses, {here}"
