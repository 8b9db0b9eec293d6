"""What an auditor does on the pages, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from audited import HOSTILE, REVIEWS, Site
from serving import serving

from api import create_app
from provenance import Ledger
from provenance.signing import PublicKey
from provenance.statements import Review


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page whose every error and every request elsewhere fails the test."""
    context = chromium.new_context()
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on(
        "request",
        lambda asked: None if "//127.0.0.1:" in asked.url else wrong.append(asked.url),
    )
    yield page
    context.close()
    assert wrong == []


def verdict(page: Any) -> str:
    page.wait_for_function(
        "() => !document.getElementById('verdict').textContent.includes('Checking')"
    )
    return str(page.inner_text("#verdict"))


def marks(page: Any) -> dict[str, str]:
    return {
        rung.query_selector("h2").get_attribute("id"): rung.query_selector(".mark").inner_text()
        for rung in page.query_selector_all(".rung")
    }


def test_the_proof_of_a_record_is_checked_in_the_browser(page: Any, site: Site) -> None:
    page.goto(f"{site.url}/artifacts/{site.digests['stopwords']}/records/0")
    assert verdict(page) == "Verified in your browser, under the policy of this server."
    assert marks(page) == {
        "record": "✓",
        "dataset": "✓",
        "statement": "✓",
        "log": "✓",
        "checkpoint": "✓",
        "chain": "?",
        "trust": "✓",
    }
    page.fill("#text", '{"word":   "the"}')
    page.click("#own-record button")
    assert verdict(page).startswith("Verified")
    page.fill("#text", '{"word": "a"}')
    page.click("#own-record button")
    page.wait_for_selector("#verdict.bad")
    assert verdict(page).startswith("Not verified, under the policy of this server: record.")
    assert marks(page)["record"] == "✗"
    page.fill("#text", "{")
    page.click("#own-record button")
    page.wait_for_function("() => document.getElementById('verdict').textContent.includes('JSON')")


def test_what_the_embedded_chain_would_have_to_show_is_undecided(page: Any, site: Site) -> None:
    page.goto(f"{site.url}/artifacts/{site.digests['reviews']}/records/7")
    assert "one thing is not decided" in verdict(page)
    assert marks(page)["chain"] == "?"
    assert marks(page)["trust"] == "?"


def test_a_page_that_shows_another_hash_is_not_believed(page: Any, site: Site) -> None:
    address = f"{site.url}/artifacts/{site.digests['stopwords']}/records/0"
    honest = site.page(address.removeprefix(site.url)).text
    shown = re.search('data-shows="root"><code[^>]*>([0-9a-f]{64})', honest)
    assert shown
    lying = honest.replace(shown[1], "0" * 64)
    headers = dict(site.page(address.removeprefix(site.url)).headers)
    page.route(address, lambda route: route.fulfill(body=lying, headers=headers))
    page.goto(address)
    assert "shows other hashes than the proof has" in verdict(page)


def test_a_bundle_that_was_changed_is_not_verified(page: Any, site: Site) -> None:
    digest = site.digests["stopwords"]
    bundle = json.loads(site.page(f"/v1/artifacts/{digest}/proofs?index=0").text)
    bundle["checkpoint"] = bundle["checkpoint"].replace("acme.example/ml\n", "acme.example/mm\n", 1)
    page.route(
        "**/proofs?index=0",
        lambda route: route.fulfill(body=json.dumps(bundle), content_type="application/json"),
    )
    page.goto(f"{site.url}/artifacts/{digest}/records/0")
    assert verdict(page).startswith("Not verified, under the policy of this server: checkpoint.")
    assert marks(page)["checkpoint"] == "✗"
    assert marks(page)["log"] == "·"


def test_ones_own_policy_counts(page: Any, site: Site, tmp_path: Path) -> None:
    policy = json.loads(site.page("/v1/policy").text)
    mine = tmp_path / "policy.json"
    mine.write_text(json.dumps({**policy, "threshold": 2}))
    page.goto(f"{site.url}/artifacts/{site.digests['stopwords']}/records/0")
    verdict(page)
    page.set_input_files("#policy-file", mine)
    page.wait_for_selector("#verdict.bad")
    assert verdict(page).startswith("Not verified, under your policy: signature.")
    mine.write_text("{}")
    page.set_input_files("#policy-file", [])
    page.set_input_files("#policy-file", mine)
    page.wait_for_function("() => document.getElementById('verdict').textContent.includes('lacks')")


def test_a_record_is_found_by_its_content_alone(page: Any, site: Site) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site.url)
    page.fill("#q", json.dumps(dict(reversed(REVIEWS[7].items()))))
    page.press("#q", "Enter")
    page.wait_for_selector("#places")
    assert not [url for url in asked if "review" in url]
    page.click(f'a[href="/artifacts/{site.digests["reviews"]}/records/7"]')
    verdict(page)
    assert page.inner_text("h1") == "Record 7"


@pytest.mark.parametrize("line", ['["a", "list"]', '"a text"'])
def test_a_line_that_is_json_is_found_and_not_sent(page: Any, site: Site, line: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site.url)
    page.fill("#q", line)
    page.press("#q", "Enter")
    page.wait_for_selector("#places")
    assert page.inner_text(".cards h3").startswith("lines")
    assert not [url for url in asked if "q=" in url]


def test_what_is_no_record_is_said_where_it_was_typed(page: Any, site: Site) -> None:
    page.goto(site.url)
    page.fill("#q", '{"a": 1, "a": 2}')
    page.press("#q", "Enter")
    page.wait_for_function("() => document.getElementById('q').validationMessage")
    assert "no record" in page.evaluate("document.getElementById('q').validationMessage")


def test_a_record_of_an_artifact_is_found_by_its_content(page: Any, site: Site) -> None:
    page.goto(f"{site.url}/artifacts/{site.digests['reviews']}")
    page.fill("#record", json.dumps(REVIEWS[11]))
    page.click("form[data-hash] button")
    page.wait_for_selector("#verdict")
    assert page.inner_text("h1") == "Record 11"


def test_a_file_is_found_by_its_bytes(page: Any, site: Site, tmp_path: Path) -> None:
    whole, part, other = tmp_path / "net.bin", tmp_path / "a.txt", tmp_path / "other.bin"
    whole.write_bytes(b"weights" * 300_000)
    part.write_text("a")
    other.write_bytes(b"nobody's")
    for file, found in ((whole, "net"), (part, "files")):
        page.goto(f"{site.url}/search")
        page.set_input_files("#file", file)
        page.wait_for_selector(f'main a[href^="/artifacts/{site.digests[found]}"]')
    page.goto(f"{site.url}/search")
    page.set_input_files("#file", other)
    page.wait_for_selector("text=Nothing here is other.bin")


def test_a_file_may_be_dropped_anywhere(page: Any, site: Site) -> None:
    page.goto(f"{site.url}/search")
    page.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File(["a"], "a.txt"));
          const event = { dataTransfer, bubbles: true, cancelable: true };
          document.querySelector("h1").dispatchEvent(new DragEvent("drop", event));
        }"""
    )
    page.wait_for_selector(f'main a[href^="/artifacts/{site.digests["files"]}"]')


def test_a_chunk_is_compared_with_a_file(page: Any, site: Site, tmp_path: Path) -> None:
    whole, piece, other = (tmp_path / name for name in ("whole", "piece", "other"))
    weights = b"weights" * 300_000
    whole.write_bytes(weights)
    piece.write_bytes(weights[1 << 20 : 2 << 20])
    other.write_bytes(b"-" * len(weights))
    page.goto(f"{site.url}/artifacts/{site.digests['net']}/records/1")
    for file, style, found in (
        (whole, "undecided", "✓"),
        (other, "bad", "✗"),
        (piece, "undecided", "✓"),
    ):
        page.set_input_files("#whole", file)
        page.click("#own-record button")
        page.wait_for_selector(f"#verdict.{style}")
        assert marks(page)["record"] == found


def test_what_is_copied_is_not_followed(page: Any, site: Site) -> None:
    step = next(e.index for e in site.ledger.entries() if e.kind == "step")
    page.goto(f"{site.url}/log/{step}")
    assert page.locator("dd a + button.copy").count() > 1
    assert page.locator("a button").count() == 0


def test_a_history_is_walked_by_keyboard(page: Any, site: Site) -> None:
    page.goto(f"{site.url}/artifacts/{site.digests['net']}")
    link = page.locator(f'svg a[href="/artifacts/{site.digests["clean"]}"]')
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{site.digests['clean']}")
    assert "superseded" in page.inner_text(".notice")


def test_hashes_are_copied(chromium: Any, site: Site) -> None:
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{site.url}/artifacts/{site.digests['net']}")
    page.locator("button.copy").first.click()
    page.wait_for_selector("text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == site.digests["net"]
    context.close()


def test_nothing_of_a_name_acts(page: Any, site: Site) -> None:
    for path in ("/", f"/artifacts/{site.digests[HOSTILE]}", f"/search?q={HOSTILE[:40]}"):
        page.goto(f"{site.url}{path}")
        assert page.title() != "taken"


def test_all_is_read_without_a_script(chromium: Any, site: Site) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/artifacts/{site.digests['stopwords']}/records/0")
    assert "that needs JavaScript" in page.inner_text("#verdict")
    for name in ("Record", "Dataset", "Signed statement", "Log", "Checkpoint", "Chain"):
        assert page.is_visible(f"h2:has-text('{name}')")
    page.goto(f"{site.url}/artifacts/{site.digests['net']}")
    assert page.is_visible("svg a")
    page.fill("#n", "1")
    page.click("text=Show its proof")
    assert page.inner_text("h1") == "Record 1"
    page.fill("#q", "clean")
    page.press("#q", "Enter")
    assert page.is_visible("#artifacts")
    context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1200)])
def test_no_page_shuts_anybody_out(
    chromium: Any, axe: Path, site: Site, scheme: str, width: int
) -> None:
    context = chromium.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True
    )
    page = context.new_page()
    digest = site.digests["clean"]
    for path in (
        "/",
        "/artifacts",
        f"/artifacts/{digest}",
        f"/artifacts/{digest}/history",
        f"/artifacts/{digest}/report",
        f"/artifacts/{digest}/records/1",
        f"/search?q={HOSTILE[:40]}",
        "/search?q=clean",
        "/log",
        "/log/3",
        "/anchors",
        "/signin",
        "/artifacts/" + "0" * 64,
    ):
        page.goto(f"{site.url}{path}")
        if "/records/" in path:
            verdict(page)
        page.add_script_tag(path=str(axe))
        found = page.evaluate("axe.run().then(found => found.violations)")
        told = [
            (each["id"], each["impact"], [node["html"][:200] for node in each["nodes"][:3]])
            for each in found
        ]
        assert told == [], path
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{path} is {wide} wide"
    context.close()


def test_a_report_prints_on_paper(chromium: Any, site: Site) -> None:
    """As wide as a sheet of A4, dark on white, also for who reads in the dark."""
    context = chromium.new_context(color_scheme="dark", viewport={"width": 794, "height": 1123})
    page = context.new_page()
    page.goto(f"{site.url}/artifacts/{site.digests['clean']}/report")
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") == 794
    colours = page.evaluate(
        """() => [...document.querySelectorAll("main, .chip, .notice")].map((element) => {
          const { color, backgroundColor } = getComputedStyle(element);
          return [color, backgroundColor].map((each) => each.match(/[0-9.]+/g).map(Number));
        })"""
    )
    assert len(colours) > 3
    for ink, paper in colours:
        assert max(ink[:3]) < 180
        assert min(paper[:3]) > 200 or paper[3:] == [0]
    assert page.is_visible(".picture-sheet")
    assert not page.is_visible("nav[aria-label=Pages]")
    assert not page.is_visible(".picture-words")
    for kept, whole in (("#remarks", False), (".card", True), (".picture", True)):
        inside = "e => getComputedStyle(e.matches('h2') ? e.parentElement : e).breakInside"
        assert page.locator(kept).first.evaluate(inside) == ("avoid" if whole else "auto")
    context.close()


def test_a_browser_that_keeps_no_keys_says_so(chromium: Any, tmp_path: Path) -> None:
    with (
        Ledger.init(tmp_path, origin="acme.example/ml") as ledger,
        serving(create_app(ledger)) as url,
    ):
        artifact = ledger.register(REVIEWS, name="reviews")
        token = ledger.tokens.new("auditor", scope="submit")[1]
        context = chromium.new_context()
        page = context.new_page()
        page.add_init_script("indexedDB.open = () => { throw new Error('not in this window'); };")
        page.goto(f"{url}/artifacts/{artifact.digest}")
        page.fill("#token", token)
        page.press("#token", "Enter")
        page.wait_for_selector("text=This browser keeps no keys here: not in this window")
        context.close()


def test_an_auditor_signs_a_verdict(chromium: Any, tmp_path: Path) -> None:
    with (
        Ledger.init(tmp_path, origin="acme.example/ml") as ledger,
        serving(create_app(ledger)) as url,
    ):
        artifact = ledger.register(REVIEWS, name="reviews")
        token = ledger.tokens.new("auditor", scope="submit")[1]
        context = chromium.new_context()
        page = context.new_page()
        page.goto(f"{url}/artifacts/{artifact.digest}")
        page.fill("#token", token)
        page.press("#token", "Enter")
        page.wait_for_selector("#own-review")
        page.check("input[value=reject]")
        page.click("text=Sign it")
        page.wait_for_selector("text=Say why: to reject")
        page.fill("#reason", HOSTILE)
        page.click("text=Sign it")
        page.wait_for_selector("text=Make a key first")
        page.click("text=Make a key")
        page.wait_for_selector(".key:not([hidden])")
        page.click("text=Sign it")
        page.wait_for_selector("text=add the signer's key first")
        page.click("text=Its public half")
        public = PublicKey.from_pem(page.inner_text(".key pre"))
        ledger.add_key(public, name="auditor", kinds=["review"])
        page.click("text=Sign it")
        page.wait_for_selector("text=rejected")
        context.close()
        entry = ledger.entry(ledger.size() - 1)
        assert entry.statement is not None
        assert isinstance(entry.statement.predicate, Review)
        assert (entry.statement.predicate.verdict, entry.statement.predicate.reason) == (
            "reject",
            HOSTILE,
        )
        assert entry.signed is not None
        assert entry.signed.verified_by([public]) == (public.keyid,)
