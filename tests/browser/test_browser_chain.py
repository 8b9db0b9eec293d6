"""Anchors checked in the browser at a node that may say anything."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from alike import Given, compare
from chain_server import ChainServer
from world import World

from provenance.verification import Demand

pytestmark = pytest.mark.untraced

NO_WITNESS = {"confidential": Demand(anchored=True, final=True)}


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[World, Given, ChainServer]]:
    world = World()
    rows = world.register([{"n": 1}])
    world.anchor()
    world.chain.mine(1_800_000_100)
    bundle = world.bundle(rows, record=0).to_bytes()
    policy = world.policy(minimum="confidential", demands=NO_WITNESS).to_bytes()
    given = Given(bundle, policy, '{"n":1}')
    with ChainServer(world.chain) as server:
        yield world, given, server
        server.shutdown()


def error(code: int) -> dict[str, Any]:
    return {"error": {"code": code, "message": "no\u202e!"}}


WORD = "0x" + "ab" * 32
REPLIES: list[tuple[str, Any, str]] = [
    ("eth_chainId", "0x7a6a", "undecided"),
    ("eth_chainId", "0x07a69", "undecided"),
    ("eth_chainId", b'{"id":1,"result":31337}', "undecided"),
    ("eth_chainId", None, "undecided"),
    ("eth_chainId", "0xffffffffffffffff", "undecided"),
    ("eth_getCode", "0x", "anchor"),
    ("eth_getCode", "0x6080", "anchor"),
    ("eth_getCode", "0x608", "undecided"),
    ("eth_call", "0x" + "00" * 32, "anchor"),
    ("eth_call", WORD, "anchor"),
    ("eth_call", WORD + "00", "undecided"),
    ("eth_call", "0x", "undecided"),
    ("eth_blockNumber", "0x0", "anchor"),
    ("eth_blockNumber", "0x1", "verified"),
    ("eth_getLogs", [], "anchor"),
    ("eth_getLogs", {}, "undecided"),
    ("eth_getLogs", [{}], "undecided"),
    ("eth_getLogs", [None], "undecided"),
    ("eth_getBlockByNumber", None, "undecided"),
    ("eth_getBlockByNumber", {"number": "0x5", "timestamp": "0x1"}, "undecided"),
    ("eth_getBlockByNumber", {"number": "0x1", "timestamp": "0x3afff44180"}, "undecided"),
    ("eth_getBlockByNumber", {"number": "0x1", "timestamp": "0x1"}, "verified"),
    *((method, error(-32005), "undecided") for method in ("eth_chainId", "eth_getLogs")),
    ("eth_getBlockByNumber", error(-32601), "undecided"),
    ("eth_getCode", {"error": "no"}, "undecided"),
    *(("eth_chainId", status, "undecided") for status in (403, 429, 500, 302)),
    ("eth_chainId", b"not JSON", "undecided"),
    ("eth_chainId", b'{"id":2,"result":"0x7a69"}', "undecided"),
    ("eth_chainId", b'{"id":1}', "undecided"),
    ("eth_chainId", b'{"id":1,"id":1,"result":"0x7a69"}', "undecided"),
    ("eth_chainId", b'{"id":1,"result":"0x7a69","error":null}', "verified"),
    ("eth_chainId", b'[{"id":1,"result":"0x7a69"}]', "undecided"),
    ("eth_chainId", b" " * ((8 << 20) + 1), "undecided"),
]


@pytest.mark.parametrize(("method", "reply", "outcome"), REPLIES, ids=range(len(REPLIES)))
def test_a_node_that_says_something_else(
    room: Any, scene: Any, method: str, reply: Any, outcome: str
) -> None:
    _, given, server = scene
    server.replies = {method: reply}
    try:
        assert compare(room, [given], {"main": server.url}, words=False) == {outcome: 1}
    finally:
        server.replies = {}


def final(server: ChainServer, answer: Any) -> dict[str, Any]:
    """Answer so for the final block; for others, the truth."""

    def reply(params: list[Any]) -> Any:
        if params[0] == "finalized":
            return answer
        number = int(params[0], 16)
        return {"number": params[0], "timestamp": hex(server.chain.block_time(number))}

    return {"eth_getBlockByNumber": reply}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"number": "0x0"}, "policy"),
        ({"number": "0x1"}, "verified"),
        (None, "verified"),
        (error(-32601), "verified"),
        (error(-32005), "undecided"),
        ({"number": "0x01"}, "undecided"),
        (403, "verified"),
        (503, "undecided"),
    ],
    ids=range(8),
)
def test_which_block_is_final(room: Any, scene: Any, answer: Any, outcome: str) -> None:
    _, given, server = scene
    server.replies = final(server, answer)
    try:
        assert compare(room, [given], {"main": server.url}, words=False) == {outcome: 1}
    finally:
        server.replies = {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("address", "0x" + "c1" * 20),
        ("address", "0x" + "C0" * 20),
        ("address", ["0x" + "c0" * 20]),
        ("blockNumber", "0x2"),
        ("removed", True),
        ("data", WORD),
        ("topics", []),
        ("topics", [WORD, WORD, WORD]),
    ],
)
def test_logs_that_were_not_asked_for(room: Any, scene: Any, name: str, value: Any) -> None:
    _, given, server = scene
    server.replies = {"eth_getLogs": lambda params: [{**server.logs(params[0])[0], name: value}]}
    try:
        seen = compare(room, [given], {"main": server.url}, words=False)
        assert seen == {"verified" if name == "address" and "C0" in value else "undecided": 1}
    finally:
        server.replies = {}


def test_confirmations_and_two_anchors(room: Any, scene: Any) -> None:
    world, given, server = scene
    rpc = {"main": server.url}
    for confirmations, outcome in ((2, "verified"), (3, "anchor")):
        pin = replace(world.chain.pin, confirmations=confirmations)
        policy = world.policy(chains=(pin,)).to_bytes()
        assert compare(room, [replace(given, policy=policy)], rpc) == {outcome: 1}
    embedded = world.policy(chains=(replace(world.chain.pin, embedded=True),)).to_bytes()
    assert compare(room, [replace(given, policy=embedded)], rpc) == {"verified": 1}
    assert compare(room, [replace(given, policy=embedded)]) == {"verified": 1}
    whole = json.loads(given.bundle)
    twice = json.dumps({**whole, "anchors": whole["anchors"] * 2}).encode()
    assert compare(room, [replace(given, bundle=twice)], rpc) == {"anchor": 1}


def test_what_is_asked_and_what_is_told(room: Any, scene: Any) -> None:
    """No cookie, no referrer, and the key in the URL's path stays out of every finding."""
    _, given, server = scene
    server.asked.clear()
    server.headers.clear()
    assert compare(room, [given], {"main": server.url}) == {"verified": 1}
    methods = ["eth_chainId", "eth_getCode", "eth_call", "eth_blockNumber", "eth_getLogs"]
    assert server.asked == [*methods, *["eth_getBlockByNumber"] * 2] * 2
    by_page = [headers for headers in server.headers if headers.get("Origin") == "null"]
    assert len(by_page) == 7
    assert not any({"Cookie", "Referer"} & headers.keys() for headers in by_page)
    server.replies = {"eth_call": 500}
    found = room.evaluate(
        """async ([bundle, policy, url]) => (await provenance.verify(
            { bundle: bytes(bundle), policy: bytes(policy), rpc: { main: url } })).steps""",
        [encoded(given.bundle), encoded(given.policy), server.url],
    )
    server.replies = {}
    assert found[8]["finding"].endswith("answers HTTP 500")
    assert "/key" not in json.dumps(found)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://a/", "javascript:alert(1)", "http://u:p@h/", "//h"]
)
def test_urls_that_are_none(room: Any, scene: Any, url: str) -> None:
    _, given, _ = scene
    assert compare(room, [given], {"main": "http://127.0.0.1:9"}, words=False) == {"undecided": 1}
    found = room.evaluate(
        """([bundle, url]) => tried(() => provenance.verify(
            { bundle: bytes(bundle), rpc: { main: url } }))""",
        [encoded(given.bundle), url],
    )
    assert found == {"refused": "the URL of a node is http:// or https://, a host, perhaps a path"}
