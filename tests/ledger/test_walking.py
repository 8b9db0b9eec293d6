"""Walks to the sources and onward: the same as going through all, on either database."""

import pytest
from catalogues import artifact, fill_whole, logs, walked
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from provenance import InputError
from provenance.ledger import walking
from provenance.ledger.recent import Recent
from provenance.ledger.vouching import read_signers
from provenance.ledger.walking import Walk
from provenance.log.log import Log

ROWS = [{"id": number} for number in range(3)]


def a_walk(session, *, onward, recent=None):
    return Walk(
        session,
        "log.example",
        onward=onward,
        signers=lambda session, size: read_signers(Log(session, "log.example"), size, lambda _: 0),
        recent=recent or Recent(),
    )


def pages(session, start, *, onward, depth, limit):
    """Return (entry, depth) of all pages."""
    told, cursor, recent = [], None, Recent()
    while True:
        way = a_walk(session, onward=onward, recent=recent)
        page = way.page(start, depth=depth, limit=limit, cursor=cursor)
        assert limit is None or len(page.events) <= limit
        told += [(event.index, event.depth) for event in page.events]
        assert len(told) == len(set(told)), "a page leads back"
        cursor = page.next_cursor
        if cursor is None:
            return told


@settings(max_examples=120, suppress_health_check=list(HealthCheck))
@given(
    log=logs(),
    number=st.integers(0, 5),
    onward=st.booleans(),
    depth=st.none() | st.integers(0, 3),
    limit=st.none() | st.integers(1, 30),
    batch=st.integers(1, 5),
)
def test_it_is_what_going_through_all_finds(database, log, number, onward, depth, limit, batch):
    start = artifact(number).digest
    with pytest.MonkeyPatch.context() as patched, database.writing() as session:
        patched.setattr(walking, "_BATCH", batch)
        fill_whole(session, log)
        told = pages(session, start, onward=onward, depth=depth, limit=limit)
        assert told == walked(log, start, onward=onward, depth=depth)
        patched.setattr(walking, "MAX_PAGE", 0)  # each statement is a page
        assert told == pages(session, start, onward=onward, depth=depth, limit=limit or 9)


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(log=logs(), cut=st.integers(1, 25), onward=st.booleans(), limit=st.integers(1, 4))
def test_what_is_logged_meanwhile_moves_nothing(database, log, cut, onward, limit):
    start, old = artifact(0).digest, log[:cut]
    with database.writing() as session:
        fill_whole(session, old)
        way = a_walk(session, onward=onward)
        page = way.page(start, depth=None, limit=limit, cursor=None)
        told = [(event.index, event.depth) for event in page.events]
        fill_whole(session, log)
        while page.next_cursor is not None:
            page = way.page(start, depth=None, limit=limit, cursor=page.next_cursor)
            told += [(event.index, event.depth) for event in page.events]
        assert told == walked(old, start, onward=onward)


# --- of a ledger ----------------------------------------------------------------------------------


@pytest.fixture
def chain(ledger):
    """a → b → c, with a figure of b; c is superseded by a later one."""
    a = ledger.register(ROWS, name="a")
    with ledger.step("one", inputs=[a]) as step:
        b = step.output(ROWS[:2], name="b")
    with ledger.step("two", inputs=[b]) as step:
        c = step.output(ROWS[:1], name="c", kind="model")
    ledger.quality(b, metrics={"accuracy": 0.9})
    ledger.register([], name="answers", kind="outputs", model=c)
    ledger.supersede(c, ledger.register([{"id": 9}], name="d"), reason="better")
    return ledger


def said(history):
    return [(event.statement.kind, event.depth) for event in history.events]


def test_back_and_onward(chain):
    back = [("model", 0), ("step", 0), ("supersede", 0), ("dataset", 1), ("step", 1)]
    back += [("quality", 1), ("dataset", 2)]
    assert said(chain.history("c")) == back
    assert said(chain.history("c", depth=0)) == back[:3]
    onward = [("step", 0), ("step", 1), ("outputs", 2)]
    assert said(chain.descendants("a")) == onward
    assert said(chain.descendants("a", depth=1)) == onward[:2]
    assert said(chain.descendants("d")) == []
    first = chain.descendants("a", limit=2)
    assert said(first) == onward[:2]
    assert said(chain.descendants("a", limit=2, cursor=first.next_cursor)) == onward[2:]
    assert first.next_cursor.endswith(".2")


def test_what_was_erased_is_left_out_and_walked_through(chain):
    step = next(e for e in chain.history("b").events if e.statement.kind == "step")
    with chain._database.writing() as session:
        erased = text('DELETE FROM envelope WHERE "index" = :index')
        session.connection().execute(erased, {"index": step.index})
    assert said(chain.history("c"))[-1] == ("dataset", 2)
    assert ("step", 1) not in said(chain.history("c"))
    assert said(chain.descendants("a")) == [("step", 1), ("outputs", 2)]


@pytest.mark.parametrize("cursor", ["", "x", "5", "5.0", "05.1", "3.4", "99.1", "5.1.1", "5.1\n"])
def test_what_is_no_cursor(chain, cursor):
    with pytest.raises(InputError, match="is no cursor of this log"):
        chain.history("a", cursor=cursor)


def test_a_walk_that_is_too_long_is_refused(chain, monkeypatch):
    monkeypatch.setattr(walking, "MOST", 3)
    page = chain.history("c", limit=3)
    with pytest.raises(InputError, match="goes beyond 3 statements"):
        chain.history("c", limit=3, cursor=page.next_cursor)
    assert len(chain.history("c").events) == 7
