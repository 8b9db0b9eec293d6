"""The index of a tree: where a leaf stands, by its hash, in a tree of any size.

A file beside the tree file that follows from the leaves alone: it can be deleted, and built again.
It holds numbers of w bytes, big-endian, w the least that n, the number of leaves, fits in::

    n numbers      the leaves in the order of their hashes, equal ones in the order of the tree
    2^b numbers    number i: how many leaf hashes begin with b bits that are i or less

b = max(0, bits of n - 7), so that 64 to 127 random hashes share their first b bits. All this lies
in pages of 4,096 bytes, the last one shorter: 4,064 of it, and their seal::

    SHA-256("provenance-index/v1\n" ‖ root ‖ u64 n ‖ u64 number of the page ‖ bytes)

That is 4.1 bytes a leaf up to 2^32 leaves. A look-up reads the two numbers around its first b bits
and bisects the leaves between them: 6 or 7 hashes of the tree, whatever its size; of hashes that
somebody chose, log2 n.

What it says is true, or it raises an error, whatever became of the two files:

- A page is copied, and its seal checked, before a number of it is used: so is found what was cut,
  changed or moved, and an index of another tree.
- A leaf is found only where its hash stands in the tree.
- What stands before and behind the place of a leaf is proven to be in the tree, under its root.
  Then the order is the one of when the index was built, and the leaf stands nowhere else.

The seal has no key. Who can write to the files of a ledger can make an index that hides a leaf, as
they can remove the tree; they cannot make one that finds a leaf which is not in the tree.
"""

from __future__ import annotations

import mmap
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Self

from provenance.errors import LedgerError
from provenance.merkle.drafts import Draft
from provenance.merkle.hashing import HASH_SIZE
from provenance.merkle.proofs import ProofError, check_inclusions
from provenance.merkle.sorting import big_endian, columns, sorted_sections
from provenance.merkle.trees import Tree

__all__ = ["IndexUnusableError", "LeafIndex", "Places", "check_index", "write_index"]

_PAGE = 4096
_FILLED = _PAGE - HASH_SIZE
_WHAT = "an index"


class IndexUnusableError(LedgerError):
    """An index that is missing, damaged, or of another tree; build it again."""


class Places:
    """The leaves of a tree that are equal, in order; their `len` costs nothing."""

    def __init__(self, index: LeafIndex, leaf_hash: bytes, places: range) -> None:
        self._index = index
        self._leaf_hash = leaf_hash
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[int]:
        """Yield the number of each leaf.

        Raises:
            LedgerError: the tree file is damaged.
            IndexUnusableError: the index is.
        """
        for place in self._places:
            if self._index.hash_at(place) != self._leaf_hash:
                raise LedgerError(f"leaf {self._index.leaf_at(place)} is damaged in the tree file")
            yield self._index.leaf_at(place)


class LeafIndex:
    """The index of a tree, memory-mapped."""

    def __init__(self, tree: Tree, pages: mmap.mmap) -> None:
        self._tree = tree
        self._root = tree.root
        self._form = _Form(tree.size, self._root)
        self._pages = pages
        self._last = (-1, b"")  # the page that was read last: several numbers of it are needed

    @classmethod
    def open(cls, path: Path, tree: Tree) -> Self:
        """Map the file that `write_index` wrote for `tree`.

        Raises:
            IndexUnusableError: it is missing, or cannot be read.
        """
        try:
            with path.open("rb") as file:
                pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # an empty file cannot be mapped
            raise IndexUnusableError(f"the index {path} cannot be read: {error}") from error
        return cls(tree, pages)

    def find(self, leaf_hash: bytes) -> Places:
        """Return every place of `leaf_hash`, 32 bytes.

        Raises:
            LedgerError: the tree file is damaged.
            IndexUnusableError: the index is.
        """
        begin, end = self._stretch(leaf_hash)
        places = range(self._form.size)
        first = bisect_left(places, leaf_hash, begin, end, key=self.hash_at)
        last = bisect_right(places, leaf_hash, first, end, key=self.hash_at)
        # A damaged hash can lead astray: that of these two must not be.
        neighbours = [self.leaf_at(place) for place in (first - 1, last) if begin <= place < end]
        if neighbours:
            self._check(neighbours)
        return Places(self, leaf_hash, range(first, last))

    def leaf_at(self, place: int) -> int:
        """Return the number of the leaf at a place in the order of hashes.

        Raises:
            IndexUnusableError: the index is damaged.
        """
        number = self._number(place)
        if number >= self._form.size:
            raise IndexUnusableError("the index leads out of the tree")
        return number

    def hash_at(self, place: int) -> bytes:
        """Return the hash of that leaf, as the tree file has it; raises as `leaf_at`."""
        return self._tree.leaf(self.leaf_at(place))

    def _stretch(self, leaf_hash: bytes) -> tuple[int, int]:
        """Return between which places the hashes lie that begin as this one."""
        start = int.from_bytes(leaf_hash) >> (HASH_SIZE * 8 - self._form.bits)
        counts = self._form.size
        begin = self._number(counts + start - 1) if start else 0
        end = self._number(counts + start)
        if not begin <= end <= self._form.size:
            raise IndexUnusableError("the index leads out of the tree")
        return begin, end

    def _check(self, numbers: list[int]) -> None:
        """Check that what stands as these leaves in the tree file are those leaves."""
        try:
            check_inclusions(
                leaf_hashes=b"".join(map(self._tree.leaf, numbers)),
                indices=numbers,
                size=self._form.size,
                paths=self._tree.prove_all(numbers).paths,
                root=self._root,
            )
        except ProofError as error:
            raise LedgerError(f"the tree file is damaged: {error}") from error

    def _number(self, at: int) -> int:
        """Return number `at` of the file."""
        begin, end = at * self._form.width, (at + 1) * self._form.width
        page = begin // _FILLED
        filled = self._page(page)
        if end > (page + 1) * _FILLED:
            filled += self._page(page + 1)
        return int.from_bytes(filled[begin - page * _FILLED : end - page * _FILLED])

    def _page(self, number: int) -> bytes:
        """Return what page `number` is filled with."""
        last, filled = self._last
        if last != number:
            page = self._pages[number * _PAGE : (number + 1) * _PAGE]
            filled = page[:-HASH_SIZE]
            if self._form.seal(number, filled) != page[-HASH_SIZE:]:
                raise IndexUnusableError(f"page {number} of the index is damaged")
            self._last = number, filled
        return filled


def write_index(tree: Tree, folder: Path, path: Path) -> None:
    """Write the index of `tree` to `path`; it appears there whole and durable, or not at all.

    Args:
        tree: whose leaf hashes are those of its root: the index is as right as they are.
        folder: for spare files, on the same disk.
        path: a file that is there is replaced.

    Memory: see `provenance.merkle.sorting`, and n / 8 bytes.

    Raises:
        LedgerError: the disk is full, say.
    """
    with Draft(folder, _WHAT) as draft:
        for pages in _pages(tree, folder):
            with draft.writing():
                draft.file.write(pages)
        draft.keep(path)


def check_index(tree: Tree, folder: Path, path: Path) -> None:
    """Check that `path` holds the index of `tree`, byte for byte, by making it again.

    Args:
        tree: as for `write_index`.
        folder: for spare files, where the tree has more than 2^18 leaves.
        path: of the file.

    Raises:
        IndexUnusableError: it is missing, or differs.
        LedgerError: the spare files cannot be written.
    """
    try:
        with path.open("rb") as file:
            at = 0
            for pages in _pages(tree, folder):
                found = file.read(len(pages))
                for begin in range(0, len(pages), _PAGE):
                    end = begin + _PAGE
                    if found[begin:end] != pages[begin:end]:
                        raise IndexUnusableError(
                            f"page {(at + begin) // _PAGE} of the index is damaged"
                        )
                at += len(pages)
            if file.read(1):
                raise IndexUnusableError("the index is longer than its tree needs")
    except OSError as error:
        raise IndexUnusableError(f"the index {path} cannot be read: {error.strerror}") from error


def _pages(tree: Tree, folder: Path) -> Iterator[bytes]:
    """Yield the index of a tree, some whole pages at a time."""
    form = _Form(tree.size, tree.root)
    size = HASH_SIZE + form.width
    pages = _Pages(form)
    counts, done = array("Q"), 0
    for records in sorted_sections(tree, form.width, folder, _WHAT):
        yield pages.filled(columns(records, size, HASH_SIZE, size))
        keys = big_endian(columns(records, size, 0, 8))
        reached = 0
        while True:
            bound = len(counts) + 1 << 64 - form.bits
            reached = bisect_left(keys, bound, reached)
            if reached == len(keys):  # there may be more below the bound
                break
            counts.append(done + reached)
        done += len(keys)
    counts.extend(array("Q", [form.size]) * ((1 << form.bits) - len(counts)))
    for at in range(0, len(counts), _PAGE):
        part = big_endian(counts[at : at + _PAGE]).tobytes()
        yield pages.filled(columns(part, 8, 8 - form.width, 8))
    yield pages.last()


class _Form:
    """What follows from the size and the root of a tree.

    Attributes:
        width: of a number, in bytes.
        bits: of a hash, by which its place is first looked up.
    """

    def __init__(self, size: int, root: bytes) -> None:
        self.size = size
        self.width = max(1, (size.bit_length() + 7) // 8)
        self.bits = max(0, size.bit_length() - 7)
        self._bound = b"provenance-index/v1\n" + root + size.to_bytes(8)

    def seal(self, page: int, filled: bytes) -> bytes:
        return sha256(self._bound + page.to_bytes(8) + filled).digest()


class _Pages:
    """Cuts bytes into pages and seals them."""

    def __init__(self, form: _Form) -> None:
        self._form = form
        self._left = b""
        self._count = 0

    def filled(self, data: bytes | bytearray) -> bytes:
        """Return the pages that `data` fills up; what is left begins the next one."""
        self._left += data
        whole = len(self._left) // _FILLED * _FILLED
        sealed = self._sealed(self._left[:whole])
        self._left = self._left[whole:]
        return sealed

    def last(self) -> bytes:
        """Return the page that is not full, if there is one."""
        return self._sealed(self._left)

    def _sealed(self, data: bytes) -> bytes:
        pages = []
        for at in range(0, len(data), _FILLED):
            filled = data[at : at + _FILLED]
            pages.append(filled + self._form.seal(self._count, filled))
            self._count += 1
        return b"".join(pages)
