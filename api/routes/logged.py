"""What stands in the log: its entries, by their numbers and by their envelopes."""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256 as digest
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access import KeptBy, MayRead
from api.answers.entries import EntryAnswer, EntryPage, entry_answer
from api.answers.parts import HEX
from api.deps import Served
from api.errors import responses
from api.negotiation import NOT_MODIFIED, IfNoneMatch, tagged
from api.routes.entries import ENVELOPE
from provenance.errors import LedgerError, MalformedError, NoSuchRecordError
from provenance.forms import MAX_INTEGER

router = APIRouter(prefix="/v1", tags=["log"], dependencies=[MayRead])

ENVELOPE_TYPE = "application/vnd.dsse+json"

REVALIDATED = "no-cache"
"""For what never changes, and may be erased by law: it is kept, and asked for each time."""

ENVELOPE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The envelope, in the one form whose SHA-256 stands in the log",
        "content": {ENVELOPE_TYPE: {"schema": ENVELOPE}},
    }
}


class EntryQuery(BaseModel):
    """Which entries."""

    model_config = ConfigDict(extra="forbid")

    envelope: str | None = Field(
        None, pattern=HEX, description="Only the one whose envelope has this SHA-256."
    )
    cursor: int = Field(0, ge=0, le=MAX_INTEGER, description="Entries from this one on.")
    limit: int = Field(100, ge=1, le=1000, description="Entries on a page, at most.")


@router.get("/entries", response_model_exclude_none=True, responses=responses(MalformedError))
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
    "/entries/{index}",
    response_model_exclude_none=True,
    responses=responses(NoSuchRecordError, MalformedError),
)
def show_entry(
    ledger: Served,
    index: Annotated[int, Path(ge=0, le=MAX_INTEGER, description="Of the entry.", examples=[2])],
) -> EntryAnswer:
    """Return one entry: what the log's leaf says, and what was signed."""
    return entry_answer(ledger.entry(index))


@router.get(
    "/envelopes/{sha256}",
    response_class=Response,
    responses=responses(NoSuchRecordError, MalformedError) | ENVELOPE_RESPONSE | NOT_MODIFIED,
)
def show_envelope(
    ledger: Served,
    sha256: Annotated[str, Path(pattern=HEX, description="Of the envelope.", examples=["6e" * 32])],
    kept_by: KeptBy,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Return an envelope by its SHA-256, byte for byte as it was hashed."""
    envelope = ledger.entry(envelope=sha256).envelope
    if envelope is None:
        raise NoSuchRecordError("this envelope was erased")
    if digest(envelope).hexdigest() != sha256:
        raise LedgerError(f"the envelope {sha256} is damaged: restore it from a copy")
    headers = {"Cache-Control": f"{kept_by}, {REVALIDATED}"}
    return tagged(envelope, if_none_match, media_type=ENVELOPE_TYPE, headers=headers)
