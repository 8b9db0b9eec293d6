"""A page from a disk, in a real browser, with the verifier and what is within it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provenance.browser import script

# The worlds, mutations and examples of other tests are changed and verified here once more.
sys.path += [
    str(Path(__file__).parents[1] / part) for part in ("verification", "statements", "soak")
]

WITHIN = (
    *("parseJson", "parseCanonical", "parseRow", "canonical", "Double", "decode", "written"),
    *("fromBase64", "toHex", "fromHex", "quoted", "byCodePoints", "checkKeyName", "checkTime"),
    *("checkInclusion", "checkConsistency", "pathLength", "Frontier", "STEPS", "RULES", "PATTERNS"),
    *("publicKey", "checkSignature", "judge", "Failure", "matches", "utf8", "parseStatement"),
    *("publicKeyOfPem", "parseVerifierKey", "openNote", "parseCheckpoint", "parseEntry"),
    *("parseEnvelope", "fromUtf8"),
)

HELPERS = """
function bytes(base64) {
  const binary = atob(base64);
  const found = new Uint8Array(binary.length);
  for (let at = 0; at < found.length; at++) found[at] = binary.charCodeAt(at);
  return found;
}
/** What `work` returns, or {refused: the message} where it refuses; other errors are faults. */
async function tried(work) {
  try {
    return await work();
  } catch (error) {
    const known = [provenance.Failure, provenance.InputError].some((kind) => error instanceof kind);
    if (!known) throw error;
    return { refused: error.message };
  }
}
/** Whether to ask a node each thing once, from here on. */
function remember(isOnce) {
  const known = new Map();
  globalThis.fetch = isOnce ? async (url, asked) => {
    const name = `${url} ${asked.body}`;
    if (!known.has(name)) known.set(name, realFetch(url, asked).then((answer) => answer.blob()));
    return new Response(await known.get(name));
  } : realFetch;
}
const realFetch = globalThis.fetch;
/** A value that was read, with integers and doubles told apart. */
function typed(value) {
  if (value instanceof provenance.Double) return `d${value.value}`;
  if (typeof value === "number") return `i${value}`;
  if (Array.isArray(value)) return value.map(typed);
  if (value instanceof Map) return [...value].flatMap(([name, item]) => [`n${name}`, typed(item)]);
  return typeof value === "string" ? `s${value}` : value;
}
"""


@pytest.fixture(scope="module")
def room(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page with the script, where `provenance` has what is WITHIN as well; no error may pass."""
    face = "Object.freeze({ "
    opened = script().decode().replace(face, f"{face}{', '.join(WITHIN)}, ")
    path: Path = tmp_path_factory.mktemp("room") / "room.html"
    path.write_text(
        f"<!doctype html><meta charset=utf-8><script>{opened}{HELPERS}</script>", "utf-8"
    )
    page = chromium.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(path.as_uri())
    yield page
    page.close()
    assert faults == []
