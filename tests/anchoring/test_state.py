"""Proofs of a chain's state from a node that makes them: asked for, and checked without it.

The tricks that a proof must not get away with are in tests/verification/test_state_proofs.py, and
what a ledger makes of them in tests/anchoring/test_offline.py.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import mainnet
import pytest
from eth.rlp.headers import BlockHeader
from eth.vm.forks.cancun.blocks import CancunBlockHeader
from eth.vm.forks.london.blocks import LondonBlockHeader
from eth.vm.forks.prague.blocks import PragueBlockHeader
from eth.vm.forks.shanghai.blocks import ShanghaiBlockHeader
from loose_node import Answer, Node, relaying, result, sending
from sample_log import ALICE, Log

from provenance.anchoring import (
    Anchor,
    AnchorError,
    ChainPin,
    RpcReader,
    StateProof,
    state,
)
from provenance.anchoring.contract import artifact
from provenance.anchoring.rpc import RpcChain
from provenance.anchoring.state import block_hash_of, capture_state, check_state, header_of
from provenance.errors import ChainError

# --- headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fork", ["GENESIS", "CANCUN", "OSAKA"])
def test_headers_of_the_main_network(fork: str) -> None:
    block: dict[str, str] = getattr(mainnet, fork)
    assert block_hash_of(header_of(block)).hex() == block["hash"][2:]


FORKS = {
    BlockHeader: (),
    LondonBlockHeader: ("base_fee_per_gas",),
    ShanghaiBlockHeader: ("base_fee_per_gas", "withdrawals_root"),
    CancunBlockHeader: (
        *("base_fee_per_gas", "withdrawals_root"),
        *("blob_gas_used", "excess_blob_gas", "parent_beacon_block_root"),
    ),
    PragueBlockHeader: (
        *("base_fee_per_gas", "withdrawals_root", "blob_gas_used", "excess_blob_gas"),
        *("parent_beacon_block_root", "requests_hash"),
    ),
}
NAMES = {  # of JSON-RPC, where it is not that of py-evm with capitals for underscores
    "uncles_hash": "sha3Uncles",
    "coinbase": "miner",
    "transaction_root": "transactionsRoot",
    "receipt_root": "receiptsRoot",
    "bloom": "logsBloom",
    "block_number": "number",
}
SIZES = {"coinbase": 20, "extra_data": 30, "nonce": 8, "bloom": 256}
NUMBERS = {
    *("difficulty", "block_number", "gas_limit", "gas_used", "timestamp"),
    *("base_fee_per_gas", "blob_gas_used", "excess_blob_gas"),
}
FIRST = ("parent_hash", "uncles_hash", "coinbase", "state_root", "transaction_root",
         "receipt_root", "bloom", "difficulty", "block_number", "gas_limit", "gas_used",
         "timestamp", "extra_data", "mix_hash", "nonce")  # fmt: skip


@pytest.mark.parametrize("fork", FORKS, ids=lambda fork: fork.__name__)
def test_headers_are_those_of_py_evm(fork: type[Any]) -> None:
    seed = random.Random(fork.__name__)
    for _ in range(20):
        values: dict[str, Any] = {}
        block = {"size": "0x1", "transactions": [], "totalDifficulty": "0x0"}
        for name in (*FIRST, *FORKS[fork]):
            head, *rest = name.split("_")
            key = NAMES.get(name, head + "".join(map(str.capitalize, rest)))
            if name in NUMBERS:
                values[name] = seed.choice([0, 1, 127, 128, 255, 256, seed.getrandbits(60)])
                block[key] = hex(values[name])
            else:
                values[name] = seed.randbytes(SIZES.get(name, 32))
                block[key] = "0x" + values[name].hex()
        values["bloom"] = int.from_bytes(values["bloom"], "big")
        assert block_hash_of(header_of(block)) == fork(**values).hash


@pytest.mark.parametrize(
    "changes",
    [{"number": None}, {"number": "x"}, {"number": "-0x1"}, {"number": 5}, {"miner": "0x0"},
     {"miner": 7}, {"miner": ["0x"]}, {"nonce": {}}, {"baseFeePerGas": "0x"}],
)  # fmt: skip
def test_a_block_without_the_header_of_one(changes: dict[str, Any]) -> None:
    with pytest.raises(ChainError, match="a block without the header of one"):
        header_of({**mainnet.GENESIS, **changes})
    with pytest.raises(ChainError, match="KeyError"):
        header_of({})


def test_storage_of_the_main_network() -> None:
    """The deposit contract's slot 1, and nothing where its proof leads not."""
    root, nodes = mainnet.DEPOSIT_STORAGE, mainnet.DEPOSIT_NODES
    value = state._proven(root, (1).to_bytes(32, "big"), nodes, "value")
    assert value == b"\xa0" + mainnet.DEPOSIT_SLOT_1
    for slot in (0, 2, 3):
        with pytest.raises(AnchorError, match="the state proof"):
            state._proven(root, slot.to_bytes(32, "big"), nodes, "value")


# --- a node -------------------------------------------------------------------------------------


@dataclasses.dataclass
class Scene:
    """Two anchors of a log on anvil; the first is the one that is proven."""

    url: str
    anchor: Anchor
    pin: ChainPin
    log: Log

    @property
    def reader(self) -> RpcReader:
        return RpcReader(self.url)

    @property
    def block_hash(self) -> bytes:
        return hash_of(self.reader, self.anchor.block)


def hash_of(reader: RpcReader, number: int) -> bytes:
    return bytes.fromhex(reader.block(number)["hash"][2:])


def anchored(chain: RpcChain, url: str, origin: str) -> Scene:
    log = Log(salt=origin)
    contract = chain.deploy()
    ledger_id = chain.register(contract, hashlib.sha256(origin.encode()).digest())
    receipt = chain.anchor(contract, ledger_id, 7, log.root(7), ())
    chain.anchor(contract, ledger_id, 9, log.root(9), log.proof(7, 9))
    pin = chain.pin(contract, ledger_id, confirmations=1, name="main")
    anchor = Anchor(
        chain_id=pin.chain_id,
        contract=contract,
        ledger_id=ledger_id,
        size=7,
        root=log.root(7),
        block=receipt.block,
    )
    return Scene(url, anchor, pin, log)


@pytest.fixture(scope="module")
def scene(anvil: str) -> Scene:
    return anchored(RpcChain(anvil, ALICE), anvil, "state.example")


@pytest.fixture(scope="module")
def proof(scene: Scene) -> StateProof:
    return capture_state(scene.reader, scene.anchor, scene.pin, block_hash=scene.block_hash)


def test_the_layout_is_the_compiler_s() -> None:
    variables = {
        variable["label"]: variable for variable in artifact()["storageLayout"]["variables"]
    }
    root_at = variables["rootAt"]
    assert (root_at["slot"], root_at["offset"]) == (state.ROOT_AT, 0)
    assert root_at["type"] == "mapping(bytes32 => mapping(uint64 => bytes32))"


def test_the_slot_is_where_the_contract_keeps_its_root(scene: Scene) -> None:
    reader, anchor = scene.reader, scene.anchor
    for size in (7, 9):
        slot = state.root_slot(anchor.ledger_id, size)
        held = reader._ask("eth_getStorageAt", anchor.contract, "0x" + slot.hex(), "latest")
        assert held == "0x" + scene.log.root(size).hex()


def test_what_a_node_shows_is_kept_and_holds_without_it(scene: Scene, proof: StateProof) -> None:
    facts = check_state(scene.anchor, scene.pin, proof, block_hash=scene.block_hash)
    assert facts.block_time == scene.reader.block_time(scene.anchor.block)
    assert (facts.confirmations, facts.final) == (None, True)
    assert block_hash_of(proof.header) == scene.block_hash
    # The block before knows nothing of it; the one after does, and is another block.
    for number in (scene.anchor.block - 1, scene.anchor.block + 1):
        anchor = replace(scene.anchor, block=number)
        there = hash_of(scene.reader, number)
        if number < scene.anchor.block:
            with pytest.raises(AnchorError, match="no root where it should be"):
                capture_state(scene.reader, anchor, scene.pin, block_hash=there)
        else:
            later = capture_state(scene.reader, anchor, scene.pin, block_hash=there)
            with pytest.raises(AnchorError, match="you trust"):
                check_state(scene.anchor, scene.pin, later, block_hash=scene.block_hash)


@pytest.mark.parametrize("fork", ["shanghai", "cancun", "prague", "osaka"])
def test_nodes_of_any_fork(start_anvil: Callable[..., str], fork: str) -> None:
    url = start_anvil("--hardfork", fork)
    other = anchored(RpcChain(url, ALICE), url, fork)
    assert capture_state(other.reader, other.anchor, other.pin, block_hash=other.block_hash)


def flips(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 7):
        yield data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def test_a_bit_here_and_there(scene: Scene, proof: StateProof) -> None:
    for part in ("account", "storage"):
        nodes = getattr(proof, part)
        for i, node in enumerate(nodes):
            for changed in flips(node):
                with pytest.raises(AnchorError, match="the state proof"):
                    check_state(
                        scene.anchor,
                        scene.pin,
                        replace(proof, **{part: (*nodes[:i], changed, *nodes[i + 1 :])}),
                        block_hash=scene.block_hash,
                    )
    for header in flips(proof.header):
        with pytest.raises(AnchorError, match="you trust"):
            check_state(
                scene.anchor,
                scene.pin,
                replace(proof, header=header),
                block_hash=scene.block_hash,
            )


# --- nodes that will not, or say something else ---------------------------------------------------


def changing(scene: Scene, method: str, **members: Any) -> Answer:
    def change(request: dict[str, Any], said: dict[str, Any]) -> None:
        if request["method"] == method:
            said["result"].update(members)

    return relaying(scene.url, change)


def refusing(scene: Scene, method: str) -> Answer:
    no = b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}}'

    def change(request: dict[str, Any], said: dict[str, Any]) -> Answer | None:
        return sending(no) if request["method"] == method else None

    return relaying(scene.url, change)


NODES = ["0x" + node.hex() for node in mainnet.DEPOSIT_NODES]


@pytest.mark.parametrize(
    ("members", "error", "match"),
    [
        ({"accountProof": None}, ChainError, "for eth_getProof"),
        ({"accountProof": [1]}, ChainError, "for eth_getProof"),
        ({"accountProof": "0x00"}, ChainError, "for eth_getProof"),
        ({"storageProof": []}, ChainError, "for eth_getProof"),
        ({"storageProof": [{}]}, ChainError, "for eth_getProof"),
        ({"storageProof": [{"proof": ["0xabc"]}]}, ChainError, "for eth_getProof"),
        ({"storageProof": [{"proof": NODES}, {}]}, ChainError, "for eth_getProof"),
        ({"storageProof": [{"proof": NODES}]}, AnchorError, "does not lead to a root"),
        ({"accountProof": []}, AnchorError, "does not lead to a contract"),
    ],
)
def test_a_node_that_proves_nonsense(
    scene: Scene, node: Node, members: dict[str, Any], error: type[Exception], match: str
) -> None:
    reader = node.reader(changing(scene, "eth_getProof", **members))
    with pytest.raises(error, match=match):
        capture_state(reader, scene.anchor, scene.pin, block_hash=scene.block_hash)


def test_a_node_that_makes_no_proofs(scene: Scene, node: Node) -> None:
    reader = node.reader(refusing(scene, "eth_getProof"))
    with pytest.raises(ChainError, match="refuses eth_getProof: 'Method not found'"):
        capture_state(reader, scene.anchor, scene.pin, block_hash=scene.block_hash)
    with pytest.raises(ChainError, match="for eth_getProof"):
        node.reader(result(None)).proof(scene.pin.contract, bytes(32), 1)


@pytest.mark.parametrize(
    "members",
    [{"extraData": "0x00"}, {"timestamp": "0x1"}, {"mixHash": None, "nonce": None},
     {"withdrawalsRoot": None}, {"requestsHash": None}],
)  # fmt: skip
def test_a_header_of_another_form_gives_no_proof(
    scene: Scene, node: Node, members: dict[str, Any]
) -> None:
    reader = node.reader(changing(scene, "eth_getBlockByNumber", **members))
    with pytest.raises(ChainError, match=r"shows another block|without the header of one"):
        capture_state(reader, scene.anchor, scene.pin, block_hash=scene.block_hash)
