"""Looking up records of an artifact by leaf hash: in its tree file, by the index beside it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from provenance.errors import LedgerError
from provenance.ledger.catalog import RegisteredArtifact
from provenance.ledger.treefiles import TreeFiles, index_of
from provenance.log.blocking import before_blocking
from provenance.merkle import Tree
from provenance.merkle.index import IndexUnusableError, LeafIndex, write_index
from provenance.records import Artifact
from provenance.records.files import FileState, state_of

__all__ = ["ArtifactTree", "ArtifactTrees"]

MOST_OPEN = 64
"""Trees that are kept open; each is two mapped files."""


class _UnusableError(LedgerError):
    """A tree file that is missing, or not the tree of its artifact."""


class ArtifactTree:
    """The tree of an artifact as a ledger holds it.

    Attributes:
        tree: has the size and the root of the artifact; that its file is whole is not known.
    """

    def __init__(self, files: TreeFiles, registered: RegisteredArtifact) -> None:
        """Open the tree file, which is fetched if it has to be.

        Raises:
            LedgerError: it is missing, or not the tree of the artifact any more; or it cannot be
                fetched.
        """
        self._files = files
        self._registered = registered
        self._index: LeafIndex | None = None
        self._goes_through = False  # through all leaves, which are known to be those of the root
        try:
            self.tree, path = self._open(registered.artifact)
        except _UnusableError as found:  # damaged in the cache, or removed from it just now
            if not files.forget(registered.artifact.digest):
                raise self.damaged() from found
            try:
                self.tree, path = self._open(registered.artifact)
            except _UnusableError as error:
                raise self.damaged() from error
        self._index_path = index_of(path)

    def _open(self, artifact: Artifact) -> tuple[Tree, Path]:
        path = self._files.path(artifact)
        try:
            tree = Tree.open(path)
        except LedgerError as error:
            raise _UnusableError(str(error)) from error
        if (tree.size, tree.root) != (artifact.size, artifact.root):
            raise _UnusableError("it is another tree")
        return tree, path

    def find(self, leaf_hash: bytes) -> tuple[int, int]:
        """Return the first place of a leaf, and how many are equal to it; (0, 0) if there is none.

        An index that is missing or damaged is built; where it cannot be written, all leaves are
        gone through.

        Raises:
            LedgerError: the tree file is damaged.
        """
        try:
            with suppress(IndexUnusableError):
                return self._in_index(leaf_hash)
            before_blocking()
            if not self._goes_through:
                self.tree.check_leaves()  # an index of damaged leaves would be wrong, and so a scan
        except LedgerError as error:
            raise self.damaged() from error
        if not self._goes_through:
            with suppress(LedgerError):  # a full disk, say, which is no reason to give no answer
                return self._in_new_index(leaf_hash)
        self._goes_through = True
        first, count = 0, 0
        for count, place in enumerate(self.tree.find(leaf_hash), 1):
            first = place if count == 1 else first
        return first, count

    def damaged(self) -> LedgerError:
        """Return the error of a tree file that is not the tree of the artifact any more."""
        registered = self._registered
        if self._files.forget(registered.artifact.digest):
            return LedgerError(
                f"the copy of the tree of {registered.name!r}, {registered.digest}, was damaged, "
                "and has been removed: ask again, and it is fetched anew"
            )
        return LedgerError(
            f"the tree file of {registered.name!r}, trees/{registered.digest}, is missing or "
            "damaged: register the same data again, which writes it anew"
        )

    def _in_index(self, leaf_hash: bytes) -> tuple[int, int]:
        if self._index is None:
            before_blocking()
            self._index = LeafIndex.open(self._index_path, self.tree)
        places = self._index.find(leaf_hash)
        return next(iter(places), 0), len(places)

    def _in_new_index(self, leaf_hash: bytes) -> tuple[int, int]:
        """Have the index built, by whoever comes first."""
        with self._files.folder.alone("index"):
            self._index = None
            with suppress(IndexUnusableError):
                return self._in_index(leaf_hash)
            self._index = None
            with self._files.folder.building() as drafts:
                write_index(self.tree, drafts, self._index_path)
            return self._in_index(leaf_hash)


class ArtifactTrees:
    """The trees of a ledger; those asked for last stay open. May be shared between threads."""

    def __init__(self, files: TreeFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._open: OrderedDict[str, tuple[FileState, ArtifactTree]] = OrderedDict()

    def open(self, registered: RegisteredArtifact) -> ArtifactTree:
        """Return the tree of an artifact, as its file now is.

        Raises:
            LedgerError: as of `ArtifactTree`.
        """
        key = registered.digest
        with suppress(OSError):
            state = state_of(self._files.path(registered.artifact).stat())
            with self._lock:
                known = self._open.get(key)
                if known is not None and known[0] == state:
                    self._open.move_to_end(key)
                    return known[1]
            before_blocking()
            opened = ArtifactTree(self._files, registered)
            with self._lock:
                self._open[key] = (state, opened)
                while len(self._open) > MOST_OPEN:
                    self._open.popitem(last=False)
            return opened
        return ArtifactTree(self._files, registered)  # which says what is wrong
