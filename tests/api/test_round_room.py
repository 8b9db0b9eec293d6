"""What a round of the event loop has no time to begin is refused at once, and nothing else is."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from asking import JSON
from served import ROWS
from serving import serving

from api import create_app
from api.rounds import Rounds
from provenance import Ledger

PROOFS = "/v1/artifacts/train/proofs"
SITE = "https://registry.example"


@pytest.mark.parametrize(("least", "begun"), [(0, 3), (3, 3), (4, 4), (9, 5)])
def test_a_round_begins_requests_for_so_long(least: int, begun: int) -> None:
    now = 0.0

    async def run() -> None:
        rounds = Rounds(most=1.0, least=least, clock=lambda: now)

        async def ask() -> bool:
            nonlocal now
            has_time = rounds.has_time()
            now += 0.4
            return has_time

        for _ in range(3):  # each of them a round of its own
            said = await asyncio.gather(*(ask() for _ in range(5)))
            assert said == [number < begun for number in range(5)]

    asyncio.run(run())


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.init(tmp_path, origin="acme.example/rounds") as made:
        made.register(ROWS, name="train", sensitivity="public")
    config = made.folder.config
    config.write_text(
        f"{config.read_text()}\n[service.accessLog]\n".replace(
            "[service]\n", f'[service]\ncors = ["{SITE}"]\n'
        )
    )
    with Ledger.open(tmp_path) as ledger:
        yield ledger


def test_what_waits_for_the_loop_is_answered_or_refused(
    own: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop is held up until twenty wait: then one round reads all that they ask."""
    app = create_app(own, public=True)
    held, go_on, prove = threading.Event(), threading.Event(), own.prove

    def wait(*args: object, **kwargs: object) -> object:
        asyncio.get_running_loop()  # no thread: here the loop is held up
        held.set()
        assert go_on.wait(30)
        return prove(*args, **kwargs)  # type: ignore[arg-type]

    with serving(app) as url:
        where = urlsplit(url).netloc
        connections = [HTTPConnection(where, timeout=60) for _ in range(21)]

        def ask(connection: HTTPConnection, path: str = PROOFS) -> None:
            method = "GET" if path == "/healthz" else "POST"
            connection.request(method, path, '{"index":7}', {**JSON, "Origin": SITE})

        for connection in connections:
            ask(connection)
            assert connection.getresponse().read().startswith(b"{")
        monkeypatch.setattr(own, "prove", wait)
        ask(first := connections.pop())
        assert held.wait(30)
        app.state.turns.rounds._most, app.state.turns.rounds._least = 3, 0
        app.state.turns.rounds._clock = count().__next__
        well = HTTPConnection(where, timeout=60)
        for connection in connections:
            ask(connection)
        ask(well, "/healthz")
        used = own.access("train", limit=1000)
        go_on.set()
        assert first.getresponse().read().startswith(b"{")
        answers = [connection.getresponse() for connection in connections]
        told = [json.loads(answer.read()) for answer in answers]
        assert well.getresponse().status == 200
        assert [answer.status for answer in answers] == [200] * 4 + [503] * 16
        for answer, problem in list(zip(answers, told, strict=True))[4:]:
            assert problem["type"] == "urn:provenance-ledger:problem:busy"
            assert problem["instance"].endswith(answer.headers["x-request-id"])
            assert answer.headers["retry-after"] == "5"
            assert answer.headers["access-control-allow-origin"] == SITE
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["connection"] is None  # it is used again
        assert len(own.access("train", limit=1000).items) == len(used.items) + 5
        counted = app.state.metrics.text().decode()
        assert 'provenance_requests_total{method="POST",route="none",status="503"} 16.0' in counted
        for connection in (first, well, *connections):
            connection.close()
