"""Artifacts by what is said of them: the same as going through all, on either database."""

import itertools
import json
from typing import get_args

import pytest
from catalogues import fill, filters, found, logs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance import InputError
from provenance.ledger import searching
from provenance.ledger.catalog import Catalog
from provenance.ledger.filters import Sort, Sought
from provenance.ledger.indexing import facet_of_metadata
from provenance.ledger.searching import search

SORTS = get_args(Sort)


def all_pages(session, sought, limit):
    """Return the entries of all pages."""
    entries, after = [], None
    while True:
        page, after = search(session, sought, after=after, limit=limit)
        assert len(page) <= limit
        entries += (entry for _, entry in page)
        assert len(entries) == len(set(entries)), "a page leads back"
        if after is None:
            return entries
        after = sought.read_cursor(sought.cursor(after))


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    log=logs(),
    asked=st.lists(filters, min_size=3, max_size=3),
    sort=st.sampled_from(SORTS),
    limit=st.integers(1, 30),
    most=st.sampled_from([1, 2, 5, 1000]),
    first=st.integers(1, 3),
)
def test_it_is_what_going_through_all_finds(database, log, asked, sort, limit, most, first):
    with pytest.MonkeyPatch.context() as patched, database.writing() as session:
        patched.setattr(searching, "MOST", most)  # so that few are many
        patched.setattr(searching, "FIRST", min(first, most))
        fill(session, log)
        for wanted in asked:
            assert all_pages(session, Sought.of(wanted, sort), limit) == found(log, wanted, sort)


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(
    log=logs(),
    more=logs(),
    wanted=filters,
    sort=st.sampled_from(SORTS),
    limit=st.integers(1, 5),
)
def test_what_is_logged_meanwhile_moves_nothing(database, log, more, wanted, sort, limit):
    """What stood there is told once, in order; of the newest first, nothing else is told."""
    sought = Sought.of(wanted, sort)
    with database.writing() as session:
        fill(session, log)
        told, after = [], None
        rest = iter(more)
        for added in itertools.count(len(log)):
            page, after = search(session, sought, after=after, limit=limit)
            told += (entry for _, entry in page)
            if after is None:
                break
            for each in itertools.islice(rest, 1):
                Catalog(session).add(added, [each.rows])
    old = [entry for entry in told if entry < len(log)]
    assert old == found(log, wanted, sort)
    assert len(told) == len(set(told))
    if sort == "-index":
        assert told == old


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(log=logs(), wanted=filters, start=st.integers(0, 5))
def test_the_few_questions_that_the_ledger_asks_itself(database, log, wanted, start):
    with database.writing() as session:
        fill(session, log)
        catalog = Catalog(session)
        assert catalog.registrations() == found(log, {}, "-index")
        few = {name: wanted[name] for name in ("name", "digest") if name in wanted}
        assert catalog.registrations(**few) == found(log, few, "-index")
        assert catalog.registrations(**few, limit=1) == found(log, few, "-index")[:1]
        for each in log:
            assert catalog.with_envelope(each.envelope_hash) == each.index
        assert catalog.with_envelope(bytes(32)) is None
        assert catalog.count() == len(
            {each.rows.registers.digest for each in log if each.rows.registers}
        )
        for digest in (wanted.get("digest"), wanted.get("root"), wanted.get("sha256")):
            if digest:
                entries = {
                    entry
                    for name in ("digest", "root", "sha256")
                    for entry in found(log, {name: digest}, "index")
                }
                expected = {log[entry].rows.registers.digest.hex() for entry in entries}
                assert catalog.digests_like(digest[: 8 + start]) == expected


plain = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()
plain |= st.floats(allow_nan=False, allow_infinity=False)


@given(st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_value_of_the_metadata_is_found_by_how_it_is_written(value):
    for indent in (None, 1):
        assert facet_of_metadata("k", json.dumps(value, indent=indent)) == (
            facet_of_metadata("k", value)
        )
    assert facet_of_metadata("k", value) != facet_of_metadata("l", value)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"kind": "step"}, "kind takes one of dataset, model, outputs"),
        ({"sensitivity": "secret"}, "sensitivity takes one of public"),
        ({"digest": "ab"}, "digest takes 64 hex digits"),
        ({"signer": "AB" * 32}, "signer takes 64 hex digits"),
        ({"root": "0" * 63 + "\n"}, "root takes 64 hex digits"),
        ({"name": "\ud800"}, "name is not text"),
        ({"metadata": {"k": "[\ud800"}}, "no canonical JSON"),
        ({"metadata": {"\ud800": 1}}, "no canonical JSON"),
        ({"issued_after": "2026-02-30"}, "'2026-02-30' is no time"),
        ({"issued_before": "yesterday"}, "'yesterday' is no time"),
        ({"issued_before": "2026-01-31T12:00:00+01:00"}, "is no time"),
    ],
)
def test_values_that_nothing_can_have(wanted, message):
    with pytest.raises(InputError, match=message):
        Sought.of(wanted)


def test_filters_and_orders_that_there_are_not():
    with pytest.raises(InputError, match=r"'newest' is no order: one of index, -index"):
        Sought.of({}, "newest")
    with pytest.raises(TypeError, match="are not found by colour"):
        Sought.of({"colour": "red"})
    assert Sought.of({"name": None, "metadata": None}).conditions == ()


@pytest.mark.parametrize(
    "cursor",
    ["", "7", "-index..", "-index..-1", "-index..01", "-index.0.1", "-index..1\n", "-index..1.1"],
)
def test_what_is_no_cursor(cursor):
    with pytest.raises(InputError, match="is no cursor"):
        Sought.of({}).read_cursor(cursor)


def test_a_cursor_is_of_one_order():
    cursor = Sought.of({}, "name").cursor((b"a", 3))
    assert cursor == "name.61.3"
    assert Sought.of({}, "name").read_cursor(cursor) == (b"a", 3)
    for other in ("-name", "issued", "-index"):
        with pytest.raises(InputError, match=rf"is of the order 'name', not '{other}'"):
            Sought.of({}, other).read_cursor(cursor)
