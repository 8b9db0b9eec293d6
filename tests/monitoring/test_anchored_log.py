"""A log of some hundred entries and its contract: what comparing the two reads, and finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from static_log import ORIGIN, StaticLog, entry, leaf, policy

from provenance.anchoring.embedded import EmbeddedChain
from provenance.merkle import Tree
from provenance.monitoring import Monitor, Round, SourceError, State

ENTRIES = [entry(number) for number in range(900)]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[EmbeddedChain]:
    with EmbeddedChain.create(tmp_path / "chain.db", sha256(b"account").digest()) as chain:
        yield chain


class Anchored:
    """The log, its chain, and the monitor of both."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self.log = StaticLog.of(ENTRIES[:600])
        self.chain = chain
        self.contract = chain.deploy()
        self.ledger_id = chain.register(self.contract, sha256(ORIGIN.encode()).digest())
        pin = chain.pin(self.contract, self.ledger_id, name="chain", confirmations=1)
        self.monitor = Monitor(self.log, policy(chains=(pin,)), chains={"chain": chain})
        self.state: State | None = None
        self.size = 0

    def anchor(self, size: int) -> None:
        tree = Tree.from_leaf_hashes(b"".join(map(leaf, ENTRIES[:size])))
        proof = tree.prove_consistency(self.size).path if self.size else ()
        self.chain.anchor(self.contract, self.ledger_id, size, tree.root, proof)
        self.size = size

    def look(self) -> Round:
        self.log.asked.clear()
        found = self.monitor.round(self.state, lambda _: None)
        self.state = found.state
        return found

    def fine(self) -> None:
        found = self.look()
        assert (found.findings, found.undecided) == ((), ())
        assert found.anchored == {"chain": self.size}


@pytest.fixture
def anchored(chain: EmbeddedChain) -> Anchored:
    return Anchored(chain)


def test_anchors_of_any_size_are_compared_once(anchored: Anchored) -> None:
    anchored.fine()
    for size in (1, 255, 256, 257, 300, 512, 599, 600):
        anchored.anchor(size)
        anchored.fine()
        anchored.fine()
        assert anchored.log.asked == []
    anchored.anchor(700)
    (finding,) = anchored.look().findings
    assert finding.finding == "chain 'chain' has a head of 700 entries; the log shows 600"
    anchored.log.grow(ENTRIES[:800])
    anchored.fine()
    old, anchored.log.note = anchored.log.note, StaticLog.of(ENTRIES[:650]).note
    anchored.log.files |= StaticLog.of(ENTRIES[:650]).files
    anchored.fine()  # an old answer: the chain is held against what was seen
    anchored.log.note = old


def test_a_head_that_was_compared_with_another_history_is_compared_again(
    anchored: Anchored,
) -> None:
    """The log forks where only the contract has seen more of it than the state says."""
    anchored.fine()
    assert anchored.state
    before = anchored.state
    anchored.anchor(610)
    anchored.log.grow(ENTRIES[:610])
    anchored.fine()
    anchored.state = replace(before, chains=anchored.state.chains)
    anchored.log.grow([*ENTRIES[:600], *ENTRIES[700:711]])
    (finding,) = anchored.look().findings
    assert finding.kind == "anchor"
    assert finding.history
    assert (finding.history.old_size, finding.history.size) == (610, 611)


def test_tiles_that_do_not_tell_the_root_at_an_anchor_are_found(anchored: Anchored) -> None:
    anchored.fine()
    anchored.anchor(300)
    right = anchored.log.files["tile/0/001"]
    anchored.log.files["tile/0/001"] = right[::-1]
    (finding,) = anchored.look().findings
    assert finding.kind == "tiles"
    assert "has a head of 300 entries, and the hash tiles prove no tree" in finding.finding
    anchored.log.files["tile/0/001"] = right

    def fail(path: str) -> None:
        if path.startswith("tile/"):
            raise SourceError("no answer")

    anchored.log.before_each = fail
    assert anchored.look().undecided == ("chain 'chain': no answer",)
    anchored.log.before_each = lambda _: None
    anchored.fine()
