"""Errors as RFC 9457 problem details: one table, one shape.

::

    HTTP/1.1 404 Not Found
    Content-Type: application/problem+json

    {"type": "urn:provenance-ledger:problem:unknown-artifact",
     "title": "No such artifact", "status": 404,
     "detail": "nothing is registered as 'train'",
     "instance": "urn:provenance-ledger:request:5f0e8c…"}

`docs/http.md` explains every type. What a message may say of the inside of the server (a path, a
host) goes to the server's own log; the caller gets the title alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api.logs import asked
from provenance.errors import (
    BatchError,
    ChainError,
    InputError,
    LedgerError,
    MalformedError,
    NoSuchRecordError,
    ProvenanceError,
    TreeMissingError,
    WitnessError,
)
from provenance.ledger.collecting import NotCollectingError
from provenance.ledger.uploads import NoUploadError, OffsetError

__all__ = [
    "NOT_FOUND",
    "PROBLEM_TYPE",
    "TABLE",
    "BodyTooLargeError",
    "BodyTooSlowError",
    "BusyError",
    "ForbiddenError",
    "LimitedError",
    "MediaTypeError",
    "NoCheckpointError",
    "NoSuchTileError",
    "NotAcceptableError",
    "NotReadyError",
    "NotRegisteredError",
    "Problem",
    "TusVersionError",
    "UnauthorizedError",
    "add_handlers",
    "answer_http",
    "problem_of",
    "response_of",
    "responses",
    "told_in_log",
]

PROBLEM_TYPE: Final = "application/problem+json"
INSTANCE: Final = "urn:provenance-ledger:request:"

_log = logging.getLogger("api")


class NotRegisteredError(InputError):
    """No artifact is meant by a REF, or several are."""


class NoSuchTileError(InputError):
    """The log has no such tile, or not yet."""


class NoCheckpointError(InputError):
    """The log has not signed a checkpoint yet."""


class UnauthorizedError(InputError):
    """A request without a token, or with one that does not count."""


class ForbiddenError(InputError):
    """A request with a token of a smaller scope than it needs."""


class LimitedError(InputError):
    """More is asked for than one may.

    Attributes:
        seconds: after which to ask again.
    """

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(f"{message}: ask again in {seconds} seconds")
        self.seconds = seconds


class BusyError(ProvenanceError):
    """More is asked of the server at a time than it can do."""

    def __init__(self) -> None:
        super().__init__("more is asked for than can be answered at a time: ask again")


class NotReadyError(ProvenanceError):
    """The server cannot do all that it may be asked for."""


class TusVersionError(InputError):
    """An upload by another version of tus."""


class BodyTooLargeError(InputError):
    """The body of a request is longer than is read."""


class BodyTooSlowError(InputError):
    """The body of a request takes too long to come."""


class NotAcceptableError(InputError):
    """The answer would be of no media type that the client takes."""


class MediaTypeError(InputError):
    """The body of a request is of another media type, or compressed."""


@dataclass(frozen=True)
class Problem:
    """How a class of errors is answered.

    Attributes:
        status: of HTTP.
        slug: the last part of the problem's ``type``.
        title: the same for every problem of the type.
        example: a ``detail``.
        is_told: whether the message of the error is the ``detail``.
    """

    status: int
    slug: str
    title: str
    example: str = ""
    is_told: bool = True

    @property
    def type(self) -> str:
        """The URI that names the type."""
        return f"urn:provenance-ledger:problem:{self.slug}"

    def body(self, detail: str = "") -> dict[str, Any]:
        """Return the members of the problem details."""
        members = {"type": self.type, "title": self.title, "status": self.status}
        return {**members, "detail": detail} if detail and self.is_told else members

    def response(self, detail: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
        """Return the answer, to the request that is being answered."""
        request = asked()
        instance = {} if request is None else {"instance": f"{INSTANCE}{request.id}"}
        return JSONResponse(
            {**self.body(detail), **instance},
            status_code=self.status,
            headers=headers,
            media_type=PROBLEM_TYPE,
        )


NOT_FOUND = Problem(404, "not-found", "Nothing is served here")
METHOD = Problem(405, "method", "Another method is needed here")
INTERNAL = Problem(500, "internal", "The server failed", is_told=False)

TABLE: dict[type[ProvenanceError], Problem] = {
    UnauthorizedError: Problem(
        401, "unauthorized", "A token is needed", "what was sent is no token of this ledger"
    ),
    ForbiddenError: Problem(
        403,
        "forbidden",
        "The token does not reach so far",
        "this needs the scope 'submit'; the token 4c1f09ab has 'read'",
    ),
    NotRegisteredError: Problem(
        404, "unknown-artifact", "No such artifact", "nothing is registered as 'trian'"
    ),
    NoSuchRecordError: Problem(
        404, "unknown-record", "No such record", "'train' has no record 7000: it has 4821"
    ),
    NoSuchTileError: Problem(
        404, "unknown-tile", "No such tile", "there is no tile/0/001 in a log of 42 entries"
    ),
    NoCheckpointError: Problem(
        404, "no-checkpoint", "No checkpoint yet", "no checkpoint was signed yet"
    ),
    NotCollectingError: Problem(
        404,
        "no-lineage",
        "No lineage is taken here",
        "this ledger takes no lineage: [service.lineage] in its config.toml would say so",
    ),
    NoUploadError: Problem(404, "unknown-upload", "No such upload", "there is no upload '5f5f'"),
    TreeMissingError: Problem(
        409,
        "tree-missing",
        "The leaf hashes must come first",
        "the leaf hashes of 'train', 6a3149e8…, are not here: send them first",
    ),
    OffsetError: Problem(
        409, "offset", "The upload stands elsewhere", "the upload stands at 320, not at 0"
    ),
    TusVersionError: Problem(
        412, "tus-version", "Another version of tus", "send Tus-Resumable: 1.0.0"
    ),
    NotAcceptableError: Problem(
        406, "not-acceptable", "Not to be had in such a form", "this is answered as text/plain"
    ),
    BodyTooSlowError: Problem(
        408, "too-slow", "The body came too slowly", "a body must come within 30 seconds"
    ),
    BodyTooLargeError: Problem(
        413, "too-large", "The body is too large", "at most 1,048,576 bytes are read here"
    ),
    MediaTypeError: Problem(
        415, "media-type", "Another media type is needed", "send application/json, uncompressed"
    ),
    MalformedError: Problem(
        422, "malformed", "Not of the form it should have", "the request lacks the field 'bundle'"
    ),
    InputError: Problem(
        422, "unusable", "Cannot be used", "the record is not an object but a number"
    ),
    LimitedError: Problem(
        429,
        "limited",
        "Too much was asked for",
        "at most 600 requests a minute are taken from one token, or one address without: ask again "
        "in 3 seconds",
    ),
    NotReadyError: Problem(
        503, "not-ready", "Not ready", "the key that signs checkpoints cannot be opened"
    ),
    BusyError: Problem(503, "busy", "The server has too much to do", str(BusyError())),
    LedgerError: Problem(503, "ledger-unavailable", "The ledger cannot be read now", is_told=False),
    WitnessError: Problem(
        503, "witness-unavailable", "The witness cannot answer now", is_told=False
    ),
    ChainError: Problem(502, "chain", "A chain gave no usable answer", is_told=False),
    ProvenanceError: INTERNAL,
}
"""Class of error → how it is answered; the nearest base class counts."""


HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": 'Bearer realm="provenance"'},
    412: {"Tus-Version": "1.0.0"},
    503: {"Retry-After": "5"},
}
"""Sent with every problem of a status."""


def problem_of(kind: type[BaseException]) -> Problem:
    """Return how an error of this class is answered."""
    return next((TABLE[base] for base in kind.__mro__ if base in TABLE), INTERNAL)


def add_handlers(app: FastAPI) -> None:
    """Answer every error of `app` in the one shape."""
    app.add_exception_handler(ProvenanceError, _answer_provenance)
    app.add_exception_handler(HTTPException, answer_http)
    app.add_exception_handler(RequestValidationError, _answer_validation)


async def _answer_provenance(request: Request, error: Exception) -> JSONResponse:
    return response_of(request, error)


def response_of(request: Request, error: Exception) -> JSONResponse:
    """Return how an error of a request is answered."""
    problem = told_in_log(request, error)
    headers = dict(HEADERS.get(problem.status, {}))
    if isinstance(error, LimitedError):
        headers["Retry-After"] = str(error.seconds)
    if "/v1/trees" in request.url.path:
        headers["Tus-Resumable"] = "1.0.0"  # as tus wants of every answer
    return problem.response(str(error), headers)


def told_in_log(request: Request, error: Exception) -> Problem:
    """Return how an error is answered; what the caller is not told goes to the server's log."""
    problem = problem_of(type(error.reason if isinstance(error, BatchError) else error))
    if not problem.is_told:
        _log.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return problem


async def answer_http(request: Request, error: Any) -> JSONResponse:
    """Return how an error is answered that routing found."""
    problem = {404: NOT_FOUND, 405: METHOD}.get(error.status_code, INTERNAL)
    return problem.response("", dict(error.headers or {}))


async def _answer_validation(request: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:])
    return TABLE[MalformedError].response(f"{name}: {first['msg']}")


def responses(
    *kinds: type[ProvenanceError], guarded: bool = True
) -> dict[int | str, dict[str, Any]]:
    """Return how these errors stand in OpenAPI, beside those that any request can meet.

    Those of a token too, unless the route is not `guarded` by one.
    """
    access = (UnauthorizedError, ForbiddenError, LimitedError, BusyError) if guarded else ()
    problems = [TABLE[kind] for kind in (*access, *kinds, LedgerError)] + [INTERNAL]
    documented: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        stands = documented.setdefault(
            problem.status,
            {
                "description": problem.title,
                "content": {
                    PROBLEM_TYPE: {
                        "schema": {"$ref": "#/components/schemas/Problem"},
                        "examples": {},
                    }
                },
            },
        )
        examples = stands["content"][PROBLEM_TYPE]["examples"]
        examples[problem.slug] = {"value": problem.body(problem.example)}
        if len(examples) > 1:
            titles = (p.title for p in problems if p.status == problem.status)
            stands["description"] = " · ".join(dict.fromkeys(titles))
    return documented
