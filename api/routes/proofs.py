"""Bundles: made from what the ledger holds, and verified under the server's own policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse

from api.answers import StepAnswer, Verdict
from api.bodies import JsonBody, members
from api.deps import Found, OwnPolicy, Served, hidden, own_policy, servers_fault
from api.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    MediaTypeError,
    NoSuchRecordError,
    NotRegisteredError,
    responses,
)
from provenance import forms
from provenance.errors import InputError, MalformedError, UndecidedError, VerificationError
from provenance.ledger.ledger import Ledger
from provenance.records import Encoding, hash_record, parse_row
from provenance.verification import BUNDLE_TYPE, Report, Verifier
from provenance.verification.bundle import MAX_BUNDLE

router = APIRouter(tags=["proofs"])

MAX_RECORD: Final = 1 << 20
"""Bytes of a request that names a record."""

RECORD_SCHEMA: dict[str, Any] = {
    "description": "The record: an object (its very text counts, so an integer of any length may "
    "stand in it), or a string: a line, or the text of an object.",
    "type": ["object", "string"],
}
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
                            {
                                "type": "integer",
                                "minimum": 0,
                                "maximum": forms.MAX_INTEGER,
                                "description": "The number of the record, from 0.",
                            },
                        ),
                        (
                            "leaf_hash",
                            {
                                "type": "string",
                                "pattern": "^[0-9a-f]{64}$",
                                "description": "SHA-256(0x00 ‖ leaf) of the record.",
                            },
                        ),
                    )
                ]
            },
            "examples": {
                "record": {"value": {"record": {"id": 7, "text": "seven"}}},
                "index": {"value": {"index": 7}},
                "leaf_hash": {"value": {"leaf_hash": "6e" * 32}},
            },
        }
    },
}
VERIFY_REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "bundle": {"type": "object", "description": f"A bundle, {BUNDLE_TYPE}."},
                    "record": RECORD_SCHEMA,
                },
                "required": ["bundle"],
                "additionalProperties": False,
            },
            "example": {
                "bundle": {
                    "mediaType": BUNDLE_TYPE,
                    "record": {"index": 7, "path": []},
                    "statement": {"envelope": "", "entry": "", "index": 2, "path": []},
                    "checkpoint": "acme.example/ml\n42\n…\n\n— acme.example/ml …\n",
                },
                "record": {"id": 7, "text": "seven"},
            },
        }
    },
}
BUNDLE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bundle",
        "content": {BUNDLE_TYPE: {"schema": {"type": "object"}}},
        "headers": {
            "Provenance-Record-Index": {
                "description": "Which record is proven.",
                "schema": {"type": "integer"},
            },
            "Provenance-Equal-Records": {
                "description": "How many records of the artifact are equal to it. Asked for by "
                "content, the first of them is proven.",
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


@router.post(
    "/v1/artifacts/{ref:path}/proofs",
    dependencies=[Depends(own_policy)],  # a broken one is not the caller's mistake
    openapi_extra={"requestBody": PROOF_REQUEST},
    response_class=Response,
    responses=responses(
        NotRegisteredError,
        NoSuchRecordError,
        BodyTooLargeError,
        BodyTooSlowError,
        MediaTypeError,
        MalformedError,
        InputError,
    )
    | BUNDLE_RESPONSE,
)
def make_proof(
    ledger: Served,
    artifact: Found,
    body: Annotated[bytes, Depends(JsonBody(MAX_RECORD))],
) -> Response:
    """Prove one record, named by its content, its number or its leaf hash."""
    place = RecordPlace.parse(body, artifact.artifact.encoding)
    if place.index is not None and place.index >= artifact.size:
        raise NoSuchRecordError(
            f"{artifact.name!r} has no record {place.index}: it has {artifact.size}"
        )
    with servers_fault():
        ledger.checkpoint()  # signs one where it is needed; no key for that is no caller's mistake
    try:
        proof = ledger.prove(artifact, index=place.index, leaf_hash=place.leaf_hash)
    except InputError as error:
        raise NoSuchRecordError(str(error)) from error
    return Response(
        proof.to_bytes(),
        media_type=BUNDLE_TYPE,
        headers={
            "Provenance-Record-Index": str(proof.index),
            "Provenance-Equal-Records": str(proof.equal),
        },
    )


@router.get(
    "/v1/artifacts/{ref:path}/tlog-proof",
    dependencies=[Depends(own_policy)],
    response_class=PlainTextResponse,
    responses=responses(NotRegisteredError) | TLOG_PROOF_RESPONSE,
)
def prove_entry(ledger: Served, artifact: Found) -> Response:
    """Prove that the entry of an artifact is in the log, as C2SP tlog-proof."""
    with servers_fault():
        return PlainTextResponse(ledger.prove_entry(artifact).to_bytes())


@dataclass(frozen=True, kw_only=True)
class RecordPlace:
    """Which record is meant: by its number, or by the hash of its leaf."""

    index: int | None = None
    leaf_hash: forms.Hash | None = field(default=None, metadata={"json": "leaf_hash"})

    @classmethod
    def parse(cls, body: bytes, encoding: Encoding) -> RecordPlace:
        """Read a request.

        Raises:
            MalformedError: it names none, or in more than one way.
            InputError: it holds what is no record under `encoding`.
        """
        given = members(body, "record", "index", "leaf_hash")
        if len(given) != 1:
            raise MalformedError("name the record in one way: record, index or leaf_hash")
        ((name, text),) = given.items()
        if name == "record":
            return cls(leaf_hash=hash_record(parse_row(text), encoding))
        value = forms.parse(text.encode(), what=name, cap=MAX_RECORD)
        return forms.decode(cls, {name: value}, "the request")


@router.post(
    "/v1/verify",
    openapi_extra={"requestBody": VERIFY_REQUEST},
    responses=responses(
        BodyTooLargeError, BodyTooSlowError, MediaTypeError, MalformedError, InputError
    ),
)
def verify_bundle(
    ledger: Served,
    policy: OwnPolicy,
    body: Annotated[bytes, Depends(JsonBody(MAX_BUNDLE + MAX_RECORD))],
) -> Verdict:
    """Verify a bundle, and with it a record, under the server's own policy.

    The answer is this server's word only: whoever does not run it verifies locally, with
    `provenance verify` or `provenance.connect`.
    """
    given = members(body, "bundle", "record")
    if "bundle" not in given:
        raise MalformedError("the request lacks the field 'bundle'")
    record = parse_row(given["record"]) if "record" in given else None
    if "record" in given and not isinstance(record, (dict, str)):
        raise InputError("a record is an object or a string")
    verifier = Verifier(
        policy,
        chains=ledger.chains,
        every_entry=ledger.every_entry if policy.standing == "scanned" else None,
    )
    verified: bool | None = True
    step = None
    try:
        report = verifier.verify(given["bundle"].encode(), record=record).report
    except VerificationError as error:
        verified = None if isinstance(error, UndecidedError) else False
        step, report = error.step, error.report
    return Verdict(
        verified=verified,
        step=step,
        origin=policy.origin,
        policy=policy.fingerprint,
        steps=_steps(report, ledger),
        warnings=[hidden(warning, ledger) for warning in report.warnings],
    )


def _steps(report: Report, ledger: Ledger) -> list[StepAnswer]:
    return [
        StepAnswer(
            step=check.step,
            mark=check.mark.name.lower(),  # type: ignore[arg-type]
            finding=hidden(check.finding, ledger),
        )
        for check in report.checks
    ]
