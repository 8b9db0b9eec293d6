"""`Ledger.outputs`: what `record` acknowledged is registered, whatever happens then."""

import os
import threading
import time
from types import SimpleNamespace

import pytest

from provenance import InputError, Ledger, LedgerError
from provenance.ledger import outputs, spool
from provenance.merkle import Tree
from provenance.records import JSON, hash_record

ROWS = [{"output": number} for number in range(10)]


def leaves(ledger, batches):
    """The leaf hashes of every record in these batches."""
    found = []
    for batch in batches:
        tree = Tree.open(ledger.folder.tree(batch.artifact.digest))
        found += [tree.leaf(index) for index in range(tree.size)]
    return found


def hashes(rows):
    return [hash_record(row, JSON) for row in rows]


def spool_files(ledger):
    return list(ledger.folder.spool.iterdir())


def test_batches_by_count_and_the_rest_at_the_end(ledger):
    with ledger.outputs(name="answers", flush_count=4, sensitivity="public") as out:
        for number, row in enumerate(ROWS):
            out.record(row)
            assert len(out.artifacts) == (number + 1) // 4
            assert ledger.status().pending_outputs == (number + 1) % 4
    assert [batch.size for batch in out.artifacts] == [4, 4, 2]
    assert leaves(ledger, out.artifacts) == hashes(ROWS)
    assert {batch.statement.predicate.sensitivity for batch in out.artifacts} == {"public"}
    assert {batch.name for batch in ledger.artifacts(kind="outputs")} == {"answers"}
    assert not spool_files(ledger)
    assert ledger.prove(out.artifacts[1], record='{"output": 5}').indices == (1,)


def test_batches_by_time(ledger):
    with ledger.outputs(name="answers", flush_seconds=0.05) as out:
        for row in ROWS[:3]:
            out.record(row)
        deadline = time.monotonic() + 20
        while not out.artifacts and time.monotonic() < deadline:
            time.sleep(0.02)
        assert out.artifacts, "the time passed and nothing was registered"
        registered = sum(batch.size for batch in out.artifacts)
        assert registered <= 3
    assert leaves(ledger, out.artifacts) == hashes(ROWS[:3])


def test_nothing_recorded_is_nothing_registered(ledger):
    with ledger.outputs(name="answers"):
        pass
    assert (ledger.status().size, spool_files(ledger)) == (2, [])


def test_a_failing_block_still_registers_what_was_recorded(ledger):
    with pytest.raises(ZeroDivisionError), ledger.outputs(name="answers") as out:  # noqa: PT012
        out.record(ROWS[0])
        raise ZeroDivisionError
    assert [batch.size for batch in out.artifacts] == [1]


def test_from_several_threads(ledger):
    with ledger.outputs(name="answers", flush_count=7) as out:

        def work(worker):
            for number in range(10):
                out.record({"worker": worker, "number": number})

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    expected = hashes({"worker": w, "number": n} for w in range(4) for n in range(10))
    assert sorted(leaves(ledger, out.artifacts)) == sorted(expected)
    assert [batch.size for batch in out.artifacts] == [7] * 5 + [5]


@pytest.mark.parametrize("row", [[1], "not JSON", {"a": {1}}, '{"a": 1, "a": 2}'])
def test_what_is_no_record_is_refused_and_the_rest_goes_on(ledger, row):
    with ledger.outputs(name="answers") as out:
        out.record(ROWS[0])
        with pytest.raises(InputError):
            out.record(row)
        out.record(ROWS[1])
    assert leaves(ledger, out.artifacts) == hashes(ROWS[:2])


@pytest.mark.parametrize(
    "given",
    [
        {"flush_count": 0},
        {"flush_seconds": 0},
        {"model": "nobody"},
        {"name": "two\nlines"},
        {"sensitivity": "secret"},
        {"metadata": {"note": "x" * 5_000_000}},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_cannot_be_signed_is_refused_before_anything_is_recorded(ledger, given):
    with pytest.raises(InputError):
        ledger.outputs(**{"name": "answers", **given})
    ledger.anchor()


def test_a_batch_larger_than_the_system_reads_at_once(ledger, monkeypatch):
    """Linux reads 2 GiB at most; here it is 100 bytes."""
    small = vars(os) | {"pread": lambda file, n, at: os.pread(file, min(n, 100), at)}
    monkeypatch.setattr(spool, "os", SimpleNamespace(**small))  # for the spool, and no other file
    monkeypatch.setattr(spool, "_BLOCK", 2, raising=False)
    with ledger.outputs(name="answers") as out:
        for row in ROWS:
            out.record(row)
    assert leaves(ledger, out.artifacts) == hashes(ROWS)


def test_a_spool_file_that_was_cut_is_registered_neither_in_part_nor_removed(ledger):
    out = ledger.outputs(name="answers")
    for row in ROWS:
        out.record(row)
    (path,) = spool_files(ledger)
    whole = path.read_bytes()
    os.truncate(path, len(whole) - 100)
    with pytest.raises(LedgerError, match="was cut"):
        out.flush()
    assert out.artifacts == []
    path.write_bytes(whole)
    assert leaves(ledger, outputs.recover(ledger)) == hashes(ROWS)


# --- what a crash leaves ----------------------------------------------------------------------

DIES = """
import os, signal, sys, provenance
out = provenance.Ledger.open().outputs(name="answers", metadata={"run": 1})
for number in range(10):
    out.record({"output": number})
print("recorded", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def crashed(ledger, start):
    """The spool file of a process that was killed after it recorded `ROWS`."""
    process = start(DIES)
    assert process.stdout.readline() == "recorded\n"
    assert outputs.recover(ledger) == [], "it is alive, and the outputs are its own"
    assert ledger.status().pending_outputs == 10
    process.kill()
    process.wait()
    (path,) = spool_files(ledger)
    return path


def test_what_a_killed_process_recorded_is_registered_once(ledger, home, crashed):
    kept = crashed.read_bytes()
    with ledger.outputs(name="later"):
        pass
    (batch,) = ledger.artifacts()
    assert leaves(ledger, [batch]) == hashes(ROWS)
    assert (batch.name, batch.statement.predicate.metadata) == ("answers", {"run": 1})
    assert not spool_files(ledger)

    # Killed again, after it was logged and before the file was removed.
    crashed.write_bytes(kept)
    assert [again.index for again in outputs.recover(ledger)] == [batch.index]
    assert ledger.status().size == 3

    crashed.write_bytes(kept)
    ledger.anchor()
    assert not spool_files(ledger), "anchoring covers what was left, too"


@pytest.mark.parametrize("torn", [1, 39, 40])
def test_a_torn_last_record_was_never_acknowledged(ledger, crashed, torn):
    with crashed.open("r+b") as file:
        file.truncate(crashed.stat().st_size - torn)
        if torn == 40:
            file.seek(0, 2)
            file.write(bytes(40))  # as after a power cut: the length is there, the data is not
    (batch,) = outputs.recover(ledger)
    assert leaves(ledger, [batch]) == hashes(ROWS[:9])


def test_killed_before_the_first_record(ledger, crashed):
    header = crashed.read_bytes().partition(b"\n")[0]
    for left in (b"", header[:7], header, header + b"\n", header + b"\n" + bytes(5)):
        crashed.write_bytes(left)
        assert outputs.recover(ledger) == []
        assert not crashed.exists()
    assert ledger.status().size == 2


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_long_description_outlives_its_process(ledger, start):
    described = DIES.replace('{"run": 1}', '{"run": "x" * 2_000_000}')
    process = start(described)
    assert process.stdout.readline() == "recorded\n"
    process.kill()
    process.wait()
    assert leaves(ledger, outputs.recover(ledger)) == hashes(ROWS)


@pytest.mark.parametrize("part", ["header", "record"])
def test_damage_is_named_and_nothing_is_dropped(ledger, crashed, part):
    data = crashed.read_bytes()
    start = data.index(b"\n") + 1
    crashed.write_bytes(flip(data, data.index(b'"name"') + 1 if part == "header" else start + 45))
    for use in (ledger.anchor, lambda: ledger.outputs(name="more")):
        with pytest.raises(LedgerError, match=rf"{crashed} is damaged: .*; move it away to go on"):
            use()
    assert crashed.exists()
    crashed.unlink()
    ledger.anchor()


def test_a_file_registered_while_status_looks(ledger, crashed, monkeypatch):
    paths = [crashed, crashed.with_name("gone.spool")]
    monkeypatch.setattr(type(crashed), "glob", lambda self, pattern: iter(paths))
    assert spool.pending(ledger.folder.spool) == 10


def test_two_ledgers_record_at_once(ledger, home):
    with Ledger.open(home) as other, ledger.outputs(name="a") as a, other.outputs(name="b") as b:
        for row in ROWS:
            a.record(row)
            b.record(row)
        assert outputs.recover(ledger) == []
    assert leaves(ledger, a.artifacts) == leaves(ledger, b.artifacts) == hashes(ROWS)


def test_what_cannot_be_registered_now_stays_in_the_spool(ledger, home):
    key = ledger.folder.keys / "signer.pem"
    with Ledger.open(home) as other:
        ledger.revoke_key("signer", reason="by mistake")
        out = other.outputs(name="answers", flush_count=2)
        out.record(ROWS[0])
        with pytest.raises(InputError, match="was revoked"):
            out.record(ROWS[1])
        assert other.status().pending_outputs == 2
        ledger.add_key(other.keyring.signers[0].public, name="signer")
        assert key.exists()
        (batch,) = outputs.recover(other)
        assert leaves(other, [batch]) == hashes(ROWS[:2])
