"""What descends from artifacts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi import Query as QueryParameters
from pydantic import Field

from api.access import MayRead
from api.answers.impact import ImpactAnswer
from api.answers.parts import HEX
from api.bodies import JsonBody, members
from api.deps import Served, Traced
from api.errors import BodyTooLargeError, BodyTooSlowError, MediaTypeError, responses
from api.routes.artifacts import WALK_RESPONSES, WalkQuery
from api.turns import Turn
from api.uses import record_use, record_uses
from provenance import forms
from provenance.errors import InputError, MalformedError
from provenance.ledger.impact import MAX_SOURCES
from provenance.ledger.leaves import MAX_HASHES

router = APIRouter(prefix="/v1", tags=["artifacts"], dependencies=[MayRead])

MAX_BODY = 100 * MAX_SOURCES
"""Bytes of the digests of as many artifacts."""

REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "artifacts": {
                        "type": "array",
                        "items": {"type": "string", "pattern": HEX},
                        "maxItems": MAX_SOURCES,
                        "description": "Artifact digests.",
                    },
                    "leaf_hashes": {
                        "type": "array",
                        "items": {"type": "string", "pattern": HEX},
                        "minItems": 1,
                        "maxItems": MAX_HASHES,
                        "description": "Of records that they hold: what descends from these.",
                    },
                },
                "required": ["artifacts"],
                "additionalProperties": False,
            },
            "example": {"artifacts": ["6e" * 32, "41" * 32], "leaf_hashes": ["0d" * 32]},
        }
    },
}


class ImpactQuery(WalkQuery):
    """How far to walk, and which page of what descends."""

    limit: int = Field(100, ge=1, le=1000, description="Descendants on a page, at most.")


@dataclass(frozen=True, kw_only=True)
class _Asked:
    artifacts: tuple[forms.Hash, ...]
    leaf_hashes: tuple[forms.Hash, ...] | None = field(
        default=None, metadata={"json": "leaf_hashes"}
    )


@router.get(
    "/artifacts/{ref:path}/impact", response_model_exclude_none=True, responses=WALK_RESPONSES
)
def show_impact(
    ledger: Served,
    artifact: Traced,
    query: Annotated[ImpactQuery, QueryParameters()],
    _: Turn,
) -> ImpactAnswer:
    """Return all that descends from an artifact, and how surely, the nearest first.

    Whatever descends is graded before a page of it is told; at most a million arrows are.
    """
    found = ledger.impact(artifact, **query.model_dump())
    record_use(ledger, "impact", artifact.hex())
    return ImpactAnswer.model_validate(found.to_json())


@router.post(
    "/impact",
    response_model_exclude_none=True,
    openapi_extra={"requestBody": REQUEST},
    responses=responses(
        MalformedError, InputError, BodyTooLargeError, BodyTooSlowError, MediaTypeError
    ),
)
def show_impact_of_several(
    ledger: Served,
    query: Annotated[ImpactQuery, QueryParameters()],
    body: Annotated[bytes, Depends(JsonBody(MAX_BODY))],
    _: Turn,
) -> ImpactAnswer:
    """Return all that descends from some artifacts: those that hold a record, say.

    `POST /v1/records` tells which hold it. Such count as are registered. With `leaf_hashes`, what
    provably has nothing of these records is left out: docs/history.md.
    """
    given = {
        name: forms.parse(text.encode(), what=name, cap=MAX_BODY)
        for name, text in members(body, "artifacts", "leaf_hashes").items()
    }
    asked = forms.decode(_Asked, given, "the request")
    found = ledger.impact(
        artifacts=asked.artifacts, leaf_hash=asked.leaf_hashes, **query.model_dump()
    )
    known = (source for source in found.sources if source.registered is not None)
    record_uses(ledger, "impact", [(source.digest.hex(), None) for source in known])
    return ImpactAnswer.model_validate(found.to_json())
