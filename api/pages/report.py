"""Everything that is known of one artifact on one page, to be printed or kept."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from api.access import MayRead
from api.deps import OwnPolicy, Served, find, hiding, servers_fault
from api.pages.artifact import describe
from api.pages.heads import newest_head
from api.pages.history import draw_history
from api.pages.rendering import page
from api.pages.route import Digest, PageRoute
from api.turns import Turn
from api.uses import record_use
from api.verifying import Verifying
from provenance.errors import UndecidedError, VerificationError
from provenance.verification import STEPS, Report

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, dependencies=[MayRead])

REMARKS: Final = 100
"""Statements about an artifact, the newest, that are on its report."""


@router.get("/artifacts/{digest}/report")
def show_report(
    request: Request, ledger: Served, policy: OwnPolicy, digest: Digest, _: Turn
) -> Response:
    """Show all of it, and what this server's own verification made of it."""
    artifact = find(ledger, digest)
    with servers_fault():
        ledger.checkpoint()
    bundle = ledger.prove(artifact).to_bytes()
    verifying: Verifying = request.app.state.verifying
    verified: bool | None = True
    try:
        report: Report = verifying.under(policy).verify(bundle).report
    except VerificationError as error:
        verified, report = None if isinstance(error, UndecidedError) else False, error.report
    hide = hiding(ledger)
    shown = describe(ledger, policy, artifact, remarks=REMARKS)
    record_use(ledger, "prove", artifact.digest)
    return page(
        request,
        "report",
        **shown,
        drawn=draw_history(request, ledger, artifact),
        verified=verified,
        checks=[
            (check.step, check.mark.name.lower(), hide(check.finding)) for check in report.checks
        ],
        unreached=STEPS[len(report.checks) :],
        warnings=[hide(warning) for warning in report.warnings],
        head=newest_head(ledger, policy),
        policy=policy,
    )
