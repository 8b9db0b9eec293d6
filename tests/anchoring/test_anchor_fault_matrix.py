"""Every exchange with a node fails while a ledger anchors: nothing is sent twice, nothing is lost.

Between the ledger and anvil stands a relay. For every question that one anchoring asks, in turn, it
loses the question or answers garbage; and the transaction itself is never broadcast, broadcast and
not told, broadcast and told as nonsense. Then the same call again must end where one ends that
nothing went wrong with: one more transaction, one more head.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from loose_node import Answer, Node, relaying, sending

import provenance
from provenance.anchoring import Head, RpcReader, latest_head
from provenance.errors import ChainError
from provenance.ledger import publishing

FREE = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee")

LOST = "the question is lost"
UNANSWERED = "the answer is lost"
GARBAGE = "the answer is garbage"


class Scene:
    """A ledger that anchors through a relay which can be told to fail at one question."""

    def __init__(self, ledger: provenance.Ledger, url: str, relay: Node) -> None:
        self.ledger = ledger
        self.node = RpcReader(url)
        self.asked: list[str] = []
        self._fail: tuple[int, str] | None = None
        self._pass = relaying(url, lambda request, said: None)
        self._swallow = relaying(url, lambda request, said: sending(b"", 504))
        self._garble = relaying(
            url, lambda request, said: sending(b'{"jsonrpc":"2.0","id":1,"result":[7]}')
        )
        relay.answer = self._answer
        self.pin = ledger.add_chain("main", relay.url, confirmations=1)
        self.account, _ = publishing.account_of(ledger, "main")

    def _answer(self, handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        number, how = self._fail or (-1, "")
        mode = how if number == len(self.asked) else ""
        self.asked.append(request["method"])
        answers: dict[str, Answer] = {
            "": self._pass,
            LOST: sending(b"", 504),
            UNANSWERED: self._swallow,
            GARBAGE: self._garble,
        }
        answers[mode](handler, request)

    def anchor(self, fail: tuple[int, str] | None = None) -> provenance.ledger.anchors.AnchorRecord:
        """Anchor, with one question failing."""
        self.asked, self._fail = [], fail
        try:
            (anchor,) = self.ledger.anchor("main")
        finally:
            self._fail = None
        return anchor

    def grow(self) -> None:
        self.ledger.register([{"id": self.ledger.status().size}], name="rows")

    def sent(self) -> int:
        """How many transactions of the account the node has."""
        return int(self.node._ask("eth_getTransactionCount", self.account, "pending"), 16)

    def check(self) -> None:
        """The ledger's anchors are the contract's events, one for one, on the log's own history."""
        logs = self.node._logs(self.pin.contract, self.pin.ledger_id, 0, self.node.head())
        heads = [Head(int(log["topics"][2], 16), bytes.fromhex(log["data"][2:66])) for log in logs]
        anchors = self.ledger.anchors()
        assert [Head(anchor.size, anchor.root) for anchor in anchors] == heads
        assert {anchor.state for anchor in anchors} <= {"confirmed", "final"}
        assert {f"0x{anchor.tx_hash.hex()}" for anchor in anchors} == {
            log["transactionHash"] for log in logs
        }
        assert latest_head(self.node, self.pin.contract, self.pin.ledger_id) == heads[-1]


@pytest.fixture(scope="module")
def free_node(start_anvil: Callable[..., str]) -> str:
    return start_anvil(*FREE)


@pytest.fixture
def scene(tmp_path: Path, free_node: str, node: Node) -> Iterator[Scene]:
    with provenance.Ledger.init(tmp_path, origin="matrix.example/log") as ledger:
        yield Scene(ledger, free_node, node)


def test_every_exchange_fails(scene: Scene) -> None:
    scene.anchor()
    scene.grow()
    scene.anchor()
    questions = list(scene.asked)
    assert questions.count("eth_sendRawTransaction") == 1
    assert {"eth_getTransactionReceipt", "eth_getLogs", "eth_estimateGas"} <= set(questions)
    for number, method in enumerate(questions):
        # What only reads knows no difference between a question that is lost and an answer.
        writes = method == "eth_sendRawTransaction"
        for how in (LOST, UNANSWERED, GARBAGE) if writes else ((LOST, GARBAGE)[number % 2],):
            scene.grow()
            before = scene.sent()
            try:
                with contextlib.suppress(ChainError):
                    scene.anchor((number, how))
                anchor = scene.anchor()
                assert anchor.size == scene.ledger.status().size
                assert scene.sent() == before + 1
            except BaseException as error:
                error.add_note(f"{number}: {method}: {how}")
                raise
    scene.check()
