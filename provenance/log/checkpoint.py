"""A checkpoint: the log's signed promise about its first `size` entries (C2SP tlog-checkpoint).

The text of the note has three lines, and its first signature is the log's::

    acme.example/ml
    1042
    sF/6cJ7jM6Yl4oX0uVbnTKyGkB0y2jB0M0JfLx3aPvQ=

    — acme.example/ml 5uF2Qq…
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from provenance.errors import MalformedError
from provenance.forms import MAX_INTEGER, decode_base64
from provenance.merkle import HASH_SIZE

__all__ = ["Checkpoint"]

_TEXT = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/=]+)\n((?:[^\n]+\n)*)")


@dataclass(frozen=True)
class Checkpoint:
    """The tree head (`size`, `root`) of the log named `origin`."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str, *, extended: bool = False) -> Checkpoint:
        """Read the text of a checkpoint note; the inverse of `to_text`.

        Args:
            text: all of it.
            extended: pass over extension lines, which the standard allows; they are refused
                otherwise, since this log writes none.

        Raises:
            MalformedError: not a checkpoint.
        """
        match = _TEXT.fullmatch(text)
        if not match or (match[4] and not extended):
            raise MalformedError("a checkpoint has three lines: origin, size and root")
        size, root = int(match[2]), decode_base64(match[3], "the root of the checkpoint")
        if size > MAX_INTEGER or len(root) != HASH_SIZE:
            raise MalformedError("a checkpoint's size is at most 2^53-1 and its root 32 bytes")
        return cls(match[1], size, root)

    @classmethod
    def of_note(cls, note: str, *, extended: bool = False) -> Checkpoint:
        """Read the checkpoint in a note of one's own, without looking at its signatures.

        Args:
            note: all of it.
            extended: as for `parse`.

        Raises:
            MalformedError: not a checkpoint.
        """
        return cls.parse(note.partition("\n\n")[0] + "\n", extended=extended)

    def to_text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"
