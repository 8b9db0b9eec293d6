"""Whoever comes is let in at once, however long the rounds of the event loop are."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from api import loops
from api.loops import new_loop

pytest.importorskip("uvloop")


class Full(socket.socket):
    """A listening socket for which there are no descriptors left at first."""

    asked = 0

    def accept(self) -> tuple[socket.socket, object]:
        self.asked += 1
        if self.asked == 1:
            raise OSError(errno.EMFILE, "too many files are open")
        return super().accept()


class Last(socket.socket):
    """A listening socket whose door is closed while the first who came is on the way in."""

    door: asyncio.AbstractServer

    def accept(self) -> tuple[socket.socket, object]:
        entering = super().accept()
        self.door.close()
        return entering


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as made:
        yield made


def let_in(listener: socket.socket, count: int, enough: Callable[[int, int], bool]) -> int:
    """Return after how many rounds it is enough; it is asked with them and who is in."""

    async def run() -> int:
        entered: list[asyncio.BaseTransport] = []

        class Guest(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                entered.append(transport)

            def shutdown(self) -> None:
                pass

        with ExitStack() as guests:
            for _ in range(count):
                guest = guests.enter_context(socket.socket())
                guest.setblocking(False)
                guest.connect_ex(listener.getsockname())
            door = await asyncio.get_running_loop().create_server(Guest, sock=listener)
            rounds = 0
            while not enough(rounds, len(entered)):
                rounds += 1
                await asyncio.sleep(0)
            door.close()
            await door.wait_closed()
            with socket.create_connection(listener.getsockname()):  # waits for another process
                for _ in range(20):
                    await asyncio.sleep(0)
            assert len(entered) == count
            for transport in entered:
                transport.close()
            await asyncio.sleep(0)
            return rounds

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(run())


def test_all_who_wait_are_let_in_by_a_few_rounds(listener: socket.socket) -> None:
    """uvloop by itself takes a round for each."""
    assert let_in(listener, 200, lambda _, entered: entered == 200) < 20


def test_who_is_on_the_way_in_as_the_door_closes_is_sent_away(listener: socket.socket) -> None:
    """uvicorn tells to finish whom it knows of, and does not know of them yet."""
    finished = []

    class Guest(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def shutdown(self) -> None:
            finished.append(self)
            self.transport.close()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        with Last(fileno=listener.dup().detach()) as last, socket.socket() as guest:
            last.door = await loop.create_server(Guest, sock=last)
            guest.setblocking(False)
            await loop.sock_connect(guest, listener.getsockname())
            for _ in range(20):
                await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())
    assert len(finished) == 1


def test_where_nobody_can_be_it_is_tried_again(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loops, "REST", 0.05)
    with caplog.at_level(logging.ERROR, "api"), Full(fileno=listener.dup().detach()) as full:
        let_in(full, 3, lambda _, entered: entered == 3)
    assert [record.getMessage() for record in caplog.records] == [
        "nobody is let in for 0.05 s: too many files are open"
    ]


def test_without_uvloop_it_is_the_one_of_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = new_loop()
    loop.close()
    assert isinstance(loop, asyncio.SelectorEventLoop)
