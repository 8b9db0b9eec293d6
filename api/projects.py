"""Many ledgers behind one address: each is a project, at ``/p/<project>/``.

A project is served as a ledger by itself is: the same routes, its own tokens, its own OpenAPI.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fastapi import FastAPI

from api.app import create_part
from api.errors import add_handlers
from api.guard import Guard
from api.logs import Logged
from api.pages import projects as pages
from api.pages import static
from api.pages.route import show_what_is_missing
from api.routes.health import check_readiness
from api.turns import Turns
from provenance.errors import InputError
from provenance.ledger.ledger import Ledger

__all__ = ["create_projects_app"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def create_projects_app(projects: Mapping[str, Ledger], *, public: bool | None = None) -> FastAPI:
    """Return the service over several ledgers, by the names of their projects.

    Args:
        projects: stay the caller's, as with `create_app`.
        public: as `create_app`, of each of them.

    Raises:
        InputError: a name that cannot stand in a path; or as `create_app`.
        MalformedError: the policy of a ledger is not as it must be.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.parts = parts = {}
    turns = Turns()
    for name, ledger in projects.items():
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{name!r} cannot name a project: take lower-case letters, digits, . _ and -"
            )
        parts[name] = create_part(ledger, turns, public=public, project=name)
        app.mount(f"/p/{name}", parts[name])

    @app.get("/healthz")
    def show_health() -> dict[str, str]:
        """Say whether the server can read the ledgers of all projects."""
        for ledger in projects.values():
            ledger.latest_checkpoint()
        return {"status": "ok"}

    @app.get("/readyz")
    def show_readiness() -> dict[str, str]:
        """Say whether all projects are ready."""
        check_readiness(projects)
        return {"status": "ready"}

    app.include_router(pages.router)
    app.include_router(static.router)
    add_handlers(app)
    show_what_is_missing(app)
    app.add_middleware(Guard)
    app.add_middleware(Logged)
    return app
