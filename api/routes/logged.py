"""What stands in the log: its entries, by their numbers and by their envelopes."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api.access import MayRead
from api.answers import HEX, EntryAnswer, EntryPage, entry_answer
from api.deps import Served
from api.errors import responses
from provenance.errors import MalformedError, NoSuchRecordError
from provenance.forms import MAX_INTEGER

router = APIRouter(prefix="/v1/entries", tags=["log"], dependencies=[MayRead])


class EntryQuery(BaseModel):
    """Which entries."""

    model_config = ConfigDict(extra="forbid")

    envelope: str | None = Field(
        None, pattern=HEX, description="Only the one whose envelope has this SHA-256."
    )
    cursor: int = Field(0, ge=0, le=MAX_INTEGER, description="Entries from this one on.")
    limit: int = Field(100, ge=1, le=1000, description="Entries on a page, at most.")


@router.get("", response_model_exclude_none=True, responses=responses(MalformedError))
def list_entries(ledger: Served, query: Annotated[EntryQuery, Query()]) -> EntryPage:
    """List entries in the log's order, or the one of an envelope, if there is one.

    A page ends early where it holds 8 MiB of envelopes.
    """
    if query.envelope is not None:
        found = []
        with suppress(NoSuchRecordError):
            found.append(ledger.entry(envelope=query.envelope))
        return EntryPage(entries=list(map(entry_answer, found)), next_cursor=None)
    found = ledger.entries(start=query.cursor, limit=query.limit)
    following = query.cursor + len(found)
    return EntryPage(
        entries=[entry_answer(entry) for entry in found],
        next_cursor=following if found and following < ledger.size() else None,
    )


@router.get(
    "/{index}",
    response_model_exclude_none=True,
    responses=responses(NoSuchRecordError, MalformedError),
)
def show_entry(
    ledger: Served,
    index: Annotated[int, Path(ge=0, le=MAX_INTEGER, description="Of the entry.", examples=[2])],
) -> EntryAnswer:
    """Return one entry: what the log's leaf says, and what was signed."""
    return entry_answer(ledger.entry(index))
