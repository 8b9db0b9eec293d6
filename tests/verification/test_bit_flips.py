"""Every bit of a bundle, flipped: nothing that was changed verifies.

The bundle holds a part of every sort: a record proof, a signed statement, a cosigned checkpoint,
an anchor and a key statement, under a policy that demands all of it. All keys are fixed, so the
numbers are the same on every machine::

    python tests/verification/test_bit_flips.py        # the tally, as a table

The same bundle with a proof of the chain's state is verified under the hash of its block, with no
chain to ask: there every bit of that proof is flipped.

Where less is demanded, some bits carry no verdict; the tests below say which, and why.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
from state_world import CODE_SHA256, Block
from world import ALICE, WITNESSES, World, witness_vkey

from provenance.anchoring.state import check_state
from provenance.errors import InputError, UndecidedError, VerificationError
from provenance.verification import STEPS, Bundle, Content, Policy, Verified

pytestmark = pytest.mark.untraced

SLICES = 8
TIME = 1_800_000_000
RECORD = '{"n":2,"text":"zwei"}'


@cache
def case() -> tuple[World, bytes, Policy]:
    world = World(signers=(ALICE,))
    rows = world.register([{"n": 1, "text": "eins"}, json.loads(RECORD)])
    world.anchor()
    world.supersede(rows, ALICE)
    bundle = world.bundle(rows, record=1, witnesses=WITNESSES[:1], standing=[1])
    policy = world.policy(minimum="confidential", witnesses=(witness_vkey(WITNESSES[0]),))
    return world, bundle.to_bytes(), policy


@cache
def offline() -> tuple[bytes, dict[str, Any]]:
    """The bundle with the state of its anchor's block, and what it is verified with."""
    _, bundle, policy = case()
    parsed = Bundle.parse(bundle)
    (proof,) = parsed.anchors
    anchor = proof.anchor
    key = (anchor.ledger_id, anchor.size)
    block = Block(anchor.contract, {key: anchor.root}, number=anchor.block, time=TIME, neighbours=3)
    pin = replace(policy.chains[0], code_sha256=CODE_SHA256)
    anchors = (replace(proof, state=block.prove(*key)),)
    return replace(parsed, anchors=anchors).to_bytes(), {
        "policy": replace(policy, chains=(pin,)),
        "chains": {},
        "trusted_blocks": {"main": partial(check_state, block_hash=block.hash)},
    }


def flipped(data: bytes, places: Iterable[int], bits: Iterable[int] = range(8)) -> Iterator[bytes]:
    for at in places:
        for bit in bits:
            yield data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def span(member: str, bundle: bytes | None = None) -> range:
    """Where a member of the bundle lies, or one of its first anchor."""
    bundle = bundle or case()[1]
    members = json.loads(bundle)
    value = members.get(member, members["anchors"][0].get(member))
    written = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    text = f'"{member}":{written}'.encode()
    start = bundle.index(text)
    return range(start, start + len(text))


def verify(bundle: bytes, **given: Any) -> Verified:
    world, _, policy = case()
    return world.verify(bundle, **{"policy": policy, "record": RECORD, **given})


def caught_by(bundle: bytes, **given: Any) -> str:
    """Return the step that fails; an escaped exception of any other sort fails the test."""
    try:
        verify(bundle, **given)
    except UndecidedError:
        return "undecided"
    except VerificationError as error:
        return error.step
    return "VERIFIED"


def tally(part: int = 0, parts: int = 1) -> Counter[str]:
    _, bundle, _ = case()
    return Counter(map(caught_by, flipped(bundle, range(part, len(bundle), parts))))


def state_tally(bits: Callable[[int], Iterable[int]] = lambda _: range(8)) -> Counter[str]:
    """Flip these bits of each byte of the proof of the chain's state."""
    bundle, given = offline()
    return Counter(
        caught_by(changed, **given)
        for at in span("state", bundle)
        for changed in flipped(bundle, [at], bits(at))
    )


def test_the_bundle_holds_before_it_is_changed() -> None:
    verified = verify(case()[1])
    assert {check.mark.name for check in verified.report.checks} == {"HOLDS"}
    assert verified.record_indices == (1,)


@pytest.mark.parametrize("part", range(SLICES))
def test_every_bit_of_a_bundle(part: int) -> None:
    caught = tally(part, SLICES)
    assert sum(caught.values()) == 8 * len(range(part, len(case()[1]), SLICES))
    assert set(caught) <= set(STEPS), caught


def test_a_bit_of_every_byte_of_a_state_proof() -> None:
    bundle, given = offline()
    verified = verify(bundle, **given)
    assert {check.mark.name for check in verified.report.checks} == {"HOLDS"}
    caught = state_tally(lambda at: [at % 8])
    assert caught.total() == len(span("state", bundle)) > 1000
    assert set(caught) == {"bundle", "anchor"}


def test_a_flip_cannot_hide_a_correction() -> None:
    world, bundle, _ = case()
    corrected = replace(Bundle.parse(bundle), standing=(world.logged(1, 4), world.logged(3, 4)))
    data = corrected.to_bytes()
    assert verify(data).report.warnings == ("superseded at entry 3: 'wrong'",)
    start = data.index(b'"entry":"AQk')  # of kind 9, supersede
    end = data.index(b'"statement":')
    assert end - start > 1000
    caught = Counter(map(caught_by, flipped(data, range(start, end, 7))))
    assert set(caught) == {"bundle", "standing"}


def test_every_bit_of_the_record() -> None:
    bundle = case()[1]
    seen: Counter[str] = Counter()
    for record in flipped(RECORD.encode(), range(len(RECORD))):
        try:
            verify(bundle, record=record)
        except VerificationError as error:
            seen[error.step] += 1
        except InputError:
            seen["no record"] += 1
    assert set(seen) == {"record", "no record"}
    assert sum(seen.values()) == 8 * len(RECORD)


def test_every_bit_of_the_content(tmp_path: Any) -> None:
    _, bundle, _ = case()
    whole = json.loads(bundle)
    del whole["records"]
    bundle = json.dumps(whole).encode()
    file = tmp_path / "rows.jsonl"
    data = b'{"n":1,"text":"eins"}\n' + RECORD.encode()
    file.write_bytes(data)
    assert verify(bundle, record=None, content=Content(file))
    for changed in flipped(data, range(len(data))):
        file.write_bytes(changed)
        with pytest.raises((VerificationError, InputError)) as caught:
            verify(bundle, record=None, content=Content(file))
        assert getattr(caught.value, "step", "record") == "record"


# --- bits on which no verdict rests ---------------------------------------------------------------


def verified_of(bundles: Iterable[bytes], **given: Any) -> list[Verified]:
    found = []
    for bundle in bundles:
        try:
            found.append(verify(bundle, **given))
        except UndecidedError:
            raise
        except VerificationError:
            continue
    return found


def test_a_record_proof_means_nothing_without_its_record() -> None:
    """No record was given: no record is vouched for, and `record_indices` says so."""
    found = verified_of(flipped(case()[1], span("records")), record=None)
    assert found
    assert {verified.record_indices for verified in found} == {()}


def test_an_anchor_elsewhere_means_nothing_where_none_is_demanded() -> None:
    """With another chain id, contract or ledger id it is on no chain that the policy names."""
    _, bundle, policy = case()
    lenient = replace(policy, minimum="public")
    found = verified_of(flipped(bundle, span("anchors"), bits=[0]), policy=lenient)
    assert found
    assert {verified.anchors for verified in found} == {()}


def test_a_witness_line_means_nothing_where_none_is_demanded() -> None:
    """With another name or key id it is by nobody known, and does not count."""
    _, bundle, policy = case()
    lenient = replace(policy, minimum="internal")
    found = verified_of(flipped(bundle, span("checkpoint"), bits=[0]), policy=lenient)
    assert found
    assert {v.report["witnesses"].finding for v in found} == {"0 of 1 named witnesses cosigned"}


def table(counted: Counter[str], size: int) -> None:
    print("| caught by | flipped bits |")
    print("|---|---:|")
    for step in (*STEPS, *sorted(counted.keys() - set(STEPS))):
        if counted[step]:
            print(f"| `{step}` | {counted[step]:,} |")
    print(f"| verified | {counted['VERIFIED']:,} |")
    print(f"| of {size:,} bytes | {counted.total():,} |")


if __name__ == "__main__":
    table(tally(), len(case()[1]))
    print()
    table(state_tally(), len(span("state", offline()[0])))
