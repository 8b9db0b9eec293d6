"""The log as C2SP tlog-tiles, byte for byte against tiles built from the entries themselves."""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from asking import problem
from serving import serving

from api import create_app
from provenance import Ledger
from provenance.signing import VerifierKey, open_note

SIZE = 300


def root(hashes: list[bytes]) -> bytes:
    """RFC 9162 over leaf hashes."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1" + root(hashes[:split]) + root(hashes[split:])).digest()


def tiles(entries: list[bytes]) -> dict[str, bytes]:
    """Every tile of a small log, full and as far as the right edge goes (c2sp.org/tlog-tiles)."""
    found, level = {}, 0
    hashes = [sha256(b"\0" + entry).digest() for entry in entries]
    blocks = [
        b"".join(len(e).to_bytes(2, "big") + e for e in entries[at : at + 256])
        for at in range(0, len(entries), 256)
    ]
    while hashes:
        for n in range(-(-len(hashes) // 256)):
            tile = hashes[256 * n : 256 * (n + 1)]
            edge = f"{n:03}" if len(tile) == 256 else f"{n:03}.p/{len(tile)}"
            found[f"{level}/{edge}"] = b"".join(tile)
            if level == 0:
                found[f"entries/{edge}"] = blocks[n]
        hashes = [root(hashes[at : at + 256]) for at in range(0, len(hashes) - 255, 256)]
        level += 1
    return found


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with Ledger.init(tmp_path_factory.mktemp("long"), origin="acme.example/long") as ledger:
        first = ledger.register([{"a": 0}], name="first")
        while ledger.quality(first, metrics={"n": 1}) < SIZE - 1:
            pass
        ledger.checkpoint()
        ledger.quality(first, metrics={"n": -1})  # logged, and covered by no checkpoint
        yield ledger


@pytest.fixture(scope="module")
def http(long: Ledger) -> Iterator[httpx.Client]:
    with serving(create_app(long, public=True)) as url, httpx.Client(base_url=url) as http:
        yield http


@pytest.fixture(scope="module")
def entries(long: Ledger) -> list[bytes]:
    return [entry for entry, _ in long.every_entry(SIZE)]


def test_the_checkpoint_is_a_note_over_the_entries(
    http: httpx.Client, long: Ledger, entries: list[bytes]
) -> None:
    answer = http.get("/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=2"
    assert answer.content.decode() == long.latest_checkpoint()
    note = open_note(answer.content, [VerifierKey.parse(long.policy().log_keys[0])])
    origin, size, head, rest = note.text.split("\n")
    assert (origin, size, rest) == (long.origin, str(SIZE), "")
    leaves = [sha256(b"\0" + entry).digest() for entry in entries]
    assert head == b64encode(root(leaves)).decode()


def test_every_tile_is_the_reference_byte_for_byte(
    http: httpx.Client, entries: list[bytes]
) -> None:
    expected = tiles(entries)
    assert {"0/000", "0/001.p/44", "1/000.p/1", "entries/000", "entries/001.p/44"} <= set(expected)
    for path, data in expected.items():
        answer = http.get(f"/tile/{path}", headers={"Accept-Encoding": "gzip, br"})
        assert answer.content == data, path
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        compressed = path.startswith("entries/")
        assert answer.headers.get("content-encoding") == ("gzip" if compressed else None)
        assert answer.headers.get("vary") == ("Accept-Encoding" if compressed else None)


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5, identity;q=0.1", True),
        ("gzip ; q=0.001", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("", False),
        ("identity", False),
        ("br, zstd, deflate", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
    ],
)
def test_entries_are_compressed_for_those_who_take_it(
    http: httpx.Client, entries: list[bytes], accepted: str, compressed: bool
) -> None:
    with http.stream("GET", "/tile/entries/000", headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    expected = tiles(entries)["entries/000"]
    assert ("content-encoding" in answer.headers) is compressed
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-length"] == str(len(raw))
    assert (gzip.decompress(raw) if compressed else raw) == expected
    if compressed:
        assert len(raw) < len(expected)


@pytest.mark.parametrize(
    "path", ["/checkpoint", "/tile/0/000", "/tile/0/001.p/44", "/tile/entries/000", "/tile/0/009"]
)
def test_head_is_get_without_the_body(http: httpx.Client, path: str) -> None:
    head, get = http.head(path), http.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    for name in ("content-type", "content-length", "cache-control"):
        assert head.headers[name] == get.headers[name]


def test_partial_tiles_of_every_width_are_prefixes(
    http: httpx.Client, entries: list[bytes]
) -> None:
    full = tiles(entries)["0/000"]
    for width in (1, 2, 100, 255):
        assert http.get(f"/tile/0/000.p/{width}").content == full[: 32 * width]
        assert http.get(f"/tile/entries/000.p/{width}").content == b"".join(
            len(entry).to_bytes(2, "big") + entry for entry in entries[:width]
        )


@pytest.mark.parametrize(
    "path",
    [
        "0/001",  # not full yet
        "0/001.p/45",  # logged, but covered by no checkpoint
        "entries/001.p/45",
        "0/002.p/1",
        "1/000",
        "1/000.p/2",
        "2/000.p/1",
        "63/000",
        "64/000",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/0",
        "0/000/",
        "00/000",
        "0/x000/000",
        "0/x000",
        "0/999/999",
        "-1/000",
        "entries/000.p/1000",
        "Entries/000",
        "0/000%00",
        "0/..%2f..%2fledger.db",
        "../../etc/passwd",
        "0/" + "x999/" * 400 + "999",
    ],
)
def test_what_is_no_tile_of_the_checkpoint_is_not_found(http: httpx.Client, path: str) -> None:
    answer = http.get(f"/tile/{path}")
    slug = "not-found" if path.startswith("..") else "unknown-tile"
    problem(answer, 404, slug)
    assert answer.headers["cache-control"] == "no-store"


def test_without_a_checkpoint_there_are_no_tiles(tmp_path: Path) -> None:
    with (
        Ledger.init(tmp_path, origin="acme.example/new") as new,
        serving(create_app(new, public=True)) as url,
    ):
        problem(httpx.get(f"{url}/tile/0/000.p/1"), 404, "unknown-tile")
