"""API tokens: who may ask the service of a ledger, and for what.

::

    plt_4c1f09ab_9sVt2Q…     id, 8 hex digits; secret, 43 characters of URL-safe base64

The secret is 32 random bytes, shown once. Kept is its SHA-256: nobody guesses 256 random bits, so a
slow hash would add nothing. A token is looked up by its id and compared in constant time.

A scope includes those before it: ``read``, ``submit``, ``admin``. A token says who may ask; what a
statement is worth, its signature says.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal, get_args

from sqlmodel import Field, col, select

from provenance.errors import InputError
from provenance.ledger.desk import Clock
from provenance.log.kept import Kept
from provenance.log.store import Database, Number, Sealed

__all__ = ["SCOPES", "Scope", "Token", "TokenRow", "Tokens"]

Scope = Literal["read", "submit", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Each includes those before it."""

_FORM = re.compile(r"plt_([0-9a-f]{8})_([A-Za-z0-9_-]{43})", re.ASCII)
_NAME = re.compile(r"[^\W_][\w .@:/-]{0,99}")


class TokenRow(Sealed, table=True):
    """One token; times in seconds since 1970."""

    __tablename__ = "token"

    id: str = Field(primary_key=True)
    name: str
    scope: str
    digest: bytes
    created: int = Field(sa_type=Number)
    expires: int | None = Field(default=None, sa_type=Number)
    revoked: int | None = Field(default=None, sa_type=Number)


@dataclass(frozen=True)
class Token:
    """What is known of a token; its secret is not.

    Attributes:
        id: 8 hex digits.
        name: who has it.
        scope: what it may be used for.
        created, expires, revoked: to the second, UTC.
        state: ``valid``, ``expired`` or ``revoked``.
    """

    id: str
    name: str
    scope: Scope
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    state: Literal["valid", "expired", "revoked"]

    def may(self, scope: Scope) -> bool:
        """Whether its scope includes another."""
        return SCOPES.index(scope) <= SCOPES.index(self.scope)


class Tokens:
    """The tokens of one ledger."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._kept = Kept(database)

    def new(
        self, name: str, *, scope: Scope = "read", expires: datetime | None = None
    ) -> tuple[Token, str]:
        """Make a token; return it, and the text to be sent, which is kept nowhere.

        Raises:
            InputError: not a name, a scope or a time to come; or a valid token has this name.
        """
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{name!r} cannot name a token: take up to 100 letters, digits, spaces and .@:/_-"
            )
        if scope not in SCOPES:
            raise InputError(f"no scope {scope!r}: there are {', '.join(SCOPES)}")
        now = self._now()
        if expires is not None and _seconds(expires) <= now:
            raise InputError(f"a token that expires at {expires:%Y-%m-%d %H:%M} never counts")
        number, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        row = TokenRow(
            id=number,
            name=name,
            scope=scope,
            digest=_digest(secret),
            created=now,
            expires=None if expires is None else _seconds(expires),
        )
        token = _token(row, now)
        with self._database.writing() as session:
            for other in session.exec(select(TokenRow).where(col(TokenRow.name) == name)):
                if _token(other, now).state == "valid":
                    raise InputError(f"{name!r} has the token {other.id} already: revoke it first")
            session.add(row)
        return token, f"plt_{number}_{secret}"

    def all(self) -> list[Token]:
        """Return every token that there ever was, the oldest first."""
        with self._database.reading() as session:
            rows = session.exec(select(TokenRow).order_by(col(TokenRow.created), col(TokenRow.id)))
            return [_token(row, self._now()) for row in rows]

    def revoke(self, named: str) -> Token:
        """Let a token, by its id or its name, count no more; return it.

        Raises:
            InputError: there is no such token, or it is revoked.
        """
        now = self._now()
        with self._database.writing() as session:
            either = (col(TokenRow.id) == named) | (col(TokenRow.name) == named)
            rows = session.exec(select(TokenRow).where(either)).all()
            # Of several with this name the one that counts.
            for row in sorted(rows, key=lambda row: _token(row, now).state != "valid"):
                if row.revoked is None:
                    row.revoked = now
                    session.add(row)
                    return _token(row, now)
        said = "is revoked already" if rows else "is no token: see `provenance tokens list`"
        raise InputError(f"{named!r} {said}")

    def find(self, text: str) -> Token | None:
        """Return the token of this text, valid or not; None where there is none."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        number, secret = found.groups()

        def look() -> TokenRow | None:
            with self._database.reading() as session:
                return session.get(TokenRow, number)

        row = self._kept.get(number, look)
        digest = bytes(32) if row is None else row.digest
        same = hmac.compare_digest(_digest(secret), digest)
        return _token(row, self._now()) if same and row is not None else None

    def _now(self) -> int:
        return _seconds(self._clock())


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _token(row: TokenRow, now: int) -> Token:
    state: Literal["valid", "expired", "revoked"] = "valid"
    if row.revoked is not None:
        state = "revoked"
    elif row.expires is not None and row.expires <= now:
        state = "expired"
    return Token(
        id=row.id,
        name=row.name,
        scope=row.scope,  # type: ignore[arg-type]
        created=datetime.fromtimestamp(row.created, UTC),
        expires=_moment(row.expires),
        revoked=_moment(row.revoked),
        state=state,
    )
