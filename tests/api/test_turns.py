"""More than can be done at a time: refused at once, while the rest is answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx
import pytest
from anyio.to_thread import current_default_thread_limiter, run_sync
from asking import JSON, problem
from serving import serving

from api import create_app
from api.errors import BusyError
from api.turns import MOST_QUEUED, Turns, check_queue
from provenance import Ledger
from provenance.log.blocking import before_blocking

FOREVER = 3600.0


def test_so_many_at_a_time_and_so_many_wait() -> None:
    async def run() -> None:
        turns = Turns(most=2, waiting=3, patience=FOREVER)
        done, go_on = [], asyncio.Event()

        async def work(number: int) -> None:
            async with turns.turn():
                done.append(number)
                await go_on.wait()

        tasks = [asyncio.create_task(work(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert done == [0, 1]
        for _ in range(10):
            with pytest.raises(BusyError):
                async with turns.turn():
                    raise AssertionError
        go_on.set()
        await asyncio.gather(*tasks)
        assert done == [0, 1, 2, 3, 4]
        async with turns.turn(), turns.turn():  # nothing was lost on the way
            pass

    asyncio.run(run())


def test_who_waits_too_long_is_told_and_nobody_elses_turn_is_lost() -> None:
    async def run() -> None:
        turns = Turns(most=1, waiting=1, patience=0.01)
        async with turns.turn():
            for _ in range(3):
                with pytest.raises(BusyError):
                    async with turns.turn():
                        raise AssertionError
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with turns.turn():
                    raise ZeroDivisionError

    asyncio.run(run())


def test_who_would_wait_too_long_is_told_at_once() -> None:
    """Of turns that take 0.4 s, two at a time, the seventh who waits would wait for 1.2 s."""

    async def run() -> None:
        now = 0.0
        turns = Turns(most=2, waiting=64, patience=1.0, clock=lambda: now)
        for _ in range(100):
            async with turns.turn():
                now += 0.4
        go_on = asyncio.Event()

        async def work() -> None:
            async with turns.turn():
                await go_on.wait()

        tasks = [asyncio.create_task(work()) for _ in range(9)]
        await asyncio.sleep(0)
        assert [task.done() for task in tasks] == [False] * 8 + [True]
        with pytest.raises(BusyError):
            await tasks.pop()
        go_on.set()
        await asyncio.gather(*tasks)
        for _ in range(100):  # they are short again
            async with turns.turn():
                pass
        go_on.clear()
        tasks = [asyncio.create_task(work()) for _ in range(66)]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())


def test_who_goes_away_while_waiting_leaves_the_place() -> None:
    async def run() -> None:
        turns = Turns(most=1, waiting=1, patience=FOREVER)

        async def wait() -> None:
            async with turns.turn():
                pass

        async with turns.turn():
            for _ in range(3):
                waiting = asyncio.create_task(wait())
                await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
        await wait()

    asyncio.run(run())


def test_nothing_is_begun_while_very_many_wait_for_a_thread() -> None:
    async def run() -> None:
        current_default_thread_limiter().total_tokens = 1
        go_on = threading.Event()
        async with anyio.create_task_group() as group:
            for number in range(MOST_QUEUED + 1):
                check_queue()
                group.start_soon(run_sync, go_on.wait)
                await anyio.sleep(0)
                await anyio.sleep(0)
                assert number <= MOST_QUEUED
            with pytest.raises(BusyError):
                check_queue()
            go_on.set()
        check_queue()

    anyio.run(run)


@pytest.fixture
def slow(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Proofs that are not done before this is set."""
    go_on, prove = threading.Event(), ledger.prove

    def wait(*args: object, **kwargs: object) -> object:
        before_blocking()
        assert go_on.wait(30)
        return prove(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "prove", wait)
    yield go_on
    go_on.set()


def test_the_service_answers_while_proofs_take_long(ledger: Ledger, slow: threading.Event) -> None:
    app = create_app(ledger, public=True)
    app.state.turns = Turns(most=3, waiting=4, patience=FOREVER)
    path, body = "/v1/artifacts/train/proofs", '{"index":0}'
    with serving(app) as url, ThreadPoolExecutor(20) as threads:

        def ask() -> httpx.Response:
            return httpx.post(url + path, content=body, headers=JSON, timeout=60)

        asked = [threads.submit(ask) for _ in range(20)]
        refused = []
        while len(refused) < 13:  # the rest waits for us
            refused = [each for each in asked if each.done()]
        for each in refused:
            assert "ask again" in problem(each.result(), 503, "busy")
            assert each.result().headers["retry-after"] == "5"
        for other in ("/healthz", "/checkpoint", "/v1/artifacts/train"):
            assert httpx.get(url + other).status_code == 200
        slow.set()
        statuses = sorted(each.result().status_code for each in asked)
        assert statuses == [200] * 7 + [503] * 13
        assert ask().status_code == 200


def test_the_turn_ends_with_a_failure(ledger: Ledger) -> None:
    app = create_app(ledger, public=True)
    app.state.turns = Turns(most=1, waiting=0, patience=FOREVER)
    path = "/v1/artifacts/train/proofs"
    with serving(app) as url:
        for body, status in (("{", 422), ('{"index":99}', 404), ('{"index":0}', 200)) * 2:
            assert httpx.post(url + path, content=body, headers=JSON).status_code == status
