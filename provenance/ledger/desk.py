"""Where statements are dated, signed and handed in."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Generic, TypedDict, TypeVar

from provenance.signing import PrivateKey
from provenance.statements import NONCE_SIZE, Statement

__all__ = ["Clock", "Desk", "Stamp", "utc_text"]

Clock = Callable[[], datetime]
"""Returns the time, aware, in UTC."""


I_co = TypeVar("I_co", bound=int | None, covariant=True)


class Stamp(TypedDict):
    """What every predicate needs: a fresh nonce and the time."""

    nonce: bytes
    issued: str


class Desk(ABC, Generic[I_co]):
    """What a ledger records with, whether its log lies here or behind a URL.

    What was handed in has an index in the log at once, an int; or, where it may have to wait until
    a server answers, None until then.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> str:
        """Return the time as statements write it."""
        return utc_text(self._clock())

    def stamp(self) -> Stamp:
        """Return a fresh nonce and the time, for a predicate."""
        return Stamp(nonce=secrets.token_bytes(NONCE_SIZE), issued=self.now())

    @property
    @abstractmethod
    def signers(self) -> Sequence[PrivateKey]:
        """The keys that sign statements.

        Raises:
            InputError: none was given, or they cannot be opened.
        """

    @abstractmethod
    def submit(self, statement: Statement) -> I_co:
        """Sign a statement and hand it in; return its index in the log. It is durable then.

        Raises:
            InputError: it is not taken, or the keys may not sign it.
        """


def utc_text(time: datetime) -> str:
    """Return RFC 3339 in UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
