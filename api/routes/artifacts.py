"""What is registered, and where it came from."""

from __future__ import annotations

import json
from typing import Annotated, Any, cast

from fastapi import APIRouter, Response
from fastapi import Query as QueryParameters
from pydantic import BaseModel, ConfigDict, Field

from api.access import MayRead
from api.answers.artifacts import ArtifactAnswer, ArtifactPage, ArtifactSummary, artifact_fields
from api.answers.history import HistoryAnswer
from api.answers.parts import HEX, Kind
from api.deps import Found, Served, Traced
from api.errors import NotRegisteredError, responses
from api.uses import record_use
from provenance import forms
from provenance.errors import InputError, MalformedError
from provenance.forms import MAX_INTEGER
from provenance.ledger.filters import CURSOR, MOMENT, Filters, Sort
from provenance.ledger.paging import WALK_CURSOR
from provenance.statements import Sensitivity

router = APIRouter(prefix="/v1/artifacts", tags=["artifacts"], dependencies=[MayRead])


MOST_LEAVES = 1 << 15
"""Leaf hashes in one answer: 1 MiB."""

LEAVES_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Leaf hashes, 32 bytes each, in the order of the records",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Query(BaseModel):
    """Which artifacts, in which order, and which page of them."""

    model_config = ConfigDict(extra="allow")  # for metadata.<key>

    name: str | None = Field(None, description="Of this very name.", examples=["train"])
    kind: Kind | None = Field(None, description="Of this kind.")
    sensitivity: Sensitivity | None = Field(None, description="Of this sensitivity.")
    license: str | None = Field(None, description="As it was signed.", examples=["CC-BY-4.0"])
    provider: str | None = Field(None, description="As it was signed.")
    source: str | None = Field(None, description="As it was signed.")
    signer: str | None = Field(None, pattern=HEX, description="The keyid of one who signed.")
    digest: str | None = Field(None, pattern=HEX, description="The artifact digest.")
    root: str | None = Field(None, pattern=HEX, description="The root of its tree.")
    sha256: str | None = Field(None, pattern=HEX, description="Of the one file that it is.")
    issued_after: str | None = Field(
        None,
        pattern=f"^{MOMENT}$",
        description="At this time or later, by the signer's clock: a day, or RFC 3339 in UTC.",
        examples=["2026-01-31"],
    )
    issued_before: str | None = Field(
        None, pattern=f"^{MOMENT}$", description="Before it.", examples=["2026-02-28T12:00:00Z"]
    )
    sort: Sort = Field("-index", description="The order; with - the greatest first.")
    cursor: str | None = Field(
        None, pattern=f"^{CURSOR}$", description="`next_cursor` of the page before."
    )
    limit: int = Field(100, ge=1, le=1000, description="Artifacts on a page, at most.")

    @property
    def filters(self) -> Filters:
        """What the artifacts must have.

        Raises:
            MalformedError: a parameter that is not known, or one of the metadata twice.
        """
        metadata: dict[str, forms.Json] = {}
        for name, value in (self.model_extra or {}).items():
            if not name.startswith(METADATA):
                raise MalformedError(f"{name[:100]}: there is no such parameter")
            if not isinstance(value, str):
                raise MalformedError(f"{name[:100]} is given twice")
            metadata[name.removeprefix(METADATA)] = value
        given = self.model_dump(include=set(Filters.__annotations__))
        return cast(Filters, {**given, "metadata": metadata})


METADATA = "metadata."
METADATA_PARAMETER: dict[str, Any] = {
    "name": "metadata",
    "in": "query",
    "style": "form",
    "explode": True,
    "description": "`metadata.<key>=<value>`, any number of them: members of the metadata, each "
    "with this value. JSON is compared as JSON, and so is text that is JSON.",
    "schema": {
        "type": "object",
        "propertyNames": {"pattern": r"^metadata\."},
        "additionalProperties": {"type": "string"},
    },
    "example": {"metadata.split": "train"},
}


@router.get(
    "",
    response_model_exclude_none=True,
    openapi_extra={"parameters": [METADATA_PARAMETER]},
    responses=responses(MalformedError, InputError),
)
def list_artifacts(ledger: Served, query: Annotated[Query, QueryParameters()]) -> ArtifactPage:
    """List registrations: those that have all that is asked for, the newest first.

    A page holds fewer than `limit`, or none, where many had to be looked at for it; it is the last
    one only without `next_cursor`. What is logged meanwhile moves nothing.
    """
    page = ledger.artifacts(
        sort=query.sort, cursor=query.cursor, limit=query.limit, **query.filters
    )
    reached = ledger.reached()
    return ArtifactPage(
        artifacts=[ArtifactSummary(**artifact_fields(a, reached.state(a.index))) for a in page],
        next_cursor=page.next_cursor,
    )


class WalkQuery(BaseModel):
    """How far to walk, and which page of the walk."""

    model_config = ConfigDict(extra="forbid")

    depth: int | None = Field(
        None, ge=0, le=MAX_INTEGER, description="How many steps to go; all, if it is not given."
    )
    limit: int = Field(100, ge=1, le=1000, description="Statements on a page, at most.")
    cursor: str | None = Field(
        None,
        pattern=f"^{WALK_CURSOR}$",
        description="`next_cursor` of the page before, of the same question.",
    )
    as_of: int | None = Field(
        None,
        ge=1,
        le=MAX_INTEGER,
        description="Only what the first so many entries of the log say: the size that a "
        "checkpoint names, say. All, if it is not given.",
        examples=[42],
    )


WALK_RESPONSES = responses(NotRegisteredError, MalformedError, InputError)


@router.get("/{ref:path}/history", response_model_exclude_none=True, responses=WALK_RESPONSES)
def show_history(
    ledger: Served, artifact: Traced, query: Annotated[WalkQuery, QueryParameters()]
) -> HistoryAnswer:
    """Return the statements about an artifact and about what it came from, the nearest first."""
    found = ledger.history(artifact, **query.model_dump())
    record_use(ledger, "history", artifact.hex())
    return HistoryAnswer.model_validate(found.to_json())


@router.get("/{ref:path}/descendants", response_model_exclude_none=True, responses=WALK_RESPONSES)
def show_descendants(
    ledger: Served, artifact: Traced, query: Annotated[WalkQuery, QueryParameters()]
) -> HistoryAnswer:
    """Return the statements by which something was made of an artifact, and on of that."""
    found = ledger.descendants(artifact, **query.model_dump())
    record_use(ledger, "descendants", artifact.hex())
    return HistoryAnswer.model_validate(found.to_json())


class LeavesQuery(BaseModel):
    """Which leaf hashes."""

    model_config = ConfigDict(extra="forbid")

    first: int = Field(0, ge=0, le=MAX_INTEGER, description="Number of the first record, from 0.")
    limit: int = Field(MOST_LEAVES, ge=1, le=MOST_LEAVES, description="Records, at most.")


@router.get(
    "/{ref:path}/leaves",
    response_class=Response,
    responses=responses(NotRegisteredError, MalformedError) | LEAVES_RESPONSE,
)
def show_leaves(
    ledger: Served, artifact: Found, query: Annotated[LeavesQuery, QueryParameters()]
) -> Response:
    """Return leaf hashes of an artifact, of fewer records at its end.

    Whoever has all of them computes the root anew, and can prove how versions follow from each
    other.
    """
    data = ledger.leaf_hashes(artifact, first=query.first, limit=query.limit)
    record_use(ledger, "leaves", artifact.digest)
    return Response(data, media_type="application/octet-stream")


@router.get("/{ref:path}", responses=responses(NotRegisteredError))
def show_artifact(ledger: Served, artifact: Found) -> ArtifactAnswer:
    """Return one artifact with the statement that was signed about it."""
    fields = artifact_fields(artifact, ledger.reached().state(artifact.index))
    record_use(ledger, "show", artifact.digest)
    return ArtifactAnswer(**fields, statement=json.loads(artifact.statement.to_bytes()))
