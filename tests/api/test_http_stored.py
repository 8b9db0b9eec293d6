"""The service over a ledger whose trees are in a storage: there, away, missing and damaged."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from asking import problem
from served import ROWS
from serving import serving

from api import create_app
from provenance import Ledger
from provenance.ledger.storage import Storage


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def stored(tmp_path: Path, place: Path) -> Iterator[Ledger]:
    made = Ledger.init(tmp_path / "home", origin="acme.example/ml", storage=f"file://{place}")
    with made as ledger:
        ledger.register(ROWS, name="train", sensitivity="public")
        yield ledger


def test_a_storage_that_does_not_answer_is_a_503(
    stored: Ledger, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "api")
    digest = stored.resolve("train").digest

    def lose_all() -> None:
        place.rename(place.with_name("away"))

    def find_all() -> None:
        place.with_name("away").rename(place)

    def lose_one() -> None:
        (place / "trees" / digest).rename(place / "one")

    def damage_one() -> None:
        data = bytearray((place / "one").read_bytes())
        data[0] ^= 1
        (place / "trees" / digest).write_bytes(data)

    def find_one() -> None:
        (place / "one").rename(place / "trees" / digest)

    app = create_app(stored, public=True)
    with serving(app) as url, httpx.Client(base_url=url, timeout=30) as http:
        for change, status in (
            (lose_all, 503),
            (find_all, 200),
            (lose_one, 503),
            (damage_one, 503),
            (find_one, 200),
        ):
            change()
            shutil.rmtree(stored.trees.cache)
            answer = http.post("/v1/artifacts/train/proofs", json={"index": 3})
            assert answer.status_code == status, change
            if status == 503:
                assert problem(answer, 503, "ledger-unavailable") == ""
                assert str(place) not in answer.text
                assert http.get("/v1/artifacts/train").status_code == 200


def test_no_other_answer_waits_for_a_tree_that_is_fetched(
    stored: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, arrived, may_go_on = Storage.get, threading.Event(), threading.Event()

    def get(storage: Storage, digest: bytes, path: Path) -> None:
        arrived.set()
        assert may_go_on.wait(30)
        whole(storage, digest, path)

    monkeypatch.setattr(Storage, "get", get)
    with serving(create_app(stored, public=True)) as url, ThreadPoolExecutor() as pool:

        def ask() -> int:
            answer = httpx.post(f"{url}/v1/artifacts/train/proofs", json={"index": 3}, timeout=60)
            return answer.status_code

        assert ask() == 200  # whatever is remembered of it is
        shutil.rmtree(stored.trees.cache)
        asked = pool.submit(ask)
        assert arrived.wait(30)
        assert httpx.get(f"{url}/v1/artifacts/train", timeout=30).status_code == 200
        may_go_on.set()
        assert asked.result() == 200
