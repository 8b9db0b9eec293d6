"""How exports name artifacts, entries and signers: by URNs that say the same in each of them.

::

    urn:provenance-ledger:artifact:v1:6a31…            an artifact digest, 64 hex digits
    urn:provenance-ledger:entry:v1:acme.example/ml:4   an origin, quoted as RFC 3986, and an index
    urn:provenance-ledger:signers:v1:ab12…             keyids, sorted, joined by "+"
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

__all__ = ["ARTIFACT", "SIGNERS", "artifact_uri", "entry_prefix", "signers_uri"]

ARTIFACT = "urn:provenance-ledger:artifact:v1:"

SIGNERS = "urn:provenance-ledger:signers:v1:"


def artifact_uri(artifact: bytes) -> str:
    """Return the URN of an artifact by its digest, 32 bytes."""
    return ARTIFACT + artifact.hex()


def entry_prefix(origin: str) -> str:
    """Return what the URNs of a log's entries begin with; the index follows."""
    return f"urn:provenance-ledger:entry:v1:{quote(origin)}:"


def signers_uri(keyids: Iterable[str]) -> str:
    """Return the URN of those who signed one statement."""
    return SIGNERS + "+".join(sorted(keyids))
