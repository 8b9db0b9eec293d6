"""How much is done at a time: more than can be is refused at once, so that what is done gets done.

A server that takes in everything answers nobody in time once more is asked of it than it can do:
each waits for all. So costly work (proofs of records, verifications, trees of uploads, submissions)
is done by a few at a time while a few wait, briefly; and nothing that needs a thread is begun while
very many wait for one. The rest is told to ask again (503, ``Retry-After``), which costs next to
nothing: and at once, where what came before would have taken too long. What only asks whether the
server is well is never refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Annotated, Final

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, Request

from api.errors import BusyError
from api.rounds import Rounds

__all__ = ["MOST_QUEUED", "Turn", "Turns", "check_queue", "turns_of"]

MOST_QUEUED: Final = 200
"""Requests that may wait for a thread."""

REMEMBERED: Final = 16
"""Turns by which it is told how long one lasts: of older ones little is left in the average."""


class Turns:
    """Who does costly work, in one process.

    Args:
        most: how many at a time; fewer than there are threads, so that the rest is answered.
        waiting: how many may wait for it.
        patience: seconds for which each does.
        clock: in seconds.

    Attributes:
        rounds: of the event loop.
    """

    def __init__(
        self,
        most: int = 8,
        waiting: int = 64,
        patience: float = 1.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.rounds = Rounds()
        self._most = most
        self._free = asyncio.Semaphore(most)
        self._waiting = 0
        self._room = waiting
        self._patience = patience
        self._clock = clock
        self._lasts = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Have one's turn.

        Raises:
            BusyError: too many wait, or it does not come in time, or will not.
        """
        if self._free.locked() and (
            self._waiting == self._room or self._waiting * self._lasts / self._most > self._patience
        ):
            raise BusyError
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise BusyError from None
        finally:
            self._waiting -= 1
        begun = self._clock()
        try:
            yield
        finally:
            self._lasts += (self._clock() - begun - self._lasts) / REMEMBERED
            self._free.release()


def turns_of(request: Request) -> Turns:
    """Return who does costly work in this process."""
    turns: Turns = request.app.state.turns
    return turns


async def _turn(request: Request) -> AsyncIterator[None]:
    async with turns_of(request).turn():
        yield


Turn = Annotated[None, Depends(_turn, scope="function")]
"""The last parameter of a costly route: its turn begins once the body is there, and ends before the
answer is sent, so that nobody who is slow keeps it."""


def check_queue() -> None:
    """Check that not too many wait for a thread.

    Raises:
        BusyError: they do.
    """
    threads = current_default_thread_limiter()
    if threads.available_tokens <= 0 and threads.statistics().tasks_waiting >= MOST_QUEUED:
        raise BusyError
