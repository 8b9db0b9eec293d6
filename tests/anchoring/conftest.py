"""The chains of these tests: embedded ones, and anvil from contracts/node_modules."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loose_node import Node
from sample_log import ALICE, BOB, Log

from provenance.anchoring.contract import Chain
from provenance.anchoring.embedded import EmbeddedChain
from provenance.anchoring.rpc import RpcChain

ANVIL = Path(__file__).parents[2] / "contracts" / "node_modules" / ".bin" / "anvil"


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def origin_hash(request: pytest.FixtureRequest) -> bytes:
    return hashlib.sha256(request.node.nodeid.encode()).digest()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedChain]:
    with EmbeddedChain.create(tmp_path / "chain.db", ALICE) as chain:
        yield chain


@pytest.fixture(scope="session")
def anvil_binary() -> Path:
    if ANVIL.is_file():
        return ANVIL
    message = "no anvil in contracts/node_modules: scripts/contract_tools installs it"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def start_anvil(
    anvil_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., str]]:
    """Start a node with these options on a free port; return its URL."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> str:
        output = tmp_path_factory.mktemp("anvil") / "output"
        with output.open("wb") as file:
            node = subprocess.Popen(
                [anvil_binary, "--port", "0", *options], stdout=file, stderr=subprocess.STDOUT
            )
        running.append(node)
        until = time.monotonic() + 60
        while time.monotonic() < until and node.poll() is None:
            if found := re.search(r"Listening on 127\.0\.0\.1:(\d+)\n", output.read_text("utf-8")):
                return f"http://127.0.0.1:{found[1]}"
            time.sleep(0.02)
        raise AssertionError(f"anvil did not start: {output.read_text('utf-8')}")

    yield start
    for node in running:
        node.kill()
        node.wait()


@pytest.fixture(scope="session")
def anvil(start_anvil: Callable[..., str]) -> str:
    return start_anvil()


@pytest.fixture(params=["embedded", "anvil"])
def accounts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Chain, Chain]]:
    """One chain, as two accounts see it."""
    if request.param == "embedded":
        path = tmp_path / "chain.db"
        with EmbeddedChain.create(path, ALICE) as alice, EmbeddedChain.open(path, BOB) as bob:
            yield alice, bob
    else:
        url = request.getfixturevalue("anvil")
        yield RpcChain(url, ALICE), RpcChain(url, BOB)


@pytest.fixture
def node() -> Iterator[Node]:
    with Node() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
