"""`RecentVerifier` finds what `Verifier` finds, whatever it was sent before."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import ALICE, WITNESSES, World, silent, witness_vkey

from provenance.anchoring import AnchorFacts, check_anchor
from provenance.errors import InputError, VerificationError
from provenance.log.blocking import WouldBlockError, nonblocking
from provenance.records import JSON, hash_record
from provenance.verification import Mark, Policy, Verified, Verifier
from provenance.verification import recent as module
from provenance.verification.recent import RecentVerifier

ROWS = [{"n": 1, "text": "eins"}, {"n": 2, "text": "zwei"}, {"n": 3, "text": "drei"}]


@cache
def case() -> tuple[World, list[bytes], Policy]:
    """A log, a bundle for each of its records and one for none, and the policy."""
    world = World(signers=(ALICE,))
    rows = world.register(ROWS)
    world.anchor()
    world.supersede(rows, ALICE)
    bundles = [
        world.bundle(rows, record=record, witnesses=WITNESSES[:1]).to_bytes()
        for record in (0, 1, 2, None)
    ]
    policy = world.policy(minimum="confidential", witnesses=(witness_vkey(WITNESSES[0]),))
    return world, bundles, policy


class Asked:
    """A verifier that was shown the first record, and another that remembers nothing."""

    def __init__(self, **more: Any) -> None:
        world, bundles, policy = case()
        self.now = 100.0
        more = {"chains": {"main": world.chain}, **more}
        self.recent = RecentVerifier(policy, 2.0, clock=lambda: self.now, **more)
        self.plain = Verifier(policy, **more)
        self.recent.verify(bundles[0], record=ROWS[0])

    def told(self, bundle: bytes, **at_hand: Any) -> Any:
        """What both tell of a bundle, which is the same."""
        found = [told(verifier, bundle, **at_hand) for verifier in (self.recent, self.plain)]
        assert found[0] == found[1]
        return found[0]


def told(verifier: Verifier, bundle: bytes, **at_hand: Any) -> Any:
    try:
        return verifier.verify(bundle, **at_hand)
    except VerificationError as error:
        return type(error), str(error), error.step, error.report
    except InputError as error:
        return type(error), str(error)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that were run."""
    ran: list[str] = []
    run_step = module.run_step

    def run(step: str, *rest: Any) -> Any:
        ran.append(step)
        return run_step(step, *rest)

    monkeypatch.setattr(module, "run_step", run)
    return ran


def test_the_records_are_checked_each_time_and_the_rest_is_remembered(steps: list[str]) -> None:
    _, bundles, _ = case()
    asked = Asked()
    for record in (1, 2, 0):
        verified = asked.told(bundles[record], record=ROWS[record])
        assert isinstance(verified, Verified)
        assert verified.record_indices == (record,)
        assert "superseded" in verified.report.warnings[0]
    assert steps == ["bundle", "record"] * 3
    for number, record in ((0, ROWS[1]), (1, ROWS[0]), (2, {"n": 4})):
        error = asked.told(bundles[number], record=record)
        assert error[2] == "record"
        assert error[3].warnings == ()
    assert isinstance(asked.told(bundles[3]), Verified)
    assert isinstance(asked.told(bundles[1]), Verified)
    hashes = [hash_record(row, JSON) for row in ROWS]
    assert asked.told(bundles[1], leaf_hashes=[hashes[1]]).record_indices == (1,)
    assert asked.told(bundles[1], leaf_hashes=[hashes[2]])[2] == "record"
    assert asked.told(bundles[1], leaf_hashes=hashes)[2] == "record"
    assert asked.told(bundles[1], record=ROWS[1], leaf_hashes=hashes)[0] is InputError


def test_every_bit_of_a_bundle() -> None:
    """Wherever it is changed: beside the records it is another bundle, in them other records."""
    _, bundles, _ = case()
    asked = Asked()
    bundle = bundles[1]
    for at in range(0, len(bundle) * 8, 23):
        changed = bytearray(bundle)
        changed[at // 8] ^= 1 << at % 8
        asked.told(bytes(changed), record=ROWS[1])


ENDING = ['[],"records":[]', '[],"x":[]', "[]]", "[[]", " [ ] ", '[],"standing":[]']
"""What would end the member, if it were not read as one value."""


@settings(max_examples=150)
@given(st.data())
def test_anything_in_place_of_the_records(data: st.DataObject) -> None:
    _, bundles, _ = case()
    parsed = [json.loads(bundle)["records"] for bundle in bundles]
    proofs = st.sampled_from([proof for records in parsed for proof in records])
    other = st.recursive(
        st.none() | st.integers(-1, 9) | st.text(max_size=3) | proofs,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["index", "path", "standing", "x"]), inner, max_size=3
            )
        ),
    )
    text = data.draw(
        st.lists(other, max_size=4).map(json.dumps)
        | st.lists(proofs, max_size=3).map(json.dumps)
        | st.text('[]{},:"0 a', max_size=12)
        | st.sampled_from(
            ['[],"records":[]', '[],"x":[]', "[]]", "[[]", " [ ] ", '[],"standing":[]']
        )
    ).encode()
    head, _, rest = bundles[1].partition(b'"records":')
    tail = rest[rest.index(b',"standing":[') :]
    asked = Asked()
    bundle = head + b'"records":' + text + tail
    for at_hand in ({}, {"record": ROWS[1]}, {"records": ROWS}):
        asked.told(bundle, **at_hand)


@pytest.mark.parametrize("bound", ["MAX_RECORDS", "MAX_BUNDLE", "LARGE"])
def test_what_is_too_large_goes_through_every_step(
    bound: str, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, bundles, _ = case()
    monkeypatch.setattr(module, bound, 0 if bound == "MAX_RECORDS" else 100)
    asked = Asked()
    assert isinstance(asked.told(bundles[1], record=ROWS[1]), Verified)
    assert steps == []


def test_it_is_remembered_for_a_moment() -> None:
    world, bundles, _ = case()
    chain = world.chain.lying()
    asked = Asked(chains={"main": chain})
    chain.call = silent  # type: ignore[method-assign]
    asked.now += 1.9
    assert isinstance(asked.recent.verify(bundles[1], record=ROWS[1]), Verified)
    asked.now += 0.1
    assert asked.told(bundles[1], record=ROWS[1])[2] == "policy"


def test_of_many_at_a_time_one_goes_through_every_step() -> None:
    world, bundles, policy = case()
    asking, go_on, asked = threading.Event(), threading.Event(), []

    def slow(*question: Any) -> AnchorFacts:
        asked.append(question)
        asking.set()
        assert go_on.wait(30)
        return check_anchor(*question)

    verifier = RecentVerifier(policy, 2.0, chains={"main": world.chain}, anchor_check=slow)
    with ThreadPoolExecutor(8) as threads:
        found = [threads.submit(told, verifier, bundles[0], record=ROWS[0]) for _ in range(7)]
        assert asking.wait(30)
        with nonblocking(), pytest.raises(WouldBlockError):  # an event loop does not wait for it
            verifier.verify(bundles[0], record=ROWS[0])
        go_on.set()
        assert all(isinstance(each.result(), Verified) for each in found)
    assert len(asked) == 1
    with nonblocking():
        assert isinstance(verifier.verify(bundles[1], record=ROWS[1]), Verified)


def test_what_is_undecided_is_not_remembered() -> None:
    """Not even where it is not demanded: the chain may answer by now."""
    world, bundles, policy = case()
    chain = world.chain.lying(call=silent)
    verifier = RecentVerifier(replace(policy, minimum="public"), 2.0, chains={"main": chain})
    first = verifier.verify(bundles[0], record=ROWS[0])
    assert first.report["anchor"].mark is Mark.UNDECIDED
    chain.call = world.chain.call  # type: ignore[method-assign]
    assert verifier.verify(bundles[1], record=ROWS[1]).report["anchor"].mark is Mark.HOLDS


def test_what_failed_is_not_remembered(steps: list[str]) -> None:
    world, bundles, policy = case()
    verifier = RecentVerifier(policy, 2.0, chains={"main": world.chain})
    for _ in range(2):
        assert told(verifier, bundles[0], record=ROWS[1])[2] == "record"
    assert steps == []


def test_one_bundle_is_not_taken_for_another(steps: list[str]) -> None:
    """The cut itself counts: the same bytes, parted elsewhere, are another bundle."""
    _, bundles, _ = case()
    asked = Asked()
    world = World(signers=(ALICE,), origin="other.example/ml")
    rows = world.register(ROWS)
    world.anchor()
    other = world.bundle(rows, record=1).to_bytes()
    assert asked.told(other, record=ROWS[1])[2] == "checkpoint"
    spaced = bundles[1].replace(b'"records":', b'"records" :')
    assert isinstance(asked.told(spaced, record=ROWS[1]), Verified)
    assert steps == []


def test_it_may_be_written_in_any_form(steps: list[str]) -> None:
    _, bundles, _ = case()
    asked = Asked()
    for form in (
        lambda value: json.dumps(value),
        lambda value: json.dumps(value, indent="\t"),
        lambda value: json.dumps(dict(reversed(value.items()))),
        lambda value: json.dumps({"records": value.pop("records"), **value}),
    ):
        steps.clear()
        for record in (1, 2):
            written = form(json.loads(bundles[record])).encode()
            assert isinstance(asked.told(written, record=ROWS[record]), Verified)
        assert steps == ["bundle", "record"]


@pytest.mark.parametrize(
    "text", [b'{"records":', b'{"records":[', b'{"records":\xff', b'{"records":' + b"[" * 99_999]
)
def test_what_cannot_be_cut_is_malformed(text: bytes) -> None:
    assert Asked().told(text)[2] == "bundle"


def test_the_least_recent_gives_way(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    world = World(signers=(ALICE,))
    both = [world.register(rows) for rows in (ROWS, ROWS[:2])]
    bundles = [world.bundle(each, record=1).to_bytes() for each in both]
    verifier = RecentVerifier(world.policy(), 2.0, chains={"main": world.chain})
    for number in (0, 0, 1, 1, 0, 0):
        verifier.verify(bundles[number], record=ROWS[1])
    assert steps == ["bundle", "record"] * 3


def test_little_is_kept() -> None:
    """Neither the bytes that were sent, nor the records and what they were compared with."""
    asked = Asked()
    (held,) = asked.recent._held.values()
    assert (held.case.data, held.case.bundle.records, held.case.at_hand.record) == (b"", (), None)
