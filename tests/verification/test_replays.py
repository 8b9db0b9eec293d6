"""True parts in false places: proofs moved, cut, swapped and repeated, by rule and at random."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import ALICE, WITNESSES, Registered, World, fails, prove, witness_vkey

from provenance.errors import VerificationError
from provenance.merkle import ProofError, check_inclusion
from provenance.records import JSON, hash_record
from provenance.verification import Bundle, Policy, RecordProof

pytestmark = pytest.mark.untraced

ROWS = [{"n": n} for n in range(9)]


# --- every record proof at every place ------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 10))
def test_a_record_proof_at_any_other_place(size: int) -> None:
    """Of every data set that is a prefix of another, the hardest case: they share subtrees."""
    world = World()
    target = world.register(ROWS[:size])
    for proven in range(1, 10):
        for index in range(proven):
            path = prove(ROWS[:proven], index).path
            leaf = hash_record(ROWS[index], JSON)
            for claimed in range(size + 1):
                expected = (proven, index) == (size, claimed)
                artifact = target.artifact
                try:
                    check_inclusion(
                        leaf_hash=leaf,
                        index=claimed,
                        size=artifact.size,
                        path=path,
                        root=artifact.root,
                    )
                except ProofError:
                    assert not expected
                else:
                    assert expected


@pytest.mark.parametrize(("proven", "size"), [(4, 5), (5, 4), (8, 7), (7, 8), (8, 9)])
def test_a_record_proof_of_another_size_in_a_bundle(proven: int, size: int) -> None:
    world = World()
    bundle = world.bundle(world.register(ROWS[:size]))
    for index in range(min(proven, size)):
        for claimed in range(size + 1):
            moved = RecordProof(index=claimed, path=prove(ROWS[:proven], index).path)
            with fails("record", "leads to the root|hashes|no leaf"):
                world.verify(replace(bundle, records=(moved,)), record=ROWS[index])


def test_the_last_record_cannot_be_doubled() -> None:
    """Trees that pair an odd last node with itself have two lists under one root; not these."""
    odd, doubled = World(), World()
    first = odd.register(ROWS[:3])
    second = doubled.register([*ROWS[:3], ROWS[2]])
    assert first.artifact.root != second.artifact.root
    bundle = replace(odd.bundle(first), records=(prove([*ROWS[:3], ROWS[2]], 3),))
    with fails("record", "no leaf 3 in a tree of 3"):
        odd.verify(bundle, record=ROWS[2])


def test_an_entry_at_any_other_place() -> None:
    world = World(signers=(ALICE,))
    registered = [world.register([row]) for row in ROWS[:4]]
    policy = world.policy()
    for rows in registered:
        for size in range(rows.index + 1, world.size + 1):
            bundle = world.bundle(rows, size=size, standing=[1])
            assert world.verify(bundle, policy=policy)
            for index in range(world.size + 1):
                for other in {size, world.size} - ({size} if index == rows.index else set()):
                    logged = replace(bundle.statement, index=index)
                    note = world.note(other)
                    with fails("entry", "leads to the root|hashes|no leaf"):
                        world.verify(
                            replace(bundle, statement=logged, checkpoint=note), policy=policy
                        )


# --- at random --------------------------------------------------------------------------------


@cache
def worlds() -> list[tuple[World, Registered, bytes, Policy]]:
    """Logs of several shapes, each with one bundle that needs every part it has."""
    made = []
    for before, rows, after in ((0, 1, 0), (1, 2, 1), (2, 5, 4), (5, 8, 3)):
        world = World(signers=(ALICE,))
        for number in range(before):
            world.register([{"before": number}])
        registered = world.register(ROWS[:rows])
        world.anchor()
        for number in range(after):
            world.register([{"after": number}])
        bundle = world.bundle(
            registered, record=rows // 2, witnesses=WITNESSES[:1], standing=[1]
        ).to_bytes()
        policy = world.policy(
            minimum="confidential", witnesses=(witness_vkey(WITNESSES[0]),), standing="scanned"
        )
        made.append((world, registered, bundle, policy))
    return made


def slots(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, member in items:
        found.append((value, name))
        if isinstance(member, (dict, list)):
            found += slots(member)
    return found


def mutate(data: st.DataObject, value: dict[str, Any], pool: list[Any]) -> None:
    """Do one thing to a bundle that an adversary with all its parts could do."""
    everywhere = slots(value)
    lists = [c[k] for c, k in everywhere if isinstance(c[k], list) and c[k]]
    act = data.draw(st.sampled_from(["drop", "double", "reorder", "swap", "other", "number"]))
    if act in ("drop", "double", "reorder") and lists:
        items = data.draw(st.sampled_from(lists))
        at = data.draw(st.integers(0, len(items) - 1))
        if act == "drop":
            del items[at]
        elif act == "double":
            items.insert(at, copy.deepcopy(items[at]))
        else:
            items.insert(data.draw(st.integers(0, len(items) - 1)), items.pop(at))
    elif act == "number":
        container, name = data.draw(
            st.sampled_from([(c, k) for c, k in everywhere if isinstance(c[k], int)])
        )
        container[name] = data.draw(st.one_of(st.integers(0, 20), st.integers(0, 2**53 - 1)))
    else:
        container, name = data.draw(st.sampled_from(everywhere))
        kind = type(container[name])
        others = [c[k] for c, k in everywhere] if act == "swap" else pool
        alike = [other for other in others if type(other) is kind]
        container[name] = copy.deepcopy(data.draw(st.sampled_from(alike)))


@cache
def pool() -> list[Any]:
    """True parts of all bundles."""
    found = []
    for _, _, bundle, _ in worlds():
        value = json.loads(bundle)
        found += [container[name] for container, name in slots(value)]
    return found


@settings(max_examples=400)
@given(st.data())
def test_nothing_built_of_true_parts_verifies(data: st.DataObject) -> None:
    world, registered, bundle, policy = data.draw(st.sampled_from(worlds()))
    value = json.loads(bundle)
    for _ in range(data.draw(st.integers(1, 3))):
        mutate(data, value, pool())
    record = registered.rows[len(registered.rows) // 2]
    changed = json.dumps(value).encode()
    try:
        world.verify(changed, policy=policy, record=record, scan=True)
    except VerificationError:
        return
    # The log was scanned, so the verdict does not rest on what the prover lists, nor does it on
    # an anchor of a chain that the policy does not pin, nor on proofs of other records.
    pinned = {(pin.chain_id, pin.contract, pin.ledger_id) for pin in policy.chains}

    def rested_on(data: bytes) -> Bundle:
        whole = Bundle.parse(data)
        anchors = tuple(
            proof
            for proof in whole.anchors
            if (proof.anchor.chain_id, proof.anchor.contract, proof.anchor.ledger_id) in pinned
        )
        records = tuple({*whole.records} & {*Bundle.parse(bundle).records})
        return replace(whole, standing=(), anchors=anchors, records=records)

    assert rested_on(changed) == rested_on(bundle)


def test_the_parts_verify_where_they_belong() -> None:
    for world, registered, bundle, policy in worlds():
        record = registered.rows[len(registered.rows) // 2]
        assert world.verify(bundle, policy=policy, record=record, scan=True)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_verifier_stumble(garbage: bytes) -> None:
    world, _, bundle, policy = worlds()[0]
    middle = len(bundle) // 2
    for data in (garbage, bundle[:middle] + garbage + bundle[middle:], bundle + garbage):
        try:
            world.verify(data, policy=policy, record=ROWS[0], scan=True)
        except VerificationError:
            continue
        assert not garbage.strip()


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["records", "statement", "checkpoint", "anchors", "standing", "x"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=10,
    ),
    st.sampled_from(["records", "statement", "checkpoint", "anchors", "standing", "mediaType"]),
)
def test_no_value_makes_the_verifier_stumble(value: Any, member: str) -> None:
    world, _, bundle, policy = worlds()[1]
    changed = {**json.loads(bundle), member: value}
    with pytest.raises(VerificationError) as caught:
        world.verify(json.dumps(changed).encode(), policy=policy, record=ROWS[1], scan=False)
    assert caught.value.step
