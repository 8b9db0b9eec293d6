"""A real ledger behind a real uvicorn server, one for each process that runs these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from served import BIG, ROWS, TWINS
from serving import serving

from api import create_app
from provenance import Ledger


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def ledger(home: Path) -> Iterator[Ledger]:
    with Ledger.init(home, origin="acme.example/ml") as ledger:
        raw = ledger.register(ROWS, name="train", license="CC-BY-4.0", metadata={"n": 1.5})
        with ledger.step("clean", inputs=[raw], params={"threshold": 0.9}) as step:
            clean = step.output(ROWS[:5], name="train-clean")
            step.derive()
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
    with serving(create_app(ledger, public=True)) as url:
        yield url


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client
