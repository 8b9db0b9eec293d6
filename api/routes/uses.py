"""Who asked for what, where that is recorded: for whoever has a token of the scope ``admin``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as QueryParameters
from pydantic import BaseModel, ConfigDict, Field

from api.access import MayAdmin
from api.answers.uses import UsesAnswer
from api.deps import Found, Served
from api.errors import NotRegisteredError, responses
from api.turns import Turn
from api.uses import record_use
from provenance.errors import InputError, MalformedError
from provenance.ledger.filters import MOMENT
from provenance.ledger.usage import USES_CURSOR

router = APIRouter(prefix="/v1/artifacts", tags=["access log"], dependencies=[MayAdmin])


class UsesQuery(BaseModel):
    """Which uses, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    since: str | None = Field(
        None,
        pattern=f"^{MOMENT}$",
        description="At this time or later, by the service's clock: a day, or RFC 3339 in UTC.",
        examples=["2026-01-31"],
    )
    limit: int = Field(100, ge=1, le=1000, description="Uses on a page, at most.")
    cursor: str | None = Field(
        None, pattern=f"^{USES_CURSOR}$", description="`next_cursor` of the page before."
    )


@router.get(
    "/{ref:path}/access",
    response_model_exclude_none=True,
    responses=responses(NotRegisteredError, MalformedError, InputError),
)
def show_access(
    ledger: Served, artifact: Found, query: Annotated[UsesQuery, QueryParameters()], _: Turn
) -> UsesAnswer:
    """Tell who asked for an artifact, or for a proof of it, the newest first.

    What is not signed yet comes first; then what each batch has, which is held against its tree.
    """
    found = ledger.access(artifact, **query.model_dump())
    record_use(ledger, "access", artifact.digest)
    return UsesAnswer.model_validate(found.to_json())
