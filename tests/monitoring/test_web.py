"""A log over HTTP, from servers that keep to the specification and servers that do not."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from file_server import Answer, FileServer, send, served
from static_log import StaticLog, entry, policy

from provenance.errors import InputError
from provenance.monitoring import MissingError, Monitor, SourceError
from provenance.monitoring.web import HttpSource

ENTRIES = [entry(number) for number in range(600)]


@pytest.fixture
def server() -> Iterator[FileServer]:
    with served(StaticLog.of(ENTRIES)) as server:
        yield server


@pytest.fixture
def source(server: FileServer) -> Iterator[HttpSource]:
    source = HttpSource(server.url, timeout=1.0)
    yield source
    source.close()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", ["", "/"])
def test_a_log_is_followed(packed: bool, end: str) -> None:
    with served(StaticLog.of(ENTRIES[:300]), packed=packed) as server:
        source = HttpSource(server.url + end)
        monitor = Monitor(source, policy(), chains={})
        first = monitor.round(None, lambda _: None)
        assert (first.new, first.findings, first.undecided) == (300, (), ())
        server.log.grow(ENTRIES, keep_partial=False)
        assert monitor.round(first.state, lambda _: None).new == 300
        assert server.accepted == {"gzip, identity"}
        assert server.fresh == {"checkpoint"}
        source.close()


def redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", handler.path.replace("entries/000", "entries/001"))
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.05)


def drip_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X: y\r\n")
        time.sleep(0.05)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(1 << 20))


def nothing(handler: BaseHTTPRequestHandler) -> None:
    pass


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x16\x03\x01 not HTTP\x1b[2J\r\n\r\n")


def answering(body: bytes, **more: object) -> Answer:
    return lambda handler: send(handler, body, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answering(b"", status=500), "answers HTTP 500 for tile/entries/000"),
        (answering(b"", status=403), "answers HTTP 403"),
        (answering(b"", status=204), "answers HTTP 204"),
        (redirect, "answers HTTP 302"),
        (drip, "takes longer than 1 s"),
        (drip_headers, "takes longer than 1 s"),
        (endless, "answers more than 16,777,472 bytes"),
        (nothing, "does not answer: "),
        (garbage, "does not answer: "),
        (answering(b"cut", length=300), "does not answer: "),
        (answering(b"no gzip", packed="gzip"), "in broken gzip"),
        (answering(gzip.compress(b"cut")[:-9], packed="gzip"), "in broken gzip"),
        (answering(gzip.compress(b"a") + b"b", packed="gzip"), "in broken gzip"),
        (answering(gzip.compress(bytes(1 << 25)), packed="gzip"), "more than 16,777,472 bytes"),
        (answering(b"", packed="br"), "in a form that was not asked for"),
    ],
    ids=range(15),
)
def test_what_is_no_answer_is_said_in_one_line(
    server: FileServer, source: HttpSource, answer: Answer, said: str
) -> None:
    server.odd["tile/entries/000"] = answer
    began = time.monotonic()
    with pytest.raises(SourceError) as caught:
        source.tile("tile/entries/000")
    assert not isinstance(caught.value, MissingError)
    assert said in str(caught.value)
    assert str(caught.value).startswith("127.0.0.1:")
    assert str(caught.value).isprintable()
    assert time.monotonic() - began < 2.5
    assert source.tile("tile/0/000") == server.log.files["tile/0/000"]  # the next one is answered


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_told_from_no_answer(
    server: FileServer, source: HttpSource, status: int
) -> None:
    server.odd["checkpoint"] = answering(b"<html>", status=status)
    with pytest.raises(MissingError, match="has no checkpoint"):
        source.checkpoint()


def test_a_hash_tile_is_no_longer_than_its_path_says(
    server: FileServer, source: HttpSource
) -> None:
    server.odd["tile/0/002.p/88"] = answering(bytes(88 * 32 + 1))
    with pytest.raises(SourceError, match="more than 2,816 bytes"):
        source.tile("tile/0/002.p/88")


def test_a_connection_that_the_server_closed_meanwhile_is_made_anew(
    server: FileServer, source: HttpSource
) -> None:
    calls = 0

    def once(handler: BaseHTTPRequestHandler) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            send(handler, b"there")

    server.odd["tile/0/000"] = once
    assert source.tile("tile/0/000") == b"there"
    assert calls == 2


def test_nobody_there_is_no_answer() -> None:
    source = HttpSource("http://127.0.0.1:9")
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9 does not answer"):
        source.checkpoint()
    source.close()


@pytest.mark.parametrize(
    "url", ["ftp://x.example", "http://", "http://x?a=1", "http://x#a", "http://[", "http://x:y"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="URL of a log"):
        HttpSource(url)
