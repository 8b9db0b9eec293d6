"""Batches drafted by other processes: the same as here, whatever becomes of those processes."""

import base64
import json
import os
import signal
import threading

import pytest

from provenance import BatchError
from provenance.ledger.drafters import LEAST, Drafters, draft_all
from provenance.ledger.drafting import Draft
from provenance.records import ARTIFACT_DIGEST, JSON, Artifact
from provenance.signing import PrivateKey, sign
from provenance.statements import ArtifactRef, Outputs, Statement, Subject

KEY, STRANGER = PrivateKey.generate(), PrivateKey.generate()
OTHER = PrivateKey.generate("ecdsa-p256")
KEYS = {key.public.keyid: key.public for key in (KEY, OTHER)}


def envelope(number, *signers):
    artifact = Artifact(root=number.to_bytes(32), size=7, encoding=JSON)
    model = ArtifactRef(name="clf", digest={ARTIFACT_DIGEST: "ab" * 32, "sha256": "cd" * 32})
    predicate = Outputs(
        nonce=bytes(16), issued="2026-01-31T12:00:00Z", artifact=artifact, model=model
    )
    digest = {ARTIFACT_DIGEST: artifact.digest_hex, "sha256": f"{number:064x}"}
    statement = Statement(subjects=(Subject(name="out", digest=digest),), predicate=predicate)
    return sign(statement.to_bytes(), signers or (KEY,)).to_bytes()


@pytest.fixture(scope="module")
def envelopes():
    good = [envelope(number) for number in range(LEAST)]
    other = json.loads(good[3])
    foreign = {**other, "signatures": [{"sig": other["signatures"][0]["sig"]}], "more": 1}
    torn = bytearray(base64.b64decode(other["signatures"][0]["sig"]))
    torn[5] ^= 1
    wrong = {**other, "signatures": [{"sig": base64.b64encode(torn).decode()}]}
    return [
        *good,
        envelope(1, KEY, OTHER),
        envelope(2, STRANGER),
        b"{}",
        json.dumps(foreign).encode(),
        json.dumps(wrong).encode(),
        good[0].replace(b'"payload":"', b'"payload": "'),
        good[1] + b"\n",
    ]


@pytest.fixture
def drafters():
    made = Drafters()
    made._count = 2
    yield made
    made.close()


def told(outcome):
    return outcome if isinstance(outcome, Draft) else (type(outcome), str(outcome))


def same(one, other):
    return list(map(told, one)) == list(map(told, other))


def pids(drafters):
    idle = drafters._processes._idle
    found = [idle.get() for _ in range(2)]
    for process in found:
        idle.put(process)
    return [process._process.pid for process in found if process is not None]


def test_the_outcomes_are_those_of_this_process(drafters, envelopes):
    here = draft_all(envelopes, KEYS)
    assert [type(outcome).__name__ for outcome in here[LEAST:]] == [
        "Draft",
        "InputError",
        "MalformedError",
        "Draft",
        "InputError",
        "Draft",
        "Draft",
    ]
    assert same(drafters.draft_all(envelopes, KEYS), here)
    assert pids(drafters)
    fewer = {KEY.public.keyid: KEY.public}
    assert same(drafters.draft_all(envelopes, fewer), draft_all(envelopes, fewer))
    assert not same(draft_all(envelopes, fewer), here)


def test_a_small_batch_starts_nothing(drafters, envelopes):
    assert len(drafters.draft_all(envelopes[: LEAST - 1], KEYS)) == LEAST - 1
    assert drafters._threads is None


def test_a_process_that_ends_is_done_without(drafters, envelopes):
    here = draft_all(envelopes, KEYS)
    assert same(drafters.draft_all(envelopes, KEYS), here)
    for pid in pids(drafters):
        os.kill(pid, signal.SIGKILL)
    assert same(drafters.draft_all(envelopes, KEYS), here)
    assert same(drafters.draft_all(envelopes, KEYS), here)


def test_a_process_that_says_something_else_is_done_without(drafters, envelopes, monkeypatch):
    monkeypatch.setattr("provenance.records.processes._PROGRAM", "print('hello to you all')")
    assert same(drafters.draft_all(envelopes, KEYS), draft_all(envelopes, KEYS))


def test_where_no_process_starts_it_is_done_here(drafters, envelopes, monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert same(drafters.draft_all(envelopes, KEYS), draft_all(envelopes, KEYS))


def test_where_pipes_cannot_be_widened_it_is_done_by_processes_all_the_same(
    drafters, envelopes, monkeypatch
):
    def refused(*_):
        raise PermissionError("beyond /proc/sys/fs/pipe-max-size")

    monkeypatch.setattr("fcntl.fcntl", refused)
    assert same(drafters.draft_all(envelopes, KEYS), draft_all(envelopes, KEYS))
    assert pids(drafters)


def test_ctrl_c_ends_none_and_the_end_of_the_ledger_all(drafters, envelopes):
    drafters.draft_all(envelopes, KEYS)
    running = pids(drafters)
    for pid in running:
        os.kill(pid, signal.SIGINT)
    assert drafters.draft_all(envelopes, KEYS)
    assert set(running) <= set(pids(drafters))
    running = pids(drafters)
    drafters.close()
    for pid in running:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_batches_of_several_threads_through_a_ledger(ledger, envelopes):
    ledger.add_key(KEY.public, name="key")
    ledger._drafters._count = 2
    batches = [
        [envelope(1000 * batch + number) for number in range(LEAST + 5)] for batch in range(3)
    ]
    told = {}

    def submit(batch):
        told[batch] = ledger.submit_all(batches[batch])

    threads = [threading.Thread(target=submit, args=(batch,)) for batch in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for batch in range(3):
        assert told[batch] == list(range(told[batch][0], told[batch][0] + LEAST + 5))
    assert ledger.status().size == 3 + 3 * (LEAST + 5)
    with pytest.raises(BatchError, match=rf"item {LEAST} of the batch: .*add the signer's key"):
        ledger.submit_all(envelopes[: LEAST + 2])
    ledger.add_key(OTHER.public, name="other")
    assert len(ledger.submit_all(envelopes[: LEAST + 1])) == LEAST + 1
