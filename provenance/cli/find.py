"""``find``: artifacts by what was signed about them."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from provenance.cli.opening import open_ledger
from provenance.cli.options import Json, pairs
from provenance.cli.output import artifact_json, artifact_line, emit, tell

__all__ = ["find"]


def _given(help_text: str, metavar: str = "TEXT") -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(metavar=metavar, help=help_text)
    return option


def find(
    name: Annotated[str | None, _given("Of this very name.")] = None,
    kind: Annotated[
        Literal["dataset", "model", "outputs"] | None, typer.Option(help="Of this kind.")
    ] = None,
    sensitivity: Annotated[
        Literal["public", "internal", "confidential", "restricted"] | None,
        typer.Option(help="Of this sensitivity."),
    ] = None,
    license: Annotated[str | None, _given("With this licence, as it was signed.")] = None,
    provider: Annotated[str | None, _given("From this provider, as it was signed.")] = None,
    source: Annotated[str | None, _given("From this source, as it was signed.")] = None,
    signer: Annotated[str | None, _given("Signed by this key.", "KEYID")] = None,
    digest: Annotated[str | None, _given("With this artifact digest.", "HEX")] = None,
    root: Annotated[str | None, _given("Whose tree has this root.", "HEX")] = None,
    sha256: Annotated[str | None, _given("That is the file of this sha256.", "HEX")] = None,
    meta: Annotated[
        list[str] | None, _given("With this in its metadata; may be given again.", "K=V")
    ] = None,
    issued_after: Annotated[
        str | None, _given("Signed then or later: a day, or RFC 3339 in UTC.", "TIME")
    ] = None,
    issued_before: Annotated[str | None, _given("Signed before then.", "TIME")] = None,
    sort: Annotated[
        Literal["index", "-index", "issued", "-issued", "name", "-name", "size", "-size"],
        typer.Option(help="The order; with - the greatest first."),
    ] = "-index",
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Artifacts on a page, at most.")
    ] = 100,
    cursor: Annotated[
        str | None, _given("Go on where the page before ended: its next_cursor.", "CURSOR")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find artifacts: those that have all that is asked for, the newest first."""
    with open_ledger() as ledger:
        page = ledger.artifacts(
            name=name,
            kind=kind,
            sensitivity=sensitivity,
            license=license,
            provider=provider,
            source=source,
            signer=signer,
            digest=digest,
            root=root,
            sha256=sha256,
            metadata=pairs("--meta", meta),
            issued_after=issued_after,
            issued_before=issued_before,
            sort=sort,
            limit=limit,
            cursor=cursor,
        )
    emit(
        as_json,
        {"artifacts": [artifact_json(each) for each in page], "next_cursor": page.next_cursor},
        map(artifact_line, page),
    )
    if page.next_cursor is not None and not as_json:
        tell(f"there may be more: --cursor {page.next_cursor}")
