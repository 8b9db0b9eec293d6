"""Whether the service is well: open to everybody, and silent about the rest."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from api.access import is_public
from api.answers import Health
from api.deps import Served
from api.errors import responses

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model_exclude_none=True, responses=responses(guarded=False))
def show_health(ledger: Served, public: Annotated[bool, Depends(is_public)]) -> Health:
    """Say whether the server can read its ledger; where everybody may read, which one it is."""
    ledger.latest_checkpoint()
    return Health(status="ok", origin=ledger.origin if public else None)
