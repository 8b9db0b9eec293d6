"""A server that lies: between the client and an honest one."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator

import httpx


@contextlib.contextmanager
def lying(honest: str, change: Callable[[str, bytes], bytes]) -> Iterator[str]:
    """Hand on what an honest server answers, changed."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sent = {name: value for name, value in self.headers.items() if name != "Host"}
            real = httpx.request(self.command, honest + self.path, content=body, headers=sent)
            content = change(f"{self.command} {self.path}", real.content)
            self.send_response(real.status_code)
            for name, value in real.headers.items():
                if name not in ("content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - as the library has it

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
