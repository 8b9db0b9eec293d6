"""``import``: take into the log what other tools wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from provenance.cli.opening import open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit
from provenance.errors import InputError, MalformedError

__all__ = ["importing"]

importing = typer.Typer(
    help="Take into the log what other tools wrote.", no_args_is_help=True, rich_markup_mode=None
)


@importing.callback()
def _group() -> None:
    """Keep this a group, of one command so far."""


@importing.command("lineage")
def lineage(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An OpenLineage event on each line.")
    ],
    as_json: Json = False,
) -> None:
    """Take OpenLineage events, as their file transport writes them, into the log.

    Each run that ends becomes a step, signed by the key that [service.lineage] in config.toml
    names. What was taken before is not taken again.
    """
    entries: list[int] = []
    with open_ledger(signing=True) as ledger:
        ledger.collector.check_is_on()
        try:
            with file.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        try:
                            entry = ledger.collector.take(line)
                        except MalformedError as error:
                            raise InputError(f"{file}, line {number}: {error}") from error
                        entries += [] if entry is None else [entry]
        except OSError as error:
            raise InputError(f"cannot read {file}: {error.strerror}") from error
    count = len(entries)
    emit(as_json, {"entries": entries}, [f"{count} run{'' if count == 1 else 's'} that ended"])
