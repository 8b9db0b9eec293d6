"""The spool: files in which recorded outputs wait until their batch is registered.

::

    {"name":"predictions","nonce":"…",…} 9f86d081884c7d65 LF  what the batch's statement will say,
                                                              and SHA-256(that)[:8] in hex
    leaf hash, 32 bytes ‖ SHA-256(leaf hash)[:8]              one frame for each record
    …

It holds hashes, never the records. The process that makes a file holds it as long as it lives
(`provenance.ledger.held`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Self

from provenance import forms
from provenance.errors import LedgerError, MalformedError
from provenance.ledger.held import HeldFile
from provenance.merkle import HASH_SIZE
from provenance.records import ARTIFACT_DIGEST, Artifact
from provenance.statements import ArtifactRef, Outputs, Sensitivity, Statement, Subject
from provenance.statements.statement import MAX_STATEMENT

__all__ = ["FRAME", "MAX_HEADER", "Header", "Spool", "inspect", "pending", "spool_files"]

SUFFIX = ".spool"
_CHECK = 8
MAX_HEADER = MAX_STATEMENT + 2 * _CHECK + 2  # a statement says all that a header does, and more
FRAME = HASH_SIZE + _CHECK
_BLOCK = 1 << 15
"""Frames that are read at a time. The system reads 2 GiB at most, and says nothing of the rest."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a batch's statement will say, beside the artifact."""

    name: str
    nonce: bytes
    issued: str
    sensitivity: Sensitivity
    metadata: dict[str, forms.Json] = field(default_factory=dict)
    model: ArtifactRef | None = None

    def statement(self, artifact: Artifact) -> Statement:
        """Return what is signed of the batch."""
        subject = Subject(name=self.name, digest={ARTIFACT_DIGEST: artifact.digest_hex})
        predicate = Outputs(
            nonce=self.nonce,
            issued=self.issued,
            artifact=artifact,
            sensitivity=self.sensitivity,
            metadata=self.metadata,
            model=self.model,
        )
        return Statement(subjects=(subject,), predicate=predicate)


def spool_files(folder: Path) -> list[Path]:
    """Return the spool files in a folder, of living and of dead processes."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def pending(folder: Path) -> int:
    """Return how many outputs are in the spool, of living and of dead processes."""
    count = 0
    for path in spool_files(folder):
        # Gone, if it was registered just now.
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            file.readline(MAX_HEADER)
            count += (os.fstat(file.fileno()).st_size - file.tell()) // FRAME
    return count


def inspect(path: Path) -> tuple[int, int]:
    """Return how many whole records a spool file has, and how many bytes are behind them.

    Less than a frame is left by a process that was killed at it, and by one that is at it now.

    Raises:
        MalformedError: it is damaged; or has no header, as one in which nothing was acknowledged.
        LedgerError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:  # registered just now
        return 0, 0
    except OSError as error:
        raise LedgerError(f"cannot read {path}: {error.strerror}") from error
    line, newline, frames = data.partition(b"\n")
    if not newline:
        raise MalformedError("it has no header")
    _parse_header(line)
    count = _count_whole(frames)
    return count, len(frames) - count * FRAME


class Spool:
    """One spool file, held by this process."""

    def __init__(self, held: HeldFile, header: Header, start: int, count: int) -> None:
        self._held = held
        self._start = start
        self.header = header
        self.count = count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    @classmethod
    def create(cls, folder: Path, header: Header) -> Spool:
        """Make one in a folder.

        Raises:
            LedgerError: it cannot be written.
        """
        line = _format_header(header)
        return cls(HeldFile.create(folder, SUFFIX, line), header, len(line), 0)

    @classmethod
    def adopt(cls, path: Path) -> Spool | None:
        """Open what another process left; None while that process lives, or once it is gone.

        Raises:
            LedgerError: it is damaged.
        """
        held = HeldFile.adopt(path)
        if held is None:
            return None
        line, newline, frames = held.file.read().partition(b"\n")
        if not newline:  # it died before anything was acknowledged
            with held.file:
                held.remove()
            return None
        try:
            header = _parse_header(line)
            count = _count_whole(frames)
        except MalformedError as error:
            held.close()
            raise LedgerError(
                f"the spool file {path} is damaged: {error}; move it away to go on without its "
                "outputs"
            ) from error
        return cls(held, header, len(line) + 1, count)

    def append(self, leaf_hash: bytes) -> None:
        """Write one frame through to the disk."""
        frame = leaf_hash + _checksum(leaf_hash)
        try:
            # Where an earlier write failed half-way, its torn frame is overwritten.
            self._held.write(frame, self._start + self.count * FRAME)
            self._held.sync()
        except OSError as error:
            raise LedgerError(f"cannot write to {self._held.path}: {error.strerror}") from error
        self.count += 1

    def leaf_hash_blocks(self) -> Iterator[bytes]:
        """Yield the leaf hashes of all acknowledged records, 32·n bytes at a time.

        Raises:
            LedgerError: the file was cut, or cannot be read.
        """
        for first in range(0, self.count, _BLOCK):
            length = min(_BLOCK, self.count - first) * FRAME
            try:
                frames = os.pread(self._held.file.fileno(), length, self._start + first * FRAME)
            except OSError as error:
                raise LedgerError(f"cannot read {self._held.path}: {error.strerror}") from error
            if len(frames) != length:
                raise LedgerError(f"the spool file {self._held.path} was cut while it was in use")
            yield b"".join(frames[at : at + HASH_SIZE] for at in range(0, length, FRAME))

    def remove(self) -> None:
        """Remove it, now that its batch is registered."""
        self._held.remove()


def _format_header(header: Header) -> bytes:
    text = forms.dump(header)
    return text + b" " + _checksum(text).hex().encode() + b"\n"


def _parse_header(line: bytes) -> Header:
    """Read the first line of a spool file; the inverse of `_format_header`.

    Raises:
        MalformedError: it is damaged.
    """
    text, _, check = line.rpartition(b" ")
    if check != _checksum(text).hex().encode():
        raise MalformedError("its header is damaged")
    return forms.decode(Header, forms.parse(text, what="its header", cap=MAX_HEADER), "its header")


def _checksum(data: bytes) -> bytes:
    return sha256(data).digest()[:_CHECK]


def _count_whole(frames: bytes) -> int:
    """Return how many frames are whole; at most the last may be torn.

    Raises:
        MalformedError: another one is damaged. Each was on the disk before the next was begun.
    """
    count = 0
    while _is_whole(frames[count * FRAME : (count + 1) * FRAME]):
        count += 1
    if len(frames) > (count + 1) * FRAME:
        raise MalformedError(f"its record {count} is damaged")
    return count


def _is_whole(frame: bytes) -> bool:
    return len(frame) == FRAME and _checksum(frame[:HASH_SIZE]) == frame[HASH_SIZE:]
