"""The chains of these tests: embedded ones, and anvil from contracts/node_modules."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
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
def start_anvil(anvil_binary: Path) -> Iterator[Callable[..., str]]:
    """Start a node with these options on a free port; return its URL."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: str) -> str:
        node = subprocess.Popen(
            [anvil_binary, "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(node)
        assert node.stdout is not None
        for line in node.stdout:
            if found := re.search(r"Listening on 127\.0\.0\.1:(\d+)", line):
                return f"http://127.0.0.1:{found[1]}"
        raise AssertionError("anvil did not start")

    yield start
    for node in running:
        node.kill()
        node.wait()
        assert node.stdout is not None
        node.stdout.close()


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
