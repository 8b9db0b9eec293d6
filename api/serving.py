"""Running the service until a signal ends it."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from api.app import create_app
from api.logs import LogForm, written
from api.metrics import shared_by_workers
from api.projects import create_projects_app
from api.witness import create_witness_app
from api.workers import Opening, Worker
from provenance.errors import InputError
from provenance.ledger.ledger import Ledger
from provenance.witness import Witness

__all__ = [
    "Opening",
    "check_proxies",
    "serve",
    "serve_by_workers",
    "serve_projects",
    "serve_witness",
]

GRACE_SECONDS = 10
"""How long requests that are being answered may take after a signal."""

HEALTH_SECONDS = 30
"""How long a worker may say nothing before it is killed and another is started."""


def serve(
    ledger: Ledger,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    public: bool | None = None,
    proxies: Sequence[str] = (),
    log: LogForm | None = None,
    listening: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve a ledger until SIGINT or SIGTERM, then finish what is being answered and return.

    Args:
        ledger: stays the caller's, who closes it afterwards.
        host: the address to listen at.
        port: 0 for any that is free.
        public: as `create_app`.
        proxies: addresses or networks of those whose ``X-Forwarded-For`` says who asked.
        log: how requests and errors are written to standard error; None leaves `logging` as it is.
        listening: called with the URL once connections are taken.

    Raises:
        InputError: the address cannot be listened at, or a proxy is none.
    """
    _run(create_app(ledger, public=public), host, port, proxies, log, listening)


def serve_projects(
    projects: Mapping[str, Ledger],
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    public: bool | None = None,
    proxies: Sequence[str] = (),
    log: LogForm | None = None,
    listening: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve several ledgers, by the names of their projects; as `serve`."""
    _run(create_projects_app(projects, public=public), host, port, proxies, log, listening)


def serve_by_workers(
    opening: Opening,
    workers: int,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    proxies: Sequence[str] = (),
    log: LogForm | None = None,
    listening: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve ledgers by several processes, as `serve` does by one. For a main thread alone.

    Args:
        opening: how each of them opens the ledgers.
        workers: how many there are.
        host, port, proxies, log, listening: as of `serve`.

    Raises:
        LedgerError, InputError: as `serve`, or a ledger cannot be opened.
    """
    check_proxies(proxies)
    with contextlib.ExitStack() as opened:
        opening.open(opened)  # what cannot be opened is told here, and not by every worker
    with (
        contextlib.nullcontext() if log is None else written(log),
        _listen(host, port) as listener,
        shared_by_workers(),
    ):
        config = _config(
            Worker(opening, log),
            proxies,
            factory=True,
            workers=workers,
            timeout_worker_healthcheck=HEALTH_SECONDS,
        )
        supervisor = _Supervisor(config, sockets=[listener])
        listening(_url(host, listener))
        supervisor.run()


def serve_witness(
    witness: Witness,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    log: LogForm | None = None,
    listening: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve a witness; as `serve`."""
    _run(create_witness_app(witness), host, port, (), log, listening)


def _run(
    app: FastAPI,
    host: str,
    port: int,
    proxies: Sequence[str],
    log: LogForm | None,
    listening: Callable[[str], None],
) -> None:
    check_proxies(proxies)
    with (
        contextlib.nullcontext() if log is None else written(log),
        _listen(host, port) as listener,
        contextlib.suppress(KeyboardInterrupt),
        _terminated_as_interrupted(),
    ):
        listening(_url(host, listener))
        uvicorn.Server(_config(app, proxies)).run(sockets=[listener])


class _Supervisor(Multiprocess):
    def terminate_all(self) -> None:
        """Let every worker finish. Whoever comes now is refused, and does not wait for nobody."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


def _config(app: Callable[..., Any], proxies: Sequence[str], **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="api.loops:new_loop",
        log_config=None,  # what uvicorn says goes where all else does
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_graceful_shutdown=GRACE_SECONDS,
        **more,
    )


def _url(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def check_proxies(proxies: Sequence[str]) -> None:
    """Check that each is an address or a network.

    Raises:
        InputError: one is not.
    """
    for proxy in proxies:
        try:
            ip_network(proxy)
        except ValueError as error:
            raise InputError(f"a proxy is an IP address or a network: {error}") from None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, since asyncio sends at once (TCP_NODELAY) only where it sees it: else
    # the second part of an answer waits 40 ms for the acknowledgement of the first.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError, UnicodeError) as error:
        listener.close()
        raise InputError(f"cannot listen at {host[:100]}, port {port}: {error}") from error
    return listener


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C: before uvicorn handles it, and as it raises it again at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
