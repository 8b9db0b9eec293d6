"""Who used an artifact."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from api.answers.parts import DIGEST, HEX, ROOT, Answer
from provenance.ledger.entries import EntryState
from provenance.ledger.usage import UseState
from provenance.ledger.uses import Action

__all__ = ["UsesAnswer"]


class UseRecord(Answer):
    """One use, as the record that it is: RFC 8785 of it is the leaf."""

    action: Action = Field(description="What was asked for.")
    artifact: str = Field(pattern=HEX, description="Digest of the artifact.")
    nonce: str = Field(description="16 random bytes.")
    records: list[int] | None = Field(
        None, description="Numbers of those that were proven or found; left out if it was of none."
    )
    request: str = Field(description="Id of the request.")
    when: str = Field(description="By the service's clock.")
    who: str = Field(description="Id of the token, or `public`.")


class UseAnswer(Answer):
    """One use, and where its record stands."""

    record: UseRecord
    name: str | None = Field(None, description="Of the token; left out where that is not known.")
    state: UseState = Field(description="recorded: not signed yet; the others are of its batch.")
    batch: str | None = Field(
        None,
        pattern=HEX,
        description="Artifact digest of the batch; left out while it waits to be signed, and so "
        "the next two.",
    )
    entry: int | None = Field(None, ge=0, description="Of the batch.")
    index: int | None = Field(
        None, ge=0, description="Its number in the batch, by which it can be proven."
    )


class UseBatchAnswer(Answer):
    """A batch that has uses of the artifact."""

    entry: int = Field(ge=0, description="Of its statement.")
    digest: str = Field(pattern=HEX, description="Its artifact digest.")
    state: EntryState = Field(description="How far the entry got.")
    counted: int | None = Field(
        None, ge=1, description="Uses of the artifact, by the statement; left out if it was erased."
    )
    here: int = Field(
        ge=0, description="Of how many of these the records are here, and are leaves of its tree."
    )


class UsesAnswer(Answer):
    """Who used an artifact, the newest first: a page of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "artifact": DIGEST,
                "uses": [
                    {
                        "record": {
                            "action": "prove",
                            "artifact": DIGEST,
                            "nonce": "mR0mXAjO1oV0VJr0sCu4Wg==",
                            "records": [7],
                            "request": "5f0e8c31-6d02-4b5b-9d0c-0a1b2c3d4e5f",
                            "when": "2026-11-21T02:29:17.120Z",
                            "who": "4c1f09ab",
                        },
                        "name": "auditor",
                        "state": "anchored",
                        "batch": ROOT,
                        "entry": 57,
                        "index": 12,
                    }
                ],
                "batches": [
                    {"entry": 57, "digest": ROOT, "state": "anchored", "counted": 1, "here": 1}
                ],
            }
        }
    )

    artifact: str = Field(pattern=HEX, description="The artifact digest that was asked for.")
    uses: list[UseAnswer]
    batches: list[UseBatchAnswer] = Field(description="Those that were looked at for this page.")
    next_cursor: str | None = Field(
        None, description="Give it as `cursor` for more; left out at the end."
    )
