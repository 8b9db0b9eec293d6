"""The `anchor` step: which anchors count, what a chain can say against them, and when none can."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from world import ALICE, CODE, Chain, Registered, World, fails, silent, undecided

from provenance.anchoring import Anchor
from provenance.anchoring.anchor import Head
from provenance.errors import ChainError
from provenance.merkle import node_hash
from provenance.verification import AnchorProof, Bundle, Demand, Mark, Verified

TIME = 1_800_000_000


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rows(world: World) -> Registered:
    rows = world.register()
    world.anchor(TIME)
    world.register([{"n": 4}])
    return rows


def verify(world: World, bundle: Bundle, **answers: Any) -> Verified:
    policy = world.policy(minimum="internal", chains=(replace(world.chain.pin, confirmations=2),))
    return world.verify(bundle, policy=policy, chains={"main": world.chain.lying(**answers)})


def test_holds(world: World, rows: Registered) -> None:
    world.chain.mine(TIME + 5)
    verified = verify(world, world.bundle(rows))
    (anchored,) = verified.anchors
    assert (anchored.anchor.size, anchored.facts.confirmations) == (4, 2)
    assert str(anchored.time) == "2027-01-15 08:00:00+00:00"
    finding = "block 1 of chain 'main', 2027-01-15 08:00:00 UTC, 2 confirmations"
    assert verified.report["anchor"].finding == finding


def test_an_embedded_chain_is_called_one(world: World, rows: Registered) -> None:
    pin = replace(world.chain.pin, embedded=True)
    report = world.verify(world.bundle(rows), policy=world.policy(chains=(pin,))).report
    finding = report["anchor"].finding
    assert finding.endswith("(embedded chain: worth as much as this machine)")


OTHER_ROOT = node_hash(bytes(32), bytes(32))


@pytest.mark.parametrize(
    ("answers", "match"),
    [
        ({"code": lambda _: b""}, "there is no contract at 0xc0c0"),
        ({"code": lambda _: CODE + b"\x00"}, "has SHA-256 .* the policy pins"),
        ({"call": lambda *_: bytes(32)}, "has no root at size 4"),
        ({"call": lambda *_: OTHER_ROOT}, "at size 4, not"),
        ({"head": lambda: 0}, "names block 1; main is at 0"),
        ({"head": lambda: 1}, "1 of 2 confirmations; wait"),
        ({"anchored": lambda *_: []}, "does not anchor this root"),
        ({"anchored": lambda *_: [Head(4, OTHER_ROOT)]}, "does not anchor this root"),
    ],
)
def test_a_chain_that_says_otherwise(
    world: World, rows: Registered, answers: dict[str, Any], match: str
) -> None:
    world.chain.mine(TIME + 5)
    with fails("anchor", match):
        verify(world, world.bundle(rows), **answers)


def garbage(*_: object) -> Any:
    raise ChainError("main answers garbage")


@pytest.mark.parametrize(
    ("answers", "match"),
    [
        ({"chain_id": lambda: 1}, "is on chain 1; the policy pins 31337"),
        ({"chain_id": silent}, "nobody answers"),
        ({"code": garbage}, "answers garbage"),
        ({"call": lambda *_: b""}, "answers 0 bytes"),
        ({"anchored": silent}, "nobody answers"),
        ({"block_time": silent}, "nobody answers"),
        ({"block_time": lambda _: 2**63}, "gives block 1 the time 9223372036854775808"),
        ({"block_time": lambda _: -1}, "gives block 1 the time -1"),
        ({"finalized": silent}, "nobody answers"),
    ],
)
def test_a_chain_out_of_reach_or_out_of_its_mind(
    world: World, rows: Registered, answers: dict[str, Any], match: str
) -> None:
    """Demanded, it leaves the verdict undecided; not demanded, it does no harm."""
    world.chain.mine(TIME + 5)
    bundle = world.bundle(rows)
    with undecided("policy", "demands what chain main would have to show"):
        verify(world, bundle, **answers)
    report = world.verify(bundle, chains={"main": world.chain.lying(**answers)}).report
    assert report["anchor"].mark is Mark.UNDECIDED
    assert match in report["anchor"].finding


def test_a_chain_that_is_not_configured(world: World, rows: Registered) -> None:
    policy = world.policy(minimum="internal")
    with undecided("policy", "demands what chain main would have to show"):
        world.verify(world.bundle(rows), policy=policy, chains={})


def test_why_a_chain_is_not_reached_depends_on_what_it_is(world: World, rows: Registered) -> None:
    def finding(**changes: Any) -> str:
        policy = world.policy(chains=(replace(world.chain.pin, **changes),))
        report = world.verify(world.bundle(rows), policy=policy, chains={}).report
        return report["anchor"].finding

    assert finding() == "chain 'main': no way to reach it is configured: name a node of it"
    at_home = "chain 'main': out of reach, it is a file beside its ledger"
    assert finding(embedded=True) == at_home


def test_a_wrong_answer_of_one_chain_fails_though_another_holds(
    world: World, rows: Registered
) -> None:
    other = Chain("other", world.chain.pin.ledger_id, 7)
    world.anchor(TIME, size=4, chain=other)
    policy = world.policy(chains=(world.chain.pin, other.pin))
    chains = {"main": world.chain, "other": other}
    assert len(world.verify(world.bundle(rows), policy=policy, chains=chains).anchors) == 2
    chains["other"] = other.lying(call=lambda *_: bytes(32))
    with fails("anchor", "has no root"):
        world.verify(world.bundle(rows), policy=policy, chains=chains)


def test_a_final_anchor_may_stand_on_the_chain_that_is_out_of_reach(
    world: World, rows: Registered
) -> None:
    other = Chain("other", world.chain.pin.ledger_id, 7)
    world.anchor(TIME, size=4, chain=other)
    policy = world.policy(
        chains=(world.chain.pin, other.pin), demands={"public": Demand(anchored=True, final=True)}
    )
    chains: dict[str, Any] = {"main": world.chain.lying(finalized=lambda: 0), "other": other}
    assert world.verify(world.bundle(rows), policy=policy, chains=chains)
    chains["other"] = other.lying(head=silent)
    with undecided("policy", "demands what chain other would have to show"):
        world.verify(world.bundle(rows), policy=policy, chains=chains)
    chains["other"] = other.lying(finalized=lambda: 0)
    with fails("policy", "demands a final anchor"):
        world.verify(world.bundle(rows), policy=policy, chains=chains)


# --- what the bundle says ---------------------------------------------------------------------


def edited(world: World, rows: Registered, **changes: Any) -> Bundle:
    bundle = world.bundle(rows)
    (proof,) = bundle.anchors
    proof = replace(proof, anchor=replace(proof.anchor, **changes))
    return replace(bundle, anchors=(proof,))


@pytest.mark.parametrize(
    "changes", [{"chain_id": 1}, {"contract": "0x" + "ab" * 20}, {"ledger_id": bytes(32)}]
)
def test_an_anchor_that_the_policy_does_not_pin(
    world: World, rows: Registered, changes: dict[str, Any]
) -> None:
    """An attacker's own contract proves nothing, and is not even asked."""
    bundle = edited(world, rows, **changes)
    with fails("policy", "'internal' demands an anchor"):
        verify(world, bundle, chain_id=silent)
    report = world.verify(bundle).report
    assert report["anchor"].mark is Mark.NOT_DEMANDED
    assert report["anchor"].finding == "none on a chain that the policy names"
    assert world.chain.asked == 0


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"size": 3}, "the anchor at 3 entries does not cover entry 3"),
        ({"size": 0}, "the anchor at 0 entries does not cover entry 3"),
        ({"size": 5}, "equal sizes"),
        ({"size": 6}, "no consistency proof leads from size 6 to 5"),
        ({"root": bytes(32)}, "leads to the|old root"),
        ({"block": 0}, "does not anchor this root"),
        ({"block": 2}, "names block 2; main is at 1"),
    ],
)
def test_an_anchor_with_another_value(
    world: World, rows: Registered, changes: dict[str, Any], match: str
) -> None:
    with fails("anchor", match):
        world.verify(edited(world, rows, **changes))


def test_an_anchor_of_a_fork(world: World, rows: Registered) -> None:
    """The contract took another history than the one in the checkpoint: no proof joins them."""
    fork = World()
    fork.register([{"n": 99}])
    forked = fork.anchor(TIME)
    world.chain.heads[1] = [Head(forked.size, forked.root)]
    proof = world.prove_anchor(forked, world.size)
    with fails("anchor", "leads to the"):
        world.verify(replace(world.bundle(rows), anchors=(proof,)))


def test_an_anchor_continued_by_nothing(world: World, rows: Registered) -> None:
    bundle = world.bundle(rows)
    proof = AnchorProof(anchor=bundle.anchors[0].anchor, consistency=())
    with fails("anchor", "an empty proof"):
        world.verify(replace(bundle, anchors=(proof,)))


def test_an_anchor_at_the_checkpoint_itself(world: World) -> None:
    rows = world.register()
    world.anchor(TIME)
    bundle = world.bundle(rows)
    assert bundle.anchors[0].consistency == ()
    assert world.verify(bundle, policy=world.policy(minimum="internal"))
    proof = replace(bundle.anchors[0], consistency=(bytes(32),))
    with fails("anchor", "equal sizes has no hashes"):
        world.verify(replace(bundle, anchors=(proof,)))


def test_a_bundle_asks_each_chain_once(world: World, rows: Registered) -> None:
    """Else whoever sends a bundle to a server has it ask a node as often as he likes."""
    world.anchor(TIME + 1)
    anchors: list[Anchor] = [anchor for _, anchor in world.anchors]
    for listed in (anchors, [anchors[0]] * 100):
        world.chain.asked = 0
        with fails("anchor", "two anchors on chain 'main'"):
            world.verify(world.bundle(rows, anchors=listed))
        assert world.chain.asked == 1


def test_none_is_needed_for_what_is_public(world: World) -> None:
    rows = world.register([{"n": 1}], ALICE)
    report = world.verify(world.bundle(rows)).report
    assert report["anchor"].finding == "none"
