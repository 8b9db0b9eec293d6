"""A ledger that anchors to a node beside its embedded chain, and what happens without the node."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import provenance
from provenance.anchoring import RpcReader, root_at
from provenance.errors import ChainError, ChainUnreachableError, InputError, UndecidedError
from provenance.verification import Mark

ROW = {"id": 7, "text": "hello"}
NOBODY = "http://127.0.0.1:9"
FREE = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee")


@pytest.fixture
def ledger(tmp_path: Path) -> provenance.Ledger:
    return provenance.Ledger.init(tmp_path, origin="node.example/log")


@pytest.fixture(scope="module")
def free_node(start_anvil: Callable[..., str]) -> str:
    """A node on which an account needs no money."""
    return start_anvil(*FREE)


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
    # Whoever holds the folder could backdate on the chain inside it: the node's outweighs it.
    for others in ({}, {"embedded": ledger.chains["embedded"]}):
        chains = {**others, "main": NOBODY}
        with pytest.raises(UndecidedError, match="what chain main would have to show") as caught:
            provenance.verify(proof, record=ROW, policy=policy, chains=chains)
        mark = Mark.HOLDS if others else Mark.UNDECIDED
        assert caught.value.report["anchor"].mark is mark


def test_a_chain_out_of_reach_does_not_hold_up_the_others(
    ledger: provenance.Ledger, start_anvil: Callable[..., str]
) -> None:
    ledger.add_chain("main", start_anvil(*FREE), confirmations=1)
    config = ledger.folder.config.read_text()
    ledger.folder.config.write_text(re.sub('url = ".*"', f'url = "{NOBODY}"', config))
    with provenance.Ledger.open(ledger.folder.path.parent) as again:
        with pytest.raises(ChainUnreachableError, match=r"main: .*; anchored on: embedded"):
            again.anchor("main", "embedded")
        assert [anchor.chain for anchor in again.anchors()] == ["embedded"]


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
    with pytest.raises(ChainError, match=r"(?i)fund.* account is 0x[0-9a-f]{40}"):
        ledger.add_chain("main", anvil)  # asks for gas, which the new account cannot pay
    for name in ("", "a b", "x" * 70):
        with pytest.raises(InputError, match="cannot name a chain"):
            ledger.add_chain(name, free_node)
    with pytest.raises(InputError, match="1 confirmation or more"):
        ledger.add_chain("main", free_node, confirmations=0)
    assert ledger.folder.config.read_bytes() == config
    assert ledger.folder.policy.read_bytes() == policy
