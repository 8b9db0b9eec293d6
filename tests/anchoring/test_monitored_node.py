"""What a monitor sees of a real node: anchors, a copy of the ledger that forks, a reorg."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loose_node import Node, relaying

from provenance import Ledger, Policy
from provenance.anchoring import RpcReader
from provenance.ledger.watching import Look, Watch

FREE = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee")


class Followed:
    """A ledger that anchors to a node, and the monitor of somebody who reaches the node too."""

    def __init__(self, folder: Path, node: str) -> None:
        self.folder = folder
        self.node = node
        self.ledger = Ledger.init(folder / "ledger", origin="node.example/log")
        self.ledger.add_chain("main", node, confirmations=2)
        self.ledger.anchor("main")

    def look(self) -> Look:
        with Watch(
            str(self.folder / "ledger"),
            policy=self.policy(),
            state=self.folder / "state.json",
            evidence=self.folder / "evidence",
            chains={"main": self.node},
        ) as watch:
            return watch.round()

    def policy(self) -> Policy:
        """The ledger's own, without the chain in its folder."""
        value = json.loads(self.ledger.policy().to_bytes())
        value["chains"] = [pin for pin in value["chains"] if pin["name"] == "main"]
        return Policy.parse(json.dumps(value).encode())

    def ask(self, method: str, *params: object) -> object:
        return RpcReader(self.node)._ask(method, *params)


@pytest.fixture
def followed(tmp_path: Path, start_anvil: Callable[..., str]) -> Iterator[Followed]:
    followed = Followed(tmp_path, start_anvil(*FREE))
    with followed.ledger:
        yield followed


def fine(look: Look) -> None:
    assert (look.round.findings, look.round.undecided) == ((), ())


def test_an_anchor_that_is_taken_back_is_told_once_it_was_confirmed(followed: Followed) -> None:
    first = followed.look()
    fine(first)
    assert first.round.anchored == {"main": 2}
    snapshot = followed.ask("evm_snapshot")
    followed.ledger.register([{"id": 1}], name="rows")
    followed.ledger.anchor("main")
    seen = followed.look()
    fine(seen)
    assert seen.round.anchored == {"main": 3}

    # One block deep, and the policy asks for two: a reorg takes it, and that is how chains are.
    followed.ask("evm_revert", snapshot)
    again = followed.look()
    fine(again)
    assert "had a head of 3 entries, and now has 2: it had 1 of 2 blocks" in again.round.notices[0]

    snapshot = followed.ask("evm_snapshot")
    followed.ledger.anchor("main")
    fine(followed.look())
    followed.ask("anvil_mine", "0x1")
    fine(followed.look())
    followed.ask("evm_revert", snapshot)
    (finding,) = followed.look().round.findings
    assert finding.kind == "chain"
    assert finding.lost
    assert finding.anchor
    assert (finding.lost.size, finding.anchor.size) == (3, 2)
    followed.ledger.anchor("main")  # healed: it is there again
    fine(followed.look())


def test_a_copy_of_the_ledger_that_anchored_another_history_is_caught(followed: Followed) -> None:
    fine(followed.look())
    shutil.copytree(followed.folder / "ledger", followed.folder / "copy")
    with Ledger.open(followed.folder / "copy") as copy:
        copy.register([{"id": "other"}], name="other")
        copy.anchor("main")
    look = followed.look()
    (finding,) = look.round.findings
    assert finding.kind == "anchor"
    assert finding.finding == "chain 'main' has a head of 3 entries; the log shows 2"
    followed.ledger.register([{"id": 1}], name="rows")
    followed.ledger.checkpoint()
    look = followed.look()
    (finding,) = look.round.findings
    assert finding.anchor
    assert finding.history
    assert finding.history.old_root != finding.anchor.root
    assert (finding.history.old_size, finding.anchor.size) == (3, 3)
    assert Path(look.files[0]).is_file()


@pytest.mark.parametrize(
    ("method", "answer", "said"),
    [
        ("eth_blockNumber", hex(2**63), "is at block 9223372036854775808"),
        ("eth_call", "0x" + "ff" * 64, "has a head of 1157920892373161954235709850086879078532"),
        ("eth_call", "0x", "answers 0 bytes"),
        ("eth_getCode", "0x00", "has SHA-256"),
        ("eth_getCode", "0x", "there is no contract at"),
        ("eth_chainId", "0x1", "is on chain 1; the policy pins 31337"),
    ],
)
def test_whatever_a_node_says_it_ends_in_a_sentence(
    followed: Followed, node: Node, method: str, answer: str, said: str
) -> None:
    fine(followed.look())
    before = (followed.folder / "state.json").read_bytes()

    def change(request: dict[str, Any], told: dict[str, Any]) -> None:
        if request["method"] == method:
            told["result"] = answer

    node.answer = relaying(followed.node, change)
    followed.node = node.url
    look = followed.look()
    told = [*look.round.undecided, *(finding.finding for finding in look.round.findings)]
    assert len(told) == 1
    assert said in told[0]
    assert "secret-key" not in told[0]
    assert (followed.folder / "state.json").read_bytes() == before
