"""`check_anchor`, over an embedded chain that tells the truth and over one that lies."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak
from sample_log import ALICE, Log

from provenance import forms
from provenance.anchoring import (
    Anchor,
    AnchorError,
    AnchorFacts,
    ChainPin,
    Head,
    check_anchor,
    latest_head,
    root_at,
)
from provenance.anchoring.anchor import ANCHORED_TOPIC, LATEST_SELECTOR, ROOT_AT_SELECTOR
from provenance.anchoring.contract import artifact
from provenance.anchoring.embedded import EmbeddedChain
from provenance.errors import ChainError, ChainUnreachableError

TIMES = iter(range(1_800_000_000, 1_900_000_000, 60))


@dataclasses.dataclass
class Scene:
    """Two anchors on one chain; the first is the one that is checked."""

    chain: EmbeddedChain
    anchor: Anchor
    pin: ChainPin
    log: Log


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    path = tmp_path_factory.mktemp("chain") / "chain.db"
    with EmbeddedChain.create(path, ALICE, clock=lambda: next(TIMES)) as chain:
        log = Log()
        contract = chain.deploy()
        ledger_id = chain.register(contract, hashlib.sha256(b"origin").digest())
        receipt = chain.anchor(contract, ledger_id, 7, log.root(7), ())
        chain.anchor(contract, ledger_id, 9, log.root(9), log.proof(7, 9))
        anchor = Anchor(
            chain_id=chain.chain_id(),
            contract=contract,
            ledger_id=ledger_id,
            size=7,
            root=log.root(7),
            block=receipt.block,
        )
        yield Scene(chain, anchor, chain.pin(contract, ledger_id, confirmations=2), log)


class Lying:
    """The chain of the scene, with some answers replaced."""

    def __init__(self, chain: EmbeddedChain, **answers: Callable[..., Any]) -> None:
        self._chain = chain
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        return self._answers.get(name) or getattr(self._chain, name)


def test_constants_are_those_of_the_compiled_contract() -> None:
    methods = artifact()["methodIdentifiers"]
    assert ROOT_AT_SELECTOR.hex() == methods["rootAt(bytes32,uint64)"]
    assert LATEST_SELECTOR.hex() == methods["latest(bytes32)"]
    (event,) = (item for item in artifact()["abi"] if item.get("name") == "Anchored")
    assert [(i["type"], i["indexed"]) for i in event["inputs"]] == [
        ("bytes32", True),
        ("uint64", True),
        ("bytes32", False),
        ("address", False),
    ]
    assert keccak(b"Anchored(bytes32,uint64,bytes32,address)") == ANCHORED_TOPIC


def test_holds(scene: Scene) -> None:
    time = scene.chain.block_time(scene.anchor.block)
    assert time > 1_800_000_000
    assert check_anchor(scene.anchor, scene.pin, scene.chain) == AnchorFacts(
        block_time=time, confirmations=2, final=True
    )


@pytest.mark.parametrize(
    ("finalized", "final"),
    [(lambda: None, None), (lambda: 2, False), (lambda: 3, True), (lambda: 4, True)],
)
def test_final(scene: Scene, finalized: Callable[[], int | None], final: bool | None) -> None:
    assert scene.anchor.block == 3
    facts = check_anchor(scene.anchor, scene.pin, Lying(scene.chain, finalized=finalized))
    assert facts.final is final


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chain_id": 1}, "anchored on chain 1; the policy pins"),
        ({"contract": "0x" + "ab" * 20}, "anchored in 0xabab"),
        ({"ledger_id": bytes(32)}, "anchored for the ledger id 0000"),
        ({"size": 0}, "never anchored"),
        ({"size": 8}, "has no root at size 8"),
        ({"size": 9}, "has the root .* at size 9"),
        ({"root": bytes(32)}, "at size 7, not 0000"),
        ({"block": 2}, "block 2 .* does not anchor"),
        ({"block": 4}, "block 4 .* does not anchor"),
        ({"block": 5}, "names block 5; .* is at 4"),
        ({"block": 0}, "block 0 .* does not anchor"),
    ],
)
def test_changed_anchor(scene: Scene, changes: dict[str, Any], message: str) -> None:
    changed = dataclasses.replace(scene.anchor, **changes)
    with pytest.raises(AnchorError, match=message):
        check_anchor(changed, scene.pin, scene.chain)


@pytest.mark.untraced
def test_every_bit_of_an_anchor_counts(scene: Scene) -> None:
    ledger_ids = [_flip(scene.anchor.ledger_id, bit) for bit in range(256)]
    roots = [_flip(scene.anchor.root, bit) for bit in range(256)]
    changed = [
        *(dataclasses.replace(scene.anchor, ledger_id=value) for value in ledger_ids),
        *(dataclasses.replace(scene.anchor, root=value) for value in roots),
        *(dataclasses.replace(scene.anchor, size=scene.anchor.size ^ 1 << i) for i in range(53)),
        *(dataclasses.replace(scene.anchor, block=scene.anchor.block ^ 1 << i) for i in range(53)),
        *(
            dataclasses.replace(scene.anchor, chain_id=scene.anchor.chain_id ^ 1 << i)
            for i in range(53)
        ),
    ]
    for anchor in changed:
        with pytest.raises(AnchorError):
            check_anchor(anchor, scene.pin, scene.chain)


def _flip(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value, "big") ^ (1 << bit)).to_bytes(len(value), "big")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chain_id": 1}, "the policy pins 1"),
        ({"contract": "0x" + "ab" * 20}, "the policy pins 0xabab"),
        ({"ledger_id": bytes(32)}, "the policy pins 0000"),
        ({"code_sha256": bytes(32)}, "the code of .* the policy pins 0000"),
        ({"confirmations": 3}, "2 of 3 confirmations"),
    ],
)
def test_changed_pin(scene: Scene, changes: dict[str, Any], message: str) -> None:
    changed = dataclasses.replace(scene.pin, **changes)
    with pytest.raises(AnchorError, match=message):
        check_anchor(scene.anchor, changed, scene.chain)


def test_pin_and_anchor_of_another_contract_with_other_code(scene: Scene) -> None:
    contract = "0x" + "00" * 19 + "99"
    anchor = dataclasses.replace(scene.anchor, contract=contract)
    pin = dataclasses.replace(scene.pin, contract=contract)
    with pytest.raises(AnchorError, match="there is no contract at"):
        check_anchor(anchor, pin, scene.chain)


def test_a_node_on_another_chain_decides_nothing(scene: Scene) -> None:
    with pytest.raises(ChainError, match="is on chain 5; the policy pins"):
        check_anchor(scene.anchor, scene.pin, Lying(scene.chain, chain_id=lambda: 5))


@pytest.mark.parametrize("time", [-1, 253_402_300_800, 2**64 - 1])
def test_a_block_time_that_no_calendar_has(scene: Scene, time: int) -> None:
    with pytest.raises(ChainError, match=f"gives block 3 the time {time}"):
        check_anchor(scene.anchor, scene.pin, Lying(scene.chain, block_time=lambda _: time))


def test_the_newest_head(scene: Scene) -> None:
    contract, ledger_id = scene.anchor.contract, scene.anchor.ledger_id
    assert latest_head(scene.chain, contract, ledger_id) == Head(9, scene.log.root(9))
    assert latest_head(scene.chain, contract, bytes(32)) is None


def test_the_anchor_of_a_head_in_the_pinned_contract(scene: Scene) -> None:
    anchor = scene.pin.anchor(size=7, root=scene.log.root(7), block=scene.anchor.block)
    assert anchor == scene.anchor


def test_answers_of_a_wrong_length(scene: Scene) -> None:
    short = Lying(scene.chain, call=lambda contract, data: bytes(31))
    with pytest.raises(ChainError, match=r"answers 31 bytes for .*, not 32"):
        root_at(short, scene.anchor.contract, scene.anchor.ledger_id, 7)
    with pytest.raises(ChainError, match="not 64"):
        latest_head(short, scene.anchor.contract, scene.anchor.ledger_id)


def test_out_of_reach_is_not_a_failure(scene: Scene) -> None:
    def silent(*_: object) -> int:
        raise ChainUnreachableError("silent")

    for question in ("chain_id", "code", "call", "head", "anchored", "finalized", "block_time"):
        with pytest.raises(ChainUnreachableError):
            check_anchor(scene.anchor, scene.pin, Lying(scene.chain, **{question: silent}))


def test_forms_round_trip(scene: Scene) -> None:
    for form in (scene.anchor, scene.pin):
        data = forms.dump(form)
        value = forms.parse(data, what="form", cap=1 << 16)
        assert forms.decode(type(form), value, "form") == form
    assert forms.encode(scene.anchor) == {
        "chainId": scene.anchor.chain_id,
        "contract": scene.anchor.contract,
        "ledgerId": scene.anchor.ledger_id.hex(),
        "size": 7,
        "root": scene.anchor.root.hex(),
        "block": 3,
    }


def test_the_verify_half_loads_neither_web3_nor_py_evm() -> None:
    program = (
        "import sys, provenance.anchoring\n"
        "heavy = {'web3', 'eth', 'eth_account', 'eth_abi', 'eth_utils', 'requests', 'sqlite3'}\n"
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
