"""What was recorded, on its way to a server: files that outlive the process.

::

    DIR/
      ledger.json                   {"url":"https://ledger.example/p/vision"}: where it goes
      waiting/<time>-<number>/      one signed statement, the oldest first by name
        envelope.json               as it will be sent
        leaves                      leaf hashes of what it registers, 32 bytes each; else missing
      drafts/                       what is being written; a crash leaves it, and the next clears it
      outputs/                      outputs of unsigned batches (`provenance.ledger.spool`)

A statement appears in ``waiting`` whole, by one rename, and goes when the server proved that its
entry is in the log. A crash between the two sends it again, which the log answers with the same
index.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from provenance import forms
from provenance.errors import InputError, LedgerError, MalformedError
from provenance.ledger.folder import write_file
from provenance.merkle import CompactRange
from provenance.records import Artifact, Encoding
from provenance.signing import Envelope
from provenance.signing.keyfiles import sync_folder
from provenance.statements import Statement

__all__ = ["Outbox", "address_of"]

_ADDRESS = "ledger.json"
_MAX_ADDRESS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class _Address:
    url: str


def address_of(folder: Path) -> str:
    """Return the URL that the statements in a folder go to.

    Raises:
        InputError: it is no such folder.
    """
    try:
        value = forms.parse((folder / _ADDRESS).read_bytes(), what=_ADDRESS, cap=_MAX_ADDRESS)
        return forms.decode(_Address, value, _ADDRESS).url
    except (OSError, MalformedError) as error:
        raise InputError(f"{folder} is no folder in which statements wait: {error}") from None


class Outbox:
    """The statements that wait for one server. May be shared between threads and processes.

    Args:
        folder: made, if it is missing.
        url: of the server.

    Raises:
        InputError: what waits there is for another one.
        LedgerError: the folder cannot be used.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.outputs = folder / "outputs"
        self._waiting = folder / "waiting"
        self._drafts = folder / "drafts"
        self._kept: dict[bytes, list[Path]] = {}
        self._naming = threading.Lock()
        self._newest = 0
        with self._writing():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for inside in (self.outputs, self._waiting, self._drafts):
                inside.mkdir(exist_ok=True)
        if not (folder / _ADDRESS).exists():
            write_file(folder / _ADDRESS, forms.dump(_Address(url=url)).decode())
        if address_of(folder) != url:
            raise InputError(f"in {folder} waits what goes to {address_of(folder)}, not to {url}")
        with self._writing():
            self._clear_drafts()

    def close(self) -> None:
        """Say that nothing is written any more."""
        os.close(self._lock)

    def _clear_drafts(self) -> None:
        """Remove what a crash left, unless somebody else is writing; be one who writes."""
        self._lock = os.open(self._drafts, os.O_RDONLY)
        with suppress(OSError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in self._drafts.iterdir():
                shutil.rmtree(left, ignore_errors=True)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def keep(self, leaf_hash_blocks: Iterator[bytes], encoding: Encoding) -> Artifact:
        """Write down leaf hashes, 32·n bytes at a time, for the next statement about them.

        Raises:
            LedgerError: the disk is full, say.
        """
        draft, records = self._draft(), CompactRange()
        try:
            with self._writing(), (draft / "leaves").open("xb") as file:
                for block in leaf_hash_blocks:
                    records.extend(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        artifact = Artifact(root=records.root(), size=records.end, encoding=encoding)
        self._kept.setdefault(artifact.digest, []).append(draft)
        return artifact

    def name(self) -> str:
        """Return the name of the next statement; those of one process are in order."""
        with self._naming:
            self._newest = max(self._newest + 1, time.time_ns())
            return f"{self._newest:020d}-{secrets.token_hex(4)}"

    def put(self, name: str, envelope: bytes, digest: bytes | None) -> None:
        """Keep a signed statement until it is sent.

        Args:
            name: a new one.
            envelope: its bytes.
            digest: of the artifact that it registers, whose leaf hashes were kept.

        Raises:
            LedgerError: the disk is full, say.
        """
        draft = self._draft() if digest is None else self._kept[digest].pop()
        write_file(draft / "envelope.json", envelope.decode())
        with self._writing():
            draft.rename(self._waiting / name)
            sync_folder(self._waiting)

    def _draft(self) -> Path:
        draft = self._drafts / secrets.token_hex(8)
        with self._writing():
            draft.mkdir()
        return draft

    def waiting(self) -> list[str]:
        """Return the names of what waits, the oldest first."""
        with self._writing():
            return sorted(path.name for path in self._waiting.iterdir())

    def place(self, name: str) -> Path:
        """Return the folder of what waits."""
        return self._waiting / name

    def envelope(self, name: str) -> bytes:
        """Return the envelope of what waits.

        Raises:
            LedgerError: it is not there any more, or cannot be read.
        """
        with self._writing():
            return (self._waiting / name / "envelope.json").read_bytes()

    def statement(self, name: str) -> Statement:
        """Return what was signed.

        Raises:
            LedgerError: as `envelope`; or it is damaged.
        """
        try:
            return Statement.parse(Envelope.parse(self.envelope(name)).payload)
        except MalformedError as error:
            raise LedgerError(f"{self.place(name)} is damaged: {error}; move it away") from error

    @contextmanager
    def leaves(self, name: str) -> Iterator[BinaryIO | None]:
        """Open the leaf hashes of what waits; None where it has none."""
        path = self._waiting / name / "leaves"
        with self._writing():
            file = path.open("rb") if path.exists() else None
        if file is None:
            yield None
        else:
            with file:
                yield file

    def remove(self, name: str) -> None:
        """Remove what was sent. A crash within leaves a draft, which is cleared."""
        gone = self._drafts / f"{name}-sent"
        with self._writing():
            (self._waiting / name).rename(gone)
            sync_folder(self._waiting)
        shutil.rmtree(gone, ignore_errors=True)

    @contextmanager
    def alone(self, *, wait: bool) -> Iterator[bool]:
        """Be the only one who sends; where somebody does already, `wait`, or yield False."""
        with self._writing():
            lock = os.open(self._waiting, os.O_RDONLY)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LedgerError(f"cannot use {self.folder}: {error.strerror}") from error
