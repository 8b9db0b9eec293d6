"""What is offered for gas, what is never offered, and how a transaction that is stuck is outbid."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sample_log import ALICE, Log

from provenance.anchoring.contract import Sent
from provenance.anchoring.rpc import RpcChain
from provenance.errors import ChainError, ChainUnreachableError

GWEI = 10**9


@pytest.fixture(scope="module")
def market(start_anvil: Callable[..., str]) -> str:
    """A chain with a base fee and nothing in its blocks but what these tests send."""
    return start_anvil("--block-base-fee-per-gas", str(7 * GWEI))


def ask(chain: RpcChain, method: str, *params: Any) -> Any:
    return chain._ask(method, *params)


def transaction(chain: RpcChain, tx_hash: bytes) -> dict[str, Any]:
    found = ask(chain, "eth_getTransactionByHash", f"0x{tx_hash.hex()}")
    assert isinstance(found, dict)
    return found


def test_nothing_is_sent_above_the_cap(market: str, log: Log) -> None:
    paying = RpcChain(market, ALICE)
    contract = paying.deploy()
    ledger_id = paying.register(contract, secrets.token_bytes(32))
    sent: list[Sent] = []
    before = ask(paying, "eth_getTransactionCount", paying.address, "pending")
    thrifty = RpcChain(market, ALICE, max_fee=GWEI * 3 // 2)
    with pytest.raises(ChainError, match=r"costs \d+(\.\d+)? gwei, more than the cap of 1\.5 gwei"):
        thrifty.anchor(contract, ledger_id, 3, log.root(3), (), sending=sent.append)
    assert sent == []
    assert ask(paying, "eth_getTransactionCount", paying.address, "pending") == before


def test_the_head_room_ends_at_the_cap(market: str, log: Log) -> None:
    chain = RpcChain(market, ALICE, max_fee=10 * GWEI)
    contract = chain.deploy()
    ledger_id = chain.register(contract, secrets.token_bytes(32))
    sent: list[Sent] = []
    receipt = chain.anchor(contract, ledger_id, 3, log.root(3), (), sending=sent.append)
    assert [one.tx_hash for one in sent] == [receipt.tx_hash]
    mined = transaction(chain, receipt.tx_hash)
    assert (mined["type"], int(mined["maxFeePerGas"], 16)) == ("0x2", 10 * GWEI)
    assert int(mined["nonce"], 16) == sent[0].nonce


def test_a_chain_without_a_base_fee(start_anvil: Callable[..., str], log: Log) -> None:
    url = start_anvil("--hardfork", "berlin", "--gas-price", str(2 * GWEI))
    assert "baseFeePerGas" not in ask(RpcChain(url), "eth_getBlockByNumber", "latest", False)
    chain = RpcChain(url, ALICE, max_fee=2 * GWEI)
    contract = chain.deploy()
    ledger_id = chain.register(contract, secrets.token_bytes(32))
    receipt = chain.anchor(contract, ledger_id, 3, log.root(3), ())
    assert transaction(chain, receipt.tx_hash)["type"] == "0x0"
    with pytest.raises(ChainError, match=r"costs 2 gwei, more than the cap of 1\.999999999 gwei"):
        RpcChain(url, ALICE, max_fee=2 * GWEI - 1).deploy()


@pytest.mark.parametrize("knowing", [True, False])
def test_stuck_waited_for_and_outbid_up_to_the_cap(
    start_anvil: Callable[..., str], log: Log, knowing: bool
) -> None:
    url = start_anvil("--block-base-fee-per-gas", str(GWEI))
    contract = RpcChain(url, ALICE).deploy()
    ledger_id = RpcChain(url, ALICE).register(contract, secrets.token_bytes(32))
    sent: list[Sent] = []

    def anchor(cap: int) -> None:
        chain = RpcChain(url, ALICE, patience=0.2, max_fee=cap)
        chain.settle(sent[-1].tx_hash if sent and knowing else None)
        chain.anchor(contract, ledger_id, 3, log.root(3), (), sending=sent.append)

    node = RpcChain(url, ALICE)
    ask(node, "evm_setAutomine", False)
    assert not node.settle()
    prices = []
    for _ in range(3):
        with pytest.raises(ChainUnreachableError, match=r"has not mined .* call again"):
            anchor(100 * GWEI)
        prices.append(int(transaction(node, sent[-1].tx_hash)["maxFeePerGas"], 16))
        assert ask(node, "txpool_status")["pending"] == "0x1", "outbid, never beside itself"
    assert prices == sorted(set(prices))
    known = list(sent)
    assert len(known) == 3 or not knowing, "outbid at once where the price is known"
    with pytest.raises(ChainError, match=r"outbidding what is in flight .* more than the cap"):
        anchor(prices[-1])
    assert sent == known or not knowing

    # Mined while it is waited for.
    timer = threading.Timer(0.3, lambda: ask(node, "evm_mine"))
    timer.start()
    assert RpcChain(url, ALICE, patience=20).settle()
    timer.join()
    assert node.locate(contract, ledger_id, 3, log.root(3)) is not None
    assert ask(node, "eth_getTransactionCount", node.address, "latest") == "0x3"


def test_told_to_wait_no_longer(start_anvil: Callable[..., str]) -> None:
    url = start_anvil("--no-mining")
    asked = []

    def pause(seconds: float) -> bool:
        asked.append(seconds)
        return len(asked) == 3

    with pytest.raises(ChainUnreachableError, match="not waited for"):
        RpcChain(url, ALICE, pause=pause).deploy()
    assert asked == sorted(asked)


def test_without_an_account_only_to_read(market: str) -> None:
    reading = RpcChain(market)
    assert reading.block_hash(0)
    assert reading.block_hash(10**6) is None
    for attempt in (reading.deploy, reading.balance, reading.settle, lambda: reading.address):
        with pytest.raises(ChainError, match="without an account, only to read"):
            attempt()
