"""What becomes of an anchor on a chain that takes blocks back. The chain: anvil."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import provenance
from provenance.anchoring import RpcReader, latest_head
from provenance.ledger.anchors import AnchorRecord

FREE = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee")


class Scene:
    """A ledger, and the one node that it anchors to."""

    def __init__(self, ledger: provenance.Ledger, url: str) -> None:
        self.ledger = ledger
        self.node = RpcReader(url)
        self.pin = ledger.add_chain("main", url, confirmations=3)
        self.told: list[tuple[int, str]] = []

    def ask(self, method: str, *params: object) -> object:
        return self.node._ask(method, *params)

    def anchor(self) -> AnchorRecord:
        def told(anchor: AnchorRecord) -> None:
            self.told.append((anchor.size, anchor.state))

        (found,) = self.ledger.anchor("main", told=told)
        return found

    def register(self, name: str) -> None:
        self.ledger.register([{"name": name}], name=name)

    def head_size(self) -> int:
        head = latest_head(self.node, self.pin.contract, self.pin.ledger_id)
        return 0 if head is None else head.size


@pytest.fixture
def scene(tmp_path: Path, start_anvil: Callable[..., str]) -> Iterator[Scene]:
    with provenance.Ledger.init(tmp_path, origin="reorgs.example/log") as ledger:
        yield Scene(ledger, start_anvil(*FREE, "--slots-in-an-epoch", "4"))


def test_mined_confirmed_final(scene: Scene) -> None:
    mined = scene.anchor()
    assert (mined.state, mined.size) == ("mined", 2)
    assert mined.block is not None
    assert scene.node.head() == mined.block
    scene.ask("anvil_mine", "0x2")
    confirmed = scene.anchor()
    assert confirmed.state == "confirmed"
    scene.ask("anvil_mine", "0x10")
    assert scene.anchor().state == "final"
    assert scene.told == [(2, "submitted"), (2, "mined"), (2, "confirmed"), (2, "final")]
    (chain,) = (chain for chain in scene.ledger.status().chains if chain.name == "main")
    assert (chain.size, chain.state, chain.sent) == (2, "final", None)


def test_taken_back_and_sent_again(scene: Scene) -> None:
    scene.register("first")
    first = scene.anchor()
    scene.ask("anvil_reorg", 1, [])
    assert scene.head_size() == 0, "it was not taken back: this test shows nothing"
    scene.told.clear()
    again = scene.anchor()
    assert [state for _, state in scene.told] == ["reorged", "submitted", "mined"]
    assert (again.size, again.root, scene.head_size()) == (first.size, first.root, first.size)
    assert again.block_hash != first.block_hash
    assert [a for a in scene.ledger.anchors() if a.chain == "main"] == [again]


def test_taken_back_after_the_log_grew_and_covered_by_the_next(scene: Scene) -> None:
    first = scene.anchor()
    scene.register("second")
    scene.ask("anvil_mine", "0x2")
    scene.anchor()
    scene.register("third")
    scene.ask("anvil_reorg", 4, [])
    assert scene.head_size() == 0, "it was not taken back: this test shows nothing"
    third = scene.anchor()
    states = [(a.size, a.state, a.block) for a in scene.ledger.anchors() if a.chain == "main"]
    assert states == [
        (2, "reorged", None),
        (3, "reorged", None),
        (third.size, "mined", third.block),
    ]
    # A proof uses only what is in a block, and the block in which it is now.
    scene.ask("anvil_mine", "0x2")
    scene.anchor()
    policy = scene.ledger.policy()
    for name in ("second", "third"):
        proof = scene.ledger.prove(name)
        assert {p.anchor.size for p in proof.bundle.anchors} == {third.size}
        verified = provenance.verify(proof, policy=policy, chains={"main": scene.node})
        assert verified.anchors[0].anchor.block == third.block
    assert first.block is not None

    # Those that it covers can never be mined again: nothing is left to look at.
    assert scene.ledger.anchor_due("main")
    scene.ask("anvil_mine", "0x10")
    assert scene.anchor().state == "final"
    assert not scene.ledger.anchor_due("main")


def test_moved_to_another_block(scene: Scene) -> None:
    first = scene.anchor()
    raw = scene.ask("eth_getRawTransactionByHash", f"0x{first.tx_hash.hex()}")
    scene.ask("anvil_reorg", 1, [])
    scene.ask("anvil_mine", "0x1")
    scene.ask("eth_sendRawTransaction", raw)
    while not scene.head_size():
        pass
    scene.told.clear()
    moved = scene.anchor()
    assert scene.told == [(2, "mined")]
    assert first.block is not None
    assert (moved.tx_hash, moved.block) == (first.tx_hash, first.block + 2)
    assert moved.block_time == scene.ledger.anchors()[-1].block_time
    assert scene.node.head() == moved.block, "nothing was sent"
