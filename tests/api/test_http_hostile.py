"""Bodies, paths and requests that nobody sends by accident. Each gets one problem, or a 200."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from asking import JSON, post, problem
from serving import serving

from api import create_app
from api.errors import TABLE
from api.guard import HEADERS
from api.places import MAX_RECORD
from provenance import Ledger
from provenance.verification.bundle import MAX_BUNDLE

PROOFS = "/v1/artifacts/train/proofs"
DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "{",
        "[]",
        "null",
        "7",
        '"text"',
        "{}",
        "{}{}",
        '{"index":1}x',
        '{"index":1,}',
        '{,"index":1}',
        '{"index" 1}',
        "{'index':1}",
        '{"index":1 "index":2}',
        '{"index":1,"index":1}',
        '{"index":1,"ind\\u0065x":1}',
        '{"index":1,"leaf_hash":"' + "0" * 64 + '"}',
        '{"index":1,"more":1}',
        '{"Index":1}',
        '{"index":1.0}',
        '{"index":1e0}',
        '{"index":-1}',
        '{"index":"1"}',
        '{"index":true}',
        '{"index":null}',
        '{"index":' + "9" * 5000 + "}",
        '{"index":9007199254740992}',
        '{"leaf_hash":"' + "A" * 64 + '"}',
        '{"leaf_hash":"' + "0" * 63 + '"}',
        '{"leaf_hash":' + "1" * 64 + "}",
        '{"record":{"id":1,"id":1}}',
        '{"record":{"id":NaN}}',
        '{"record":{"id":1e999}}',
        '{"record":{"id":"\\ud800"}}',
        '{"record":"{\\"id\\":1,\\"id\\":1}"}',
        "\ufeff" + '{"index":1}',
        b'{"record":{"id":"\xff"}}',
        b"\x00",
        '{"record":' + '{"a":' * 64 + "{}" + "}" * 64 + "}",
        '{"record":' + "[" * DEEP + "]" * DEEP + "}",
        '{"record":' + '{"a":' * DEEP + "1" + "}" * DEEP + "}",
        "[" * DEEP,
        '{"more":' + "[" * DEEP,
    ],
)
def test_a_malformed_question_is_refused(http: httpx.Client, body: bytes | str) -> None:
    problem(post(http, PROOFS, body), 422, "malformed")


@pytest.mark.parametrize(
    "body",
    [
        '{"record":null}',
        '{"record":7}',
        '{"record":[]}',
        '{"record":true}',
    ],
)
def test_what_is_no_record_is_refused(http: httpx.Client, body: str) -> None:
    problem(post(http, PROOFS, body), 422, "unusable")


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"record":{}}',
        '{"bundle":{},"bundle":{}}',
        '{"bundle":{},"policy":{}}',
        '{"bundle":{},"record":{"a":1,"a":1}}',
        "[" * DEEP,
    ],
)
def test_a_malformed_request_to_verify_is_refused(http: httpx.Client, body: str) -> None:
    problem(post(http, "/v1/verify", body), 422, "malformed")


@pytest.mark.parametrize("depth", [70, 900, DEEP])
def test_a_bundle_of_nesting_is_no_bundle(http: httpx.Client, depth: int) -> None:
    answer = post(http, "/v1/verify", '{"bundle":' + "[" * depth + "]" * depth + "}")
    if answer.status_code == 200:
        assert (answer.json()["verified"], answer.json()["step"]) == (False, "bundle")
    else:
        problem(answer, 422, "malformed")


@pytest.mark.parametrize(
    ("path", "cap"), [(PROOFS, MAX_RECORD), ("/v1/verify", MAX_BUNDLE + MAX_RECORD)]
)
def test_a_body_is_read_up_to_a_limit_that_is_told(http: httpx.Client, path: str, cap: int) -> None:
    at_limit = b'{"more":"' + b"x" * (cap - 11) + b'"}'
    assert len(at_limit) == cap
    problem(post(http, path, at_limit), 422, "malformed")
    assert f"{cap:,} bytes" in problem(post(http, path, at_limit + b" "), 413, "too-large")

    # Without a Content-Length, and as good as without an end.
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        yield b'{"more":"'
        while sent < 16 * cap:
            sent += 1 << 16
            yield b"x" * (1 << 16)

    with contextlib.suppress(httpx.TransportError):  # it may hang up while we are still sending
        problem(http.post(path, content=chunks(), headers=JSON), 413, "too-large")
    assert sent < 16 * cap, "everything was read"


def test_a_length_beyond_the_limit_is_refused_before_anything_is_sent(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            f"POST {PROOFS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            "Content-Length: 99999999999999\r\n\r\n".encode()
        )
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 413
        answer.close()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/jsonx"},
    ],
)
def test_only_plain_json_is_read(http: httpx.Client, headers: dict[str, str]) -> None:
    for path in (PROOFS, "/v1/verify"):
        problem(http.post(path, content=b'{"index":1}', headers=headers), 415, "media-type")


def test_a_charset_does_no_harm(http: httpx.Client) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert http.post(PROOFS, content=b'{"index":1}', headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v2/artifacts",
        "/v1/artifacts/",
        "/checkpoint/",
        "/tile",
        "/docs",
        "/redoc",
        "/healthz/",
        "/%00",
        "/nothing",
        "/.provenance/keys/log.pem",
        "/v1/artifacts/..%2f..%2fetc%2fpasswd",
    ],
)
def test_what_is_not_served_is_a_problem(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    slug = "unknown-artifact" if path.startswith("/v1/artifacts/") else "not-found"
    problem(answer, 404, slug)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/artifacts", "GET"),
        ("DELETE", "/v1/artifacts/train", "GET"),
        ("GET", "/v1/verify", "POST"),
        ("PUT", "/checkpoint", "GET"),
        ("OPTIONS", "/v1/verify", "POST"),
    ],
)
def test_another_method_is_a_problem_that_names_the_right_one(
    http: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = http.request(method, path)
    problem(answer, 405, "method")
    assert answer.headers["allow"] == allowed


def test_every_answer_carries_the_headers(http: httpx.Client) -> None:
    answers = [
        http.get("/healthz"),
        http.get("/nothing"),
        http.get("/v1/artifacts?limit=x"),
        post(http, PROOFS, "{"),
        post(http, PROOFS, '{"index":0}'),
        http.post("/healthz"),
    ]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert "server" not in answer.headers


# --- failures of the server's own ----------------------------------------------------------------


def test_a_failure_of_the_ledger_is_told_without_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Ledger.init(tmp_path, origin="acme.example/broken") as own:
        own.register([{"a": 1}], name="one")
        tree = own.folder.tree(own.resolve("one").artifact.digest)
        with serving(create_app(own, public=True)) as url, httpx.Client(base_url=url) as http:
            tree.rename(tree.with_name("away"))
            with caplog.at_level(logging.ERROR, "api"):
                answer = post(http, "/v1/artifacts/one/proofs", '{"index":0}')
            assert problem(answer, 503, "ledger-unavailable") == ""
            assert answer.headers["retry-after"] == "5"
            assert str(tree) in caplog.text, "the server's own log says what is wrong"
            assert str(tmp_path) not in answer.text

            for break_it in (lambda: own.folder.policy.write_text("{}"), own.folder.policy.unlink):
                break_it()
                for answer in (
                    http.get("/v1/anchors"),
                    post(http, "/v1/artifacts/one/proofs", '{"index":0}'),
                    post(http, "/v1/verify", '{"bundle":{}}'),
                ):
                    problem(answer, 503, "ledger-unavailable")
                    assert str(tmp_path) not in answer.text
                for path in ("/v1/artifacts", "/v1/artifacts/one"):
                    assert http.get(path).status_code == 200, "what is logged takes no policy"


def test_a_key_that_the_server_cannot_open_is_told_without_its_place(tmp_path: Path) -> None:
    with Ledger.init(tmp_path, origin="acme.example/locked", passphrase="horse") as own:
        own.register([{"a": 1}], name="one")
    with (
        Ledger.open(tmp_path) as own,
        serving(create_app(own, public=True)) as url,
        httpx.Client(base_url=url) as http,
    ):
        answer = post(http, "/v1/artifacts/one/proofs", '{"index":0}')
        problem(answer, 503, "ledger-unavailable")
        assert str(tmp_path) not in answer.text


def test_the_host_of_a_node_is_not_told(tmp_path: Path) -> None:
    with Ledger.init(tmp_path, origin="acme.example/node") as own:
        own.register([{"a": 1}], name="one")
        own.anchor()
        bundle = own.prove("one").to_bytes().decode()
        (pin,) = own.policy().chains
    config = tmp_path / ".provenance/config.toml"
    node = f'''url = "http://127.0.0.3:9"
chainId = {pin.chain_id}
contract = "{pin.contract}"
confirmations = 1'''
    config.write_text(config.read_text().replace('path = "chain.db"', node))
    with (
        Ledger.open(tmp_path) as own,
        serving(create_app(own, public=True)) as url,
        httpx.Client(base_url=url) as http,
    ):
        answer = post(http, "/v1/verify", f'{{"bundle":{bundle}}}')
        assert answer.json()["verified"] is None
        assert "the node of chain 'embedded' does not answer" in answer.text
        assert "127.0.0.3" not in answer.text


def test_an_exception_that_nobody_foresaw_is_a_problem_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Ledger.init(tmp_path, origin="acme.example/odd") as own:
        own.register([{"a": 1}], name="one")
        with serving(create_app(own, public=True)) as url, httpx.Client(base_url=url) as http:
            own.origin = 7  # type: ignore[assignment]
            with caplog.at_level(logging.ERROR, "api"):
                answer = http.get("/healthz")
            assert problem(answer, 500, "internal") == ""
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
            assert "Traceback" in caplog.text
            assert "Traceback" not in answer.text


def test_the_table_gives_each_error_its_own_type() -> None:
    slugs = [kind.slug for kind in TABLE.values()]
    assert len(set(slugs)) == len(slugs)
    documented = (Path(__file__).parents[2] / "docs" / "http.md").read_text()
    for kind in TABLE.values():
        assert f"`{kind.type}`" in documented
        assert str(kind.status) in documented


def test_the_example_of_each_problem_is_one(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    seen = json.dumps(document)
    for kind in TABLE.values():
        if kind.slug not in ("chain", "witness-unavailable"):  # what this service never meets
            assert kind.type in seen
