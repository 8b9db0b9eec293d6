"""`provenance anchor --every`: ended and started at any moment, it never sends a head twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import provenance
from provenance.anchoring import RpcReader
from provenance.errors import InputError
from provenance.ledger import publishing, rounds
from provenance.ledger.rounds import Event, Rounds

ROOT = Path(__file__).parents[2]
FREE = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee")
NOBODY = "http://127.0.0.1:9"
ANCHORED = "0x7196d6002b555d592bc808cc522b6e167501be1b6185fd206cd187b7330acf7a"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[provenance.Ledger]:
    with provenance.Ledger.init(tmp_path, origin="rounds.example/log") as ledger:
        yield ledger


class Told:
    """Keeps the events, and lets a test wait for one."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._more = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._more:
            self.events.append(event)
            self._more.notify_all()

    def wait_for(self, wanted: Callable[[Event], bool], times: int = 1) -> None:
        def seen() -> bool:
            return sum(map(wanted, self.events)) >= times

        with self._more:
            assert self._more.wait_for(seen, timeout=60), self.events


@contextmanager
def running(ledger: provenance.Ledger, every: float, *names: str) -> Iterator[Told]:
    told = Told()
    made = Rounds(ledger, every, names, told)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield told
    finally:
        made.stop()
        thread.join(30)
    assert not thread.is_alive()


def test_it_anchors_when_the_log_grew_and_covers_everything_since(
    ledger: provenance.Ledger,
) -> None:
    with running(ledger, 0.05) as told:
        told.wait_for(lambda e: e.anchor is not None and e.anchor.state == "final")
        height = ledger.chains["embedded"].head()
        for number in range(3):
            ledger.register([{"id": number}], name="rows")
        told.wait_for(lambda e: e.anchor is not None and e.anchor.size == 5)
    events = [event.what for event in told.events]
    assert (events[0], events[-1]) == ("started", "stopped")
    assert "failed" not in events
    assert ledger.chains["embedded"].head() - height <= 3
    assert not ledger.anchor_due("embedded")


def test_nothing_is_asked_of_a_chain_while_nothing_can_change(
    ledger: provenance.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.anchor()
    asked = threading.Event()
    due = ledger.anchor_due

    def anchor_due(name: str) -> bool:
        asked.set()
        return due(name)

    monkeypatch.setattr(ledger, "anchor_due", anchor_due)
    monkeypatch.setattr(ledger, "anchor", lambda *_, **__: pytest.fail("there was no reason to"))
    with running(ledger, 0.01) as told:
        assert asked.wait(10)
    assert [event.what for event in told.events] == ["started", "stopped"]


def test_a_chain_that_fails_is_tried_again_later_and_holds_up_no_other(
    ledger: provenance.Ledger, start_anvil: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "FIRST_RETRY", 0.01)
    url = start_anvil(*FREE)
    ledger.add_chain("main", url, confirmations=1)
    config = ledger.folder.config.read_text()
    ledger.folder.config.write_text(config.replace(url, NOBODY))
    with running(ledger, 0.1) as told:
        told.wait_for(lambda e: e.what == "failed", times=6)
        told.wait_for(lambda e: e.anchor is not None and e.chain == "embedded")
        corrected = ledger.folder.config.with_name("corrected")
        corrected.write_text(config)
        corrected.replace(ledger.folder.config)  # whole or not at all: rounds go on meanwhile
        told.wait_for(
            lambda e: e.chain == "main" and e.anchor is not None and e.anchor.state == "confirmed"
        )
    failures = [event for event in told.events if event.what == "failed"]
    assert {(event.chain, NOBODY in str(event.error)) for event in failures} == {("main", True)}, [
        str(event.error) for event in failures
    ]
    assert [event.again_in for event in failures[:5]] == [0.01, 0.02, 0.04, 0.08, 0.1]


def test_ended_while_it_waits_for_a_block(
    ledger: provenance.Ledger, start_anvil: Callable[..., str]
) -> None:
    url = start_anvil(*FREE)
    ledger.add_chain("main", url, confirmations=1)
    node = RpcReader(url)
    node._ask("evm_setAutomine", False)
    with running(ledger, 60, "main") as told:
        told.wait_for(lambda e: e.anchor is not None and e.anchor.state == "submitted")
    assert [event.what for event in told.events] == ["started", "anchor", "stopped"]
    node._ask("evm_mine")
    height = node.head()
    (found,) = ledger.anchor("main")
    assert (found.state, found.block, node.head()) == ("confirmed", height, height)


def test_a_fault_ends_the_rounds(
    ledger: provenance.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(ledger, "anchor_due", broken)
    with pytest.raises(ZeroDivisionError):
        Rounds(ledger, 60).run()
    with pytest.raises(InputError, match="pins no chain 'nowhere'"):
        Rounds(ledger, 60, ["nowhere"])


def test_the_command_ends_cleanly_on_sigterm(ledger: provenance.Ledger) -> None:
    command = "from provenance.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", command, "anchor", "--every", "1s", "--json"],
        cwd=ledger.folder.path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("anchor", {}).get("state") == "final":
                break
        process.send_signal(signal.SIGTERM)
        rest = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert [event["event"] for event in rest] == ["stopped"]
    assert ledger.anchors()[0].state == "final"


KILLED = """
import os, random, signal, time
import provenance, provenance.ledger.ledger, provenance.anchoring.rpc
from provenance.ledger.rounds import Rounds

rng = random.Random(7)
kills, anchored = 0, 0
while kills < 5 or anchored < 3:
    children = []
    for _ in range(1 + kills % 2):
        children.append(os.fork())
        if children[-1] == 0:
            with provenance.Ledger.open() as ledger:
                Rounds(ledger, 0.02, ["main"]).run()
    until = time.monotonic() + rng.uniform(0.1, 1.0)
    with provenance.Ledger.open() as ledger:
        while time.monotonic() < until:
            ledger.register([{"round": kills, "at": time.monotonic()}], name="rows")
            time.sleep(0.02)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    kills += 1
    with provenance.Ledger.open() as ledger:
        anchored = sum(anchor.block is not None for anchor in ledger.anchors())
"""


def test_killed_at_random_it_never_sends_a_head_twice(
    ledger: provenance.Ledger, start_anvil: Callable[..., str]
) -> None:
    """Every transaction of the account is accounted for: two to register, one for each head."""
    url = start_anvil(*FREE, "--block-time", "0.5")
    pin = ledger.add_chain("main", url, confirmations=2)
    node = RpcReader(url)
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED],
        cwd=ledger.folder.path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=120,
    )
    while True:
        (newest,) = ledger.anchor("main")
        if newest.state != "mined":
            break
    logs = node._logs(pin.contract, pin.ledger_id, 0, node.head())
    sizes = [int(log["topics"][2], 16) for log in logs]
    assert sizes == sorted(set(sizes))
    address, _ = publishing.account_of(ledger, "main")
    sent = int(node._ask("eth_getTransactionCount", address, "latest"), 16)
    assert sent == 2 + len(sizes)
    assert [anchor.size for anchor in ledger.anchors()] == sizes
    assert {anchor.state for anchor in ledger.anchors()} <= {"confirmed", "final"}
    assert newest.size == ledger.status().size
