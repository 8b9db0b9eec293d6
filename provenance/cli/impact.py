"""``impact``: what descends from an artifact, or from whatever holds a record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from provenance.cli.find import leaf_hashes
from provenance.cli.ledger import AsOf, Cursor, Depth
from provenance.cli.opening import open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit, tell, write
from provenance.cli.prove import read_record

__all__ = ["impact"]


def impact(
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="REF",
            help="A name, 8 or more digits of a digest, root or sha256, or a registered path.",
        ),
    ] = None,
    record: Annotated[
        str | None,
        typer.Option(
            metavar="JSON", help="Of what holds this record; - reads it from standard input."
        ),
    ] = None,
    records: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of what holds records of this file.")
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Of folders that hold this file, under an end of its path."
        ),
    ] = None,
    leaf_hash: Annotated[
        list[str] | None,
        typer.Option(metavar="HEX", help="Of what holds this leaf; may be given again."),
    ] = None,
    depth: Depth = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Descendants on a page, at most; else there is one page."
        ),
    ] = None,
    cursor: Cursor = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Show all that descends from an artifact, or from whatever holds a record, and how surely."""
    with open_ledger() as ledger:
        found = ledger.impact(
            ref,
            record=None if record is None else read_record(record),
            records=records,
            path=path,
            leaf_hash=None if leaf_hash is None else leaf_hashes(leaf_hash),
            depth=depth,
            limit=limit,
            cursor=cursor,
            as_of=as_of,
        )
    for entry in found.unread:
        tell(f"warning: entry {entry}: its tree or its statement is not whole")
    for entry in found.unproven:
        tell(f"warning: entry {entry}: what it claims of records could not be proven here")
    if as_json:
        emit(True, found.to_json(), [])
        return
    write(found.to_text())
    if found.next_cursor is not None:
        tell(f"there is more: --cursor {found.next_cursor}")
