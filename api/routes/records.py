"""In which artifacts a record is."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi import Query as QueryParameters

from api.access import MayRead
from api.answers.artifacts import ArtifactSummary, FoundRecord, FoundRecords, artifact_fields
from api.bodies import JsonBody, members
from api.deps import Served
from api.errors import BodyTooLargeError, BodyTooSlowError, MediaTypeError, responses
from api.places import MAX_RECORD, RECORD_SCHEMA, RecordPlaces, one_or_several
from api.routes.artifacts import METADATA_PARAMETER, Query
from api.turns import Turn
from api.uses import record_uses
from provenance.errors import InputError, MalformedError
from provenance.ledger.leaves import MAX_HASHES, leaves_of_record
from provenance.records import parse_row

router = APIRouter(prefix="/v1/records", tags=["records"], dependencies=[MayRead])

REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    {
                        "type": "object",
                        "properties": {name: schema},
                        "required": [name],
                        "additionalProperties": False,
                    }
                    for name, schema in (
                        ("record", RECORD_SCHEMA),
                        (
                            "leaf_hash",
                            one_or_several(
                                {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                                "SHA-256(0x00 ‖ leaf) of the record, or of several.",
                                most=MAX_HASHES,
                            ),
                        ),
                    )
                ]
            },
            "examples": {
                "record": {"value": {"record": {"id": 7, "text": "seven"}}},
                "a file of a folder": {
                    "value": {"record": {"path": "a/1.png", "sha256": "6e" * 32, "size": 4711}}
                },
                "leaf_hash": {"value": {"leaf_hash": "6e" * 32}},
            },
        }
    },
}


@router.post(
    "",
    response_model_exclude_none=True,
    openapi_extra={"requestBody": REQUEST, "parameters": [METADATA_PARAMETER]},
    responses=responses(
        MalformedError, InputError, BodyTooLargeError, BodyTooSlowError, MediaTypeError
    ),
)
def find_records(
    ledger: Served,
    query: Annotated[Query, QueryParameters()],
    body: Annotated[bytes, Depends(JsonBody(MAX_RECORD))],
    _: Turn,
) -> FoundRecords:
    """Tell in which artifacts a record is, whatever their encoding.

    Those are asked that have all that the parameters ask for. A page ends after `limit` places, or
    after 500 look-ups; it is the last one only without `next_cursor`.
    """
    page = ledger.find(
        leaf_hash=_leaf_hashes(body),
        sort=query.sort,
        cursor=query.cursor,
        limit=query.limit,
        **query.filters,
    )
    record_uses(ledger, "find", [(each.artifact.digest, [each.index]) for each in page])
    reached = ledger.reached()

    def told(artifact: Any) -> ArtifactSummary:
        return ArtifactSummary(**artifact_fields(artifact, reached.state(artifact.index)))

    return FoundRecords(
        places=[
            FoundRecord(
                artifact=told(place.artifact),
                leaf_hash=place.leaf_hash.hex(),
                index=place.index,
                equal=place.equal,
            )
            for place in page
        ],
        unread=list(page.unread),
        next_cursor=page.next_cursor,
    )


def _leaf_hashes(body: bytes) -> list[bytes]:
    given = members(body, "record", "leaf_hash")
    if len(given) != 1:
        raise MalformedError("name the record in one way: record or leaf_hash")
    ((name, text),) = given.items()
    if name == "record":
        return leaves_of_record(parse_row(text))
    return list(RecordPlaces.of(name, text, MAX_HASHES).leaf_hash or ())
