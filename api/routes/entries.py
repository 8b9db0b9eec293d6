"""Statements that clients signed, on their way into the log.

The server signs nothing for anybody: what comes is an envelope (DSSE), signed by a key that the log
knows. A token alone says nothing of data.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from api.access import MaySubmit, Submitter, limits_of
from api.answers.entries import EntriesAnswer
from api.bodies import JSON_LINES, JsonBody, media_type
from api.deps import Served
from api.errors import BodyTooLargeError, BodyTooSlowError, MediaTypeError, responses
from api.turns import Turn
from provenance.errors import InputError, MalformedError, TreeMissingError

router = APIRouter(prefix="/v1/entries", tags=["submitting"], dependencies=[MaySubmit])

MAX_BATCH = 16 << 20
"""Bytes of one request."""

ENVELOPE: dict[str, Any] = {
    "type": "object",
    "description": "DSSE: payloadType `application/vnd.in-toto+json`, signed by keys of the log.",
    "properties": {
        "payload": {"type": "string"},
        "payloadType": {"type": "string"},
        "signatures": {"type": "array", "items": {"type": "object"}, "minItems": 1},
    },
    "required": ["payload", "payloadType", "signatures"],
}
ENVELOPES_REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": ENVELOPE,
            "example": {
                "payload": "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==",
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [{"keyid": "80" * 32, "sig": "tx/qo…"}],
            },
        },
        JSON_LINES: {
            "schema": {"type": "string", "description": "An envelope on each line."},
        },
    },
}


@router.post(
    "",
    openapi_extra={"requestBody": ENVELOPES_REQUEST},
    responses=responses(
        MalformedError,
        InputError,
        TreeMissingError,
        BodyTooLargeError,
        BodyTooSlowError,
        MediaTypeError,
    ),
)
def submit(
    request: Request,
    ledger: Served,
    token: Submitter,
    body: Annotated[bytes, Depends(JsonBody(MAX_BATCH, lines=True))],
    _: Turn,
) -> EntriesAnswer:
    """Append one envelope, or as JSONL many of them, all or nothing; return their entries.

    What was logged before is not logged again: whoever got no answer sends the same once more, and
    gets the same entries.
    """
    lines = media_type(request) == JSON_LINES
    envelopes = body.removesuffix(b"\n").split(b"\n") if lines else [body]
    limits_of(request).take(token.id, "statements", len(envelopes))
    if lines:
        return EntriesAnswer(indices=ledger.submit_all(envelopes, with_trees=True))
    return EntriesAnswer(indices=[ledger.submit(body, with_tree=True)])
