"""Templates → answers: Jinja2, everything escaped, and headers that let nothing else run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.access import is_let_in, is_public
from api.cookies import signed_in
from api.pages.static import VERSION
from api.pages.wording import FILTERS

__all__ = ["here", "page", "rooted"]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src {connect}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

NODES: Final = "https: http://localhost:* http://127.0.0.1:*"
"""Where a page may ask that checks an anchor at a node that the reader names."""

_TEMPLATES = Environment(
    loader=PackageLoader("api.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(FILTERS)


def page(
    request: Request,
    template: str,
    *,
    status_code: int = 200,
    asks_nodes: bool = False,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return a page: of a ledger, or of the server of many.

    Args:
        request: that is answered.
        template: its name, without the ending.
        status_code: of HTTP.
        asks_nodes: whether its scripts may ask a chain's node.
        headers: further ones.
        values: what the template shows.
    """
    ledger = getattr(request.app.state, "ledger", None)
    text = _TEMPLATES.get_template(f"{template}.html").render(
        has_ledger=ledger is not None,
        origin=ledger.origin if ledger is not None and is_let_in(request) else "Provenance",
        is_public=ledger is not None and is_public(request),
        is_signed_in=signed_in(request),
        root=request.scope.get("root_path", ""),
        here=here(request),
        assets=rooted(request, f"/static/{VERSION}"),
        now=datetime.now(UTC),
        **values,
    )
    connect = f"'self' {NODES}" if asks_nodes else "'self'"
    return HTMLResponse(
        text,
        status_code=status_code,
        headers={"Content-Security-Policy": POLICY.format(connect=connect), **(headers or {})},
    )


def rooted(request: Request, path: str) -> str:
    """Return the address of a page of this ledger, which may be one of many projects."""
    return f"{request.scope.get('root_path', '')}{path}"


def here(request: Request) -> str:
    """Return the address that was asked for, without scheme and host."""
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")
