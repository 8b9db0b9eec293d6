"""The pages as they are sent: complete without a script, and nothing of a name acts."""

from __future__ import annotations

import dataclasses
import html
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from audited import HOSTILE, LONG, REVIEWS, Site
from serving import serving

from api import create_app
from provenance import Ledger
from provenance.signing import PrivateKey, sign
from provenance.statements import Review, Statement, Subject
from provenance.verification import STEPS

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Outline(HTMLParser):
    """The elements of a page, checked to be closed in their order; links and ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def links(self) -> set[str]:
        return {value for _, attrs in self.tags if (value := attrs.get("href"))}


def pages_of(site: Site) -> list[str]:
    digests = [f"/artifacts/{digest}" for digest in site.digests.values()]
    digests += [
        f"/artifacts/{artifact.digest}/records/{artifact.size - 1}"
        for artifact in site.ledger.artifacts()
        if artifact.size
    ]
    entries = [f"/log/{index}" for index in range(site.ledger.size())]
    reports = [f"/artifacts/{digest}/report" for digest in site.digests.values()]
    histories = [f"/artifacts/{digest}/history" for digest in site.digests.values()]
    searches = [f"/search?q={quote(q)}" for q in ("", "clean", "#3", "kind=model", "{}", HOSTILE)]
    fixed = ["/", "/artifacts", "/log", "/anchors", "/signin"]
    return [*fixed, *digests, *entries, *reports, *histories, *searches]


def test_every_page_is_whole_and_locked_down(site: Site) -> None:
    for path in pages_of(site):
        answer = site.known(path)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        outline = Outline(answer.text)
        assert len(answer.content) < 60_000
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        for tag, attrs in outline.tags:
            assert "style" not in attrs, f"{path}: {tag} {attrs}"
            assert not [name for name in attrs if name.startswith("on")]
            if tag == "script":
                assert (attrs["src"] or "").startswith("/static/")
        ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
        assert len(ids) == len(set(ids))


def test_no_link_leads_nowhere(site: Site) -> None:
    seen: dict[str, str] = dict.fromkeys(pages_of(site), "")
    for path in pages_of(site):
        seen |= {link: path for link in Outline(site.known(path).text).links() if link not in seen}
    for link, path in seen.items():
        assert link.startswith(("/", "#")), f"{path} leads to {link}"
        if link.startswith("/"):
            assert site.known(link).status_code == 200, f"{path} leads to {link}"


def test_names_are_text(site: Site) -> None:
    for path in pages_of(site):
        text = site.known(path).text
        assert "<script>document" not in text
        assert not re.search("[\u202e\u0000\u2028]", text)
    page = site.page(f"/artifacts/{site.digests[HOSTILE]}").text
    assert "&lt;script&gt;document.title=&#39;taken&#39;&lt;/script&gt;" in page
    assert "\\u202e\\u0000\\u2028" in page
    assert f"<bdi>{LONG}</bdi>" in site.page(f"/artifacts/{site.digests[LONG]}").text


@pytest.mark.parametrize("path", ["/artifacts/" + "0" * 64, "/log/999999"])
def test_what_is_not_there_is_said_on_a_page(site: Site, path: str) -> None:
    answer = site.page(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "No such" in answer.text


@pytest.mark.parametrize("path", ["/artifacts/zz", "/log/x", "/log?below=-1", "/artifacts?sort=x"])
def test_an_address_that_is_none_is_said_on_a_page(site: Site, path: str) -> None:
    answer = site.page(path)
    assert answer.status_code == 422
    assert "This address is not one that the pages link to." in answer.text


def test_what_is_wrong_stands_on_top(site: Site) -> None:
    text = site.page("/").text
    assert text.index("Needs a look") < text.index("entries in the log")
    assert "superseded by clean" in text


def test_no_more_artifacts_are_counted_than_a_page_has_time_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = site.ledger.status().artifacts
    assert f"<strong>{many}</strong> <span>artifacts" in site.page("/").text
    monkeypatch.setattr("api.pages.overview.COUNTED", many - 1)
    assert f"<strong>over {many - 1}</strong> <span>artifacts" in site.page("/").text


def test_an_artifact_says_what_became_of_it(site: Site) -> None:
    clean = list(site.ledger.artifacts(name="clean"))[-1]
    text = " ".join(re.sub("<[^>]+>", " ", site.page(f"/artifacts/{clean.digest}").text).split())
    assert "This artifact was superseded by entry" in text
    assert "failed its criteria" in text
    assert re.search("nulls 0.5 &lt;= 0.1 not met", text)
    assert "signer" in text


def test_a_verdict_stands_wherever_its_artifact_is(site: Site) -> None:
    notes = site.digests["notes"]
    leaf = site.ledger.prove(notes, index=1).leaf_hashes[0].hex()
    for path in (
        f"/artifacts/{notes}",
        f"/artifacts/{notes}/report",
        f"/artifacts/{notes}/history",
        f"/artifacts/{notes}/records/1",
        f"/artifacts/{notes}/compare/{notes}",
        "/artifacts",
        "/search?q=notes",
        f"/search?leaf={leaf}",
    ):
        assert ">rejected<" in site.page(path).text, path
    assert ">rejected<" not in site.page("/search?q=reviews").text


def test_what_was_said_last_is_read_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.pages.artifact.REMARKS", 1)
    said, link = [], f"/artifacts/{site.digests['notes']}"
    while link:
        text = site.page(link).text
        said += re.findall('<h3>review <span class="chip [a-z]+">([a-z]+)</span>', text)
        (link,) = re.findall(r'href="(/artifacts/[^"]*\?below=\d+)#remarks"', text) or [""]
    assert said == ["rejected", "approved"]


def test_a_verdict_by_a_stolen_key_does_not_stand(tmp_path: Path) -> None:
    thief = PrivateKey.generate()
    with Ledger.init(tmp_path, origin="acme.example/ml") as ledger:
        artifact = ledger.register(REVIEWS, name="reviews")
        ledger.add_key(thief.public, name="thief", kinds=["review"])
        ledger.review(artifact, "reject", reason="made up")
        statement = Statement(
            subjects=(Subject(name="reviews", digest=artifact.digests),),
            predicate=Review(**ledger.journal.stamp(), verdict="approve"),
        )
        ledger.submit(sign(statement.to_bytes(), [thief]).to_bytes())
        with serving(create_app(ledger, public=True)) as url:
            path = f"{url}/artifacts/{artifact.digest}"
            assert ">approved</span></h1>" in httpx.get(path).text
            since = datetime(2020, 1, 1, tzinfo=UTC)
            ledger.revoke_key("thief", reason="stolen", compromised_since=since)
            text = httpx.get(path).text
    assert ">rejected</span></h1>" in text
    assert '>approved</span> <span class="chip bad">signature revoked<' in text


def test_a_report_claims_nothing_of_what_was_not_reached(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unchecked(digest: str) -> str:
        text = site.page(f"/artifacts/{digest}/report").text
        return text[text.index('id="unchecked"') : text.index('id="basis"')]

    newest = site.ledger.register([{"id": "new"}], name="not anchored")
    assert "<li>Anchor: <bdi>none</bdi>.</li>" in unchecked(newest.digest)
    assert "not reached" not in unchecked(newest.digest)
    policy = dataclasses.replace(site.ledger.policy(), threshold=2)
    monkeypatch.setattr(site.ledger, "policy", lambda: policy)
    told = re.findall("<li>([A-Z][a-z]+): not reached", unchecked(site.digests["net"]))
    assert [step.lower() for step in told] == list(STEPS[STEPS.index("signature") + 1 :])


def test_an_artifact_names_the_keys_that_signed_it(site: Site) -> None:
    net = site.ledger.resolve(site.digests["net"])
    signed = site.ledger.entry(net.index).signed
    assert signed is not None
    for page in ("", "/report"):
        text = site.page(f"/artifacts/{net.digest}{page}").text
        assert f"data-copy>{signed.keyids[0]}<" in text


def test_every_version_is_reached(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "versions & more"
    three = [site.ledger.register([{"version": at}], name=name).digest for at in range(3)]
    assert "All of this name" not in site.page(f"/artifacts/{three[0]}").text
    monkeypatch.setattr("api.pages.artifact.VERSIONS", 2)
    monkeypatch.setattr("api.pages.artifact.ON_A_PAGE", 2)
    text = site.page(f"/artifacts/{three[0]}").text
    found, pattern = [], r'href="(/artifacts\?[^"]+)">(?:All of this name|More)'
    while links := re.findall(pattern, text):
        text = site.page(html.unescape(links[0])).text
        assert f"<h1>Artifacts called <bdi>{html.escape(name)}</bdi></h1>" in text
        found += re.findall('class="name"><a href="/artifacts/([0-9a-f]{64})', text)
    assert found == three[::-1]


def test_a_log_that_no_anchor_ever_covered_is_told_of(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("api.pages.overview.LATE", timedelta(0))
        status = site.ledger.status()
        never = dataclasses.replace(status.chains[0], size=0, state=None, block_time=None)
        status = dataclasses.replace(status, chains=(never,))
        patched.setattr(site.ledger, "status", lambda **_: status)
        text = site.page("/").text
    told = (
        f"covers the newest {status.size} entries; the log began (just now|[0-9]+ minutes? ago)\\."
    )
    assert re.search(told, text)


def test_style_and_scripts_are_kept_for_ever(site: Site) -> None:
    links = {
        value
        for _, attrs in Outline(site.page("/").text).tags
        for value in (attrs.get("src"), attrs.get("href"))
        if value and value.startswith("/static/")
    }
    assert {link.rpartition("/")[2] for link in links} >= {"pages.css", "pages.js", "mark.svg"}
    for link in links:
        answer = site.page(link)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    stale = re.sub("/static/[0-9a-f]+/", "/static/0000/", links.pop())
    assert site.page(stale).headers["cache-control"] == "no-store"
    for path in ("/static/0/none.css", "/static/0/..%2fpages.css", "/static/0/__init__.py"):
        assert site.page(path).status_code == 404


def test_everything_is_found(site: Site) -> None:
    ledger, net = site.ledger, site.digests["net"]
    artifact = ledger.resolve(net)
    leaf = ledger.prove(net, index=1).leaf_hashes[0].hex()
    envelope = ledger.entry(artifact.index).entry.envelope_hash.hex()
    for sought in (
        "net",
        net,
        net[:8],
        artifact.root,
        "kind=model",
        "name=net sensitivity=internal",
    ):
        assert f'href="/artifacts/{net}"' in site.page(f"/search?q={quote(sought)}").text, sought
    assert f'href="/artifacts/{net}/records/1"' in site.page(f"/search?q={leaf}").text
    assert f'href="/artifacts/{net}/records/1"' in site.page(f"/search?leaf={leaf}").text
    for sought in (envelope, f"#{artifact.index}", str(artifact.index)):
        text = site.page(f"/search?q={quote(sought)}").text
        assert f'href="/log/{artifact.index}"' in text, sought
    language = site.page(f"/search?q={quote('metadata.language=en')}").text
    assert f'href="/artifacts/{site.digests["reviews"]}"' in language
    sha256 = ledger.resolve("notes").digests["sha256"]
    for asked in (f"q={sha256}", f"sha256={sha256}"):
        assert f'href="/artifacts/{site.digests["notes"]}"' in site.page(f"/search?{asked}").text


def test_a_record_is_sought_page_by_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are more artifacts than one page has time to ask."""
    leaf = site.ledger.prove("reviews", index=7).leaf_hashes[0].hex()
    holders = {place.artifact.digest for place in site.ledger.find(leaf_hash=bytes.fromhex(leaf))}
    monkeypatch.setattr("provenance.ledger.finding.MOST", 3)
    for query in (f"leaf={leaf}", f"q={leaf}"):
        found, asked = set(), 0
        while query:
            text = site.page(f"/search?{query}").text
            found |= set(re.findall("/artifacts/([0-9a-f]{64})/records/7", text))
            (query,) = re.findall(r'href="/search\?([^"]*cursor=[^"]*)"', text) or [""]
            query, asked = html.unescape(query), asked + 1
        assert found == holders
        assert len(found) == 3
        assert asked > 3


def test_a_tree_that_cannot_be_asked_is_told_of(tmp_path: Path) -> None:
    with Ledger.init(tmp_path, origin="acme.example/ml") as ledger:
        lost = ledger.register(REVIEWS, name="lost")
        leaf = ledger.prove("lost", index=7).leaf_hashes[0].hex()
        ledger.folder.tree(lost.artifact.digest).unlink()
        with serving(create_app(ledger, public=True)) as url:
            text = httpx.get(f"{url}/search?q={leaf}").text
    assert "1 artifact could not be asked" in text
    assert f'href="/log/{lost.index}"' in text


@pytest.mark.parametrize(
    ("sought", "told"),
    [
        ("nowhere", "Nothing here is <bdi>nowhere</bdi>."),
        ("0123456789", "Nothing here is"),
        ("name='", "Nothing here is"),
        ('{"id": 7}', "needs JavaScript"),
        ("kind=toy", "Kind is one of dataset, model, outputs"),
        ("digest=zz", "64"),
    ],
)
def test_what_is_not_found_is_said(site: Site, sought: str, told: str) -> None:
    answer = site.page(f"/search?q={quote(sought)}")
    assert answer.status_code in (200, 422)
    assert told in answer.text


def test_versions_are_compared(site: Site) -> None:
    better, clean = site.ledger.artifacts(name="clean")
    text = site.page(f"/artifacts/{better.digest}/compare/{clean.digest}").text
    told = " ".join(re.sub("<[^>]+>", " ", text).split())
    assert "29 unchanged 0 added 1 removed 0 moved" in told
    assert f'href="/artifacts/{clean.digest}/records/29"' in text
    other = site.page(f"/artifacts/{better.digest}/compare/{site.digests['net']}")
    assert (other.status_code, "encoded differently" in other.text) == (422, True)


def test_a_record_is_found_by_its_number_and_by_its_leaf_hash(site: Site) -> None:
    net = site.digests["net"]
    leaf = site.ledger.prove(net, index=1).leaf_hashes[0].hex()
    for asked in ("n=1", f"leaf={leaf}"):
        answer = site.page(f"/artifacts/{net}/records?{asked}")
        assert answer.headers["location"] == f"/artifacts/{net}/records/1"
    for asked in ("n=99", f"leaf={'0' * 64}", "", f"n=1&leaf={leaf}"):
        answer = site.page(f"/artifacts/{net}/records?{asked}", follow_redirects=True)
        assert answer.status_code in (404, 422)
        assert answer.headers["content-type"].startswith("text/html")


def test_a_report_says_what_was_checked_and_what_was_not(site: Site) -> None:
    text = site.page(f"/artifacts/{site.digests['reviews']}/report").text
    told = " ".join(re.sub("<[^>]+>", " ", text).split())
    assert "Verified, by this server, under its own policy" in told
    for step in STEPS:
        assert f"<strong>{step}</strong>" in text
    assert "The records themselves: the ledger holds their hashes alone." in told
