"""A place for files outside of this machine, at any URL that fsspec knows.

::

    s3://bucket/prefix
      provenance-storage    "provenance storage v1\\n": else nothing is believed to be missing
      trees/<digest>        the tree file of an artifact, as in ``.provenance/trees``

Objects are named by what is in them, and nothing here alters or removes one: several ledgers may
use one place, and a copy of a ledger stays whole for as long as the place does. One that is written
anew, after it was damaged, gets the same bytes.

Who we are to the place is fsspec's to know: from its own configuration (``~/.config/fsspec``,
``FSSPEC_<PROTOCOL>_…``) or from where the protocol's library looks (``AWS_…``, ``~/.ssh``). A
password may stand in the URL; no message shows it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from provenance.errors import LedgerError
from provenance.signing.keyfiles import sync_folder

__all__ = ["Storage"]

T = TypeVar("T")

MARK, MARKED = "provenance-storage", b"provenance storage v1\n"


class Storage:
    """The trees that are kept at a URL. May be shared between threads and by forks.

    Attributes:
        place: how messages name it: the URL without user and password.
    """

    def __init__(self, url: str) -> None:
        """Nothing is asked yet, not even whether it is a URL."""
        self._url = url
        scheme, _, rest = url.partition("://")
        self._secret = rest.partition("/")[0].rpartition("@")[0]
        self.place = f"{scheme}://{rest.removeprefix(self._secret).removeprefix('@')}"

    def make(self) -> None:
        """Make the place ready, which may be so already, by writing to it.

        Raises:
            LedgerError: it cannot be reached or written.
        """

        def make(files: Any, root: str) -> None:
            if not files.async_impl:  # folders; with objects this would make a missing bucket
                files.makedirs(f"{root}/trees", exist_ok=True)
            files.pipe_file(f"{root}/{MARK}", MARKED)

        try:
            self._ask(make)
        except FileNotFoundError as error:
            raise self._unusable("there is no such place: make the bucket first") from error
        self.check()

    def check(self) -> None:
        """Check that the place answers, and is the one that `make` made ready.

        Raises:
            LedgerError: it does not, or is not.
        """
        try:
            found = self._ask(lambda files, root: files.cat_file(f"{root}/{MARK}"))
        except FileNotFoundError:
            found = b""
        if found != MARKED:
            raise LedgerError(
                f"{self.place} holds no trees of a ledger: it has no {MARK}. Is it another place, "
                "or is it not mounted? `provenance storage` makes one ready"
            )

    def put(self, digest: bytes, path: Path) -> None:
        """Put a tree file there. A crash leaves none, a part of it, or all; who calls again mends.

        Raises:
            LedgerError: it cannot be put there.
        """
        length = path.stat().st_size

        def put(files: Any, root: str) -> None:
            target = f"{root}/trees/{digest.hex()}"
            files.put_file(str(path), target)
            if getattr(files, "local_file", False):  # a power cut would take it away again
                with Path(target).open("rb") as file:
                    os.fsync(file.fileno())
                sync_folder(Path(target).parent)

        try:
            self._ask(put)
        except FileNotFoundError as error:
            self.check()
            raise self._unusable("nothing can be put there") from error
        if (found := self.length(digest)) != length:
            raise self._unusable(f"of {length:,} bytes it kept {found or 0:,}")

    def get(self, digest: bytes, path: Path) -> None:
        """Bring a tree file to `path`. That it is there, `length` told.

        Raises:
            LedgerError: it cannot be read, or `path` not be written.
        """
        try:
            self._ask(lambda files, root: files.get_file(f"{root}/trees/{digest.hex()}", str(path)))
        except FileNotFoundError as error:
            raise self._unusable(f"trees/{digest.hex()} went away") from error

    def length(self, digest: bytes) -> int | None:
        """Return how many bytes a tree file has; None if there is none.

        Raises:
            LedgerError: the place cannot be read.
        """

        def length(files: Any, root: str) -> int:
            files.invalidate_cache()
            return int(files.info(f"{root}/trees/{digest.hex()}")["size"])

        try:
            return self._ask(length)
        except FileNotFoundError:
            self.check()
            return None

    def _ask(self, call: Callable[[Any, str], T]) -> T:
        """Call with the file system, and the path in it.

        Each thread and process has one of its own, which fsspec keeps. A connection that broke
        since it was last used shows only now: so there is a second attempt, with a new one.

        Raises:
            FileNotFoundError: as `call` says.
            LedgerError: the place cannot be used.
        """
        try:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]
        except ImportError as error:
            raise LedgerError(
                f"{self.place} needs {error.name}: pip install 'provenance-ledger[storage]'"
            ) from error
        for last in (False, True):
            files: Any = None
            try:
                files, root = url_to_fs(self._url)
                return call(files, root.rstrip("/"))
            except FileNotFoundError:
                raise
            except Exception as error:  # whatever the library of a protocol raises
                # Those that are asynchronous mend their connections, and try again, themselves.
                if last or files is None or files.async_impl or isinstance(error, PermissionError):
                    raise self._unusable(_reason(error)) from error
                files.clear_instance_cache()
        raise AssertionError  # one of the two has ended it

    def _unusable(self, reason: str) -> LedgerError:
        for secret in (self._secret, self._secret.partition(":")[2]):
            for shown in (secret, unquote(secret)) if secret else ():
                reason = reason.replace(shown, "…")
        return LedgerError(f"the storage {self.place} cannot be used: {reason}")


def _reason(error: Exception) -> str:
    """Say in one line why; whose library it is that is missing, that says so."""
    said = getattr(error, "strerror", None) or next(iter(str(error).splitlines()), "")
    return said.rstrip(".") or type(error).__name__
