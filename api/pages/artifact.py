"""An artifact: what it is, who vouches for it, what was said of it later; and lists of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.access import MayRead
from api.answers.parts import Kind
from api.deps import OwnPolicy, Served, find
from api.pages.history import draw_history
from api.pages.rendering import page, rooted
from api.pages.route import Below, Digest, PageRoute
from api.pages.rows import Names, Signer, Tone, entry_row, gist, names_of, said_of, signers_of
from api.turns import Turn
from api.uses import record_use
from provenance import forms
from provenance.ledger.catalog import RegisteredArtifact
from provenance.ledger.filters import CURSOR, Sort
from provenance.ledger.ledger import Ledger
from provenance.lineage.graph import Event
from provenance.statements import Quality, Review, Sensitivity, Supersede, judge
from provenance.statements.predicates import Described
from provenance.verification import Policy

__all__ = ["Remark", "describe", "router"]

router = APIRouter(route_class=PageRoute, dependencies=[MayRead])

ON_A_PAGE: Final = 50

REMARKS: Final = 12
"""Statements about an artifact, the newest, that its page shows."""

VERSIONS: Final = 10
"""Registrations under one name that a page shows."""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What a later statement says of an artifact.

    Attributes:
        index: of its entry.
        kind: ``quality``, ``review`` or ``supersede``.
        says: in a few words.
        tone: of that.
        reason: why, as the signer has it; "" where there is none.
        replacement: name and digest of what is to be used instead; None where there is none.
        figures: of quality: metric, value, what was wanted, and whether it is so.
        signers: who signed.
        revoked: a signature under it is revoked.
        issued: by the signer's clock.
    """

    index: int
    kind: str
    says: str
    tone: Tone
    reason: str
    replacement: tuple[str, str] | None
    figures: tuple[tuple[str, Any, str, bool], ...]
    signers: tuple[Signer, ...]
    revoked: bool
    issued: str


@router.get("/artifacts")
def show_artifacts(
    request: Request,
    ledger: Served,
    kind: Kind | Literal[""] = "",
    sensitivity: Sensitivity | Literal[""] = "",
    sort: Sort = "-index",
    name: Annotated[str, Query(max_length=4096)] = "",
    cursor: Annotated[str | None, Query(pattern=f"^{CURSOR}$")] = None,
) -> Response:
    """Show what is registered."""
    found = ledger.artifacts(
        name=name or None,
        kind=kind or None,
        sensitivity=sensitivity or None,
        sort=sort,
        cursor=cursor,
        limit=ON_A_PAGE,
    )
    reached = ledger.reached()
    asked = {"name": name, "kind": kind, "sensitivity": sensitivity, "sort": sort}
    return page(
        request,
        "artifacts",
        rows=[(artifact, reached.state(artifact.index)) for artifact in found],
        said=said_of(ledger, *found),
        kind=kind,
        sensitivity=sensitivity,
        sort=sort,
        name=name,
        following=urlencode({**asked, "cursor": found.next_cursor}) if found.next_cursor else "",
    )


@router.get("/artifacts/{digest}")
def show_artifact(
    request: Request,
    ledger: Served,
    policy: OwnPolicy,
    digest: Digest,
    _: Turn,
    below: Below = None,
) -> Response:
    """Show one artifact, and what was told of it before an entry, or at all."""
    artifact = find(ledger, digest)
    if artifact.digest != digest:  # the root or the sha256 of it
        return RedirectResponse(rooted(request, f"/artifacts/{artifact.digest}"), 307)
    shown = describe(ledger, policy, artifact, remarks=REMARKS, below=below)
    drawn = draw_history(request, ledger, artifact)
    record_use(ledger, "show", artifact.digest)
    return page(request, "artifact", drawn=drawn, **shown)


def describe(
    ledger: Ledger,
    policy: Policy,
    artifact: RegisteredArtifact,
    *,
    remarks: int,
    below: int | None = None,
) -> dict[str, Any]:
    """Return what pages show of an artifact.

    And what was told of it, so many remarks at most, before an entry or at all.
    """
    names = names_of(policy)
    entry = ledger.entry(artifact.index)
    about = ledger.remarks(artifact, limit=remarks, below=below)
    versions = ledger.artifacts(name=artifact.name, limit=VERSIONS)
    described = artifact.statement.described()
    encoding = forms.encode(artifact.artifact.encoding)
    return {
        "artifact": artifact,
        "subject": forms.dump(artifact.statement.subjects[0]).decode(),
        "described": described,
        "encoding": encoding.pop("encoding"),
        "parameters": encoding,
        "state_of": entry.state,
        "by": entry_row(entry, names).signers,
        "told": _told(described),
        "schema": list((getattr(described, "schema", None) or {}).items()),
        "metadata": list(described.metadata.items()),
        "anchors": ledger.dating(artifact.index),
        "end": about.end(artifact.artifact.digest),
        "remarks": [_remark(event, names) for event in about.events],
        "older": about.next_cursor,
        "is_newest": below is None,
        "versions": versions,
        "said": said_of(ledger, artifact, *versions),
    }


def _told(described: Described) -> list[tuple[str, str]]:
    """Return what the signer says of where it is from, each with a label."""
    labels = (
        ("license", "Licence"),
        ("source", "Source"),
        ("provider", "Provider"),
        ("collected", "Collected"),
    )
    told = ((label, getattr(described, name, None)) for name, label in labels)
    return [(label, value) for label, value in told if value]


def _remark(event: Event, names: Names) -> Remark:
    predicate = event.statement.predicate
    says, tone = gist(event.statement)
    reason, replacement = "", None
    figures: list[tuple[str, Any, str, bool]] = []
    match predicate:
        case Quality():
            for name, metric in predicate.metrics.items():
                wanted = predicate.criteria.get(name, "")
                met = not wanted or judge({name: metric}, {name: wanted})
                figures.append((name, metric, wanted, met))
        case Review():
            reason = predicate.reason or ""
        case Supersede():
            reason = predicate.reason
            if (by := predicate.replacement) is not None:
                replacement = (by.name, by.artifact.hex())
    return Remark(
        index=event.index,
        kind=event.statement.kind,
        says=says,
        tone=tone,
        reason=reason,
        replacement=replacement,
        figures=tuple(figures),
        signers=signers_of(event.signers, names),
        revoked=bool(event.revoked),
        issued=predicate.issued,
    )
