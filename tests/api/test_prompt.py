"""What is in memory is answered without a thread, and all else by one, in its turn."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import anyio
import httpx
import pytest
from fastapi import APIRouter, Depends, Request, Response
from served import ROWS
from serving import serving
from starlette.concurrency import run_in_threadpool

from api import create_app
from api import prompt as module
from api.prompt import PromptRoute, promptly
from api.serving import _listen
from provenance.ledger.ledger import Ledger
from provenance.log.blocking import WouldBlockError, before_blocking, nonblocking

PROOFS = "/v1/artifacts/train/proofs"


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was handed to a thread, by its name."""
    handed: list[str] = []

    async def hand(ask: Any, *args: Any, **kwargs: Any) -> Any:
        handed.append(ask.__name__)
        return await run_in_threadpool(ask, *args, **kwargs)

    monkeypatch.setattr(module, "run_in_threadpool", hand)
    return handed


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.init(tmp_path, origin="acme.example/prompt") as ledger:
        ledger.register(ROWS, name="train", sensitivity="public")
        ledger.anchor()
        yield ledger


@pytest.fixture
def client(own: Ledger) -> Iterator[httpx.Client]:
    with serving(create_app(own, public=True)) as url, httpx.Client(base_url=url) as client:
        yield client


def prove(client: httpx.Client, **members: Any) -> httpx.Response:
    answer = client.post(PROOFS, json=members)
    assert answer.status_code == 200
    return answer


def test_it_is_called_in_a_thread_where_it_would_have_to_wait(threads: list[str]) -> None:
    called = []

    def ask(waits: bool) -> str:
        if waits:
            before_blocking()
        called.append(threading.current_thread())
        return "told"

    assert anyio.run(promptly, ask, False) == anyio.run(promptly, ask, True) == "told"
    assert threads == ["ask"]
    assert (called[0] is called[1]) is False


def test_a_chain_is_opened_by_a_thread(own: Ledger) -> None:
    """What runs the embedded one takes a second to load, for which nobody would be answered."""
    (name,) = own.chains
    with nonblocking(), pytest.raises(WouldBlockError):
        own.chains[name]
    opened = own.chains[name]
    with nonblocking():
        assert own.chains[name] is opened


def test_the_second_proof_is_made_at_once(client: httpx.Client, threads: list[str]) -> None:
    first = prove(client, index=3)
    assert threads
    threads.clear()
    again = prove(client, index=3)
    other = prove(client, record=ROWS[5])
    assert threads == []
    assert again.content == first.content
    assert other.headers["provenance-record-index"] == "5"


def test_what_is_written_meanwhile_is_seen(
    client: httpx.Client, own: Ledger, threads: list[str]
) -> None:
    prove(client, index=3)
    newer = own.register(ROWS[:9], name="train", sensitivity="public")
    bundle = prove(client, index=3).json()
    assert bundle["statement"]["index"] == newer.index
    assert threads


def test_many_records_are_left_to_a_thread(client: httpx.Client, threads: list[str]) -> None:
    prove(client, index=3)
    threads.clear()
    prove(client, index=[0, 1, 2] * 5)
    assert threads == []
    prove(client, index=[0, 1, 2] * 6)
    assert threads == ["prove"]


def test_a_verdict_needs_a_thread_only_for_the_chain(
    client: httpx.Client, threads: list[str]
) -> None:
    bundle = prove(client, index=3).json()
    threads.clear()
    body = {"bundle": bundle, "record": ROWS[3]}
    first = client.post("/v1/verify", json=body)
    assert threads == ["verdict"]
    again = client.post("/v1/verify", json=body)
    assert threads == ["verdict"]
    assert first.json() == again.json()
    assert first.json()["verified"] is True
    wrong = client.post("/v1/verify", json={**body, "record": ROWS[4]})
    assert (wrong.json()["verified"], wrong.json()["step"]) == (False, "record")
    large = {**bundle, "checkpoint": bundle["checkpoint"] + "— x AAAA\n" * 4000}
    assert len(json.dumps(large)) > 1 << 15
    client.post("/v1/verify", json={"bundle": large})
    assert threads == ["verdict"] * 2


def test_answers_are_sent_at_once() -> None:
    """asyncio sets TCP_NODELAY only where it sees the protocol; without it, 40 ms are lost."""
    for host in ("127.0.0.1", "::1"):
        with _listen(host, 0) as listener:
            assert listener.proto == socket.IPPROTO_TCP


async def _any(request: Request) -> str:
    return request.method


async def _of_others(found: Annotated[str, Depends(_any)]) -> str:
    return found


async def takes_a_query(request: Request, name: str) -> Response:
    return Response(name)


async def takes_what_needs_others(
    request: Request, found: Annotated[str, Depends(_of_others)]
) -> Response:
    return Response(found)


async def takes_a_body(request: Request, found: dict[str, int]) -> Response:
    return Response(str(found))


@pytest.mark.parametrize("handler", [takes_a_query, takes_what_needs_others, takes_a_body])
def test_a_prompt_route_takes_a_request_and_its_path(handler: Callable[..., Any]) -> None:
    routes = APIRouter(route_class=PromptRoute)
    with pytest.raises(TypeError, match="/a takes more than a request and its path"):
        routes.get("/a")(handler)
