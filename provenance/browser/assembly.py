"""The sources put together: a classic script, and a page around it.

The script is one function over all sources, in the order of `SOURCES`, and leaves one name behind:
``provenance``. The page is one file with that script and a style in it, which a Content-Security-
Policy names by their hashes: nothing else runs, and nothing is loaded. The same bytes each time.
"""

from __future__ import annotations

import base64
import functools
import json
from hashlib import sha256
from importlib.resources import files

from provenance.browser.rules import rules
from provenance.version import VERSION

__all__ = ["SOURCES", "colours", "page", "page_policy", "script"]

SOURCES = (
    *("text", "json", "forms", "merkle", "records", "files", "signing", "log", "criteria"),
    *("statements", "keys", "policy", "chain", "comparing", "steps", "judging", "ladder"),
    "verifier",
)
"""Each stands on those before it."""

_FACE = ("verify", "readPolicy", "hashRecord", "hashFile", "InputError", "UnsupportedError")
"""What the script gives to a page."""


@functools.cache
def script() -> bytes:
    """Return the verifier as a classic script that defines ``provenance``."""
    sources = [_read(f"verifier/{name}.js") for name in SOURCES]
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


@functools.cache
def page() -> bytes:
    """Return the page: HTML in UTF-8 that works from a disk.

    It connects to nothing but the nodes whose addresses its reader types.
    """
    html = _read("page/verify.html")
    parts = {"version": VERSION, "policy": page_policy(), "style": _style(), "script": _running()}
    for name, part in parts.items():  # the script last: what is put in is not looked at again
        before, after = html.split(f"[[{name}]]")
        html = before + part + after
    return html.encode()


@functools.cache
def page_policy() -> str:
    """Return the Content-Security-Policy that stands in the page, for whoever serves it."""
    return (
        f"default-src 'none'; script-src '{_hash(_running())}'; style-src '{_hash(_style())}'; "
        "connect-src http: https:; base-uri 'none'; form-action 'none'"
    )


def _running() -> str:
    shown = "\n".join([_read("page/show.js"), _read("page/page.js")])
    return f'{script().decode()}\n(() => {{\n"use strict";\n{shown}\n}})();\n'


def colours() -> str:
    """Return the style sheet that names colours and measures, for whatever looks like the page."""
    return _read("page/colours.css")


def _style() -> str:
    return f"{colours()}\n{_read('page/style.css')}"


def _read(path: str) -> str:
    return (files("provenance.browser") / path).read_text("utf-8")


def _hash(text: str) -> str:
    """Return what a Content-Security-Policy calls an inline script or style."""
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"
