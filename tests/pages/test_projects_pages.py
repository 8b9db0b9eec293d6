"""The way in to a server of many ledgers, and what is not served, as a browser is told of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from audited import Site
from serving import serving

from api import create_projects_app
from provenance import Ledger

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("projects")
    for name in ("shown", "hidden"):
        Ledger.init(home / name, origin=f"acme.example/{name}").close()
    config = home / "shown" / ".provenance" / "config.toml"
    config.write_text(config.read_text().replace("public = false", "public = true"))
    with (
        Ledger.open(home / "shown") as shown,
        Ledger.open(home / "hidden") as hidden,
        serving(create_projects_app({"shown": shown, "hidden": hidden})) as url,
    ):
        yield url


def test_only_what_everybody_may_read_is_named(url: str) -> None:
    text = httpx.get(f"{url}/").text
    assert 'href="/p/shown/"' in text
    assert "acme.example/shown" in text
    assert "hidden" not in text
    for link in re.findall('href="(/[^"]*)"', text):
        assert httpx.get(f"{url}{link}").status_code == 200, link


def test_a_ledger_in_which_nothing_is_registered(url: str) -> None:
    text = httpx.get(f"{url}/p/shown/").text
    assert "provenance register data.jsonl" in text
    assert text.count("admin") == 2, "who added the first signer, and whom the log began with"
    text = httpx.get(f"{url}/p/shown/artifacts").text
    assert "None." in text


def test_a_stranger_is_not_told_whose_a_private_ledger_is(url: str) -> None:
    for path in ("", "signin", "none", "log/x", "artifacts"):
        answer = httpx.get(f"{url}/p/hidden/{path}", headers=BROWSER, follow_redirects=True)
        assert "acme.example" not in answer.text, path
        kept = {**BROWSER, "Cookie": "provenance-token=plt_4c1f09ab_none"}
        answer = httpx.get(f"{url}/p/hidden/{path}", headers=kept, follow_redirects=True)
        assert "acme.example" not in answer.text, path


def test_a_project_is_found_without_the_slash(url: str) -> None:
    answer = httpx.get(f"{url}/p/shown")
    assert (answer.status_code, answer.headers["location"]) == (308, "/p/shown/")


@pytest.mark.parametrize("path", ["/p/none", "/p/none/", "/none", "/p/shown/none"])
def test_where_nothing_is_served(url: str, path: str) -> None:
    page = httpx.get(f"{url}{path}", headers=BROWSER)
    assert page.status_code == 404
    assert "<h1>Nothing is served here</h1>" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    problem = httpx.get(f"{url}{path}")
    assert problem.status_code == 404
    assert problem.headers["content-type"] == "application/problem+json"


def test_where_a_ledger_serves_nothing(site: Site) -> None:
    page = site.page("/none", headers=BROWSER)
    assert page.status_code == 404
    assert 'action="/search"' in page.text
