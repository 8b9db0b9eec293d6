"""A log and a witness written from the standards alone, without a line of the package.

RFC 6962, section 2.1, C2SP signed-note, tlog-checkpoint, tlog-cosignature and tlog-witness.
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def tree(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + tree(leaves[:k]) + tree(leaves[k:])).digest()


def consistency(m: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [tree(leaves)]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m <= k:
        return [*consistency(m, leaves[:k], whole), tree(leaves[k:])]
    return [*consistency(m - k, leaves[k:], False), tree(leaves[:k])]


class Signer:
    def __init__(self, name: str, kind: int) -> None:
        self.name, self.kind = name, kind
        self.private = Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes_raw()
        self.id = sha256(name.encode() + b"\n" + bytes([kind]) + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64(bytes([self.kind]) + self.public)}"

    def sign(self, text: str) -> str:
        return f"— {self.name} {b64(self.id + self.private.sign(text.encode()))}\n"

    def cosign(self, text: str, at: int) -> str:
        signed = self.private.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
        return f"— {self.name} {b64(self.id + at.to_bytes(8, 'big') + signed)}\n"


class Log:
    """A log of which every leaf is at hand."""

    def __init__(self, origin: str = "log.example/1", size: int = 40) -> None:
        self.origin = origin
        self.signer = Signer(origin, 1)
        self.leaves = [f"{origin} {number}".encode() for number in range(size)]

    def text(self, size: int) -> str:
        return f"{self.origin}\n{size}\n{b64(tree(self.leaves[:size]))}\n"

    def note(self, size: int) -> str:
        return f"{self.text(size)}\n{self.signer.sign(self.text(size))}"

    def proof(self, old: int, size: int) -> list[bytes]:
        return consistency(old, self.leaves[:size]) if old else []

    def body(self, old: int, size: int) -> bytes:
        lines = "".join(f"{b64(value)}\n" for value in self.proof(old, size))
        return f"old {old}\n{lines}\n{self.note(size)}".encode()


def cosigned_at(line: bytes, vkey: str, text: str) -> int:
    """Check the one line of an answer against the standard; return its time."""
    name, key_id, key = vkey.split("+", 2)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    dash, signer, encoded = line.decode()[:-1].split(" ")
    data, public = base64.b64decode(encoded, validate=True), base64.b64decode(key)
    assert (dash, signer, data[:4].hex()) == ("—", name, key_id)
    assert (len(data), public[0]) == (76, 4)
    at = int.from_bytes(data[4:12], "big")
    signed = f"cosignature/v1\ntime {at}\n{text}".encode()
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(data[12:], signed)
    return at


# --- a witness ------------------------------------------------------------------------------------


@dataclass
class ForeignWitness:
    """Another's witness, of one log: what the standard says, and no more."""

    log_vkey: str
    signer: Signer = field(default_factory=lambda: Signer("foreign.example/w", 4))
    size: int = 0
    root: bytes = sha256(b"").digest()
    asked: list[bytes] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        self.asked.append(body)
        head, _, note = body.decode().partition("\n\n")
        old_line, *proof = head.split("\n")
        old = int(old_line.removeprefix("old "))
        text, _, lines = note.rpartition("\n\n")
        text += "\n"
        origin, size_line, root_line = text.split("\n")[:3]
        size, root = int(size_line), base64.b64decode(root_line)
        name, key_id, key = self.log_vkey.split("+", 2)
        if path != "/w/add-checkpoint" or origin != name:
            return 404, "text/plain", b""
        signatures = [line.split(" ")[2] for line in lines.splitlines() if f"— {name} " in line]
        data = next(d for s in signatures if (d := base64.b64decode(s))[:4].hex() == key_id)
        try:
            public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])
            public.verify(data[4:], text.encode())
        except InvalidSignature:
            return 403, "text/plain", b""
        if old > size:
            return 400, "text/plain", b""
        if old != self.size:
            return 409, "text/x.tlog.size", f"{self.size}\n".encode()
        if size == old and root != self.root:
            return 409, "text/plain", b"another root\n"
        if not self.consistent(old, size, root, [base64.b64decode(line) for line in proof]):
            return 422, "text/plain", b""
        self.size, self.root = size, root
        return 200, "text/plain", self.signer.cosign(text, int(time.time())).encode()

    def consistent(self, old: int, size: int, root: bytes, proof: list[bytes]) -> bool:
        """The recursive reading of RFC 6962, section 2.1.2: both roots, from the proof."""
        if old in (0, size):
            return not proof
        rest = list(proof)

        def walk(m: int, n: int, whole: bool) -> tuple[bytes, bytes]:
            if m == n:
                value = self.root if whole else rest.pop(0)
                return value, value
            k = 1 << (n - 1).bit_length() - 1
            if m <= k:
                first, second = walk(m, k, whole)
                return first, sha256(b"\1" + second + rest.pop(0)).digest()
            first, second = walk(m - k, n - k, False)
            left = rest.pop(0)
            return sha256(b"\1" + left + first).digest(), sha256(b"\1" + left + second).digest()

        try:
            return walk(old, size, True) == (self.root, root) and not rest
        except IndexError:
            return False

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Answer over HTTP from a thread; yield the submission prefix."""
        witness = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, kind, data = witness.answer(self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                with contextlib.suppress(ConnectionError):  # whoever asked did not wait
                    self.end_headers()
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/w"
            finally:
                server.shutdown()
                thread.join()
