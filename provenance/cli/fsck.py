"""``fsck``: verify a whole ledger again, from its bytes; ``reindex``: make its catalogue again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.opening import old_passphrase
from provenance.cli.options import Json
from provenance.cli.output import emit, progress

if TYPE_CHECKING:
    from provenance.upkeep.report import Area, Report

__all__ = ["STATUS", "fsck", "reindex", "report_json", "report_lines"]

STATUS = {"whole": 0, "damaged": 1, "undecided": 3}


def fsck(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Of the ledger; else it is found from here upward."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify a whole ledger again, from its bytes. Nothing is written.

    Every entry, envelope, tree, checkpoint, anchor and key, and the database itself; a ledger in
    use, too. Exit status: 0 whole, 1 damaged, 2 wrong usage, 3 undecided: a chain does not answer,
    a key has a passphrase, or a file was edited by hand.
    """
    from provenance.ledger.folder import Folder
    from provenance.upkeep.fsck import fsck

    found = Folder.find(folder or Path(), to_write=False)
    passphrase = old_passphrase(found.keys / "log.pem")
    with progress("checking") as bar:
        report = fsck(folder, passphrase=passphrase, progress=bar)
    emit(as_json, report_json(report), [*report_lines(report), "", _verdict(report)])
    raise typer.Exit(STATUS[report.verdict])


def reindex(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Of the ledger; else it is found from here upward."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the catalogue again, from the statements in the log alone.

    By it the graph is walked and artifacts are found. Others may read meanwhile, and not write.
    """
    from provenance.upkeep.reindexing import reindex

    with progress("indexing") as bar:
        count = reindex(folder, progress=bar)
    emit(as_json, {"statements": count}, [f"the catalogue of {count:,} statements is made again"])


def report_lines(report: Report) -> Iterator[str]:
    """Return one line for each area, and all that was found in it."""
    for area in report.areas:
        yield f"{area.mark.value} {area.name:<10} {area.found}"
        for fault in area.faults:
            yield f"  ✗ {fault.what}"
            yield f"    means: {fault.means}"
            yield f"    do:    {fault.remedy}"
        if area.more:
            yield f"  ✗ and {area.more} more"
        yield from (f"  ? {doubt}" for doubt in area.doubts)
        yield from (f"  - {note}" for note in area.notes)


def report_json(report: Report) -> dict[str, Any]:
    """Return what was found as JSON."""
    return {
        "verdict": report.verdict,
        "ledger": report.place,
        "origin": report.origin,
        "size": report.size,
        "areas": [_area_json(area) for area in report.areas],
    }


def _area_json(area: Area) -> dict[str, Any]:
    return {
        "area": area.name,
        "mark": area.mark.name.lower(),
        "found": area.found,
        "faults": [vars(fault) for fault in area.faults],
        "more_faults": area.more,
        "doubts": list(area.doubts),
        "notes": list(area.notes),
    }


def _verdict(report: Report) -> str:
    if report.verdict == "whole":
        return f"whole: {report.origin}, {report.size} entries"
    names = [area.name for area in report.areas if area.faults]
    if report.verdict == "damaged":
        return f"damaged: {', '.join(names)}"
    return f"undecided: {', '.join(area.name for area in report.areas if area.doubts)}"
