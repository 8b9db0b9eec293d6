"""The JSON Schemas: committed as generated, and as strict as the parser where JSON can be."""

import json
from pathlib import Path

import pytest
import rfc8785
from jsonschema import Draft202012Validator
from statement_examples import ALL

from provenance.errors import MalformedError
from provenance.statements import PREDICATES, Statement, schema_for

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.mark.parametrize("kind", PREDICATES)
def test_the_committed_schema_is_the_generated_one(kind):
    committed = (FOLDER / f"{kind}.json").read_text(encoding="utf-8")
    expected = json.dumps(schema_for(kind), indent=2, ensure_ascii=False) + "\n"
    assert committed == expected, "stale: run scripts/write_schemas and commit docs/schemas"
    Draft202012Validator.check_schema(schema_for(kind))


def test_each_kind_has_a_schema_and_nothing_else_does():
    assert {path.stem for path in FOLDER.iterdir()} == set(PREDICATES)


@pytest.mark.parametrize("name", ALL)
def test_what_is_signed_is_valid(name):
    schema = Draft202012Validator(schema_for(ALL[name].kind))
    schema.validate(json.loads(ALL[name].to_bytes()))


@pytest.mark.parametrize("name", ALL)
def test_what_the_schema_refuses_the_parser_refuses(name):
    schema = Draft202012Validator(schema_for(ALL[name].kind))
    value = json.loads(ALL[name].to_bytes())
    predicate = value["predicate"]
    changes = [{k: v for k, v in predicate.items() if k != member} for member in predicate]
    changes += [{**predicate, "extra": 1}, {**predicate, "nonce": "AA"}]
    changes += [{**predicate, member: None} for member in predicate]
    refused = [change for change in changes if not schema.is_valid({**value, "predicate": change})]
    assert len(refused) >= 4 + len(predicate)
    for change in refused:
        with pytest.raises(MalformedError):
            Statement.parse(rfc8785.dumps({**value, "predicate": change}))


@pytest.mark.parametrize("name", ALL)
def test_what_the_form_always_writes_the_schema_requires(name):
    schema = Draft202012Validator(schema_for(ALL[name].kind))
    value = json.loads(ALL[name].to_bytes())
    for member in value["predicate"]:
        shorter = {k: v for k, v in value["predicate"].items() if k != member}
        changed = {**value, "predicate": shorter}
        try:
            Statement.parse(rfc8785.dumps(changed))
        except MalformedError as error:
            if "canonical" in str(error) or "lacks the field" in str(error):
                assert not schema.is_valid(changed), member
