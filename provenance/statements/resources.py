"""How a statement names things: in-toto ResourceDescriptors with a name and a DigestSet.

::

    {"name": "train-clean",
     "digest": {"provenance-artifact-v1": "9f86…", "sha256": "2c26…"}}

The name is for people. The digests are what is meant: ``provenance-artifact-v1`` fixes root, size
and encoding of an artifact, ``sha256`` the file as it lay on disk, so that ``sha256sum`` can
check it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from provenance import forms
from provenance.errors import MalformedError
from provenance.records.artifacts import ARTIFACT_DIGEST

__all__ = ["RUN_DIGEST", "ArtifactRef", "DigestSet", "Evidence", "Name", "Subject", "Time"]

RUN_DIGEST = "provenance-run-v1"
"""The digest that stands for a step without outputs: SHA-256("provenance-run/v1\\n" ‖ nonce)."""

Name = Annotated[
    str,
    forms.Pattern(
        r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]{1,1000}",
        "a name of 1 to 1000 characters, none of them a control or direction character",
    ),
]
"""One line that can be shown on a terminal or a page as it is."""

Time = Annotated[str, forms.timestamp_pattern]

Hex = Annotated[str, forms.Pattern(r"([0-9a-f]{2})+", "lower-case hex digits")]

DigestSet = dict[str, Hex]
"""Algorithm → lower-case hex; SHA-256 ones have 64 digits."""

_SHA256_NAMES = ("sha256", ARTIFACT_DIGEST, RUN_DIGEST)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a statement is about: a name, and digests that fix what it names."""

    name: Name
    digest: DigestSet

    def __post_init__(self) -> None:
        check_digests(self.digest, self.name)

    @property
    def artifact(self) -> bytes | None:
        """The artifact digest, 32 bytes, where there is one."""
        digest = self.digest.get(ARTIFACT_DIGEST)
        return None if digest is None else bytes.fromhex(digest)


@dataclass(frozen=True, kw_only=True)
class ArtifactRef:
    """Another artifact that a statement names: an input, a model, a replacement."""

    name: Name
    digest: DigestSet

    def __post_init__(self) -> None:
        check_digests(self.digest, self.name)
        if ARTIFACT_DIGEST not in self.digest:
            raise MalformedError(f"{self.name!r} has no {ARTIFACT_DIGEST}")

    @property
    def artifact(self) -> bytes:
        """The artifact digest, 32 bytes."""
        return bytes.fromhex(self.digest[ARTIFACT_DIGEST])


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Hashes of something beside the statement: a TEE quote, a ZK proof, a sampler's result."""

    type: Name
    media_type: Name
    digest: DigestSet

    def __post_init__(self) -> None:
        check_digests(self.digest, self.type)


def check_digests(digest: DigestSet, what: str) -> None:
    """Check names and lengths of a DigestSet.

    Raises:
        MalformedError: empty, a strange algorithm, or a SHA-256 of another length.
    """
    if not digest:
        raise MalformedError(f"{what!r} has no digest")
    for algorithm, value in digest.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", algorithm):
            raise MalformedError(f"{what!r} has a digest of the strange name {algorithm!r}")
        if algorithm in _SHA256_NAMES and len(value) != 64:
            raise MalformedError(f"the {algorithm} of {what!r} must have 64 hex digits")


def check_time(time: str, what: str) -> None:
    """Check that an RFC 3339 time is on the calendar.

    Raises:
        MalformedError: there is no such day.
    """
    try:
        datetime.fromisoformat(time)
    except ValueError:
        raise MalformedError(f"{what} is no time on the calendar: {time!r}") from None
