"""What a log sends to a witness: the body of ``POST <prefix>/add-checkpoint`` (C2SP tlog-witness).

::

    old 20852014
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
    jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=

    example.com/behind-the-sofa
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhc…

The size that the witness is thought to know, the RFC 9162 consistency proof from there, at most
63 hashes, and after an empty line the checkpoint, a signed note.

A witness refuses with a status of HTTP: 400 malformed, 403 no valid signature by a key that it
trusts for the origin, 404 an origin that it does not watch, 409 another size than the one it
cosigned last (and then says which, as `SIZE_TYPE`) or another root at that size, 422 a proof that
does not hold. Else it answers 200 with its signature lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from provenance.errors import MalformedError
from provenance.forms import MAX_INTEGER
from provenance.log.proof import format_hashes, parse_hashes

__all__ = ["MAX_REQUEST", "SIZE_TYPE", "AddCheckpoint", "format_size", "parse_size"]

MAX_REQUEST = 1 << 20
"""Bytes of a request: a note as large as any that is read, and the longest proof."""

SIZE_TYPE = "text/x.tlog.size"
"""Content type of an answer 409 that tells a size."""

_OLD = re.compile(r"old (0|[1-9][0-9]{0,15})\n")
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,15})\n")


@dataclass(frozen=True)
class AddCheckpoint:
    """A checkpoint to cosign, not yet checked.

    Attributes:
        old_size: of the checkpoint that the witness is thought to have cosigned last; 0 for none.
        proof: from there to the checkpoint, 32 bytes each.
        checkpoint: the note.
    """

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    @classmethod
    def parse(cls, data: bytes) -> AddCheckpoint:
        """Read a request; the inverse of `to_bytes`.

        Raises:
            MalformedError: it is none.
        """
        if len(data) > MAX_REQUEST:
            raise MalformedError(
                f"the request is {len(data):,} bytes long; at most {MAX_REQUEST:,}"
            )
        lines, gap, checkpoint = data.partition(b"\n\n")
        try:
            text = lines.decode("ascii") + "\n"
        except UnicodeDecodeError:
            text = ""
        match = _OLD.match(text)
        if not match or not gap:
            raise MalformedError("a request has the line 'old N', hashes, an empty line and a note")
        return cls(_bounded(match[1]), parse_hashes(text[match.end() :]), checkpoint)

    def to_bytes(self) -> bytes:
        """Return the body of the request."""
        return f"old {self.old_size}\n{format_hashes(self.proof)}\n".encode() + self.checkpoint


def format_size(size: int) -> bytes:
    """Return the body of an answer 409 that tells a size."""
    return f"{size}\n".encode()


def parse_size(data: bytes) -> int:
    """Read the body of an answer 409; the inverse of `format_size`.

    Raises:
        MalformedError: it is no size.
    """
    match = _SIZE.fullmatch(data)
    if not match:
        raise MalformedError("the size is not a decimal number and a newline")
    return _bounded(match[1])


def _bounded(digits: str | bytes) -> int:
    if int(digits) > MAX_INTEGER:
        raise MalformedError("a tree has at most 2^53-1 leaves")
    return int(digits)
