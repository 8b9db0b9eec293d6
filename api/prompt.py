"""Handlers that do not wait: what is in memory is answered at once, all else in a thread.

To hand work to a thread and to take its answer back costs more than most answers do: a fifth of a
millisecond, several times over where each dependency of a route is handed over by itself. So what
is short is tried at once, and what would have to wait (`provenance.log.blocking`) goes to a thread
as a whole. Nor is FastAPI asked to solve what the busiest routes depend on, which takes as long as
the answer: `PromptRoute` calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, ParamSpec, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from api.turns import turns_of
from provenance.log.blocking import WouldBlockError, nonblocking

__all__ = ["SHORT", "PromptRoute", "costly", "promptly"]

SHORT: Final = 1 << 15
"""Bytes of a request that is read in no time."""

P = ParamSpec("P")
T = TypeVar("T")


async def promptly(ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `ask` returns: from memory at once, or from a thread."""
    with suppress(WouldBlockError), nonblocking():
        return ask(*args, **kwargs)
    return await run_in_threadpool(ask, *args, **kwargs)


async def costly(request: Request, ask: Callable[[], T], *, is_short: bool) -> T:
    """Return what `ask` returns: where it is short and in memory at once, or from a thread.

    Raises:
        BusyError: it needs a thread, and too many wait for one.
    """
    if is_short:
        with suppress(WouldBlockError), nonblocking():
            return ask()
    async with turns_of(request).turn():
        return await run_in_threadpool(ask)


class PromptRoute(APIRoute):
    """A route whose dependencies are called one after the other, each with the request alone.

    Its path has parameters of text, and it takes nothing else: no query, header or body but what a
    dependency reads. Its handler is async, takes the request, and returns the `Response` itself.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        needed = self.dependant
        others = (needed.query_params, needed.header_params, needed.cookie_params)
        if any(others) or self.body_field or any(each.dependencies for each in needed.dependencies):
            raise TypeError(f"{self.path} takes more than a request and its path")
        dependencies = [(each.name, each.call) for each in needed.dependencies if each.call]
        handler = self.endpoint

        async def answer(request: Request) -> Response:
            values = dict(request.path_params)
            for name, call in dependencies:
                value = await call(request)
                if name is not None:
                    values[name] = value
            response: Response = await handler(request, **values)
            return response

        return answer
