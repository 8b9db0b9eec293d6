"""The whole service: routes, one shape of errors, and OpenAPI at ``/openapi.json``."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.answers.server import ProblemAnswer
from api.cors import allow_origins
from api.errors import add_handlers
from api.guard import Guard
from api.limits import Limits
from api.logs import REQUEST_ID, Logged
from api.metrics import Metrics
from api.pages import artifact, compare, history, overview, proof, report, search, signin, static
from api.pages import log as log_pages
from api.pages.route import show_what_is_missing
from api.rounds import InRounds
from api.routes import (
    artifacts,
    entries,
    figures,
    health,
    impact,
    leaves,
    lineage,
    log,
    logged,
    policy,
    proofs,
    records,
    trees,
    uses,
    verify,
)
from api.turns import Turns
from api.verifying import Verifying
from provenance.ledger.ledger import Ledger

__all__ = ["create_app", "create_part"]

DESCRIPTION = """
Which data, exactly, who vouched for it and when, and was this very record in it: answers from one
ledger, each with a proof that can be checked without trusting this server.
""".strip()


_REQUEST_ID = {
    "description": "Of the request, as the server's log has it: one that it brought, if that is "
    "up to 64 letters, digits, `.`, `_` and `-`.",
    "schema": {"type": "string"},
}


class _Service(FastAPI):
    """FastAPI whose OpenAPI knows the one shape of errors."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                routes=self.routes,
            )
            schemas = document["components"]["schemas"]
            schemas["Problem"] = ProblemAnswer.model_json_schema()
            # FastAPI's own shape of errors, for what cannot fail here: every path is a string.
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
            document["components"]["headers"] = {REQUEST_ID: _REQUEST_ID}
            for path in document["paths"].values():
                for operation in path.values():
                    for response in operation["responses"].values():
                        known = response.setdefault("headers", {})
                        known[REQUEST_ID] = {"$ref": f"#/components/headers/{REQUEST_ID}"}
                    if "application/json" in operation["responses"].get("422", {}).get(
                        "content", ()
                    ):
                        del operation["responses"]["422"]
            self.openapi_schema = document
        return self.openapi_schema


def create_app(ledger: Ledger, *, public: bool | None = None) -> FastAPI:
    """Return the service over one ledger. It signs checkpoints where proofs need them, and no data.

    Args:
        ledger: stays the caller's: open as long as the service runs, closed by the caller.
        public: whether everybody may read, without a token; as the ledger's own configuration
            says, if None.

    Raises:
        MalformedError: the ledger's own policy is not as it must be.
        InputError: uses are to be recorded, or lineage collected, and no key may sign that.
    """
    app = create_part(ledger, Turns(), public=public)
    app.add_middleware(Logged)
    return app


def create_part(
    ledger: Ledger, turns: Turns, *, public: bool | None, project: str | None = None
) -> FastAPI:
    """Return the service over one ledger as a part of another, around which requests are logged.

    Args:
        ledger, public: as of `create_app`.
        turns: of all that is served by this process.
        project: the name under which the log has it.

    Raises:
        MalformedError: as `create_app`.
    """
    ledger.policy()
    app = _Service(
        title="Provenance ledger",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    ledger.access_log.start()
    if ledger.collector.is_on:
        ledger.collector.key()
    app.state.ledger = ledger
    app.state.project = project
    app.state.turns = turns
    app.state.verifying = Verifying(ledger)
    app.state.metrics = metrics = Metrics(ledger, project)
    app.state.limits = Limits(ledger.config.service.limits, refused=metrics.count_refused)
    app.state.public = ledger.config.service.public if public is None else public
    # In this order they are gone through: what is asked for most is first. The paths of artifacts
    # take all that is left.
    parts = (
        proofs,
        verify,
        health,
        figures,
        entries,
        lineage,
        trees,
        leaves,
        logged,
        policy,
        records,
        impact,
        uses,
        artifacts,
        log,
    )
    app.include_router(proofs.busiest)
    for routes in parts:
        app.include_router(routes.router)
    app.include_router(trees.discovery)
    for shown in (
        overview,
        search,
        artifact,
        history,
        compare,
        proof,
        report,
        log_pages,
        signin,
        static,
    ):
        app.include_router(shown.router, include_in_schema=False)
    add_handlers(app)
    show_what_is_missing(app)
    app.add_middleware(InRounds, rounds=turns.rounds)
    allow_origins(app, ledger.config.service.cors)
    app.add_middleware(Guard)
    return app
