"""Signing in: a token of the ledger, kept by the browser."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.access import limits_of
from api.bodies import media_type, read_body
from api.cookies import check_own_page, forget, keep
from api.deps import ledger_of
from api.errors import MediaTypeError
from api.limits import address_of
from api.pages.rendering import page, rooted
from api.pages.route import PageRoute
from api.prompt import promptly

__all__ = ["router"]

router = APIRouter(route_class=PageRoute)

FORM: Final = "application/x-www-form-urlencoded"
MAX_FORM: Final = 1 << 13


@router.get("/signin")
async def ask_for_token(
    request: Request, following: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """Ask for a token."""
    return page(request, "signin", next=following, detail="")


@router.post("/signin")
async def sign_in(request: Request) -> Response:
    """Take a token, if it counts, and go on to what was wanted."""
    check_own_page(request)
    limits_of(request).take(address_of(request.client and request.client.host), "requests")
    if media_type(request) != FORM:
        raise MediaTypeError(f"send {FORM}")
    form = parse_qs((await read_body(request, MAX_FORM)).decode("utf-8", "replace"))
    text, following = (form.get(name, [""])[0] for name in ("token", "next"))
    token = await promptly(ledger_of(request).tokens.find, text.strip())
    if token is None or token.state != "valid":
        detail = "This is no token of this ledger."
        if token is not None:
            detail = f"The token {token.id} of {token.name} is {token.state}."
        return page(request, "signin", status_code=401, next=following, detail=detail)
    answer = RedirectResponse(_own(request, following), 303)
    keep(request, answer, text.strip())
    return answer


@router.post("/signout")
async def sign_out(request: Request) -> Response:
    """Forget the token."""
    check_own_page(request)
    answer = RedirectResponse(rooted(request, "/"), 303)
    forget(request, answer)
    return answer


def _own(request: Request, following: str) -> str:
    """Return an address, if it is a page of this ledger: nobody is sent elsewhere by signing in."""
    root = rooted(request, "/")
    own = following.startswith(root) and not following.startswith("//") and "\\" not in following
    return following if own and following.isprintable() and following.isascii() else root
