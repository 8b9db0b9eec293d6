"""Every write of every call fails once as never done, and once as done and not reported.

The call says so by an error of ours. Then recovery runs, which is nothing but the same call again:
in the same process, or after everything was opened anew. It must end where the call ends with
which nothing went wrong, and the ledger, its witness and its contract must be whole.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty import KEPT, Fault, Faults
from scene import Scene, anchor, append_batch, checkpoint, cosign, record, recover, register
from whole_ledger import State, check

from provenance import ProvenanceError


def nothing(_: Scene) -> None:
    """Prepare nothing."""


# What is called, what is done before it, and what again: which is the call itself, but for outputs,
# since whoever records one again means another one.
CALLS: dict[str, tuple[Callable[[Scene], Any], ...]] = {
    "append": (append_batch, nothing, append_batch),
    "register": (register, nothing, register),
    "record": (record, nothing, recover),
    "checkpoint": (checkpoint, nothing, checkpoint),
    "cosign": (cosign, checkpoint, cosign),
    "anchor": (anchor, cosign, anchor),
}

# What each is known to write: a matrix that lost sight of something shall not pass for a full one.
WRITES = {
    "append": {"BEGIN IMMEDIATE", "INSERT INTO entry", "INSERT INTO envelope", "COMMIT"},
    "register": {"fsync", "replace", "INSERT INTO mention", "INSERT INTO facet", "COMMIT"},
    "record": {"pwrite", "fsync", "replace", "unlink", "INSERT INTO entry", "COMMIT"},
    "checkpoint": {"BEGIN IMMEDIATE", "INSERT INTO checkpoint", "COMMIT"},
    "cosign": {"INSERT INTO head", "INSERT INTO cosignature", "COMMIT"},
    "anchor": {"INSERT INTO anchor", "INSERT INTO anchored", "UPDATE anchor", "COMMIT"},
}


@pytest.fixture
def scene_in(
    scenes: Callable[[Path], Scene],
    copies: Callable[[str], Path],
    faults: Faults,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], Scene]:
    """Return a scene of its own, whose every write is watched."""
    faults.under_sqlite(monkeypatch)
    faults.under_files(monkeypatch)
    return lambda name: scenes(copies(name))


@pytest.mark.parametrize("name", CALLS)
def test_a_write_fails(name: str, scene_in: Callable[[str], Scene], faults: Faults) -> None:
    call, prepare, again = CALLS[name]
    wanted, end = undisturbed(scene_in("undisturbed"), name, faults)
    assert set(faults.writes) >= WRITES[name]
    for fault in faults.matrix():
        scene = scene_in(f"{fault.number} {fault.mode}")
        try:
            with scene.opened():
                prepare(scene)
                told = failing(call, scene, faults, fault)
                in_place = (fault.number + (fault.mode == KEPT)) % 2 == 0
                if told is not None and in_place:
                    assert again(scene) == wanted
            with scene.opened():
                # Once more in any case: for who has the answer, too, nothing changes by it.
                assert again(scene) == wanted
            found = check(scene.home, scene.promised, scene.witness)
            assert found == end or (call is record and found.size <= end.size)
        except BaseException as error:
            error.add_note(f"{fault} of {faults.writes}")
            raise


def undisturbed(scene: Scene, name: str, faults: Faults) -> tuple[Any, State]:
    """Return what the call returns, and where it leads; and have its writes counted."""
    call, prepare, _ = CALLS[name]
    with scene.opened():
        prepare(scene)
        with faults.watching():
            wanted = call(scene)
    return wanted, check(scene.home, scene.promised, scene.witness)


def failing(
    call: Callable[[Scene], Any], scene: Scene, faults: Faults, fault: Fault
) -> ProvenanceError | None:
    """Call while one write fails; return what was raised."""
    raised = None
    with faults.watching(fault):
        try:
            call(scene)
        except ProvenanceError as error:
            raised = error
    assert faults.hit, "the call wrote less than the first time"
    return raised
