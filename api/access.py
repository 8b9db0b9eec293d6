"""Who may ask: an API token of the ledger, of the scope that a route needs.

::

    Authorization: Bearer plt_4c1f09ab_9sVt2Q…

RFC 6750; a browser in which somebody signed in sends it as a cookie (`api.cookies`). A ledger that
is served for everybody to read needs no token for that; one that is sent must be valid all the
same, so that nobody is told too late that theirs has expired.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from api.cookies import brought
from api.deps import ledger_of
from api.errors import ForbiddenError, UnauthorizedError
from api.limits import Limits, address_of
from api.logs import came_with
from api.prompt import promptly
from api.turns import check_queue
from provenance.ledger.tokens import Scope, Token

__all__ = [
    "Access",
    "KeptBy",
    "MayAdmin",
    "MayRead",
    "MaySubmit",
    "Submitter",
    "is_let_in",
    "is_public",
    "limits_of",
    "shared_or_own",
]


class Access(HTTPBearer):
    """Dependency: the request comes with a token of this scope, where one is needed.

    OpenAPI has it from the base class; what is sent is read here.

    Args:
        scope: that is needed.
        everybody: whether it is none where everybody may read.
    """

    def __init__(self, scope: Scope, *, everybody: bool = True) -> None:
        super().__init__(
            scheme_name="token", description="A token of this ledger: `provenance tokens new`."
        )
        self.scope = scope
        self.everybody = everybody and scope == "read"

    async def __call__(self, request: Request) -> Token | None:  # type: ignore[override]
        """Check that it may be answered; return the token that it came with.

        Raises:
            UnauthorizedError: no token, or one that does not count.
            ForbiddenError: one of a smaller scope.
            LimitedError: more was asked for than one may.
            BusyError: more is asked of the server than it can do.
        """
        check_queue()
        sent = request.headers.getlist("authorization")
        if not sent and (kept := brought(request)):
            sent = [f"Bearer {kept}"]
        scheme, text = [*(sent or [""])[0].split(" ", 1), ""][:2]
        token = None
        if len(sent) == 1 and scheme.lower() == "bearer":
            token = await promptly(ledger_of(request).tokens.find, text.strip())
        if token is not None:
            came_with(token.id)
        counts = token is not None and token.state == "valid"
        limits_of(request).take(
            token.id if token and counts else address_of(request.client and request.client.host),
            "requests",
        )
        if not sent:
            if self.everybody and is_public(request):
                return None
            raise UnauthorizedError("send a token of this ledger: Authorization: Bearer plt_…")
        if token is None:
            raise UnauthorizedError("what was sent is no token of this ledger")
        if not counts:
            raise UnauthorizedError(f"the token {token.id} of {token.name!r} is {token.state}")
        if not token.may(self.scope):
            raise ForbiddenError(
                f"this needs the scope {self.scope!r}; the token {token.id} has {token.scope!r}"
            )
        request.state.is_let_in = True
        return token


MayRead = Depends(Access("read"))
"""For the routes of a router, all of them."""

MaySubmit = Depends(Access("submit"))

MayAdmin = Depends(Access("admin"))

Submitter = Annotated[Token, MaySubmit]
"""The token that a submission came with."""


def limits_of(request: Request) -> Limits:
    """Return how much one may ask this ledger for."""
    limits: Limits = request.app.state.limits
    return limits


def is_public(request: Request) -> bool:
    """Whether everybody may read."""
    public: bool = request.app.state.public
    return public


def is_let_in(request: Request) -> bool:
    """Whether who asks may know what is here: as everybody, or by the token of this request."""
    return is_public(request) or getattr(request.state, "is_let_in", False)


def shared_or_own(request: Request) -> str:
    """Return who may keep an answer: any cache on the way, or the one of who asked alone."""
    return "public" if is_public(request) else "private"


async def _kept_by(request: Request) -> str:
    return shared_or_own(request)


KeptBy = Annotated[str, Depends(_kept_by)]
"""What `shared_or_own` says."""
