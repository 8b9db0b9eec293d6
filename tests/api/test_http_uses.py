"""Who asked for what, over HTTP: each answer about an artifact, and no other, is a use of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from asking import JSON, problem
from served import ROWS
from serving import serving
from test_workers import Service, is_well, until

import provenance
from api import create_app, create_projects_app
from provenance import InputError, Ledger, forms
from provenance.errors import MalformedError
from provenance.ledger import access
from provenance.ledger.config import AccessLogConfig
from provenance.ledger.usage import Uses
from provenance.ledger.uses import PUBLIC, use_files

READ = {
    "GET /v1/artifacts/train": ("show", None),
    "GET /v1/artifacts/train/history": ("history", None),
    "GET /v1/artifacts/train/descendants": ("descendants", None),
    "GET /v1/artifacts/train/impact": ("impact", None),
    'POST /v1/impact {"artifacts":["<train>"]}': ("impact", None),
    "GET /v1/artifacts/train/proofs": ("prove", None),
    "GET /v1/artifacts/train/tlog-proof": ("prove-entry", None),
    "GET /v1/artifacts/train/leaves?first=3&limit=2": ("leaves", None),
    "GET /v1/artifacts/train/access": ("access", None),
    'POST /v1/artifacts/train/proofs {"index":[7,3]}': ("prove", (7, 3)),
    'POST /v1/artifacts/train/proofs {"record":{"id":1,"text":"odd 1"}}': ("prove", (1,)),
    'POST /v1/records {"record":{"id":1,"text":"odd 1"}}': ("find", (1,)),
}
"""What is asked for, and the use that it is."""

NOT_ABOUT_IT = [
    "GET /v1/artifacts",
    "GET /v1/artifacts/test",
    "GET /v1/artifacts/nobody",
    "GET /v1/artifacts/train/history?depth=x",
    "GET /v1/artifacts/train/access?cursor=x",
    "GET /v1/artifacts/train/leaves?first=x",
    "GET /checkpoint",
    "GET /v1/entries",
    "GET /v1/anchors",
    'POST /v1/artifacts/train/proofs {"index":4711}',
    'POST /v1/records {"record":{"id":4711}}',
]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger whose uses are recorded."""
    with Ledger.init(tmp_path / "own", origin="acme.example/own") as made:
        service = replace(made.config.service, access_log=AccessLogConfig())
        made.folder.configure(service=service)
    with Ledger.open(tmp_path / "own") as ledger:
        ledger.register(ROWS, name="train")
        ledger.register(ROWS[:3], name="test")
        ledger.checkpoint()
        yield ledger


@pytest.fixture
def ask(own: Ledger) -> Iterator[Callable[..., httpx.Response]]:
    """Ask with a token of the scope `admin`, named `auditor`."""
    _, token = own.tokens.new("auditor", scope="admin")
    train = own.resolve("train").digest
    with serving(create_app(own)) as url, httpx.Client(base_url=url, timeout=30) as client:

        def ask(what: str, token: str | None = token, **headers: str) -> httpx.Response:
            method, path, *body = what.split(" ", 2)
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
            content = body[0].replace("<train>", train) if body else None
            return client.request(method, path, content=content, headers={**JSON, **headers})

        yield ask


def uses(ledger: Ledger, name: str = "train") -> Uses:
    return ledger.access(name, limit=1000)


@pytest.mark.parametrize("what", READ)
def test_what_is_answered_about_an_artifact_is_a_use_of_it(
    own: Ledger, ask: Callable[..., httpx.Response], what: str
) -> None:
    answer = ask(what, **{"X-Request-Id": "mine"})
    assert answer.status_code == 200, answer.text
    found = [known for known in uses(own) if known.use.action == READ[what][0]]
    (known,) = found
    assert (known.use.action, known.use.records) == READ[what]
    assert (known.use.request, known.name, known.state) == ("mine", "auditor", "recorded")
    assert known.use.who == own.tokens.all()[0].id


@pytest.mark.parametrize("what", NOT_ABOUT_IT)
def test_what_is_not_answered_or_about_something_else_is_none(
    own: Ledger, ask: Callable[..., httpx.Response], what: str
) -> None:
    ask(what)
    ask(what, token=None)
    assert len(uses(own)) == 0


def test_the_bundle_as_a_tlog_proof_is_one(own: Ledger, ask: Callable[..., httpx.Response]) -> None:
    answer = ask("GET /v1/artifacts/train/proofs", Accept="text/plain")
    assert answer.headers["content-type"].startswith("text/plain")
    (known,) = uses(own)
    assert known.use.action == "prove-entry"
    tag = answer.headers["etag"]
    again = ask("GET /v1/artifacts/train/proofs", Accept="text/plain", **{"If-None-Match": tag})
    assert (again.status_code, len(uses(own))) == (304, 2)


def test_without_a_token_it_is_the_public(own: Ledger) -> None:
    with serving(create_app(own, public=True)) as url:
        assert httpx.get(f"{url}/v1/artifacts/train").status_code == 200
        problem(httpx.get(f"{url}/v1/artifacts/train/access"), 401, "unauthorized")
    (known,) = uses(own)
    assert (known.use.who, known.name) == (PUBLIC, None)


def test_nothing_is_recorded_where_it_is_not_switched_on(tmp_path: Path) -> None:
    with Ledger.init(tmp_path, origin="acme.example/off") as ledger:
        ledger.register(ROWS, name="train")
        with serving(create_app(ledger, public=True)) as url:
            assert httpx.get(f"{url}/v1/artifacts/train").status_code == 200
        assert len(uses(ledger)) == 0
        assert not ledger.folder.access.exists()
        _, token = ledger.tokens.new("auditor", scope="admin")
        artifact = ledger.resolve("train").artifact.digest
        with serving(create_app(ledger)) as url, provenance.connect(url, token=token) as remote:
            assert remote.access("train") == Uses((), artifact=artifact)


def test_each_project_has_a_log_of_its_own(own: Ledger, tmp_path: Path) -> None:
    with Ledger.init(tmp_path / "other", origin="acme.example/other") as other:
        other.register(ROWS, name="train")
        with serving(create_projects_app({"own": own, "other": other}, public=True)) as url:
            for project in ("own", "other"):
                assert httpx.get(f"{url}/p/{project}/v1/artifacts/train").status_code == 200
        assert (len(uses(own)), len(uses(other))) == (1, 0)


def test_what_cannot_be_recorded_is_not_answered(
    own: Ledger, ask: Callable[..., httpx.Response]
) -> None:
    own.folder.access.write_text("in the way")
    for what in READ:
        answer = ask(what)
        problem(answer, 503, "ledger-unavailable")
        assert answer.headers["retry-after"] == "5"
        assert "odd 1" not in answer.text
    assert ask("GET /checkpoint").status_code == 200
    own.folder.access.unlink()
    assert ask("GET /v1/artifacts/train").status_code == 200
    assert len(uses(own)) == 1


def test_a_service_whose_log_nobody_may_sign_does_not_start(own: Ledger) -> None:
    own.revoke_key("signer", reason="lost")
    with pytest.raises(InputError, match=r"may not sign .*access.* `provenance keys new NAME`"):
        create_app(own)


def test_a_service_that_may_not_sign_any_more_is_not_ready(
    own: Ledger, ask: Callable[..., httpx.Response]
) -> None:
    assert ask("GET /readyz").status_code == 200
    own.revoke_key("signer", reason="lost")
    assert problem(ask("GET /readyz"), 503, "not-ready") == "no key can sign the access log"
    assert ask("GET /v1/artifacts/train").status_code == 200
    assert len(uses(own)) == 1


# --- the client -----------------------------------------------------------------------------------


def test_what_waits_to_be_signed_is_told(own: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    _, token = own.tokens.new("auditor")
    headers = {"Authorization": f"Bearer {token}"}
    with serving(create_app(own)) as url, httpx.Client(base_url=url, headers=headers) as client:

        def waiting() -> str:
            lines = client.get("/metrics").text.splitlines()
            (line,) = [each for each in lines if each.startswith("provenance_uses_waiting_bytes ")]
            return line.split()[1]

        assert waiting() == "0.0"
        assert client.get("/v1/artifacts/train").status_code == 200
        (path,) = use_files(own.folder.access)
        assert waiting() == f"{path.stat().st_size}.0" != "0.0"
        assert client.get("/readyz").status_code == 200
        monkeypatch.setattr(access, "MOST_WAITING", path.stat().st_size - 1)
        detail = problem(client.get("/readyz"), 503, "not-ready")
        assert detail == "too many uses wait to be signed"


def test_the_client_tells_what_the_ledger_tells_and_a_use_can_be_proven(own: Ledger) -> None:
    _, token = own.tokens.new("auditor", scope="admin")
    with (
        serving(create_app(own)) as url,
        provenance.connect(url, token=token) as remote,
    ):
        for number in range(5):
            remote.prove("train", index=number)
            if number == 2:
                own.access_log.roll()
        recorded = uses(own)
        told = remote.access("train", limit=1000)
        assert told == recorded
        page = remote.access("train", limit=2)
        rest = remote.access("train", cursor=page.next_cursor)
        assert {known.use.nonce for known in (*page, *rest)} >= {k.use.nonce for k in told}
        assert rest[-1] == told[-1]
        assert len(remote.access("train", since="2100-01-01")) == 0

        signed = told[-1]
        assert (signed.use.action, signed.state) == ("show", "checkpointed")
        assert signed.batch is not None
        own.anchor()
        proof = remote.prove(signed.batch, index=signed.index)
        record = forms.encode(signed.use)
        verified = remote.verify(proof, record=record, policy=own.policy(), chains=own.chains)
        assert verified.statement.kind == "access"


def test_a_reader_is_not_told_who_else_reads(own: Ledger) -> None:
    for scope in ("read", "submit"):
        _, token = own.tokens.new(scope, scope=scope)  # type: ignore[arg-type]
        with (
            serving(create_app(own)) as url,
            provenance.connect(url, token=token) as remote,
            pytest.raises(InputError, match=r"HTTP 403: .*this needs the scope 'admin'"),
        ):
            remote.access("train")


@pytest.mark.parametrize(
    "change",
    [
        {"uses": [{"state": "recorded"}]},
        {"batches": []},
        {"batches": [{"here": 0}]},
        {"uses": [{"entry": 1}]},
        {"uses": [{"index": None}]},
        {"artifact": "00" * 32},
        {"uses": [{"record": {"artifact": "00" * 32}}]},
        {"uses": [{"record": {"who": "<script>"}}]},
        {"next_cursor": "5.5"},
    ],
    ids=str,
)
def test_a_server_that_contradicts_itself_is_not_believed(
    own: Ledger, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    _, token = own.tokens.new("auditor", scope="admin")
    artifact = own.resolve("train").artifact.digest
    own.access_log.record("show", [(artifact, None)], who=PUBLIC, request="r1")
    own.access_log.roll()
    own.checkpoint()

    def changed(told: object, change: object) -> object:
        if isinstance(change, dict) and isinstance(told, dict):
            merged = {**told, **{key: changed(told.get(key), it) for key, it in change.items()}}
            return {key: value for key, value in merged.items() if value is not None}
        if isinstance(change, list) and isinstance(told, list) and change:
            return [changed(told[0], change[0])]
        return change

    to_json = Uses.to_json
    monkeypatch.setattr(Uses, "to_json", lambda uses: changed(to_json(uses), change))
    monkeypatch.setattr("api.routes.uses.UsesAnswer.model_validate", lambda told: told)
    monkeypatch.setattr("api.routes.uses.record_use", lambda *_: None)
    app = create_app(own)
    for route in app.routes:
        if getattr(route, "path", "").endswith("/access"):
            route.response_field = None  # type: ignore[attr-defined]
    with (
        serving(app) as url,
        provenance.connect(url, token=token) as remote,
        pytest.raises(MalformedError),
    ):
        remote.access("train", cursor="5.5" if "next_cursor" in change else None)


# --- several processes ----------------------------------------------------------------------------


def test_workers_that_are_killed_lose_no_use_that_they_answered(
    own: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers, one of which is killed again and again, and at last both; each answer counts."""
    _, token = own.tokens.new("auditor")
    service = Service(tmp_path / "own")
    answered = []
    try:
        until(lambda: is_well(service))
        for turn in range(3):
            for number in range(40):
                if number == 20:
                    os.kill(min(service.workers()), signal.SIGKILL)
                name = f"{turn}-{number}"
                headers = {"Authorization": f"Bearer {token}", "X-Request-Id": name}
                try:
                    answer = httpx.get(
                        f"{service.url}/v1/artifacts/train", headers=headers, timeout=30
                    )
                except httpx.TransportError:
                    continue
                assert answer.status_code == 200
                answered.append(name)
            until(lambda: len(service.workers()) == 2 and is_well(service))
        before = [known.use.request for known in uses(own)]
        assert set(before) >= set(answered)
        entries = own.access_log.roll(patience=60)  # by the workers, and what is left here
        assert entries
        for pid in service.workers():
            os.kill(pid, signal.SIGKILL)
    finally:
        service.end()
    own.access_log.roll()
    after = uses(own)
    told = [known.use.request for known in after]
    assert set(told) >= set(answered)
    assert len(told) == len(set(told)), "each is signed once"
    assert {known.state for known in after} == {"logged"}
    assert all(batch.counted == batch.here for batch in after.batches)


def test_a_service_that_ends_signs_what_it_recorded(own: Ledger, tmp_path: Path) -> None:
    _, token = own.tokens.new("auditor")
    service = Service(tmp_path / "own")
    headers = {"Authorization": f"Bearer {token}"}
    try:
        until(lambda: is_well(service))
        for _ in range(10):
            assert httpx.get(f"{service.url}/v1/artifacts/train", headers=headers).is_success
        service.process.terminate()
        service.process.communicate(timeout=60)
    finally:
        service.end()
    assert {known.state for known in uses(own)} == {"logged"}
    assert len(uses(own)) == 10
    assert not list(own.folder.access.glob("*.uses"))
    assert access.SYNC_SECONDS == 1.0
