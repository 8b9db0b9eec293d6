"""The time and the nonce of a statement."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypedDict

from provenance.statements import NONCE_SIZE

__all__ = ["Clock", "Stamp", "new_stamp", "utc_text"]

Clock = Callable[[], datetime]
"""Returns the time, aware, in UTC."""


class Stamp(TypedDict):
    """What every predicate needs: a fresh nonce and the time."""

    nonce: bytes
    issued: str


def new_stamp(clock: Clock) -> Stamp:
    """Return a fresh nonce and the time, for a predicate."""
    return Stamp(nonce=secrets.token_bytes(NONCE_SIZE), issued=utc_text(clock()))


def utc_text(time: datetime) -> str:
    """Return RFC 3339 in UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
