"""Where the trees of a ledger's artifacts are, and how they come to be read.

Without a storage (``[storage]`` in ``config.toml``) they are in ``trees/``. Else they are in it,
and what is read of them is copied to this disk, since a proof reads a mapped file::

    cache/<digest>/<digest>          the tree file, fetched whole
    cache/<digest>/<digest>.index    its index, built here: it follows from the leaves

A tree is in the storage before the statement that names it is logged, and in the cache only when it
is in the storage. So the cache can be deleted at any time, by anybody; what was used least recently
makes way for what comes, and a folder's time is when it was used. What comes is hashed, every level
of it, before it gets its name. Processes share it: each tree is fetched by one while others wait.

What lies in ``trees/`` from before there was a storage is read where it lies, and never makes way.
"""

from __future__ import annotations

import errno
import math
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from provenance.errors import LedgerError
from provenance.ledger.config import StorageConfig
from provenance.ledger.folder import Folder, locked
from provenance.ledger.storage import Storage
from provenance.log.blocking import before_blocking
from provenance.merkle import Tree, TreeWriter
from provenance.merkle.index import write_index
from provenance.merkle.trees import tree_length
from provenance.records import Artifact, Encoding
from provenance.signing.keyfiles import sync_folder

__all__ = ["TreeDamagedError", "TreeFiles", "index_of"]

MARKED_EVERY = 60
"""Seconds, after which a use of a tree in the cache is marked again."""


class TreeDamagedError(LedgerError):
    """What a storage holds as a tree is not that tree, or is missing."""


class TreeFiles:
    """The tree files of a ledger. May be shared between threads.

    Attributes:
        storage: where they are; None: in the ledger's folder.
        cache: the folder of those that were fetched.
        folder: of the ledger.
    """

    def __init__(self, folder: Folder, config: StorageConfig | None) -> None:
        """Nothing is asked yet.

        Raises:
            InputError: the storage is no URL.
        """
        self.storage = None if config is None else Storage(config.url)
        self.cache = folder.path / "cache"
        self._room = 0 if config is None else config.cache_bytes
        self.folder = folder
        self._marked: dict[bytes, float] = {}
        self._checking = Lock()
        self._checked = -math.inf
        self._fault: str | None = None

    def here(self, digest: bytes) -> Path | None:
        """Return the path of a tree file if it is on this disk."""
        path = self.folder.tree(digest)
        if self.storage is None or path.exists():
            return path
        path = self.cached(digest)
        if not path.exists():
            return None
        now = time.monotonic()
        if now > self._marked.get(digest, -MARKED_EVERY) + MARKED_EVERY:
            self._marked[digest] = now
            with suppress(OSError):  # somebody removes it now, or may not write here
                os.utime(path.parent)
        return path

    def path(self, artifact: Artifact) -> Path:
        """Return the path of an artifact's tree file, which is fetched if it has to be.

        Where there is no storage, nothing says that there is such a file.

        Raises:
            LedgerError: the storage does not answer, or has no such tree, or a damaged one; or
                there is no room for it.
        """
        path = self.here(artifact.digest)
        if path is not None:
            return path
        before_blocking()
        return self._fetched(artifact)

    def has(self, digest: bytes, size: int, root: bytes) -> bool:
        """Say whether there is the tree of an artifact; its leaves are not looked at.

        In a storage what is looked at is how long the file is: enough to tell one that was put
        there whole.

        Raises:
            LedgerError: the storage does not answer.
        """
        path = self.here(digest)
        if path is not None:
            with suppress(LedgerError):
                tree = Tree.open(path)
                return (tree.size, tree.root) == (size, root)
        return self.storage is not None and self.storage.length(digest) == tree_length(size)

    def keep(self, leaf_hash_blocks: Iterator[bytes], encoding: Encoding) -> tuple[Artifact, Tree]:
        """Build and keep the tree over leaf hashes, 32·n bytes at a time, and its index.

        A crash later leaves a tree file that nothing names, and that serves again.

        Returns:
            The artifact, and its tree: mapped, wherever the file goes.

        Raises:
            LedgerError: the disk is full, say, or the storage does not answer.
        """
        with self.folder.building() as drafts, TreeWriter(drafts) as writer:
            for block in leaf_hash_blocks:
                writer.extend(block)
            tree = writer.finish()
            artifact = Artifact(root=tree.root, size=tree.size, encoding=encoding)
            path = self.folder.tree(artifact.digest)
            if self.storage is None:
                writer.keep(path)
            else:
                spare = drafts / f"{artifact.digest_hex}.{secrets.token_hex(4)}"
                writer.keep(spare)
                try:
                    self._put(artifact.digest, spare)
                    self._make_room(spare.stat().st_size)
                    for former in (path, index_of(path)):  # without the storage; perhaps damaged
                        former.unlink(missing_ok=True)
                    path = self._into_cache(artifact.digest, spare)
                finally:
                    spare.unlink(missing_ok=True)
            try:
                write_index(tree, drafts, index_of(path))
            except LedgerError:
                if self.storage is None:
                    raise  # else the cache was deleted, say: it is built when it is needed
        return artifact, tree

    def bring(self, artifact: Artifact, path: Path) -> None:
        """Copy a tree from the storage to `path`, and hash it, every level of it.

        Raises:
            TreeDamagedError: it is missing there, or not the tree of the artifact.
            LedgerError: the storage does not answer, or the disk is full.
        """
        digest, length = artifact.digest, tree_length(artifact.size)
        storage, name = self.storage, f"trees/{digest.hex()}"
        if storage is None:
            raise TreeDamagedError(f"{name} is missing")
        name += f" in {storage.place}"
        anew = "register the same data again, which puts it there anew"
        found = storage.length(digest)
        if found is None:
            raise TreeDamagedError(f"{name} is missing: {anew}")
        if found != length:
            raise TreeDamagedError(f"{name} has {found:,} bytes, not {length:,}: {anew}")
        storage.get(digest, path)
        _check(artifact, path, f"{name} is damaged: delete it, and {anew}")

    def forget(self, digest: bytes) -> bool:
        """Have a tree fetched anew if it was; say whether it was.

        Raises:
            LedgerError: the damaged one cannot be removed.
        """
        if self.storage is None or self.folder.tree(digest).exists():
            return False
        before_blocking()
        with self._changing_cache():
            _remove(self.cached(digest).parent)
        return True

    def put(self, artifact: Artifact) -> None:
        """Put the tree that lies in ``trees/`` into the storage, too.

        Raises:
            TreeDamagedError: it is not the tree of the artifact.
            LedgerError: the storage does not answer.
        """
        path = self.folder.tree(artifact.digest)
        _check(artifact, path, f"trees/{path.name} is damaged: register the same data again")
        self._put(artifact.digest, path)

    def move(self, artifact: Artifact) -> None:
        """Move the tree that lies in ``trees/`` to the cache, once it is in the storage.

        Raises:
            TreeDamagedError, LedgerError: as `put`.
        """
        self.put(artifact)
        path = self.folder.tree(artifact.digest)
        self._make_room(path.stat().st_size)
        self._into_cache(artifact.digest, path)

    def check(self) -> None:
        """Check that the storage answers, where there is one.

        Raises:
            LedgerError: it does not.
        """
        if self.storage is not None:
            self.storage.check()

    def check_recent(self, seconds: float) -> None:
        """As `check`, by what was known so many seconds ago, for whoever asks often.

        One at a time waits for the storage, which may take long to not answer; until it does,
        others are told what was known before, however long ago.

        Raises:
            LedgerError: it did not answer.
        """
        if self._checking.acquire(blocking=False):
            try:
                if time.monotonic() > self._checked + seconds:
                    try:
                        self.check()
                        self._fault = None
                    except LedgerError as error:
                        self._fault = str(error)
                    self._checked = time.monotonic()
            finally:
                self._checking.release()
        if self._fault is not None:
            raise LedgerError(self._fault)

    def cached(self, digest: bytes) -> Path:
        """Return where a tree file is in the cache, if it is."""
        return self.cache / digest.hex() / digest.hex()

    def _put(self, digest: bytes, path: Path) -> None:
        """Put a whole tree file into the storage, unless it is there."""
        if self.storage is not None and self.storage.length(digest) != path.stat().st_size:
            self.storage.put(digest, path)

    def _fetched(self, artifact: Artifact) -> Path:
        digest, length = artifact.digest, tree_length(artifact.size)
        with self._alone(f"fetch-{digest.hex()[0]}"):
            if (path := self.here(digest)) is not None:
                return path  # whoever was first has fetched it
            self._make_room(length)
            with self.folder.building() as drafts:
                spare = drafts / f"{digest.hex()}.{secrets.token_hex(4)}"
                try:
                    self.bring(artifact, spare)
                    return self._into_cache(digest, spare)
                finally:
                    spare.unlink(missing_ok=True)

    def _into_cache(self, digest: bytes, spare: Path) -> Path:
        """Give a whole tree file its name in the cache, durably."""
        path = self.cached(digest)
        with self._changing_cache():
            with spare.open("rb") as file:  # after a power cut it is whole, or not there
                os.fsync(file.fileno())
            path.parent.mkdir(parents=True, exist_ok=True)
            index = index_of(spare)
            if index.exists():
                index.replace(index_of(path))
            spare.replace(path)
            sync_folder(path.parent)
            os.utime(path.parent)
        return path

    def _make_room(self, length: int) -> None:
        """Remove from the cache what was used least recently, until so many bytes fit in.

        Raises:
            LedgerError: the disk has no room for them.
        """
        with self._changing_cache():
            found = []
            for place in self.cache.iterdir():
                if place.is_dir():
                    held = sum(path.stat().st_size for path in place.iterdir())
                    found.append((place.stat().st_mtime_ns, held, place))
            left = sum(held for _, held, _ in found)
            for _, held, place in sorted(found):
                if left + length <= self._room:
                    break
                _remove(place)
                left -= held
            if shutil.disk_usage(self.cache).free < length:
                raise OSError(errno.ENOSPC, f"there is no room for a tree of {length:,} bytes")

    @contextmanager
    def _changing_cache(self) -> Iterator[None]:
        """Be the one who gives names in the cache, and takes them.

        Raises:
            LedgerError: it cannot be used.
        """
        with self._alone("change"):
            try:
                yield
            except OSError as error:
                raise LedgerError(
                    f"the cache {self.cache} cannot be used: {error.strerror}"
                ) from error

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        try:
            self.cache.mkdir(exist_ok=True)
        except OSError as error:
            raise LedgerError(f"the cache {self.cache} cannot be made: {error.strerror}") from error
        with locked(self.cache / f"{name}.lock"):
            yield


def index_of(path: Path) -> Path:
    """Return where the index of a tree file is: beside it."""
    return path.with_name(f"{path.name}.index")


def _check(artifact: Artifact, path: Path, otherwise: str) -> None:
    """Hash every level of a tree file; raise TreeDamagedError where it is another tree, or none."""
    try:
        tree = Tree.open(path)
        tree.check()
    except LedgerError as error:
        raise TreeDamagedError(otherwise) from error
    if (tree.size, tree.root) != (artifact.size, artifact.root):
        raise TreeDamagedError(otherwise)


def _remove(place: Path) -> None:
    """Remove a folder of the cache; whoever has mapped a file of it reads on."""
    with suppress(FileNotFoundError):
        shutil.rmtree(place)
