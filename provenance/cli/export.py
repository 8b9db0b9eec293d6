"""``export``: a history in the words of other tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from provenance.cli.ledger import AsOf, RefArgument
from provenance.cli.opening import open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit, write
from provenance.errors import InputError

if TYPE_CHECKING:
    from provenance.lineage import History

__all__ = ["export"]


def export(
    ref: RefArgument,
    form: Annotated[
        Literal["slsa", "prov", "openlineage", "croissant", "cyclonedx"],
        typer.Option(
            "--format",
            help="Of steps, SLSA provenance v1, OpenLineage events, or W3C PROV-JSON; "
            "of a data set, Croissant; of a model, a CycloneDX ML-BOM.",
        ),
    ],
    depth: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Go so many steps back; else all, none of slsa and croissant."
        ),
    ] = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Write what an artifact is, or what made it, unsigned, for tools that read other formats."""
    with open_ledger() as ledger:
        back = 0 if depth is None and form in ("slsa", "croissant") else depth
        documents = _documents(ledger.history(ref, depth=back, as_of=as_of), ledger.origin, form)
    if not documents:
        raise InputError(
            "no step there succeeded under signatures that count"
            if form == "slsa"
            else "there is no step there"
        )
    if as_json:
        emit(True, {"format": form, "documents": documents}, [])
        return
    write("".join(json.dumps(each) + "\n" for each in documents))


def _documents(history: History, origin: str, form: str) -> list[dict[str, Any]]:
    if form == "slsa":
        return history.to_slsa(origin)
    if form == "croissant":
        return [history.to_croissant(origin)]
    if form == "cyclonedx":
        return [history.to_cyclonedx(origin)]
    if form == "openlineage":
        events = history.to_openlineage(origin)
        from openlineage.client.serde import Serde

        return [Serde.to_dict(event) for event in events]
    return [json.loads(str(history.to_prov(origin).serialize(format="json")))]
