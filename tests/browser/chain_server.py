"""A node of a played chain (`world.Chain`), for a page and for Python alike.

``url`` answers what checking an anchor asks for. `replies` replaces the results of some methods; a
number in it is an HTTP status.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from world import Chain

from provenance.anchoring.anchor import ANCHORED_TOPIC


class ChainServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, chain: Chain) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.chain = chain
        self.replies: dict[str, Any] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/key"

    def result(self, method: str, params: list[Any]) -> Any:
        if method in self.replies:
            reply = self.replies[method]
            return reply(params) if callable(reply) else reply
        chain = self.chain
        match method:
            case "eth_chainId":
                return hex(chain.chain_id())
            case "eth_getCode":
                return f"0x{chain.code(params[0]).hex()}"
            case "eth_call":
                return (
                    f"0x{chain.call(params[0]['to'], bytes.fromhex(params[0]['data'][2:])).hex()}"
                )
            case "eth_blockNumber":
                return hex(chain.head())
            case "eth_getBlockByNumber":
                number = chain.head() if params[0] == "finalized" else int(params[0], 16)
                return {"number": hex(number), "timestamp": hex(chain.block_time(number))}
            case "eth_getLogs":
                return self.logs(params[0])
        raise AssertionError(method)

    def logs(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        assert asked["fromBlock"] == asked["toBlock"]
        ledger_id = bytes.fromhex(asked["topics"][1][2:])
        heads = self.chain.anchored(asked["address"], ledger_id, int(asked["fromBlock"], 16))
        return [
            {
                "address": asked["address"],
                "blockNumber": asked["fromBlock"],
                "topics": [f"0x{ANCHORED_TOPIC.hex()}", asked["topics"][1], f"0x{head.size:064x}"],
                "data": f"0x{head.root.hex()}{0:064x}",
                "removed": False,
            }
            for head in heads
        ]


class _Handler(BaseHTTPRequestHandler):
    server: ChainServer
    protocol_version = "HTTP/1.1"

    def do_OPTIONS(self) -> None:
        self.answer(204, b"")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked["method"])
        self.server.headers.append(dict(self.headers))
        result = self.server.result(asked["method"], asked["params"])
        if isinstance(result, int):
            self.answer(result, b"")
        elif isinstance(result, bytes):
            self.answer(200, result)
        else:
            whole = isinstance(result, dict) and "error" in result
            told = result if whole else {"result": result}
            self.answer(200, json.dumps({"jsonrpc": "2.0", "id": asked["id"], **told}).encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "content-type")
        self.send_header("Access-Control-Max-Age", "600")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
