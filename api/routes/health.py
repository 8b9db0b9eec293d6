"""Whether the service is well, and ready: open to everybody, and silent about the rest."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import APIRouter, Request

from api.access import is_public
from api.answers.server import Health, Readiness
from api.deps import Served
from api.errors import NotReadyError, responses
from provenance.ledger.ledger import Ledger
from provenance.ledger.readiness import faults

router = APIRouter(tags=["health"])

_log = logging.getLogger("api")


@router.get("/healthz", response_model_exclude_none=True, responses=responses(guarded=False))
def show_health(ledger: Served, request: Request) -> Health:
    """Say whether the server can read its ledger; where everybody may read, which one it is."""
    ledger.latest_checkpoint()
    return Health(status="ok", origin=ledger.origin if is_public(request) else None)


@router.get("/readyz", responses=responses(NotReadyError, guarded=False))
def show_readiness(ledger: Served) -> Readiness:
    """Say whether the server can do all that it may be asked for, and else what is amiss."""
    check_readiness({"": ledger})
    return Readiness(status="ready")


def check_readiness(ledgers: Mapping[str, Ledger]) -> None:
    """Check that the database answers, checkpoints can be signed, and uploads have room.

    Args:
        ledgers: by the names of their projects; of a single one, the empty name.

    Raises:
        NotReadyError: one of them is not; it says which, and what is amiss. Why, the log has.
    """
    amiss = []
    for project, ledger in ledgers.items():
        for fault, error in faults(ledger).items():
            _log.warning("not ready, %s: %s", fault, error)
            amiss.append(f"{project}: {fault}" if project else fault)
    if amiss:
        raise NotReadyError("; ".join(amiss))
