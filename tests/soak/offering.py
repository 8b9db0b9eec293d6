"""Requests at an even pace, whatever comes of them: an open loop, as the world outside is one.

A client that waits for its answer before it asks again slows down with the server, and its slow
answers hide those that were never asked for ("coordinated omission"). Here each request has its
moment, and the time of its answer counts from then: whoever finds no connection free opens another.
"""

from __future__ import annotations

import asyncio
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

PROOFS, VERDICTS, ENTRIES = "/v1/artifacts/train/proofs", "/v1/verify", "/v1/entries"
MOST = 8000  # connections; who would need more has nobody to ask
IDLE = 2.0  # seconds after which a connection is not used again: the server ends it after five


@dataclass
class Offer:
    """Requests at an even pace, whatever comes of them.

    Attributes:
        late: by how many seconds each was asked for too late.
        took: status → seconds of each answer, from when it was to be asked for.
        acknowledged: envelopes of which the server said that they are logged.
        proven: numbers of the proofs that were answered.
    """

    port: int
    token: str
    rate: float
    requests: Sequence[tuple[str, bytes]]
    every_second: Callable[[], None]
    late: list[float] = field(default_factory=list)
    took: dict[int, list[float]] = field(default_factory=dict)
    acknowledged: list[bytes] = field(default_factory=list)
    proven: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._free: deque[Line] = deque()
        self._open = 0
        self._left = len(self.requests)
        self._done = asyncio.Event()

    async def make(self) -> None:
        """Ask for everything; return when all was answered."""
        loop = asyncio.get_running_loop()
        begun, seconds, opening = loop.time(), 0, set()
        for number in range(len(self.requests)):
            at = begun + number / self.rate
            while (early := at - loop.time()) > 0:
                await asyncio.sleep(early)
            if number % 50 == 0:
                await asyncio.sleep(0)  # too late: the answers are looked at all the same
            self.late.append(loop.time() - at)
            if loop.time() - begun > seconds:
                seconds += 1
                self.every_second()
            if line := self._fresh():
                line.ask(number, at)
            else:
                task = loop.create_task(self._ask_anew(number, at))
                opening.add(task)
                task.add_done_callback(opening.discard)
        await asyncio.wait_for(self._done.wait(), 120)
        while self._free:
            self._free.pop().close()

    def _fresh(self) -> Line | None:
        """Return a free connection, that which was used last; end those that nobody needs."""
        oldest = asyncio.get_running_loop().time() - IDLE
        while self._free and self._free[0].free_since < oldest:
            self._end(self._free.popleft())
        return self._free.pop() if self._free else None

    def _end(self, line: Line) -> None:
        self._open -= 1
        line.close()

    async def _ask_anew(self, number: int, at: float) -> None:
        self._open += 1
        assert self._open <= MOST, "the answers are too slow to ask for more"
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(lambda: Line(self), "127.0.0.1", self.port)
        line.ask(number, at)

    def request(self, number: int) -> bytes:
        """Return what is sent."""
        path, body = self.requests[number]
        return (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nX-Request-Id: {number}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def answered(self, line: Line, number: int, seconds: float, head: str) -> None:
        """Take in an answer; the connection is free again."""
        status = int(head.split(" ", 2)[1])
        assert status in (200, 429, 503), f"{self.requests[number][0]} is answered {head}"
        if status != 200:
            assert "\r\nretry-after: " in head, head
        elif self.requests[number][0] == ENTRIES:
            self.acknowledged.append(self.requests[number][1])
        elif self.requests[number][0] == PROOFS:
            self.proven.append(number)
        self.took.setdefault(status, []).append(seconds)
        if "\r\nconnection: close" in head:
            self._end(line)
        else:
            line.free_since = asyncio.get_running_loop().time()
            self._free.append(line)
        self._left -= 1
        if not self._left:
            self._done.set()

    def lost(self, line: Line, number: int | None) -> None:
        """Take in that the server ended a connection, which it may where nothing was asked."""
        assert number is None, f"request {number} was not answered"
        self._open -= 1
        with suppress(ValueError):
            self._free.remove(line)

    def told(self) -> dict[str, Any]:
        """Return what came of it."""
        refused = [*self.took.get(429, ()), *self.took.get(503, ())]
        good = self.took.get(200, [])
        return {
            "answered": len(good),
            "answered after, ms, median and 99 %": percentiles(good),
            "refused": len(refused),
            "refused after, ms, median and 99 %": percentiles(refused),
        }


class Line(asyncio.Protocol):
    """A connection, which asks for one thing at a time."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._asked: tuple[int, float] | None = None
        self._came = b""
        self._closed = False
        self.free_since = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, number: int, at: float) -> None:
        self._asked, self._came = (number, at), b""
        self._transport.write(self._offer.request(number))

    def close(self) -> None:
        self._closed = True
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, ended, body = self._came.partition(b"\r\n\r\n")
        text = head.decode("latin-1").lower()
        length = text.partition("\r\ncontent-length: ")[2].partition("\r\n")[0]
        if not ended or len(body) < int(length):
            return
        assert self._asked is not None
        number, at = self._asked
        self._asked = None
        self._offer.answered(self, number, asyncio.get_running_loop().time() - at, text)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed:
            self._offer.lost(self, self._asked and self._asked[0])


def percentiles(seconds: Sequence[float]) -> list[float] | None:
    """Return median and 99th percentile in milliseconds."""
    if len(seconds) < 2:
        return None
    cuts = statistics.quantiles(seconds, n=100)
    return [round(1000 * cuts[49], 1), round(1000 * cuts[98], 1)]
