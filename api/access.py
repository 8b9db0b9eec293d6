"""Who may ask: an API token of the ledger, of the scope that a route needs.

::

    Authorization: Bearer plt_4c1f09ab_9sVt2Q…

RFC 6750. A ledger that is served for everybody to read needs no token for that; one that is sent
must be valid all the same, so that nobody is told too late that theirs has expired.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from api.deps import Served
from api.errors import ForbiddenError, UnauthorizedError
from api.logs import came_with
from provenance.ledger.tokens import Scope, Token

__all__ = ["MayRead", "MaySubmit", "Submitter", "is_public", "shared_or_own"]

_STATED = HTTPBearer(  # for OpenAPI: what is sent, `Access` reads itself
    scheme_name="token",
    description="A token of this ledger: `provenance tokens new`.",
    auto_error=False,
)


class Access:
    """Dependency: the request comes with a token of this scope, where one is needed."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __call__(
        self,
        request: Request,
        ledger: Served,
        _: Annotated[HTTPAuthorizationCredentials | None, Depends(_STATED)],
    ) -> Token | None:
        """Check that it may be answered; return the token that it came with.

        Raises:
            UnauthorizedError: no token, or one that does not count.
            ForbiddenError: one of a smaller scope.
        """
        sent = request.headers.getlist("authorization")
        if not sent:
            if self.scope == "read" and is_public(request):
                return None
            raise UnauthorizedError("send a token of this ledger: Authorization: Bearer plt_…")
        scheme, text = [*sent[0].split(" ", 1), ""][:2]
        token = ledger.tokens.find(text.strip()) if scheme.lower() == "bearer" else None
        if token is None or len(sent) > 1:
            raise UnauthorizedError("what was sent is no token of this ledger")
        came_with(token.id)
        if token.state != "valid":
            raise UnauthorizedError(f"the token {token.id} of {token.name!r} is {token.state}")
        if not token.may(self.scope):
            raise ForbiddenError(
                f"this needs the scope {self.scope!r}; the token {token.id} has {token.scope!r}"
            )
        return token


MayRead = Depends(Access("read"))
"""For the routes of a router, all of them."""

MaySubmit = Depends(Access("submit"))

Submitter = Annotated[Token, MaySubmit]
"""The token that a submission came with."""


def is_public(request: Request) -> bool:
    """Whether everybody may read."""
    public: bool = request.app.state.public
    return public


def shared_or_own(request: Request) -> str:
    """Return who may keep an answer: any cache on the way, or the one of who asked alone."""
    return "public" if is_public(request) else "private"
