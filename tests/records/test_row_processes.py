"""Rows hashed by other processes, without the extension: as here, whatever becomes of them."""

import os
import signal

import pyarrow as pa
import pytest

from provenance.errors import InputError
from provenance.merkle import bulk, leaf_hash
from provenance.records import batches
from provenance.records.batches import hashed_in_order
from provenance.records.columns import batch_leaves
from provenance.records.processes import Process

CORES = 2


@pytest.fixture(autouse=True)
def without_the_extension(monkeypatch):
    chosen = bulk.kernel_named("hashlib")
    monkeypatch.setattr(batches, "kernel", lambda: chosen)
    monkeypatch.setenv("PROVENANCE_KERNEL", "hashlib")
    monkeypatch.setattr(batches, "FEW", 40)
    monkeypatch.setattr(batches, "cores", lambda: CORES)


@pytest.fixture
def asked(monkeypatch):
    """Which processes answered; each request goes through here."""
    pids = []
    ask = Process.ask

    def noted(process, request):
        answer = ask(process, request)
        pids.append(process._process.pid)
        return answer

    monkeypatch.setattr(Process, "ask", noted)
    return pids


def numbered(count, *, wrong=None):
    """Yield batches of 30 rows, of some types; the row of this number cannot be mapped."""
    for first in range(1, count, 30):
        rows = range(first, first + 30)
        moments = [10**18 if row == wrong else row for row in rows]
        batch = pa.record_batch(
            {
                "text": pa.array([f'"{row}"\n' for row in rows]),
                "number": pa.array([2**60 + row for row in rows]),
                "label": pa.array([str(row % 3) for row in rows]).dictionary_encode(),
                "nested": pa.array([[{"a": row}] for row in rows]),
                "at": pa.array(moments, pa.timestamp("s")),
            }
        )
        yield first, batch.slice(1, 28)


def leaf_by_leaf(count):
    return [
        b"".join(map(leaf_hash, batch_leaves(batch, "t", first_row=first)))
        for first, batch in numbered(count)
    ]


def test_the_hashes_are_those_of_this_process(asked):
    assert list(hashed_in_order(numbered(300), "t")) == leaf_by_leaf(300)
    assert len(asked) == 8  # but for what is few
    assert len(set(asked)) == CORES
    for pid in set(asked):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_few_rows_start_nothing(asked):
    assert list(hashed_in_order(numbered(60), "t")) == leaf_by_leaf(60)
    assert asked == []


def test_one_core_starts_nothing(asked, monkeypatch):
    monkeypatch.setattr(batches, "cores", lambda: 1)
    assert list(hashed_in_order(numbered(300), "t")) == leaf_by_leaf(300)
    assert asked == []


def test_a_process_that_ends_is_done_without(asked):
    found = hashed_in_order(numbered(3000), "t")
    first = [next(found) for _ in range(4)]
    for pid in set(asked):
        os.kill(pid, signal.SIGKILL)
    assert first + list(found) == leaf_by_leaf(3000)
    assert len(set(asked)) > CORES


def test_where_no_process_starts_it_is_done_here(asked, monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert list(hashed_in_order(numbered(300), "t")) == leaf_by_leaf(300)
    assert asked == []


def test_what_cannot_be_mapped_is_named_in_its_turn(asked):
    found = hashed_in_order(numbered(600, wrong=432), "t")
    before = []
    with pytest.raises(InputError, match=r"^t, row 431, column 'at': a timestamp of a year"):
        before.extend(iter(found.__next__, None))
    assert before == leaf_by_leaf(600)[:14]


def test_processes_end_when_nobody_asks_for_more(asked):
    found = hashed_in_order(numbered(3000), "t")
    for _ in range(4):
        next(found)
    found.close()
    for pid in set(asked):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
