"""Runs that other tools tell of, in OpenLineage: where its clients post to, unless told otherwise.

Each event comes in a request of its own. The one that ends a run becomes a step that the ledger's
collector signs: docs/lineage-import.md.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from api.access import MaySubmit, Submitter, limits_of
from api.answers.entries import EntriesAnswer
from api.bodies import JsonBody
from api.deps import Served
from api.errors import BodyTooLargeError, BodyTooSlowError, MediaTypeError, responses
from api.turns import Turn
from provenance.errors import MalformedError
from provenance.ledger.collecting import NotCollectingError
from provenance.lineage.reports import MAX_EVENT

router = APIRouter(prefix="/api/v1/lineage", tags=["submitting"], dependencies=[MaySubmit])

REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "description": "An event of OpenLineage, of any version; more fields are let by.",
            },
            "example": {
                "eventType": "COMPLETE",
                "eventTime": "2026-06-01T09:08:51.120Z",
                "producer": "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/client/python",
                "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
                "run": {"runId": "01977b2f-5c5e-7d35-a1a6-25a7b5a7c1de"},
                "job": {"namespace": "airflow", "name": "orders.deduplicate"},
                "inputs": [{"namespace": "s3://lake", "name": "raw/orders"}],
                "outputs": [{"namespace": "s3://lake", "name": "clean/orders"}],
            },
        }
    },
}


@router.post(
    "",
    status_code=201,
    openapi_extra={"requestBody": REQUEST},
    responses=responses(
        NotCollectingError, MalformedError, BodyTooLargeError, BodyTooSlowError, MediaTypeError
    ),
)
def take_event(
    request: Request,
    ledger: Served,
    token: Submitter,
    body: Annotated[bytes, Depends(JsonBody(MAX_EVENT))],
    _: Turn,
) -> EntriesAnswer:
    """Take an event of OpenLineage; return the entry of the step, where it ends a run.

    What tells of a run that goes on is kept until its end. An end that is told again is the same
    entry.
    """
    ledger.collector.check_is_on()
    limits_of(request).take(token.id, "statements", 1)
    entry = ledger.collector.take(body)
    return EntriesAnswer(indices=[] if entry is None else [entry])
