"""The files of a folder as records (encoding ``file``).

The record of a file::

    {"path":"images/0001.png","sha256":"…64 hex digits…","size":1234}

Records are sorted by path in code-point order. Names are kept as found. An error, always with the
name: a name that is not UTF-8 or holds a control character; two names that Unicode NFC makes equal;
a symlink (unless followed, and then it must stay inside the folder); what is neither file nor
folder; a ledger (a folder named ``.provenance``). Folders themselves are no records.

A GLOB to ignore: ``*``, ``?``, ``[…]`` as in `fnmatch`, where ``*`` matches ``/`` too. A GLOB
without ``/`` is compared with each name on the path, else with the path and each folder above it.

The folder is listed, its files are read on every core, and then it is listed once more: every file
must be there as it was, of the same inode, size and time of change, and none besides. So what was
hashed is what lay there at one moment, between the two lists. Small files are read many into one
buffer, and hashed side by side. Memory: that buffer, 4 MiB for each core, and both lists, about
1 KiB a file.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from provenance.errors import InputError
from provenance.merkle import HASH_SIZE, kernel
from provenance.merkle.parallel import in_order
from provenance.records.artifacts import Encoding
from provenance.records.cache import Page
from provenance.records.canonical import string_text
from provenance.records.files import (
    FileState,
    Part,
    SteadyFile,
    hash_named,
    readable,
    state_of,
    unreadable,
)

__all__ = ["LEDGER_FOLDER", "FileEntry", "Folder", "list_folder"]

LEDGER_FOLDER = ".provenance"

_BUFFER = 4 << 20
_GROUP = 256
_RECORDS = {  # RFC 8785: names in order
    "sha256": '{{"path":{path},"sha256":"{value}","size":{size}}}',
    "blake3": '{{"blake3":"{value}","path":{path},"size":{size}}}',
}


class FileEntry(NamedTuple):
    """A file of a folder: its path inside it, with ``/``, and its state when it was listed."""

    path: str
    state: FileState


class Folder(Part):
    """The files of a folder, as `list_folder` has them."""

    def __init__(
        self,
        folder: Path,
        label: str,
        encoding: Encoding,
        entries: list[FileEntry],
        page: Page | None = None,
    ) -> None:
        super().__init__(label, sum(entry.state.size for entry in entries))
        self._folder = folder
        self._encoding = encoding
        self._entries = entries
        self._page = page

    def leaves(self) -> Iterator[bytes]:
        """Yield the record of each file, then check that the folder is as it was listed."""
        record = _RECORDS[str(self._encoding.digest)]
        known = {} if self._page is None else self._page.digests()
        unknown = [entry for entry in self._entries if entry.state not in known]
        read = self._read(unknown)
        digests = []
        for path, state in self._entries:
            digest = known.get(state) or next(read)
            digests.append(digest)
            self.done += state.size
            text = record.format(path=string_text(path), value=digest.hex(), size=state.size)
            yield text.encode()
        self._check_unchanged()
        if self._page is not None and (unknown or len(known) != len(digests)):
            states = (entry.state for entry in self._entries)
            self._page.keep(zip(states, digests, strict=True))

    def _read(self, entries: list[FileEntry]) -> Iterator[bytes]:
        """Yield the digest of each file, 32 bytes."""
        reader = _Reader(self._folder, self.label, str(self._encoding.digest))
        with closing(in_order(reader.digests, _groups(entries))) as groups:
            for digests in groups:
                for at in range(0, len(digests), HASH_SIZE):
                    yield digests[at : at + HASH_SIZE]

    def _check_unchanged(self) -> None:
        encoding = self._encoding
        again = list_folder(
            self._folder, self.label, encoding.ignore or (), bool(encoding.follow_symlinks)
        )
        if again == self._entries:
            return
        # A new name or new rights change no content, but a digest is not remembered across them.
        whole = self._page is not None
        before = {(path, state if whole else state.identity) for path, state in self._entries}
        after = {(path, state if whole else state.identity) for path, state in again}
        if before != after:
            changed, _ = min(before ^ after)
            raise InputError(f"{self.label} changed while it was read, at {changed!r}")


# --- reading many files -------------------------------------------------------------------------


def _groups(entries: Iterable[FileEntry]) -> Iterator[list[FileEntry]]:
    """Yield all files in order: `_GROUP` that fit into the buffer, or one that does not."""
    group: list[FileEntry] = []
    size = 0
    for entry in entries:
        size += entry.state.size
        if group and (size >= _BUFFER or len(group) == _GROUP):
            yield group
            group, size = [], entry.state.size
        group.append(entry)
    if group:
        yield group


class _Reader:
    """Reads and hashes groups of files, in several threads at once."""

    def __init__(self, folder: Path, label: str, digest: str) -> None:
        self._path = f"{folder}/"
        self._label = label
        self._digest = digest
        self._new_hash = hash_named(digest)
        self._spare: deque[bytearray] = deque()

    def digests(self, group: list[FileEntry]) -> bytes:
        """Return the digests of the files of a group, 32·n bytes.

        Raises:
            InputError: a file cannot be read, or is not as it was listed.
        """
        if group[0].state.size >= _BUFFER:
            return self._digest_of_large(group[0])
        try:
            buffer = self._spare.pop()
        except IndexError:
            buffer = bytearray(_BUFFER)
        ends = [0]
        with memoryview(buffer) as view:
            for entry in group:
                # One byte more, so that a file that grew is found out.
                self._read(entry, view[ends[-1] : ends[-1] + entry.state.size + 1])
                ends.append(ends[-1] + entry.state.size)
            if self._digest == "sha256":
                digests = kernel().digests(view, array("Q", ends))
            else:
                regions = (view[begin:end] for begin, end in pairwise(ends))
                digests = b"".join(self._new_hash(region).digest() for region in regions)
        self._spare.append(buffer)
        return digests

    def _read(self, entry: FileEntry, buffer: memoryview) -> None:
        """Read a whole file into a buffer that is one byte larger."""
        count = 0
        try:
            # Should a pipe lie there by now, opening it waits for nobody.
            descriptor = os.open(self._path + entry.path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                same = state_of(os.fstat(descriptor)).identity == entry.state.identity
                while same and count < entry.state.size:
                    more = os.readv(descriptor, [buffer[count:] if count else buffer])
                    same = more > 0
                    count += more
            finally:
                os.close(descriptor)
        except OSError as error:
            raise unreadable(self._shown(entry), error) from None
        if not same or count != entry.state.size:
            raise InputError(f"{self._shown(entry)} changed while the folder was read")

    def _digest_of_large(self, entry: FileEntry) -> bytes:
        with SteadyFile(Path(self._path + entry.path), self._shown(entry), [self._digest]) as file:
            digests = file.finish()
        if file.count != entry.state.size:
            raise InputError(f"{self._shown(entry)} changed while the folder was read")
        return bytes.fromhex(digests[self._digest])

    def _shown(self, entry: FileEntry) -> str:
        return str(Path(self._label) / entry.path)


# --- the list of files --------------------------------------------------------------------------


def list_folder(
    folder: Path, label: str, ignore: tuple[str, ...] = (), follow_symlinks: bool = False
) -> list[FileEntry]:
    """Return every file below `folder`, sorted by path in code-point order.

    Raises:
        InputError: as the module says.
    """
    with readable(label):
        root = folder.resolve(strict=True)
    entries: list[FileEntry] = []
    # A folder still to be listed: its path inside; device and inode of it and all it lies in.
    pending: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", (_inode(root.stat()),))]
    while pending:
        inside, above = pending.pop()
        with readable(str(Path(label) / inside)), os.scandir(folder / inside) as found:
            children = list(found)
        for child in children:
            name = child.name
            if not (name.isascii() and name.isprintable()):
                _check_name(name, Path(label) / inside)
            path = inside + name
            if ignore and any(_is_ignored(path, glob) for glob in ignore):
                continue
            if child.is_symlink():
                _check_symlink(folder / path, f"{Path(label) / path}", root, follow_symlinks)
            try:
                status = child.stat()
            except OSError as error:
                raise unreadable(f"{Path(label) / path}", error) from None
            if stat.S_ISREG(status.st_mode):
                entries.append(FileEntry(path, state_of(status)))
                continue
            shown = f"{Path(label) / path}"
            if not stat.S_ISDIR(status.st_mode):
                raise InputError(f"{shown} is neither a file nor a folder")
            if name == LEDGER_FOLDER:
                raise InputError(
                    f"{shown} is a ledger inside the folder; keep it outside, or leave it out "
                    f"with the glob {LEDGER_FOLDER!r} to ignore"
                )
            if _inode(status) in above:
                raise InputError(f"the symlink {shown} leads back to a folder it lies in")
            pending.append((path + "/", (*above, _inode(status))))
    _check_distinct(entries, label)
    return sorted(entries, key=lambda entry: entry.path)


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _check_name(name: str, folder: Path) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"{folder} holds a name that is not UTF-8: {os.fsencode(name)!r}"
        ) from None
    if any(unicodedata.category(char) == "Cc" for char in name):
        raise InputError(f"{folder} holds a name with a control character: {name!r}")


def _is_ignored(path: str, glob: str) -> bool:
    names = path.split("/")
    if "/" not in glob:
        return any(fnmatchcase(name, glob) for name in names)
    glob = glob.strip("/")
    return any(fnmatchcase("/".join(names[: i + 1]), glob) for i in range(len(names)))


def _check_symlink(path: Path, shown: str, root: Path, follow_symlinks: bool) -> None:
    if not follow_symlinks:
        raise InputError(f"{shown} is a symlink; symlinks are followed only on request")
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop, before Python 3.13
        raise InputError(f"the symlink {shown} leads nowhere") from None
    if not target.is_relative_to(root):
        raise InputError(f"the symlink {shown} leads out of the folder, to {target}")


def _check_distinct(entries: list[FileEntry], label: str) -> None:
    seen: dict[str, str] = {}
    for entry in entries:
        other = seen.setdefault(unicodedata.normalize("NFC", entry.path), entry.path)
        if other != entry.path:
            raise InputError(
                f"{label} holds two names that look the same (equal after Unicode NFC): "
                f"{other!a} and {entry.path!a}"
            )
