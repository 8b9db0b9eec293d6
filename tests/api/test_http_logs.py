"""What is written of requests: each once, by its id, and nothing that is secret."""

from __future__ import annotations

import json
import logging
import socket
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from asking import post, problem
from served import ROWS
from serving import serving

from api import create_app, create_projects_app
from api.logs import LogForm, asked, written
from provenance import Ledger
from provenance.signing import PrivateKey

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger whose keys are encrypted."""
    folder = tmp_path_factory.mktemp("own")
    with Ledger.init(folder, origin="acme.example/own", passphrase=PASSPHRASE) as ledger:
        ledger.register(ROWS, name="train")
        ledger.checkpoint()
        yield ledger


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what was written. A request's line comes after its answer: end the server first."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_each_request_is_a_line(own: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    token, text = own.tokens.new("lines", scope="submit")
    headers = {"Authorization": f"Bearer {text}"}
    cases = [
        ("GET", "/healthz", "/healthz"),
        ("GET", "/v1/artifacts/train", "/v1/artifacts/{ref}"),
        ("HEAD", "/v1/artifacts/train", "/v1/artifacts/{ref}"),
        ("GET", "/v1/artifacts/tr%C3%A4in%1B", "/v1/artifacts/{ref}"),
        ("GET", "/v1/artifacts?name=train", "/v1/artifacts"),
        ("POST", "/v1/artifacts/train/proofs", "/v1/artifacts/{ref}/proofs"),
        ("DELETE", "/v1/artifacts", "/v1/artifacts"),
        ("GET", "/no/such/place", None),
    ]
    answers = []
    with written("json"), serving(create_projects_app({"vision": own})) as url:
        for method, path, _ in cases:
            content = '{"index": 3}' if method == "POST" else None
            sent = {**headers, "Content-Type": "application/json"}
            place = f"{url}/p/vision{path}"
            answers.append(httpx.request(method, place, headers=sent, content=content))
        assert httpx.get(f"{url}/elsewhere").status_code == 404
    *found, elsewhere = lines(capsys)
    for (method, path, route), answer, line in zip(cases, answers, found, strict=True):
        assert line.pop("time").endswith("Z")
        assert line.pop("ms") >= 0
        assert line.pop("request") == str(uuid.UUID(answer.headers["x-request-id"]))
        expected = {
            "level": "info",
            "method": method,
            "route": route,
            "path": f"/p/vision{path.partition('?')[0]}",
            "status": answer.status_code,
            "bytes": len(answer.content),
            "project": "vision",
            "token": token.id if "v1" in path and method != "DELETE" else None,
        }
        assert line == {name: value for name, value in expected.items() if value is not None}
    assert (elsewhere["path"], elsewhere["status"]) == ("/elsewhere", 404)
    assert "project" not in elsewhere


@pytest.mark.parametrize(
    ("brought", "kept"),
    [
        ("5f0e8c31-6d02-4b5b-9d0c-0a1b2c3d4e5f", True),
        ("A.b_c-9" * 9, True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("two words", False),
        ('"}', False),
        ("a/b", False),
        ("\u00e4", False),
        ("a\u200b", False),
    ],
)
def test_an_id_is_taken_over_if_it_is_harmless(
    own: Ledger, capsys: pytest.CaptureFixture[str], brought: str, kept: bool
) -> None:
    with written("json"), serving(create_app(own)) as url:
        answer = httpx.get(f"{url}/checkpoint", headers={"X-Request-Id": brought.encode()})
        problem(answer, 401, "unauthorized")
    given = answer.headers["x-request-id"]
    assert lines(capsys)[0]["request"] == given
    assert (given == brought) == kept
    assert kept or uuid.UUID(given)


def test_an_error_has_the_id_of_its_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Ledger.init(tmp_path, origin="acme.example/broken") as broken:
        broken.register([{"a": 1}], name="one")
        with written("json"), serving(create_app(broken, public=True)) as url:
            tree = broken.folder.trees
            tree.rename(tree.with_name("gone"))
            http = httpx.Client(base_url=url)
            answer = post(http, "/v1/artifacts/one/proofs", '{"index":0}')
            problem(answer, 503, "ledger-unavailable")
            broken.origin = 7  # type: ignore[assignment]
            failed = http.get("/healthz")
            problem(failed, 500, "internal")
            http.close()
    error, line, unforeseen, last = lines(capsys)
    assert error["request"] == line["request"] == answer.headers["x-request-id"]
    assert (error["level"], error["logger"], line["level"]) == ("error", "api", "error")
    assert "missing or damaged" in error["message"]
    assert unforeseen["request"] == last["request"] == failed.headers["x-request-id"]
    assert unforeseen["message"] == "GET /healthz failed"
    assert unforeseen["traceback"].startswith("Traceback")


def test_who_goes_away_is_answered_nothing(own: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    with written("json"), serving(create_app(own, public=True)) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(
                b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # the body is waited for
    (line,) = lines(capsys)
    assert (line["route"], line["bytes"]) == ("/v1/verify", 0)
    assert "status" not in line


def test_a_line_for_a_person(own: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    token, text = own.tokens.new("person")
    headers = {"Authorization": f"Bearer {text}", "X-Request-Id": "mine"}
    with written("text"), serving(create_app(own)) as url:
        for path in ("/v1/artifacts/train", "/v1/artifacts/a%0A2026%1B%5B31m%E2%80%AE"):
            httpx.get(url + path, headers=headers)
    with written("text"):
        logging.getLogger("api").error("odd\n%s", "\x1b[31m\u202e")
    first, second, error, further = capsys.readouterr().err.splitlines()
    assert first[23:].startswith("Z info mine GET /v1/artifacts/train 200 ")
    assert first.endswith(f" bytes {token.id}")
    assert error[23:] == "Z error api odd"
    assert further == "    \\x1b[31m\\u202e"
    assert " mine GET /v1/artifacts/a%0A2026%1B%5B31m%E2%80%AE 404 " in second


def test_outside_of_a_request_there_is_none() -> None:
    assert asked() is None


def test_what_was_logged_before_is_logged_so_afterwards() -> None:
    root, own = logging.getLogger(), logging.getLogger("api")
    before = (list(root.handlers), own.level)
    with written("text"):
        assert len(root.handlers) == len(before[0]) + 1
    assert (root.handlers, own.level) == before


@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_that_is_secret_is_written(
    own: Ledger, capsys: pytest.CaptureFixture[str], form: LogForm
) -> None:
    """Secrets are sent in every place where something can be sent, to every route."""
    valid, revoked = (own.tokens.new(f"{form} {kind}", scope="submit") for kind in "ab")
    own.tokens.revoke(revoked[0].id)
    tokens = [valid[1], revoked[1], "plt_00000000_" + "A" * 43]
    others = [
        PASSPHRASE,
        "a patient's name",
        PrivateKey.generate().to_pem().decode().splitlines()[1],
        (own.folder.keys / "log.pem").read_text().splitlines()[1],
    ]
    secrets = [*(token[13:] for token in tokens), *others]
    sent = [*tokens, *others]
    content = json.dumps({"record": {"name": sent}, "index": sent})
    with written(form), serving(create_app(own)) as url, httpx.Client(base_url=url) as http:
        paths = [
            path.replace("{ref}", "train").replace("{index}", "1").replace("{upload}", "0" * 32)
            for path in http.get("/openapi.json").json()["paths"]
        ]
        for token in tokens:
            headers = {
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "X-Request-Id": f"{token}/",
                "X-Other": " ".join(sent),
            }
            for path in paths:
                http.get(path, params={"name": sent}, headers=headers)
                with suppress(httpx.TransportError):  # who may not send it reads no answer, perhaps
                    http.post(path, params={"record": sent}, content=content, headers=headers)
            http.get(f"/v1/artifacts/{token}", headers={"Authorization": f"Basic {token}"})
            http.get(f"/{token}/checkpoint", headers={"Authorization": token})
        own.folder.trees.rename(own.folder.path / "gone")
        try:
            headers["Authorization"] = f"Bearer {valid[1]}"
            body = json.dumps({"record": ROWS[0]})
            failed = http.post("/v1/artifacts/train/proofs", content=body, headers=headers)
        finally:
            (own.folder.path / "gone").rename(own.folder.trees)
    problem(failed, 503, "ledger-unavailable")
    said = capsys.readouterr().err
    assert said.count("\n") > 2 * len(paths) * len(tokens)
    assert "Traceback" in said
    assert valid[0].id in said
    for secret in secrets:
        assert secret not in said
