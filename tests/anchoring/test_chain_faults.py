"""A ledger whose node is another one, lost its state or breaks off: nothing is sent by mistake."""

from __future__ import annotations

import json
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from eth_keyfile.keyfile import create_keyfile_json
from loose_node import Answer, Node, relaying, result, sending
from sample_log import ALICE

import provenance
from provenance.anchoring import RpcReader, latest_head
from provenance.anchoring.account import account_from_file, account_to_pem, generate_account
from provenance.errors import (
    ChainError,
    ChainUnreachableError,
    InputError,
    LedgerError,
)
from provenance.ledger import publishing
from provenance.ledger.sending import WATCHED_BLOCKS

FREE = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee")
NOBODY = "http://127.0.0.1:9"


class Scene:
    """A ledger with its account, and a node of its own that it anchors to."""

    def __init__(self, ledger: provenance.Ledger, url: str) -> None:
        self.ledger = ledger
        self.node = RpcReader(url)
        self.pin = ledger.add_chain("main", url, confirmations=1)

    def configure(self, key: str, value: object) -> None:
        """Edit a line of config.toml, as a person would."""
        path = self.ledger.folder.config
        text, times = re.subn(f"{key} = .*", f"{key} = {json.dumps(value)}", path.read_text())
        assert times == 1
        path.write_text(text)

    def sent(self) -> int:
        """How many transactions of the account the node has."""
        address, _ = publishing.account_of(self.ledger, "main")
        return int(self.node._ask("eth_getTransactionCount", address, "pending"), 16)

    def head_size(self) -> int:
        head = latest_head(self.node, self.pin.contract, self.pin.ledger_id)
        return 0 if head is None else head.size


@pytest.fixture(scope="module")
def free_node(start_anvil: Callable[..., str]) -> str:
    return start_anvil(*FREE, "--chain-id", "777")


@pytest.fixture
def scene(tmp_path: Path, free_node: str) -> Iterator[Scene]:
    with provenance.Ledger.init(tmp_path, origin="faults.example/log") as ledger:
        yield Scene(ledger, free_node)


def test_a_node_of_another_chain(scene: Scene, anvil: str) -> None:
    scene.configure("url", anvil)
    with pytest.raises(ChainError, match=r"is on chain 31337; the policy pins 777"):
        scene.ledger.anchor("main")
    report = publishing.report(scene.ledger, "main")
    assert "is on chain 31337" in report.wrong[0]


def test_a_node_that_lost_its_state(scene: Scene, start_anvil: Callable[..., str]) -> None:
    scene.ledger.anchor()
    fresh = start_anvil(*FREE, "--chain-id", "777")
    scene.configure("url", fresh)
    with pytest.raises(
        ChainError, match=r"no contract at 0x\w+ .* lost its state.* Bring its data"
    ):
        scene.ledger.anchor("main")
    assert RpcReader(fresh).head() == 0, "nothing was sent"
    assert "no contract" in publishing.report(scene.ledger, "main").wrong[0]


def test_a_chain_that_is_gone_and_another_of_its_name(
    scene: Scene, start_anvil: Callable[..., str]
) -> None:
    """What stood in the old contract is not taken for what stands in the new one."""
    scene.ledger.register([{"id": 1}], name="rows")
    scene.ledger.anchor("main")
    folder, policy = scene.ledger.folder, scene.ledger.policy()
    kept = {name: scene.ledger.chains.configured(name) for name in ("embedded",)}
    folder.configure(chains=kept)
    pins = tuple(pin for pin in policy.chains if pin.name != "main")
    folder.policy.write_bytes(replace(policy, chains=pins).to_bytes())

    assert scene.ledger.chains["main"].head(), "the old node, open"
    fresh = start_anvil(*FREE, "--chain-id", "778")
    scene.ledger.add_chain("main", fresh, confirmations=1)
    assert [anchor for anchor in scene.ledger.anchors() if anchor.chain == "main"] == []
    assert scene.ledger.anchor_due("main")
    assert publishing.report(scene.ledger, "main").wrong == ()
    scene.ledger.anchor("main")
    verified = provenance.verify(
        scene.ledger.prove("rows"), policy=scene.ledger.policy(), chains=scene.ledger.chains
    )
    assert verified.anchors[0].anchor.chain_id == 778


@pytest.mark.parametrize(
    ("key", "value"),
    [("chainId", 778), ("contract", "0x" + "12" * 20), ("confirmations", 2)],
)
def test_config_and_policy_disagree(scene: Scene, key: str, value: object) -> None:
    scene.configure(key, value)
    before = scene.node.head()
    with pytest.raises(
        LedgerError, match=rf"main the {key} {value}, policy.json pins .*anchored on"
    ):
        scene.ledger.anchor()
    assert scene.node.head() == before
    assert [anchor.chain for anchor in scene.ledger.anchors()] == ["embedded"]
    assert f"{value}" in publishing.report(scene.ledger, "main").wrong[0]
    with pytest.raises(LedgerError, match=r"policy\.json pins"):
        publishing.offer(scene.ledger, "main", "0x" + "12" * 20)


def test_the_url_comes_from_the_environment(
    scene: Scene, free_node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.configure("url", "env:THE_NODE")
    with pytest.raises(InputError, match="main: THE_NODE is to hold the URL of a node"):
        scene.ledger.anchor("main")
    assert "THE_NODE" in publishing.report(scene.ledger, "main").wrong[0]
    monkeypatch.setenv("THE_NODE", free_node)
    assert scene.ledger.anchor("main")
    with provenance.Ledger.open(scene.ledger.folder.path) as again:
        assert again.chains["main"].head() == scene.node.head()
    assert again.chains.configured("main").shown == "env:THE_NODE"


@pytest.mark.parametrize("mined", [True, False])
def test_broken_off_after_the_broadcast(
    scene: Scene, node: Node, free_node: str, mined: bool
) -> None:
    """Whether it was mined or not, the next run sends no second one."""

    def change(request: dict[str, Any], said: dict[str, Any]) -> Answer | None:
        lost = request["method"] == "eth_sendRawTransaction"
        return sending(b"gone", 504) if lost else None

    scene.node._ask("evm_setAutomine", mined)
    try:
        before = scene.sent()
        node.answer = relaying(free_node, change)
        scene.configure("url", node.url)
        with pytest.raises(ChainUnreachableError, match="HTTP 504"):
            scene.ledger.anchor("main")
        (submitted,) = scene.ledger.anchors()
        assert (submitted.state, submitted.block, submitted.nonce) == ("submitted", None, before)
        scene.configure("url", free_node)
        if not mined:
            scene.node._ask("evm_mine")
        (found,) = scene.ledger.anchor("main")
        assert (found.tx_hash, found.state) == (submitted.tx_hash, "confirmed")
        assert scene.sent() == before + 1
        assert scene.head_size() == found.size
    finally:
        scene.node._ask("evm_setAutomine", True)


def test_in_flight_while_the_log_grows(scene: Scene) -> None:
    """The next, larger head replaces it, or comes after it: never beside it."""
    before = scene.sent()
    scene.node._ask("evm_setAutomine", False)
    try:

        def give_up(_: float) -> bool:
            return True

        with pytest.raises(ChainUnreachableError, match="not waited for"):
            scene.ledger.anchor("main", pause=give_up)
        scene.ledger.register([{"id": 1}], name="more")
        scene.node._ask("evm_mine")
    finally:
        scene.node._ask("evm_setAutomine", True)
    (newest,) = scene.ledger.anchor("main")
    assert [(a.size, a.state) for a in scene.ledger.anchors()] == [
        (2, "confirmed"),
        (newest.size, "confirmed"),
    ]
    assert scene.sent() == before + 2


def test_a_transaction_that_another_one_replaced(scene: Scene) -> None:
    """A smaller head that was sent and overtaken is forgotten: it can never be mined."""
    scene.node._ask("evm_setAutomine", False)
    try:
        with pytest.raises(ChainUnreachableError):
            scene.ledger.anchor("main", pause=lambda _: True)
        (sent,) = scene.ledger.anchors()
        scene.node._ask("anvil_dropTransaction", f"0x{sent.tx_hash.hex()}")
    finally:
        scene.node._ask("evm_setAutomine", True)
    scene.ledger.register([{"id": 1}], name="more")
    (newest,) = scene.ledger.anchor("main")
    assert scene.ledger.anchors() == [newest]
    assert newest.nonce == sent.nonce


def test_a_refused_anchor_leaves_nothing_behind(scene: Scene) -> None:
    """The publisher is somebody else by now."""
    to = "0x" + "ab" * 20
    publishing.offer(scene.ledger, "main", to.upper().replace("X", "x"))
    scene.node._ask("anvil_impersonateAccount", to)
    accept = "0x" + _selector("acceptPublisher(bytes32)") + scene.pin.ledger_id.hex()
    sent = {"from": to, "to": scene.pin.contract, "data": accept, "gasPrice": "0x0"}
    scene.node._ask("eth_sendTransaction", sent)
    while publishing.report(scene.ledger, "main").publisher != to:
        pass
    with pytest.raises(ChainError, match=f"NotPublisher .*publisher {to}"):
        scene.ledger.anchor("main")
    assert scene.ledger.anchors() == []
    assert f"is not the publisher, {to} is" in publishing.report(scene.ledger, "main").wrong[0]


def _selector(signature: str) -> str:
    from eth_utils.crypto import keccak

    return keccak(signature.encode())[:4].hex()


def test_another_folder_takes_over_and_the_history_goes_on(
    scene: Scene, tmp_path: Path, free_node: str
) -> None:
    scene.ledger.register([{"id": 1}], name="ours")
    scene.ledger.anchor("main")
    shutil.copytree(scene.ledger.folder.path, tmp_path / "theirs" / ".provenance")
    with provenance.Ledger.open(tmp_path / "theirs") as theirs:
        key = theirs.folder.keys / "second.pem"
        key.write_bytes(account_to_pem(generate_account(), None))
        key.chmod(0o600)
        to, _ = publishing.account_of(theirs, "main", key)
        publishing.offer(scene.ledger, "main", to)
        assert publishing.accept(theirs, "main", key) == to
        last = theirs.register([{"id": 2}], name="theirs")
        (anchor,) = theirs.anchor("main")
        assert (anchor.size, anchor.state) == (4, "confirmed")
        assert theirs.chains.configured("main").account == "keys/second.pem"
        policy = scene.ledger.policy()
        verified = provenance.verify(theirs.prove(last), policy=policy, chains={"main": free_node})
        assert verified.anchors[0].anchor.ledger_id == scene.pin.ledger_id
    scene.ledger.register([{"id": 3}], name="a fork")
    with pytest.raises(ChainError, match="head of 4 entries that this log of 4 does not have"):
        scene.ledger.anchor("main")


def test_a_node_out_of_reach_is_reported_as_that(scene: Scene) -> None:
    scene.configure("url", NOBODY)
    report = publishing.report(scene.ledger, "main")
    assert report.unreachable is not None
    assert not report.wrong


def silent(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
    handler.close_connection = True


@pytest.mark.parametrize(
    "answer",
    [silent, sending(b"<html>"), result([]), result({"x": 1})],
    ids=["silent", "html", "list", "object"],
)
def test_a_node_that_answers_garbage_at_each_question(
    scene: Scene, node: Node, free_node: str, answer: Answer
) -> None:
    """Whatever it says and whenever: an error of ours, and one anchor in the end."""
    before = scene.sent()
    for method in (
        *("eth_chainId", "eth_getCode", "eth_blockNumber", "eth_call", "eth_getLogs"),
        *("eth_getTransactionCount", "eth_estimateGas", "eth_gasPrice", "eth_sendRawTransaction"),
        "eth_getTransactionReceipt",
    ):

        def change(request: dict[str, Any], said: dict[str, Any]) -> Answer | None:
            return answer if request["method"] == method else None  # noqa: B023

        node.answer = relaying(free_node, change)
        scene.configure("url", node.url)
        with pytest.raises(ChainError) as caught:
            scene.ledger.anchor("main")
        assert "secret" not in str(caught.value)
        scene.configure("url", free_node)
        scene.ledger.register([{"after": method}], name="more")
    scene.ledger.anchor("main")
    logs = scene.node._logs(scene.pin.contract, scene.pin.ledger_id, 0, scene.node.head())
    sizes = [int(log["topics"][2], 16) for log in logs]
    assert sizes == [anchor.size for anchor in scene.ledger.anchors()]
    assert scene.sent() == before + len(sizes)


def test_a_chain_that_calls_nothing_final_is_watched_so_deep_and_no_deeper(
    scene: Scene, node: Node, free_node: str
) -> None:
    looked_at: list[str] = []

    def change(request: dict[str, Any], said: dict[str, Any]) -> None:
        if request["method"] == "eth_getBlockByNumber":
            looked_at.append(request["params"][0])
            if request["params"][0] == "finalized":
                said.pop("result")
                said["error"] = {"code": -32601, "message": "unknown tag"}

    node.answer = relaying(free_node, change)
    scene.configure("url", node.url)
    (anchor,) = scene.ledger.anchor("main")
    assert (anchor.state, anchor.block is None) == ("confirmed", False)
    for blocks, watched in ((WATCHED_BLOCKS - 1, True), (1, False)):
        scene.node._ask("anvil_mine", hex(blocks))
        looked_at.clear()
        assert scene.ledger.anchor("main") == [anchor]
        assert (hex(anchor.block or 0) in looked_at) == watched
        assert scene.ledger.anchor_due("main") == watched


def test_interrupted_it_waits_for_no_block(scene: Scene) -> None:
    scene.node._ask("evm_setAutomine", False)
    main = threading.main_thread().ident or 0
    timer = threading.Timer(0.5, lambda: signal.pthread_kill(main, signal.SIGINT))
    started = time.monotonic()
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            scene.ledger.anchor("main")
    finally:
        scene.node._ask("evm_mine")
        scene.node._ask("evm_setAutomine", True)
    assert time.monotonic() - started < 60
    (anchor,) = scene.ledger.anchor("main")
    assert anchor.nonce is not None, "the one that was sent then"


# --- accounts -----------------------------------------------------------------------------------


def keystore(secret: bytes, passphrase: bytes) -> bytes:
    return json.dumps(create_keyfile_json(secret, passphrase, kdf="pbkdf2", iterations=2)).encode()


def test_an_account_from_an_ethereum_keystore(
    scene: Scene, anvil: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alice.json"
    path.write_bytes(keystore(ALICE, b"horse"))
    path.chmod(0o600)
    with pytest.raises(InputError, match=r"alice.json is encrypted and no passphrase was given"):
        scene.ledger.add_chain("paid", anvil, account=path)
    with provenance.Ledger.open(tmp_path, passphrase="horse") as ledger:
        ledger.add_chain("paid", anvil, account=path, confirmations=1, max_fee="90 gwei")
        (anchor,) = ledger.anchor("paid")
        assert anchor.state == "confirmed"
        configured = ledger.chains.configured("paid")
        assert (configured.account, configured.max_fee) == (str(path), "90 gwei")
        with pytest.raises(InputError, match='"30 gwei"'):
            ledger.add_chain("more", anvil, account=path, max_fee="90 wei")


@pytest.mark.parametrize(
    ("data", "passphrase", "reason"),
    [
        (keystore(ALICE, b"horse"), b"cow", "wrong passphrase"),
        (b"{}", b"horse", "not a keystore of version 3"),
        (b'{"version": 9}', b"horse", "not a keystore of version 3"),
        (b'{"version": 3, "crypto": 7}', b"horse", "not a keystore of version 3"),
        (b'{"version": 3, "crypto": {"kdf": "x"}}', b"horse", "not a keystore of version 3"),
        (b"{", b"horse", "not JSON"),
    ],
)
def test_what_is_no_keystore(data: bytes, passphrase: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        account_from_file(data, passphrase, name="it")
