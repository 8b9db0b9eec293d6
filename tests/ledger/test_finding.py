"""In which artifacts a record is: as going through the records of all of them says."""

import itertools
import random

import pytest

from provenance import InputError
from provenance.ledger import finding
from provenance.records import JSON, LINE, hash_record

RECORDS = [{"id": number} for number in range(12)]


@pytest.fixture
def registered(ledger):
    """Artifacts with some of the records each, a few registered more than once."""
    draw = random.Random(5)
    contents = {}
    for number in range(24):
        rows = draw.choices(RECORDS, k=draw.randint(0, 6))
        if number % 5 == 4:
            rows = contents[number - 1][1]  # the same artifact, under another name
        kind = draw.choice(["dataset", "model"])
        found = ledger.register(rows, name=f"n{number}", kind=kind, metadata={"k": number % 2})
        contents[number] = found, rows
    return contents


def all_places(ledger, **asked):
    found, cursor = [], None
    for _ in range(1000):
        page = ledger.find(**asked, cursor=cursor)
        found += page
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise AssertionError("there is no end of pages")


@pytest.mark.parametrize(("most", "limit"), [(1, 1), (3, 2), (7, 100), (500, 1), (500, 100)])
def test_it_is_what_going_through_all_finds(ledger, registered, monkeypatch, most, limit):
    monkeypatch.setattr(finding, "MOST", most)
    newest = {found.digest: found for found, _ in registered.values()}
    for record, sort, filters in itertools.product(
        [*RECORDS[::3], {"id": 99}],
        ["-index", "name", "size"],
        [{}, {"kind": "model"}, {"metadata": {"k": 1}, "kind": "dataset"}],
    ):
        asked = {
            artifact.index
            for artifact in ledger.artifacts(limit=None, **filters)
            if newest[artifact.digest].index == artifact.index
        }
        expected = {
            (found.index, rows.index(record), rows.count(record))
            for found, rows in registered.values()
            if found.index in asked and record in rows
        }
        places = all_places(ledger, record=record, sort=sort, limit=limit, **filters)
        assert {(p.artifact.index, p.index, p.equal) for p in places} == expected
        assert len(places) == len(expected)
        order = [a.index for a in ledger.artifacts(limit=None, sort=sort)]
        told = [p.artifact.index for p in places]
        assert told == sorted(told, key=order.index)


def test_several_at_once(ledger, registered):
    several = all_places(ledger, records=RECORDS[:3])
    each = [place for row in RECORDS[:3] for place in all_places(ledger, record=row)]
    key = [(p.artifact.index, p.leaf_hash, p.index, p.equal) for p in several]
    assert sorted(key) == sorted((p.artifact.index, p.leaf_hash, p.index, p.equal) for p in each)


def test_of_what_is_damaged_nothing_is_said(ledger):
    rows = ledger.register(RECORDS, name="rows")
    lost = ledger.register(RECORDS[:3], name="lost")
    ledger.folder.tree(lost.artifact.digest).write_bytes(b"")
    page = ledger.find(record=RECORDS[1])
    assert [place.artifact.name for place in page] == ["rows"]
    assert page.unread == (lost.index,)
    ledger.folder.tree(rows.artifact.digest).unlink()
    page = ledger.find(record=RECORDS[1])
    assert (len(page), page.unread, page.next_cursor) == (0, (lost.index, rows.index), None)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "in one way"),
        ({"record": {}, "leaf_hash": bytes(32)}, "in one way"),
        ({"leaf_hash": []}, "1 to 256 records"),
        ({"leaf_hash": [bytes(32)] * 257}, "1 to 256 records"),
        ({"records": [{"id": n} for n in range(300)]}, "1 to 256 records"),
        ({"leaf_hash": bytes(31)}, "32 bytes, not 31"),
        ({"record": "\ud800"}, "surrogate"),
        ({"record": 7}, "not an object"),
        ({"record": {}, "cursor": "x"}, "is no cursor"),
        ({"record": {}, "kind": "step"}, "kind takes one of"),
    ],
)
def test_what_cannot_be_looked_for(ledger, asked, message):
    with pytest.raises(InputError, match=message):
        ledger.find(**asked)


def test_a_text_is_looked_for_as_a_line_too(ledger, tmp_path):
    (tmp_path / "t.txt").write_bytes(b'{ "id": 1 }\nx\n')
    ledger.register(tmp_path / "t.txt", encoding="line", name="lines")
    ledger.register(RECORDS, name="rows")
    places = ledger.find(record='{ "id": 1 }')
    assert [(p.artifact.name, p.leaf_hash) for p in places] == [
        ("rows", hash_record({"id": 1}, JSON)),
        ("lines", hash_record('{ "id": 1 }', LINE)),
    ]
    assert [p.index for p in ledger.find(record=b"x")] == [1]
