"""What is counted, read by Prometheus' own parser."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from asking import JSON, problem
from prometheus_client.parser import text_string_to_metric_families
from served import ROWS
from serving import serving

from api import create_app, create_projects_app
from provenance import Ledger

PROOFS = "/v1/artifacts/train/proofs"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.init(tmp_path / "own", origin="acme.example/own") as ledger:
        ledger.register(ROWS, name="train")
        yield ledger


def figures(url: str, ledger: Ledger) -> dict[tuple[str, ...], float]:
    """Return (name, values of its labels in the order of their names …) → value."""
    names = [token.name for token in ledger.tokens.all() if token.state == "valid"]
    if "prometheus" in names:
        ledger.tokens.revoke("prometheus")
    _, text = ledger.tokens.new("prometheus")
    answer = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 200
    assert re.match(r"text/plain; version=\S+; charset=utf-8", answer.headers["content-type"])
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


ODD = ["ACL", "COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND", "PURGE", "REPORT", "SEARCH", "UNLOCK"]
"""Methods that HTTP has, and the service has not."""


def test_requests_are_counted_by_what_they_met(own: Ledger) -> None:
    with serving(create_app(own, public=True)) as url:
        with httpx.Client(base_url=url) as http:
            for _ in range(3):
                assert http.get("/v1/artifacts/train").status_code == 200
            assert http.head("/v1/artifacts/train").status_code == 200
            assert http.get("/v1/artifacts/none").status_code == 404
            assert http.post(PROOFS, content='{"index":1}', headers=JSON).status_code == 200
            for number, method in enumerate(ODD):
                assert http.get(f"/{number}").status_code == 404
                assert http.request(method, "/checkpoint").status_code == 405
        found = figures(url, own)
    artifact = "/v1/artifacts/{ref}"
    total = "provenance_requests_total"
    assert {key: value for key, value in found.items() if key[0] == total} == {
        (total, "GET", artifact, "200"): 3,
        (total, "HEAD", artifact, "200"): 1,
        (total, "GET", artifact, "404"): 1,
        (total, "POST", "/v1/artifacts/{ref}/proofs", "200"): 1,
        (total, "GET", "none", "404"): len(ODD),
        (total, "other", "/checkpoint", "405"): len(ODD),
    }
    assert found["provenance_request_seconds_count", "GET", artifact] == 4
    assert found["provenance_request_seconds_bucket", "+Inf", "GET", artifact] == 4
    assert found["provenance_request_seconds_sum", "GET", artifact] > 0
    assert not [key for key in found if key[0].endswith("_created")]


def test_the_ledger_as_it_stands(own: Ledger) -> None:
    with serving(create_app(own)) as url:
        entries = float(own.status().size)
        found = figures(url, own)
        assert found["provenance_log_entries",] == entries
        assert found["provenance_checkpoint_entries",] == 0
        assert found["provenance_anchor_entries", "embedded"] == 0
        assert ("provenance_anchor_timestamp_seconds", "embedded") not in found
        own.anchor()
        own.register(ROWS[:3], name="more")
        found = figures(url, own)
        (anchor,) = own.anchors()
        assert anchor.block_time is not None
        assert found["provenance_log_entries",] == entries + 1
        assert found["provenance_checkpoint_entries",] == entries
        assert found["provenance_anchor_entries", "embedded"] == entries
        stamp = found["provenance_anchor_timestamp_seconds", "embedded"]
        assert stamp == anchor.block_time.timestamp()


def test_what_was_refused_is_counted(tmp_path: Path, own: Ledger) -> None:
    config = own.folder.config
    own.close()
    config.write_text(config.read_text() + "\n[service.limits]\nrequests = 2\n")
    with (
        Ledger.open(tmp_path / "own") as limited,
        serving(create_app(limited, public=True)) as url,
    ):
        statuses = [httpx.get(f"{url}/v1/artifacts").status_code for _ in range(5)]
        assert statuses == [200, 200, 429, 429, 429]
        found = figures(url, limited)
    assert found["provenance_limited_total", "requests"] == 3
    assert found["provenance_limited_total", "statements"] == 0
    assert found["provenance_requests_total", "GET", "/v1/artifacts", "429"] == 3


def test_who_went_away_is_counted(own: Ledger) -> None:
    app = create_app(own, public=True)
    with serving(app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(
                b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
    counted = 'provenance_requests_total{method="POST",route="/v1/verify",status="0"} 1.0'
    assert counted in app.state.metrics.text().decode()


def test_each_project_has_its_own(own: Ledger, tmp_path: Path) -> None:
    with (
        Ledger.init(tmp_path / "other", origin="acme.example/other") as other,
        serving(create_projects_app({"vision": own, "text": other}, public=True)) as url,
    ):
        assert httpx.get(f"{url}/p/vision/v1/artifacts").status_code == 200
        problem(httpx.get(f"{url}/metrics"), 404, "not-found")
        problem(httpx.get(f"{url}/p/vision/metrics"), 401, "unauthorized")
        counted = ("provenance_requests_total", "GET", "/v1/artifacts", "200")
        assert figures(f"{url}/p/vision", own)[counted] == 1
        assert counted not in figures(f"{url}/p/text", other)


def test_a_ledger_that_cannot_be_read_has_no_figures(own: Ledger) -> None:
    with serving(create_app(own)) as url:
        own.folder.policy.unlink()
        _, text = own.tokens.new("prometheus")
        answer = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {text}"})
        problem(answer, 503, "ledger-unavailable")
