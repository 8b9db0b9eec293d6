"""A JSON-RPC server that answers as a test tells it: nonsense, or what another node says."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from provenance.anchoring import RpcReader

Answer = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


def sending(body: bytes, status: int = 200) -> Answer:
    """Answer every request with this body."""

    def answer(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def result(value: Any) -> Answer:
    return sending(json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode())


class Node(ThreadingHTTPServer):
    """A server that answers as it is told, and keeps what it was asked."""

    daemon_threads = True
    answer: Answer

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/secret-key"

    def reader(self, answer: Answer, timeout: float = 5.0) -> RpcReader:
        self.answer = answer
        return RpcReader(self.url, timeout)


class _Handler(BaseHTTPRequestHandler):
    server: Node

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        request = json.loads(self.rfile.read(length))
        self.server.requests.append(request)
        try:
            self.server.answer(self, request)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def relaying(url: str, change: Callable[[dict[str, Any], dict[str, Any]], Answer | None]) -> Answer:
    """Answer with what the node at `url` says, after `change` saw request and answer.

    `change` edits the answer in place, or returns another `Answer` to give.
    """

    def answer(handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        asked = urllib.request.Request(
            url, json.dumps(request).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked) as response:
            said = json.loads(response.read())
        other = change(request, said)
        (other or sending(json.dumps(said).encode()))(handler, request)

    return answer
