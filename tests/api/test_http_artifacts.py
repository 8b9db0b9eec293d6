"""What is registered, as it is listed, shown and traced over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from asking import post, problem
from served import ROWS
from serving import serving

import provenance
from api import create_app
from provenance import InputError, Ledger
from provenance.records import JSON, hash_record
from provenance.statements import Statement


def pages(http: httpx.Client, **query: object) -> list[list[str]]:
    found, cursor = [], None
    while True:
        given = query if cursor is None else query | {"cursor": cursor}
        answer = http.get("/v1/artifacts", params=given).raise_for_status().json()
        found.append([artifact["name"] for artifact in answer["artifacts"]])
        cursor = answer.get("next_cursor")
        if cursor is None:
            return found


def test_pages_hold_every_artifact_once_and_the_newest_first(
    http: httpx.Client, ledger: Ledger
) -> None:
    expected = [artifact.name for artifact in ledger.artifacts()]
    assert pages(http) == [expected]
    for limit in (1, 2, 3, len(expected)):
        found = pages(http, limit=limit)
        assert [name for page in found for name in page] == expected
        assert all(len(page) == limit for page in found[:-1])
        assert 1 <= len(found[-1]) <= limit


def test_filters_are_exact(http: httpx.Client) -> None:
    assert pages(http, name="train") == [["train"]]
    assert pages(http, name="trai") == [[]]
    assert pages(http, kind="model") == [["weights"]]
    assert pages(http, kind="model", name="train") == [[]]
    assert pages(http, license="CC-BY-4.0") == [["train"]]
    assert pages(http, **{"metadata.n": "1.5"}) == [["train"]]
    assert pages(http, **{"metadata.n": "2"}) == [[]]


def test_the_same_is_found_over_http_as_in_the_ledger(http: httpx.Client, ledger: Ledger) -> None:
    known = ledger.resolve("notes.txt")
    (signer,) = ledger.history("notes.txt").events[0].signers
    asked: list[dict[str, str]] = [
        {"digest": known.digest},
        {"root": known.root, "kind": "dataset"},
        {"sha256": known.digests["sha256"]},
        {"signer": signer, "sort": "name"},
        {"sensitivity": "internal", "sort": "-size"},
        {"issued_after": "2026-01-31", "sort": "issued"},
        {"issued_after": known.statement.predicate.issued, "signer": signer},
        {"issued_before": known.statement.predicate.issued, "sort": "size"},
        {"provider": "nobody"},
        {"source": ""},
    ]
    for query in asked:
        expected = [artifact.name for artifact in ledger.artifacts(**query)]  # type: ignore[arg-type]
        for limit in (1, 3, 100):
            found = pages(http, **query, limit=limit)
            assert [name for page in found for name in page] == expected
    assert pages(http, signer="00" * 32) == [[]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("cursor=-1", "cursor"),
        ("cursor=name..1", "cursor is of the order 'name'"),
        ("cursor=-index.0.1", "cursor"),
        ("sort=newest", "sort"),
        ("digest=ab", "digest"),
        ("issued_after=2026-02-30", "is no time"),
        ("issued_after=now", "issued_after"),
        ("metadata.n=1&metadata.n=2", "metadata.n is given twice"),
        ("metadata=1", "metadata: there is no such parameter"),
        ("cursor=1.5", "cursor"),
        ("kind=step", "kind"),
        ("knd=model", "knd"),
        (f"cursor={2**53}", "cursor"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(
    http: httpx.Client, query: str, names: str
) -> None:
    answer = http.get(f"/v1/artifacts?{query}")
    slug = answer.json()["type"].rpartition(":")[2]
    assert slug in ("malformed", "unusable")
    assert names in problem(answer, 422, slug)


def test_an_artifact_is_shown_with_its_statement(http: httpx.Client, ledger: Ledger) -> None:
    known = ledger.resolve("train")
    shown = http.get("/v1/artifacts/train").raise_for_status().json()
    assert Statement.parse(
        json.dumps(shown["statement"], separators=(",", ":"), sort_keys=True).encode()
    ) == (known.statement)
    assert (shown["digest"], shown["root"], shown["size"]) == (
        known.digest,
        known.root,
        len(ROWS),
    )
    assert shown["encoding"] == {"encoding": "json"}
    assert (shown["index"], shown["state"]) == (known.index, "anchored")


@pytest.mark.parametrize("name", ["train", "a/b c?%2F#é", "notes.txt"])
def test_any_name_can_be_asked_for(http: httpx.Client, ledger: Ledger, name: str) -> None:
    path = f"/v1/artifacts/{quote(name, safe='')}"
    assert http.get(path).raise_for_status().json()["name"] == name
    answer = http.get(f"{path}/history").raise_for_status().json()
    assert answer["artifact"] == ledger.resolve(name).digest


def test_an_artifact_answers_to_each_of_its_digests(http: httpx.Client, ledger: Ledger) -> None:
    known = ledger.resolve("notes.txt")
    for digest in (known.digest, known.root, known.digests["sha256"], known.digest.upper()):
        for length in (8, 20, 64):
            shown = http.get(f"/v1/artifacts/{digest[:length]}").raise_for_status().json()
            assert shown["digest"] == known.digest
    problem(http.get(f"/v1/artifacts/{known.digest[:7]}"), 404, "unknown-artifact")


def test_states_follow_log_checkpoint_and_anchor(tmp_path: Path) -> None:
    with (
        Ledger.init(tmp_path, origin="acme.example/states") as own,
        serving(create_app(own, public=True)) as url,
        httpx.Client(base_url=url) as http,
    ):
        problem(http.get("/checkpoint"), 404, "no-checkpoint")
        own.register([{"a": 1}], name="one")

        def state() -> str:
            one = http.get("/v1/artifacts/one").json()["state"]
            (listed,) = http.get("/v1/artifacts").json()["artifacts"]
            assert listed["state"] == one
            return str(one)

        assert state() == "logged"
        own.checkpoint()
        assert state() == "checkpointed"
        own.anchor()
        assert state() == "anchored"


def test_no_path_of_the_server_is_a_ref(http: httpx.Client, home: Path) -> None:
    """The file is registered, so the SDK finds it by its path. A stranger must not."""
    for ref in (str(home / "notes.txt"), f"{home}/notes.txt", "../../etc/passwd", "/etc/passwd"):
        for rest in ("", "/history"):
            answer = http.get(f"/v1/artifacts/{quote(ref, safe='')}{rest}")
            problem(answer, 404, "unknown-artifact")


def test_a_history_reaches_the_sources(http: httpx.Client, ledger: Ledger) -> None:
    answer = http.get("/v1/artifacts/train-clean/history").raise_for_status().json()
    assert answer == json.loads(json.dumps(ledger.history("train-clean").to_json()))
    assert [(line["kind"], line["depth"]) for line in answer["statements"]] == [
        ("dataset", 0),
        ("step", 0),
        ("quality", 0),
        ("dataset", 1),
    ]


@pytest.mark.parametrize(
    ("way", "ref"), [("history", "train-clean"), ("descendants", "train"), ("history", "train")]
)
def test_walks_page_by_page(http: httpx.Client, ledger: Ledger, way: str, ref: str) -> None:
    for depth in (None, 0, 1):
        expected = getattr(ledger, way)(ref, depth=depth).to_json()["statements"]
        query: dict[str, object] = {} if depth is None else {"depth": depth}
        found, more = [], dict(query)
        while True:
            answer = http.get(f"/v1/artifacts/{ref}/{way}", params={**more, "limit": 1}).json()  # type: ignore[arg-type]
            found += answer["statements"]
            if "next_cursor" not in answer:
                break
            more = query | {"cursor": answer["next_cursor"]}
        assert found == expected
        with provenance.connect(str(http.base_url)) as remote:
            walked = getattr(remote, way)(ref, depth=depth)
            assert walked == getattr(ledger, way)(ref, depth=depth)
            first = getattr(remote, way)(ref, depth=depth, limit=1)
            assert first == getattr(ledger, way)(ref, depth=depth, limit=1)


def test_what_descends(http: httpx.Client, ledger: Ledger) -> None:
    digest = ledger.resolve("train").artifact.digest
    expected = json.loads(json.dumps(ledger.impact("train").to_json()))
    assert http.get("/v1/artifacts/train/impact").raise_for_status().json() == expected
    body = json.dumps({"artifacts": [digest.hex(), "00" * 32]})
    assert post(http, "/v1/impact", body).raise_for_status().json() == expected
    assert [each["name"] for each in expected["artifacts"]] == ["train-clean"]
    with provenance.connect(str(http.base_url)) as remote:
        for asked in (
            {"ref": "train"},
            {"ref": "train", "depth": 0},
            {"record": ROWS[3]},
            {"record": ROWS[6]},
            {"artifacts": [digest], "leaf_hash": hash_record(ROWS[6], JSON)},
            {"records": ROWS[2:5], "limit": 1},
            {"leaf_hash": bytes(32)},
            {"artifacts": [digest], "as_of": 3},
        ):
            assert remote.impact(**asked) == ledger.impact(**asked)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="in one way"):
            remote.impact("train", record=ROWS[3])
        for record, names in ((ROWS[3], []), (ROWS[6], ["train-clean"])):
            assert [each.name for each in remote.impact(record=record).left_out] == names
    asked = {"artifacts": [digest.hex()], "leaf_hashes": [hash_record(ROWS[6], JSON).hex()]}
    told = post(http, "/v1/impact", json.dumps(asked)).raise_for_status().json()
    assert [(each["name"], each["claim"]) for each in told["left_out"]] == [
        ("train-clean", "subset")
    ]
    assert told["artifacts"] == told["unproven"] == []


def test_that_others_say_otherwise_is_told_on(
    http: httpx.Client, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ledger.impact("train", depth=1)
    doubted = replace(
        found,
        sources=tuple(replace(each, conflict=True) for each in found.sources),
        artifacts=tuple(replace(each, conflict=True) for each in found.artifacts),
    )
    assert doubted != found
    monkeypatch.setattr(Ledger, "impact", lambda *_, **__: doubted)
    with provenance.connect(str(http.base_url)) as remote:
        assert remote.impact("train", depth=1) == doubted


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ("{}", "malformed"),
        ('{"artifacts": "00"}', "malformed"),
        ('{"artifacts": ["00"]}', "malformed"),
        ('{"artifact": []}', "malformed"),
        ('{"artifacts": [], "leaf_hashes": "00"}', "malformed"),
        ('{"artifacts": [], "leaf_hashes": []}', "unusable"),
        (json.dumps({"artifacts": ["00" * 32] * 10_001}), "unusable"),
    ],
)
def test_impact_of_what_is_no_digest(http: httpx.Client, body: str, slug: str) -> None:
    problem(post(http, "/v1/impact", body), 422, slug)
    problem(http.get("/v1/artifacts/none/impact"), 404, "unknown-artifact")


def test_as_of_a_size_that_the_log_had(http: httpx.Client, ledger: Ledger) -> None:
    step = next(e for e in ledger.history("train-clean").events if e.statement.kind == "step")
    with provenance.connect(str(http.base_url)) as remote:
        for size in (step.index, step.index + 1, ledger.size()):
            for way, ref in (("history", "train-clean"), ("descendants", "train")):
                expected = getattr(ledger, way)(ref, as_of=size)
                path = f"/v1/artifacts/{ref}/{way}?as_of={size}"
                told = http.get(path).raise_for_status().json()
                assert told == json.loads(json.dumps(expected.to_json()))
                assert told["size"] == size
                assert getattr(remote, way)(ref, as_of=size) == expected
    assert ledger.descendants("train", as_of=step.index).events == ()
    beyond = http.get(f"/v1/artifacts/train/history?as_of={ledger.size() + 1}")
    assert "can be asked as of 1 to" in problem(beyond, 422, "unusable")
    problem(http.get("/v1/artifacts/train/history?as_of=0"), 422, "malformed")


def test_what_was_made_of_it(http: httpx.Client) -> None:
    (line,) = http.get("/v1/artifacts/train/descendants").json()["statements"]
    assert (line["kind"], line["depth"]) == ("step", 0)
    assert http.get("/v1/artifacts/weights/descendants").json()["statements"] == []
    problem(http.get("/v1/artifacts/none/descendants"), 404, "unknown-artifact")
    for query, slug in (
        ("depth=-1", "malformed"),
        ("limit=0", "malformed"),
        ("cursor=1", "malformed"),
        ("cursor=9999.1", "unusable"),
        ("dpth=1", "malformed"),
    ):
        problem(http.get(f"/v1/artifacts/train/descendants?{query}"), 422, slug)


def test_anchors_say_where_to_look(http: httpx.Client, ledger: Ledger) -> None:
    (pin,), (anchor,) = ledger.policy().chains, ledger.anchors()
    (told,) = http.get("/v1/anchors").raise_for_status().json()["anchors"]
    assert told == {
        "chain": pin.name,
        "chain_id": pin.chain_id,
        "contract": pin.contract,
        "ledger_id": pin.ledger_id.hex(),
        "size": anchor.size,
        "root": anchor.root.hex(),
        "state": "final",
        "block": anchor.block,
        "block_hash": anchor.block_hash.hex(),
        "block_time": anchor.block_time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tx_hash": anchor.tx_hash.hex(),
        "embedded": True,
    }


def test_health(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok", "origin": "acme.example/ml"}
