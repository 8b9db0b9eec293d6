"""A ledger on disk: the folder ``.provenance``, found upward from the working folder as git does.

::

    .provenance/
      config.toml     the origin, where each chain and each witness is reached, and the URL of a
                      PostgreSQL database, where that holds the log; 0600: it can hold a password
      policy.json     whom the ledger itself trusts; `Ledger.policy` exports it
      *.sha256        of each of the two, what the ledger wrote last, for ``sha256sum --check``
      ledger.db       log, envelopes, catalogue (SQLite), unless PostgreSQL holds them
      trees/          for each artifact its tree, named by artifact digest, and the tree's index
      cache/          copies of trees that are in a storage; `provenance.ledger.treefiles`
      drafts/         trees that are being built
      uploads/        leaf hashes that clients of the service are sending
      uploaded/       which of these were complete of late
      spool/          outputs that are recorded, but not yet registered
      lineage/        what other tools told of runs that have not ended
      access/         who used what: uses that are not signed yet, and the records of those that are
      keys/           private keys, 0600
      chain.db        the embedded chain

It keeps leaf hashes, never the records. A new folder is made under another name and renamed
when it is whole, so half of one is never found; what a crash leaves is cleared by the next one.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance.errors import LedgerError
from provenance.ledger.config import Config
from provenance.signing.keyfiles import sync_folder

if TYPE_CHECKING:
    from provenance.verification import Policy

__all__ = ["FOLDER", "Folder", "checksum_path", "locked", "write_file"]

FOLDER = ".provenance"


class Folder:
    """The paths of one ledger."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.policy = path / "policy.json"
        self.database = path / "ledger.db"
        self.trees = path / "trees"
        self.drafts = path / "drafts"
        self.spool = path / "spool"
        self.access = path / "access"
        self.keys = path / "keys"

    @classmethod
    def find(cls, start: Path, *, to_write: bool = True) -> Folder:
        """Return the ledger in `start` or the nearest folder above it.

        Raises:
            LedgerError: there is none, or it cannot be entered.
        """
        folder = cls.around(start, to_write=to_write)
        if folder is None:
            start = start.absolute()
            raise LedgerError(f"no ledger in {start} or above it: make one with `provenance init`")
        return folder

    @classmethod
    def around(cls, start: Path, *, to_write: bool = True) -> Folder | None:
        """As `find`, but None where there is no ledger."""
        start = start.absolute()
        for parent in (start, *start.parents):
            path = parent / FOLDER
            if os.path.isdir(path):  # noqa: PTH112 - False, not an error, where it cannot be seen
                wanted = os.R_OK | os.X_OK | (os.W_OK if to_write else 0)
                if not os.access(path, wanted):
                    raise LedgerError(f"no right to use {path}: check its owner and mode")
                return cls(path)
        return None

    @classmethod
    @contextmanager
    def making(cls, parent: Path) -> Iterator[Folder]:
        """Make a new ledger: the caller fills the folder, then it gets its name.

        A crash within leaves a folder ``.provenance.new-…`` that nobody reads, and that the next
        call removes: it holds keys.

        Raises:
            LedgerError: there is a ledger already, or the folder cannot be made.
        """
        target = parent / FOLDER
        draft = cls(parent / f"{FOLDER}.new-{secrets.token_hex(4)}")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            lock = _lock(parent, os.O_RDONLY)
            try:
                if target.exists():
                    raise LedgerError(f"there is a ledger in {parent} already: {target}")
                for left in parent.glob(f"{FOLDER}.new-*"):  # nobody's: this is the only `making`
                    shutil.rmtree(left)
                draft.path.mkdir()
                for folder in (draft.trees, draft.drafts, draft.spool):
                    folder.mkdir()
                draft.keys.mkdir(mode=0o700)
                yield draft
                draft.path.rename(target)
                sync_folder(parent)
            finally:
                shutil.rmtree(draft.path, ignore_errors=True)
                os.close(lock)
        except OSError as error:
            raise LedgerError(f"cannot make a ledger in {parent}: {error.strerror}") from error

    def tree(self, digest: bytes) -> Path:
        """Return the path of an artifact's tree file."""
        return self.trees / digest.hex()

    def uses(self, digest: bytes) -> Path:
        """Return the path of the records of a batch of uses."""
        return self.access / f"{digest.hex()}.jsonl"

    def index(self, digest: bytes) -> Path:
        """Return the path of the index of an artifact's tree."""
        return self.trees / f"{digest.hex()}.index"

    def configure(self, **changes: Any) -> Config:
        """Write ``config.toml`` with these fields changed; the caller is `alone` with it.

        Raises:
            LedgerError: it cannot be read or written; what was there still is.
        """
        config = replace(Config.read(self.config), **changes)
        self.write_config(config)
        return config

    def write_config(self, config: Config) -> None:
        """Write ``config.toml``; the caller is `alone` with it.

        Raises:
            LedgerError: it cannot be written; what was there still is.
        """
        self._write(self.config, config.to_toml(), private=True)

    def trust(self, policy: Policy) -> None:
        """Write ``policy.json``; the caller is `alone` with it.

        Raises:
            LedgerError: it cannot be written; what was there still is.
        """
        self._write(self.policy, policy.to_bytes().decode() + "\n")

    def _write(self, path: Path, text: str, *, private: bool = False) -> None:
        """Write one of the files that a person may edit, and beside it what it should be."""
        write_file(path, text, private=private)
        # A crash here leaves a checksum of what was there before, as editing does: `fsck` asks.
        write_file(checksum_path(path), f"{sha256(text.encode()).hexdigest()}  {path.name}\n")

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Wait until no other thread or process does what `name` says, and keep it so.

        Raises:
            LedgerError: the lock file cannot be used.
        """
        with locked(self.path / f"{name}.lock"):
            yield

    @contextmanager
    def building(self) -> Iterator[Path]:
        """Lend the folder for trees that are being built, having cleared what a crash left there.

        Raises:
            LedgerError: it cannot be used.
        """
        try:
            self.drafts.mkdir(exist_ok=True)
            lock = os.open(self.drafts, os.O_RDONLY)
        except OSError as error:
            raise LedgerError(f"cannot use {self.drafts}: {error.strerror}") from error
        try:
            with suppress(OSError):  # somebody is building, or the disk fails: another time
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for left in self.drafts.iterdir():
                    left.unlink(missing_ok=True)
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield self.drafts
        finally:
            os.close(lock)


def checksum_path(path: Path) -> Path:
    """Return where the checksum of a file that a person may edit stands, as sha256sum writes it."""
    return path.with_name(f"{path.name}.sha256")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other thread or process holds the lock file `path`, and hold it.

    Raises:
        LedgerError: it cannot be used.
    """
    try:
        lock = _lock(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise LedgerError(f"cannot lock {path}: {error.strerror}") from error
    try:
        yield
    finally:
        os.close(lock)


def write_file(path: Path, text: str, *, private: bool = False) -> None:
    """Write a small file whole or not at all, and durably; `private`: with mode 0600.

    Raises:
        LedgerError: it cannot be written; what was there still is.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            if private:
                draft.chmod(0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise LedgerError(f"cannot write {path}: {error.strerror}") from error


def _lock(path: Path, flags: int) -> int:
    """Open and lock a file or folder; the lock ends when this is closed, or at a crash."""
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
