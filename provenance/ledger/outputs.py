"""Model outputs, batched: recorded at once, registered in batches.

`OutputBatches.record` returns when the record's leaf hash is in the spool, on disk. A batch is
registered when it is large enough, old enough, or the block ends. A spool file::

    {"name":"predictions","nonce":"…","issued":"…",…}LF       what its statement will say
    leaf hash, 32 bytes ‖ SHA-256(leaf hash)[:8]              one frame for each record
    …

The spool holds hashes, never the records. A process holds a lock on its spool file as long as it
lives, so files without one are what a crash left, and `recover` registers them. The statement
follows from the file alone: if a crash came after it was logged and before the file was removed,
recovering logs the same payload again, which the log answers with the first entry.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from provenance import forms
from provenance.errors import InputError, LedgerError, MalformedError
from provenance.ledger.catalog import RegisteredArtifact
from provenance.ledger.folder import Folder
from provenance.ledger.refs import Ref
from provenance.ledger.registering import keep_tree
from provenance.ledger.steps import reference
from provenance.merkle import EMPTY_ROOT, HASH_SIZE
from provenance.records import ARTIFACT_DIGEST, JSON, Artifact, hash_record
from provenance.signing.keyfiles import sync_folder
from provenance.statements import ArtifactRef, Outputs, Sensitivity, Statement, Subject
from provenance.statements.statement import MAX_STATEMENT

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["OutputBatches", "pending", "recover"]

SUFFIX = ".spool"
MAX_HEADER = MAX_STATEMENT  # which says all that a header does, and more
_CHECK = 8
_FRAME = HASH_SIZE + _CHECK
_BLOCK = 1 << 15
"""Frames that are read at a time. The system reads 2 GiB at most, and says nothing of the rest."""

_NOTHING = Artifact(root=EMPTY_ROOT, size=0, encoding=JSON)


@dataclass(frozen=True, kw_only=True)
class _Header:
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


class OutputBatches:
    """Records a model's outputs; made by `Ledger.outputs`, used as a context manager.

    Safe to use from several threads. Memory: nothing grows with the number of records.

    Attributes:
        artifacts: the batches registered so far.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        name: str,
        model: Ref | None,
        sensitivity: Sensitivity,
        metadata: Mapping[str, forms.Json] | None,
        flush_count: int,
        flush_seconds: float,
    ) -> None:
        ledger.keyring.signers  # noqa: B018 - a wrong passphrase is found now, not at the first batch
        recover(ledger)
        if flush_count < 1 or flush_seconds <= 0:
            raise InputError("a batch is flushed after 1 record or more and some time")
        self._ledger = ledger
        self._name = name
        self._model = None if model is None else reference(ledger.resolve(model))
        self._sensitivity = sensitivity
        self._metadata = dict(metadata or {})
        self._flush_count = flush_count
        self._flush_seconds = flush_seconds
        self._lock = threading.RLock()
        self._spool: _Spool | None = None
        self._timer: threading.Timer | None = None
        self.artifacts: list[RegisteredArtifact] = []
        self._header()  # what cannot be signed is refused now, and not once it was acknowledged

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def record(self, row: Any) -> None:
        """Record one output, a dict or JSON text. When this returns, it survives `kill -9`.

        Raises:
            InputError: `row` is not a record of the encoding ``json``.
            LedgerError: the disk is full: this record is not in the spool, or it is and its batch
                cannot be registered now. What was recorded before is safe in either case.
        """
        leaf_hash = hash_record(row, JSON)
        with self._lock:
            if self._spool is None:
                self._spool = _Spool.create(self._ledger.folder, self._header())
                self._timer = threading.Timer(self._flush_seconds, self._flush_in_background)
                self._timer.daemon = True
                self._timer.start()
            self._spool.append(leaf_hash)
            if self._spool.count >= self._flush_count:
                self.flush()

    def flush(self) -> None:
        """Register what was recorded since the last batch.

        Raises:
            LedgerError: it cannot be registered now; it stays in the spool.
        """
        with self._lock:
            spool, self._spool = self._spool, None
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            if spool is not None:
                with spool:
                    self.artifacts.append(_register(self._ledger, spool))

    def _flush_in_background(self) -> None:
        # What cannot be registered now stays in the spool, for `recover`.
        with contextlib.suppress(InputError, LedgerError):
            self.flush()

    def _header(self) -> _Header:
        header = _Header(
            **self._ledger.journal.stamp(),
            name=self._name,
            model=self._model,
            sensitivity=self._sensitivity,
            metadata=self._metadata,
        )
        header.statement(_NOTHING).to_bytes()
        return header


def recover(ledger: Ledger) -> list[RegisteredArtifact]:
    """Register what processes that are gone left in the spool.

    Raises:
        LedgerError: a spool file is not as it must be.
    """
    found = []
    for path in sorted(ledger.folder.spool.glob(f"*{SUFFIX}")):
        with ledger.folder.alone("spool"):
            spool = _Spool.adopt(path)
        if spool is not None:
            with spool:
                if spool.count:
                    found.append(_register(ledger, spool))
                else:
                    spool.remove()
    return found


def pending(folder: Path) -> int:
    """Return how many outputs are in the spool, of living and of dead processes."""
    count = 0
    for path in folder.glob(f"*{SUFFIX}"):
        # Gone, if it was registered just now.
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            file.readline(MAX_HEADER)
            count += (os.fstat(file.fileno()).st_size - file.tell()) // _FRAME
    return count


def _register(ledger: Ledger, spool: _Spool) -> RegisteredArtifact:
    artifact = keep_tree(ledger.folder, spool.leaf_hash_blocks(), JSON)
    statement = spool.header.statement(artifact)
    index = ledger.journal.submit(statement)
    spool.remove()  # a crash before this line leaves the file, and `recover` finds the same entry
    return RegisteredArtifact.of(index, statement)


class _Spool:
    """One locked spool file."""

    def __init__(self, path: Path, file: BinaryIO, header: _Header, start: int, count: int) -> None:
        self._path = path
        self._file = file
        self._start = start
        self.header = header
        self.count = count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @classmethod
    def create(cls, folder: Folder, header: _Header) -> _Spool:
        path = folder.spool / f"{secrets.token_hex(8)}{SUFFIX}"
        line = forms.dump(header) + b"\n"
        # Nobody adopts a file between its making and its locking.
        with folder.alone("spool"), contextlib.ExitStack() as undo:
            try:
                file = path.open("x+b", buffering=0)
                undo.callback(_discard, path)
                undo.callback(file.close)
                fcntl.flock(file, fcntl.LOCK_EX)
                _write(file, line, 0)
                sync_folder(folder.spool)
            except OSError as error:
                raise LedgerError(f"cannot write {path}: {error.strerror}") from error
            undo.pop_all()
        return cls(path, file, header, len(line), 0)

    @classmethod
    def adopt(cls, path: Path) -> _Spool | None:
        """Open what another process left; None while that process lives, or once it is gone."""
        try:
            file = path.open("r+b", buffering=0)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        if not path.exists():  # registered and removed between opening and locking
            file.close()
            return None
        line, newline, frames = file.read().partition(b"\n")
        if not newline:  # it died before anything was acknowledged
            with file:
                _remove(path)
            return None
        try:
            value = forms.parse(line, what="its header", cap=MAX_HEADER)
            header = forms.decode(_Header, value, "its header")
            count = _count_whole(frames)
        except MalformedError as error:
            file.close()
            raise LedgerError(
                f"the spool file {path} is damaged: {error}; move it away to go on without its "
                "outputs"
            ) from error
        return cls(path, file, header, len(line) + 1, count)

    def append(self, leaf_hash: bytes) -> None:
        """Write one frame through to the disk."""
        frame = leaf_hash + sha256(leaf_hash).digest()[:_CHECK]
        try:
            # Where an earlier write failed half-way, its torn frame is overwritten.
            at = self._start + self.count * _FRAME
            _write(self._file, frame, at)
        except OSError as error:
            raise LedgerError(f"cannot write to {self._path}: {error.strerror}") from error
        self.count += 1

    def leaf_hash_blocks(self) -> Iterator[bytes]:
        """Yield the leaf hashes of all acknowledged records, 32·n bytes at a time.

        Raises:
            LedgerError: the file was cut, or cannot be read.
        """
        for first in range(0, self.count, _BLOCK):
            length = min(_BLOCK, self.count - first) * _FRAME
            try:
                frames = os.pread(self._file.fileno(), length, self._start + first * _FRAME)
            except OSError as error:
                raise LedgerError(f"cannot read {self._path}: {error.strerror}") from error
            if len(frames) != length:
                raise LedgerError(f"the spool file {self._path} was cut while it was in use")
            yield b"".join(frames[at : at + HASH_SIZE] for at in range(0, length, _FRAME))

    def remove(self) -> None:
        _remove(self._path)


def _write(file: BinaryIO, data: bytes, at: int) -> None:
    """Write all of `data` through to the disk."""
    if os.pwrite(file.fileno(), data, at) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())


def _discard(path: Path) -> None:
    # Where even this fails, it is a file in which nothing was acknowledged: `recover` removes it.
    with contextlib.suppress(OSError):
        path.unlink()


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise LedgerError(f"cannot remove {path}: {error.strerror}") from error


def _count_whole(frames: bytes) -> int:
    """Return how many frames are whole; at most the last may be torn.

    Raises:
        MalformedError: another one is damaged. Each was on the disk before the next was begun.
    """
    count = 0
    while _is_whole(frames[count * _FRAME : (count + 1) * _FRAME]):
        count += 1
    if len(frames) > (count + 1) * _FRAME:
        raise MalformedError(f"its record {count} is damaged")
    return count


def _is_whole(frame: bytes) -> bool:
    return len(frame) == _FRAME and sha256(frame[:HASH_SIZE]).digest()[:_CHECK] == frame[HASH_SIZE:]
