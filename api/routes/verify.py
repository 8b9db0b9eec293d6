"""Bundles, verified under the server's own policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api.access import MayRead
from api.answers.verdict import StepAnswer, Verdict
from api.bodies import JsonBody, members
from api.deps import ledger_of, servers_fault
from api.errors import BodyTooLargeError, BodyTooSlowError, MediaTypeError, responses
from api.places import MAX_RECORD, RECORD_SCHEMA, RecordPlaces, one_or_several
from api.prompt import SHORT, PromptRoute, costly
from api.verifying import Verifying
from provenance.errors import InputError, MalformedError, UndecidedError, VerificationError
from provenance.records import parse_row
from provenance.verification import BUNDLE_TYPE, Policy, Report, Verifier
from provenance.verification.bundle import MAX_BUNDLE, MAX_RECORDS

router = APIRouter(tags=["proofs"], dependencies=[MayRead], route_class=PromptRoute)

VERIFY_REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "bundle": {"type": "object", "description": f"A bundle, {BUNDLE_TYPE}."},
                    "record": RECORD_SCHEMA,
                    "records": {
                        "type": "array",
                        "items": RECORD_SCHEMA,
                        "maxItems": MAX_RECORDS,
                        "description": "All records that the bundle proves, in its order.",
                    },
                    "leaf_hash": one_or_several(
                        {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                        "The leaf hash of each record that the bundle proves, in its order.",
                        most=MAX_RECORDS,
                    ),
                },
                "required": ["bundle"],
                "maxProperties": 2,
                "additionalProperties": False,
            },
            "example": {
                "bundle": {
                    "mediaType": BUNDLE_TYPE,
                    "records": [{"index": 7, "path": []}],
                    "statement": {"envelope": "", "entry": "", "index": 2, "path": []},
                    "checkpoint": "acme.example/ml\n42\n…\n\n— acme.example/ml …\n",
                },
                "record": {"id": 7, "text": "seven"},
            },
        }
    },
}


@router.post(
    "/v1/verify",
    openapi_extra={"requestBody": VERIFY_REQUEST},
    response_model=Verdict,
    responses=responses(
        BodyTooLargeError, BodyTooSlowError, MediaTypeError, MalformedError, InputError
    ),
)
async def verify_bundle(
    request: Request,
    body: Annotated[bytes, Depends(JsonBody(MAX_BUNDLE + MAX_RECORD))],
) -> Response:
    """Verify a bundle, and with it records or leaf hashes, under the server's own policy.

    Several are all that the bundle proves, in its order.

    The answer is this server's word only: whoever does not run it verifies locally, with
    `provenance verify` or `provenance.connect`.
    """
    ledger = ledger_of(request)
    verifying: Verifying = request.app.state.verifying

    def verdict() -> Verdict:
        with servers_fault():
            policy = ledger.policy()
        return _verdict(policy, body, verifying.under(policy), verifying.hide)

    answer = await costly(request, verdict, is_short=len(body) <= SHORT)
    return Response(answer.model_dump_json(), media_type="application/json")


def _verdict(
    policy: Policy, body: bytes, verifier: Verifier, hide: Callable[[str], str]
) -> Verdict:
    given = members(body, "bundle", "record", "records", "leaf_hash")
    if "bundle" not in given:
        raise MalformedError("the request lacks the field 'bundle'")
    if len(given) > 2:
        raise MalformedError("give the record, records or leaf hashes: one of them is checked")
    record = _record(parse_row(given["record"])) if "record" in given else None
    records = _records(given["records"]) if "records" in given else None
    leaf_hashes = None
    if "leaf_hash" in given:
        leaf_hashes = RecordPlaces.of("leaf_hash", given["leaf_hash"], MAX_RECORDS).leaf_hash
    verified: bool | None = True
    step = None
    try:
        report = verifier.verify(
            given["bundle"].encode(), record=record, records=records, leaf_hashes=leaf_hashes
        ).report
    except VerificationError as error:
        verified = None if isinstance(error, UndecidedError) else False
        step, report = error.step, error.report
    return Verdict(
        verified=verified,
        step=step,
        origin=policy.origin,
        policy=policy.fingerprint,
        steps=_steps(report, hide),
        warnings=list(map(hide, report.warnings)),
    )


def _record(value: Any) -> Any:
    if not isinstance(value, (dict, str)):
        raise InputError("a record is an object or a string")
    return value


def _records(text: str) -> list[Any]:
    value = parse_row(text, "records")
    if not isinstance(value, list):
        raise MalformedError("records are an array")
    if len(value) > MAX_RECORDS:
        raise MalformedError(f"{len(value):,} records: at most {MAX_RECORDS:,} are taken at once")
    return list(map(_record, value))


def _steps(report: Report, hide: Callable[[str], str]) -> list[StepAnswer]:
    return [
        StepAnswer(
            step=check.step,
            mark=check.mark.name.lower(),  # type: ignore[arg-type]
            finding=hide(check.finding),
        )
        for check in report.checks
    ]
