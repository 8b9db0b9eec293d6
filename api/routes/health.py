"""Whether the service is well: open to everybody, and silent about the rest."""

from __future__ import annotations

from fastapi import APIRouter

from api.answers import Health
from api.deps import Served
from api.errors import responses

router = APIRouter(tags=["health"])


@router.get("/healthz", responses=responses(guarded=False))
def show_health(ledger: Served) -> Health:
    """Say whether the server can read its ledger."""
    ledger.latest_checkpoint()
    return Health(status="ok", origin=ledger.origin)
