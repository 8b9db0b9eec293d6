"""The sources put together: a classic script.

The script is one function over all sources, in the order of `SOURCES`, and leaves one name behind:
``provenance``. The same bytes each time.
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files

from provenance.browser.rules import rules

__all__ = ["SOURCES", "script"]

SOURCES = (
    *("text", "json", "forms", "merkle", "records", "files", "signing", "log", "criteria"),
    *("statements", "keys", "policy", "chain", "comparing", "steps", "judging", "ladder"),
    "verifier",
)
"""Each stands on those before it."""

_FACE = ("verify", "hashRecord", "hashFile", "InputError", "UnsupportedError")
"""What the script gives to a page."""


@functools.cache
def script() -> bytes:
    """Return the verifier as a classic script that defines ``provenance``."""
    folder = files("provenance.browser") / "verifier"
    sources = [(folder / f"{name}.js").read_text("utf-8") for name in SOURCES]
    told = json.dumps(rules(), separators=(",", ":")).replace("<", "\\u003c")
    return "\n".join(
        [
            "// The verifier of provenance-ledger. Its sources are in provenance/browser/verifier.",
            "const provenance = (() => {",
            '"use strict";',
            f"const RULES = {told};",
            *sources,
            f"return Object.freeze({{ {', '.join(_FACE)} }});",
            "})();\n",
        ]
    ).encode()
