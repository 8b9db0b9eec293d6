"""A ledger that anchors to a node beside its embedded chain, and what happens without the node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import provenance
from provenance.anchoring import RpcReader, root_at
from provenance.errors import ChainError, ChainUnreachableError, InputError, UndecidedError
from provenance.verification import Mark

ROW = {"id": 7, "text": "hello"}
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def ledger(tmp_path: Path) -> provenance.Ledger:
    return provenance.Ledger.init(tmp_path, origin="node.example/log")


@pytest.fixture(scope="module")
def free_node(start_anvil: Callable[..., str]) -> str:
    """A node on which an account needs no money."""
    options = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee")
    return start_anvil(*options)


def test_anchors_on_both_chains_hold_and_one_of_them_is_enough(
    ledger: provenance.Ledger, free_node: str
) -> None:
    pin = ledger.add_chain("main", free_node, confirmations=1)
    ledger.register([ROW, {"id": 8}], name="rows")
    heads = {anchor.chain: anchor for anchor in ledger.anchor()}
    assert set(heads) == {"embedded", "main"}
    assert heads["main"].root == heads["embedded"].root
    reader = RpcReader(free_node)
    assert root_at(reader, pin.contract, pin.ledger_id, heads["main"].size) == heads["main"].root

    proof, policy = ledger.prove("rows", record=ROW), ledger.policy()
    verified = provenance.verify(proof, record=ROW, policy=policy, chains=ledger.chains)
    assert {anchored.pin.name for anchored in verified.anchors} == {"embedded", "main"}
    # A stranger reaches the node and not the chain inside our folder.
    verified = provenance.verify(proof, record=ROW, policy=policy, chains={"main": free_node})
    assert [anchored.pin.name for anchored in verified.anchors] == ["main"]
    with pytest.raises(UndecidedError) as caught:
        provenance.verify(proof, record=ROW, policy=policy, chains={"main": NOBODY})
    assert caught.value.report["anchor"].mark is Mark.UNDECIDED


def test_opened_again_it_goes_on_from_the_head_that_the_contract_has(
    ledger: provenance.Ledger, free_node: str
) -> None:
    ledger.add_chain("main", free_node, confirmations=1)
    ledger.register([ROW], name="rows")
    (first,) = ledger.anchor("main")
    with provenance.Ledger.open(ledger.folder.path.parent) as again:
        again.register([ROW, ROW], name="more")
        (second,) = again.anchor("main")
        assert second.size > first.size
        assert again.anchor("main") == [second]


def test_a_chain_that_cannot_be_added_changes_nothing(
    ledger: provenance.Ledger, free_node: str, anvil: str
) -> None:
    config, policy = ledger.folder.config.read_bytes(), ledger.folder.policy.read_bytes()
    with pytest.raises(ChainUnreachableError):
        ledger.add_chain("main", NOBODY)
    with pytest.raises(InputError, match="pins a chain 'embedded' already"):
        ledger.add_chain("embedded", free_node)
    with pytest.raises(ChainError, match=r"no contract at 0x0{39}1"):
        ledger.add_chain("main", free_node, contract="0x" + "1".zfill(40))
    with pytest.raises(ChainError, match=r"(?i)fund"):
        ledger.add_chain("main", anvil)  # asks for gas, which the new account cannot pay
    assert ledger.folder.config.read_bytes() == config
    assert ledger.folder.policy.read_bytes() == policy
