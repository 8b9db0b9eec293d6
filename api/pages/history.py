"""The picture of an artifact's history: what it was made of, and what was made of it."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from api.access import MayRead
from api.deps import Served, find
from api.pages.picture import More, Picture, picture
from api.pages.rendering import page, rooted
from api.pages.route import Digest, PageRoute
from api.turns import Turn
from api.uses import record_use
from provenance.ledger.catalog import RegisteredArtifact
from provenance.ledger.ledger import Ledger
from provenance.ledger.paging import WALK_CURSOR

__all__ = ["draw_history", "router"]

router = APIRouter(route_class=PageRoute, dependencies=[MayRead])

STEPS: Final = 4
"""How far is gone in each direction; from what stands there one goes on."""

STATEMENTS: Final = 100
"""In each direction, at most."""

Cursor = Annotated[str | None, Query(pattern=f"^{WALK_CURSOR}$")]


@router.get("/artifacts/{digest}/history")
def show_history(
    request: Request,
    ledger: Served,
    digest: Digest,
    _: Turn,
    history: Cursor = None,
    descendants: Cursor = None,
    opened: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Show the picture of an artifact by itself, from where it was left on another page."""
    artifact = find(ledger, digest)
    drawn = draw_history(
        request, ledger, artifact, history=history, descendants=descendants, opened=opened
    )
    record_use(ledger, "history", artifact.digest)
    return page(request, "history", artifact=artifact, drawn=drawn)


def draw_history(
    request: Request,
    ledger: Ledger,
    artifact: RegisteredArtifact,
    *,
    history: str | None = None,
    descendants: str | None = None,
    opened: str | None = None,
) -> Picture:
    """Return the picture of an artifact.

    Args:
        request: that is answered.
        ledger: that holds it.
        artifact: in the middle.
        history, descendants: cursors of the pages that are drawn; the first ones, if None.
        opened: the fold that is open.
    """
    cursors = {"history": history, "descendants": descendants}

    def entry(index: int) -> str:
        return rooted(request, f"/log/{index}")

    def link(digest: bytes) -> str:
        return rooted(request, f"/artifacts/{digest.hex()}")

    def more(more: More) -> str:
        own = more.artifact.hex() == artifact.digest and more.opened is not None
        wanted = cursors if own else {"history": more.history, "descendants": more.descendants}
        asked = {**wanted, "opened": more.opened}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return f"{link(more.artifact)}/history" + (f"?{query}" if query else "")

    return picture(
        ledger.history(artifact, depth=STEPS, limit=STATEMENTS, cursor=history),
        ledger.descendants(artifact, depth=STEPS, limit=STATEMENTS, cursor=descendants),
        link=link,
        entry=entry,
        more=more,
        kinds=ledger.kinds,
        verdicts=ledger.verdicts,
        depth=STEPS,
        opened=opened,
    )
