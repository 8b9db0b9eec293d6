"""What is registered, and where it came from."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.access import MayRead
from api.answers import (
    ArtifactAnswer,
    ArtifactPage,
    ArtifactSummary,
    HistoryAnswer,
    Kind,
    State,
    artifact_fields,
)
from api.deps import Found, Served, servers_fault
from api.errors import NotRegisteredError, responses
from provenance.errors import MalformedError
from provenance.forms import MAX_INTEGER
from provenance.ledger.ledger import Ledger
from provenance.log import Checkpoint

router = APIRouter(prefix="/v1/artifacts", tags=["artifacts"], dependencies=[MayRead])


class PageQuery(BaseModel):
    """Which artifacts, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, description="Only those of this very name.", examples=["train"])
    kind: Kind | None = Field(None, description="Only those of this kind.")
    cursor: int | None = Field(
        None, ge=0, le=MAX_INTEGER, description="`next_cursor` of the page before."
    )
    limit: int = Field(100, ge=1, le=1000, description="Artifacts on a page.")


@router.get("", response_model_exclude_none=True, responses=responses(MalformedError))
def list_artifacts(ledger: Served, query: Annotated[PageQuery, Query()]) -> ArtifactPage:
    """List registrations, the newest first."""
    found = ledger.artifacts(
        name=query.name, kind=query.kind, before=query.cursor, limit=query.limit + 1
    )
    page = found[: query.limit]
    states = States(ledger)
    return ArtifactPage(
        artifacts=[ArtifactSummary(**artifact_fields(a, states.of(a.index))) for a in page],
        next_cursor=page[-1].index if len(found) > len(page) else None,
    )


@router.get("/{ref:path}/history", responses=responses(NotRegisteredError))
def show_history(ledger: Served, artifact: Found) -> HistoryAnswer:
    """Return every statement about an artifact and about what it came from."""
    return HistoryAnswer.model_validate(ledger.history(artifact).to_json())


@router.get("/{ref:path}", responses=responses(NotRegisteredError))
def show_artifact(ledger: Served, artifact: Found) -> ArtifactAnswer:
    """Return one artifact with the statement that was signed about it."""
    fields = artifact_fields(artifact, States(ledger).of(artifact.index))
    return ArtifactAnswer(**fields, statement=json.loads(artifact.statement.to_bytes()))


class States:
    """How far the entries of the log got, at this moment."""

    def __init__(self, ledger: Ledger) -> None:
        note = ledger.latest_checkpoint()
        self._checkpointed = Checkpoint.parse(note.partition("\n\n")[0] + "\n").size if note else 0
        with servers_fault():
            self._anchored = max((anchor.size for anchor in ledger.anchors()), default=0)

    def of(self, index: int) -> State:
        """Return the state of one entry."""
        if index >= self._checkpointed:
            return "logged"
        return "anchored" if index < self._anchored else "checkpointed"
