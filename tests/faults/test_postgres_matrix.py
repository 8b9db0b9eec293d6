"""The same on PostgreSQL, where a fault is the end of the connection, before a write or after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from faulty import KEPT, Faults
from postgres import Server
from scene import Scene, append, checkpoint
from whole_ledger import check

from provenance import LedgerError


def test_a_connection_breaks(
    postgres: Server,
    make: Callable[..., Path],
    scenes: Callable[[Path], Scene],
    faults: Faults,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each call is made once whole, and then for a fresh entry with each of its writes failing."""
    faults.under_postgres(monkeypatch)
    scene = scenes(make(3, postgres.database()))
    with scene.opened():
        with faults.watching():
            append(scene)
        appending = faults.writes
        assert {"COPY entry", "INSERT INTO tile", "COMMIT"} <= set(appending)
        appends = faults.matrix()
        with faults.watching():
            checkpoint(scene)
        assert {"INSERT INTO checkpoint", "COMMIT"} <= set(faults.writes)
        checkpoints = faults.matrix()
    size = check(scene.home, scene.promised, scene.witness).size
    for fault in appends:
        with scene.opened():
            scene.renew_batch()
            with faults.watching(fault), pytest.raises(LedgerError, match="broke the connection"):
                append(scene)
            assert faults.hit
            if fault.mode == KEPT:
                append(scene)
        with scene.opened():
            assert append(scene) == size
        size += 1
        assert check(scene.home, scene.promised, scene.witness).size == size
    for fault in checkpoints:
        with scene.opened():
            scene.renew_batch()
            size = append(scene) + 1
            with faults.watching(fault), pytest.raises(LedgerError, match="broke the connection"):
                checkpoint(scene)
            assert checkpoint(scene) == size
        assert size in check(scene.home, scene.promised, scene.witness).checkpoints
