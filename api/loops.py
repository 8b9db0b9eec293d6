"""The event loop of the service: uvloop's where it is installed, and all who come are let in.

libuv lets in one connection in each round (since 1.45), as suits a loop with short ones. Here a
round answers all that had come; so whoever had no connection yet waited hundreds of rounds, behind
requests that came long after theirs. asyncio's own loop does not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from socket import socket
from typing import Any, Final

__all__ = ["new_loop"]

AT_ONCE: Final = 256
"""Connections that are let in by one round: another process may have time for the next ones."""

REST: Final = 1.0
"""Seconds for which nobody is let in where that failed, as in asyncio: too many files are open."""

_log = logging.getLogger("api")


class _Guest(asyncio.Protocol):
    """What uvicorn makes for a connection."""

    def shutdown(self) -> None:
        """Finish what is being answered, if anything is, and close."""


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop that lets in all who come."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()

    class Loop(uvloop.Loop):
        async def create_server(  # type: ignore[override]
            self, protocol_factory: Callable[[], _Guest], *, sock: socket, **_: Any
        ) -> _Door:
            return _Door(self, protocol_factory, sock)

    return Loop()


class _Door:
    """Lets in who comes to a listening socket: of `asyncio.Server` what uvicorn needs."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol_factory: Callable[[], _Guest],
        listener: socket,
    ) -> None:
        self._loop = loop
        self._protocol_factory = protocol_factory
        self._listener = listener
        self._entering: set[asyncio.Task[Any]] = set()
        self._is_closed = False
        listener.setblocking(False)
        self._open()

    def _open(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self._listener, self._let_in)

    def _let_in(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.error("nobody is let in for %g s: %s", REST, error.strerror)
                self._loop.remove_reader(self._listener)
                self._loop.call_later(REST, self._open)
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._enter(connection))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)

    async def _enter(self, connection: socket) -> None:
        with suppress(OSError):  # who is gone already
            _, guest = await self._loop.connect_accepted_socket(self._protocol_factory, connection)
            if self._is_closed:
                guest.shutdown()

    def close(self) -> None:
        """Let in nobody any more; who is on the way in may not stay. The socket is its owner's."""
        self._is_closed = True
        self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Wait for nothing: who was let in has a connection of their own."""
