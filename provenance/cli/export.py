"""``export``: a history in the words of other tools."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from provenance.cli.ledger import AsOf, RefArgument
from provenance.cli.opening import open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit, write
from provenance.errors import InputError

__all__ = ["export"]


def export(
    ref: RefArgument,
    form: Annotated[
        Literal["slsa"],
        typer.Option("--format", help="SLSA provenance v1, a line for each step."),
    ],
    depth: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Also of so many steps before it; else of none."),
    ] = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Write what made an artifact, unsigned, for tools that read other formats."""
    with open_ledger() as ledger:
        found = ledger.history(ref, depth=depth or 0, as_of=as_of)
        documents = found.to_slsa(ledger.origin)
    if not documents:
        raise InputError("no step there succeeded under signatures that count")
    if as_json:
        emit(True, {"format": form, "documents": documents}, [])
        return
    write("".join(json.dumps(each) + "\n" for each in documents))
