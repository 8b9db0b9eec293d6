"""The verifier in the browser gives Python's verdict, step by step, whatever was changed."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from alike import Given, compare
from byte_mutations import mutate_bytes
from chain_server import ChainServer
from changing import changed_somewhere
from test_bit_flips import RECORD, case, flipped, span
from world import ALICE, BOB, CAROL, WITNESSES, World, key, signer, witness_vkey

from provenance.verification import STEPS

pytestmark = pytest.mark.untraced


@pytest.fixture(scope="module")
def node() -> Iterator[ChainServer]:
    """The chain of `case`, behind a URL."""
    with ChainServer(case()[0].chain) as server:
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def rpc(node: ChainServer) -> dict[str, str]:
    return {"main": node.url}


def given(bundle: bytes | None = None, **more: Any) -> Given:
    _, whole, policy = case()
    return Given(
        **{"bundle": bundle or whole, "policy": policy.to_bytes(), "record": RECORD, **more}
    )


def test_what_holds(room: Any, rpc: dict[str, str]) -> None:
    cases = [given(), given(record=None)]
    assert compare(room, cases, rpc) == {"verified": 2}
    assert compare(room, cases) == {"undecided": 2}


def test_without_a_policy_nobody_is_vouched_for(room: Any, rpc: dict[str, str]) -> None:
    """The bundle's own first entry says under which policy it is consistent."""
    world = case()[0]
    rows = world.register([{"n": 1}])
    whole = world.bundle(rows, record=0, anchors=(), standing=(0, 1)).to_bytes()
    cases = [Given(whole, None, '{"n":1}'), Given(whole, None), given(policy=None)]
    assert compare(room, cases, rpc) == {"undecided": 2, "bundle": 1}
    changed = flipped(whole, range(0, len(whole), 40), [0])
    assert compare(room, [Given(each, None, '{"n":1}') for each in changed])["bundle"] > 50


def test_a_bit_of_every_byte_of_a_bundle(room: Any) -> None:
    whole = case()[1]
    cases = [
        given(changed) for at in range(len(whole)) for changed in flipped(whole, [at], [at % 8])
    ]
    seen = compare(room, cases)
    assert seen.total() == len(whole) > 3000
    assert "verified" not in seen
    assert {"bundle", "checkpoint", "entry", "record", "anchor", "standing"} <= seen.keys()


def test_bits_of_an_anchor(room: Any, rpc: dict[str, str]) -> None:
    cases = [given(changed) for changed in flipped(case()[1], span("anchors")[::4])]
    seen = compare(room, cases, rpc)
    assert {"bundle", "anchor", "policy"} == seen.keys()


def test_bytes_of_a_bundle(room: Any) -> None:
    source = random.Random(1)
    _, whole, _ = case()
    other = World()
    others = [other.bundle(other.register([{"n": 2}]), record=0).to_bytes()]
    cases = [given(mutate_bytes(whole, others, source)) for _ in range(400)]
    assert len(compare(room, cases)) > 4


# --- the structure --------------------------------------------------------------------------------


def test_structure_of_a_bundle(room: Any, rpc: dict[str, str]) -> None:
    source = random.Random(2)
    whole = json.loads(case()[1])
    bundles = [json.dumps(changed_somewhere(whole, source)).encode() for _ in range(800)]
    seen = compare(room, [given(bundle) for bundle in bundles], rpc)
    assert len(seen) > 7, seen


def test_structure_of_a_policy(room: Any, rpc: dict[str, str]) -> None:
    source = random.Random(3)
    policy = case()[2]
    pins = [{"chainId": 1, "contract": "0x" + "ab" * 20, "ledgerId": "00" * 32}]
    other = {**pins[0], "codeSha256": "11" * 32, "confirmations": 3, "name": "other"}
    whole = json.loads(policy.to_bytes())
    whole["signers"].append({"name": "bob", "publicKey": BOB.public.to_pem(), "kinds": ["model"]})
    whole["chains"].append(other)
    whole["demands"] = {"internal": {"signers": 1}, "confidential": {"anchored": True}}
    policies = [json.dumps(changed_somewhere(whole, source)).encode() for _ in range(500)]
    seen = compare(room, [given(policy=each) for each in policies], rpc)
    assert seen["refused"] > 150, seen
    assert seen["verified"] > 25, seen
    assert len(seen) > 5, seen


def test_policies_that_demand(room: Any, rpc: dict[str, str]) -> None:
    world, _, policy = case()
    changes: list[dict[str, Any]] = [
        *({"minimum": level} for level in ("public", "internal", "confidential", "restricted")),
        *({"threshold": threshold} for threshold in (1, 2)),
        *({"standing": standing} for standing in ("listed", "scanned")),
        {"witnesses": ()},
        {"witnesses": tuple(map(witness_vkey, WITNESSES))},
        {"witnesses": (witness_vkey(WITNESSES[1]),)},
        {"chains": ()},
        {"signers": ()},
        {"signers": (signer(ALICE, "model"),)},
        {"signers": (signer(ALICE, "dataset", "model"), signer(BOB))},
        {"signers": (signer(BOB),)},
        {"admin_keys": ()},
        {"admin_keys": (CAROL.public.to_pem(),)},
        {"log_keys": (witness_log_key := str_vkey(world, "other"), world.vkey)},
        {"log_keys": (witness_log_key,)},
    ]
    policies = [world.policy(**{**minimal(policy), **change}).to_bytes() for change in changes]
    for reached in (rpc, {}):
        assert len(compare(room, [given(policy=each) for each in policies], reached)) > 3


def minimal(policy: Any) -> dict[str, Any]:
    return {"minimum": policy.minimum, "witnesses": policy.witnesses}


def str_vkey(world: World, name: str) -> str:
    from provenance.signing import VerifierKey

    return str(VerifierKey(world.origin, key(name).public))


def test_records(room: Any) -> None:
    records = [
        changed.decode("latin-1") for changed in flipped(RECORD.encode(), range(len(RECORD)))
    ]
    more = ["", "null", "[]", ' {"text" : "zwei", "n": 2 } ', '{"n":2.0,"text":"zw\\u0065i"}']
    seen = compare(room, [given(record=record) for record in [*records, *more]])
    assert seen["undecided"] >= 2
    assert seen["record"] > 50
    assert seen["refused"] > 20


def test_a_large_bundle_is_refused_alike(room: Any) -> None:
    whole = json.loads(case()[1])
    many = {**whole, "records": [{"index": 0, "path": []}] * ((1 << 14) + 1)}
    assert compare(room, [given(json.dumps(many).encode()), given(b"x")]) == {"bundle": 2}
    found = room.evaluate("""async () =>
        (await provenance.verify({ bundle: new Uint8Array((16 << 20) + 1) })).steps""")
    finding = "the bundle is 16,777,217 bytes long; at most 16,777,216 are read"
    assert found == [{"step": "bundle", "mark": "✗", "finding": finding}]


def test_steps_are_told_as_they_are_checked(room: Any) -> None:
    whole = base64.b64encode(case()[1]).decode()
    told = room.evaluate(
        """async (bundle) => {
          const told = [];
          await provenance.verify({ bundle: bytes(bundle), onStep: ({ step }) => told.push(step) });
          return told;
        }""",
        whole,
    )
    assert told == ["bundle"]
    assert room.evaluate("() => Object.keys(provenance.STEPS)") == list(STEPS)
