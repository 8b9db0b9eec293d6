"""The cookie of a person who signed in on the pages: an API token, as ``Authorization`` has it.

It is sent by the browser alone: no script sees it (``HttpOnly``), no other site's page brings it
(``SameSite=Strict``), and nothing is written by its means unless the browser says that a page of
this very origin asks (``Sec-Fetch-Site``, or ``Origin`` where a browser does not send that).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response

from api.errors import ForbiddenError

__all__ = ["brought", "check_own_page", "forget", "keep", "signed_in"]

NAME: Final = "provenance-token"

_SAFE: Final = ("GET", "HEAD", "OPTIONS")


def signed_in(request: Request) -> bool:
    """Say whether a request has the cookie, whatever it is worth."""
    return NAME in request.cookies


def brought(request: Request) -> str | None:
    """Return the token of the cookie; None without one.

    Raises:
        ForbiddenError: it would be written, and not by a page of this origin.
    """
    if "cookie" not in request.headers:
        return None
    token = request.cookies.get(NAME)
    if token is not None and request.method not in _SAFE:
        check_own_page(request)
    return token


def check_own_page(request: Request) -> None:
    """Check that a page of this origin asks, or nothing that is a browser.

    Raises:
        ForbiddenError: another page does.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        own = site == "same-origin"
    else:
        own = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not own:
        raise ForbiddenError("this was asked for by a page of another site")


def keep(request: Request, response: Response, token: str) -> None:
    """Have the browser keep a token until it is closed."""
    response.set_cookie(
        NAME,
        token,
        path=_path(request),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def forget(request: Request, response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(NAME, path=_path(request), httponly=True, samesite="strict")


def _path(request: Request) -> str:
    """Return where it counts: each project has tokens of its own."""
    return f"{request.scope.get('root_path', '')}/"
