"""The way in to a server of many ledgers: which of them everybody may read."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from api.pages.rendering import page

__all__ = ["router"]

router = APIRouter()


@router.get("/")
def show_projects(request: Request) -> Response:
    """Show the public ones, and of others not even whether there are any."""
    parts = request.app.state.parts
    shown = {name: part.state.ledger.origin for name, part in parts.items() if part.state.public}
    return page(request, "projects", projects=shown)


@router.get("/p/{name}")
async def lead_in(request: Request, name: str) -> Response:
    """Lead to the overview of a project."""
    if name not in request.app.state.parts:
        raise HTTPException(404)
    return RedirectResponse(f"/p/{name}/", 308)
