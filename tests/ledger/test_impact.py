"""What descends from artifacts and records: the same as along every way, whatever is asked."""

from collections import Counter

import pytest
from catalogues import SINCE, artifact, fill_whole, logs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import Oracle, descendants, inputs, subjects
from sqlalchemy import text

from provenance import InputError
from provenance.ledger import impact, vouching
from provenance.ledger.following import Closed
from provenance.ledger.impact import page_of, reach_of
from provenance.ledger.vouching import Vouching, read_signers
from provenance.log.log import Log
from provenance.statements import Step


@settings(max_examples=80, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    log=logs(most=35),
    numbers=st.lists(st.integers(0, 5), min_size=1, max_size=2, unique=True),
    depth=st.none() | st.integers(0, 3),
    limit=st.integers(1, 4),
    batch=st.integers(1, 5),
    cut=st.integers(0, 5),
    shut=st.sampled_from([0, 1, 3]) | st.integers(0, 2**40),
)
def test_it_is_what_every_way_leads_to(database, log, numbers, depth, limit, batch, cut, shut):
    size = max(len(log) - cut, 0)
    oracle = Oracle(log, size, dict.fromkeys(SINCE, 0))
    sources = [artifact(number).digest for number in numbers]
    closed = some_ways(log[:size], sources, shut)
    with pytest.MonkeyPatch.context() as patched, database.writing() as session:
        patched.setattr(vouching, "BATCH", batch)
        patched.setattr(impact, "_BATCH", batch)
        fill_whole(session, log)
        entries = Log(session, "log.example")
        signers = read_signers(entries, size, lambda _: 0)
        vouching_as_of = Vouching(session, entries, signers, size)
        reach = reach_of(session, entries, vouching_as_of, sources, depth, Closed(closed, (7,)))
        whole = page_of(session, entries, vouching_as_of, reach, 0, None, ())
        pages = [
            each
            for start in range(0, len(whole.artifacts), limit)
            for each in page_of(session, entries, vouching_as_of, reach, start, limit, ()).artifacts
        ]
    assert tuple(pages) == whole.artifacts
    expected = descendants(oracle, sources, depth, closed)
    left_out = {}
    for (entry, _), ways in sorted(closed.items()) if depth != 0 else ():
        for end in ways.keys() - {*expected, *sources}:
            left_out.setdefault(end, entry)
    assert {each.digest: each.by for each in whole.left_out} == left_out
    assert whole.unproven == (7,)
    assert {each.digest: (each.depth, str(each.grade)) for each in whole.artifacts} == expected
    assert whole.kinds == Counter(each.kind for each in whole.artifacts)
    assert whole.grades == Counter(each.grade for each in whole.artifacts)
    assert [each.digest for each in whole.sources] == sources
    order = [(each.depth, each.by) for each in whole.artifacts]
    assert order == sorted(order)
    for each in (*whole.sources, *whole.artifacts, *whole.left_out):
        first = oracle.end(each.digest).registered
        assert each.registered == first
        assert each.conflict == oracle.end(each.digest).conflict
        assert each.kind == ("unregistered" if first is None else log[first].statement.kind)
        if first is not None:
            assert each.name == log[first].statement.subjects[0].name


def some_ways(log, sources, shut):
    """Ways from the sources by steps: those of a pair of bits of `shut`."""
    ways = {}
    for each in log:
        if isinstance(each.statement.predicate, Step):
            for source in sorted(inputs(each).intersection(sources)):
                ends = sorted(subjects(each) - {source})
                chosen = {end: "subset" for at, end in enumerate(ends) if shut >> at & 1}
                shut >>= 1
                if chosen:
                    ways[each.index, source] = chosen
    return ways


# --- of a ledger ----------------------------------------------------------------------------------

ROWS = [{"id": number} for number in range(4)]


@pytest.fixture
def poisoned(ledger):
    """raw → clean → net → answers, and raw → half; the last row of raw is in clean, too."""
    raw = ledger.register(ROWS, name="raw")
    with ledger.step("clean", inputs=[raw]) as step:
        clean = step.output(ROWS[1:], name="clean")
    with ledger.step("halve", inputs=[raw]) as step:
        step.output(ROWS[:1], name="half")
    with ledger.step("train", inputs=[clean]) as step:
        net = step.output([], name="net", kind="model")
    ledger.register([{"out": 1}], name="answers", kind="outputs", model=net)
    return ledger


def said(found):
    return [(each.name, each.kind, each.depth, str(each.grade)) for each in found.artifacts]


DOWN = [
    ("half", "dataset", 1, "attested"),
    ("net", "model", 1, "attested"),
    ("answers", "outputs", 2, "attested"),
]


def test_what_descends_from_a_record(poisoned):
    found = poisoned.impact(record=ROWS[3])
    assert sorted(each.name for each in found.sources) == ["clean", "raw"]
    assert said(found) == DOWN
    assert found.kinds == {"dataset": 1, "model": 1, "outputs": 1}
    assert said(poisoned.impact(records=ROWS[1:3], depth=1)) == DOWN[:2]
    assert said(poisoned.impact("clean")) == [("net", "model", 1, "attested"), DOWN[2]]
    nothing = poisoned.impact(record={"id": 99})
    assert (nothing.sources, nothing.artifacts) == ((), ())
    assert nothing.to_text() == "made of 0 artifacts: nothing\n"
    digests = [poisoned.resolve(name).artifact.digest for name in ("raw", "clean")]
    assert said(poisoned.impact(artifacts=[*digests, bytes(32)])) == DOWN
    first = poisoned.impact(record=ROWS[3], limit=2)
    assert said(first) == DOWN[:2]
    poisoned.register(ROWS[2:], name="later")  # holds it, but not as of the first page
    rest = poisoned.impact(record=ROWS[3], limit=2, cursor=first.next_cursor)
    assert (said(rest), rest.next_cursor) == (DOWN[2:], None)
    assert [rest.sources, rest.kinds] == [first.sources, first.kinds]


def test_the_surest_way_counts(poisoned):
    poisoned.supersede("half", reason="worse")
    with poisoned.step("again", inputs=["half"]) as step:
        step.output([{"out": 1}], name="answers", kind="dataset")
    found = {each.name: str(each.grade) for each in poisoned.impact("raw").artifacts}
    assert found == {
        "clean": "attested",
        "half": "broken",
        "net": "attested",
        "answers": "attested",
    }
    assert said(poisoned.impact("half"))[0][3] == "broken"
    told = poisoned.impact("raw").to_text().splitlines()
    assert told[0].split() == ["0", "source", "dataset", told[0].split()[3], "raw"]
    assert told[-1] == "made of 1 artifact: 2 dataset, 1 model, 1 outputs; 3 attested, 1 broken"


def test_names_of_what_nobody_registered_or_was_erased(poisoned):
    net = poisoned.resolve("net")
    with poisoned._database.writing() as session:
        erased = text('DELETE FROM envelope WHERE "index" = :index')
        session.connection().execute(erased, {"index": net.index})
    found = poisoned.impact("clean").artifacts[0]
    assert (found.name, found.kind) == ("net", "model")  # as the catalogue has it
    long = "x" * 300
    with poisoned.step("name", inputs=["clean"]) as step:
        step.output([{"a": 1}], name=long)
    assert poisoned.impact("clean").artifacts[-2].name == long


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"ref": "raw", "record": ROWS[0]},
        {"record": ROWS[0], "records": ROWS},
        {"ref": "raw", "artifacts": []},
        {"ref": "raw", "cursor": "1.1.1"},
        {"ref": "raw", "as_of": 999},
        {"artifacts": [bytes(32)] * 10_001},
    ],
)
def test_what_cannot_be_asked(poisoned, asked):
    with pytest.raises(InputError):
        poisoned.impact(**asked)


def test_too_much_is_refused(poisoned, monkeypatch):
    monkeypatch.setattr(impact, "MOST", 3)
    with pytest.raises(InputError, match="more than 3 arrows: ask for less depth"):
        poisoned.impact("raw")
    assert len(poisoned.impact("clean", depth=1).artifacts) == 1


def test_that_others_say_otherwise_is_told(poisoned):
    with poisoned.step("make otherwise", inputs=["half"]) as step:
        step.output(ROWS[1:], name="clean")
    found = poisoned.impact("raw")
    assert {each.name for each in found.artifacts if each.conflict} == {"clean"}
    lines = found.to_text().splitlines()
    assert [line for line in lines if line.endswith("; others say it was made otherwise")] == [
        line for line in lines if "  clean  " in line
    ]
    told = found.to_json()["artifacts"]
    assert {each["name"]: each.get("conflict") for each in told} == {
        "half": None,
        "clean": True,
        "net": None,
        "answers": None,
    }
    (source,) = poisoned.impact("clean").sources
    assert source.conflict
    assert poisoned.impact("clean").to_text().splitlines()[0].endswith("made otherwise")
