"""A ledger that has come some way, its witness, and a server that any copy of the two can use."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from faulty import Faults
from scene import Scene, envelopes

from api import create_witness_app
from provenance import Ledger
from provenance.witness import Witness

START = 254
"""Entries of the ledger at first: a batch of a few fills a tile, and begins the next level."""


class Switchboard:
    """An ASGI application that passes each request to the witness of the moment."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)

    @contextmanager
    def serving(self, witness: Witness) -> Iterator[None]:
        self._app = create_witness_app(witness)
        try:
            yield
        finally:
            self._app = None


@pytest.fixture(scope="session")
def switchboard() -> Iterator[tuple[Switchboard, str]]:
    """The switchboard and its URL."""
    board = Switchboard()
    server = uvicorn.Server(uvicorn.Config(board, log_level="critical", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield board, f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session")
def make(
    tmp_path_factory: pytest.TempPathFactory, switchboard: tuple[Switchboard, str]
) -> Callable[..., Path]:
    """Make a folder with a ledger (``home``) of some entries, of which the first two are anchored.

    And its witness (``witness``), which has cosigned those.
    """
    board, url = switchboard

    def make(size: int = START, database: str | None = None) -> Path:
        folder = tmp_path_factory.mktemp("faults")
        with (
            Ledger.init(folder / "home", origin="acme.example/ml", database=database) as ledger,
            Witness.init(folder / "witness", name="witness.example/w") as witness,
            board.serving(witness),
        ):
            witness.watch(*ledger.policy().log_keys)
            ledger.add_witness("w", url, str(witness.vkey))
            ledger.anchor()
            ledger.submit_all(envelopes(ledger, *(str(number) for number in range(2, size))))
        return folder

    return make


@pytest.fixture(scope="session")
def template(make: Callable[..., Path]) -> Path:
    return make()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def copies(template: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copy the template under a new name."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(template, tmp_path / name))

    return copy


@pytest.fixture
def scenes(switchboard: tuple[Switchboard, str]) -> Callable[[Path], Scene]:
    """Return the scene in a folder that `make` made, or in a copy of it."""

    def scene(folder: Path) -> Scene:
        with Ledger.open(folder / "home") as ledger:
            return Scene(folder, envelopes(ledger, *"abcd"), switchboard[0].serving)

    return scene
