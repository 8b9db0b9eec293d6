"""Signed notes (C2SP signed-note) and witness cosignatures (C2SP tlog-cosignature).

A note is a text that ends in a newline, an empty line, and signature lines::

    acme.example/ml
    3
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — acme.example/ml Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGz…
    — witness.example/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJs…

Each line is U+2014, a space, the key's name, a space, base64(key ID ‖ signature), where
key ID = SHA-256(name ‖ 0x0A ‖ type ‖ public key)[:4]. Two types are known here:

==== ===================== ==================================================================
0x01 Ed25519               signature over the text
0x04 timestamped, Ed25519  u64be time ‖ signature over ``cosignature/v1\\ntime N\\n`` + text
==== ===================== ==================================================================

A verifier key is written as a vkey, ``name+hex(key ID)+base64(type ‖ public key)``.

`sign_note` and `open_note` are opposites. The text means nothing until `open_note` returned it:
it passes over lines by unknown keys, as the standard says, and rejects the whole note where a
line by a known key fails. Stricter than the standard, it takes one line per known key only.
What the text says is not known here; `provenance.log` gives it meaning.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, cast

from provenance import forms
from provenance.errors import InputError, MalformedError
from provenance.signing.keys import PrivateKey, PublicKey, SignatureError

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "MAX_NOTE",
    "MAX_SIGNATURES",
    "Note",
    "NoteSignature",
    "VerifierKey",
    "add_signatures",
    "cosign_note",
    "open_note",
    "sign_note",
    "strip_foreign_lines",
]

ED25519: Literal[1] = 1
COSIGNATURE: Literal[4] = 4

MAX_NOTE = 1_000_000
"""Bytes of the largest note that is read, as in golang.org/x/mod/sumdb/note."""

MAX_SIGNATURES = 100
"""Signature lines of a note that is read; the standard wants at least 16."""

MAX_TIME = 2**63 - 1


@dataclass(frozen=True)
class VerifierKey:
    """A public key with the name and the signature type that it has in notes.

    Attributes:
        name: not empty, without spaces and ``+``: a URL without scheme is recommended.
        key: the Ed25519 public key.
        type: 0x01 (`ED25519`: signs notes) or 0x04 (`COSIGNATURE`: a witness).
    """

    name: str
    key: PublicKey
    type: Literal[1, 4] = ED25519

    def __post_init__(self) -> None:
        _check_name(self.name)
        _ = self.key.raw  # refuses other algorithms

    @classmethod
    def parse(cls, vkey: str) -> VerifierKey:
        """Read a vkey: ``str(VerifierKey.parse(vkey)) == vkey``.

        Raises:
            MalformedError: not a vkey, or of a type that is not known here.
        """
        name, _, rest = vkey.partition("+")
        key_id, _, material = rest.partition("+")
        data = forms.decode_base64(material, f"the key of the vkey {name!r}")
        if data[:1] not in (b"\x01", b"\x04"):
            raise MalformedError(f"the vkey {name!r} is of no type known here: 01 and 04 are")
        key = cls(name, PublicKey.from_raw(data[1:]), cast("Literal[1, 4]", data[0]))
        if key.key_id.hex() != key_id:
            raise MalformedError(f"the key ID in the vkey {name!r} must be {key.key_id.hex()}")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(bytes([self.type]) + self.key.raw)}"

    @property
    def key_id(self) -> bytes:
        """SHA-256(name ‖ 0x0A ‖ type ‖ public key)[:4]."""
        return sha256(self.name.encode() + bytes([0x0A, self.type]) + self.key.raw).digest()[:4]


@dataclass(frozen=True)
class NoteSignature:
    """A signature that was verified; `time` (POSIX seconds) is None unless a cosignature."""

    key: VerifierKey
    time: int | None


@dataclass(frozen=True)
class Note:
    """A text and who signed it, verified. Only `open_note` makes one."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True)
class _Line:
    name: str
    key_id: bytes
    signature: bytes

    def __bytes__(self) -> bytes:
        return f"— {self.name} {_base64(self.key_id + self.signature)}\n".encode()


# --- sign and open --------------------------------------------------------------------------


def sign_note(text: str, name: str, key: PrivateKey) -> bytes:
    """Return the note of `text`, signed by `key` (Ed25519) under `name`.

    Raises:
        InputError: a text that does not end in a newline or holds control characters, a name
            that a note cannot hold, a key that is not Ed25519.
    """
    verifier = VerifierKey(name, key.public)
    _check_text(text)
    line = _Line(name, verifier.key_id, key.sign(text.encode()))
    return text.encode() + b"\n" + bytes(line)


def cosign_note(text: str, name: str, key: PrivateKey, *, time: int) -> bytes:
    """Return the signature line with which a witness cosigns `text` at `time`, POSIX seconds.

    Raises:
        InputError: as for `sign_note`, or a time outside 0 … 2^63-1.
    """
    verifier = VerifierKey(name, key.public, COSIGNATURE)
    _check_text(text)
    if not 0 <= time <= MAX_TIME:
        raise InputError(f"{time} is not a POSIX time")
    signature = struct.pack(">Q", time) + key.sign(_cosigned(text, time))
    return bytes(_Line(name, verifier.key_id, signature))


def open_note(note: bytes, verifiers: Iterable[VerifierKey]) -> Note:
    """Return the text of `note` and which of `verifiers` signed it, in the note's order.

    Raises:
        MalformedError: not a note, or with more signatures than are read.
        SignatureError: a line by one of `verifiers` is not valid or repeated, or none signed.
        InputError: two of `verifiers` have one name and key ID.
    """
    text, lines = _split(note)
    known = _by_id(verifiers)
    verified: dict[VerifierKey, NoteSignature] = {}
    for line in lines:
        key = known.get((line.name, line.key_id))
        if key in verified:
            raise SignatureError(f"the note is signed twice by {line.name}")
        if key is not None:
            verified[key] = NoteSignature(key, _verify(key, line.signature, text))
    if not verified:
        names = ", ".join(line.name[:80] for line in lines[:5])
        more = f" and {len(lines) - 5} more" if len(lines) > 5 else ""
        raise SignatureError(f"the note is signed by no known key, only by {names}{more}")
    return Note(text, tuple(verified.values()))


# --- signature lines --------------------------------------------------------------------------


def add_signatures(note: bytes, lines: Iterable[bytes]) -> bytes:
    """Return `note` with further signature lines, as witnesses answer them.

    A line by a name and key ID that the note has already takes its place. Nothing is verified.

    Raises:
        MalformedError: not a note, not signature lines, or too many of them.
    """
    text, present = _split(note)
    merged = {(line.name, line.key_id): line for line in present}
    for data in lines:
        whole, added = _split(text.encode() + b"\n" + data)
        if whole != text:
            raise MalformedError("signature lines have no empty line among them")
        merged |= {(line.name, line.key_id): line for line in added}
    return _joined(text, merged.values())


def strip_foreign_lines(note: bytes, verifiers: Iterable[VerifierKey]) -> bytes:
    """Return `note` with those signature lines only that name one of `verifiers`.

    Nothing is verified. Lines by unknown keys are bytes on which no verdict rests.

    Raises:
        MalformedError: not a note.
        SignatureError: no line is left.
    """
    text, lines = _split(note)
    known = _by_id(verifiers)
    kept = [line for line in lines if (line.name, line.key_id) in known]
    if not kept:
        raise SignatureError("the note is signed by no known key")
    return _joined(text, kept)


def _joined(text: str, lines: Iterable[_Line]) -> bytes:
    note = text.encode() + b"\n" + b"".join(map(bytes, lines))
    _split(note)  # within the limits
    return note


def _split(note: bytes) -> tuple[str, list[_Line]]:
    """Return text and signature lines of a note; both together give its bytes back."""
    if len(note) > MAX_NOTE:
        raise MalformedError(f"the note is {len(note):,} bytes long; at most {MAX_NOTE:,} are read")
    try:
        content = note.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"the note is not UTF-8 at byte {error.start}") from None
    if any(char < " " and char != "\n" for char in content):
        raise MalformedError("the note holds a control character")
    text, gap, signatures = content.rpartition("\n\n")
    if not gap or not signatures.endswith("\n"):
        raise MalformedError("the note has no signature lines after an empty line")
    rows = signatures[:-1].split("\n")
    if len(rows) > MAX_SIGNATURES:
        raise MalformedError(f"the note has {len(rows)} signatures, more than {MAX_SIGNATURES}")
    return text + "\n", [_parse_line(row) for row in rows]


def _parse_line(row: str) -> _Line:
    dash, name, encoded = (row.split(" ") + [""] * 3)[:3]
    if row.count(" ") != 2 or dash != "—":
        raise MalformedError(f"not a signature line of a note: {row[:80]!r}")
    _check_name(name)
    data = forms.decode_base64(encoded, f"the signature by {name}")
    if len(data) < 5:
        raise MalformedError(f"the signature by {name} has {len(data)} bytes: too few")
    return _Line(name, data[:4], data[4:])


def _by_id(verifiers: Iterable[VerifierKey]) -> dict[tuple[str, bytes], VerifierKey]:
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in verifiers:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise InputError(f"two verifier keys have the name {key.name} and one key ID")
    return known


def _verify(key: VerifierKey, signature: bytes, text: str) -> int | None:
    if key.type == ED25519:
        key.key.verify(signature, text.encode())
        return None
    if len(signature) != 72:
        raise SignatureError(f"the cosignature by {key.name} has {len(signature)} bytes, not 72")
    time: int = struct.unpack(">Q", signature[:8])[0]
    if time > MAX_TIME:
        raise SignatureError(f"the cosignature by {key.name} has no POSIX time")
    key.key.verify(signature[8:], _cosigned(text, time))
    return time


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise MalformedError(f"{name!r} cannot name a key: it is empty, or has a space or a +")


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(char < " " and char != "\n" for char in text):
        raise InputError("the text of a note ends in a newline and holds no control characters")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
