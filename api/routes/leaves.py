"""Leaf hashes of several artifacts in one request, where each has few: what waited in a spool, say.

::

    {"artifact": {"encoding": {"encoding": "json"}, "root": "41c2…", "size": 10}, "leaves": "…"}
    {"artifact": …

A line for each, ``leaves`` in base64. What is larger goes by tus (`api.routes.trees`), on which one
goes on where it broke off; this is sent again as a whole.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api.access import MaySubmit, Submitter, limits_of
from api.bodies import JSON_LINES, JsonBody, media_type
from api.deps import Served
from api.errors import BodyTooLargeError, BodyTooSlowError, MediaTypeError, responses
from api.turns import Turn
from provenance import forms
from provenance.errors import InputError, MalformedError
from provenance.ledger.uploads import SentLeaves

router = APIRouter(prefix="/v1/leaves", tags=["submitting"], dependencies=[MaySubmit])

MAX_BODY = 16 << 20
"""Bytes of one request."""

LINE: dict[str, Any] = {
    "artifact": {
        "encoding": {"encoding": "json"},
        "root": "f6a0eb4d4ab49b31a60d15d49a5cc7a8a46a3ba8ff3ad0dd3a2a6cbff2bde2e1",
        "size": 1,
    },
    "leaves": "9qDrTUq0mzGmDRXUmlzHqKRqO6j/OtDdOipsv/K94uE=",
}
REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "artifact": {"type": "object", "description": "Root, size and encoding."},
                    "leaves": {
                        "type": "string",
                        "description": "Its leaf hashes, 32 bytes a record, in base64.",
                    },
                },
                "required": ["artifact", "leaves"],
                "additionalProperties": False,
            },
            "example": LINE,
        },
        JSON_LINES: {
            "schema": {"type": "string", "description": "Such an object on each line."},
        },
    },
}


@router.post(
    "",
    status_code=204,
    response_class=Response,
    openapi_extra={"requestBody": REQUEST},
    responses=responses(
        MalformedError, InputError, BodyTooLargeError, BodyTooSlowError, MediaTypeError
    ),
)
def keep_leaves(
    request: Request,
    ledger: Served,
    token: Submitter,
    body: Annotated[bytes, Depends(JsonBody(MAX_BODY, lines=True))],
    _: Turn,
) -> Response:
    """Send the leaf hashes of several artifacts, all of each; none is kept if one is not as told.

    Each root is computed anew. Sent again, they are there already.
    """
    lines = media_type(request) == JSON_LINES
    sent = []
    for line in body.removesuffix(b"\n").split(b"\n") if lines else [body]:
        value = forms.parse(line, what="the request", cap=MAX_BODY)
        sent.append(forms.decode(SentLeaves, value, "the request"))
    limits_of(request).take(token.id, "upload_bytes", sum(len(each.leaves) for each in sent))
    ledger.uploads.keep(sent)
    return Response(status_code=204)
