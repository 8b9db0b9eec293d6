"""The two forms of this package, policy and bundle: one meaning each, and strict."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import ADMIN, ALICE, BOB, WITNESSES, World, signer, witness_vkey

from provenance import forms
from provenance.anchoring import Anchor
from provenance.errors import InputError, MalformedError
from provenance.signing import COSIGNATURE, PrivateKey, VerifierKey
from provenance.verification import (
    AnchorProof,
    Bundle,
    Demand,
    LoggedEnvelope,
    Policy,
    RecordProof,
)
from provenance.verification.policy import DEMANDS, MAX_POLICY

WORLD = World()
OTHER = {"pin": replace(WORLD.chain.pin, name="other", chain_id=7)}


def vkey(name: str, private: PrivateKey, kind: Any = 1) -> str:
    return str(VerifierKey(name, private.public, kind))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"threshold": 0}, "threshold must be at least 1"),
        ({"demands": {"secret": Demand()}}, "demands something of unknown 'secret'"),
        ({"signers": (signer(ALICE), signer(BOB), signer(ALICE, "model"))}, "names the signer"),
        ({"admin_keys": (ADMIN.public.to_pem(),) * 2}, "names the admin key .* twice"),
        ({"chains": (WORLD.chain.pin, replace(OTHER["pin"], name="main"))}, "chain name main"),
        ({"chains": (WORLD.chain.pin, replace(WORLD.chain.pin, name="x"))}, "the chain .* twice"),
        ({"witnesses": (witness_vkey(WITNESSES[0]),) * 2}, "names the witness .* twice"),
        ({"witnesses": (vkey("w.example", WITNESSES[0]),)}, "'w.example' is not for cosigning"),
        ({"witnesses": ("w.example",)}, "vkey 'w.example'"),
        ({"log_keys": (WORLD.vkey,) * 2}, "names the log key .* twice"),
        ({"log_keys": (vkey("b.example", ALICE),)}, "'b.example' is not one of 'log.example/ml'"),
        ({"log_keys": (vkey(WORLD.origin, ALICE, COSIGNATURE),)}, "is not one of"),
        ({"log_keys": ("",)}, "vkey"),
        ({"admin_keys": ("",)}, "not a PEM public key"),
        ({"signers": (replace(signer(ALICE), public_key="key"),)}, "not a PEM public key"),
    ],
)
def test_a_policy_that_means_nothing_is_not_made(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        WORLD.policy(**changes)


def test_two_chains_at_one_address_are_two() -> None:
    policy = WORLD.policy(chains=(WORLD.chain.pin, OTHER["pin"]))
    assert len(policy.chains) == 2


def test_a_pin_is_found_by_the_name_of_its_chain() -> None:
    policy = WORLD.policy(chains=(WORLD.chain.pin, OTHER["pin"]))
    for pin in policy.chains:
        assert policy.pin(pin.name) is pin
    known = ", ".join(pin.name for pin in policy.chains)
    with pytest.raises(InputError, match=f"^the policy pins no chain 'b'; it pins {known}$"):
        policy.pin("b")
    with pytest.raises(InputError, match=r"it pins none$"):
        WORLD.policy(chains=()).pin("b")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"tresshold": 2}, "unknown field 'tresshold'; known are"),
        ({"type": "urn:provenance-ledger:policy:v2"}, "must be one of"),
        ({"minimum": "secret"}, "must be one of"),
        ({"standing": "guessed"}, "must be one of"),
        ({"threshold": "2"}, "whole number"),
        ({"threshold": True}, "whole number"),
        ({"signers": {}}, "must be a list"),
        ({"origin": None}, "null"),
        ({"demands": {"public": {"anchor": True}}}, "unknown field 'anchor'"),
    ],
)
def test_a_policy_of_another_form(change: dict[str, Any], match: str) -> None:
    value = {**json.loads(WORLD.policy().to_bytes()), **change}
    with pytest.raises(MalformedError, match=match):
        Policy.parse(json.dumps(value).encode())


@pytest.mark.parametrize("lacking", ["type", "origin", "logKeys", "adminKeys", "signers"])
def test_a_policy_that_lacks_what_it_rests_on(lacking: str) -> None:
    value = json.loads(WORLD.policy().to_bytes())
    del value[lacking]
    with pytest.raises(MalformedError, match=f"lacks the field '{lacking}'"):
        Policy.parse(json.dumps(value).encode())


def test_a_policy_that_is_too_long() -> None:
    with pytest.raises(MalformedError, match="at most 1,048,576"):
        Policy.parse(b" " * (MAX_POLICY + 1))


def test_demands_rise_with_the_sensitivity() -> None:
    values = [forms.encode(demand) for demand in DEMANDS.values()]
    for lower, higher in pairwise(values):
        assert all(higher[name] >= lower[name] for name in lower)
        assert higher != lower


@pytest.mark.parametrize("minimum", DEMANDS)
@pytest.mark.parametrize("sensitivity", DEMANDS)
def test_the_level_is_the_higher_of_both(sensitivity: str, minimum: Any) -> None:
    order = ["public", "internal", "confidential", "restricted"]
    level = WORLD.policy(minimum=minimum).level(sensitivity)
    assert order.index(level) == max(order.index(sensitivity), order.index(minimum))


# --- bundles ----------------------------------------------------------------------------------


hashes = st.binary(min_size=32, max_size=32)
paths = st.lists(hashes, max_size=4).map(tuple)
numbers = st.integers(0, 2**53 - 1)
logged = st.builds(
    LoggedEnvelope,
    envelope=st.binary(max_size=40),
    entry=st.binary(max_size=40),
    index=numbers,
    path=paths,
)
anchors = st.builds(
    Anchor,
    chain_id=numbers,
    contract=st.binary(min_size=20, max_size=20).map(lambda b: "0x" + b.hex()),
    ledger_id=hashes,
    size=numbers,
    root=hashes,
    block=numbers,
)
bundles = st.builds(
    Bundle,
    records=st.lists(st.builds(RecordProof, index=numbers, path=paths), max_size=3).map(tuple),
    statement=logged,
    checkpoint=st.text(max_size=40),
    anchors=st.lists(st.builds(AnchorProof, anchor=anchors, consistency=paths), max_size=3).map(
        tuple
    ),
    standing=st.lists(logged, max_size=3).map(tuple),
)


@given(bundles)
def test_a_bundle_reads_back(bundle: Bundle) -> None:
    data = bundle.to_bytes()
    assert Bundle.parse(data) == bundle
    assert Bundle.parse(data).to_bytes() == data
