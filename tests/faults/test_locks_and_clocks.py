"""A database that another keeps locked, and a clock that is set back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from scene import Scene, anchor, append, checkpoint, cosign, register
from whole_ledger import check

import provenance
from provenance import LedgerError, WitnessError
from provenance.anchoring.embedded import EmbeddedChain

ROW = {"id": 1}


@pytest.fixture
def scene(copies: Callable[[str], Path], scenes: Callable[[Path], Scene]) -> Scene:
    return scenes(copies("home"))


@pytest.mark.parametrize("call", [append, register, checkpoint])
def test_the_log_is_locked(
    scene: Scene, call: Callable[[Scene], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provenance.log.backends.BUSY_SECONDS", 0.05)
    before = check(scene.home, scene.promised)
    with scene.opened():
        other = sqlite3.connect(scene.ledger.folder.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="is being written by another process"):
            call(scene)
        assert scene.ledger.status().size == before.size, "readers are not kept waiting"
        other.execute("ROLLBACK")
        other.close()
        assert call(scene) is not None
    check(scene.home, scene.promised, scene.witness)


def test_the_chain_is_locked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provenance.anchoring.chainfile.BUSY_SECONDS", 0.05)
    with scene.opened():
        other = sqlite3.connect(scene.ledger.folder.path / "chain.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(provenance.ChainError, match="locked"):
            anchor(scene)
        other.execute("ROLLBACK")
        other.close()
        assert anchor(scene)
    check(scene.home, scene.promised, scene.witness)


def test_the_witness_is_locked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provenance.witness.witness.BUSY_SECONDS", 0.05)
    with scene.opened():
        other = sqlite3.connect(scene.witness / "witness.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(WitnessError, match="HTTP 503"):
            cosign(scene)
        other.execute("ROLLBACK")
        other.close()
        assert cosign(scene)
    check(scene.home, scene.promised, scene.witness)


def test_a_clock_that_goes_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the ledger, its witness and its chain: what is published still goes forward."""
    right = datetime.now(UTC)
    set_clocks(scene, right, monkeypatch)
    with scene.opened():
        cosigned = cosigned_at(scene)
        anchor(scene)
        mined = scene.ledger.anchors()[-1].block_time
    set_clocks(scene, right - timedelta(minutes=30), monkeypatch)
    with scene.opened():
        found = scene.ledger.register([ROW], name="later")
        assert cosigned_at(scene) == cosigned, "no time before that of an earlier tree"
        anchor(scene)
        assert scene.ledger.anchors()[-1].block_time > mined
        provenance.verify(
            scene.ledger.prove(found, record=ROW),
            record=ROW,
            policy=scene.ledger.policy(),
            chains=scene.ledger.chains,
        )
    set_clocks(scene, right - timedelta(hours=5), monkeypatch)
    with scene.opened():
        append(scene)
        with pytest.raises(WitnessError, match="one of the two clocks is wrong"):
            cosign(scene)
    set_clocks(scene, right, monkeypatch)
    with scene.opened():
        assert cosigned_at(scene) == cosigned
        anchor(scene)
    check(scene.home, scene.promised, scene.witness)


def set_clocks(scene: Scene, time: datetime, patch: pytest.MonkeyPatch) -> None:
    scene.clock = lambda: time
    patch.setitem(EmbeddedChain.open.__func__.__kwdefaults__, "clock", time.timestamp)


def cosigned_at(scene: Scene) -> int | None:
    (answer,) = scene.ledger.cosign(need=1, patience=0)
    return answer.time
