"""The files of a folder as records (encoding ``file``).

The record of a file::

    {"path":"images/0001.png","sha256":"…64 hex digits…","size":1234}

Records are sorted by path in code-point order. `provenance.records.listing` says which files there
are, and which names are an error.

The folder is listed, its files are read on every core, and then it is listed once more: every file
must be there as it was, of the same inode, size and time of change, and none besides. So what was
hashed is what lay there at one moment, between the two lists. Small files are read many into one
buffer, and hashed side by side. Memory: that buffer, 4 MiB for each core, and both lists, about
1 KiB a file.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import accumulate, pairwise
from os import strerror
from pathlib import Path

from provenance.errors import InputError
from provenance.merkle import HASH_SIZE, kernel
from provenance.merkle.parallel import in_order
from provenance.records.artifacts import Encoding
from provenance.records.cache import Page
from provenance.records.canonical import string_text
from provenance.records.files import FileState, Part, SteadyFile, hash_named, unreadable
from provenance.records.filesystem import IDENTITY_SIZE, STATE_SIZE, read_files, sizes, unpack
from provenance.records.listing import Listing, list_folder

__all__ = ["Folder"]

_BUFFER = 4 << 20
_GROUP = 256
_RECORDS: dict[str, Callable[[str, str, int], str]] = {  # RFC 8785: names in order
    "sha256": lambda path, value, size: f'{{"path":{path},"sha256":"{value}","size":{size}}}',
    "blake3": lambda path, value, size: f'{{"blake3":"{value}","path":{path},"size":{size}}}',
}


class Folder(Part):
    """The files of a folder, as `list_folder` has them."""

    def __init__(
        self,
        folder: Path,
        label: str,
        encoding: Encoding,
        listing: Listing,
        page: Page | None = None,
    ) -> None:
        self._sizes = sizes(listing.states)
        super().__init__(label, sum(self._sizes))
        self._folder = folder
        self._encoding = encoding
        self._listing = listing
        self._page = page

    def leaves(self) -> Iterator[bytes]:
        """Yield the record of each file, then check that the folder is as it was listed."""
        record = _RECORDS[str(self._encoding.digest)]
        paths, states = self._listing.paths, self._listing.states
        known = {} if self._page is None else self._page.digests()
        remembered: list[bytes | None] = [None] * len(paths)
        if known:
            remembered = [known.get(state) for state in unpack(states)]
        unknown = [index for index, digest in enumerate(remembered) if digest is None]
        read = self._read(unknown)
        digests = []
        for path, size, digest in zip(paths, self._sizes, remembered, strict=True):
            found = digest or next(read)
            digests.append(found)
            self.done += size
            yield record(string_text(path), found.hex(), size).encode()
        self._check_unchanged()
        if self._page is not None and (unknown or len(known) != len(digests)):
            self._page.keep(zip(unpack(states), digests, strict=True))

    def _read(self, indices: list[int]) -> Iterator[bytes]:
        """Yield the digest of each of these files, 32 bytes."""
        reader = _Reader(self._folder, self.label, str(self._encoding.digest))
        with closing(in_order(reader.digests, self._groups(indices))) as groups:
            for digests in groups:
                for at in range(0, len(digests), HASH_SIZE):
                    yield digests[at : at + HASH_SIZE]

    def _groups(self, indices: Iterable[int]) -> Iterator[Listing]:
        """Yield these files in order: `_GROUP` that fit into the buffer, or one that does not."""
        group: list[int] = []
        total = 0
        for index in indices:
            total += self._sizes[index]
            if group and (total >= _BUFFER or len(group) == _GROUP):
                yield self._listing.of(group)
                group, total = [], self._sizes[index]
            group.append(index)
        if group:
            yield self._listing.of(group)

    def _check_unchanged(self) -> None:
        encoding = self._encoding
        again = list_folder(
            self._folder, self.label, encoding.ignore or (), bool(encoding.follow_symlinks)
        )
        if again == self._listing:
            return
        # A new name or new rights change no content, but a digest is not remembered across them.
        size = IDENTITY_SIZE if self._page is None else STATE_SIZE
        differing = _beginnings(self._listing, size) ^ _beginnings(again, size)
        if differing:
            changed, _ = min(differing)
            raise InputError(f"{self.label} changed while it was read, at {changed!r}")


def _beginnings(listing: Listing, size: int) -> set[tuple[str, bytes]]:
    """Return each path with so many bytes of its state."""
    begins = range(0, len(listing.states), STATE_SIZE)
    parts = (listing.states[at : at + size] for at in begins)
    return set(zip(listing.paths, parts, strict=True))


class _Reader:
    """Reads and hashes groups of files, in several threads at once."""

    def __init__(self, folder: Path, label: str, digest: str) -> None:
        self._folder = folder
        self._label = label
        self._digest = digest
        self._new_hash = hash_named(digest)
        self._spare: deque[bytearray] = deque()

    def digests(self, group: Listing) -> bytes:
        """Return the digests of the files of a group, 32·n bytes.

        Raises:
            InputError: a file cannot be read, or is not as it was listed.
        """
        ends = array("Q", accumulate(sizes(group.states), initial=0))
        if ends[-1] >= _BUFFER:
            (path,) = group.paths
            return self._digest_of_large(path, group.states)
        try:
            buffer = self._spare.pop()
        except IndexError:
            buffer = bytearray(_BUFFER)
        failed = read_files(self._folder, group.paths, group.states, buffer)
        if failed is not None:
            index, number = failed
            raise self._refused(group.paths[index], number)
        if self._digest == "sha256":
            digests = kernel().digests(buffer, ends)
        else:
            with memoryview(buffer) as view:
                regions = (view[begin:end] for begin, end in pairwise(ends))
                digests = b"".join(self._new_hash(region).digest() for region in regions)
        self._spare.append(buffer)
        return digests

    def _digest_of_large(self, path: str, listed: bytes) -> bytes:
        with SteadyFile(self._folder / path, self._shown(path), [self._digest]) as file:
            digests = file.finish()
        (state,) = unpack(listed)
        if file.state is None or file.state.identity != FileState(*state).identity:
            raise self._refused(path)
        return bytes.fromhex(digests[self._digest])

    def _refused(self, path: str, number: int = 0) -> InputError:
        """Return the error for a file: of the operating system, or else that it changed."""
        shown = self._shown(path)
        if number:
            return unreadable(shown, OSError(number, strerror(number)))
        return InputError(f"{shown} changed while the folder was read")

    def _shown(self, path: str) -> str:
        return str(Path(self._label) / path)
