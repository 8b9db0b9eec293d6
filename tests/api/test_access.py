"""Who may ask for what: every route with every kind of token, in one table."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from asking import problem
from served import ROWS
from serving import serving

import provenance
from api import create_app, create_projects_app
from api.errors import BusyError
from api.logs import LogForm, written
from provenance import InputError, Ledger
from provenance.ledger.tokens import Scope, Tokens

CALLS = {
    "GET /healthz": None,
    "GET /readyz": None,
    "GET /metrics": "read",
    "GET /checkpoint": "read",
    "GET /tile/{path}": "read",
    "GET /v1/anchors": "read",
    "GET /v1/artifacts": "read",
    "GET /v1/artifacts/{ref}": "read",
    "GET /v1/artifacts/{ref}/history": "read",
    "GET /v1/artifacts/{ref}/descendants": "read",
    "GET /v1/artifacts/{ref}/impact": "read",
    "POST /v1/impact": "read",
    "GET /v1/artifacts/{ref}/access": "admin",
    "GET /v1/artifacts/{ref}/leaves": "read",
    "GET /v1/artifacts/{ref}/tlog-proof": "read",
    "GET /v1/artifacts/{ref}/proofs": "read",
    "POST /v1/artifacts/{ref}/proofs": "read",
    "POST /v1/verify": "read",
    "GET /v1/policy": "read",
    "GET /v1/entries": "read",
    "GET /v1/entries/{index}": "read",
    "GET /v1/entries/{index}/tlog-proof": "read",
    "POST /v1/entries/tlog-proofs": "read",
    "GET /v1/envelopes/{sha256}": "read",
    "POST /v1/records": "read",
    "POST /v1/entries": "submit",
    "POST /v1/leaves": "submit",
    "POST /api/v1/lineage": "submit",
    "POST /v1/trees": "submit",
    "OPTIONS /v1/trees": None,
    "GET /v1/trees/{upload}": "submit",
    "PATCH /v1/trees/{upload}": "submit",
}
"""Every operation, and the scope that it needs."""

SCOPES: tuple[Scope, ...] = ("read", "submit", "admin")
TOKENS = ["none", *SCOPES, "of the other project", "expired", "revoked", "made up"]


def tokens_of_every_kind(own: Ledger, other: Ledger) -> dict[str, str]:
    """Return kind → token, of a project's own and of what is none."""
    tokens = {scope: own.tokens.new(scope, scope=scope)[1] for scope in SCOPES}
    tokens["of the other project"] = other.tokens.new("theirs", scope="submit")[1]
    revoked, tokens["revoked"] = own.tokens.new("revoked", scope="submit")
    own.tokens.revoke(revoked.id)
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    then = Tokens(own._database, lambda: long_ago)
    until = long_ago + timedelta(days=1)
    tokens["expired"] = then.new("expired", scope="submit", expires=until)[1]
    tokens["made up"] = "plt_00000000_" + "A" * 43
    return tokens


@dataclass(frozen=True)
class Served:
    """Projects behind one address, tokens to ask for one of them with, and an envelope of it."""

    url: str
    tokens: dict[str, str]
    envelope: str
    http: httpx.Client

    def ask(self, operation: str, **headers: str) -> httpx.Response:
        method, _, path = operation.partition(" ")
        filled = path.format(
            ref="train", path="0/000.p/3", upload="0" * 32, index=1, sha256=self.envelope
        )
        bodies = {
            "/v1/artifacts/{ref}/proofs": '{"index":0}',
            "/v1/verify": '{"bundle":{}}',
            "/v1/records": '{"record":{}}',
            "/v1/impact": '{"artifacts":[]}',
            "/v1/entries": "{}",
            "/v1/entries/tlog-proofs": '{"index":[0,1]}',
            "/v1/leaves": "{}",
            "/api/v1/lineage": "{}",
        }
        body = bodies.get(path) if method == "POST" else None
        if body is not None:
            headers["Content-Type"] = "application/json"
        url = f"{self.url}/p/vision{filled}"
        return self.http.request(method, url, content=body, headers=headers)

    def asked_with(self, kind: str, operation: str) -> httpx.Response:
        if kind == "none":
            return self.ask(operation)
        return self.ask(operation, Authorization=f"Bearer {self.tokens[kind]}")


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ledger]]:
    folder = tmp_path_factory.mktemp("projects")
    with (
        Ledger.init(folder / "vision", origin="acme.example/vision") as vision,
        Ledger.init(folder / "text", origin="acme.example/text") as text,
    ):
        for ledger in (vision, text):
            ledger.register(ROWS, name="train", sensitivity="public")
            ledger.checkpoint()
        yield {"vision": vision, "text": text}


@pytest.fixture(scope="module")
def served(projects: dict[str, Ledger]) -> Iterator[Served]:
    with (
        serving(create_projects_app(projects)) as url,
        httpx.Client(timeout=30) as http,
    ):
        tokens = tokens_of_every_kind(projects["vision"], projects["text"])
        yield Served(url, tokens, projects["vision"].entry(1).entry.envelope_hash.hex(), http)


def test_every_operation_stands_in_the_table(projects: dict[str, Ledger]) -> None:
    paths = create_app(projects["vision"]).openapi()["paths"]
    described = {
        f"{method.upper()} {path}": "security" in operation
        for path, ways in paths.items()
        for method, operation in ways.items()
    }
    assert described == {operation: scope is not None for operation, scope in CALLS.items()}


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("kind", TOKENS)
def test_who_may_what(served: Served, kind: str, operation: str) -> None:
    answer = served.asked_with(kind, operation)
    scope = CALLS[operation]
    if scope is None:
        assert answer.status_code in (200, 204)
    elif kind not in SCOPES:
        detail = problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == 'Bearer realm="provenance"'
        said = {"expired": "is expired", "revoked": "is revoked", "none": "send a token"}
        assert said.get(kind, "what was sent is no token of this ledger") in detail
    elif SCOPES.index(kind) < SCOPES.index(scope):  # type: ignore[arg-type]
        assert f"this needs the scope {scope!r}" in problem(answer, 403, "forbidden")
    elif scope != "submit":
        assert answer.status_code == 200, answer.text
    else:  # let in, and told what else is amiss
        is_off = operation == "POST /api/v1/lineage"
        assert answer.status_code in ((404,) if is_off else (412, 422))


@pytest.mark.parametrize("operation", CALLS)
def test_everybody_reads_what_is_public_and_a_token_must_be_one(
    served: Served, projects: dict[str, Ledger], operation: str
) -> None:
    with serving(create_projects_app(projects, public=True)) as url:
        public = replace(served, url=url)
        for kind in ("none", "read"):
            status = public.asked_with(kind, operation).status_code
            if CALLS[operation] in ("submit", "admin"):
                assert status == {"none": 401, "read": 403}[kind]
            else:  # figures are not published with the data
                hidden = operation == "GET /metrics" and kind == "none"
                assert status in ([401] if hidden else [200, 204])
        for kind in ("expired", "revoked", "made up", "of the other project"):
            status = public.asked_with(kind, operation).status_code
            assert status in ([200, 204] if CALLS[operation] is None else [401])


@pytest.mark.parametrize("operation", CALLS)
def test_who_has_too_much_to_do_says_so_but_is_well(
    served: Served, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    def refuse() -> None:
        raise BusyError

    monkeypatch.setattr("api.access.check_queue", refuse)
    answer = served.asked_with("admin", operation)
    if CALLS[operation] is None:
        assert answer.status_code in (200, 204)
    else:
        problem(answer, 503, "busy")
        assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    "sent",
    ["{}", "bearer", "Bearer", "Basic {}", "Token {}", "Bearer {} {}", "Bearer{}", "Bearer {}x"],
)
def test_other_forms_of_the_header(served: Served, sent: str) -> None:
    header = sent.replace("{}", served.tokens["read"])
    problem(served.ask("GET /checkpoint", Authorization=header), 401, "unauthorized")


def test_the_scheme_may_be_written_in_any_case(served: Served) -> None:
    for scheme in ("bearer", "BEARER", "Bearer"):
        header = f"{scheme} {served.tokens['read']}"
        assert served.ask("GET /checkpoint", Authorization=header).status_code == 200


def test_two_tokens_at_once_are_none(served: Served) -> None:
    header = [("Authorization", f"Bearer {served.tokens[kind]}") for kind in ("submit", "made up")]
    for headers in (header, header[::-1]):
        answer = httpx.get(f"{served.url}/p/vision/checkpoint", headers=headers)
        problem(answer, 401, "unauthorized")


def test_the_health_of_what_is_private_is_all_that_is_told(
    served: Served, projects: dict[str, Ledger]
) -> None:
    assert served.ask("GET /healthz").json() == {"status": "ok"}
    with serving(create_app(projects["vision"], public=True)) as url:
        told = httpx.get(f"{url}/healthz").json()
    assert told == {"status": "ok", "origin": "acme.example/vision"}


def test_who_is_not_let_in_learns_nothing_of_what_is_there(served: Served) -> None:
    for path in ("/v1/artifacts/train", "/v1/artifacts/none", "/tile/0/000", "/v1/artifacts?x=1"):
        problem(httpx.get(f"{served.url}/p/vision{path}"), 401, "unauthorized")
    answer = httpx.post(f"{served.url}/p/vision/v1/verify", content=b"x" * 100)
    problem(answer, 401, "unauthorized")


def test_a_revoked_token_opens_nothing_from_the_next_request_on(
    served: Served, projects: dict[str, Ledger]
) -> None:
    token, text = projects["vision"].tokens.new("soon gone")
    header = f"Bearer {text}"
    assert served.ask("GET /checkpoint", Authorization=header).status_code == 200
    projects["vision"].tokens.revoke(token.id)
    problem(served.ask("GET /checkpoint", Authorization=header), 401, "unauthorized")


def test_only_what_everybody_may_read_is_kept_by_shared_caches(
    served: Served, projects: dict[str, Ledger]
) -> None:
    for path, kept in (
        ("tile/0/000.p/3", "max-age=31536000, immutable"),
        ("checkpoint", "max-age=2"),
    ):
        with serving(create_app(projects["vision"], public=True)) as url:
            assert httpx.get(f"{url}/{path}").headers["cache-control"] == f"public, {kept}"
        header = {"Authorization": f"Bearer {served.tokens['read']}"}
        answer = httpx.get(f"{served.url}/p/vision/{path}", headers=header)
        assert answer.headers["cache-control"] == f"private, {kept}"


def test_a_ledger_says_itself_whether_it_is_public(tmp_path: Path) -> None:
    with Ledger.init(tmp_path, origin="acme.example/ml") as ledger:
        assert not create_app(ledger).state.public
        config = ledger.folder.config
    assert "[service]\npublic = false\n" in config.read_text()
    config.write_text(config.read_text().replace("public = false", "public = true"))
    with Ledger.open(tmp_path) as ledger:
        assert create_app(ledger).state.public
        assert not create_app(ledger, public=False).state.public


@pytest.mark.parametrize("form", ["json", "text"])
def test_tokens_stand_in_no_log(
    served: Served,
    projects: dict[str, Ledger],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    form: LogForm,
) -> None:
    with caplog.at_level(logging.DEBUG), written(form):
        for kind in TOKENS:
            for operation in CALLS:
                served.asked_with(kind, operation)
        tree = projects["vision"].folder.trees
        tree.rename(tree.with_name("gone"))
        try:
            answer = served.asked_with("read", "POST /v1/artifacts/{ref}/proofs")
        finally:
            tree.with_name("gone").rename(tree)
    problem(answer, 503, "ledger-unavailable")
    assert "/p/vision/v1/artifacts/train/proofs" in caplog.text
    told = capsys.readouterr().err
    assert told.count("/v1/artifacts/train/proofs") >= len(TOKENS)
    for text in served.tokens.values():
        assert text[13:] not in caplog.text + told


# --- projects -------------------------------------------------------------------------------------


def test_each_project_answers_for_its_own_log(served: Served, projects: dict[str, Ledger]) -> None:
    for name, ledger in projects.items():
        _, token = ledger.tokens.new("its own")
        with provenance.connect(f"{served.url}/p/{name}", token=token) as remote:
            assert remote.checkpoint() == ledger.latest_checkpoint()
            proof = remote.prove("train", index=[3, 1])
            chains = ledger.chains
            verified = remote.verify(
                proof, policy=ledger.policy(), chains=chains, data=[ROWS[3], ROWS[1]]
            )
            assert verified.checkpoint.origin == ledger.origin


def test_what_is_no_project(served: Served) -> None:
    for path in ("/p", "/p/", "/p/audio/checkpoint", "/p/audio", "/checkpoint"):
        problem(httpx.get(served.url + path), 404, "not-found")
    assert httpx.get(f"{served.url}/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("name", ["", "Vision", "a/b", "..", ".git", "ä", "x" * 65, "a b"])
def test_names_that_no_project_can_have(projects: dict[str, Ledger], name: str) -> None:
    with pytest.raises(InputError, match="cannot name a project"):
        create_projects_app({name: projects["vision"]})


# --- the client -----------------------------------------------------------------------------------


def test_a_client_without_the_right_token_is_told(served: Served) -> None:
    for token, said in ((None, "send a token"), (served.tokens["expired"], "is expired")):
        with (
            provenance.connect(f"{served.url}/p/vision", token=token) as remote,
            pytest.raises(InputError, match=f"HTTP 401: .*{said}"),
        ):
            remote.artifacts()


@pytest.mark.parametrize("url", ["http://ledger.example", "http://127.0.0.1.example/p/x"])
def test_a_token_is_not_sent_where_others_read_it(url: str) -> None:
    with pytest.raises(InputError, match="over https only, or to this machine"):
        provenance.connect(url, token="plt_x")
    provenance.connect(url).close()


@pytest.mark.parametrize("token", ["", "a b", "a\nX-Header: 1", "é"])
def test_what_cannot_be_sent_as_a_token(token: str) -> None:
    with pytest.raises(InputError, match="characters that no token has"):
        provenance.connect("https://ledger.example", token=token)
