"""The proof of one record as a ladder: from its leaf up to a block, every hash in sight."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.access import MayRead
from api.answers.parts import HEX
from api.deps import OwnPolicy, Served, find, servers_fault
from api.pages.rendering import page, rooted
from api.pages.route import Digest, PageRoute
from api.pages.rows import names_of, said_of, signers_of
from api.turns import Turn
from api.uses import record_use
from provenance.anchoring import Anchor
from provenance.errors import InputError
from provenance.forms import MAX_INTEGER
from provenance.log import Checkpoint, Entry
from provenance.signing import Envelope

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, dependencies=[MayRead])


@router.get("/artifacts/{digest}/records")
def find_record(
    request: Request,
    ledger: Served,
    digest: Digest,
    _: Turn,
    n: Annotated[int | None, Query(ge=0, le=MAX_INTEGER)] = None,
    leaf: Annotated[str | None, Query(pattern=HEX)] = None,
) -> Response:
    """Lead to the proof of a record that is named by its number or its leaf hash."""
    if (n is None) == (leaf is None):
        raise InputError("name a record by its number, or by its leaf hash")
    if leaf is not None:
        (n,) = ledger.prove(find(ledger, digest), leaf_hash=bytes.fromhex(leaf)).indices
    return RedirectResponse(rooted(request, f"/artifacts/{digest}/records/{n}"), 303)


@router.get("/artifacts/{digest}/records/{number}")
def show_proof(
    request: Request,
    ledger: Served,
    policy: OwnPolicy,
    digest: Digest,
    number: Annotated[int, Path(ge=0, le=MAX_INTEGER)],
    _: Turn,
) -> Response:
    """Show the proof of a record, for the browser to check."""
    artifact = find(ledger, digest)
    with servers_fault():
        ledger.checkpoint()
    made = ledger.prove(artifact, index=number)
    bundle = made.bundle
    record_use(ledger, "prove", artifact.digest, made.indices)
    entry = Entry.parse(bundle.statement.entry)
    pins = {(pin.chain_id, pin.contract, pin.ledger_id): pin for pin in policy.chains}
    blocks = {(a.chain, a.size): a for a in ledger.dating(bundle.statement.index)}
    return page(
        request,
        "proof",
        asks_nodes=True,
        artifact=artifact,
        said=said_of(ledger, artifact),
        number=number,
        equal=made.equal,
        leaf_hash=made.leaf_hashes[0].hex(),
        path_up=[each.hex() for each in bundle.records[0].path],
        entry=entry,
        index=bundle.statement.index,
        log_path=[each.hex() for each in bundle.statement.path],
        by=signers_of(
            (s.keyid for s in Envelope.parse(bundle.statement.envelope).signatures),
            names_of(policy),
        ),
        checkpoint=Checkpoint.of_note(bundle.checkpoint),
        anchors=[
            (
                each.anchor,
                [one.hex() for one in each.consistency],
                pin,
                pin and blocks.get((pin.name, each.anchor.size)),
            )
            for each in bundle.anchors
            for pin in (pins.get(_place(each.anchor)),)
        ],
        fingerprint=policy.fingerprint,
    )


def _place(anchor: Anchor) -> tuple[int, str, bytes]:
    return anchor.chain_id, anchor.contract, anchor.ledger_id
