"""Files that a process writes to as long as it lives, and that anybody finishes once it is gone.

Each is locked by who made it. The lock ends with the process, `kill -9` or not, so a file without
one is what a crash left: whoever adopts it holds it from then on. Nobody adopts a file between its
making and its locking, since both are done under one more lock, that of the folder.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from io import FileIO
from pathlib import Path
from typing import Self

from provenance.errors import LedgerError
from provenance.ledger.folder import locked
from provenance.signing.keyfiles import sync_folder

__all__ = ["HeldFile"]


class HeldFile:
    """One file, locked by this process until it is closed.

    Attributes:
        path: where it is.
        file: for reading and writing, by its owner alone.
    """

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path = path
        self.file = file

    @classmethod
    def create(cls, folder: Path, suffix: str, begin: bytes = b"") -> Self:
        """Make one in a folder, durably.

        Args:
            folder: that it lies in.
            suffix: of its name.
            begin: its first bytes.

        Raises:
            LedgerError: it cannot be written.
        """
        path = folder / f"{secrets.token_hex(8)}{suffix}"
        with _alone(folder), contextlib.ExitStack() as undo:
            try:
                file = FileIO(path, "x+", opener=lambda name, flags: os.open(name, flags, 0o600))
                undo.callback(_discard, path)
                undo.callback(file.close)
                fcntl.flock(file, fcntl.LOCK_EX)
                held = cls(path, file)
                held.write(begin, 0)
                held.sync()
                sync_folder(folder)
            except OSError as error:
                raise LedgerError(f"cannot write {path}: {error.strerror}") from error
            undo.pop_all()
        return held

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """Hold what another process left; None while that process lives, or once it is gone."""
        with _alone(path.parent):
            try:
                file = FileIO(path, "r+")
            except FileNotFoundError:
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return None
            if not path.exists():  # removed between opening and locking
                file.close()
                return None
            return cls(path, file)

    def write(self, data: bytes, at: int) -> None:
        """Hand all of `data` to the system: a process that is killed then loses nothing of it.

        Raises:
            OSError: the disk is full, say. Whatever was written of it, the next write at this place
                overwrites.
        """
        if os.pwrite(self.file.fileno(), data, at) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self) -> None:
        """Wait until what was written is on the disk: a power cut loses nothing of it, either.

        Raises:
            OSError: it may not be.
        """
        os.fsync(self.file.fileno())

    def close(self) -> None:
        """Let go of it."""
        self.file.close()

    def remove(self) -> None:
        """Remove it, now that it is done with.

        Raises:
            LedgerError: it cannot be.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise LedgerError(f"cannot remove {self.path}: {error.strerror}") from error


def _alone(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Wait until nobody else makes or adopts a file in this folder."""
    return locked(folder.with_name(f"{folder.name}.lock"))


def _discard(path: Path) -> None:
    # Where even this fails, it is a file in which nothing was acknowledged: who adopts it sees so.
    with contextlib.suppress(OSError):
        path.unlink()
