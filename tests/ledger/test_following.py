"""Where a record did not go on to: by claims that are true, and looked up, and by nothing else."""

from collections import Counter
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance import InputError, Ledger
from provenance.derivation import Derivation
from provenance.ledger import following
from provenance.ledger.recent import Recent
from provenance.records import JSON, hash_record

ROWS = [{"id": number} for number in range(4)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request, tmp_path_factory):
    """A ledger for many histories, on either database."""
    place = tmp_path_factory.mktemp("following")
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").database()
    with Ledger.init(place, origin="follow.example", database=url) as ledger:
        yield ledger


# --- small random histories ---------------------------------------------------------------------

NUMBERS = st.lists(st.integers(0, 3), min_size=1, max_size=4)
CLAIMS = ["none", "true", "true", "true", "lie"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["subset", "shuffle", "extend", "split", "join", "other", "both", "mix", "mix"]
        ),
        st.integers(0, 9),
        st.integers(0, 9),
        st.sampled_from(CLAIMS),
        st.booleans(),
        st.randoms(use_true_random=False),
    ),
    min_size=1,
    max_size=6,
)
_examples = count()


class Made:
    """What one example made: the contents of its artifacts, and its steps."""

    def __init__(self, ledger):
        self.ledger, self.prefix = ledger, next(_examples)
        self.records = {}  # digest → numbers
        self.registered = []
        self.steps = []  # (entry, inputs, outputs, claims)

    def row(self, number):
        return {"example": self.prefix, "number": number}

    def add(self, numbers, into):
        found = into(list(map(self.row, numbers)), name=f"{self.prefix}-{len(self.registered)}")
        self.records[found.artifact.digest] = list(numbers)
        self.registered.append(found)
        return found

    def step(self, how, one, other, claim, more, random):
        one, other = (self.registered[at % len(self.registered)] for at in (one, other))
        numbers = self.records[one.artifact.digest]
        inputs = [one, other] if more or how == "join" else [one]
        mixed = random.sample(numbers, len(numbers))
        others = [each for each in mixed if each != numbers[0]] or [4]
        free = [random.randrange(5)]
        made = {
            "subset": [[each for each in numbers if random.random() < 0.6]],
            "shuffle": [mixed],
            "extend": [[*numbers, random.randrange(4)]],
            "split": [mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]],
            "join": [[*numbers, *self.records[other.artifact.digest]]],
            "other": [[random.randrange(4) for _ in numbers]],
            "both": [mixed[:-1], mixed[:-2]],
            "mix": [others, free, [*others, *free]],
        }[how]
        with self.ledger.step(how, inputs=inputs) as run:
            # One without records would be that of other examples, too.
            outputs = [self.add(each or [4], run.output) for each in made]
            sides = (inputs if how == "join" else [one], outputs)
            if how == "both":
                sides = ([one], outputs[:1])
                self.claim(run, claim, outputs[:1], outputs[1:])
            if how == "mix":
                sides = ([one], outputs[:1])
                self.claim(run, claim, outputs[:2], outputs[2:])
            self.claim(run, claim, *sides)
        digests = [[each.artifact.digest for each in side] for side in (inputs, outputs)]
        self.steps.append((run.index, *digests, list(run.derivations)))

    def claim(self, run, claim, sources, targets):
        if claim == "true":
            try:
                run.derive(sources, targets)
            except InputError:  # there is none
                return
        if claim == "lie":
            sides = [tuple(each.artifact.digest for each in side) for side in (sources, targets)]
            name = {(1, 1): "subset", (1, 2): "split", (2, 1): "concatenation"}
            try:
                claimed = Derivation(
                    claim=name[len(sides[0]), len(sides[1])],
                    ordered=False,
                    sources=sides[0],
                    targets=sides[1],
                )
            except InputError:
                return
            run.derivations.append(claimed)

    def is_true(self, claim):
        before, after = (
            [Counter(self.records[each]) for each in side]
            for side in (claim.sources, claim.targets)
        )
        whole, made = sum(before, Counter()), sum(after, Counter())
        return {
            "subset": made < whole,
            "permutation": made == whole,
            "split": made == whole,
            "concatenation": made == whole,
        }[claim.claim]


def expected(made, number):
    """(artifacts, left out, unproven), by going along every way until nothing new is found."""
    holding = {digest for digest, numbers in made.records.items() if number in numbers}
    closed, ends, unproven, leads_on = set(), {}, [], False
    for entry, inputs, outputs, claims in made.steps:
        claims = [each for each in claims if each.claim != "extension"]
        leads_on |= any(
            source in holding and target not in holding
            for each in claims
            for source in each.sources
            for target in each.targets
        )
        if any(holding & set(each.sources) for each in claims) and not all(
            map(made.is_true, claims)
        ):
            unproven.append(entry)
        for source in holding.intersection(inputs):
            within = {source}
            for _ in claims:
                for each in filter(made.is_true, claims):
                    if within & set(each.sources) and within.union(inputs) >= set(each.sources):
                        within |= set(each.targets)
            for end in within.intersection(outputs) - {source}:
                closed.add((entry, source, end))
                if end not in holding:
                    ends.setdefault(end, entry)
    if not leads_on:
        closed, ends, unproven = set(), {}, []
    found = set()
    for _ in made.records:
        for entry, inputs, outputs, _ in made.steps:
            for source in inputs:
                for end in outputs:
                    if source in found or (
                        source in holding and (entry, source, end) not in closed
                    ):
                        found.add(end)
    left_out = {end: entry for end, entry in ends.items() if end not in found}
    return found - holding, left_out, unproven


@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(first=st.lists(NUMBERS, min_size=1, max_size=2), steps=STEPS, number=st.integers(0, 3))
def test_it_is_what_is_true_of_the_records(shared, first, steps, number):
    made = Made(shared)
    for numbers in first:
        made.add(numbers, shared.register)
    for each in steps:
        made.step(*each)
    found = shared.impact(record=made.row(number))
    assert (
        {each.digest for each in found.artifacts},
        {each.digest: each.by for each in found.left_out},
        list(found.unproven),
    ) == expected(made, number)
    assert {each.digest for each in found.sources} == {
        digest for digest, numbers in made.records.items() if number in numbers
    }
    for each in found.sources:
        numbers = made.records[each.digest]
        (place,) = each.records.places
        assert (each.records.count, place.index, place.equal) == (
            1,
            numbers.index(number),
            numbers.count(number),
        )


# --- of a ledger ----------------------------------------------------------------------------------


@pytest.fixture
def followed(ledger):
    """raw → clean → net, with a claim, and raw → half → small; the last row of raw is in half."""
    raw = ledger.register(ROWS, name="raw")
    with ledger.step("clean", inputs=[raw]) as step:
        clean = step.output(ROWS[:3], name="clean")
        step.derive()
    with ledger.step("halve", inputs=[raw]) as step:
        half = step.output(ROWS[2:], name="half")
        step.derive()
    with ledger.step("make smaller", inputs=[half]) as step:
        step.output(ROWS[2:3], name="small")
        step.derive()
    with ledger.step("train", inputs=[clean]) as step:
        step.output([], name="net", kind="model")
    return ledger


def told(found):
    return (
        {each.name for each in found.artifacts},
        {each.name: each.claim for each in found.left_out},
        len(found.unproven),
    )


OUT = {"clean": "subset", "small": "subset"}


def test_what_a_record_did_not_go_on_to(followed):
    found = followed.impact(record=ROWS[3])
    assert told(found) == (set(), OUT, 0)
    assert {each.name: each.records.places[0].index for each in found.sources} == {
        "raw": 3,
        "half": 1,
    }
    assert found.kinds == found.grades == {}
    # What it went on to is not left out; another that went on further is asked about, too.
    assert told(followed.impact(record=ROWS[0])) == ({"net"}, {"half": "subset"}, 0)
    assert told(followed.impact(records=[ROWS[0], ROWS[3]])) == ({"net"}, {"small": "subset"}, 0)
    # Of artifacts nothing is left out, but of records of these alone; of such as they hold.
    assert told(followed.impact("raw")) == ({"clean", "half", "small", "net"}, {}, 0)
    raw = [followed.resolve("raw").artifact.digest]
    hashes = hash_record(ROWS[3], JSON)
    assert told(followed.impact(artifacts=raw, leaf_hash=hashes)) == (
        {"half", "small"},
        {"clean": "subset"},
        0,
    )
    assert (
        told(followed.impact(artifacts=raw, leaf_hash=bytes(32)))[0]
        == told(followed.impact("raw"))[0]
    )
    assert told(followed.impact(record=ROWS[3], depth=0)) == (set(), {}, 0)
    early = followed.impact(record=ROWS[3], as_of=found.left_out[0].by)
    assert told(early) == (set(), {}, 0)  # before the step was logged


def test_what_else_leads_there(followed):
    """An extension may be made of anything; and another run without a claim, of anything, too."""
    with followed.step("augment", inputs=["half"]) as step:
        more = step.output([*ROWS[2:], {"id": "like 3"}], name="more")
        step.derive()
    with followed.step("cut", inputs=[more]) as step:
        step.output([{"id": "like 3"}], name="like")
        step.derive()
    assert told(followed.impact(record=ROWS[3])) == ({"like"}, OUT, 0)
    with followed.step("clean by hand", inputs=["raw"]) as step:
        step.output(ROWS[:3], name="clean")
    assert told(followed.impact(record=ROWS[3])) == (
        {"like", "clean", "net"},
        {"small": "subset"},
        0,
    )


def test_a_holder_that_something_else_led_to(followed):
    """What came of the record otherwise may have gone any way from there, at one more remove."""
    with followed.step("mix", inputs=["raw"]) as step:
        step.output(ROWS[2:], name="half")
    found = followed.impact(record=ROWS[3])
    assert told(found) == ({"small"}, {"clean": "subset"}, 0)
    assert [(each.depth, str(each.grade)) for each in found.artifacts] == [(2, "attested")]
    followed.supersede("half", reason="mixed")
    found = followed.impact(record=ROWS[3])
    assert [(each.depth, str(each.grade)) for each in found.artifacts] == [(2, "broken")]
    assert told(followed.impact(record=ROWS[3], depth=1)) == (set(), OUT, 0)


def test_claims_in_a_row(followed):
    """Of one step they close the way from its input to the last, but not through an extension."""
    with followed.step("sort out", inputs=["raw"]) as step:
        some = step.output(ROWS[1:], name="some")
        rest = step.output(ROWS[1:2], name="rest")
        more = step.output([*ROWS[1:], {"id": "like 3"}], name="more")
        like = step.output([{"id": "like 3"}], name="like")
        step.derive("raw", some)
        step.derive(some, rest)
        step.derive(some, more)
        step.derive(more, like)
    assert told(followed.impact(record=ROWS[3])) == ({"like"}, OUT | {"rest": "subset"}, 0)


def test_what_is_joined_of_several(followed):
    """It has nothing else, if each part is known to have: an output may be made of anything."""
    other = followed.register([{"id": "other"}], name="other")
    with followed.step("mix", inputs=["raw", other]) as step:
        some = step.output(ROWS[1:2], name="some")
        free = step.output([{"id": "like 3"}], name="free")
        mixed = step.output([*ROWS[1:2], {"id": "like 3"}], name="mixed")
        less = step.output([{"id": "like 3"}, {"id": "other"}], name="less")
        with_other = step.output([*ROWS[1:2], {"id": "other"}], name="with other")
        step.derive("raw", some)
        step.derive([some, free], mixed)
        step.derive([free, other], less)
        step.derive([some, other], with_other)
    found = {"free", "mixed", "less"}
    out = OUT | {"some": "subset", "with other": "concatenation"}
    assert told(followed.impact(record=ROWS[3])) == (found, out, 0)
    # The same where the record is in what was joined: what goes on from there may be made so.
    with followed.step("mix again", inputs=["raw"]) as step:
        all_of = step.output([*ROWS, {"id": "like 3"}], name="all of it")
        step.outputs.append(free)
        step.derive(["raw", free], all_of)
    with followed.step("take", inputs=[all_of]) as step:
        step.output([ROWS[2], {"id": "like 3"}], name="taken")
        step.derive()
    found |= {"taken"}
    assert told(followed.impact(record=ROWS[3])) == (found, out, 0)


def test_what_is_proven_is_not_proven_again(followed, monkeypatch):
    asked = []
    monkeypatch.setattr(following, "proven", lambda *given: asked.append(given))
    with pytest.raises(AttributeError):
        followed.impact(record=ROWS[3])
    assert len(asked) == 1
    monkeypatch.undo()
    first = followed.impact(record=ROWS[3])
    monkeypatch.setattr(following, "proven", None)
    again = followed.impact(records=[ROWS[3], {"id": "nowhere"}])
    assert told(again) == told(first) == (set(), OUT, 0)
    assert not list(followed.folder.drafts.glob("derivation-*"))


@pytest.mark.parametrize(
    ("limit", "most", "proven"),
    [
        ("MOST_STEPS", 3, 3),
        ("MOST_STEPS", 2, 2),
        ("MOST_RECORDS", 10, 3),
        ("MOST_RECORDS", 7, 1),
        ("MOST_LOOKED_UP", 6, 3),
        ("MOST_LOOKED_UP", 3, 1),
    ],
)
def test_no_more_is_proven_than_there_is_time_for(followed, monkeypatch, limit, most, proven):
    for _ in range(2):  # the same, whatever was proven before
        monkeypatch.setattr(following, limit, most)
        found = told(followed.impact(record=ROWS[3]))
        assert found[2] == 3 - proven
        assert ("clean" in found[1]) is (proven >= 1)
        assert ("small" in found[1]) is (proven == 3)
        monkeypatch.undo()
        monkeypatch.setattr(followed, "_reaches", Recent())
        assert told(followed.impact(record=ROWS[3])) == (set(), OUT, 0)
        monkeypatch.setattr(followed, "_reaches", Recent())


def test_what_cannot_be_looked_up_closes_nothing(followed):
    clean = followed.resolve("clean")
    path = followed.folder.tree(clean.artifact.digest)
    whole = path.read_bytes()
    path.write_bytes(bytes(len(whole)))
    found = followed.impact(record=ROWS[3])
    assert told(found) == ({"clean", "net"}, {"small": "subset"}, 1)
    assert [followed.entry(each).statement.predicate.name for each in found.unproven] == ["clean"]
    path.write_bytes(whole)
