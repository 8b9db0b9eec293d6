"""`backup`: a copy of a ledger, while others write to it.

::

    DEST/
      SHA256SUMS        what each file holds, for ``sha256sum --check``
      .provenance/      a ledger: it can be checked where it lies, `provenance fsck DEST`

The order makes that whatever the copy refers to is in it:

1. settings, and outputs and uses that are not registered yet: one that is registered meanwhile
   stands in the copy twice, as recorded and as logged, and who goes on with it finds that it is
2. database and embedded chain, of one moment: nobody anchors while the two begin to be read
3. trees, and the records of uses: each was there before the log named it, and is never altered

It appears under its name when all of it is on the disk. A crash leaves a folder whose name begins
with a dot, without a ledger in it that would be found; the next backup to that place removes it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from provenance.errors import InputError, LedgerError
from provenance.ledger.config import Config
from provenance.ledger.folder import FOLDER, Folder, checksum_path
from provenance.ledger.treefiles import TreeFiles
from provenance.ledger.uses import use_files
from provenance.signing.keyfiles import sync_folder
from provenance.upkeep.copying import (
    MANIFEST,
    Manifest,
    copy_database,
    copy_file,
    open_snapshot,
    sync_tree,
    unusable,
)
from provenance.upkeep.report import Progress

__all__ = ["Backup", "backup"]

_DRAFT = "ledger"  # so that nobody finds a ledger in a copy that is not whole


@dataclass(frozen=True)
class Backup:
    """A copy that was made.

    Attributes:
        path: its folder.
        origin: the log's name.
        size: entries of its log.
        files: how many it has.
        length: bytes of all of them.
        keys: how many private keys are among them.
        storage: where the trees are that are not among them; None: they are.
    """

    path: Path
    origin: str
    size: int
    files: int
    length: int
    keys: int
    storage: str | None


def backup(
    dest: str | PathLike[str],
    path: str | PathLike[str] | None = None,
    *,
    with_keys: bool = False,
    progress: Progress | None = None,
) -> Backup:
    """Copy a ledger into the new folder `dest`, durably; whoever uses it goes on meanwhile.

    All that was acknowledged before the call is in the copy. Not in it are uploads that are under
    way, and private keys, unless they are asked for. Nor are trees that are in a storage: there
    they stay as they are.

    Args:
        dest: of the copy; it appears there whole or not at all.
        path: where to look for the ledger; the working folder, if None.
        with_keys: copy the private keys: whoever has the copy can then sign as this ledger.
        progress: called with bytes copied, and all of them.

    Raises:
        InputError: `dest` exists, or lies in the ledger.
        LedgerError: there is no ledger, its log is on a server, or it cannot be copied.
    """
    folder = Folder.find(Path(path or "."))
    config = Config.read(folder.config)
    if config.database is not None:
        raise LedgerError(
            "the log of this ledger is in PostgreSQL, which has its own ways: make a dump with "
            f"`pg_dump` first, then copy {folder.path}, and keep the two together"
        )
    target = Path(dest).absolute()
    if target.is_relative_to(folder.path.absolute()):
        raise InputError(f"{target} lies in the ledger itself")
    try:
        with _appearing(target) as draft:
            copy = _Copy(folder, Folder(draft / _DRAFT), config, progress)
            copy.make(with_keys=with_keys)
            (draft / MANIFEST).write_text(copy.manifest.to_text(), "utf-8")
            with (draft / MANIFEST).open("rb") as file:
                os.fsync(file.fileno())
            sync_tree(draft)
            (draft / _DRAFT).rename(draft / FOLDER)
            sync_folder(draft)
    except (OSError, sqlite3.Error) as error:
        raise unusable(f"the ledger cannot be copied to {target}", error) from error
    files = copy.manifest.files
    storage = TreeFiles(folder, config.storage).storage
    place = None if storage is None else storage.place
    return Backup(target, config.origin, copy.size, len(files), copy.done, copy.keys, place)


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """Lend a new folder that gets the name `target` at the end, durably.

    Raises:
        InputError: there is something of this name.
    """
    if target.exists() or target.is_symlink():
        raise InputError(f"{target} exists: a backup is never overwritten")
    target.parent.mkdir(parents=True, exist_ok=True)
    begin = f".{target.name}.making-"
    for left in target.parent.glob(f"{begin}*"):
        _clear(left)
    draft = target.with_name(f"{begin}{secrets.token_hex(4)}")
    draft.mkdir(mode=0o700)
    lock = os.open(draft, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield draft
        draft.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(lock)


def _clear(left: Path) -> None:
    """Remove what a crash left; what somebody is making is locked."""
    lock = os.open(left, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left)
    except BlockingIOError:
        return
    finally:
        os.close(lock)


class _Copy:
    """One copy on its way."""

    def __init__(
        self, source: Folder, target: Folder, config: Config, progress: Progress | None
    ) -> None:
        self._source = source
        self._target = target
        self._config = config
        self._progress = progress or (lambda _done, _total: None)
        self._total = 0
        self.manifest = Manifest()
        self.size = 0
        self.done = 0
        self.keys = 0

    def make(self, *, with_keys: bool) -> None:
        """Copy everything."""
        for folder in (self._target.path, self._target.trees, self._target.drafts):
            folder.mkdir()
        self._target.spool.mkdir()
        for private in (self._target.keys, self._target.access):
            private.mkdir(mode=0o700)
        large = [self._source.database, *self._source.trees.iterdir()]  # the rest is small
        self._total = sum(path.stat().st_size for path in large)
        with self._source.alone("policy"):
            for path in (self._source.config, self._source.policy):
                self._take(path)
                if checksum_path(path).exists():
                    self._take(checksum_path(path))
        for path in (*sorted(self._source.spool.iterdir()), *use_files(self._source.access)):
            self._take(path, may_go=True)
        self._take_databases()
        for path in sorted(self._source.trees.iterdir()):
            self._take(path)
        for path in sorted(self._source.access.glob("*.jsonl")):
            self._take(path, may_go=True)  # it may be erased
        for path in sorted(self._source.keys.iterdir()) if with_keys else ():
            self._take(path)
            self.keys += 1

    def _take_databases(self) -> None:
        chains = {name: chain.path for name, chain in self._config.chains.items() if chain.path}
        for name in chains.values():
            if Path(name).name != name:
                raise LedgerError(f"the embedded chain {name} is not in {self._source.path}")
        with ExitStack() as stack:
            snapshots = []
            with ExitStack() as locks:
                for name in sorted(chains):  # else one could hold a head that the other has not
                    locks.enter_context(self._source.alone(f"anchor-{name}"))
                for name in (self._source.database.name, *sorted(set(chains.values()))):
                    path = self._source.path / name
                    snapshots.append((path, stack.enter_context(closing(open_snapshot(path)))))
            for path, snapshot in snapshots:
                target = self._target.path / path.name
                self._list(path, copy_database(snapshot, path, target))
                self._copied(target.stat().st_size)
            counted = snapshots[0][1].execute("SELECT count(*) FROM entry").fetchone()
            self.size = int(counted[0])

    def _take(self, path: Path, *, may_go: bool = False) -> None:
        """Copy one file; `may_go`: it may be removed meanwhile."""
        target = self._target.path / path.relative_to(self._source.path)
        try:
            self._list(path, copy_file(path, target, self._copied))
        except FileNotFoundError:
            if not may_go:
                raise

    def _list(self, path: Path, digest: str) -> None:
        self.manifest.add(f"{FOLDER}/{path.relative_to(self._source.path)}", digest)

    def _copied(self, length: int) -> None:
        self.done += length
        self._progress(self.done, max(self.done, self._total))
