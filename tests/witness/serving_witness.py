"""A witness of ours, served over HTTP from a thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn

from api import create_witness_app
from provenance.witness import Witness


@contextlib.contextmanager
def serving(witness: Witness, port: int = 0) -> Iterator[int]:
    """Serve it; yield the port."""
    config = uvicorn.Config(create_witness_app(witness), log_level="warning", server_header=False)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
