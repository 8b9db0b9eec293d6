"""Figures for whoever runs the service. They need a token even where everybody may read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.access import Access
from api.deps import servers_fault
from api.errors import responses
from api.metrics import Metrics

router = APIRouter(tags=["health"], dependencies=[Depends(Access("read", everybody=False))])

FIGURES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The figures, in the text format of Prometheus",
        "content": {
            "text/plain": {
                "schema": {"type": "string"},
                "example": "# HELP provenance_log_entries Entries of the log.\n"
                "# TYPE provenance_log_entries gauge\nprovenance_log_entries 42.0\n",
            }
        },
    }
}


@router.get("/metrics", response_class=Response, responses=responses() | FIGURES)
def show_metrics(request: Request) -> Response:
    """Return what was counted of requests, and how the ledger stands."""
    metrics: Metrics = request.app.state.metrics
    with servers_fault():
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
