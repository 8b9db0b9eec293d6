"""What the contract refuses and keeps, from Python, on the embedded chain and on anvil."""

from __future__ import annotations

import hashlib

import pytest
from sample_log import Log

from provenance.anchoring import Head, latest_head, root_at
from provenance.anchoring.contract import (
    Chain,
    RefusedError,
    artifact,
    check_code,
    runtime_code,
    view,
)
from provenance.errors import ChainError, InputError

NOBODY = "0x" + "00" * 20


@pytest.fixture
def alice(accounts: tuple[Chain, Chain]) -> Chain:
    return accounts[0]


@pytest.fixture
def bob(accounts: tuple[Chain, Chain]) -> Chain:
    return accounts[1]


@pytest.fixture
def contract(alice: Chain) -> str:
    return alice.deploy()


@pytest.fixture
def ledger_id(alice: Chain, contract: str, origin_hash: bytes) -> bytes:
    return alice.register(contract, origin_hash)


@pytest.fixture
def anchored(alice: Chain, contract: str, ledger_id: bytes, log: Log) -> bytes:
    """The ledger id, with ten leaves anchored."""
    alice.anchor(contract, ledger_id, 10, log.root(10), ())
    return ledger_id


def test_deployed_code_is_the_committed_code(alice: Chain, contract: str) -> None:
    check_code(alice, contract)
    assert alice.code(contract) == runtime_code()
    assert alice.code(NOBODY) == b""
    with pytest.raises(ChainError, match=f"no contract at {NOBODY}"):
        check_code(alice, NOBODY)


def test_register_names_the_creator_and_may_be_repeated(
    alice: Chain, bob: Chain, contract: str, origin_hash: bytes
) -> None:
    ours = alice.register(contract, origin_hash)
    head = alice.head()
    assert alice.register(contract, origin_hash) == ours
    assert alice.head() == head, "the second time nothing is sent"
    assert bob.register(contract, origin_hash) != ours
    assert view(alice, contract, "publisherOf", ours) == (alice.address,)


def test_anchor_is_read_back(alice: Chain, contract: str, ledger_id: bytes, log: Log) -> None:
    assert latest_head(alice, contract, ledger_id) is None
    assert root_at(alice, contract, ledger_id, 3) is None
    first = alice.anchor(contract, ledger_id, 3, log.root(3), ())
    second = alice.anchor(contract, ledger_id, 11, log.root(11), log.proof(3, 11))
    assert second.block > first.block
    assert second.block_time == alice.block_time(second.block)
    assert latest_head(alice, contract, ledger_id) == Head(11, log.root(11))
    assert root_at(alice, contract, ledger_id, 3) == log.root(3)
    assert root_at(alice, contract, ledger_id, 4) is None
    assert alice.anchored(contract, ledger_id, first.block) == [Head(3, log.root(3))]
    assert alice.anchored(contract, ledger_id, second.block) == [Head(11, log.root(11))]
    assert alice.anchored(contract, hashlib.sha256(b"other").digest(), first.block) == []


def test_resend_finds_the_first_anchor_and_sends_nothing(
    alice: Chain, contract: str, ledger_id: bytes, log: Log
) -> None:
    first = alice.anchor(contract, ledger_id, 3, log.root(3), ())
    alice.anchor(contract, ledger_id, 5, log.root(5), log.proof(3, 5))
    head = alice.head()
    assert alice.anchor(contract, ledger_id, 3, log.root(3), ()) == first
    assert alice.find(contract, ledger_id, 3) == first
    assert alice.find(contract, ledger_id, 4) is None
    assert alice.head() == head


def refused(chain: Chain, contract: str, *arguments: object) -> RefusedError:
    """Anchor; check that it is refused and that nothing changes."""
    ledger_id = arguments[0]
    assert isinstance(ledger_id, bytes)
    before = latest_head(chain, contract, ledger_id)
    with pytest.raises(RefusedError) as caught:
        chain.anchor(contract, *arguments)  # type: ignore[arg-type]
    assert latest_head(chain, contract, ledger_id) == before
    assert caught.value.error in str(caught.value)
    return caught.value


def test_smaller_size(alice: Chain, contract: str, anchored: bytes, log: Log) -> None:
    error = refused(alice, contract, anchored, 9, log.root(9), ())
    assert (error.error, error.arguments["latestSize"]) == ("SmallerSize", 10)


def test_equal_size_and_another_root(alice: Chain, contract: str, anchored: bytes) -> None:
    other = Log(salt="fork").root(10)
    error = refused(alice, contract, anchored, 10, other, ())
    assert (error.error, error.arguments["root"]) == ("DifferentRoot", other)


def test_wrong_proofs(alice: Chain, contract: str, anchored: bytes, log: Log) -> None:
    proof = log.proof(10, 13)
    root = log.root(13)
    for wrong in ((), proof[:-1], (*proof, root), proof[::-1], log.proof(10, 14)):
        assert wrong != proof
        error = refused(alice, contract, anchored, 13, root, wrong)
        assert error.error == "InconsistentHead"
    error = refused(alice, contract, anchored, 12, root, proof)
    assert (error.error, error.arguments["latestSize"]) == ("InconsistentHead", 10)
    alice.anchor(contract, anchored, 13, root, proof)


def test_fork(alice: Chain, contract: str, anchored: bytes) -> None:
    fork = Log(salt="fork")
    error = refused(alice, contract, anchored, 13, fork.root(13), fork.proof(10, 13))
    assert error.error == "InconsistentHead"


def test_first_head_takes_no_proof(alice: Chain, contract: str, ledger_id: bytes, log: Log) -> None:
    assert refused(alice, contract, ledger_id, 4, log.root(4), log.proof(2, 4)).error == (
        "InconsistentHead"
    )


def test_empty_heads(alice: Chain, contract: str, ledger_id: bytes, log: Log) -> None:
    assert refused(alice, contract, ledger_id, 0, log.root(1), ()).error == "EmptyHead"
    assert refused(alice, contract, ledger_id, 1, bytes(32), ()).error == "EmptyHead"


def test_other_sender(bob: Chain, contract: str, anchored: bytes, log: Log) -> None:
    error = refused(bob, contract, anchored, 11, log.root(11), log.proof(10, 11))
    assert (error.error, error.arguments["caller"]) == ("NotPublisher", bob.address)


def test_unregistered(alice: Chain, contract: str, log: Log) -> None:
    unknown = hashlib.sha256(b"unknown").digest()
    error = refused(alice, contract, unknown, 1, log.root(1), ())
    assert (error.error, error.arguments["publisher"]) == ("NotPublisher", NOBODY)


def test_hand_over_keeps_the_history(
    alice: Chain, bob: Chain, contract: str, anchored: bytes, log: Log
) -> None:
    with pytest.raises(RefusedError, match="NotPendingPublisher"):
        bob.accept_publisher(contract, anchored)
    alice.transfer_publisher(contract, anchored, bob.address)
    assert view(bob, contract, "pendingPublisherOf", anchored) == (bob.address,)
    refused(bob, contract, anchored, 11, log.root(11), log.proof(10, 11))
    bob.accept_publisher(contract, anchored)
    assert refused(alice, contract, anchored, 11, log.root(11), log.proof(10, 11)).error == (
        "NotPublisher"
    )
    assert refused(bob, contract, anchored, 11, Log(salt="x").root(11), ()).error == (
        "InconsistentHead"
    )
    bob.anchor(contract, anchored, 11, log.root(11), log.proof(10, 11))
    assert root_at(alice, contract, anchored, 10) == log.root(10)


def test_register_after_hand_over_leaves_the_new_publisher(
    alice: Chain, bob: Chain, contract: str, anchored: bytes, origin_hash: bytes
) -> None:
    alice.transfer_publisher(contract, anchored, bob.address)
    bob.accept_publisher(contract, anchored)
    assert alice.register(contract, origin_hash) == anchored
    assert view(alice, contract, "publisherOf", anchored) == (bob.address,)


def test_arguments_that_do_not_fit(alice: Chain, contract: str, ledger_id: bytes) -> None:
    for size, root in ((-1, bytes(32)), (2**64, bytes(32)), (1, bytes(33)), (1, "root")):
        with pytest.raises(InputError, match="cannot be called"):
            alice.anchor(contract, ledger_id, size, root, ())  # type: ignore[arg-type]


def test_view_of_another_contract(alice: Chain) -> None:
    with pytest.raises(ChainError, match="not this contract"):
        view(alice, NOBODY, "publisherOf", bytes(32))


def test_artifact_is_of_this_contract() -> None:
    assert artifact()["contractName"] == "ProvenanceAnchor"
