"""Proofs of artifacts, records and entries, made from what the ledger holds."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse

from api.access import MayRead, shared_or_own
from api.answers.entries import EntryProofs
from api.bodies import JsonBody, members
from api.deps import Found, Ref, Served, find, ledger_of, own_policy, servers_fault
from api.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    MediaTypeError,
    NotAcceptableError,
    NotRegisteredError,
    responses,
)
from api.negotiation import NOT_MODIFIED, IfNoneMatch, chosen, tagged
from api.places import LEAF_HASH_SCHEMA, MAX_RECORD, RECORD_SCHEMA, RecordPlaces, one_or_several
from api.prompt import SHORT, PromptRoute, costly
from api.turns import Turn
from api.uses import record_use
from provenance import forms
from provenance.errors import (
    InputError,
    MalformedError,
    NoSuchRecordError,
)
from provenance.ledger.ledger import Ledger
from provenance.ledger.proving import Proof
from provenance.log.blocking import before_blocking
from provenance.verification import BUNDLE_TYPE

router = APIRouter(tags=["proofs"], dependencies=[MayRead])
busiest = APIRouter(tags=["proofs"], dependencies=[MayRead], route_class=PromptRoute)

FEW: Final = 16
"""Records that are proven in no time."""

PROOF_REQUEST: dict[str, Any] = {
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
                            "index",
                            one_or_several(
                                {"type": "integer", "minimum": 0, "maximum": forms.MAX_INTEGER},
                                "The number of the record, from 0, or several.",
                            ),
                        ),
                        ("leaf_hash", LEAF_HASH_SCHEMA),
                    )
                ]
            },
            "examples": {
                "record": {"value": {"record": {"id": 7, "text": "seven"}}},
                "index": {"value": {"index": 7}},
                "leaf_hash": {"value": {"leaf_hash": "6e" * 32}},
                "several": {"value": {"index": [7, 4711, 12]}},
            },
        }
    },
}
BUNDLE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bundle",
        "content": {
            BUNDLE_TYPE: {"schema": {"type": "object"}},
            "application/json": {"schema": {"type": "object"}},
        },
        "headers": {
            "Provenance-Record-Index": {
                "description": "Which record is proven, where it is one.",
                "schema": {"type": "integer"},
            },
            "Provenance-Equal-Records": {
                "description": "How many records of the artifact are equal to it, where it is one. "
                "Asked for by content, the first of them is proven.",
                "schema": {"type": "integer"},
            },
        },
    }
}


TLOG_PROOF_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The proof, C2SP tlog-proof",
        "content": {
            "text/plain": {
                "schema": {"type": "string"},
                "example": "c2sp.org/tlog-proof@v1\nindex 2\n"
                "GXUpil1R8pEujlBgShIOc1iXUoRJaqCvJ9Lnq54t47Q=\n\n"
                "acme.example/ml\n3\nR0KStnS1PhN9ea0r1VKTPP9JAU4KVH5JhitUoYYBUH8=\n\n"
                "— acme.example/ml /86As01enawb9WCo…\n",
            }
        },
    }
}


PROOF_OR_BUNDLE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bundle of the artifact, or the proof of its entry, C2SP tlog-proof",
        "content": {**BUNDLE_RESPONSE[200]["content"], **TLOG_PROOF_RESPONSE[200]["content"]},
    }
}


MOST_ENTRIES: Final = 1000
"""Entries that are proven at once."""

ENTRIES_REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "index": one_or_several(
                        {"type": "integer", "minimum": 0, "maximum": forms.MAX_INTEGER},
                        "Of the entry, or of several.",
                        most=MOST_ENTRIES,
                    )
                },
                "required": ["index"],
                "additionalProperties": False,
            },
            "example": {"index": [0, 1]},
        }
    },
}


@busiest.post(
    "/v1/artifacts/{ref:path}/proofs",
    openapi_extra={"requestBody": PROOF_REQUEST},
    response_class=Response,
    responses=responses(
        NotRegisteredError,
        NoSuchRecordError,
        NotAcceptableError,
        BodyTooLargeError,
        BodyTooSlowError,
        MediaTypeError,
        MalformedError,
        InputError,
    )
    | BUNDLE_RESPONSE,
)
async def make_proof(
    request: Request,
    ref: Ref,
    body: Annotated[bytes, Depends(JsonBody(MAX_RECORD))],
) -> Response:
    """Prove records, named by content, number or leaf hash."""
    ledger = ledger_of(request)
    media_type = chosen(request, (BUNDLE_TYPE, "application/json"))

    def prove() -> tuple[Proof, bytes]:
        artifact = find(ledger, ref)
        places = RecordPlaces.parse(body, artifact.artifact.encoding)
        if len(places) > FEW:
            before_blocking()
        _check_own(ledger)
        made = ledger.prove(artifact, index=places.index, leaf_hash=places.leaf_hash)
        written = made.to_bytes()
        record_use(ledger, "prove", artifact.digest, made.indices)  # last: it is done once
        return made, written

    proof, data = await costly(request, prove, is_short=len(body) <= SHORT)
    headers = {}
    if len(proof.indices) == 1:
        headers["Provenance-Record-Index"] = str(proof.indices[0])
        headers["Provenance-Equal-Records"] = str(proof.equal)
    return Response(data, media_type=media_type, headers=headers)


def _check_own(ledger: Ledger) -> None:
    """Check that proofs can be made: a checkpoint is signed where there is none.

    Raises:
        LedgerError: the policy is broken, say, or the key is missing: no mistake of the caller.
    """
    with servers_fault():
        ledger.policy()
        ledger.checkpoint()


@router.get(
    "/v1/artifacts/{ref:path}/proofs",
    response_class=Response,
    responses=responses(NotRegisteredError, NoSuchRecordError, NotAcceptableError, MalformedError)
    | PROOF_OR_BUNDLE_RESPONSE
    | NOT_MODIFIED,
)
async def prove_artifact(
    request: Request,
    ref: Ref,
    index: Annotated[
        int | None,
        Query(
            ge=0,
            le=forms.MAX_INTEGER,
            description="The number of a record, from 0, that the bundle is to prove.",
            examples=[7],
        ),
    ] = None,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Prove an artifact as a whole, or a record of it: as a bundle, or its entry alone.

    By `Accept`; as a bundle where that and C2SP tlog-proof are liked as much. Of a record there is
    a bundle alone.
    """
    ledger = ledger_of(request)
    offered = (BUNDLE_TYPE, "application/json", *(("text/plain",) if index is None else ()))
    media_type = chosen(request, offered)

    def prove() -> bytes:
        artifact = find(ledger, ref)
        _check_own(ledger)
        if media_type == "text/plain":
            data = ledger.prove_entry(artifact).to_bytes()
            record_use(ledger, "prove-entry", artifact.digest)
        else:
            made = ledger.prove(artifact, index=index)
            data = made.to_bytes()
            record_use(ledger, "prove", artifact.digest, None if index is None else made.indices)
        return data

    data = await costly(request, prove, is_short=True)
    headers = {"Cache-Control": f"{shared_or_own(request)}, no-cache", "Vary": "Accept"}
    return tagged(data, if_none_match, media_type=media_type, headers=headers)


@router.get(
    "/v1/artifacts/{ref:path}/tlog-proof",
    dependencies=[Depends(own_policy)],
    response_class=PlainTextResponse,
    responses=responses(NotRegisteredError) | TLOG_PROOF_RESPONSE,
)
def prove_entry(ledger: Served, artifact: Found) -> Response:
    """Prove that the entry of an artifact is in the log, as C2SP tlog-proof."""
    with servers_fault():
        data = ledger.prove_entry(artifact).to_bytes()
    record_use(ledger, "prove-entry", artifact.digest)
    return PlainTextResponse(data)


@router.post(
    "/v1/entries/tlog-proofs",
    dependencies=[Depends(own_policy)],
    openapi_extra={"requestBody": ENTRIES_REQUEST},
    responses=responses(
        NoSuchRecordError,
        MalformedError,
        BodyTooLargeError,
        BodyTooSlowError,
        MediaTypeError,
    ),
)
def prove_entries(
    ledger: Served, body: Annotated[bytes, Depends(JsonBody(MAX_RECORD))], _: Turn
) -> EntryProofs:
    """Prove that entries are in the log, all under one checkpoint; each as C2SP tlog-proof."""
    asked = members(body, "index").get("index", "[]")
    indices = RecordPlaces.of("index", asked, MOST_ENTRIES).index
    if not indices:
        raise MalformedError("name entries by their index")
    with servers_fault():
        ledger.checkpoint()
    proofs = ledger.prove_entries(indices)
    return EntryProofs(proofs=[proof.to_bytes().decode() for proof in proofs])


@router.get(
    "/v1/entries/{index}/tlog-proof",
    dependencies=[Depends(own_policy)],
    response_class=PlainTextResponse,
    responses=responses(NoSuchRecordError, MalformedError) | TLOG_PROOF_RESPONSE,
)
def prove_any_entry(
    ledger: Served,
    index: Annotated[
        int, Path(ge=0, le=forms.MAX_INTEGER, description="Of the entry.", examples=[2])
    ],
) -> Response:
    """Prove that an entry is in the log, as C2SP tlog-proof."""
    with servers_fault():
        ledger.checkpoint()
    return PlainTextResponse(ledger.prove_entry(index).to_bytes())
