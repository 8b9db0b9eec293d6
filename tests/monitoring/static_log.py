"""A log as the static files of C2SP tlog-tiles, written from the specification and nothing else.

Tree heads come from the ten-line recursion of RFC 9162, section 2.1.1: slow, and independent of
what is tested.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from provenance.log import Checkpoint
from provenance.monitoring import MissingError
from provenance.signing import PrivateKey, VerifierKey, sign_note
from provenance.verification import Policy

ORIGIN = "acme.example/ml"
KEY, OTHER_KEY, WITNESS = PrivateKey.generate(), PrivateKey.generate(), PrivateKey.generate()
ADMIN = PrivateKey.generate()


def entry(number: int, salt: str = "") -> bytes:
    """An entry of a dataset that names one artifact."""
    envelope = sha256(f"envelope {salt}{number}".encode()).digest()
    artifact = sha256(f"artifact {salt}{number}".encode()).digest()
    return b"\x01\x01" + envelope + b"\x00\x01" + artifact


@functools.lru_cache(maxsize=1 << 20)
def leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def tree_head(hashes: list[bytes]) -> bytes:
    """MTH of leaf hashes: RFC 9162, section 2.1.1."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01" + tree_head(hashes[:half]) + tree_head(hashes[half:])).digest()


def number(index: int) -> str:
    text = f"{index % 1000:03}"
    while index := index // 1000:
        text = f"x{index % 1000:03}/{text}"
    return text


def tiles(entries: list[bytes]) -> dict[str, bytes]:
    """Every tile of a log of these entries, the partial ones of this size included."""
    files = {}
    for at in range(0, len(entries), 256):
        part = entries[at : at + 256]
        width = "" if len(part) == 256 else f".p/{len(part)}"
        data = b"".join(len(data).to_bytes(2, "big") + data for data in part)
        files[f"tile/entries/{number(at // 256)}{width}"] = data
    return files | tile_files([leaf(data) for data in entries])


def tile_files(hashes: list[bytes]) -> dict[str, bytes]:
    """Every hash tile over these leaf hashes."""
    level, files = 0, {}
    while hashes:
        above = []
        for at in range(0, len(hashes), 256):
            part = hashes[at : at + 256]
            width = "" if len(part) == 256 else f".p/{len(part)}"
            files[f"tile/{level}/{number(at // 256)}{width}"] = b"".join(part)
            if not width:
                above.append(tree_head(part))
        level, hashes = level + 1, above
    return files


def signed(entries: list[bytes], key: PrivateKey = KEY, origin: str = ORIGIN) -> bytes:
    head = Checkpoint(origin, len(entries), tree_head([leaf(data) for data in entries]))
    return sign_note(head.to_text(), origin, key)


def vkey(key: PrivateKey, origin: str = ORIGIN) -> str:
    return str(VerifierKey(origin, key.public))


def policy(**changes: object) -> Policy:
    given = {"log_keys": (vkey(KEY),), "admin_keys": (ADMIN.public.to_pem(),), "signers": ()}
    return Policy(**{"origin": ORIGIN, **given, **changes})  # type: ignore[arg-type]


@dataclass
class StaticLog:
    """A log source of files in memory; `asked` is every path that was read."""

    note: bytes
    files: dict[str, bytes]
    name: str = "static"
    asked: list[str] = field(default_factory=list)
    before_each: Callable[[str], None] = lambda _: None

    @classmethod
    def of(cls, entries: list[bytes], **signing: object) -> StaticLog:
        return cls(signed(entries, **signing), tiles(entries))  # type: ignore[arg-type]

    def checkpoint(self) -> bytes:
        self.before_each("checkpoint")
        return self.note

    def tile(self, path: str) -> bytes:
        self.asked.append(path)
        self.before_each(path)
        if path not in self.files:
            raise MissingError(f"there is no {path}")
        return self.files[path]

    def grow(self, entries: list[bytes], *, keep_partial: bool = True) -> None:
        """Serve a log of these entries from now on, if need be without tiles that are full now."""
        new = tiles(entries)
        old = {
            path: data
            for path, data in self.files.items()
            if keep_partial or path.partition(".p/")[0] not in new
        }
        self.note, self.files = signed(entries), old | new
