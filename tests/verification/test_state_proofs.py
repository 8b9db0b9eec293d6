"""Anchors checked under the hash of a block, without any node: what holds, and every trick."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import rlp
from eth_utils.crypto import keccak
from hypothesis import example, given
from hypothesis import strategies as st
from state_world import CODE_SHA256, HEADER, Block, filler, nodes_to
from trie.hexary import HexaryTrie
from world import Registered, World, fails, silent, undecided

from provenance.anchoring import Anchor, AnchorError, AnchorFacts, ChainPin, StateProof
from provenance.anchoring import state as checking
from provenance.anchoring.anchor import YEAR_10000
from provenance.anchoring.state import check_state
from provenance.errors import ChainError
from provenance.verification import Bundle, Mark, Policy, Verified

TIME = 1_800_000_000
CONTRACT = "0x" + "c0" * 20
LEDGER_ID = filler("ledger id")
ROOT = filler("root")
ANCHOR = Anchor(
    chain_id=1, contract=CONTRACT, ledger_id=LEDGER_ID, size=4, root=ROOT, block=21_000_000
)
PIN = ChainPin(
    chain_id=1,
    contract=CONTRACT,
    ledger_id=LEDGER_ID,
    code_sha256=CODE_SHA256,
    confirmations=12,
    name="main",
)
ROOTS = {(LEDGER_ID, 4): ROOT, (LEDGER_ID, 9): filler("at 9"), (filler("other"), 4): filler("its")}


def block(**changes: Any) -> Block:
    return Block(CONTRACT, ROOTS, **{"number": ANCHOR.block, "time": TIME, **changes})


BLOCK = block()
PROOF = BLOCK.prove(LEDGER_ID, 4)


def check(
    proof: StateProof = PROOF, trusted: Block = BLOCK, pin: ChainPin = PIN, **changes: Any
) -> AnchorFacts:
    return check_state(replace(ANCHOR, **changes), pin, proof, block_hash=trusted.hash)


def rejects(match: str) -> Any:
    return pytest.raises(AnchorError, match=match)


# --- what holds ---------------------------------------------------------------------------------


def test_holds() -> None:
    assert check() == AnchorFacts(block_time=TIME, confirmations=None, final=True)
    assert len(PROOF.account) > 1 < len(PROOF.storage)


@given(
    root=st.binary(min_size=32, max_size=32).filter(any),
    size=st.integers(1, 2**53 - 1),
    ledger_id=st.binary(min_size=32, max_size=32),
    number=st.integers(0, 2**53 - 1),
    time=st.integers(0, YEAR_10000 - 1),
    neighbours=st.integers(0, 40),
)
@example(bytes(31) + b"\x01", 1, bytes(32), 0, 0, 0)
@example(bytes(30) + b"\x01\x00", 1, bytes(32), 0, 0, 3)
def test_any_root_at_any_size_holds_and_no_other(
    root: bytes, size: int, ledger_id: bytes, number: int, time: int, neighbours: int
) -> None:
    """With leading zeros too, which storage leaves out; in tries of one leaf and of many."""
    made = Block(CONTRACT, {(ledger_id, size): root}, number=number, time=time,
                 neighbours=neighbours)  # fmt: skip
    pin = replace(PIN, ledger_id=ledger_id)
    proof = made.prove(ledger_id, size)
    told = {"ledger_id": ledger_id, "size": size, "block": number}
    assert check(proof, made, pin, root=root, **told).block_time == time
    for other in (bytes(32), root[1:] + b"\x00", bytes([root[0] ^ 1]) + root[1:]):
        if other != root:
            with rejects("has another root at size"):
                check(proof, made, pin, root=other, **told)


LATER = (
    {"baseFeePerGas": 7},
    {"withdrawalsRoot": filler("w")},
    {"blobGasUsed": 0, "excessBlobGas": 2**60, "parentBeaconBlockRoot": filler("b")},
    {"requestsHash": filler("r")},
    {"of a fork to come": filler("?"), "and another": 2**255},
)


@pytest.mark.parametrize("forks", range(len(LATER) + 1))
def test_a_header_of_any_fork(forks: int) -> None:
    later = {name: value for fields in LATER[:forks] for name, value in fields.items()}
    made = block(header=later)
    assert len(rlp.decode(made.header)) == 15 + len(later)
    assert check(made.prove(LEDGER_ID, 4), made).block_time == TIME


def test_a_header_with_a_list_of_signers_in_it() -> None:
    made = block(header={"extraData": bytes(20 * 1000)})
    assert check(made.prove(LEDGER_ID, 4), made).block_time == TIME


def test_a_node_that_stands_inside_the_one_above() -> None:
    """A leaf of fewer than 32 bytes, at the end of a long extension: no part of the proof."""
    key = filler("key")
    path = keccak(key)
    tree = HexaryTrie({})
    tree[path] = b"v"
    tree[path[:-1] + bytes([path[-1] ^ 1])] = b"w"
    tree[path[:-1] + bytes([path[-1] ^ 16])] = b"x"
    tree[bytes([path[0] ^ 128]) + path[1:]] = b"y"
    nodes = nodes_to(tree, key)
    assert len(nodes) < len(tree.get_proof(path))
    assert checking._proven(tree.root_hash, key, nodes, "value") == b"v"
    for listed in ([rlp.encode(node) for node in tree.get_proof(path)], nodes[:-1]):
        with rejects("state proof"):
            checking._proven(tree.root_hash, key, listed, "value")


# --- what does not ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"chain_id": 2}, "anchored on chain 2"),
        ({"contract": "0x" + "ab" * 20}, "anchored in 0xabab"),
        ({"ledger_id": filler("other")}, "anchored for the ledger id"),
        ({"size": 0}, "an empty log"),
        ({"size": 5}, "does not lead to a root"),
        ({"size": 9}, "does not lead to a root"),
        ({"root": filler("at 9")}, "has another root at size 4"),
        ({"root": bytes(32)}, "has another root at size 4"),
        ({"block": 20_999_999}, "is block 21000000; the anchor names block 20999999"),
        ({"block": 21_000_001}, "is block 21000000; the anchor names block 21000001"),
    ],
)
def test_an_anchor_with_another_value(changes: dict[str, Any], match: str) -> None:
    with rejects(match):
        check(**changes)


def test_the_proof_of_something_else() -> None:
    """Of another size, ledger id or contract; of a neighbour's code; and of nothing at all."""
    with rejects("does not lead to a root"):
        check(BLOCK.prove(LEDGER_ID, 9))
    with rejects("does not lead to a root"):
        check(BLOCK.prove(filler("other"), 4))
    elsewhere = "0x" + filler("address 0", 20).hex()
    with rejects("does not lead to a contract"):
        check(BLOCK.prove(LEDGER_ID, 4, contract=elsewhere))
    with rejects("has another code than the policy pins"):
        check(BLOCK.prove(LEDGER_ID, 4, contract=elsewhere), pin=replace(PIN, contract=elsewhere),
              contract=elsewhere)  # fmt: skip
    # What the tries hold nothing for: each proof is a good one, of an absence.
    assert BLOCK.storage.get(keccak(checking.root_slot(LEDGER_ID, 5))) == b""
    with rejects("there is no root where it should be"):
        check(BLOCK.prove(LEDGER_ID, 5), size=5)
    nobody = "0x" + "ab" * 20
    with rejects("there is no contract where it should be"):
        check(BLOCK.prove(LEDGER_ID, 4, contract=nobody), pin=replace(PIN, contract=nobody),
              contract=nobody)  # fmt: skip


def test_an_empty_storage() -> None:
    empty = Block(CONTRACT, {}, number=ANCHOR.block, time=TIME, neighbours=0)
    for storage in ((), (b"",), (b"\x80",), nodes_to(BLOCK.storage, b"")):
        with rejects("no root where it should be"):
            check(replace(empty.prove(LEDGER_ID, 4), storage=storage), empty)


def test_a_root_of_zeros_is_none() -> None:
    """The contract takes none, and the EVM stores no zero: a trie with one is nobody's."""
    made = Block(CONTRACT, {(LEDGER_ID, 4): bytes(32)}, number=ANCHOR.block, time=TIME)
    assert made.storage[keccak(checking.root_slot(LEDGER_ID, 4))] == b"\x80"
    with rejects("has another root"):
        check(made.prove(LEDGER_ID, 4), made, root=bytes(32))


def test_another_contract_with_the_same_root() -> None:
    made = block(code=b"an attacker's own, with the same storage")
    with rejects("has another code than the policy pins"):
        check(made.prove(LEDGER_ID, 4), made)


def test_a_contract_whose_layout_is_not_known_is_undecided() -> None:
    with pytest.raises(ChainError, match="where that keeps its roots is not known here"):
        check(pin=replace(PIN, code_sha256=filler("an older contract")))


def test_another_block() -> None:
    """With the same state, and the time that would suit the attacker."""
    older = block(time=TIME - 10**6)
    assert older.prove(LEDGER_ID, 4).account == PROOF.account
    with rejects("is of the block 0x.*; you trust 0x"):
        check(older.prove(LEDGER_ID, 4))
    with rejects("is of the block 0x.*; you trust 0x"):
        check(trusted=older)


@pytest.mark.parametrize("part", ["account", "storage"])
def test_one_list_of_nodes_and_no_other(part: str) -> None:
    nodes = getattr(PROOF, part)
    others = getattr(BLOCK.prove(filler("other"), 4, contract="0x" + "ab" * 20), part)
    lists = [
        *((*nodes[:i], *nodes[i + 1 :]) for i in range(len(nodes))),  # one missing
        *((*nodes[:i], nodes[i], *nodes[i:]) for i in range(len(nodes))),  # one twice
        *((*nodes[:i], others[-1], *nodes[i:]) for i in range(len(nodes) + 1)),  # one more
        *((*nodes[:i], b"", *nodes[i:]) for i in range(len(nodes) + 1)),
        *((*nodes[:i], node[:-1], *nodes[i + 1 :]) for i, node in enumerate(nodes)),
        *((*nodes[:i], node + b"\0", *nodes[i + 1 :]) for i, node in enumerate(nodes)),
        nodes[::-1],
        others,
        (PROOF.header,),
        (),
    ]
    for changed in lists:
        assert changed != nodes
        with rejects("the state proof"):
            check(replace(PROOF, **{part: changed}))
    with rejects("the state proof"):
        check(replace(PROOF, account=PROOF.storage, storage=PROOF.account))


def test_more_than_any_proof_can_hold() -> None:
    """Refused before a byte of it is hashed."""
    for storage in ((b"\0" * 533,), PROOF.storage * 40, (b"",) * 66):
        with rejects("more or longer nodes than lead to a root"):
            check(replace(PROOF, storage=storage))
    header = bytes((1 << 16) + 1)
    with rejects("header is too long"):
        check_state(ANCHOR, PIN, replace(PROOF, header=header), block_hash=keccak(header))


# --- where the hash that is trusted is that of something hostile ----------------------------------


def deep(levels: int) -> bytes:
    """A list in a list in a list…"""
    data = b""
    for _ in range(levels):
        length = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
        data = bytes([0xC0 + len(data)] if len(data) < 56 else [0xF7 + len(length), *length]) + data
    return data


FIELDS = rlp.decode(BLOCK.header)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x80",
        b"\xc0",
        b"\xf9",
        b"\xff" * 9,
        BLOCK.header[:-1],
        BLOCK.header + b"\0",
        PROOF.account[0],
        PROOF.storage[-1],
        rlp.encode(FIELDS[:14]),
        rlp.encode([FIELDS[:3], *FIELDS[1:]]),
        rlp.encode([b"", *FIELDS[1:]]),
        rlp.encode([*FIELDS[:3], FIELDS[3][1:], *FIELDS[4:]]),
        rlp.encode([*FIELDS[:8], bytes(9), *FIELDS[9:]]),
        rlp.encode([*FIELDS[:8], [b"\1"], *FIELDS[9:]]),
        rlp.encode([*FIELDS[:11], bytes(9), *FIELDS[12:]]),
        deep(500),
        deep(20_000),
    ],
    ids=lambda header: header[:4].hex(),
)
def test_the_hash_of_something_that_is_no_block(header: bytes) -> None:
    with rejects("is no block|is not RLP|is no list of values"):
        check_state(ANCHOR, PIN, replace(PROOF, header=header), block_hash=keccak(header))


def test_a_block_beyond_all_time() -> None:
    made = block(time=YEAR_10000)
    with rejects("has the time 253402300800"):
        check(made.prove(LEDGER_ID, 4), made)


@pytest.mark.parametrize(
    "account",
    [
        [b""],
        [b"", b"", filler("x")],
        [b"", b"", b"", filler("x")],
        [b"", b"", [filler("x")], filler("y")],
        [b"", b"", filler("x"), filler("y"), b""],
    ],
)
def test_an_account_that_is_none(account: Any) -> None:
    made = block(account=account)
    with rejects("is no account|no list of values"):
        check(made.prove(LEDGER_ID, 4), made)


@pytest.mark.parametrize(
    "node",
    [
        b"",
        b"\x80",
        b"\xc0",
        b"\x01",
        b"\xc2\x80\x80",
        b"\xc3\x20\xc1\x80",
        rlp.encode([b"\x20", [b"a"]]),
        rlp.encode([b"\x20" + keccak(b"key"), [b"a"]]),
        rlp.encode([b"", b""]),
        rlp.encode([b"\xff" * 33, b"v"]),
        rlp.encode([b"\x00", b""]),
        rlp.encode([[b"\x20"], b"v"]),
        rlp.encode([b"v"] * 16),
        rlp.encode([[b"v"]] * 17),
        rlp.encode([b"\x05"] * 17),
        rlp.encode([b"\x00" * 5] * 17),
        rlp.encode([b"\x00" * 40] * 2),
        deep(150),
    ],
    ids=lambda node: node[:6].hex(),
)
def test_a_node_that_is_none(node: bytes) -> None:
    """Under a root that commits to it: nothing but our own error comes out."""
    with rejects("the state proof"):
        checking._proven(keccak(node), b"key", (node,), "value")


def reseated(nodes: tuple[bytes, ...], index: int, node: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Put another node into a proof, and its hash into each above it; return the new root too."""
    changed = [*nodes[:index], node, *nodes[index + 1 :]]
    for i in range(index, 0, -1):
        changed[i - 1] = changed[i - 1].replace(keccak(nodes[i]), keccak(changed[i]))
    return keccak(changed[0]), tuple(changed)


def mutations(data: bytes, seed: random.Random) -> Iterator[bytes]:
    at = seed.randrange(len(data))
    yield data[:at] + bytes([data[at] ^ 1 << seed.randrange(8)]) + data[at + 1 :]
    yield data[:at] + data[at + 1 :]
    yield data[:at] + seed.randbytes(1) + data[at:]
    yield data[:at] + seed.randbytes(len(data) - at)
    yield data[:at]


@pytest.mark.untraced
@given(st.integers(0, 2**64))
def test_random_mutations_raise_nothing_but_our_error(number: int) -> None:
    """As they come; and with every hash above put right, as by who chooses the trusted block."""
    seed = random.Random(number)
    with rejects("state proof"):
        check(replace(PROOF, header=next(mutations(PROOF.header, seed))))
    for part in ("account", "storage"):
        nodes = getattr(PROOF, part)
        for _ in range(2):
            index = seed.randrange(len(nodes))
            for node in mutations(nodes[index], seed):
                if node == nodes[index]:
                    continue
                with rejects("the state proof"):
                    check(replace(PROOF, **{part: (*nodes[:index], node, *nodes[index + 1 :])}))
                root, changed = reseated(nodes, index, node)
                key = checking.root_slot(LEDGER_ID, 4)
                if part == "account":
                    key = bytes.fromhex(CONTRACT[2:])
                try:
                    value = checking._proven(root, key, changed, "value")
                except AnchorError:
                    continue
                assert value == walked(root, key, changed)


def walked(root: bytes, key: bytes, nodes: tuple[bytes, ...]) -> bytes:
    """The yellow paper's way down, written again: what our check accepts, this finds too."""
    known = {keccak(node): node for node in nodes}
    path, at = keccak(key).hex(), rlp.decode(known[root])
    while True:
        if len(at) == 17:
            if not path:
                return bytes(at[16])
            child, path = at[int(path[0], 16)], path[1:]
        else:
            flags, rest = at[0].hex()[0], at[0].hex()
            rest = rest[1:] if int(flags, 16) & 1 else rest[2:]
            assert path.startswith(rest)
            child, path = at[1], path[len(rest) :]
            if int(flags, 16) & 2:
                assert not path
                return bytes(child)
        at = child if isinstance(child, list) else rlp.decode(known[child])


# --- in a bundle --------------------------------------------------------------------------------


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rows(world: World) -> Registered:
    rows = world.register()
    world.anchor(TIME)
    world.register([{"n": 4}])
    return rows


def proven(world: World, rows: Registered, **changes: Any) -> tuple[Bundle, Block]:
    bundle = world.bundle(rows)
    (proof,) = bundle.anchors
    anchor = proof.anchor
    made = Block(
        anchor.contract,
        {(anchor.ledger_id, anchor.size): anchor.root},
        **{"number": anchor.block, "time": TIME, **changes},
    )
    state = made.prove(anchor.ledger_id, anchor.size)
    return replace(bundle, anchors=(replace(proof, state=state),)), made


def policy(world: World, **changes: Any) -> Policy:
    pin = replace(world.chain.pin, code_sha256=CODE_SHA256, confirmations=100, **changes)
    return world.policy(minimum="internal", chains=(pin,))


def verify(world: World, bundle: Bundle, made: Block, **given: Any) -> Verified:
    """Under the block, with a node at hand that must not be asked."""
    trusted: dict[str, Callable[..., Any]] = {"main": partial(check_state, block_hash=made.hash)}
    reader = world.chain.lying(chain_id=silent)
    return world.verify(
        bundle,
        **{"policy": policy(world), "chains": {"main": reader}, "trusted_blocks": trusted, **given},
    )


def test_a_bundle_holds_under_the_hash_of_its_block(world: World, rows: Registered) -> None:
    bundle, made = proven(world, rows)
    assert Bundle.parse(bundle.to_bytes()) == bundle
    verified = verify(world, bundle, made)
    (anchored,) = verified.anchors
    assert anchored.facts == AnchorFacts(block_time=TIME, confirmations=None, final=True)
    finding = (
        "block 1 of chain 'main', 2027-01-15 08:00:00 UTC, proven under the hash that you named"
    )
    assert verified.report["anchor"].finding == finding
    assert world.chain.asked == 0


def test_the_time_is_the_header_s(world: World, rows: Registered) -> None:
    bundle, made = proven(world, rows, time=TIME + 60)
    (anchored,) = verify(world, bundle, made).anchors
    assert str(anchored.time) == "2027-01-15 08:01:00+00:00"


def test_a_block_of_another_hash_fails(world: World, rows: Registered) -> None:
    bundle, made = proven(world, rows)
    other = block()
    with fails("anchor", f"is of the block 0x{made.hash.hex()}; you trust 0x{other.hash.hex()}"):
        verify(world, bundle, other)


def test_a_bundle_without_a_proof_is_undecided_though_a_node_is_there(
    world: World, rows: Registered
) -> None:
    """A node's word never takes the place of the hash that the verifier named."""
    bundle, made = proven(world, rows)
    bare = replace(bundle, anchors=world.bundle(rows).anchors)
    honest = replace(world.chain.pin, confirmations=1)
    given = {"policy": world.policy(minimum="internal", chains=(honest,)),
             "chains": {"main": world.chain}}  # fmt: skip
    assert world.verify(bare, **given)
    with undecided("policy", "demands what chain main would have to show"):
        verify(world, bare, made, **given)
    report = verify(world, bare, made, policy=policy_of_public(world)).report
    assert report["anchor"].mark is Mark.UNDECIDED
    assert report["anchor"].finding == (
        "chain 'main': you named a block of it, and the bundle holds no proof of the state of "
        "block 1"
    )


def policy_of_public(world: World) -> Policy:
    return replace(policy(world), minimum="public")


def test_a_layout_that_is_not_known_is_undecided(world: World, rows: Registered) -> None:
    bundle, made = proven(world, rows)
    other = world.policy(minimum="internal")
    with undecided("policy", "demands what chain main would have to show"):
        verify(world, bundle, made, policy=other)


def test_who_has_neither_node_nor_hash_is_told_which_would_do(
    world: World, rows: Registered
) -> None:
    bundle, made = proven(world, rows)
    report = verify(
        world, bundle, made, policy=policy_of_public(world), chains={}, trusted_blocks={}
    ).report
    assert report["anchor"].finding == (
        "chain 'main': no way to reach it is configured: name a node of it, or the hash of block 1"
    )


def test_a_node_is_still_asked_where_no_block_was_named(world: World, rows: Registered) -> None:
    """The proof in the bundle then counts for nothing: any block could have been made up."""
    bundle, made = proven(world, rows, time=1)
    pin = world.chain.pin
    given: dict[str, Any] = {"chains": {"main": world.chain}, "trusted_blocks": {}}
    (anchored,) = verify(world, bundle, made, policy=world.policy(chains=(pin,)), **given).anchors
    assert anchored.facts.block_time == TIME


def test_the_fields_of_a_header_are_those_of_the_yellow_paper() -> None:
    assert list(HEADER) == [*checking._FIELDS]
