"""JSON Schemas (draft 2020-12) of statements, derived from the forms that read them.

``docs/schemas/<kind>.json`` are these, written by ``scripts/write_schemas``; a test keeps them
true. A schema says what JSON can say; that digests agree with each other, it cannot.
"""

from __future__ import annotations

import dataclasses

from provenance import forms
from provenance.statements.predicates import Kind
from provenance.statements.statement import PREDICATES, Wire, predicate_type

__all__ = ["schema_for"]


def schema_for(kind: Kind) -> dict[str, forms.Json]:
    """Return the JSON Schema of a whole statement of this kind."""
    schema = forms.json_schema(Wire)
    schema["description"] = "An in-toto Statement, v1: the payload of an envelope."
    schema["properties"] |= {
        "predicateType": {"const": predicate_type(kind)},
        "predicate": _written(PREDICATES[kind]),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{predicate_type(kind)}:schema",
        "title": f"Statement of kind {kind}",
        **schema,
    }


def _written(form: type) -> dict[str, forms.Json]:
    """Require what the one byte form always holds: every field but those that may be None."""
    schema = forms.json_schema(form)
    written = [field.name for field in dataclasses.fields(form) if field.default is not None]
    schema["required"] = sorted({*schema["required"], *written} & schema["properties"].keys())
    return schema
