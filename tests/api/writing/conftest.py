"""A ledger of its own for each test, and whoever writes to it over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from killed import Server
from serving import serving

from api import create_app
from provenance import Ledger
from provenance.signing import PrivateKey


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.init(tmp_path / "home", origin="acme.example/ml") as ledger:
        yield ledger


@pytest.fixture
def url(ledger: Ledger) -> Iterator[str]:
    with serving(create_app(ledger)) as url:
        yield url


@pytest.fixture
def token(ledger: Ledger) -> str:
    return ledger.tokens.new("pipeline", scope="submit")[1]


@pytest.fixture
def key(ledger: Ledger) -> PrivateKey:
    """The pipeline's own, which the log knows."""
    key = PrivateKey.generate()
    ledger.add_key(key.public, name="pipeline")
    return key


@pytest.fixture
def server(ledger: Ledger) -> Iterator[Server]:
    server = Server(ledger.folder.path.parent)
    try:
        yield server
    finally:
        server.kill()
