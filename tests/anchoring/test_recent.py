"""`RecentAnchors` says what `check_anchor` says, a moment ago; and never that something fails."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from provenance.anchoring import Anchor, AnchorError, AnchorFacts, ChainPin, ChainReader
from provenance.anchoring import recent as module
from provenance.anchoring.recent import RecentAnchors
from provenance.errors import ChainUnreachableError
from provenance.log.blocking import WouldBlockError, nonblocking

CONTRACT = f"0x{'a1' * 20}"
PIN = ChainPin(
    chain_id=1, contract=CONTRACT, ledger_id=bytes(32), code_sha256=bytes(32), confirmations=1
)
ANCHOR = PIN.anchor(size=7, root=b"r" * 32, block=3)
READER = cast(ChainReader, object())


class Chain:
    """What `check_anchor` would find, and how often it was asked."""

    def __init__(self) -> None:
        self.now = 100.0
        self.confirmations = 1
        self.fails: Exception | None = None
        self.asked: list[Anchor] = []

    def check(self, anchor: Anchor, pin: ChainPin, reader: Any) -> AnchorFacts:
        assert reader is READER
        self.asked.append(anchor)
        if self.fails:
            raise self.fails
        return AnchorFacts(block_time=5, confirmations=self.confirmations, final=None)


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = Chain()
    monkeypatch.setattr(module, "check_anchor", chain.check)
    return chain


def test_it_is_asked_again_once_the_moment_is_over(chain: Chain) -> None:
    anchors = RecentAnchors(2.0, clock=lambda: chain.now)
    for now, confirmations in ((100, 1), (101.9, 1), (102, 3), (103.9, 3), (104, 5)):
        chain.now, chain.confirmations = now, int(now) - 99
        assert anchors.check(ANCHOR, PIN, READER).confirmations == confirmations
    assert len(chain.asked) == 3


def test_another_anchor_or_pin_is_another_question(chain: Chain) -> None:
    anchors = RecentAnchors(2.0, clock=lambda: chain.now)
    changed = [
        dataclasses.replace(ANCHOR, **{field.name: value})
        for field, value in zip(
            dataclasses.fields(ANCHOR),
            (2, f"0x{'b2' * 20}", b"l" * 32, 8, b"s" * 32, 4),
            strict=True,
        )
    ]
    for anchor in (ANCHOR, *changed, ANCHOR, *changed):
        anchors.check(anchor, PIN, READER)
    assert chain.asked == [ANCHOR, *changed]
    anchors.check(ANCHOR, dataclasses.replace(PIN, confirmations=12), READER)
    assert len(chain.asked) == len(changed) + 2


@pytest.mark.parametrize("error", [AnchorError("no"), ChainUnreachableError("away")])
def test_what_does_not_hold_is_asked_each_time(chain: Chain, error: Exception) -> None:
    anchors = RecentAnchors(2.0, clock=lambda: chain.now)
    chain.fails = error
    for _ in range(2):
        with pytest.raises(type(error)):
            anchors.check(ANCHOR, PIN, READER)
    chain.fails = None
    anchors.check(ANCHOR, PIN, READER)
    chain.fails, chain.now = error, chain.now + 2
    with pytest.raises(type(error)):
        anchors.check(ANCHOR, PIN, READER)
    assert len(chain.asked) == 4


def test_a_chain_is_waited_for_by_those_alone_who_may(chain: Chain) -> None:
    anchors = RecentAnchors(2.0, clock=lambda: chain.now)
    with nonblocking(), pytest.raises(WouldBlockError):
        anchors.check(ANCHOR, PIN, READER)
    assert chain.asked == []
    anchors.check(ANCHOR, PIN, READER)
    with nonblocking():
        assert anchors.check(ANCHOR, PIN, READER).block_time == 5


def test_of_many_at_a_time_one_asks(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    anchors = RecentAnchors(2.0, clock=lambda: chain.now)
    asking, go_on = threading.Event(), threading.Event()

    def slow(*question: Any) -> AnchorFacts:
        asking.set()
        assert go_on.wait(30)
        return chain.check(*question)

    monkeypatch.setattr(module, "check_anchor", slow)
    with ThreadPoolExecutor(8) as threads:
        told = [threads.submit(anchors.check, ANCHOR, PIN, READER) for _ in range(8)]
        assert asking.wait(30)
        go_on.set()
        assert len({each.result() for each in told}) == 1
    assert chain.asked == [ANCHOR]


def test_the_least_recent_gives_way(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    anchors = RecentAnchors(2.0, clock=lambda: chain.now)
    for size in (1, 2, 3, 3, 2, 1):
        anchors.check(dataclasses.replace(ANCHOR, size=size), PIN, READER)
    assert [anchor.size for anchor in chain.asked] == [1, 2, 3, 1]
