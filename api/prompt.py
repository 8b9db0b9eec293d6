"""Handlers that do not wait: what is in memory is answered at once, all else in a thread.

To hand work to a thread and to take its answer back costs more than most answers do: a fifth of a
millisecond, several times over where each dependency of a route is handed over by itself. So what
is short is tried at once, and what would have to wait (`provenance.log.blocking`) goes to a thread
as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, ParamSpec, TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.turns import turns_of
from provenance.log.blocking import WouldBlockError, nonblocking

__all__ = ["SHORT", "costly", "promptly"]

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
