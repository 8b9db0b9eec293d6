"""One ledger with an anchored log, copied for each test; and a server that can show two faces."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from api import create_app
from provenance import Ledger

ORIGIN = "acme.example/ml"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of three entries, anchored, that nobody writes to."""
    folder = tmp_path_factory.mktemp("template")
    with Ledger.init(folder, origin=ORIGIN) as ledger:
        ledger.register([{"id": 1}], name="rows")
        ledger.anchor()
    return folder


@pytest.fixture
def copy(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Ledger]]:
    """Open a copy of the ledger in a folder of this name, or of another copy."""
    monkeypatch.delenv("PROVENANCE_PASSPHRASE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with contextlib.ExitStack() as stack:

        def copy(name: str, of: str | None = None) -> Ledger:
            shutil.copytree(tmp_path / of if of else template, tmp_path / name)
            return stack.enter_context(Ledger.open(tmp_path / name))

        yield copy


class Faces:
    """Serves one ledger after the other under one URL."""

    url: str

    def __init__(self) -> None:
        self._app: Any = None

    def show(self, ledger: Ledger) -> None:
        self._app = create_app(ledger, public=True)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)


@pytest.fixture
def faces() -> Iterator[Faces]:
    faces = Faces()
    server = uvicorn.Server(
        uvicorn.Config(faces, log_level="warning", server_header=False, lifespan="off")
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        faces.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield faces
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
