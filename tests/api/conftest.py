"""A real ledger behind a real uvicorn server, one for each process that runs these tests."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from api import create_app
from provenance import Ledger

ROWS = [{"id": i, "text": "even" if i % 2 == 0 else f"odd {i}"} for i in range(20)]
# Beyond 2^53 the next two differ by one, which a double does not.
BIG = [{"id": 9007199254740993}, {"id": 9007199254740992}, {"id": 10**40}]
TWINS = [{"a": 1}, {"a": 2}, {"a": 1}, {"a": 1.0}]


@contextlib.contextmanager
def serving(ledger: Ledger) -> Iterator[str]:
    """Serve a ledger from a thread; yield the URL."""
    config = uvicorn.Config(create_app(ledger), log_level="warning", server_header=False)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def ledger(home: Path) -> Iterator[Ledger]:
    with Ledger.init(home, origin="acme.example/ml") as ledger:
        raw = ledger.register(ROWS, name="train", license="CC-BY-4.0", metadata={"n": 1.5})
        with ledger.step("clean", inputs=[raw], params={"threshold": 0.9}) as step:
            clean = step.output(ROWS[:5], name="train-clean")
        ledger.register(b"0123456789" * 200_000, name="weights", kind="model")
        (home / "notes.txt").write_bytes(b'one\n{"a":1}\n\xc3\xa9\r\n')
        ledger.register(home / "notes.txt", encoding="line")
        ledger.register(BIG, name="big")
        ledger.register(TWINS, name="twins")
        ledger.register([], name="nothing")
        ledger.register(ROWS[:7], name="a/b c?%2F#é")
        ledger.quality(clean, metrics={"accuracy": 0.93}, criteria={"accuracy": ">= 0.9"})
        ledger.anchor()
        yield ledger


@pytest.fixture(scope="session")
def url(ledger: Ledger) -> Iterator[str]:
    with serving(ledger) as url:
        yield url


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client
