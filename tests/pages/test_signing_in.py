"""Who sees pages: every page with every kind of token, as a browser and as a program send it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from serving import serving

from api import create_projects_app
from provenance import Ledger

ROWS = [{"id": i} for i in range(3)]
PAGES = [
    "/",
    "/search",
    "/artifacts",
    "/artifacts/{digest}",
    "/artifacts/{digest}/records/1",
    "/artifacts/{digest}/compare/{digest}",
    "/artifacts/{digest}/history",
    "/artifacts/{digest}/report",
    "/log",
    "/log/1",
    "/anchors",
]
COOKIE = "provenance-token"


@dataclass(frozen=True)
class Private:
    url: str
    digest: str
    tokens: dict[str, str]

    def get(self, path: str, cookie: str | None = None, **headers: str) -> httpx.Response:
        if cookie is not None:
            headers["Cookie"] = f"{COOKIE}={cookie}"
        return httpx.get(
            f"{self.url}{path.format(digest=self.digest)}", headers=headers, timeout=30
        )

    def post(self, path: str, content: str, **headers: str) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", content=content, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    folder = tmp_path_factory.mktemp("private")
    with (
        Ledger.init(folder / "own", origin="acme.example/own") as own,
        Ledger.init(folder / "other", origin="acme.example/other") as other,
    ):
        artifact = own.register(ROWS, name="rows", sensitivity="public")
        own.checkpoint()
        revoked, gone = own.tokens.new("gone")
        own.tokens.revoke(revoked.id)
        tokens = {
            "read": own.tokens.new("reader")[1],
            "submit": own.tokens.new("writer", scope="submit")[1],
            "revoked": gone,
            "of the other project": other.tokens.new("theirs")[1],
            "made up": "plt_00000000_" + "A" * 43,
        }
        with serving(create_projects_app({"own": own, "other": other})) as url:
            yield Private(f"{url}/p/own", artifact.digest, tokens)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_wants_a_token_that_counts(private: Private, path: str) -> None:
    for kind, token in private.tokens.items():
        for answer in (
            private.get(path, cookie=token),
            private.get(path, Authorization=f"Bearer {token}"),
        ):
            if kind in ("read", "submit"):
                assert answer.status_code == 200, f"{kind}: {answer.text}"
            else:
                assert answer.status_code == 303
    answer = private.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/p/own/signin?next=/p/own/")
    assert private.digest not in answer.text


def test_signing_in_and_out(private: Private) -> None:
    with httpx.Client() as browser:
        asked = browser.get(f"{private.url}/log?below=1", follow_redirects=True)
        assert asked.url.path == "/p/own/signin"
        assert 'name="next" value="/p/own/log?below=1"' in asked.text
        form = {"token": f" {private.tokens['read']} ", "next": "/p/own/log?below=1"}
        answer = browser.post(f"{private.url}/signin", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/p/own/log?below=1")
        sent = answer.headers["set-cookie"].lower()
        for part in ("httponly", "samesite=strict", "path=/p/own/"):
            assert part in sent
        assert browser.get(f"{private.url}/log").status_code == 200
        assert browser.get(f"{private.url}/v1/artifacts").status_code == 200
        assert "Sign out" in browser.get(f"{private.url}/").text
        browser.post(f"{private.url}/signout")
        assert browser.get(f"{private.url}/log").status_code == 303


@pytest.mark.parametrize(
    ("following", "led_to"),
    [
        ("/p/own/log", "/p/own/log"),
        ("https://evil.example/", "/p/own/"),
        ("//evil.example/", "/p/own/"),
        ("/p/other/", "/p/own/"),
        ("/p/own/\\evil", "/p/own/"),
        ("/p/own/\r\nX: y", "/p/own/"),
        ("", "/p/own/"),
    ],
)
def test_signing_in_leads_nowhere_else(private: Private, following: str, led_to: str) -> None:
    form = {"token": private.tokens["read"], "next": following}
    answer = httpx.post(f"{private.url}/signin", data=form)
    assert answer.headers["location"] == led_to


@pytest.mark.parametrize("kind", ["revoked", "of the other project", "made up"])
def test_a_token_that_does_not_count_is_said_to(private: Private, kind: str) -> None:
    answer = httpx.post(f"{private.url}/signin", data={"token": private.tokens[kind]})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "revoked" in answer.text if kind == "revoked" else "no token of this" in answer.text
    assert private.tokens[kind] not in answer.text


@pytest.mark.parametrize(
    "foreign",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_nothing_is_written_for_a_page_of_another_site(
    private: Private, foreign: dict[str, str]
) -> None:
    cookie = {"Cookie": f"{COOKIE}={private.tokens['submit']}", "Content-Type": "application/json"}
    refused = private.post("/v1/entries", "{}", **cookie, **foreign)
    assert (refused.status_code, "another site" in refused.text) == (403, True)
    own = private.post("/v1/entries", "{}", **cookie, **{"Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 422
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for path in ("/signin", "/signout"):
        assert private.post(path, "token=x", **form, **foreign).status_code == 403


def test_a_token_in_the_header_counts_before_the_cookie(private: Private) -> None:
    bearer = f"Bearer {private.tokens['made up']}"
    answer = private.get("/v1/artifacts", cookie=private.tokens["read"], Authorization=bearer)
    assert answer.status_code == 401


def test_a_form_of_another_kind_is_refused(private: Private) -> None:
    for content, sent, status in (("{}", "application/json", 415), ("x" * 20_000, None, 413)):
        kind = sent or "application/x-www-form-urlencoded"
        assert private.post("/signin", content, **{"Content-Type": kind}).status_code == status
