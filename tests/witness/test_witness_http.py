"""The witness over HTTP: requests made by hand, byte for byte as C2SP tlog-witness says."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from hand_made import Log, Signer, b64, cosigned_at
from serving_witness import serving

from api import create_witness_app
from api.witness import PROBLEMS
from provenance.errors import InputError
from provenance.witness import Witness
from provenance.witness.request import MAX_REQUEST


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with Witness.init(tmp_path / "w", name="witness.example/w1") as made:
        yield made


@pytest.fixture
def log(witness: Witness) -> Log:
    log = Log()
    witness.watch(log.signer.vkey)
    return log


@pytest.fixture
def port(witness: Witness) -> Iterator[int]:
    with serving(witness) as port:
        yield port


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def type(self) -> str:
        return str(self.headers["Content-Type"])


def post(port: int, body: bytes, path: str = "/add-checkpoint", method: str = "POST") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def problem(answer: Answer, status: int, slug: str) -> str:
    assert (answer.status, answer.type) == (status, "application/problem+json")
    told = json.loads(answer.body)
    assert told["status"] == status
    assert told["type"] == f"urn:provenance-ledger:problem:{slug}"
    assert b"Traceback" not in answer.body
    return str(told.get("detail", ""))


def test_every_verdict_of_the_standard(
    port: int, witness: Witness, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    first = post(port, log.body(0, 5))
    assert (first.status, first.type) == (200, "text/plain; charset=utf-8")
    cosigned_at(first.body, str(witness.vkey), log.text(5))

    for old, size in ((0, 5), (0, 9), (4, 9), (6, 9)):
        stale = post(port, log.body(old, size))
        assert (stale.status, stale.type, stale.body) == (409, "text/x.tlog.size", b"5\n")
    again = post(port, log.body(5, 5))
    assert again.status == 200

    problem(post(port, b"old five"), 400, "malformed-checkpoint")
    problem(post(port, b""), 400, "malformed-checkpoint")
    backwards = log.body(0, 3).replace(b"old 0", b"old 5")
    problem(post(port, backwards), 400, "malformed-checkpoint")
    text = log.text(9)
    unsigned = f"old 5\n\n{text}\n{Signer(log.origin, 1).sign(text)}".encode()
    problem(post(port, unsigned), 403, "unsigned-checkpoint")
    detail = problem(post(port, Log("log.example/2").body(0, 3)), 404, "unknown-log")
    assert "log.example/2" in detail
    unproven = log.body(5, 9).replace(b64(log.proof(5, 9)[0]).encode(), b64(bytes(32)).encode())
    told = problem(post(port, unproven), 422, "inconsistent")
    fork = Log(log.origin)
    fork.signer, fork.leaves[2] = log.signer, b"rewritten"
    problem(post(port, fork.body(5, 5)), 409, "another-root")
    assert witness.logs()[0].contradiction
    assert [record.getMessage() for record in caplog.records] == [
        "refused with 422: " + told,
        "two histories of one log: another root was cosigned for 5 entries; "
        "`witness show` has both",
    ]

    second = post(port, log.body(5, 40))
    cosigned_at(second.body, str(witness.vkey), log.text(40))


def test_one_connection_serves_many_requests(port: int, log: Log) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.connect()
    first = connection.sock
    for size in range(1, 6):
        connection.request("POST", "/add-checkpoint", log.body(size - 1, size))
        assert connection.getresponse().read().startswith("— ".encode())
        assert connection.sock is first
    connection.close()


def test_ten_requests_at_once_move_it_once(port: int, witness: Witness, log: Log) -> None:
    forks = []
    for number in range(10):
        fork = Log(log.origin)
        fork.signer, fork.leaves[0] = log.signer, f"fork {number}".encode()
        forks.append(fork.body(0, 6))
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda body: post(port, body), forks))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 9
    assert {answer.body for answer in answers if answer.status == 409} == {b"6\n"}


def test_monitors_read_what_was_cosigned_last(port: int, witness: Witness, log: Log) -> None:
    path = f"/{sha256(log.origin.encode()).hexdigest()}/checkpoint"
    problem(post(port, b"", path, "GET"), 404, "not-found")
    line = post(port, log.body(0, 5)).body
    seen = post(port, b"", path, "GET")
    assert (seen.status, seen.type) == (200, "text/plain; charset=utf-8")
    assert seen.body == log.note(5).encode() + line
    problem(post(port, b"", f"/{'0' * 64}/checkpoint", "GET"), 404, "not-found")


def test_what_is_not_asked_so(port: int, log: Log) -> None:
    assert post(port, b"", method="GET").headers["Allow"] == "POST"
    problem(post(port, b"", method="GET"), 405, "method")
    problem(post(port, log.body(0, 1), "/"), 404, "not-found")
    problem(post(port, b"x" * (MAX_REQUEST + 1)), 413, "too-large")
    problem(post(port, b"\xff" * 2000), 400, "malformed-checkpoint")


def test_a_body_that_does_not_come_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.bodies.BODY_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(
            b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 9\r\n\r\nold"
        )
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"problem:too-slow" in answer


def test_what_fails_inside_is_not_told(port: int, witness: Witness, log: Log) -> None:
    witness.close()
    answer = post(port, log.body(0, 1))
    assert answer.headers["Retry-After"] == "5"
    assert problem(answer, 503, "witness-unavailable") == ""
    assert b"witness.db" not in answer.body


def test_a_witness_without_its_key_is_not_served(witness: Witness) -> None:
    (witness.folder / "key.pem").unlink()
    with pytest.raises(InputError, match="cannot read the key file"):
        create_witness_app(witness)


def test_each_problem_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "http.md").read_text("utf-8")
    for status, kind in PROBLEMS.items():
        assert f"| `{kind.type}` | {status} |" in page
