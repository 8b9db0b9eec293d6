"""Forms → JSON Schema (draft 2020-12), for readers who do not run our code."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, cast, get_args, get_origin

from provenance.forms.fields import Hex, fields, optional_of
from provenance.forms.text import MAX_INTEGER, Json

__all__ = ["json_schema"]

_NOT_NULL = {"not": {"type": "null"}}
# The last group may set no bit that stands for nothing: one text for the same bytes.
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"


def json_schema(form: type) -> dict[str, Json]:
    """Return the JSON Schema (draft 2020-12) of a form."""
    known = fields(form)
    return {
        "type": "object",
        "description": " ".join((form.__doc__ or "").partition("\n\n")[0].split()),
        "properties": {field.name: _schema(field.hint) or _NOT_NULL for field in known},
        "required": [field.name for field in known if not field.may_lack],
        "additionalProperties": False,
    }


def _schema(hint: Any) -> dict[str, Json]:
    if hint is Any:
        return {}
    inner = optional_of(hint)
    if inner is not None:
        return _schema(inner)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        rule = args[1]
        if isinstance(rule, Hex):
            return {"type": "string", "pattern": f"^[0-9a-f]{{{2 * rule.size}}}$"}
        return {"type": "string", "pattern": f"^({rule.regex})$", "description": rule.what}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": _schema(args[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(args[1])}
    if dataclasses.is_dataclass(hint):
        return json_schema(cast(type, hint))
    if hint is int:
        return {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER}
    if hint is bytes:
        return {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
    return {"type": {str: "string", bool: "boolean"}[hint]}
