"""What a client takes, and what it need not be sent again."""

from __future__ import annotations

import gzip
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from asking import JSON, problem
from serving import serving
from sqlalchemy import text

import provenance
from api import create_app
from provenance import Ledger
from provenance.log import LogProof
from provenance.verification import BUNDLE_TYPE

PROOFS = "/v1/artifacts/train/proofs"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, BUNDLE_TYPE),
        ("*/*", BUNDLE_TYPE),
        ("", BUNDLE_TYPE),
        (BUNDLE_TYPE, BUNDLE_TYPE),
        (BUNDLE_TYPE.upper(), BUNDLE_TYPE),
        ("application/json", "application/json"),
        ("application/*", BUNDLE_TYPE),
        ("text/plain", "text/plain"),
        ("text/*, application/json;q=0.9", "text/plain"),
        ("text/plain;q=0.8, application/json;q=0.9", "application/json"),
        (f"*/*;q=0.1, {BUNDLE_TYPE};q=0", "application/json"),
        ("text/plain;charset=utf-8", "text/plain"),
        ("text/html, */*;q=0.001", BUNDLE_TYPE),
        ("text/html", None),
        ("*/*;q=0", None),
        ("application/*;q=0, text/*;q=0.0, */*", None),
        ("text/plain;q=2", None),
        ("text/plain;q=high", None),
        ("application/*;q=0.5, application/json;q=0.4, text/plain;q=0.5", BUNDLE_TYPE),
    ],
)
def test_a_proof_comes_in_the_form_that_is_liked_best(
    http: httpx.Client, ledger: Ledger, accept: str | None, media_type: str | None
) -> None:
    """RFC 9110, section 12.5.1."""
    request = http.build_request("GET", PROOFS)
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    answer = http.send(request)
    if media_type is None:
        assert BUNDLE_TYPE in problem(answer, 406, "not-acceptable")
        return
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert answer.headers["vary"] == "Accept"
    if media_type == "text/plain":
        assert LogProof.parse(answer.content) == ledger.prove_entry("train")
    else:
        assert answer.content == ledger.prove("train").to_bytes()
        provenance.verify(answer.content, policy=ledger.policy(), chains=ledger.chains)


def test_records_are_proven_by_a_bundle_alone(http: httpx.Client) -> None:
    for accept, media_type in (("application/json", "application/json"), ("*/*", BUNDLE_TYPE)):
        answer = http.post(PROOFS, content='{"index":0}', headers={**JSON, "Accept": accept})
        assert answer.headers["content-type"] == media_type
    answer = http.post(PROOFS, content='{"index":0}', headers={**JSON, "Accept": "text/plain"})
    problem(answer, 406, "not-acceptable")


def addressed(ledger: Ledger) -> dict[str, str]:
    """Return path → how it may be kept."""
    envelope = ledger.entry(2).entry.envelope_hash.hex()
    return {
        "/tile/0/000.p/3": "public, max-age=31536000, immutable",
        "/tile/entries/000.p/3": "public, max-age=31536000, immutable",
        "/checkpoint": "public, max-age=2",
        f"/v1/envelopes/{envelope}": "public, no-cache",
        PROOFS: "public, no-cache",
    }


def test_what_is_there_already_is_not_sent_again(http: httpx.Client, ledger: Ledger) -> None:
    for path, kept in addressed(ledger).items():
        first = http.get(path)
        tag = first.headers["etag"]
        assert first.headers["cache-control"] == kept
        assert first.status_code == 200
        for known in (tag, f"W/{tag}", f'"x", {tag}', f'"a,b" , {tag}, "y"', "*"):
            again = http.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b""), known
            for name in ("etag", "cache-control", "vary"):
                assert again.headers.get(name) == first.headers.get(name)
        for other in ('"x"', tag.strip('"'), f'"{tag.strip(chr(34))}x"', "", "W/", '"'):
            assert http.get(path, headers={"If-None-Match": other}).status_code == 200, other
        assert http.head(path).headers["etag"] == tag


def test_a_tag_is_of_one_form(http: httpx.Client) -> None:
    """A strong tag names bytes: those of a compressed form are others."""
    path = "/tile/entries/000.p/3"
    plain = http.get(path, headers={"Accept-Encoding": "identity"})
    packed = http.get(path, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    known = {"If-None-Match": plain.headers["etag"], "Accept-Encoding": "gzip"}
    assert http.get(path, headers=known).status_code == 200
    with http.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as raw:
        assert gzip.decompress(b"".join(raw.iter_raw())) == plain.content
    types = {"application/json": "", BUNDLE_TYPE: ""}
    for media_type in types:
        types[media_type] = http.get(PROOFS, headers={"Accept": media_type}).headers["etag"]
    entry = http.get(PROOFS, headers={"Accept": "text/plain"}).headers["etag"]
    assert entry not in types.values()


def test_an_envelope_by_its_hash(http: httpx.Client, ledger: Ledger) -> None:
    for entry in ledger.entries():
        wanted = entry.entry.envelope_hash.hex()
        answer = http.get(f"/v1/envelopes/{wanted}")
        assert answer.headers["content-type"] == "application/vnd.dsse+json"
        assert answer.content == entry.envelope
        assert sha256(answer.content).hexdigest() == wanted
        assert answer.headers["etag"] == f'"{wanted}"'
    problem(http.get(f"/v1/envelopes/{'00' * 32}"), 404, "unknown-record")
    problem(http.get("/v1/envelopes/00"), 422, "malformed")


def test_an_envelope_that_is_not_whole(tmp_path: Path) -> None:
    with Ledger.init(tmp_path, origin="acme.example/erased") as own:
        hashes = [entry.entry.envelope_hash.hex() for entry in own.entries()]

        def run(sql: str) -> None:
            with own._database.writing() as session:
                session.connection().execute(text(sql))

        with serving(create_app(own, public=True)) as url, httpx.Client(base_url=url) as http:
            tag = http.get(f"/v1/envelopes/{hashes[1]}").headers["etag"]
            run('DELETE FROM envelope WHERE "index" = 1')
            known = {"If-None-Match": tag}
            gone = problem(
                http.get(f"/v1/envelopes/{hashes[1]}", headers=known), 404, "unknown-record"
            )
            assert gone == "this envelope was erased"
            erased = http.get("/v1/entries/1").json()
            assert "envelope" not in erased
            assert "statement" not in erased
            run("UPDATE envelope SET data = X'7b7d' WHERE \"index\" = 0")
            problem(http.get(f"/v1/envelopes/{hashes[0]}"), 503, "ledger-unavailable")
