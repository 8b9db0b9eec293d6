"""How sure a history is: the same as going through all of the log, whatever its order."""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest
from catalogues import (
    KEYIDS,
    SIGNERS,
    SINCE,
    TIMES,
    Logged,
    artifact,
    fill_whole,
    logs,
    reference,
    subject,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import Oracle

from provenance import InputError
from provenance.ledger import vouching
from provenance.ledger.catalog import AnchorRow, Catalog
from provenance.ledger.recent import Recent
from provenance.ledger.vouching import Vouching, read_signers
from provenance.ledger.walking import Walk
from provenance.log.log import Log
from provenance.statements import Code, Key, Statement, Step, key_subject

# --- against it -----------------------------------------------------------------------------------


def told(session, number, anchored, *, onward, as_of=None, limit=None):
    """Return every event of a walk, with what its page says of it, and of its artifacts."""

    def signers(session, size):
        log = Log(session, "log.example")
        return read_signers(log, size, lambda time: anchored[text_of(time)])

    way = Walk(session, "log.example", onward=onward, signers=signers, recent=Recent())
    found, ends, cursor = {}, {}, None
    while True:
        page = way.page(
            artifact(number).digest, depth=None, limit=limit, cursor=cursor, as_of=as_of
        )
        for event in page.events:
            arrows = {(a.artifact, a.into, str(a.grade)) for a in page.arrows(event)}
            found[event.index] = event.revoked, dict(event.reproduced), arrows
        for digest, end in page.ends.items():
            assert ends.setdefault(digest, end) == end, "two pages say two things"
        cursor = page.next_cursor
        if cursor is None:
            return found, ends


def text_of(time):
    return next(text for text in SINCE if datetime.fromisoformat(text) == time)


anchors = st.tuples(*[st.integers(0, 25)] * 3).map(
    lambda sizes: dict(zip(SINCE, sorted(sizes), strict=True))
)


@settings(max_examples=80, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    log=logs(),
    number=st.integers(0, 5),
    onward=st.booleans(),
    anchored=anchors,
    cut=st.integers(0, 5),
    limit=st.none() | st.integers(1, 9),
    batch=st.integers(1, 5),
)
def test_it_is_what_going_through_all_finds(
    database, log, number, onward, anchored, cut, limit, batch
):
    if not log:
        return
    size = max(len(log) - cut, 1)
    oracle = Oracle(log, size, anchored)
    with pytest.MonkeyPatch.context() as patched, database.writing() as session:
        patched.setattr(vouching, "BATCH", batch)
        fill_whole(session, log)
        found, ends = told(session, number, anchored, onward=onward, as_of=size, limit=limit)
    for index, (revoked, reproduced, arrows) in found.items():
        each = log[index]
        assert revoked == oracle.revoked(each)
        assert reproduced == oracle.reproduced(each)
        assert arrows == oracle.arrows(each)
    for digest, end in ends.items():
        assert end == oracle.end(digest)


@settings(max_examples=80, suppress_health_check=list(HealthCheck), deadline=None)
@given(log=logs(), anchored=anchors, cut=st.integers(0, 5), limit=st.integers(1, 9))
def test_what_is_told_of_an_artifact_is_found(database, log, anchored, cut, limit):
    size = max(len(log) - cut, 0)
    oracle = Oracle(log, size, anchored)
    digests = [artifact(number).digest for number in range(6)]
    with database.writing() as session:
        fill_whole(session, log)
        known = Log(session, "log.example")
        signers = read_signers(known, size, lambda time: anchored[text_of(time)])
        verdicts = Vouching(session, known, signers, size).verdicts(digests)
        remarks = {
            digest: Catalog(session).remarks(digest, below=size, limit=limit) for digest in digests
        }
    for digest in digests:
        assert verdicts.get(digest) == oracle.verdict(digest)
        assert remarks[digest] == oracle.remarks(digest)[:limit]


@settings(max_examples=30, suppress_health_check=list(HealthCheck), deadline=None)
@given(log=logs(), data=st.data(), onward=st.booleans())
def test_the_order_of_arrival_changes_no_arrow(database, log, data, onward):
    """But for what an anchor covers, which is a matter of order."""
    shuffled = [
        Logged(index, each.statement, each.keyids)
        for index, each in enumerate(data.draw(st.permutations(log)))
    ]
    if not log:
        return
    drawn = []
    for order in (log, shuffled):
        with database.writing() as session:
            fill_whole(session, order)
            graphs = []
            for number in range(6):
                found, ends = told(session, number, dict.fromkeys(SINCE, 0), onward=onward)
                told_of = Counter(
                    (
                        order[index].statement.to_bytes(),
                        order[index].keyids,
                        revoked,
                        frozenset(reproduced),
                        frozenset(arrows),
                    )
                    for index, (revoked, reproduced, arrows) in found.items()
                )
                known = {
                    digest: (e.registered is None, e.revoked, e.superseded is None, e.conflict)
                    for digest, e in ends.items()
                }
                graphs.append((told_of, known))
            drawn.append(graphs)
    assert drawn[0] == drawn[1]


def a_step(**more):
    predicate = Step(
        nonce=bytes(16),
        issued=TIMES[0],
        started=TIMES[0],
        finished=TIMES[0],
        **{"name": "s", "outcome": "succeeded", "inputs": (reference(1),), **more},
    )
    return Statement(subjects=(subject(0),), predicate=predicate)


def rotated(number):
    predicate = Key(
        nonce=bytes(16),
        issued=TIMES[0],
        action="rotate",
        public_key=SIGNERS[number].to_pem(),
        replaces=KEYIDS[number - 1],
    )
    return Statement(subjects=(key_subject("k", KEYIDS[number]),), predicate=predicate)


DIRTY = Code(git_commit="1" * 40, dirty=True)
A_REPORT = {"parameters": {"openlineage": {"run": str(UUID(int=1)), "event": "COMPLETE"}}}
AT = [Code(git_commit=digit * 40, command=("run", digit)) for digit in "12"]


@pytest.mark.parametrize(
    ("one", "other", "again"),
    [
        ((a_step(), [0]), (a_step(), [1]), True),
        ((a_step(), [0]), (a_step(), [0]), False),
        ((a_step(), [0]), (a_step(), [0, 1]), False),
        ((a_step(), [0, 1]), (a_step(), [2]), True),
        ((a_step(), [2]), (a_step(), [3]), False),  # one key in the place of the other
        ((a_step(), [0]), (a_step(name="t"), [1]), False),
        ((a_step(), [0]), (a_step(parameters={"n": 1}), [1]), False),
        ((a_step(), [0]), (a_step(outcome="failed"), [1]), False),
        ((a_step(), [0]), (a_step(code=AT[0]), [1]), False),
        ((a_step(code=AT[0]), [0]), (a_step(code=AT[1]), [1]), False),
        ((a_step(code=AT[0]), [0]), (a_step(code=replace(AT[0], command=None)), [1]), True),
        ((a_step(code=DIRTY), [0]), (a_step(code=DIRTY), [1]), False),
        ((a_step(), [0]), (a_step(inputs=(reference(1), reference(1))), [1]), True),
        ((a_step(), [0]), (a_step(inputs=(reference(2),)), [1]), False),
        # What calls itself a report hides no conflict about what is no name.
        ((a_step(**A_REPORT), [0]), (a_step(**A_REPORT, inputs=(reference(2),)), [1]), False),
    ],
)
def test_what_somebody_else_reproduced(database, one, other, again):
    keyids = [tuple(sorted(KEYIDS[number] for number in numbers)) for _, numbers in (one, other)]
    log = [
        Logged(0, rotated(3), (KEYIDS[2],)),
        Logged(1, one[0], keyids[0]),
        Logged(2, other[0], keyids[1]),
    ]
    with database.writing() as session:
        fill_whole(session, log)
        found, ends = told(session, 0, dict.fromkeys(SINCE, 0), onward=False)
    runs = [found[index][1] for index in (1, 2)]
    made = artifact(0).digest
    assert runs == ([{made: 2}, {made: 1}] if again else [{}, {}])
    inputs = {each.artifact for step in (one, other) for each in step[0].predicate.inputs}
    failed = other[0].predicate.outcome == "failed"
    assert ends[made].conflict == (len(inputs) > 1 and not failed)


def test_only_a_block_of_a_chain_that_dates_covers(database):
    rows = [("a", 5, "final", 100), ("a", 9, "mined", 200), ("a", 12, "reorged", 50)]
    rows += [("b", 7, "confirmed", 100), ("a", 20, "submitted", None)]
    with database.writing() as session:
        for chain, size, state, time in rows:
            session.add(
                AnchorRow(
                    chain=chain, size=size, root=b"", state=state, tx_hash=b"", block_time=time
                )
            )
        session.flush()

        def covered(chains, seconds):
            return Catalog(session).covered(chains, datetime.fromisoformat(seconds))

        assert covered(["a"], "1970-01-01T00:01:40Z") == 0
        assert covered(["a"], "1970-01-01T00:01:40.1Z") == 5
        assert covered(["a", "b"], "1970-01-01T00:03:20Z") == 7
        assert covered(["a", "b"], "1970-01-01T00:03:21Z") == 9
        assert covered([], "2026-01-01T00:00:00Z") == 0


# --- of a ledger ----------------------------------------------------------------------------------

ROWS = [{"id": number} for number in range(3)]


def test_a_stolen_key_breaks_what_no_anchor_dates(ledger):
    a = ledger.register(ROWS, name="a")
    with ledger.step("one", inputs=[a]) as step:
        b = step.output(ROWS[:2], name="b")
    ledger.anchor()
    with ledger.step("two", inputs=[b]) as step:
        step.output(ROWS[:1], name="c")
    size = ledger.size()
    signer = ledger.history("a").events[0].signers[0]
    since = ledger.anchors()[0].block_time.replace(year=2100)
    ledger.revoke_key(signer, reason="stolen", compromised_since=since)

    def grades(**more):
        history = ledger.history("c", **more)
        return [
            [str(arrow.grade) for arrow in history.arrows(event)]
            for event in history.events
            if event.statement.kind == "step"
        ]

    assert grades() == [["broken", "broken"], ["attested", "attested"]]
    assert grades(as_of=size) == [["attested"] * 2] * 2
    assert grades(as_of=b.index + 2) == []
    for wrong in (0, -1, size + 2):
        with pytest.raises(InputError, match=f"as of 1 to {size + 1}"):
            ledger.history("c", as_of=wrong)
    first = ledger.history("c", limit=1)
    with pytest.raises(InputError, match="of this question"):
        ledger.history("c", limit=1, cursor=first.next_cursor, as_of=size)
