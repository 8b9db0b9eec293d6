"""Whether the service is well and ready: broken on purpose, one thing at a time."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from asking import problem
from serving import serving

from api import create_app, create_projects_app
from provenance import Ledger
from provenance.ledger import uploads
from provenance.ledger.storage import Storage

KEY = "the key that signs checkpoints cannot be opened"
DISK = "the disk has no room for uploads"
DATABASE = "the database does not answer"
STORAGE = "the storage of trees does not answer"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger as it is after a start: no key was opened yet."""
    with Ledger.init(tmp_path / "own", origin="acme.example/own"):
        pass
    with Ledger.open(tmp_path / "own") as ledger:
        yield ledger


def lose_key(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    (ledger.folder.keys / "log.pem").unlink()


def fill_disk(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    total, used, _ = shutil.disk_usage(ledger.folder.path)
    full = shutil._ntuple_diskusage(total, used, uploads.SPARE)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)


def lose_database(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.close()
    ledger.folder.database.unlink()
    ledger.folder.database.mkdir()


def lose_storage(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.trees.storage = Storage(f"file://{ledger.folder.path}/gone")


@pytest.mark.parametrize(
    ("fault", "said", "well"),
    [
        (lose_storage, STORAGE, 200),
        (lose_key, KEY, 200),
        (fill_disk, DISK, 200),
        (lose_database, DATABASE, 503),
    ],
)
def test_what_is_amiss_is_told_and_no_place(
    own: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Callable[[Ledger, pytest.MonkeyPatch], None],
    said: str,
    well: int,
) -> None:
    with serving(create_app(own)) as url:
        fault(own, monkeypatch)
        with caplog.at_level(logging.WARNING, "api"):
            answer = httpx.get(f"{url}/readyz")
        assert problem(answer, 503, "not-ready") == said
        assert answer.headers["retry-after"] == "5"
        assert httpx.get(f"{url}/healthz").status_code == well
    assert str(tmp_path) in caplog.text
    assert str(tmp_path) not in answer.text


def test_several_faults_are_told_together(own: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_key(own, monkeypatch)
    fill_disk(own, monkeypatch)
    with serving(create_app(own)) as url:
        assert problem(httpx.get(f"{url}/readyz"), 503, "not-ready") == f"{KEY}; {DISK}"


def test_a_key_that_nobody_can_open(tmp_path: Path) -> None:
    with Ledger.init(tmp_path, origin="acme.example/locked", passphrase="horse"):
        pass
    with Ledger.open(tmp_path) as own, serving(create_app(own)) as url:
        assert problem(httpx.get(f"{url}/readyz"), 503, "not-ready") == KEY


def test_all_projects_have_to_be_ready(
    own: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Ledger.init(tmp_path / "other", origin="acme.example/other") as other,
        serving(create_projects_app({"vision": own, "text": other})) as url,
    ):
        assert httpx.get(f"{url}/readyz").json() == {"status": "ready"}
        assert httpx.get(f"{url}/p/text/readyz").json() == {"status": "ready"}
        own.keyring.__dict__.pop("log")
        lose_key(own, monkeypatch)
        assert problem(httpx.get(f"{url}/readyz"), 503, "not-ready") == f"vision: {KEY}"
        assert problem(httpx.get(f"{url}/p/vision/readyz"), 503, "not-ready") == KEY
        assert httpx.get(f"{url}/p/text/readyz").json() == {"status": "ready"}
