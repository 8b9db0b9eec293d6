"""Files that appear under their name only when they are whole and durable."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from provenance.errors import LedgerError

__all__ = ["Draft"]


class Draft:
    """A file that is being written, in a folder for such files.

    ::

        with Draft(folder, "a tree file") as draft:
            with draft.writing():
                draft.file.write(data)
            draft.keep(path)

    Attributes:
        file: open for reading and writing.
    """

    def __init__(self, folder: Path, what: str) -> None:
        """Make an empty file in `folder`; errors say that `what` cannot be written.

        Raises:
            LedgerError: it cannot be made.
        """
        self._folder = folder
        self._what = what
        self._path = folder / f".building-{os.getpid()}-{os.urandom(4).hex()}"
        with self.writing():
            self.file = self._path.open("w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a spare file, which nobody reads
            self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # on a full disk the buffer is written once more
            self.file.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Say of what the system refuses that it cannot be written.

        Raises:
            LedgerError: the disk is full, say.
        """
        try:
            yield
        except OSError as error:
            raise LedgerError(
                f"{self._what} in {self._folder} cannot be written: {error.strerror}"
            ) from error

    def keep(self, path: Path) -> None:
        """Give the file its name, durably. A crash before leaves only a spare file.

        Raises:
            LedgerError: it cannot be written, or moved there.
        """
        with self.writing():
            self.file.flush()
            os.fsync(self.file.fileno())
            self._path.replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
