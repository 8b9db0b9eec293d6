"""Serves the files of a log over HTTP/1.1, or answers as a test tells it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from static_log import StaticLog

from provenance.monitoring import MissingError

Answer = Callable[[BaseHTTPRequestHandler], None]


class FileServer(ThreadingHTTPServer):
    """A log behind ``/log/``; `odd` answers instead, for the paths that it has.

    `accepted` and `fresh`: which encodings were accepted, and what was wanted past any cache.
    """

    daemon_threads = True

    def __init__(self, log: StaticLog, *, packed: bool = False) -> None:
        self.log = log
        self.packed = packed
        self.odd: dict[str, Answer] = {}
        self.accepted: set[str | None] = set()
        self.fresh: set[str] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """A client that was killed is no error."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/log"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def do_GET(self) -> None:
        path = self.path.removeprefix("/log/")
        self.server.accepted.add(self.headers["Accept-Encoding"])
        if self.headers["Cache-Control"] == "no-cache":
            self.server.fresh.add(path)
        try:
            if path in self.server.odd:
                self.close_connection = True
                self.server.odd[path](self)
                return
            log = self.server.log
            data = log.checkpoint() if path == "checkpoint" else log.tile(path)
            packed = self.server.packed and "entries" in path
            send(self, gzip.compress(data) if packed else data, packed="gzip" if packed else None)
        except MissingError:
            send(self, b"no", status=404)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def send(
    handler: BaseHTTPRequestHandler,
    body: bytes,
    *,
    status: int = 200,
    packed: str | None = None,
    length: int | None = None,
) -> None:
    handler.send_response(status)
    if packed:
        handler.send_header("Content-Encoding", packed)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def served(log: StaticLog, *, packed: bool = False) -> Iterator[FileServer]:
    with FileServer(log, packed=packed) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
