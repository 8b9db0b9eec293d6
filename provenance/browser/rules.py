"""The rules of the verifier in the browser that Python's own forms and constants give.

One source for both: a form is a frozen dataclass, and what its fields say is written down here as
data, which ``forms.js`` reads by::

    {"steps": ["bundle", …], "kinds": {"dataset": 1, …}, …,
     "forms": {"Anchor": [{"name": "chainId", "rule": {"plain": "int"}, "lack": false,
                           "default": null}, …], …}}

A rule is one of ``{"plain": "int"}`` (also ``str``, ``bool``, ``bytes``, ``any``), ``{"hex": 32}``,
``{"pattern": …, "what": …}``, ``{"one": [...]}``, ``{"list": rule}``, ``{"map": rule}`` and
``{"form": name}``. A default is the JSON text of it; null where the field is then left out.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, cast, get_args, get_origin

from provenance import forms
from provenance.anchoring import anchor, jsonrpc
from provenance.forms.fields import Hex, fields, optional_of
from provenance.records import artifacts
from provenance.signing import dsse, note
from provenance.statements import (
    KIND_NUMBERS,
    MAX_ARTIFACTS,
    NONCE_SIZE,
    PREDICATES,
    predicate_type,
)
from provenance.statements.predicates import Described
from provenance.statements.statement import MAX_STATEMENT, Wire
from provenance.verification import DEMANDS, STEPS, Bundle, Mark, Policy
from provenance.verification.bundle import MAX_BUNDLE, MAX_RECORDS
from provenance.verification.policy import MAX_POLICY

__all__ = ["rules"]

_ENCODINGS = (artifacts.JSON, artifacts.LINE, artifacts.CHUNK, artifacts.FILE)


def rules() -> dict[str, forms.Json]:
    """Return everything that the scripts are told, as JSON."""
    known: dict[str, list[forms.Json]] = {}
    for form in (Bundle, Policy, dsse.Envelope, Wire, *PREDICATES.values()):
        _add(form, known)
    return {
        "steps": list(STEPS),
        "marks": {mark.name: mark.value for mark in Mark},
        "kinds": dict(KIND_NUMBERS),
        "predicates": {
            predicate_type(kind): {
                "kind": kind,
                "form": form.__name__,
                "described": issubclass(form, Described),
            }
            for kind, form in PREDICATES.items()
        },
        "demands": {name: forms.encode(demand) for name, demand in DEMANDS.items()},
        "encodings": {each.name: forms.dump(each).decode() for each in _ENCODINGS},
        "limits": {
            "bundle": MAX_BUNDLE,
            "records": MAX_RECORDS,
            "policy": MAX_POLICY,
            "envelope": dsse.MAX_ENVELOPE,
            "signatures": dsse.MAX_SIGNATURES,
            "statement": MAX_STATEMENT,
            "artifacts": MAX_ARTIFACTS,
            "nonce": NONCE_SIZE,
            "note": note.MAX_NOTE,
            "noteSignatures": note.MAX_SIGNATURES,
            "chunk": artifacts.MAX_CHUNK_SIZE,
            "answer": jsonrpc.MAX_ANSWER,
            "year10000": anchor.YEAR_10000,
        },
        "contract": {
            "rootAt": anchor.ROOT_AT_SELECTOR.hex(),
            "anchored": anchor.ANCHORED_TOPIC.hex(),
        },
        "forms": known,
    }


def _add(form: type, known: dict[str, list[forms.Json]]) -> None:
    """Add a form, and those within it. No two are called the same."""
    if form.__name__ in known:
        return
    listed = known.setdefault(form.__name__, [])
    declared = {field.name: field for field in dataclasses.fields(form)}
    for field in fields(form):
        listed.append(
            {
                "name": field.name,
                "rule": _rule(field.hint, known),
                "lack": field.may_lack,
                "default": _default(declared[field.attribute]),
            }
        )


def _default(field: dataclasses.Field[Any]) -> str | None:
    if field.default_factory is not dataclasses.MISSING:
        return forms.canonical(field.default_factory()).decode()
    if field.default is dataclasses.MISSING or field.default is None:
        return None
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return forms.canonical(value).decode()


def _rule(hint: Any, known: dict[str, list[forms.Json]]) -> forms.Json:
    hint = optional_of(hint) or hint
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        how = args[1]
        if isinstance(how, Hex):
            return {"hex": how.size}
        return {"pattern": how.regex, "what": how.what}
    if origin is tuple:
        return {"list": _rule(args[0], known)}
    if origin is dict:
        return {"map": _rule(args[1], known)}
    if dataclasses.is_dataclass(hint):
        form = cast(type, hint)
        _add(form, known)
        return {"form": form.__name__}
    if hint is Any:
        return {"plain": "any"}
    return {"plain": hint.__name__} if isinstance(hint, type) else {"one": list(args)}
