"""What is the same for everybody: style and scripts of the pages, and the verifier by itself.

The former lie under an address that changes with what they hold.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from typing import Annotated, Final

from fastapi import APIRouter, Path, Response
from starlette.exceptions import HTTPException

from provenance.browser import colours, page_policy, script
from provenance.browser import page as verifier_page

__all__ = ["FILES", "VERSION", "router"]

router = APIRouter()

_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

FILES: Final = {
    file.name: file.read_bytes()
    for file in sorted((files("api.pages") / "static").iterdir(), key=lambda file: file.name)
    if file.name.rpartition(".")[2] in _TYPES
}

FILES["verifier.js"] = script()
FILES["pages.css"] = f"{colours()}\n".encode() + FILES["pages.css"]
"""What each of them is answered with: the pages' own, the verifier, and one palette for both."""

VERSION: Final = sha256(b"".join(FILES.values())).hexdigest()[:16]
"""Of all of them: it is a part of their address, so that they can be kept for ever."""


@router.get("/verify", response_class=Response)
async def show_verifier() -> Response:
    """Return the verifier as the one file that it is: the same for everybody, also from a disk."""
    policy = f"{page_policy()}; frame-ancestors 'none'"
    return Response(
        verifier_page(), media_type="text/html", headers={"Content-Security-Policy": policy}
    )


@router.get("/static/{version}/{name}", response_class=Response)
async def show_file(version: Annotated[str, Path()], name: Annotated[str, Path()]) -> Response:
    """Return a file; open to everybody, since the page to sign in on needs it."""
    if name not in FILES:
        raise HTTPException(404)
    kept = "public, max-age=31536000, immutable" if version == VERSION else "no-store"
    media_type = _TYPES[name.rpartition(".")[2]]
    return Response(FILES[name], media_type=media_type, headers={"Cache-Control": kept})
