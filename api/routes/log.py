"""The log itself, as any tlog client reads it (C2SP tlog-tiles), and its anchors."""

from __future__ import annotations

import gzip
import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Response
from fastapi.responses import PlainTextResponse

from api.access import KeptBy, MayRead
from api.answers.anchors import Anchors, anchor_answer
from api.deps import OwnPolicy, Served, servers_fault
from api.errors import NoCheckpointError, NoSuchTileError, responses
from api.negotiation import NOT_MODIFIED, IfNoneMatch, tagged
from provenance.errors import InputError
from provenance.log.tiles import ENTRIES

router = APIRouter(tags=["log"], dependencies=[MayRead])

IMMUTABLE = "max-age=31536000, immutable"
BRIEF = "max-age=2"
"""For the checkpoint, which is not to be kept "beyond a few seconds"."""

CHECKPOINT_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The newest checkpoint, a C2SP signed note",
        "content": {
            "text/plain": {
                "schema": {"type": "string"},
                "example": "acme.example/ml\n42\nsF/6cJ7jM6Yl4oX0uVbnTKyGkB0y2jB0M0JfLx3aPvQ=\n\n"
                "— acme.example/ml 5uF2Qq…\n",
            }
        },
    }
}
TILE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Hashes of 32 bytes; or entries, each behind its length (u16, big-endian)",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get(
    "/checkpoint",
    response_class=PlainTextResponse,
    responses=responses(NoCheckpointError) | CHECKPOINT_RESPONSE | NOT_MODIFIED,
)
def show_checkpoint(
    ledger: Served,
    kept_by: KeptBy,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Return the newest checkpoint."""
    note = ledger.latest_checkpoint()
    if note is None:
        raise NoCheckpointError("no checkpoint was signed yet")
    headers = {"Cache-Control": f"{kept_by}, {BRIEF}"}
    return tagged(note.encode(), if_none_match, media_type="text/plain", headers=headers)


@router.get(
    "/tile/{path:path}",
    response_class=Response,
    responses=responses(NoSuchTileError) | TILE_RESPONSE | NOT_MODIFIED,
)
def show_tile(
    ledger: Served,
    path: Annotated[
        str,
        Path(
            description="`<level>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`, N in groups of three "
            "digits as in x001/x234/067.",
            examples=["0/000.p/42"],
        ),
    ],
    kept_by: KeptBy,
    accept_encoding: Annotated[str, Header(include_in_schema=False)] = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Return a tile of the tree of the newest checkpoint. What it holds never changes.

    Entries are compressed for those who take gzip; hashes cannot be.
    """
    try:
        data = ledger.tile(f"tile/{path}")
    except InputError as error:
        raise NoSuchTileError(str(error)) from error
    headers = {"Cache-Control": f"{kept_by}, {IMMUTABLE}"}
    if path.startswith(f"{ENTRIES}/"):
        headers["Vary"] = "Accept-Encoding"
        if takes_gzip(accept_encoding):
            data = gzip.compress(data, mtime=0)  # the same bytes each time
            headers["Content-Encoding"] = "gzip"
    return tagged(data, if_none_match, media_type="application/octet-stream", headers=headers)


def takes_gzip(accept_encoding: str) -> bool:
    """Say whether a client takes gzip, by its ``Accept-Encoding`` (RFC 9110, section 12.5.3)."""
    takes = {"gzip": False, "*": False}
    for coding in accept_encoding.lower().replace(" ", "").split(","):
        name, _, weight = coding.partition(";q=")
        takes[name.replace("x-gzip", "gzip")] = not re.fullmatch(r"0(\.0*)?", weight)
    return takes["gzip"] or ("gzip" not in accept_encoding.lower() and takes["*"])


@router.get("/v1/anchors", response_model_exclude_none=True, responses=responses())
def list_anchors(ledger: Served, policy: OwnPolicy) -> Anchors:
    """List every anchor of this log, the smallest tree first."""
    pins = {pin.name: pin for pin in policy.chains}
    with servers_fault():
        anchors = [anchor for anchor in ledger.anchors() if anchor.chain in pins]
    return Anchors(anchors=[anchor_answer(anchor, pins[anchor.chain]) for anchor in anchors])
