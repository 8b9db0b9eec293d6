"""A ledger keeps what proves its anchors; whoever trusts a block's hash needs no node for them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loose_node import Answer, Node, relaying, sending

import provenance
from provenance.anchoring import RpcReader, StateProof
from provenance.anchoring.rpc import RpcChain
from provenance.anchoring.state import block_hash_of
from provenance.errors import InputError, UndecidedError, VerificationError
from provenance.ledger.anchors import AnchorRecord
from provenance.ledger.states import keep_state_proof
from provenance.verification import Bundle, Policy

FREE = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee")
NOBODY = "http://127.0.0.1:9"
ROW = {"id": 7, "text": "hello"}


class Scene:
    """A ledger that anchored a data set to a node, and what it hands out."""

    def __init__(self, folder: Path, url: str, confirmations: int = 1) -> None:
        self.ledger = provenance.Ledger.init(folder, origin="offline.example/log")
        self.ledger.add_chain("main", url, confirmations=confirmations)
        self.ledger.register([ROW, {"id": 8}], name="rows")
        self.url = url

    def anchor(self) -> AnchorRecord:
        (found,) = self.ledger.anchor("main")
        return found

    @property
    def policy(self) -> Policy:
        """As a stranger has it: the embedded chain is none of his."""
        policy = self.ledger.policy()
        return replace(policy, chains=tuple(pin for pin in policy.chains if not pin.embedded))

    def prove(self) -> Bundle:
        return self.ledger.prove("rows", record=ROW).bundle

    def state(self) -> StateProof | None:
        (proof,) = (p for p in self.prove().anchors if p.anchor.chain_id == 31337)
        return proof.state

    def verify(self, bundle: Bundle | None = None, **given: Any) -> provenance.Verified:
        """With nobody at the other end of the line."""
        given = {"policy": self.policy, "chains": {"main": NOBODY}, **given}
        return provenance.verify(bundle or self.prove(), record=ROW, **given)


def text(block_hash: bytes | None) -> str:
    assert block_hash is not None
    return f"0x{block_hash.hex()}"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, start_anvil: Callable[..., str]) -> Scene:
    scene = Scene(tmp_path_factory.mktemp("ledger"), start_anvil(*FREE))
    scene.anchor()
    return scene


@pytest.fixture
def anchor(scene: Scene) -> AnchorRecord:
    (found,) = (anchor for anchor in scene.ledger.anchors() if anchor.chain == "main")
    return found


def test_verified_without_the_node(scene: Scene, anchor: AnchorRecord) -> None:
    with pytest.raises(UndecidedError):
        scene.verify()
    assert anchor.block_hash is not None
    upper = f"0x{anchor.block_hash.hex().upper()}"
    for block_hash in (anchor.block_hash, text(anchor.block_hash), upper):
        verified = scene.verify(trusted_blocks={"main": block_hash})
        (anchored,) = verified.anchors
        assert (anchored.time, anchored.facts.final) == (anchor.block_time, True)
        assert verified.report["anchor"].finding.endswith("proven under the hash that you named")


def test_the_size_of_it(scene: Scene) -> None:
    """What docs/formats.md says of a small chain."""
    with_state = scene.prove()
    without = replace(
        with_state, anchors=tuple(replace(proof, state=None) for proof in with_state.anchors)
    )
    assert 1500 < len(with_state.to_bytes()) - len(without.to_bytes()) < 2500


def test_another_hash_or_none(scene: Scene, anchor: AnchorRecord) -> None:
    assert anchor.block is not None
    other = RpcReader(scene.url).block(anchor.block - 1)["hash"]
    with pytest.raises(VerificationError, match=f"is of the block {text(anchor.block_hash)}; you"):
        scene.verify(trusted_blocks={"main": other})
    for wrong in ("0x12", "12" * 32, "0x" + "g" * 64, text(anchor.block_hash) + "\n", bytes(31)):
        with pytest.raises(InputError, match="a block's hash"):
            scene.verify(trusted_blocks={"main": wrong})
    with pytest.raises(InputError, match="the policy pins no chain 'mian'; it pins main"):
        scene.verify(trusted_blocks={"mian": text(anchor.block_hash)})


def test_a_missing_library_is_named(
    scene: Scene, anchor: AnchorRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "provenance.anchoring.state")
    monkeypatch.setitem(sys.modules, "trie.hexary", None)
    with pytest.raises(InputError, match=r"needs trie.hexary: pip install 'provenance-ledger\[le"):
        scene.verify(trusted_blocks={"main": text(anchor.block_hash)})


def test_on_the_command_line(
    scene: Scene,
    anchor: AnchorRecord,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from provenance.cli import main

    bundle, policy = tmp_path / "row.json", tmp_path / "policy.json"
    bundle.write_bytes(scene.prove().to_bytes())
    policy.write_bytes(scene.policy.to_bytes())
    monkeypatch.chdir(tmp_path)

    def verify(*arguments: str) -> tuple[Any, dict[str, Any]]:
        with pytest.raises(SystemExit) as status:
            main(["verify", str(bundle), "--policy", str(policy), "--json", *arguments])
        return status.value.code or 0, json.loads(capsys.readouterr().out)

    status, found = verify("--trusted-block", f"main={text(anchor.block_hash)}")
    assert (status, found["verified"]) == (0, True)
    (shown,) = found["anchors"]
    assert (shown["block"], shown["confirmations"], shown["final"]) == (anchor.block, None, True)
    status, found = verify()
    assert (status, found["verified"]) == (3, None)
    assert f"or the hash of block {anchor.block}" in str(found["steps"])
    assert verify("--trusted-block", f"main=0x{'00' * 32}")[0] == 1
    assert verify("--trusted-block", "main=latest")[0] == 2
    assert verify("--trusted-block", text(anchor.block_hash))[0] == 2


# --- keeping it -----------------------------------------------------------------------------------


def test_asked_for_again_until_there_is_one_and_then_no_more(
    tmp_path: Path, start_anvil: Callable[..., str], node: Node
) -> None:
    url = start_anvil(*FREE)
    makes_proofs = False
    no = b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}}'

    def change(request: dict[str, Any], said: dict[str, Any]) -> Answer | None:
        return None if makes_proofs or request["method"] != "eth_getProof" else sending(no)

    node.answer = relaying(url, change)
    scene = Scene(tmp_path, node.url, confirmations=2)
    chain = RpcReader(url)

    def asked() -> int:
        return [request["method"] for request in node.requests].count("eth_getProof")

    assert scene.anchor().state == "mined"
    assert (asked(), scene.state()) == (1, None)
    makes_proofs = True
    chain._ask("anvil_mine", "0x2")
    assert scene.anchor().state == "confirmed"
    assert asked() == 2
    assert scene.state() is not None
    chain._ask("anvil_mine", "0x80")
    assert scene.anchor().state == "final"
    assert asked() == 2


def test_another_block_another_proof(tmp_path: Path, start_anvil: Callable[..., str]) -> None:
    scene = Scene(tmp_path, start_anvil(*FREE))
    first = scene.anchor()
    old = scene.prove()
    RpcReader(scene.url)._ask("anvil_reorg", 1, [])
    second = scene.anchor()
    assert second.block_hash != first.block_hash
    state = scene.state()
    assert state is not None
    assert block_hash_of(state.header) == second.block_hash
    assert scene.verify(trusted_blocks={"main": text(second.block_hash)})
    # What was handed out before still proves what it did: a block that was, and is no more.
    assert scene.verify(old, trusted_blocks={"main": text(first.block_hash)})
    with pytest.raises(VerificationError, match="you trust"):
        scene.verify(old, trusted_blocks={"main": text(second.block_hash)})


def test_only_of_what_the_chain_bears_out(scene: Scene, anchor: AnchorRecord) -> None:
    (pin,) = scene.policy.chains
    database, chain = scene.ledger._database, RpcChain(scene.url)
    for changes in (
        {"size": 99},
        {"size": 98, "root": bytes(31) + b"\1"},
        {"size": 97, "block": 10**6},
        {"size": 96, "block": None, "block_hash": None},
        {"size": 95, "block_hash": bytes(32)},
    ):
        assert not keep_state_proof(database, chain, pin, replace(anchor, **changes))
    assert keep_state_proof(database, chain, pin, anchor)
    assert not keep_state_proof(database, scene.ledger.chains["embedded"], pin, anchor)
