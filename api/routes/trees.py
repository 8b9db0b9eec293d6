"""Uploads of leaf hashes, by tus 1.0.0 (https://tus.io/protocols/resumable-upload).

::

    POST  /v1/trees       Upload-Length: 320, Upload-Metadata: artifact eyJlb…   → 201, Location
    PATCH /v1/trees/{id}  Upload-Offset: 0, 320 bytes                            → 204
    HEAD  /v1/trees/{id}                                                         → Upload-Offset

The metadata ``artifact`` is the JSON of root, size and encoding. The server computes the root anew
from what it is sent. Any tus client can send it, and go on where it broke off; extension: creation.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

from anyio import CancelScope
from fastapi import APIRouter, Depends, Header, Path, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.access import MaySubmit, Submitter, limits_of
from api.answers.entries import UploadAnswer
from api.bodies import BODY_SECONDS, linger, media_type
from api.deps import Served
from api.errors import (
    BodyTooSlowError,
    MediaTypeError,
    TusVersionError,
    responses,
)
from api.turns import Turn, turns_of
from provenance import forms
from provenance.errors import InputError, LedgerError, MalformedError
from provenance.ledger.uploads import Appending, NoUploadError, OffsetError, Upload
from provenance.records import Artifact

TUS = "1.0.0"
TUS_HEADERS = {"Tus-Resumable": TUS}
MAX_METADATA = 1 << 14
BLOCK = 1 << 20
"""Bytes that are written at a time."""

STRETCH_SECONDS = 600
"""Within which one request must have come."""


def tus_version(
    tus_resumable: Annotated[str, Header(description="The version of tus.", examples=[TUS])] = "",
) -> None:
    """Check that the client speaks this version.

    Raises:
        TusVersionError: another, or none.
    """
    if tus_resumable != TUS:
        raise TusVersionError(f"send Tus-Resumable: {TUS}, the version that is spoken here")


router = APIRouter(
    prefix="/v1/trees",
    tags=["submitting"],
    dependencies=[MaySubmit, Depends(tus_version)],
)

discovery = APIRouter(prefix="/v1/trees", tags=["submitting"])
"""Open to everybody: which protocol it is, tus lets every client ask."""

HEADERS_OF_UPLOAD: dict[str, Any] = {
    "Upload-Offset": {"description": "Bytes that are there.", "schema": {"type": "integer"}},
    "Tus-Resumable": {"description": "The version of tus.", "schema": {"type": "string"}},
}
CREATED: dict[int | str, dict[str, Any]] = {
    201: {
        "description": "Begun, or begun before by the same token",
        "headers": {
            "Location": {"description": "Of the upload.", "schema": {"type": "string"}},
            **HEADERS_OF_UPLOAD,
        },
    }
}
DISCOVERED = responses(guarded=False) | {
    204: {
        "description": "What is spoken here",
        "headers": {
            name: {"description": "As tus has it.", "schema": {"type": "string"}}
            for name in ("Tus-Version", "Tus-Extension", "Tus-Resumable")
        },
    }
}
APPENDED: dict[int | str, dict[str, Any]] = {
    204: {"description": "Kept; with the last byte the tree is", "headers": HEADERS_OF_UPLOAD}
}


@discovery.options("", status_code=204, response_class=Response, responses=DISCOVERED)
def show_tus() -> Response:
    """Say which tus is spoken."""
    return Response(
        status_code=204, headers={"Tus-Version": TUS, "Tus-Extension": "creation", **TUS_HEADERS}
    )


@router.post(
    "",
    status_code=201,
    response_class=Response,
    responses=responses(TusVersionError, MalformedError, InputError, OffsetError) | CREATED,
)
def begin_upload(
    ledger: Served,
    token: Submitter,
    _: Turn,
    upload_length: Annotated[
        str, Header(description="Bytes in all: 32 for each record.", examples=["320"])
    ] = "",
    upload_metadata: Annotated[
        str,
        Header(
            description="`artifact`, a space, and the base64 of the JSON of root, size, encoding.",
            examples=["artifact eyJlbmNvZGluZyI6eyJlbmNvZGluZyI6Impzb24ifSwicm9vdCI6Ii4uLiJ9"],
        ),
    ] = "",
) -> Response:
    """Begin to send the leaf hashes of an artifact; or learn how far they are."""
    artifact = claimed_artifact(upload_metadata)
    if upload_length != str(artifact.size * 32):
        raise MalformedError(
            f"Upload-Length is 32 bytes a record, so {artifact.size * 32}, not {upload_length[:30]}"
        )
    upload = ledger.uploads.begin(artifact, token.id)
    return Response(status_code=201, headers={"Location": f"trees/{upload.id}", **_told(upload)})


@router.get(
    "/{upload}", responses=responses(TusVersionError, NoUploadError, InputError, OffsetError)
)
def show_upload(
    ledger: Served,
    token: Submitter,
    response: Response,
    upload: Annotated[str, Path(description="Its id.", examples=["5f" * 16])],
    _: Turn,
) -> UploadAnswer:
    """Say how far an upload is; to HEAD by headers alone."""
    found = ledger.uploads.find(upload, token.id)
    response.headers.update(_told(found))
    return UploadAnswer(offset=found.offset, length=found.length)


@router.patch(
    "/{upload}",
    status_code=204,
    response_class=Response,
    responses=responses(
        TusVersionError,
        NoUploadError,
        OffsetError,
        MediaTypeError,
        MalformedError,
        InputError,
        BodyTooSlowError,
    )
    | APPENDED,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/offset+octet-stream": {
                    "schema": {"type": "string", "format": "binary"}
                }
            },
        }
    },
)
async def append_to_upload(
    request: Request,
    ledger: Served,
    token: Submitter,
    upload: Annotated[str, Path(description="Its id.", examples=["5f" * 16])],
    upload_offset: Annotated[
        str, Header(description="Where the upload stands.", examples=["0"])
    ] = "",
) -> Response:
    """Send what comes next. What arrives is kept, should the rest of it not."""
    if (
        media_type(request) != "application/offset+octet-stream"
        or "content-encoding" in request.headers
    ):
        raise MediaTypeError("send application/offset+octet-stream, uncompressed")
    if not re.fullmatch("0|[1-9][0-9]{0,18}", upload_offset, re.ASCII):
        raise MalformedError("Upload-Offset is a whole number of bytes")
    limits = limits_of(request)
    begin = partial(ledger.uploads.append, upload, token.id, int(upload_offset))
    try:
        limits.take(token.id, "upload_bytes", 0)
        appending = await run_in_threadpool(begin)
    except InputError:
        await linger(request)
        raise
    try:
        await _take_in(request, appending)
    except BaseException:
        with CancelScope(shield=True), suppress(LedgerError):  # the first error is told
            await run_in_threadpool(appending.close)
        raise
    finally:
        limits.charge(token.id, "upload_bytes", appending.offset - int(upload_offset))
    offset = await run_in_threadpool(appending.close)
    async with turns_of(request).turn():  # with all there, the tree is
        await run_in_threadpool(ledger.uploads.find, upload, token.id)
    return Response(status_code=204, headers={"Upload-Offset": str(offset), **TUS_HEADERS})


async def _take_in(request: Request, appending: Appending) -> None:
    """Write a body as it comes, for as long as it comes.

    Raises:
        BodyTooSlowError: nothing of it comes for a while.
    """
    pieces, block = request.stream(), bytearray()
    until = asyncio.get_running_loop().time() + STRETCH_SECONDS
    try:
        while True:
            now = asyncio.get_running_loop().time()
            async with asyncio.timeout_at(min(now + BODY_SECONDS, until)):
                piece = await anext(pieces, None)
            block += piece or b""
            if piece is None or len(block) >= BLOCK:
                await run_in_threadpool(appending.write, bytes(block))
                block.clear()
            if piece is None:
                return
    except TimeoutError:
        await run_in_threadpool(appending.write, bytes(block))
        raise BodyTooSlowError(
            f"nothing came for {BODY_SECONDS} seconds, or not all of it in {STRETCH_SECONDS}: ask "
            "how far the upload is, and go on"
        ) from None
    except ClientDisconnect:
        await run_in_threadpool(appending.write, bytes(block))
        raise


def claimed_artifact(metadata: str) -> Artifact:
    """Read the member ``artifact`` of ``Upload-Metadata``; clients add others of their own.

    Raises:
        MalformedError: there is none, or not the JSON of an artifact.
    """
    members = dict(member.strip().partition(" ")[::2] for member in metadata.split(","))
    if "artifact" not in members or len(metadata) > MAX_METADATA:
        raise MalformedError("Upload-Metadata has `artifact`, a space and base64")
    encoded = members["artifact"]
    data = forms.decode_base64(encoded, "Upload-Metadata")
    return forms.decode(Artifact, forms.parse(data, what="artifact", cap=MAX_METADATA), "artifact")


def _told(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.length),
        **TUS_HEADERS,
    }
