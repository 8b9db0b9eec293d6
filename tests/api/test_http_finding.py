"""Which artifacts hold a record, and what stands in the log: over HTTP as in the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from asking import post, problem
from served import BIG, ROWS, TWINS

import provenance
from provenance import InputError, Ledger
from provenance.client import RemoteLedger
from provenance.records import FILE, JSON, LINE, hash_record


@pytest.fixture
def remote(url: str) -> Iterator[RemoteLedger]:
    with provenance.connect(url) as remote:
        yield remote


def places(http: httpx.Client, body: object, **query: object) -> list[tuple[str, int, int]]:
    """Return (name, index, equal) of every place, page by page."""
    text = body if isinstance(body, str) else json.dumps(body)
    found, cursor = [], None
    while True:
        given = query if cursor is None else query | {"cursor": cursor}
        path = f"/v1/records?{httpx.QueryParams(given)}"  # type: ignore[arg-type]
        answer = post(http, path, text).raise_for_status().json()
        found += [(p["artifact"]["name"], p["index"], p["equal"]) for p in answer["places"]]
        assert answer["unread"] == []
        cursor = answer.get("next_cursor")
        if cursor is None:
            return found


def test_a_record_is_found_in_every_artifact_that_has_it(http: httpx.Client) -> None:
    everywhere = [("a/b c?%2F#é", 3, 1), ("train-clean", 3, 1), ("train", 3, 1)]
    assert places(http, {"record": ROWS[3]}) == everywhere
    assert places(http, {"record": ROWS[3]}, limit=1) == everywhere
    assert places(http, {"record": ROWS[3]}, sort="name") == [everywhere[n] for n in (0, 2, 1)]
    assert places(http, {"record": ROWS[3]}, license="CC-BY-4.0") == [("train", 3, 1)]
    assert places(http, {"record": ROWS[3]}, **{"metadata.n": "1.5"}) == [("train", 3, 1)]
    assert places(http, {"record": ROWS[3]}, kind="model") == []
    assert places(http, {"record": ROWS[19]}) == [("train", 19, 1)]
    as_a_line = ("notes.txt", 1, 1)  # the same bytes
    assert places(http, {"record": TWINS[0]}) == [("twins", 0, 3), as_a_line]
    assert places(http, '{"record": {"id": 9007199254740993}}') == [("big", 0, 1)]
    assert places(http, {"record": {"id": 99}}) == []


def test_a_text_is_a_line_and_the_text_of_a_row(http: httpx.Client) -> None:
    assert places(http, {"record": "one"}) == [("notes.txt", 0, 1)]
    assert places(http, {"record": '{"a":1}'}) == [("twins", 0, 3), ("notes.txt", 1, 1)]
    assert places(http, {"record": '{ "a" : 2 }'}) == [("twins", 1, 1)]
    assert places(http, {"record": json.dumps(BIG[2])}) == [("big", 2, 1)]


def test_by_leaf_hash_one_or_several(http: httpx.Client) -> None:
    hashes = [hash_record(ROWS[9], JSON).hex(), hash_record("one", LINE).hex(), "00" * 32]
    assert places(http, {"leaf_hash": hashes[0]}) == [("train", 9, 1)]
    assert places(http, {"leaf_hash": hashes}) == [("notes.txt", 0, 1), ("train", 9, 1)]
    assert places(http, {"leaf_hash": hashes[1:2] * 2}) == [("notes.txt", 0, 1)]


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ("{}", "malformed"),
        ('{"record": {}, "leaf_hash": "00"}', "malformed"),
        ('{"record": 7}', "unusable"),
        ('{"record": [{}]}', "unusable"),
        ('{"leaf_hash": "00"}', "malformed"),
        (json.dumps({"leaf_hash": ["00" * 32] * 257}), "malformed"),
        ('{"leaf_hash": []}', "unusable"),
        ('{"index": 7}', "malformed"),
    ],
)
def test_what_cannot_be_looked_for(http: httpx.Client, body: str, slug: str) -> None:
    problem(post(http, "/v1/records", body), 422, slug)


def test_the_client_finds_the_same(remote: RemoteLedger, ledger: Ledger, tmp_path: Path) -> None:
    sample = tmp_path / "sample.jsonl"
    sample.write_text("".join(json.dumps(row) + "\n" for row in [ROWS[3], ROWS[19]]))
    for asked in (
        {"record": ROWS[3]},
        {"record": '{"a":1}'},
        {"record": "one", "kind": "dataset"},
        {"records": sample},
        {"records": ROWS[:2]},
        {"leaf_hash": hash_record(ROWS[3], JSON)},
        {"path": sample},
    ):
        for limit in (1, 100):
            told, own = remote.find(**asked, limit=limit), ledger.find(**asked, limit=limit)
            assert [(p.artifact.index, p.leaf_hash, p.index, p.equal) for p in told] == [
                (p.artifact.index, p.leaf_hash, p.index, p.equal) for p in own
            ]
            assert (told.next_cursor, told.unread) == (own.next_cursor, own.unread)
    assert len(ledger.find(records=sample)) == 4


# --- entries --------------------------------------------------------------------------------------


def test_an_entry_says_what_it_names_and_what_was_signed(
    http: httpx.Client, ledger: Ledger
) -> None:
    known = ledger.resolve("train")
    told = http.get(f"/v1/entries/{known.index}").raise_for_status().json()
    entry = ledger.entry(known.index)
    canonical = json.dumps(told["envelope"], sort_keys=True, separators=(",", ":"))
    assert told["envelope_hash"] == sha256(canonical.encode()).hexdigest()
    assert canonical.encode() == entry.envelope
    assert (told["index"], told["kind"], told["state"]) == (known.index, "dataset", "anchored")
    assert told["artifacts"] == [known.digest]
    assert told["statement"] == json.loads(known.statement.to_bytes())
    (found,) = http.get(f"/v1/entries?envelope={told['envelope_hash']}").json()["entries"]
    assert found == told
    assert http.get(f"/v1/entries?envelope={'00' * 32}").json() == {"entries": []}
    problem(http.get("/v1/entries/1000"), 404, "unknown-record")


def test_entries_are_told_page_by_page(http: httpx.Client, ledger: Ledger) -> None:
    size = ledger.status().size
    found, cursor = [], 0
    while cursor is not None:
        answer = http.get(f"/v1/entries?limit=4&cursor={cursor}").raise_for_status().json()
        found += answer["entries"]
        cursor = answer.get("next_cursor")
    assert [entry["index"] for entry in found] == [*range(size)]
    assert http.get(f"/v1/entries?cursor={size}").json() == {"entries": []}


def test_the_client_reads_the_same_entries(remote: RemoteLedger, ledger: Ledger) -> None:
    own = ledger.entries()
    assert remote.entries() == own
    assert remote.entries(start=3, limit=2) == own[3:5] == ledger.entries(start=3, limit=2)
    assert [entry.statement for entry in remote.entries()] == [entry.statement for entry in own]
    for entry in own:
        assert remote.entry(entry.index) == entry
        assert remote.entry(envelope=entry.entry.envelope_hash.hex()) == entry
        assert ledger.entry(envelope=entry.entry.envelope_hash.hex()) == entry


@pytest.mark.parametrize("where", ["here", "there"])
def test_entries_that_there_are_not(remote: RemoteLedger, ledger: Ledger, where: str) -> None:
    face = ledger if where == "here" else remote
    for asked in ({"index": 1000}, {"envelope": "00" * 32}):
        with pytest.raises(provenance.NoSuchRecordError):
            face.entry(**asked)  # type: ignore[arg-type]
    for wrong in ({}, {"index": 1, "envelope": "00" * 32}, {"envelope": "xy"}):
        with pytest.raises(InputError):
            face.entry(**wrong)  # type: ignore[arg-type]


def test_a_file_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    (folder / "a").mkdir(parents=True)
    (folder / "a/1.png").write_bytes(b"one")
    (folder / "2.png").write_bytes(b"two")
    with Ledger.init(tmp_path / "home", origin="acme.example/files") as own:
        own.register(folder, name="images")
        own.register(folder / "a/1.png", name="1.png")
        line = {"path": "a/1.png", "sha256": sha256(b"one").hexdigest(), "size": 3}
        assert own.find(record=line)[0].leaf_hash == hash_record(line, FILE)
        for asked in ({"path": folder / "a/1.png"}, {"record": line}):
            assert [(p.artifact.name, p.index) for p in own.find(**asked)] == [("images", 1)]
        assert [a.name for a in own.artifacts(sha256=line["sha256"])] == ["1.png"]
        (folder / "a/1.png").write_bytes(b"One")
        assert len(own.find(path=folder / "a/1.png")) == 0
