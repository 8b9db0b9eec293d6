"""``find``: artifacts by what was signed about them, and by a record that they hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from provenance.cli.opening import open_ledger
from provenance.cli.options import Json, pairs
from provenance.cli.output import artifact_line, emit, tell
from provenance.cli.prove import read_record
from provenance.errors import InputError

if TYPE_CHECKING:
    from provenance.ledger.catalog import RegisteredArtifact
    from provenance.ledger.filters import Filters
    from provenance.ledger.paging import Page, Place

__all__ = ["find", "leaf_hashes"]


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
    record: Annotated[
        str | None, _given("That hold this record; - reads it from standard input.", "JSON")
    ] = None,
    records: Annotated[Path | None, _given("That hold records of this file.", "FILE")] = None,
    path: Annotated[
        Path | None, _given("Folders that hold this file, under an end of its path.", "FILE")
    ] = None,
    leaf_hash: Annotated[
        list[str] | None, _given("That hold this leaf; may be given again.", "HEX")
    ] = None,
    sort: Annotated[
        Literal["index", "-index", "issued", "-issued", "name", "-name", "size", "-size"],
        typer.Option(help="The order; with - the greatest first."),
    ] = "-index",
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Artifacts, or places, on a page, at most.")
    ] = 100,
    cursor: Annotated[
        str | None, _given("Go on where the page before ended: its next_cursor.", "CURSOR")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find artifacts: those that have all that is asked for, the newest first."""
    filters: Filters = {
        "name": name,
        "kind": kind,
        "sensitivity": sensitivity,
        "license": license,
        "provider": provider,
        "source": source,
        "signer": signer,
        "digest": digest,
        "root": root,
        "sha256": sha256,
        "metadata": dict(pairs("--meta", meta)),
        "issued_after": issued_after,
        "issued_before": issued_before,
    }
    page: Page[Any]
    told: dict[str, Any]
    with open_ledger() as ledger:
        if (record, records, path, leaf_hash) == (None, None, None, None):
            page = ledger.artifacts(sort=sort, limit=limit, cursor=cursor, **filters)
            told = {"artifacts": [each.to_json() for each in page]}
            lines = list(map(artifact_line, page))
        else:
            page = places = ledger.find(
                record=None if record is None else read_record(record),
                records=records,
                path=path,
                leaf_hash=None if leaf_hash is None else leaf_hashes(leaf_hash),
                sort=sort,
                limit=limit,
                cursor=cursor,
                **filters,
            )
            told = {"places": [*map(_place_json, places)], "unread": [*places.unread]}
            lines = list(map(_place_line, places))
            for entry in places.unread:
                tell(f"warning: entry {entry}: its tree or its statement is not whole")
    emit(as_json, {**told, "next_cursor": page.next_cursor}, lines)
    if page.next_cursor is not None and not as_json:
        tell(f"there may be more: --cursor {page.next_cursor}")


def _place_json(place: Place[RegisteredArtifact]) -> dict[str, Any]:
    return {
        "artifact": place.artifact.to_json(),
        "leaf_hash": place.leaf_hash.hex(),
        "index": place.index,
        "equal": place.equal,
    }


def _place_line(place: Place[RegisteredArtifact]) -> str:
    equal = f", the first of {place.equal} that are equal" if place.equal > 1 else ""
    return f"{artifact_line(place.artifact)}: record {place.index}{equal}"


def leaf_hashes(given: list[str]) -> list[bytes]:
    """Return the leaf hashes that were given as hex digits.

    Raises:
        InputError: one of them is none.
    """
    for each in given:
        if not re.fullmatch("[0-9a-f]{64}", each):
            raise InputError(f"--leaf-hash takes 64 hex digits, not {each[:100]!r}")
    return [bytes.fromhex(each) for each in given]
