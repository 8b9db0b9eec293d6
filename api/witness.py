"""The service of a witness (C2SP tlog-witness), without a line more than the standard has.

It answers 200 with the witness's signature line; 409 with the size of the checkpoint cosigned last,
as ``text/x.tlog.size``, where the log meant another; and every other refusal, 409 for another root
included, as a problem in the one shape of `api.errors`. Monitors read what was cosigned last at
``/<SHA-256 of the origin, hex>/checkpoint``.
"""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response

from api.bodies import read_body
from api.errors import NOT_FOUND, Problem, add_handlers
from api.guard import Guard
from api.logs import Logged
from provenance.witness import RefusedError, Witness
from provenance.witness.request import MAX_REQUEST, SIZE_TYPE, format_size

__all__ = ["PROBLEMS", "create_witness_app"]

PROBLEMS = {
    400: Problem(400, "malformed-checkpoint", "Not a checkpoint to cosign"),
    403: Problem(403, "unsigned-checkpoint", "Not signed by a key that is trusted for this log"),
    404: Problem(404, "unknown-log", "This log is not watched here"),
    409: Problem(409, "another-root", "Another root was cosigned at this size"),
    422: Problem(422, "inconsistent", "The consistency proof does not hold"),
}
"""Status → how a refusal is answered."""

_log = logging.getLogger("api")


async def _body(request: Request) -> bytes:
    return await read_body(request, MAX_REQUEST)


def create_witness_app(witness: Witness) -> FastAPI:
    """Return the service of one witness: its submission prefix and its monitoring prefix are one.

    Args:
        witness: stays the caller's: open as long as the service runs, closed by the caller.

    Raises:
        InputError: its key cannot be read.
    """
    _ = witness.key
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    @app.post("/add-checkpoint")
    def add_checkpoint(body: Annotated[bytes, Depends(_body)]) -> Response:
        """Record a checkpoint and cosign it."""
        try:
            return _text(witness.add_checkpoint(body))
        except RefusedError as error:
            if error.size is not None:
                # Set by hand: Starlette would add a charset, and clients compare it as a whole.
                told = Response(format_size(error.size), status_code=409)
                told.headers["Content-Type"] = SIZE_TYPE
                return told
            if error.status == 409:
                _log.warning("two histories of one log: %s; `witness show` has both", error)
            elif error.status == 422:  # of its parts the proof is unsigned: no evidence
                _log.warning("refused with 422: %s", error)
            return PROBLEMS[error.status].response(str(error))

    @app.get("/{origin_hash}/checkpoint")
    def show_checkpoint(origin_hash: str) -> Response:
        """Return the checkpoint cosigned last for the log whose name has this SHA-256."""
        note = witness.checkpoint(origin_hash)
        return NOT_FOUND.response() if note is None else _text(note)

    add_handlers(app)
    app.add_middleware(Guard)
    app.add_middleware(Logged)
    return app


def _text(data: bytes) -> Response:
    return Response(data, media_type="text/plain", headers={"Cache-Control": "no-cache"})
