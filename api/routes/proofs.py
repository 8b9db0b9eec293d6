"""Bundles: made from what the ledger holds, and verified under the server's own policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import PlainTextResponse

from api.access import MayRead, shared_or_own
from api.answers import StepAnswer, Verdict
from api.bodies import JsonBody, members
from api.deps import Found, Ref, Served, find, hiding, ledger_of, own_policy, servers_fault
from api.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    MediaTypeError,
    NotAcceptableError,
    NotRegisteredError,
    responses,
)
from api.negotiation import NOT_MODIFIED, IfNoneMatch, chosen, tagged
from api.prompt import costly
from api.uses import record_use
from api.verifying import Verifying
from provenance import forms
from provenance.errors import (
    InputError,
    MalformedError,
    NoSuchRecordError,
    UndecidedError,
    VerificationError,
)
from provenance.ledger.ledger import Ledger
from provenance.ledger.proving import Proof
from provenance.log.blocking import before_blocking
from provenance.records import Encoding, hash_record, parse_row
from provenance.verification import BUNDLE_TYPE, Policy, Report, Verifier
from provenance.verification.bundle import MAX_BUNDLE, MAX_RECORDS

router = APIRouter(tags=["proofs"], dependencies=[MayRead])

MAX_RECORD: Final = 1 << 20
"""Bytes of a request that names records."""

MOST: Final = 4096
"""Records that are proven at once."""

FEW: Final = 16
"""Records that are proven in no time."""

SHORT: Final = 1 << 15
"""Bytes of a request that is read in no time."""

RECORD_SCHEMA: dict[str, Any] = {
    "description": "The record: an object (its very text counts, so an integer of any length may "
    "stand in it), or a string: a line, or the text of an object.",
    "type": ["object", "string"],
}


def one_or_several(schema: dict[str, Any], description: str, *, most: int = MOST) -> dict[str, Any]:
    """Return the schema of a value, or of an array of such."""
    several = {"type": "array", "items": schema, "minItems": 1, "maxItems": most}
    return {"oneOf": [schema, several], "description": description}


LEAF_HASH_SCHEMA = one_or_several(
    {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "SHA-256(0x00 ‖ leaf) of the record, or of several in their order.",
)
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


@router.post(
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
    responses=responses(NotRegisteredError, NotAcceptableError)
    | PROOF_OR_BUNDLE_RESPONSE
    | NOT_MODIFIED,
)
async def prove_artifact(
    request: Request,
    ref: Ref,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Prove an artifact as a whole: as a bundle, or its entry alone as C2SP tlog-proof.

    By `Accept`; as a bundle where both are liked as much.
    """
    ledger = ledger_of(request)
    media_type = chosen(request, (BUNDLE_TYPE, "application/json", "text/plain"))

    def prove() -> bytes:
        artifact = find(ledger, ref)
        _check_own(ledger)
        if media_type == "text/plain":
            data = ledger.prove_entry(artifact).to_bytes()
            record_use(ledger, "prove-entry", artifact.digest)
        else:
            data = ledger.prove(artifact).to_bytes()
            record_use(ledger, "prove", artifact.digest)
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


@dataclass(frozen=True, kw_only=True)
class RecordPlaces:
    """Which records are meant: by their numbers, or by the hashes of their leaves."""

    index: tuple[int, ...] | None = None
    leaf_hash: tuple[forms.Hash, ...] | None = field(default=None, metadata={"json": "leaf_hash"})

    def __len__(self) -> int:
        return len(self.index or self.leaf_hash or ())

    @classmethod
    def parse(cls, body: bytes, encoding: Encoding) -> RecordPlaces:
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
            return cls(leaf_hash=(hash_record(parse_row(text), encoding),))
        return cls.of(name, text, MOST)

    @classmethod
    def of(cls, name: str, text: str, most: int) -> RecordPlaces:
        """Read one value, or an array of at most so many.

        Raises:
            MalformedError: another kind of value.
        """
        value = forms.parse(text.encode(), what=name, cap=MAX_BUNDLE)
        several = value if isinstance(value, list) else [value]
        if len(several) > most:
            raise MalformedError(f"{len(several):,} records: at most {most:,} are taken at once")
        return forms.decode(cls, {name: several}, "the request")


@router.post(
    "/v1/verify",
    openapi_extra={"requestBody": VERIFY_REQUEST},
    responses=responses(
        BodyTooLargeError, BodyTooSlowError, MediaTypeError, MalformedError, InputError
    ),
)
async def verify_bundle(
    request: Request,
    body: Annotated[bytes, Depends(JsonBody(MAX_BUNDLE + MAX_RECORD))],
) -> Verdict:
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
        return _verdict(ledger, policy, body, verifying.under(policy))

    return await costly(request, verdict, is_short=len(body) <= SHORT)


def _verdict(ledger: Ledger, policy: Policy, body: bytes, verifier: Verifier) -> Verdict:
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
    hide = hiding(ledger)
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
