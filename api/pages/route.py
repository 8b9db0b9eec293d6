"""Routes that answer with pages, also where they cannot answer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from api.answers.parts import HEX
from api.errors import (
    HEADERS,
    NOT_FOUND,
    TABLE,
    LimitedError,
    UnauthorizedError,
    answer_http,
    told_in_log,
)
from api.pages.rendering import here, page, rooted
from provenance.errors import MalformedError, ProvenanceError
from provenance.forms import MAX_INTEGER

__all__ = ["Below", "Digest", "PageRoute", "show_what_is_missing"]

Digest = Annotated[str, Path(pattern=HEX)]
"""Of an artifact, in an address."""

Below = Annotated[int | None, Query(ge=0, le=MAX_INTEGER)]
"""The page begins with what is just below this number."""

_MALFORMED: Final = TABLE[MalformedError]


class PageRoute(APIRoute):
    """A route whose errors are pages, and to which one signs in instead of being refused."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with what becomes of its errors."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except UnauthorizedError:
                wanted = quote(here(request), safe="/")
                return RedirectResponse(rooted(request, f"/signin?next={wanted}"), 303)
            except RequestValidationError:
                return page(
                    request,
                    "problem",
                    status_code=_MALFORMED.status,
                    title=_MALFORMED.title,
                    detail="this address is not one that the pages link to",
                )
            except ProvenanceError as error:
                problem = told_in_log(request, error)
                headers = dict(HEADERS.get(problem.status, {}))
                if isinstance(error, LimitedError):
                    headers["Retry-After"] = str(error.seconds)
                return page(
                    request,
                    "problem",
                    status_code=problem.status,
                    headers=headers,
                    title=problem.title,
                    detail=str(error) if problem.is_told else "",
                )

        return answer


def show_what_is_missing(app: FastAPI) -> None:
    """Answer whoever reads pages with a page, where nothing is served."""

    async def answer(request: Request, error: Any) -> Response:
        accepted = request.headers.get("accept", "")
        if error.status_code == NOT_FOUND.status and "text/html" in accepted:
            return page(
                request,
                "problem",
                status_code=NOT_FOUND.status,
                title=NOT_FOUND.title,
                detail="",
            )
        return await answer_http(request, error)

    app.add_exception_handler(HTTPException, answer)
