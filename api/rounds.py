"""How much one round of the event loop begins: the rest of what had come is refused at once.

What is answered in the loop itself (`api.prompt`) takes no turn (`api.turns`). Where there is more
of it than can be done, it would wait unseen, in sockets, for the loop to come round, and the longer
the more there is. So a round begins requests for so long, and refuses those that it has not come to
by then (503, ``Retry-After``): nobody waits for more than two rounds. A few are begun whatever the
clock says: a machine that is busy with other things is no reason to refuse those who are alone.

A round is what the loop runs between two looks at its sockets. Whoever asks meanwhile is begun in
the next one. To refuse must cost little, or there is no time left to answer: so it is done before
anything is looked up, even whose token it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.bodies import linger
from api.errors import BusyError, response_of

__all__ = ["InRounds", "Rounds"]

WELL = ("/healthz", "/readyz")
"""Paths that ask whether the server is well: never refused."""


class Rounds:
    """For how long a round begins requests, in one process.

    Args:
        most: seconds, from the first of them.
        least: requests that a round begins however long they take.
        clock: in seconds.
    """

    def __init__(
        self, most: float = 0.25, least: int = 32, clock: Callable[[], float] = monotonic
    ) -> None:
        self._most = most
        self._least = least
        self._clock = clock
        self._begins = 0
        self._begun: float | None = None

    def has_time(self) -> bool:
        """Say whether the round that is running can begin one more request."""
        now = self._clock()
        if self._begun is None:
            self._begun, self._begins = now, 0
            asyncio.get_running_loop().call_soon(self._end)  # the first thing in the next one
        if self._begins >= self._least and now - self._begun > self._most:
            return False
        self._begins += 1
        return True

    def _end(self) -> None:
        self._begun = None


class InRounds:
    """Part of the service: refuses what a round has no time to begin."""

    def __init__(self, app: ASGIApp, rounds: Rounds) -> None:
        self._app = app
        self._rounds = rounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"].endswith(WELL) or self._rounds.has_time():
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        await linger(request)  # else the connection must be closed, and another one made
        await response_of(request, BusyError())(scope, receive, send)
