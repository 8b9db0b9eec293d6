"""Artifacts, and the records that are in them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.answers.parts import DIGEST, HEX, ROOT, STATEMENT, Answer, Kind
from provenance.ledger.catalog import RegisteredArtifact
from provenance.ledger.entries import EntryState

__all__ = [
    "ArtifactAnswer",
    "ArtifactPage",
    "ArtifactSummary",
    "FoundRecord",
    "FoundRecords",
    "artifact_fields",
]

SUMMARY: dict[str, Any] = {
    "name": "train",
    "kind": "dataset",
    "digest": DIGEST,
    "root": ROOT,
    "size": 4821,
    "encoding": {"encoding": "json"},
    "digests": {"provenance-artifact-v1": DIGEST},
    "index": 2,
    "issued": "2026-11-21T02:29:17.120Z",
    "state": "anchored",
}


class ArtifactSummary(Answer):
    """A registered artifact and its place in the log."""

    model_config = ConfigDict(json_schema_extra={"example": SUMMARY})

    name: str
    kind: Kind | Literal["access"]
    digest: str = Field(pattern=HEX, description="The artifact digest.")
    root: str = Field(pattern=HEX, description="The root of the tree over its records.")
    size: int = Field(ge=0, description="Records.")
    encoding: dict[str, Any] = Field(description="How a record becomes a leaf.")
    digests: dict[str, str] = Field(description="Every digest that was signed, hex.")
    index: int = Field(ge=0, description="Of the entry in the log.")
    issued: str = Field(description="By the signer's clock.")
    state: EntryState = Field(description="How far the entry got.")


class ArtifactAnswer(ArtifactSummary):
    """An artifact with the statement that was signed about it."""

    model_config = ConfigDict(json_schema_extra={"example": SUMMARY | {"statement": STATEMENT}})

    statement: dict[str, Any] = Field(description="The in-toto statement, as it was signed.")


class ArtifactPage(Answer):
    """Artifacts, in the order that was asked for."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"artifacts": [SUMMARY], "next_cursor": "-index..2"}}
    )

    artifacts: list[ArtifactSummary]
    next_cursor: str | None = Field(
        None, description="Give it as `cursor` for more; left out at the end."
    )


class FoundRecord(Answer):
    """A record in an artifact."""

    artifact: ArtifactSummary
    leaf_hash: str = Field(pattern=HEX, description="Of the record.")
    index: int = Field(ge=0, description="Its number, from 0: the first of those that are equal.")
    equal: int = Field(ge=1, description="How many records are equal to it, itself among them.")


class FoundRecords(Answer):
    """In which artifacts there are such records, in the order that was asked for."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "places": [{"artifact": SUMMARY, "leaf_hash": ROOT, "index": 7, "equal": 1}],
                "unread": [],
                "next_cursor": "-index..2",
            }
        }
    )

    places: list[FoundRecord]
    unread: list[int] = Field(
        description="Entries of artifacts of which nothing can be said: their trees are damaged, "
        "or their statements were erased."
    )
    next_cursor: str | None = Field(
        None, description="Give it as `cursor` to have more artifacts asked; left out at the end."
    )


def artifact_fields(artifact: RegisteredArtifact, state: EntryState) -> dict[str, Any]:
    """Return the fields of an `ArtifactSummary`."""
    issued = artifact.statement.predicate.issued
    return {**artifact.to_json(), "issued": issued, "state": state}
