"""`RpcChain` against anvil, alone and behind a server that changes what it says."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from loose_node import Answer, Node, relaying, result, sending
from sample_log import ALICE, Log

from provenance.anchoring import Head, latest_head
from provenance.anchoring.contract import RefusedError, Sent
from provenance.anchoring.rpc import RpcChain
from provenance.errors import ChainError, ChainUnreachableError, InputError

CONTRACT = "0x" + "ab" * 20


@pytest.fixture
def own_anvil(start_anvil: Callable[..., str]) -> str:
    return start_anvil()


def ask(chain: RpcChain, method: str, *params: Any) -> Any:
    return chain._ask(method, *params)


def anchored_once(chain: RpcChain, log: Log) -> tuple[str, bytes]:
    contract = chain.deploy()
    ledger_id = chain.register(contract, secrets.token_bytes(32))
    chain.anchor(contract, ledger_id, 3, log.root(3), ())
    return contract, ledger_id


def test_accounts(anvil: str) -> None:
    from eth_account import Account

    account = Account.from_key(ALICE)
    assert RpcChain(anvil, account).address == RpcChain(anvil, ALICE).address
    for wrong in (b"", bytes(32), b"\1" * 31, b"\xff" * 32):
        with pytest.raises(InputError, match="32 bytes"):
            RpcChain(anvil, wrong)
    assert not RpcChain(anvil, ALICE).embedded


def test_an_account_without_money(anvil: str) -> None:
    with pytest.raises(ChainError, match=r"(?i)insufficient funds"):
        RpcChain(anvil, secrets.token_bytes(32)).deploy()


# --- other kinds of chains ----------------------------------------------------------------------


def test_gas_for_nothing(start_anvil: Callable[..., str], log: Log) -> None:
    options = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee")
    chain = RpcChain(start_anvil(*options, "--balance", "0"), ALICE)
    contract, ledger_id = anchored_once(chain, log)
    assert latest_head(chain, contract, ledger_id) == Head(3, log.root(3))


def test_no_base_fee_no_tip_and_no_finalized_tag(node: Node, anvil: str, log: Log) -> None:
    refusal = {"code": -32601, "message": "the method does not exist"}

    def change(request: dict[str, Any], said: dict[str, Any]) -> None:
        if request["method"] == "eth_getBlockByNumber" and said.get("result"):
            del said["result"]["baseFeePerGas"]
            said["result"]["extraData"] = "0x" + "00" * 97  # as with proof of authority
        if request["method"] == "eth_maxPriorityFeePerGas" or "finalized" in request["params"]:
            said.pop("result")
            said["error"] = refusal

    node.answer = relaying(anvil, change)
    chain = RpcChain(node.url, ALICE)
    contract, ledger_id = anchored_once(chain, log)
    assert chain.finalized() is None
    receipt = chain.find(contract, ledger_id, 3)
    assert receipt is not None
    mined = ask(chain, "eth_getTransactionByHash", f"0x{receipt.tx_hash.hex()}")
    assert mined["type"] == "0x0", "a transaction of the kind before EIP-1559"


def test_base_fee_and_no_tip(node: Node, anvil: str, log: Log) -> None:
    def change(request: dict[str, Any], said: dict[str, Any]) -> None:
        if request["method"] == "eth_maxPriorityFeePerGas":
            said.pop("result")
            said["error"] = {"code": -32601, "message": "the method does not exist"}

    node.answer = relaying(anvil, change)
    chain = RpcChain(node.url, ALICE)
    contract, ledger_id = anchored_once(chain, log)
    assert latest_head(chain, contract, ledger_id) == Head(3, log.root(3))


# --- sends that are not answered, or not mined --------------------------------------------------


def test_stuck_then_outbid_then_mined(own_anvil: str, log: Log) -> None:
    chain = RpcChain(own_anvil, ALICE, patience=0.4)
    contract, ledger_id = anchored_once(chain, log)
    ask(chain, "evm_setAutomine", False)
    arguments = (contract, ledger_id, 5, log.root(5), log.proof(3, 5))
    for _ in range(3):
        with pytest.raises(ChainUnreachableError, match="call again"):
            chain.anchor(*arguments)
        assert ask(chain, "txpool_status")["pending"] == "0x1", "outbid, never beside itself"
    ask(chain, "evm_mine")
    block = chain.head()
    receipt = chain.anchor(*arguments)
    assert receipt.block == block, "found, not sent again"
    assert chain.head() == block
    assert ask(chain, "txpool_status")["pending"] == "0x0"


def test_another_transaction_was_mined_in_its_place(own_anvil: str, log: Log) -> None:
    chain = RpcChain(own_anvil, ALICE, patience=30)
    contract, ledger_id = anchored_once(chain, log)
    ask(chain, "evm_setAutomine", False)
    sent: list[Sent] = []
    prices = iter((10**12, 10**14))  # the node's own suggestion follows what was paid

    def overtake(transaction: Sent) -> None:
        sent.append(transaction)
        dearer = chain._account.sign_transaction(  # type: ignore[union-attr]
            {
                **{"to": chain._account.address, "value": 0, "gas": 21000},  # type: ignore[union-attr]
                **{
                    "gasPrice": next(prices),
                    "nonce": transaction.nonce,
                    "chainId": chain.chain_id(),
                },
            }
        )
        ask(chain, "eth_sendRawTransaction", f"0x{dearer.raw_transaction.hex()}")
        ask(chain, "evm_mine")

    with pytest.raises(ChainError, match=r"nonce too low|mined another transaction"):
        chain.anchor(contract, ledger_id, 5, log.root(5), log.proof(3, 5), sending=overtake)

    def pause(_: float) -> None:  # broadcast, and overtaken while it is waited for
        if len(sent) == 1:
            overtake(sent[0])

    ask(chain, "evm_setAutomine", False)
    sent.clear()
    waiting = RpcChain(own_anvil, ALICE, patience=30, pause=pause)
    with pytest.raises(ChainUnreachableError, match=r"mined another transaction of 0x\w+ in place"):
        waiting.anchor(contract, ledger_id, 5, log.root(5), log.proof(3, 5), sending=sent.append)
    assert latest_head(chain, contract, ledger_id) == Head(3, log.root(3))


def test_mined_and_the_answer_lost(node: Node, own_anvil: str, log: Log) -> None:
    def change(request: dict[str, Any], said: dict[str, Any]) -> Answer | None:
        lost = request["method"] == "eth_sendRawTransaction"
        return sending(b"gone", 502) if lost else None

    straight = RpcChain(own_anvil, ALICE)
    contract, ledger_id = anchored_once(straight, log)
    node.answer = relaying(own_anvil, change)
    chain = RpcChain(node.url, ALICE)
    arguments = (contract, ledger_id, 5, log.root(5), log.proof(3, 5))
    block = straight.head() + 1
    with pytest.raises(ChainUnreachableError, match="HTTP 502"):
        chain.anchor(*arguments)
    until = time.monotonic() + 30
    while straight.head() < block and time.monotonic() < until:
        time.sleep(0.01)
    assert chain.anchor(*arguments).block == block
    assert straight.head() == block, "sent once"


def test_the_same_transaction_again(node: Node, own_anvil: str, log: Log) -> None:
    """A node that already knows it says so; then the one receipt is waited for."""

    def change(request: dict[str, Any], said: dict[str, Any]) -> None:
        if request["method"] == "eth_sendRawTransaction":
            said.pop("result")
            said["error"] = {"code": -32000, "message": "already known"}

    straight = RpcChain(own_anvil, ALICE)
    contract, ledger_id = anchored_once(straight, log)
    node.answer = relaying(own_anvil, change)
    receipt = RpcChain(node.url, ALICE).anchor(contract, ledger_id, 5, log.root(5), log.proof(3, 5))
    assert straight.find(contract, ledger_id, 5) == receipt


def test_refused_only_once_it_is_mined(node: Node, own_anvil: str, log: Log) -> None:
    def change(request: dict[str, Any], said: dict[str, Any]) -> None:
        if request["method"] == "eth_estimateGas":
            said.pop("error", None)
            said["result"] = "0x100000"

    straight = RpcChain(own_anvil, ALICE)
    contract, ledger_id = anchored_once(straight, log)
    node.answer = relaying(own_anvil, change)
    block = straight.head()
    with pytest.raises(RefusedError) as caught:
        RpcChain(node.url, ALICE).anchor(contract, ledger_id, 5, log.root(5), ())
    assert caught.value.error == "InconsistentHead"
    assert straight.head() == block + 1


def test_a_price_that_is_never_enough(node: Node, anvil: str) -> None:
    prices = []

    def change(request: dict[str, Any], said: dict[str, Any]) -> None:
        if request["method"] == "eth_sendRawTransaction":
            prices.append(request["params"])
            said.pop("result", None)
            said["error"] = {"code": -32000, "message": "replacement transaction underpriced"}

    node.answer = relaying(anvil, change)
    with pytest.raises(ChainError, match="wants a higher price"):
        RpcChain(node.url, ALICE).deploy()
    assert len({str(price) for price in prices}) == 8


# --- finding an anchor again --------------------------------------------------------------------


def test_find_in_small_windows(node: Node, own_anvil: str, log: Log) -> None:
    widths = []

    def change(request: dict[str, Any], said: dict[str, Any]) -> None:
        if request["method"] == "eth_getLogs":
            query = request["params"][0]
            widths.append(int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1)
            if widths[-1] > 300:
                said.pop("result")
                said["error"] = {"code": -32005, "message": "range is too large"}

    straight = RpcChain(own_anvil, ALICE)
    contract, ledger_id = anchored_once(straight, log)
    expected = straight.find(contract, ledger_id, 3)
    ask(straight, "anvil_mine", hex(1200))
    node.answer = relaying(own_anvil, change)
    chain = RpcChain(node.url, ALICE)
    assert expected is not None
    assert chain.find(contract, ledger_id, 3) == expected
    assert chain.anchor(contract, ledger_id, 3, log.root(3), ()) == expected
    assert chain.find(contract, ledger_id, 4) is None
    assert max(widths) > 1200


def test_no_logs_at_all(node: Node, anvil: str, log: Log) -> None:
    contract, ledger_id = anchored_once(RpcChain(anvil, ALICE), log)

    def refused(request: dict[str, Any], said: dict[str, Any]) -> None:
        if request["method"] == "eth_getLogs":
            said.pop("result")
            said["error"] = {"code": -32005, "message": "no logs here"}

    def empty(request: dict[str, Any], said: dict[str, Any]) -> None:
        if request["method"] == "eth_getLogs":
            said["result"] = []

    for change, message in ((refused, "no logs here"), (empty, "and no event for it")):
        node.answer = relaying(anvil, change)
        with pytest.raises(ChainError, match=message):
            RpcChain(node.url, ALICE).anchor(contract, ledger_id, 3, log.root(3), ())


# --- nodes that misbehave -----------------------------------------------------------------------


def test_other_code_than_was_sent(node: Node, anvil: str) -> None:
    def change(request: dict[str, Any], said: dict[str, Any]) -> None:
        if request["method"] == "eth_getCode":
            said["result"] = "0x6001"

    node.answer = relaying(anvil, change)
    with pytest.raises(ChainError, match="another contract than this version's"):
        RpcChain(node.url, ALICE).deploy()


def test_a_receipt_without_an_address(node: Node, anvil: str) -> None:
    def change(request: dict[str, Any], said: dict[str, Any]) -> None:
        if request["method"] == "eth_getTransactionReceipt" and said["result"]:
            said["result"]["contractAddress"] = None

    node.answer = relaying(anvil, change)
    with pytest.raises(ChainError, match="without an address"):
        RpcChain(node.url, ALICE).deploy()


def silent(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (silent, ChainUnreachableError),
        (sending(b"no", 500), ChainUnreachableError),
        (sending(b"no", 429), ChainUnreachableError),
        (sending(b"no", 401), ChainError),
        (sending(b"<html>"), ChainError),
        (sending(b"[1]"), ChainError),
        (sending(b'{"jsonrpc": "2.0", "id": 1}'), ChainError),
        (result(None), ChainError),
        (result([]), ChainError),
        (result("0x"), ChainError),
        (result({"x": "\x1b[2J"}), ChainError),
    ],
)
def test_a_node_that_breaks_off_at_each_question(
    node: Node, anvil: str, answer: Answer, kind: type[ChainError]
) -> None:
    for method in (
        *("eth_chainId", "eth_getTransactionCount", "eth_estimateGas", "eth_getBlockByNumber"),
        *("eth_sendRawTransaction", "eth_getTransactionReceipt", "eth_getCode"),
    ):
        asked = 0

        def change(request: dict[str, Any], said: dict[str, Any]) -> Answer | None:
            nonlocal asked
            if request["method"] != method:  # noqa: B023
                return None
            asked += 1
            return answer

        RpcChain(anvil, ALICE).settle()  # what was broken off before may not be mined yet
        node.answer = relaying(anvil, change)
        with pytest.raises(kind) as caught:
            RpcChain(node.url, ALICE, timeout=5, patience=0.3).deploy()
        assert "secret" not in str(caught.value)
        assert str(caught.value).isprintable()
        assert asked, method


def test_a_redirect_is_not_followed_and_dripping_ends(node: Node, anvil: str) -> None:
    def redirecting(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        handler.send_response(307)
        handler.send_header("Location", anvil)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def dripping(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.end_headers()
        pause = threading.Event()
        for _ in range(100):
            handler.wfile.write(b" ")
            pause.wait(0.03)

    for method, answer, timeout, message in (
        ("eth_getTransactionCount", redirecting, 10, "HTTP 307"),
        ("eth_estimateGas", redirecting, 10, "HTTP 307"),
        ("eth_sendRawTransaction", redirecting, 10, "HTTP 307"),
        ("eth_getTransactionCount", dripping, 1, "takes longer than 1 s"),
    ):

        def change(request: dict[str, Any], said: dict[str, Any]) -> Answer | None:
            return answer if request["method"] == method else None  # noqa: B023

        node.answer = relaying(anvil, change)
        with pytest.raises(ChainError, match=message):
            RpcChain(node.url, ALICE, timeout=timeout).deploy()


def test_refusals_without_a_reason(node: Node, anvil: str) -> None:
    for data in (None, "0x", "0xzz", "0x12345678", 7, "0x08c379a0", "0x4e487b71" + "00" * 32):

        def change(request: dict[str, Any], said: dict[str, Any]) -> None:
            if request["method"] == "eth_estimateGas":
                said.pop("result", None)
                said["error"] = {"code": 3, "message": "execution reverted", "data": data}  # noqa: B023

        node.answer = relaying(anvil, change)
        with pytest.raises(ChainError, match="refuses"):
            RpcChain(node.url, ALICE).deploy()
