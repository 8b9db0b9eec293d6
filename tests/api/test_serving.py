"""`api.serve` in a process of its own: it says where, answers, and ends when it is told to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import api
from provenance import InputError, Ledger

PROGRAM = """
import sys, api, provenance
with provenance.Ledger.open(sys.argv[1]) as ledger:
    options = {"public": True, "proxies": sys.argv[3:]}
    api.serve(ledger, sys.argv[2], 0, **options, listening=lambda url: print(url, flush=True))
print("closed", flush=True)
"""


@pytest.fixture
def running(ledger: Ledger, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    host = getattr(request, "param", "127.0.0.1")
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(ledger.folder.path.parent), host],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("proxies", [[], ["127.0.0.1"], ["10.0.0.0/8", "127.0.0.0/24"]])
def test_only_a_proxy_that_is_configured_says_who_asks(tmp_path: Path, proxies: list[str]) -> None:
    with Ledger.init(tmp_path, origin="acme.example/ml") as limited:
        config = limited.folder.config
    config.write_text(config.read_text() + "\n[service.limits]\nrequests = 1\n")
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path), "127.0.0.1", *proxies],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            answers = []
            for claimed in ("192.0.2.1", "192.0.2.2", "198.51.100.1, 192.0.2.2"):
                headers = {"X-Forwarded-For": claimed}
                answers.append(httpx.get(f"{url}/v1/artifacts", headers=headers).status_code)
        finally:
            process.terminate()
    assert answers == ([200, 200, 429] if proxies else [200, 429, 429])


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_answer(
    running: subprocess.Popen[str], ending: signal.Signals
) -> None:
    """A request whose body is still arriving as the signal comes is answered."""
    assert running.stdout is not None
    url = running.stdout.readline().strip()
    assert httpx.get(f"{url}/healthz").status_code == 200
    begun, go_on = threading.Event(), threading.Event()

    def body() -> Iterator[bytes]:
        yield b'{"index":'
        begun.set()
        go_on.wait(10)
        yield b"7}"

    answers = []

    def ask() -> None:
        answers.append(
            httpx.post(
                f"{url}/v1/artifacts/train/proofs",
                content=body(),
                headers={"Content-Type": "application/json"},
            )
        )

    thread = threading.Thread(target=ask)
    thread.start()
    assert begun.wait(10)
    os.kill(running.pid, ending)
    threading.Event().wait(0.3)
    go_on.set()
    thread.join(20)
    assert [answer.status_code for answer in answers] == [200]
    out, err = running.communicate(timeout=20)
    assert (running.returncode, out, err) == (0, "closed\n", "")


@pytest.mark.parametrize("running", ["::1"], indirect=True)
def test_it_listens_at_ipv6(running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None
    url = running.stdout.readline().strip()
    assert url.startswith("http://[::1]:")
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_an_address_that_cannot_be_listened_at_is_an_error(ledger: Ledger) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(InputError, match=r"cannot listen at 127\.0\.0\.1, port"):
            api.serve(ledger, "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(InputError, match="a proxy is an IP address or a network"):
            api.serve(ledger, "127.0.0.1", 0, proxies=["proxy.example"])
        for host, port in (("no.such.host.invalid", 0), ("127.0.0.1", 70_000), ("a" * 300, 1)):
            with pytest.raises(InputError, match="cannot listen"):
                api.serve(ledger, host, port)
