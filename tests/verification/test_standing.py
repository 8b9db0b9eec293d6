"""Standing: every order of additions, revocations and rotations, and every case of time."""

from __future__ import annotations

import struct
import textwrap
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import permutations, product
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from world import (
    ADMIN,
    ALICE,
    BOB,
    CAROL,
    THIEF,
    Chain,
    Registered,
    World,
    fails,
    name_of,
    signer,
    silent,
    undecided,
)

from provenance.errors import UndecidedError, VerificationError
from provenance.signing import Envelope, PrivateKey, PublicKey, Signature
from provenance.statements import Key, Statement, key_subject
from provenance.verification import Demand, Mark, Verified
from provenance.verification import steps as steps_module
from provenance.verification.standing import Standing

SINCE = "2027-01-01T00:00:00Z"
NOON = 1_798_761_600  # the same in POSIX seconds
ALL = tuple(signer(private) for private in (ALICE, BOB, CAROL))


def holds(world: World, rows: Registered, **given: Any) -> Verified:
    return world.verify(world.bundle(rows), policy=world.policy(signers=ALL), **given)


def refused(world: World, rows: Registered, match: str) -> None:
    """Refused whether the verifier scans the log or sees the prover's list."""
    for scan in (False, True):
        with fails("standing", match):
            holds(world, rows, scan=scan)


# --- by position ------------------------------------------------------------------------------


EVENTS = ["add", "revoke", "add again", "statement"]


@pytest.mark.parametrize("order", list(permutations(EVENTS)), ids=" ".join)
def test_the_last_word_before_the_statement_counts(order: tuple[str, ...]) -> None:
    world = World(signers=())
    known = False
    counts = False
    rows = None
    for event in order:
        if event.startswith("add"):
            world.add(CAROL)
            known = counts = True
        elif event == "revoke" and known:
            world.revoke(CAROL)
            counts = False
        elif event == "statement":
            rows, expected = world.register([{"n": 1}], CAROL), counts
    assert rows is not None
    if expected:
        assert holds(world, rows).signers == (name_of(CAROL),)
    else:
        refused(world, rows, r"was not added before|was revoked at")


def test_every_key_known_so_far() -> None:
    standing = Standing([ADMIN.public])
    assert standing.keys() == [ADMIN.public]
    added = World().key_statement(CAROL, action="add", public_key=CAROL.public.to_pem())
    standing.apply(1, added, frozenset({ADMIN.public.keyid}))
    assert standing.keys() == [ADMIN.public, CAROL.public]


def test_kinds_are_those_of_the_newest_addition() -> None:
    world = World(signers=())
    world.add(CAROL, "model")
    early = world.register([{"n": 1}], CAROL)
    world.add(CAROL, "dataset", "model")
    late = world.register([{"n": 2}], CAROL)
    refused(world, early, "was added for model, not for dataset")
    assert holds(world, late)


def test_a_revocation_later_in_the_log_changes_nothing() -> None:
    world = World()
    rows = world.register()
    world.revoke(ALICE)
    verified = holds(world, rows)
    assert verified.signers == (name_of(ALICE),)
    assert not verified.report.warnings


def test_a_revoked_key_leaves_the_others() -> None:
    world = World()
    world.revoke(ALICE)
    rows = world.register([{"n": 1}], ALICE, BOB)
    verified = holds(world, rows)
    assert verified.signers == (name_of(BOB),)
    assert verified.report.warnings == (f"key {ALICE.public.keyid[:16]} was revoked at entry 3",)
    two = world.policy(threshold=2)
    with fails("standing", "was revoked at entry 3"):
        world.verify(world.bundle(rows), policy=two)


# --- who may say so -----------------------------------------------------------------------------


def entitled(world: World, act: str, by: PrivateKey) -> None:
    match act:
        case "add":
            world.add(CAROL, by=by)
        case "revoke":
            world.revoke(ALICE, by=by)
        case "rotate":
            world.rotate(ALICE, CAROL, by=by)


MAY = {
    "add": {"admin"},
    "revoke": {"admin", "itself"},
    "rotate": {"admin", "itself"},
}
WHO = {"admin": ADMIN, "itself": ALICE, "another signer": BOB, "a stranger": THIEF}


@pytest.mark.parametrize(("act", "who"), list(product(MAY, WHO)))
def test_who_may_add_revoke_and_rotate(act: str, who: str) -> None:
    world = World()
    rows = world.register()
    entitled(world, act, WHO[who])
    if who in MAY[act]:
        for scan in (False, True):
            assert holds(world, rows, scan=scan)
    else:
        refused(world, rows, "but no admin key signed it|neither an admin key nor the key itself")


def test_the_log_key_is_no_admin() -> None:
    world = World()
    rows = world.register()
    world.add(CAROL, by=world.log_key)
    refused(world, rows, "no admin key signed it")


@pytest.mark.parametrize("by", [ADMIN, CAROL])
@pytest.mark.parametrize("act", ["revoke", "rotate"])
def test_a_key_that_was_never_added_cannot_go(act: str, by: PrivateKey) -> None:
    world = World()
    rows = world.register()
    if act == "revoke":
        world.revoke(CAROL, by=by)
    else:
        world.rotate(CAROL, THIEF, by=by)
    refused(world, rows, "revokes a key that was never added")


def test_a_genesis_stands_at_the_start_only() -> None:
    world = World()
    rows = world.register()
    world.submit(world.genesis(), world.log_key, ADMIN)
    refused(world, rows, "a genesis is entry 0")


def test_a_genesis_is_signed_by_an_admin() -> None:
    world = World()
    rows = world.register()
    world.leaves[0] = World(admin=THIEF).leaves[0]
    refused(world, rows, "a genesis is entry 0 and signed by an admin key")


def test_a_false_signature_by_a_known_key() -> None:
    world = World()
    rows = world.register()
    said = world.key_statement(CAROL, action="add", public_key=CAROL.public.to_pem())
    index = world.submit(said, ADMIN)
    false = Envelope(
        payload=said.to_bytes(), signatures=(Signature(keyid=ADMIN.public.keyid, sig=bytes(64)),)
    ).to_bytes()
    world.leaves[index] = (type(world.leaves[0][0]).of(false, said), false)
    refused(world, rows, "is not valid")


# --- rotation ---------------------------------------------------------------------------------


def test_a_rotation_hands_over_the_kinds_and_no_more() -> None:
    world = World(signers=())
    world.add(ALICE, "dataset")
    before = world.register([{"n": 1}], ALICE)
    world.rotate(ALICE, CAROL)
    old = world.register([{"n": 2}], ALICE)
    new = world.register([{"n": 3}], CAROL)
    assert holds(world, before).signers == (name_of(ALICE),)
    assert holds(world, new).signers == (name_of(CAROL),)
    refused(world, old, "was revoked at entry 3")

    world = World(signers=())
    world.add(ALICE, "model")
    world.rotate(ALICE, CAROL)
    refused(world, world.register([{"n": 3}], CAROL), "was added for model, not for dataset")


def test_a_revoked_key_rotates_no_more() -> None:
    for by, reason in ((ALICE, "not revoked yet"), (ADMIN, "rotates a key that was revoked")):
        world = World()
        rows = world.register()
        world.revoke(ALICE)
        world.rotate(ALICE, CAROL, by=by)
        refused(world, rows, reason)


def test_no_rotation_brings_back_a_key() -> None:
    """Else whoever holds two keys gives one the kinds of the other, or undoes a revocation."""
    world = World(signers=(ALICE,))
    world.add(BOB, "review")
    world.revoke(BOB)
    rows = world.register()
    world.rotate(ALICE, BOB)
    refused(world, rows, "rotates to a key that the log knows already")


def compressed(private: PrivateKey) -> tuple[str, str]:
    """The PEM of a P-256 key whose point is written compressed, and the SHA-256 of its DER."""
    *_, x, y = struct.unpack("27s32s32s", private.public.spki)
    head = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    der = head + bytes([2 + y[-1] % 2]) + x
    body = "\n".join(textwrap.wrap(b64encode(der).decode(), 64))
    pem = f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"
    return pem, sha256(der).hexdigest()


@pytest.mark.parametrize("act", ["add", "rotate"])
def test_no_key_comes_back_in_another_form(act: str) -> None:
    """Else a rotation undoes the revocation of a P-256 key, which has two forms in DER."""
    old = PrivateKey(derive_private_key(7, SECP256R1()))
    pem, keyid = compressed(old)
    assert PublicKey.from_pem(pem) == old.public
    assert keyid != old.public.keyid
    world = World()
    world.add(old)
    world.revoke(old)
    fields = {"replaces": BOB.public.keyid} if act == "rotate" else {}
    predicate = Key(**world.stamp(), action=act, public_key=pem, **fields)  # type: ignore[arg-type]
    said = Statement(subjects=(key_subject("old", keyid),), predicate=predicate)
    world.submit(said, BOB if act == "rotate" else ADMIN)
    rows = world.register([{"n": 1}], old)
    for scan in (False, True):
        with fails("standing", "not in its one form"):
            world.verify(world.bundle(rows), policy=world.policy(signers=[signer(old)]), scan=scan)


def test_a_thief_who_rotates_gains_nothing() -> None:
    """The policy pins its signers: what a stolen key appoints is nobody."""
    world = World()
    world.rotate(ALICE, THIEF)
    rows = world.register([{"n": 1}], THIEF)
    with fails("signature", "signed by 0"):
        holds(world, rows)


# --- compromised since ------------------------------------------------------------------------


CASES = {
    "unanchored": None,
    "a year before": NOON - 31_536_000,
    "a second before": NOON - 1,
    "at the time": NOON,
    "a second after": NOON + 1,
}


@pytest.mark.parametrize("revoked_by", [ADMIN, ALICE])
@pytest.mark.parametrize("case", CASES)
def test_what_a_compromised_key_signed(case: str, revoked_by: PrivateKey) -> None:
    world = World()
    rows = world.register()
    if CASES[case] is not None:
        world.anchor(CASES[case])
    world.revoke(ALICE, by=revoked_by, since=SINCE)
    if case.endswith("before"):
        assert holds(world, rows).signers == (name_of(ALICE),)
    else:
        refused(world, rows, "is compromised since 2027-01-01 00:00:00 UTC")


def test_an_anchor_does_not_help_a_key_that_was_revoked_before() -> None:
    world = World()
    world.revoke(ALICE, since=SINCE)
    rows = world.register()
    world.anchor(NOON - 1)
    refused(world, rows, "was revoked at entry 3")


def test_an_anchor_from_before_the_entry_dates_nothing() -> None:
    """A backdated statement with an old anchor of the same log: it does not cover the entry."""
    world = World()
    old = world.anchor(NOON - 1)
    rows = world.register()
    world.revoke(ALICE, since=SINCE)
    with fails("anchor", "the anchor at 3 entries does not cover entry 3"):
        world.verify(world.bundle(rows, anchors=[old]))


@pytest.mark.parametrize("order", [0, 1])
def test_of_two_revocations_the_earlier_time_counts(order: int) -> None:
    world = World()
    rows = world.register()
    world.anchor(NOON - 1)
    for since in ("2026-12-31T23:59:58Z", SINCE)[:: (-1, 1)[order]]:
        world.revoke(ALICE, since=since)
    refused(world, rows, "compromised since 2026-12-31 23:59:58")


def test_a_thief_cannot_move_the_time_once_the_key_is_revoked() -> None:
    world = World()
    rows = world.register()
    world.anchor(NOON - 1)
    world.revoke(ALICE, since=SINCE)
    assert holds(world, rows)
    world.revoke(ALICE, by=ALICE, since="2000-01-01T00:00:00Z")
    refused(world, rows, "the key itself, not revoked yet, signed it")


def another_chain(world: World) -> Chain:
    return Chain("other", world.chain.pin.ledger_id, 7)


@pytest.mark.parametrize("times", [(NOON - 1, NOON + 1), (NOON + 1, NOON - 1)])
def test_of_two_anchors_the_earlier_counts(times: tuple[int, int]) -> None:
    world = World()
    other = another_chain(world)
    rows = world.register()
    world.anchor(times[0])
    world.anchor(times[1], chain=other)
    world.revoke(ALICE, since=SINCE)
    policy = world.policy(chains=(world.chain.pin, other.pin))
    verified = world.verify(
        world.bundle(rows), policy=policy, chains={"main": world.chain, "other": other}
    )
    assert [anchored.facts.block_time for anchored in verified.anchors] == [NOON - 1, NOON + 1]


@pytest.mark.parametrize("chains", [{}, {"main": silent}])
def test_a_chain_out_of_reach_leaves_it_undecided(chains: dict[str, Any]) -> None:
    world = World()
    rows = world.register()
    world.anchor(NOON - 1)
    world.revoke(ALICE, since=SINCE)
    readers = {name: world.chain.lying(head=answer) for name, answer in chains.items()}
    with undecided("standing", "compromised since .* its anchor cannot be checked"):
        world.verify(world.bundle(rows), chains=readers)


def test_what_a_chain_out_of_reach_cannot_change_is_decided() -> None:
    world = World()
    revoked = world.register()
    world.revoke(ALICE)
    rows = world.register()
    world.anchor(NOON - 1)
    assert world.verify(world.bundle(revoked), chains={})
    with fails("standing", "was revoked at entry 4"):
        world.verify(world.bundle(rows), chains={})


class TestADoubtfulSigner:
    """Alice and Bob signed, Bob's key is compromised; one chain shows an anchor after that, and
    the other, which may show an earlier one, does not answer."""

    @pytest.fixture
    def case(self) -> tuple[World, Registered, dict[str, Any]]:
        world = World()
        other = another_chain(world)
        rows = world.register([{"n": 1}], ALICE, BOB)
        world.anchor(NOON + 1)
        world.anchor(NOON - 1, chain=other)
        world.revoke(BOB, since=SINCE)
        given = {"chains": {"main": world.chain, "other": other.lying(code=silent)}}
        return world, rows, given

    def verify(self, case: Any, *, reach: bool = False, **policy: Any) -> Verified:
        world, rows, given = case
        other = another_chain(world)
        chains = dict(given["chains"])
        if reach:
            del chains["other"].code
        policy = world.policy(chains=(world.chain.pin, other.pin), **policy)
        return world.verify(world.bundle(rows), policy=policy, chains=chains)

    def test_is_not_counted_where_one_signer_is_enough(self, case: Any) -> None:
        verified = self.verify(case)
        assert verified.signers == (name_of(ALICE),)
        assert "is compromised since" in verified.report.warnings[0]

    def test_leaves_it_undecided_where_two_are_needed(self, case: Any) -> None:
        with undecided("policy", "demands what chain other would have to show"):
            self.verify(case, demands={"public": Demand(signers=2)})
        with undecided("policy", "demands what chain other would have to show"):
            self.verify(case, demands={"public": Demand(signers=2, anchored=True, final=True)})
        with undecided("standing", "its anchor cannot be checked"):
            self.verify(case, threshold=2)

    def test_counts_once_the_chain_answers(self, case: Any) -> None:
        verified = self.verify(case, reach=True, threshold=2)
        assert set(verified.signers) == {name_of(ALICE), name_of(BOB)}

    def test_does_not_make_up_for_two_that_lack(self, case: Any) -> None:
        with fails("policy", "'public' demands 3 signers; 1 of them count"):
            self.verify(case, demands={"public": Demand(signers=3)})


# --- supersession -----------------------------------------------------------------------------


ENTITLED = {"the original signer": ALICE, "an admin": ADMIN}
OTHERS = {"another signer": BOB, "a stranger": THIEF, "the log": "log"}


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("who", [*ENTITLED, *OTHERS])
def test_who_may_supersede(who: str, scan: bool) -> None:
    world = World()
    rows, better = world.register(), world.register([{"n": 4}])
    by = {**ENTITLED, **OTHERS}[who]
    world.supersede(rows, world.log_key if by == "log" else by, new=better)
    report = holds(world, rows, scan=scan).report
    (warning,) = report.warnings
    if who in ENTITLED:
        assert warning == "superseded by 'rows' at entry 5: 'wrong'"
        assert report["standing"].finding.endswith("; superseded")
    else:
        assert warning.endswith(
            "neither an admin key nor an original signer signed it: passed over"
        )
        assert "superseded" not in report["standing"].finding
    assert report["standing"].mark is Mark.HOLDS


def test_nothing_may_take_its_place() -> None:
    world = World()
    rows = world.register()
    world.supersede(rows, ALICE, reason="a recall")
    assert holds(world, rows).report.warnings == ("superseded at entry 4: 'a recall'",)


def test_what_supersedes_another_artifact_is_not_looked_at() -> None:
    world = World()
    rows, other = world.register(), world.register([{"n": 4}])
    world.supersede(other, ALICE, new=rows)
    world.supersede(other, THIEF)
    for scan in (False, True):
        assert not holds(world, rows, scan=scan).report.warnings


def test_a_revoked_signer_supersedes_no_more() -> None:
    world = World()
    rows = world.register()
    world.revoke(ALICE)
    world.supersede(rows, ALICE)
    (warning,) = holds(world, rows).report.warnings
    assert warning.endswith("passed over")


def test_a_reason_cannot_act_on_a_terminal() -> None:
    world = World()
    rows = world.register()
    world.supersede(rows, ALICE, reason="\x1b[2Jverified \x9b1m \u202e")
    (warning,) = holds(world, rows).report.warnings
    assert warning.isprintable()


# --- listed and scanned -----------------------------------------------------------------------


def test_a_prover_may_hide_what_a_scan_finds() -> None:
    world = World()
    world.revoke(ALICE)
    rows = world.register()
    bundle = world.bundle(rows, standing=[0, 1, 2])
    listed = world.verify(bundle)
    assert listed.report["standing"].finding == "known up to entry 4, as far as the prover lists"
    with undecided("standing", "the policy wants every entry scanned"):
        world.verify(bundle, policy=world.policy(standing="scanned"))
    with fails("standing", "was revoked at entry 3"):
        world.verify(bundle, policy=world.policy(standing="scanned"), scan=True)
    with fails("standing", "was revoked at entry 3"):
        world.verify(bundle, scan=True)


def test_a_scan_needs_nothing_listed() -> None:
    world = World()
    rows = world.register()
    assert world.verify(world.bundle(rows, standing=[]), scan=True)


def scanning(world: World, leaves: list[Any], rows: Registered) -> Verified:
    bundle = world.bundle(rows)
    world.leaves = leaves
    return world.verify(bundle, scan=True)


def test_a_scan_of_other_entries() -> None:
    world = World()
    rows = world.register()
    whole = list(world.leaves)
    extra = World(origin="another").leaves[-1]
    for leaves in (whole[:-1], [*whole[:-1], extra], [*whole[1:], whole[0]], []):
        with fails("standing", "the entries at hand are not those of the checkpoint"):
            scanning(world, leaves, rows)
        world.leaves = list(whole)


def test_a_scan_that_lacks_an_envelope() -> None:
    world = World()
    rows = world.register()
    bundle = world.bundle(rows)
    entry, _ = world.leaves[1]
    for envelope in (None, b"another"):
        world.leaves[1] = (entry, envelope)  # type: ignore[assignment]
        with fails("standing", "the envelope of entry 1 is missing"):
            world.verify(bundle, scan=True)


def test_a_scan_yields_entries() -> None:
    world = World()
    rows = world.register()

    def garbage(size: int) -> Iterator[tuple[bytes, None]]:
        yield b"garbage", None

    world.every_entry = garbage  # type: ignore[assignment,method-assign]
    with fails("standing", "not a log entry"):
        world.verify(world.bundle(rows), scan=True)


@pytest.mark.parametrize("listed", [[2, 1], [1, 1], [1, 2, 2], [1, 2, 1]])
def test_the_list_is_in_the_order_of_the_log(listed: list[int]) -> None:
    world = World()
    rows = world.register()
    with fails("standing", "each entry once, in the order of the log"):
        world.verify(world.bundle(rows, standing=listed))


def test_what_is_listed_stands_in_the_log() -> None:
    world, other = World(), World(origin="other.example/ml")
    rows = world.register()
    bundle = world.bundle(rows)
    for forged, match in [
        (replace(bundle.standing[1], index=2), "leads to the root"),
        (replace(bundle.standing[1], envelope=bundle.standing[2].envelope), "another envelope"),
        (replace(bundle.standing[1], path=()), "hashes"),
        (other.logged(1, other.size), "leads to the root|hashes"),
    ]:
        with fails("standing", match):
            world.verify(replace(bundle, standing=(forged,)))
        with fails("standing", match):
            world.verify(replace(bundle, standing=(forged,)), scan=True)


def test_what_is_listed_is_what_its_entry_says() -> None:
    """A log that enters a revocation as a review hides it from a scan; listing it shows it."""
    world = World()
    rows = world.register()
    index = world.revoke(ALICE)
    entry, envelope = world.leaves[index]
    world.leaves[index] = (replace(entry, kind=6), envelope)
    with fails("standing", "the entry names other artifacts or another kind"):
        world.verify(world.bundle(rows, standing=[1, index]))


def test_listing_more_than_concerns_the_bundle_does_no_harm() -> None:
    world = World()
    rows = world.register()
    assert world.verify(world.bundle(rows, standing=[0, 1, 2, 3]))


def test_both_errors_are_told_apart() -> None:
    world = World()
    rows = world.register()
    world.revoke(ALICE, since=SINCE)
    with pytest.raises(VerificationError) as caught:
        world.verify(world.bundle(rows))
    assert not isinstance(caught.value, UndecidedError)


def test_a_compromised_key_does_not_come_back() -> None:
    world = World(signers=())
    world.add(CAROL)
    world.revoke(CAROL, since=SINCE)
    world.add(CAROL)
    refused(world, world.register([{"n": 1}], CAROL), "entry 3 adds a key that was compromised")


def test_a_long_log_is_scanned_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same verdicts, wherever a block of leaf hashes ends."""
    world = World(signers=())
    world.add(CAROL)
    rows = world.register([{"n": 1}], CAROL)
    for number in range(9):
        world.register([{"after": number}], CAROL)
    for hashes in range(1, 14):
        monkeypatch.setattr(steps_module, "SCAN_BLOCK", 32 * hashes)
        assert holds(world, rows, scan=True).signers == (name_of(CAROL),)
