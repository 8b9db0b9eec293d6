"""Strict JSON forms: a frozen dataclass is the form, its field types are the rules.

Statements, policies, bundles and key files are all read through here, so hostile input is met
once::

    @dataclass(frozen=True, kw_only=True)
    class ChainPin:
        chain_id: int                      # "chainId": JSON names are lowerCamelCase
        contract: Annotated[str, ADDRESS]
        confirmations: int = 1             # has a default: may be left out, unless its
                                           # metadata says "required"

    value = forms.parse(data, what="the pin", cap=1 << 20)
    pin = forms.decode(ChainPin, value, "the pin")
    forms.encode(pin)                      # → {"chainId": …}; canonical bytes: forms.dump(pin)

What is signed has one byte form: `parse_canonical` and ``decode(…, whole=True)`` read nothing
else, so ``forms.dump`` of what they return is what they read.

`parse` refuses what RFC 8259 leaves open and attackers use: duplicate keys, invalid UTF-8,
unpaired surrogates, NaN, integers beyond 2^53-1 (unless RFC 8785 writes a double so: then it is
a double), nesting deeper than 64, more bytes than the cap. `decode` refuses unknown and
missing fields and values of another type. `encode` is its inverse; `dump` writes RFC 8785.
A field whose value is None is left out, and so null is never the value of a field.

The annotations understood: ``str``, ``int`` (0 … 2^53-1), ``bool``, ``bytes`` (standard padded
base64), `Hash` (64 lower-case hex digits), ``tuple[X, ...]``, ``dict[str, X]``, ``X | None``,
``Literal``, nested forms, `Json` (anything), and ``Annotated[str, Pattern(...)]``.
"""

from provenance.forms.decoding import decode, decode_base64
from provenance.forms.encoding import dump, encode
from provenance.forms.fields import Hash, Pattern, timestamp_pattern
from provenance.forms.schema import json_schema
from provenance.forms.text import (
    MAX_DEPTH,
    MAX_INTEGER,
    Json,
    canonical,
    check_depth,
    parse,
    parse_canonical,
)

__all__ = [
    "MAX_DEPTH",
    "MAX_INTEGER",
    "Hash",
    "Json",
    "Pattern",
    "canonical",
    "check_depth",
    "decode",
    "decode_base64",
    "dump",
    "encode",
    "json_schema",
    "parse",
    "parse_canonical",
    "timestamp_pattern",
]
