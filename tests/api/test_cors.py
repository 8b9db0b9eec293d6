"""What a browser is told of pages of other sites (WHATWG Fetch, CORS protocol)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from asking import problem
from served import ROWS
from serving import serving

from api import create_app, create_projects_app
from api.guard import HEADERS
from provenance import Ledger
from provenance.errors import LedgerError
from provenance.ledger.config import Config

PAGE = "https://registry.example"
OTHER = "https://evil.example"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str], Ledger]]:
    """Opens a ledger with this configuration of its service."""
    with Ledger.init(tmp_path, origin="acme.example/cors") as ledger:
        ledger.register(ROWS, name="train")
        config = ledger.folder.config
    text = config.read_text()

    with ExitStack() as stack:

        def reopen(service: str) -> Ledger:
            config.write_text(text.replace("public = false", f"public = true\n{service}"))
            return stack.enter_context(Ledger.open(tmp_path))

        yield reopen


def preflight(url: str, origin: str, method: str, *headers: str) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = ",".join(headers)
    return httpx.options(f"{url}/v1/trees", headers=asked)


def allowed(answer: httpx.Response) -> str | None:
    assert "access-control-allow-credentials" not in answer.headers
    assert {name: answer.headers.get(name) for name in HEADERS if name != "Cache-Control"} == {
        name: value for name, value in HEADERS.items() if name != "Cache-Control"
    }
    return answer.headers.get("access-control-allow-origin")


def test_nothing_is_said_at_first(opened: Callable[[str], Ledger]) -> None:
    with serving(create_app(opened(""))) as url:
        answer = httpx.get(f"{url}/v1/artifacts", headers={"Origin": PAGE})
        assert answer.status_code == 200
        assert allowed(answer) is None
        problem(httpx.options(f"{url}/checkpoint", headers={"Origin": PAGE}), 405, "method")
        assert allowed(preflight(url, PAGE, "GET")) is None


@pytest.mark.parametrize("several", [False, True])
def test_pages_that_are_named_may_ask(opened: Callable[[str], Ledger], several: bool) -> None:
    ledger = opened(f'cors = ["{PAGE}", "http://localhost:3000"]')
    app = create_projects_app({"vision": ledger}) if several else create_app(ledger)
    with serving(app) as base:
        url = f"{base}/p/vision" if several else base
        for page in (PAGE, "http://localhost:3000"):
            asked = preflight(
                *(url, page, "PATCH", "authorization", "tus-resumable", "upload-offset"),
                *("content-type", "x-request-id"),
            )
            assert (asked.status_code, allowed(asked)) == (200, page)
            assert "PATCH" in asked.headers["access-control-allow-methods"]
            answer = httpx.get(f"{url}/v1/artifacts/train", headers={"Origin": page})
            assert (answer.status_code, allowed(answer)) == (200, page)
            assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
            refused = httpx.get(f"{url}/v1/artifacts/none", headers={"Origin": page})
            problem(refused, 404, "unknown-artifact")
            assert allowed(refused) == page
        unknown = httpx.post(f"{url}/v1/entries", headers={"Origin": PAGE})
        problem(unknown, 401, "unauthorized")
        assert allowed(unknown) == PAGE


def test_pages_that_are_not_named_may_not(opened: Callable[[str], Ledger]) -> None:
    with serving(create_app(opened(f'cors = ["{PAGE}"]'))) as url:
        for page in (
            OTHER,
            PAGE + ".evil.example",
            PAGE + ":444",
            "http://registry.example",
            "null",
        ):
            assert allowed(preflight(url, page, "GET")) is None
            answer = httpx.get(f"{url}/checkpoint", headers={"Origin": page})
            assert allowed(answer) is None
        assert preflight(url, PAGE, "DELETE").status_code == 400
        assert preflight(url, PAGE, "GET", "cookie").status_code == 400


def test_what_caches_keep_is_kept_apart_by_origin(opened: Callable[[str], Ledger]) -> None:
    ledger = opened(f'cors = ["{PAGE}"]')
    ledger.checkpoint()
    with serving(create_app(ledger)) as url:
        for headers in ({}, {"Origin": PAGE}, {"Origin": OTHER}):
            answer = httpx.get(f"{url}/tile/entries/000.p/3", headers=headers)
            assert {each.strip() for each in answer.headers["vary"].split(",")} == {
                "Accept-Encoding",
                "Origin",
            }


def test_all_pages_may_ask_but_without_credentials(opened: Callable[[str], Ledger]) -> None:
    with serving(create_app(opened('cors = ["*"]'))) as url:
        assert allowed(preflight(url, OTHER, "GET", "authorization")) == "*"
        answer = httpx.get(f"{url}/v1/artifacts", headers={"Origin": OTHER, "Cookie": "a=b"})
        assert allowed(answer) == "*"


def test_tus_is_discovered_as_ever(opened: Callable[[str], Ledger]) -> None:
    with serving(create_app(opened(f'cors = ["{PAGE}"]'))) as url:
        answer = httpx.options(f"{url}/v1/trees", headers={"Origin": PAGE})
        assert (answer.status_code, answer.headers["tus-version"]) == (204, "1.0.0")


@pytest.mark.parametrize(
    "wrong",
    [
        '"https://registry.example/"',
        '"registry.example"',
        '"https://Registry.example"',
        '"https://registry.example:443"',
        '"http://registry.example:80"',
        '"https://*.example"',
        '"null"',
        '"https://a.example", "*"',
        "7",
    ],
)
def test_what_no_browser_sends_is_an_error(tmp_path: Path, wrong: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'origin = "x.example/y"\n[service]\ncors = [{wrong}]\n')
    with pytest.raises(LedgerError, match=r"config\.toml is not as it must be"):
        Config.read(config)


def test_it_is_written_as_it_is_read(opened: Callable[[str], Ledger], tmp_path: Path) -> None:
    origins = [PAGE, "http://localhost:3000", "http://[::1]:8080", "https://xn--bcher-kva.example"]
    config = opened(f"cors = {origins!r}").config
    assert config.service.cors == tuple(origins)
    again = tmp_path / "again.toml"
    again.write_text(config.to_toml())
    assert Config.read(again) == config
