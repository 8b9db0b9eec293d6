"""Real ledgers, behind the real server and on disk, with their real chain; and what they become."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from file_server import served
from judge import convicts, other_root, signed_head
from static_log import KEY, StaticLog, entry, policy
from static_log import vkey as static_vkey

import provenance
from provenance import InputError, Ledger, LedgerError
from provenance.anchoring import root_at
from provenance.ledger import trust
from provenance.ledger.watching import Look, Watch
from provenance.monitoring import SourceError, State

Copy = Callable[..., Ledger]


def register(ledger: Ledger, *names: str) -> None:
    for name in names:
        ledger.register([{"name": name}], name=name)


def once(target: str | Path, **options: Any) -> Look:
    with Watch(str(target), **options) as watch:
        return watch.round()


def fine(target: str | Path, **options: Any) -> Look:
    look = once(target, **options)
    assert (look.round.findings, look.round.undecided, look.files) == ((), (), ())
    return look


def found(target: str | Path, **options: Any) -> tuple[str, dict[str, Any]]:
    """Look, and return kind and content of the one evidence file that was written."""
    look = once(target, **options)
    (evidence,), (file,) = look.round.findings, look.files
    value = json.loads(file.read_bytes())
    assert value["kind"] == evidence.kind
    return evidence.kind, value


def home(ledger: Ledger) -> Path:
    return ledger.folder.path.parent


def vkey(ledger: Ledger) -> str:
    return ledger.policy().log_keys[0]


# --- one log, from all sides ----------------------------------------------------------------------


def test_a_ledger_is_followed_over_http_and_in_its_folder(copy: Copy, faces: Any) -> None:
    ledger = copy("ledger")
    faces.show(ledger)
    options = {"policy": ledger.policy(), "chains": ledger.chains}
    first = fine(faces.url, **options).round
    assert (first.new, first.anchored) == (3, {"embedded": 3})
    register(ledger, "a", "b")
    assert fine(faces.url, **options).round.new == 0  # no checkpoint covers them yet
    ledger.anchor()
    # What was seen over HTTP is what the folder is held to.
    second = fine(home(ledger)).round
    assert (second.new, second.anchored) == (2, {"embedded": 5})
    assert fine(faces.url, **options).round.new == 0


def test_a_fork_of_our_own_server_is_caught_by_two_notes(copy: Copy, faces: Any) -> None:
    one, two = copy("one"), copy("two")
    register(one, "a", "b")
    register(two, "x", "y", "z")
    one.anchor()
    two.anchor()
    options = {"policy": one.policy(), "chains": one.chains}
    faces.show(one)
    fine(faces.url, **options)
    faces.show(two)
    kind, value = found(faces.url, **options)
    assert kind == "fork"
    assert convicts(json.dumps(value).encode(), vkey(one))
    assert signed_head(value["seen"], vkey(one))[0] == 5
    assert signed_head(value["checkpoint"], vkey(one))[0] == 6
    faces.show(one)
    fine(faces.url, **options)  # it still knows which history was seen first


def test_a_server_rolled_back_to_a_copy_is_caught(copy: Copy, faces: Any) -> None:
    ledger = copy("ledger")
    old = copy("old", of="ledger")
    register(ledger, "a", "b")
    ledger.anchor()
    options = {"policy": ledger.policy(), "chains": ledger.chains}
    faces.show(ledger)
    fine(faces.url, **options)
    faces.show(old)
    kind, value = found(faces.url, **options)
    assert kind == "rollback"
    larger = signed_head(value["seen"], vkey(ledger))
    smaller = signed_head(value["checkpoint"], vkey(ledger))
    assert (larger[0], smaller[0]) == (5, 3)
    assert other_root(value, *larger) == smaller[1]  # a prefix: nothing else is wrong with it
    # It goes on from the copy: from here on there are two histories.
    register(old, "x", "y", "z")
    old.anchor()
    kind, value = found(faces.url, **options)
    assert kind == "fork"
    assert convicts(json.dumps(value).encode(), vkey(ledger))


# --- the chains -----------------------------------------------------------------------------------


def test_a_head_that_the_log_does_not_have_is_caught(copy: Copy, faces: Any) -> None:
    """Anchored from a forked copy: whoever looks for the first time sees it too."""
    one, two = copy("one"), copy("two")
    register(one, "a", "b")
    one.anchor()
    register(two, "x")
    two.anchor()
    faces.show(one)
    kind, value = found(faces.url, policy=one.policy(), chains=two.chains)
    assert kind == "anchor"
    head, anchor = signed_head(value["checkpoint"], vkey(one)), value["anchor"]
    reader, ledger_id = two.chains["embedded"], bytes.fromhex(anchor["ledgerId"])
    on_chain = root_at(reader, anchor["contract"], ledger_id, anchor["size"])
    assert on_chain is not None
    assert on_chain.hex() == anchor["root"]
    assert other_root(value, *head) != on_chain
    # Until the chain has the log's history again it is found in every round.
    assert found(faces.url, policy=one.policy(), chains=two.chains)[0] == "anchor"
    fine(faces.url, policy=one.policy(), chains=one.chains)


def test_a_head_above_the_log_is_caught_without_anything_seen_before(copy: Copy) -> None:
    ledger = copy("ledger")
    old = copy("old", of="ledger")
    register(ledger, "a")
    ledger.anchor()
    kind, value = found(home(old), chains=ledger.chains)
    assert kind == "anchor"
    assert value["finding"] == "chain 'embedded' has a head of 4 entries; the log shows 3"
    assert signed_head(value["checkpoint"], vkey(ledger))[0] < value["anchor"]["size"]


def test_a_chain_that_loses_a_confirmed_head_is_told(copy: Copy) -> None:
    ledger = copy("ledger")
    old = copy("old", of="ledger")
    register(ledger, "a")
    ledger.anchor()
    fine(home(ledger))
    kind, value = found(home(ledger), chains=old.chains)
    assert kind == "chain"
    assert (value["lost"]["size"], value["anchor"]["size"]) == (4, 3)
    assert found(home(ledger), chains=old.chains)[0] == "chain"
    fine(home(ledger))


def test_a_head_that_was_not_confirmed_may_go_again(copy: Copy) -> None:
    ledger = copy("ledger")
    old = copy("old", of="ledger")
    (pin,) = ledger.policy().chains
    patient = policy_with(ledger, confirmations=pin.confirmations + 1)
    register(ledger, "a")
    ledger.anchor()
    fine(home(ledger), policy=patient)
    look = once(home(ledger), policy=patient, chains=old.chains)
    assert look.round.findings == ()
    assert "it had 1 of 2 blocks" in look.round.notices[0]
    fine(home(ledger), policy=patient)


def policy_with(ledger: Ledger, **changes: Any) -> provenance.Policy:
    """The ledger's policy, with its chain pinned in another way."""
    value = json.loads(ledger.policy().to_bytes())
    value["chains"][0].update(changes)
    return provenance.Policy.parse(json.dumps(value).encode())


def test_a_chain_out_of_reach_leaves_it_undecided_and_another_contract_does_not(
    copy: Copy,
) -> None:
    ledger = copy("ledger")
    look = once(home(ledger), chains={"embedded": "http://127.0.0.1:9"})
    assert look.round.findings == ()
    assert "does not answer" in look.round.undecided[0]
    assert look.round.head
    look = once(home(ledger), policy=policy_with(ledger, chainId=1))
    assert "is on chain" in look.round.undecided[0]
    kind, value = found(home(ledger), policy=policy_with(ledger, codeSha256="00" * 32))
    assert kind == "chain"
    assert "the policy pins" in value["finding"]


def test_a_chain_inside_another_folder_is_not_asked_for(copy: Copy, faces: Any) -> None:
    ledger = copy("ledger")
    faces.show(ledger)
    look = fine(faces.url, policy=ledger.policy())
    assert look.round.notices == ("chain 'embedded': a file beside its ledger, not asked",)
    look = once(faces.url, policy=policy_with(ledger, embedded=False))
    assert "name a node of it" in look.round.undecided[0]


# --- whom to trust --------------------------------------------------------------------------------


def test_the_policy_is_the_one_given_or_saved_or_that_of_the_ledger(
    copy: Copy, faces: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = copy("ledger")
    faces.show(ledger)
    with pytest.raises(InputError, match=r"nobody is trusted for the log 'acme\.example/ml'"):
        once(faces.url)
    with monkeypatch.context() as within:
        within.chdir(home(ledger))
        assert fine(faces.url).round.anchored == {"embedded": 3}
        other = StaticLog.of([], origin="other.example/log")  # not of the ledger around
        with served(other) as server, pytest.raises(InputError, match="the log 'other"):
            once(server.url)
    policy = ledger.policy()
    trust.add(policy, fingerprint=policy.fingerprint, chains={})
    fine(faces.url)
    # A saved one counts for more than the ledger's own, which may have come with the data.
    (ledger.folder.path / "policy.json").write_bytes(policy_with(ledger, chainId=1).to_bytes())
    fine(home(ledger))
    trust.remove(policy.origin)
    assert once(home(ledger)).round.undecided
    with pytest.raises(InputError, match="pins no chain 'nonsense'"):
        once(home(ledger), chains={"nonsense": "http://127.0.0.1:9"})


def test_the_nodes_of_a_saved_policy_are_asked(copy: Copy, faces: Any) -> None:
    ledger = copy("ledger")
    faces.show(ledger)
    policy = ledger.policy()
    nobody = {"embedded": "http://127.0.0.1:9"}
    trust.add(policy, fingerprint=policy.fingerprint, chains=nobody)
    assert "127.0.0.1:9 does not answer" in once(faces.url).round.undecided[0]
    assert fine(faces.url, chains=ledger.chains).round.anchored == {"embedded": 3}


def test_nobody_there_is_undecided_and_the_next_round_may_find_it(
    copy: Copy, faces: Any, tmp_path: Path
) -> None:
    ledger = copy("ledger")
    shutil.copytree(home(ledger), tmp_path / "new")
    with Watch("http://127.0.0.1:9") as watch, pytest.raises(SourceError, match="does not answer"):
        watch.round()
    look = once("http://127.0.0.1:9", policy=ledger.policy(), chains=ledger.chains)
    assert "does not answer" in look.round.undecided[0]
    assert look.round.state is None
    with pytest.raises(LedgerError, match="no ledger in"):
        Watch(str(tmp_path / "nowhere"))


# --- what is kept ---------------------------------------------------------------------------------


def test_the_state_is_one_file_for_each_log(copy: Copy, tmp_path: Path) -> None:
    ledger = copy("ledger")
    fine(home(ledger))
    (file,) = (tmp_path / "state" / "provenance" / "monitor").glob("*.json")
    assert State.parse(file.read_bytes()).head.size == 3
    fine(home(ledger), state=tmp_path / "deep" / "own.json")
    assert (tmp_path / "deep" / "own.json").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:-40], r"own\.json is damaged: .*Bring it back from a copy"),
        (lambda data: b"", r"own\.json is damaged: .*Bring it back from a copy"),
        (
            lambda data: data.replace(b"\\n3\\n", b"\\n4\\n"),
            "not signed by a log key of the policy",
        ),
    ],
)
def test_a_damaged_state_is_said_and_left_as_it_is(
    copy: Copy, tmp_path: Path, damage: Callable[[bytes], bytes], said: str
) -> None:
    ledger = copy("ledger")
    state = tmp_path / "own.json"
    fine(home(ledger), state=state)
    state.write_bytes(damaged := damage(state.read_bytes()))
    with pytest.raises(InputError, match=said):
        once(home(ledger), state=state)
    assert state.read_bytes() == damaged


def test_the_state_of_another_log_is_refused(copy: Copy, tmp_path: Path) -> None:
    state = tmp_path / "own.json"
    fine(home(copy("ledger")), state=state)
    other = policy(origin="other.example/log", log_keys=())
    with pytest.raises(InputError, match=r"of the log 'acme\.example/ml', not of 'other"):
        once(home(copy("two")), policy=other, state=state)


def test_evidence_is_kept_as_of_the_first_time(copy: Copy, tmp_path: Path) -> None:
    one, two = copy("one"), copy("two")
    register(one, "a")
    register(two, "x")
    one.anchor()
    two.anchor()
    folder = tmp_path / "a" / "b"
    fine(home(one))
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    first = once(home(two), chains=one.chains, evidence=folder, clock=lambda: noon)
    (file,) = first.files
    before = file.read_bytes()
    assert json.loads(before)["time"] == "2026-01-31T12:00:00Z"
    assert file.parent == folder
    assert once(home(two), chains=one.chains, evidence=folder).files == (file,)
    assert file.read_bytes() == before
    assert list(folder.iterdir()) == [file]
    blocked = once(home(two), chains=one.chains, evidence=file)
    assert blocked.trouble
    assert "cannot make" in blocked.trouble
    assert len(blocked.round.findings) == 1


def test_a_state_that_cannot_be_written_is_an_error(
    copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LedgerError("disk full")

    ledger = copy("ledger")
    monkeypatch.setattr("provenance.ledger.watching.write_file", fail)
    with pytest.raises(LedgerError, match="disk full"):
        once(home(ledger))


# --- kill -9 --------------------------------------------------------------------------------------


FOLLOW = """
import sys
from pathlib import Path
from provenance.ledger.watching import Watch
from provenance.monitoring import reading

reading.SAVED_EVERY = 256
with Watch(sys.argv[1], policy=sys.argv[2], state=Path(sys.argv[3])) as watch:
    while True:
        found = watch.round().round
        assert not found.findings, found.findings
        print(found.head.size if found.head else 0, flush=True)
"""


def test_killed_at_any_moment_it_remembers_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    entries = [entry(number) for number in range(4000)]
    state, policy_file = tmp_path / "state.json", tmp_path / "policy.json"
    policy_file.write_bytes(policy().to_bytes())
    size = 300
    with served(StaticLog.of(entries[:size])) as server:
        for _ in range(2):
            with killed_after(random.uniform(0.05, 0.4), server.url, policy_file, state) as said:
                while said.poll() is None:
                    size += 37
                    server.log.grow(entries[:size])
                told = [int(line) for line in said.stdout or ()]
            seen = State.parse(state.read_bytes())
            assert max(told, default=0) <= seen.head.size <= size
            assert signed_head(seen.checkpoint, static_vkey(KEY))[0] == seen.head.size
        look = fine(server.url, policy=policy_file, state=state)
        assert look.round.head
        assert look.round.head.size == size
        fork = StaticLog.of([*entries[: size - 1], entry(0, "fork"), *entries[:50]])
        server.log.note, server.log.files = fork.note, fork.files
        assert found(server.url, policy=policy_file, state=state)[0] == "fork"


@contextmanager
def killed_after(
    seconds: float, url: str, policy_file: Path, state: Path
) -> Iterator[subprocess.Popen[str]]:
    """Run a monitor, and kill it so long after it first spoke."""
    process = subprocess.Popen(
        [sys.executable, "-c", FOLLOW, url, policy_file, state],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    with process.stdout:
        assert process.stdout.readline()
        threading.Timer(seconds, process.kill).start()
        yield process
        assert process.wait() == -signal.SIGKILL
