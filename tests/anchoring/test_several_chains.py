"""One ledger on two nodes and its embedded chain, by the command line; and what goes wrong there.

The nodes are anvil. A block that one takes back, an account that hands over, a URL that leads to
another chain: after each of them the history is one, and a stranger can verify it on every chain.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from sample_log import ALICE, BOB

import provenance
from provenance.anchoring import RpcReader, latest_head
from provenance.anchoring.account import account_to_pem
from provenance.cli.app import main
from provenance.ledger import publishing
from provenance.ledger.anchors import AnchorRecord


@dataclass
class Home:
    """A folder with a ledger, and two nodes."""

    folder: Path
    first: str
    second: str
    capture: pytest.CaptureFixture[str]

    def run(self, *arguments: str, status: int = 0) -> Any:
        """Run a command with --json; return what it printed."""
        with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
            main([*arguments, "--json"])
        said = self.capture.readouterr()
        assert ended.value.code == status, (arguments, said)
        return json.loads(said.out)

    def key(self, name: str, secret: bytes) -> str:
        path = self.folder / ".provenance" / "keys" / name
        path.write_bytes(account_to_pem(secret, None))
        path.chmod(0o600)
        return str(path)


@pytest.fixture
def home(
    tmp_path: Path,
    start_anvil: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Home:
    folder = tmp_path / "home"
    provenance.Ledger.init(folder, origin="several.example/log").close()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("PROVENANCE_PASSPHRASE", raising=False)
    first = start_anvil("--chain-id", "31001", "--slots-in-an-epoch", "4")
    second = start_anvil("--chain-id", "31002", "--slots-in-an-epoch", "4")
    monkeypatch.setenv("SECOND_NODE", second)
    return Home(folder, first, second, capsys)


def test_one_account_sends_one_transaction_at_a_time(
    home: Home, start_anvil: Callable[..., str]
) -> None:
    """Two contracts on one chain, and a third that is made meanwhile: none replaces another."""
    url = start_anvil("--block-time", "0.3", "--chain-id", "31003")
    alice = home.key("alice.pem", ALICE)
    made: list[publishing.Deployed] = []
    with provenance.Ledger.open(home.folder) as ledger:
        for name in ("one", "two"):
            ledger.add_chain(name, url, account=alice, confirmations=1)
        deploying = threading.Thread(
            target=lambda: made.append(publishing.deploy(ledger, url, account=alice))
        )

        def told(anchor: AnchorRecord) -> None:
            if (anchor.chain, anchor.state) == ("one", "submitted"):
                deploying.start()

        anchors = ledger.anchor("one", "two", told=told)
        deploying.join(60)
    assert [anchor.size for anchor in anchors] == [2, 2]
    node = RpcReader(url)
    assert node.code(made[0].contract)
    sent = node._ask("eth_getTransactionCount", made[0].account, "latest")
    assert int(sent, 16) == 4 + 2 + 1


def test_three_chains_a_reorg_and_a_handover(home: Home) -> None:
    alice, bob = home.key("alice.pem", ALICE), home.key("bob.pem", BOB)
    (home.folder / "rows.jsonl").write_text('{"id":1}\n{"id":2}\n')
    home.run("register", "rows.jsonl", "--name", "rows", "--sensitivity", "internal")
    more = ("--account", alice, "--confirmations", "2", "--max-fee", "100")
    home.run("chain", "add", "one", home.first, *more)
    home.run("chain", "add", "two", "env:SECOND_NODE", *more)
    anchors = home.run("anchor")["anchors"]
    assert [(a["chain"], a["size"]) for a in anchors] == [("embedded", 3), ("one", 3), ("two", 3)]
    assert [a["state"] for a in anchors] == ["final", "mined", "mined"]
    assert len({a["root"] for a in anchors}) == 1

    # The first node takes the block back.
    one, two = RpcReader(home.first), RpcReader(home.second)
    one._ask("anvil_reorg", 1, [])
    (wrong,) = home.run("chain", "status", "one", status=1)["chains"]
    assert "is gone: anchor again" in wrong["wrong"][0]
    again = {a["chain"]: a for a in home.run("anchor")["anchors"]}
    assert again["one"]["block_hash"] != anchors[1]["block_hash"]
    assert again["two"]["block_hash"] == anchors[2]["block_hash"]
    for node in (one, two):
        node._ask("anvil_mine", "0x1")

    # The second is handed over to another account.
    to = Account.from_key(BOB).address
    assert home.run("chain", "balance", "two", "--account", bob)["account"] == to.lower()
    home.run("chain", "accept-publisher", "two", "--account", bob, status=2)
    home.run("chain", "transfer-publisher", "two", to)
    (offered,) = home.run("chain", "status", "two")["chains"]
    assert offered["offered_to"] == to.lower() != offered["publisher"]
    for _ in range(2):  # a second time, as after a crash
        accepted = home.run("chain", "accept-publisher", "two", "--account", bob)
        assert accepted == {"chain": "two", "publisher": to.lower()}

    (home.folder / "more.jsonl").write_text('{"id":3}\n')
    home.run("register", "more.jsonl", "--name", "more", "--sensitivity", "internal")
    grown = home.run("anchor")["anchors"]
    assert [a["size"] for a in grown] == [4, 4, 4]
    for node in (one, two):
        node._ask("anvil_mine", "0x1")
    states = {a["chain"]: a["state"] for a in home.run("anchor")["anchors"]}
    assert states == {"embedded": "final", "one": "confirmed", "two": "confirmed"}
    reports = home.run("chain", "status")["chains"]
    assert [r["publisher"] for r in reports[1:]] == [
        Account.from_key(ALICE).address.lower(),
        to.lower(),
    ]
    assert all(r["publisher"] == r["account"] and r["contract_size"] == 4 for r in reports)

    # A stranger with the exported policy verifies both artifacts against each node alone.
    home.run("policy", "export", "-o", "policy.json")
    for name, data in (("rows", "rows.jsonl"), ("more", "more.jsonl")):
        home.run("prove", name, "-o", f"{name}.json")
        for chain, url in (("one", home.first), ("two", home.second)):
            told = home.run(
                *("verify", data, "--bundle", f"{name}.json", "--policy", "policy.json"),
                *("--rpc", f"{chain}={url}"),
            )
            assert chain in [anchor["chain"] for anchor in told["anchors"]], (name, chain)
    # Old and new head stand in one contract, under one ledger id.
    with provenance.Ledger.open(home.folder) as ledger:
        pins = {pin.name: pin for pin in ledger.policy().chains}
    for name, node in (("one", one), ("two", two)):
        head = latest_head(node, pins[name].contract, pins[name].ledger_id)
        assert head is not None
        assert head.size == 4
    assert "SECOND_NODE" in (home.folder / ".provenance" / "config.toml").read_text()
