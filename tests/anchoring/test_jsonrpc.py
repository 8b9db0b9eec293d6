"""`RpcReader` against servers that misbehave, and against anvil."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from loose_node import Answer, Node, result, sending
from sample_log import ALICE, Log

from provenance.anchoring import Anchor, AnchorError, ChainPin, Head, RpcReader, check_anchor
from provenance.anchoring.anchor import ANCHORED_TOPIC
from provenance.anchoring.contract import runtime_code
from provenance.anchoring.jsonrpc import MAX_ANSWER, NodeRefusedError
from provenance.anchoring.rpc import RpcChain
from provenance.errors import ChainError, ChainUnreachableError, InputError

CONTRACT = "0x" + "ab" * 20
LEDGER_ID = hashlib.sha256(b"ledger").digest()
ROOT = hashlib.sha256(b"root").digest()

# --- what is asked, and what a good answer gives ------------------------------------------------


def test_questions_and_answers(node: Node) -> None:
    assert node.reader(result("0x1")).chain_id() == 1
    assert node.reader(result("0x6001")).code(CONTRACT) == b"\x60\x01"
    assert node.reader(result("0x")).call(CONTRACT, b"\x01\x02") == b""
    assert node.reader(result("0x1406f40")).head() == 21_000_000
    assert node.reader(result({"number": "0x10"})).finalized() == 16
    assert node.reader(result({"number": "0x5", "timestamp": "0x6"})).block_time(5) == 6
    proofs = {"accountProof": ["0x01"], "storageProof": [{"proof": ["0x02", "0x03"]}]}
    assert node.reader(result(proofs)).proof(CONTRACT, ROOT, 16) == ((b"\1",), (b"\2", b"\3"))
    assert [(request["method"], request["params"]) for request in node.requests] == [
        ("eth_chainId", []),
        ("eth_getCode", [CONTRACT, "latest"]),
        ("eth_call", [{"to": CONTRACT, "data": "0x0102"}, "latest"]),
        ("eth_blockNumber", []),
        ("eth_getBlockByNumber", ["finalized", False]),
        ("eth_getBlockByNumber", ["0x5", False]),
        ("eth_getProof", [CONTRACT, [f"0x{ROOT.hex()}"], "0x10"]),
    ]


def test_proofs_of_another_form(node: Node) -> None:
    for proofs in (None, {"accountProof": []}, {"accountProof": [], "storageProof": [{}, {}]}):
        with pytest.raises(ChainError, match="for eth_getProof"):
            node.reader(result(proofs)).proof(CONTRACT, ROOT, 16)


def test_name_keeps_the_key_of_the_url_to_itself(node: Node) -> None:
    reader = node.reader(sending(b"no", 500))
    assert reader.name == node.url.removesuffix("/secret-key")
    with pytest.raises(ChainUnreachableError) as caught:
        reader.head()
    assert "secret" not in str(caught.value)


def test_no_finalized_tag(node: Node) -> None:
    refusal = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "unknown block"}}
    assert node.reader(sending(json.dumps(refusal).encode())).finalized() is None
    assert node.reader(sending(json.dumps(refusal).encode(), 400)).finalized() is None
    assert node.reader(result(None)).finalized() is None


def test_a_limit_is_not_a_missing_finalized_tag(node: Node) -> None:
    """Else a block that is not final counts as final while the node is asked too often."""
    limit = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "limit exceeded"}}
    with pytest.raises(ChainUnreachableError, match=r"limit exceeded.*: ask again later"):
        node.reader(sending(json.dumps(limit).encode())).finalized()
    with pytest.raises(ChainUnreachableError, match="HTTP 429"):
        node.reader(sending(json.dumps(limit).encode(), 429)).finalized()


# --- URLs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8545",
        "file:///etc/passwd",
        "ftp://node.example/",
        "http://",
        "http://node.example:port/",
        "http://[::1/",
        "https://user:password@node.example/",
        "http://node.example/a b",
        "http://node.example/\r\nX: y",
        "http://nöde.example/",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        RpcReader(url)
    assert "password@" not in str(caught.value)


# --- nobody there -------------------------------------------------------------------------------


def test_nobody_listens(node: Node) -> None:
    url = node.url
    node.socket.close()
    with pytest.raises(ChainUnreachableError, match="does not answer"):
        RpcReader(url, timeout=2).head()


def test_a_host_that_does_not_exist() -> None:
    with pytest.raises(ChainUnreachableError):
        RpcReader("http://no-such-host.invalid/", timeout=5).head()


def test_closes_without_a_word(node: Node) -> None:
    def answer(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        handler.close_connection = True

    with pytest.raises(ChainUnreachableError, match="does not answer"):
        node.reader(answer).head()


def test_cut_off_in_the_middle(node: Node) -> None:
    def answer(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"jsonrpc"')
        handler.close_connection = True

    with pytest.raises(ChainError):
        node.reader(answer).head()


def dripping(piece: bytes, *, head: bytes, pieces: int = 40) -> Answer:
    """Send `head`, then `piece` every 50 ms: no single wait is ever long."""

    def answer(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        handler.wfile.write(head)
        for _ in range(pieces):
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.05)
        handler.close_connection = True

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        lambda handler, request: time.sleep(1.5),
        dripping(b" ", head=b"HTTP/1.0 200 OK\r\n\r\n"),
        dripping(b"X: y\r\n", head=b"HTTP/1.0 200 OK\r\n"),
    ],
    ids=["silent", "dripping body", "dripping headers"],
)
def test_slow(node: Node, answer: Answer) -> None:
    with pytest.raises(ChainUnreachableError, match=r"takes longer than 0\.3 s"):
        node.reader(answer, timeout=0.3).head()


# --- somebody there, who talks nonsense ---------------------------------------------------------


def test_huge(node: Node) -> None:
    def answer(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(MAX_ANSWER // (1 << 16) + 8):
            handler.wfile.write(b" " * (1 << 16))
        handler.close_connection = True

    with pytest.raises(ChainError, match="more than"):
        node.reader(answer).head()


def test_redirects_are_not_followed(node: Node) -> None:
    def answer(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://169.254.169.254/")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with pytest.raises(ChainError, match="HTTP 302"):
        node.reader(answer).head()
    assert len(node.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, NodeRefusedError),
        (401, NodeRefusedError),
        (404, NodeRefusedError),
        (429, ChainUnreachableError),
        (500, ChainUnreachableError),
        (503, ChainUnreachableError),
    ],
)
def test_http_statuses(node: Node, status: int, kind: type[ChainError]) -> None:
    with pytest.raises(kind, match=f"HTTP {status}"):
        node.reader(sending(b"no", status)).head()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"0x1"',
        b"{}",
        b'{"jsonrpc": "2.0", "id": 1}',
        b'{"jsonrpc": "2.0", "result": "0x1"}',
        b'{"jsonrpc": "2.0", "id": 2, "result": "0x1"}',
        b'{"jsonrpc": "2.0", "id": 1, "id": 1, "result": "0x1"}',
        b'{"jsonrpc": "2.0", "id": 1, "result": NaN}',
        b'{"jsonrpc": "2.0", "id": 1, "result": "\\ud800"}',
        b"[" * 100_000,
        b"1e999",
        b"not HTTP\r\n\r\n",
    ],
)
def test_not_json_rpc(node: Node, body: bytes) -> None:
    with pytest.raises(ChainError) as caught:
        node.reader(sending(body)).head()
    assert len(str(caught.value)) < 300


def test_not_http(node: Node) -> None:
    def answer(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        handler.wfile.write(b"\x1b[31mSSH-2.0\r\n" * 3)
        handler.close_connection = True

    with pytest.raises(ChainUnreachableError) as caught:
        node.reader(answer).head()
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [{"code": 1, "message": "x\x1b[2J" * 200}, {"code": 1}, "text", ["list"], 7, {"": {}}]
)
def test_error_objects(node: Node, error: Any) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode()
    with pytest.raises(NodeRefusedError, match="refuses eth_blockNumber") as caught:
        node.reader(sending(body)).head()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "value",
    [
        *(None, 1, True, 1.5, ["0x1"], {"x": "0x1"}, "", "1", "0x", "0x01", "0xg", "0X1"),
        *("-0x1", "0x-1", "0x1 ", " 0x1", "0x1\n", "0x" + "1" * 17, "0x١"),
    ],
)
def test_not_a_quantity(node: Node, value: Any) -> None:
    for question in (RpcReader.head, RpcReader.chain_id):
        with pytest.raises(ChainError, match=r"answers .* for eth_"):
            question(node.reader(result(value)))
    for block in (value, {"number": value, "timestamp": "0x1"}, {"number": "0x7"}):
        with pytest.raises(ChainError):
            node.reader(result(block)).block_time(7)
    with pytest.raises(ChainError):
        node.reader(result({"number": "0x7", "timestamp": value})).block_time(7)
    with pytest.raises(ChainError):
        node.reader(result({"number": value})).finalized()


def test_another_block_than_asked_for(node: Node) -> None:
    with pytest.raises(ChainError, match="answers block 6 instead of 7"):
        node.reader(result({"number": "0x6", "timestamp": "0x1"})).block_time(7)
    with pytest.raises(ChainError, match="knows no block 7"):
        node.reader(result(None)).block_time(7)


@pytest.mark.parametrize("value", [None, 1, "", "00", "0x0", "0xzz", "0x00\n", "0X00", ["0x00"]])
def test_not_bytes(node: Node, value: Any) -> None:
    with pytest.raises(ChainError):
        node.reader(result(value)).code(CONTRACT)
    with pytest.raises(ChainError):
        node.reader(result(value)).call(CONTRACT, b"")


# --- logs ---------------------------------------------------------------------------------------


def log_entry(**changes: Any) -> dict[str, Any]:
    return {
        "address": CONTRACT,
        "blockNumber": "0x9",
        "removed": False,
        "topics": [f"0x{ANCHORED_TOPIC.hex()}", f"0x{LEDGER_ID.hex()}", f"0x{5:064x}"],
        "data": f"0x{ROOT.hex()}{1:064x}",
    } | changes


def test_logs(node: Node) -> None:
    reader = node.reader(result([log_entry(), log_entry(address=CONTRACT.upper())]))
    assert reader.anchored(CONTRACT, LEDGER_ID, 9) == [Head(5, ROOT), Head(5, ROOT)]
    assert node.requests[-1]["params"] == [
        {
            "fromBlock": "0x9",
            "toBlock": "0x9",
            "address": CONTRACT,
            "topics": [f"0x{ANCHORED_TOPIC.hex()}", f"0x{LEDGER_ID.hex()}"],
        }
    ]
    assert node.reader(result([])).anchored(CONTRACT, LEDGER_ID, 9) == []


GOOD_TOPICS = log_entry()["topics"]


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "0x" + "cd" * 20},
        {"address": None},
        {"blockNumber": "0xa"},
        {"blockNumber": None},
        {"removed": True},
        {"topics": None},
        {"topics": GOOD_TOPICS[:2]},
        {"topics": [*GOOD_TOPICS, GOOD_TOPICS[0]]},
        {"topics": ["0x" + "00" * 32, *GOOD_TOPICS[1:]]},
        {"topics": [GOOD_TOPICS[0], "0x" + "00" * 32, GOOD_TOPICS[2]]},
        {"topics": [*GOOD_TOPICS[:2], "0x05"]},
        {"topics": [*GOOD_TOPICS[:2], 5]},
        {"data": "0x"},
        {"data": f"0x{ROOT.hex()}"},
        {"data": None},
    ],
)
def test_logs_that_were_not_asked_for(node: Node, changes: dict[str, Any]) -> None:
    with pytest.raises(ChainError):
        node.reader(result([log_entry(), log_entry(**changes)])).anchored(CONTRACT, LEDGER_ID, 9)


@pytest.mark.parametrize("value", [None, {}, "0x", ["log"], [None], [[]]])
def test_not_logs(node: Node, value: Any) -> None:
    with pytest.raises(ChainError):
        node.reader(result(value)).anchored(CONTRACT, LEDGER_ID, 9)


# --- a whole check against a node that lies -----------------------------------------------------

ANCHOR = Anchor(chain_id=1, contract=CONTRACT, ledger_id=LEDGER_ID, size=5, root=ROOT, block=9)
PIN = ChainPin(
    chain_id=1,
    contract=CONTRACT,
    ledger_id=LEDGER_ID,
    code_sha256=hashlib.sha256(b"\x60\x01").digest(),
    confirmations=2,
)


def node_saying(**answers: Any) -> Answer:
    honest = {
        "eth_chainId": "0x1",
        "eth_getCode": "0x6001",
        "eth_call": f"0x{ROOT.hex()}",
        "eth_blockNumber": "0xa",
        "eth_getLogs": [log_entry()],
        "eth_getBlockByNumber": {"number": "0x9", "timestamp": "0x77"},
    } | answers

    def answer(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        result(honest[request["method"]])(handler, request)

    return answer


def test_an_honest_node(node: Node) -> None:
    facts = check_anchor(ANCHOR, PIN, node.reader(node_saying()))
    assert (facts.block_time, facts.confirmations, facts.final) == (0x77, 2, True)


@pytest.mark.parametrize(
    ("answers", "kind", "message"),
    [
        ({"eth_chainId": "0x2"}, ChainError, "is on chain 2"),
        ({"eth_getCode": "0x"}, AnchorError, "no contract"),
        ({"eth_getCode": "0x6002"}, AnchorError, "the code of"),
        ({"eth_call": "0x" + "00" * 32}, AnchorError, "no root at size 5"),
        ({"eth_call": "0x" + "11" * 32}, AnchorError, "has the root 1111"),
        ({"eth_call": "0x"}, ChainError, "0 bytes"),
        ({"eth_blockNumber": "0x8"}, AnchorError, "is at 8"),
        ({"eth_blockNumber": "0x9"}, AnchorError, "1 of 2 confirmations"),
        ({"eth_getLogs": []}, AnchorError, "does not anchor"),
        ({"eth_getLogs": None}, ChainError, "answers None"),
    ],
)
def test_a_lying_node(
    node: Node, answers: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        check_anchor(ANCHOR, PIN, node.reader(node_saying(**answers)))


# --- anvil --------------------------------------------------------------------------------------


def test_anvil(anvil: str, log: Log, origin_hash: bytes) -> None:
    chain = RpcChain(anvil, ALICE)
    contract = chain.deploy()
    ledger_id = chain.register(contract, origin_hash)
    receipt = chain.anchor(contract, ledger_id, 6, log.root(6), ())
    anchor = Anchor(
        chain_id=31337,
        contract=contract,
        ledger_id=ledger_id,
        size=6,
        root=log.root(6),
        block=receipt.block,
    )
    pin = chain.pin(contract, ledger_id, confirmations=1)
    assert pin.code_sha256 == hashlib.sha256(runtime_code()).digest()
    reader = RpcReader(anvil)
    facts = check_anchor(anchor, pin, reader)
    assert (facts.block_time, facts.final) == (receipt.block_time, False)
    assert abs(facts.block_time - time.time()) < 3600
    for changes in ({"root": log.root(7)}, {"size": 7}, {"block": receipt.block - 1}):
        with pytest.raises(AnchorError):
            check_anchor(dataclasses.replace(anchor, **changes), pin, reader)  # type: ignore[arg-type]
