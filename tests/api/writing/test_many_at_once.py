"""What waits is sent by the hundred: few requests, and all that one by one would have brought."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from asking import problem
from lying import lying
from serving import serving

import provenance
from api import create_app
from provenance import Ledger, VerificationError, forms
from provenance.client.transport import Transport
from provenance.log import LogProof
from provenance.merkle import Tree
from provenance.records import JSON, Artifact, hash_record
from provenance.signing import PrivateKey

LINES = {"Content-Type": "application/jsonl"}


def rows(number: int) -> list[dict[str, int]]:
    return [{"of": number, "n": n} for n in range(number % 7)]


@pytest.fixture
def spooled(
    url: str, key: PrivateKey, token: str, ledger: Ledger, tmp_path: Path
) -> dict[str, Any]:
    """What to connect with to a spool in which 120 data sets and 30 metrics wait."""
    given = {"token": token, "signer": key, "policy": ledger.policy(), "spool": tmp_path / "spool"}
    remote = provenance.connect(url, **given)
    with remote.journal.resting():
        for number in range(120):
            remote.register(rows(number), name=f"rows {number}", sensitivity="public")
            if number % 4 == 0:
                remote.quality(f"rows {number}", metrics={"n": number})
    assert remote.waiting() == 150
    remote.close()
    return given


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked for, each request."""
    requests: list[str] = []
    exchange = Transport.exchange

    def counted(self: Transport, method: str, path: str, **given: Any) -> Any:
        requests.append(f"{method} {path}")
        return exchange(self, method, path, **given)

    monkeypatch.setattr(Transport, "exchange", counted)
    return requests


HUNDRED = ["POST v1/leaves", "POST v1/entries", "POST v1/entries/tlog-proofs"]


def test_a_hundred_statements_take_three_requests(
    url: str, spooled: dict[str, Any], ledger: Ledger, asked: list[str]
) -> None:
    with provenance.connect(url, **spooled) as remote:
        assert remote.drain() == [*range(3, 153)]
        assert remote.waiting() == 0
    assert asked == HUNDRED * 2
    registered = [each.name for each in ledger.artifacts(sort="index", limit=None)]
    assert registered == [f"rows {number}" for number in range(120)]
    for number in (1, 6, 118):
        for index, row in enumerate(rows(number)):
            proof = ledger.prove(f"rows {number}", record=row)
            assert proof.indices == (index,)
            assert provenance.verify(proof, record=row, policy=ledger.policy()).index > 2


def test_what_is_large_goes_by_itself(
    url: str,
    spooled: dict[str, Any],
    ledger: Ledger,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("provenance.client.writing.SMALL", 5 * 32)
    with provenance.connect(url, **spooled) as remote:
        assert remote.drain() == [*range(3, 153)]
    large = sum(len(rows(number)) == 6 for number in range(120))
    assert sum(each.startswith("PATCH v1/trees/") for each in asked) == large == 17
    assert [each for each in asked if "v1/trees" not in each] == HUNDRED * 2


def test_a_request_holds_so_much(
    url: str, spooled: dict[str, Any], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provenance.client.writing.FULL", 30_000)
    with provenance.connect(url, **spooled) as remote:
        assert remote.drain() == [*range(3, 153)]
    assert asked.count("POST v1/entries") == asked.count("POST v1/entries/tlog-proofs") > 4


def changed(change: Callable[[list[str]], list[str]]) -> Callable[[str, bytes], bytes]:
    def told(asked: str, content: bytes) -> bytes:
        if not asked.endswith("/tlog-proofs"):
            return content
        return json.dumps({"proofs": change(json.loads(content)["proofs"])}).encode()

    return told


LIES: dict[str, Callable[[list[str]], list[str]]] = {
    "one too few": lambda proofs: proofs[:-1],
    "one twice": lambda proofs: [proofs[0], *proofs[:-1]],
    "in another order": lambda proofs: proofs[::-1],
    "none": lambda proofs: [],
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_not_proven_waits(
    url: str, spooled: dict[str, Any], lie: str, tmp_path: Path
) -> None:
    with lying(url, changed(LIES[lie])) as liar:
        address = spooled["spool"] / "ledger.json"
        address.write_text(address.read_text().replace(url, liar))
        remote = provenance.connect(liar, **spooled)
        with pytest.raises(VerificationError, match="entry: "):
            remote.drain()
        assert remote.waiting() == 150
        remote.close()


# --- the two requests, by hand --------------------------------------------------------------------


@pytest.fixture
def http(url: str, token: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield client


def artifact(number: int) -> tuple[Artifact, bytes]:
    leaves = b"".join(hash_record(row, JSON) for row in rows(number))
    root = Tree.from_leaf_hashes(leaves).root
    return Artifact(root=root, size=len(rows(number)), encoding=JSON), leaves


def line(number: int, leaves: bytes | None = None) -> bytes:
    claimed, own = artifact(number)
    data = b64encode(own if leaves is None else leaves).decode()
    return b'{"artifact":%s,"leaves":"%s"}' % (forms.dump(claimed), data.encode())


def test_trees_are_kept_all_or_none(http: httpx.Client, ledger: Ledger) -> None:
    def kept(number: int) -> bool:
        return ledger.uploads.is_kept(artifact(number)[0])

    wrong = [line(2, artifact(9)[1]), line(2, b""), line(2, b"short"), b"{}", b"", b"[]"]
    for bad, slug in zip(wrong, ["unusable"] * 3 + ["malformed"] * 3, strict=True):
        body = b"\n".join([line(1), bad, line(3)])
        problem(http.post("/v1/leaves", content=body, headers=LINES), 422, slug)
        assert not any(map(kept, (1, 2, 3)))
    body = b"\n".join(map(line, range(7)))  # of the first, no record
    for _ in range(2):
        answer = http.post("/v1/leaves", content=body + b"\n", headers=LINES)
        assert (answer.status_code, answer.content) == (204, b"")
        assert all(map(kept, range(7)))
    one = http.post("/v1/leaves", content=line(8), headers={"Content-Type": "application/json"})
    assert one.status_code == 204
    assert kept(8)


def test_bytes_are_counted(ledger: Ledger, token: str) -> None:
    config = ledger.folder.config
    config.write_text(config.read_text() + "\n[service.limits]\nuploadBytes = 64\n")
    with (
        Ledger.open(ledger.folder.path.parent) as limited,
        serving(create_app(limited)) as url,
    ):
        headers = {"Authorization": f"Bearer {token}", **LINES}
        first = httpx.post(f"{url}/v1/leaves", content=line(3), headers=headers)
        assert first.status_code == 204
        second = httpx.post(f"{url}/v1/leaves", content=line(1), headers=headers)
        assert "at most 64 bytes of uploads" in problem(second, 429, "limited")


def test_a_disk_without_room(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    monkeypatch.setattr(type(ledger.uploads), "_room", lambda self: 3 * 32 * 3 - 1)
    body = b"\n".join([line(1), line(2)])
    answer = http.post("/v1/leaves", content=body, headers=LINES)
    assert "no room" in problem(answer, 422, "unusable")
    assert http.post("/v1/leaves", content=line(2), headers=LINES).status_code == 204


def test_proofs_of_several_entries(http: httpx.Client, ledger: Ledger) -> None:
    path = "/v1/entries/tlog-proofs"
    told = http.post(path, json={"index": [1, 0, 1]}).json()["proofs"]
    assert told == [ledger.prove_entry(index).to_bytes().decode() for index in (1, 0, 1)]
    assert LogProof.parse(told[0].encode()).index == 1
    assert http.post(path, json={"index": 1}).json()["proofs"][0].split("\n")[1] == "index 1"
    problem(http.post(path, json={"index": [0, 2]}), 404, "unknown-record")
    for body in ({}, {"index": []}, {"index": "0"}, {"index": [-1]}, {"index": [0] * 1001}):
        problem(http.post(path, json=body), 422, "malformed")
