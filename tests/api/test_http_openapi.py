"""OpenAPI as the contract: schemathesis asks what it allows and what it forbids."""

from __future__ import annotations

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from api import create_app
from provenance import Ledger

ALL_CHECKS = list(HealthCheck)
MUST_HOLD = [
    schemathesis.checks.not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]


OPERATIONS = [
    "GET /checkpoint",
    "GET /healthz",
    "GET /metrics",
    "GET /readyz",
    "GET /tile/{path}",
    "GET /v1/anchors",
    "GET /v1/artifacts",
    "GET /v1/artifacts/{ref}",
    "GET /v1/artifacts/{ref}/access",
    "GET /v1/artifacts/{ref}/descendants",
    "GET /v1/artifacts/{ref}/history",
    "GET /v1/artifacts/{ref}/impact",
    "GET /v1/artifacts/{ref}/leaves",
    "GET /v1/artifacts/{ref}/proofs",
    "GET /v1/artifacts/{ref}/tlog-proof",
    "GET /v1/entries",
    "GET /v1/entries/{index}",
    "GET /v1/entries/{index}/tlog-proof",
    "GET /v1/envelopes/{sha256}",
    "GET /v1/policy",
    "GET /v1/trees/{upload}",
    "OPTIONS /v1/trees",
    "PATCH /v1/trees/{upload}",
    "POST /api/v1/lineage",
    "POST /v1/artifacts/{ref}/proofs",
    "POST /v1/entries",
    "POST /v1/entries/tlog-proofs",
    "POST /v1/impact",
    "POST /v1/leaves",
    "POST /v1/records",
    "POST /v1/trees",
    "POST /v1/verify",
]
# Elsewhere a path is all there is, and every string is one.
CAN_BE_WRONG = [
    "GET /v1/artifacts",
    "GET /v1/artifacts/{ref}/access",
    "GET /v1/artifacts/{ref}/leaves",
    "GET /v1/entries",
    "POST /v1/artifacts/{ref}/proofs",
    "POST /v1/entries",
    "POST /v1/entries/tlog-proofs",
    "POST /v1/impact",
    "POST /v1/leaves",
    "POST /v1/records",
    "POST /v1/verify",
]


@pytest.fixture(scope="session")
def contract(url: str) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{url}/openapi.json")


schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
schemathesis.serializer.alias("application/jsonl", "text/plain")


@pytest.fixture(scope="session")
def token(ledger: Ledger) -> str:
    return ledger.tokens.new("schemathesis", scope="admin")[1]


@pytest.mark.parametrize(
    ("label", "mode"),
    [(label, GenerationMode.POSITIVE) for label in OPERATIONS]
    + [(label, GenerationMode.NEGATIVE) for label in CAN_BE_WRONG],
)
def test_every_answer_is_one_that_openapi_names(
    contract: schemathesis.BaseSchema,
    token: str,
    label: str,
    mode: GenerationMode,
) -> None:
    """Cases that OpenAPI allows, and cases that it forbids; each with a token and without."""
    method, path = label.split()
    operation = contract[path][method]

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=ALL_CHECKS)
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        for headers in ({"Authorization": f"Bearer {token}"}, {}):
            response = case.call(headers=headers)
            assert b"Traceback" not in response.content
            case.validate_response(response, checks=MUST_HOLD)

    ask()


def test_every_example_is_what_its_schema_says(ledger: Ledger) -> None:
    document = create_app(ledger).openapi()
    schemas = document["components"]["schemas"]
    count = 0

    def check(schema: dict[str, object], example: object) -> None:
        nonlocal count
        jsonschema.validate(
            example,
            {**schema, "components": document["components"]},
            cls=jsonschema.Draft202012Validator,
        )
        count += 1

    for schema in schemas.values():
        if "example" in schema:
            check(schema, schema["example"])
    for path in document["paths"].values():
        for operation in path.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                for content in body.get("content", {}).values():
                    examples = [each["value"] for each in content.get("examples", {}).values()]
                    if "example" in content:
                        examples.append(content["example"])
                    for example in examples:
                        check(content["schema"], example)
    assert count > 40


def test_every_operation_is_described(ledger: Ledger) -> None:
    document = create_app(ledger).openapi()
    found = [
        f"{method.upper()} {path}" for path, ways in document["paths"].items() for method in ways
    ]
    assert sorted(found) == OPERATIONS
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            assert operation["description"]
            assert {"500", "503"} <= set(operation["responses"])
            for parameter in operation.get("parameters", []):
                assert parameter["description"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
