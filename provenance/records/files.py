"""Files as records: the lines of one file, the files of a folder.

A file is read once, from start to end; it is hashed on the way, and at the end it must still be
the file that was opened, of the same size and time of change. Memory: one line of at most
`MAX_LINE` bytes; for a folder the list of its files (about 1 KiB a file).

The record of a file in a folder (encoding ``file``)::

    {"path":"images/0001.png","sha256":"…64 hex digits…","size":1234}

Records are sorted by path in code-point order. Names are kept as found. An error, always with the
name: a name that is not UTF-8 or holds a control character; two names that Unicode NFC makes equal;
a symlink (unless followed, and then it must stay inside the folder); what is neither file nor
folder; a ledger (a folder named ``.provenance``). Folders themselves are no records.

A GLOB to ignore: ``*``, ``?``, ``[…]`` as in `fnmatch`, where ``*`` matches ``/`` too. A GLOB
without ``/`` is compared with each name on the path, else with the path and each folder above it.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import unicodedata
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import accumulate
from pathlib import Path
from typing import Any

from provenance.errors import InputError
from provenance.merkle import kernel
from provenance.records.artifacts import Encoding
from provenance.records.canonical import canonical_row

__all__ = [
    "LEDGER_FOLDER",
    "MAX_LINE",
    "FileEntry",
    "Folder",
    "Lines",
    "Part",
    "SteadyFile",
    "bounded_lines",
    "list_folder",
    "open_part",
    "readable",
]

LEDGER_FOLDER = ".provenance"
MAX_LINE = 64 << 20
"""The longest line that is read, in bytes, its LF included."""

_BLOCK = 1 << 20


class Part(ABC):
    """One stretch of records in order: a file, a folder, a table.

    Attributes:
        label: what errors call it.
        done, total: bytes on disk (rows of what is in memory) read so far and in all.
        digest_names: which digests of the file as on disk to note, beside the leaves.
        digests: once all leaves were read, DigestSet of the file as on disk.
        schema: once all leaves were read, column → type, of tables.
    """

    def __init__(self, label: str, total: int | None = None) -> None:
        self.label = label
        self.done = 0
        self.total = total
        self.digest_names: tuple[str, ...] = ("sha256",)
        self.digests: dict[str, str] = {}
        self.schema: dict[str, str] | None = None

    @abstractmethod
    def leaves(self) -> Iterator[bytes]:
        """Yield the leaf bytes of each record."""

    def leaf_hash_blocks(self, count: int) -> Iterator[bytes]:
        """Yield the leaf hashes, `count` at a time, or fewer where leaves are long.

        Memory: 1 MiB of leaves, or one leaf, twice.
        """
        block: list[bytes] = []
        size = 0
        for leaf in self.leaves():
            block.append(leaf)
            size += len(leaf)
            if len(block) == count or size >= _BLOCK:
                yield _hash_leaves(block)
                block, size = [], 0
        if block:
            yield _hash_leaves(block)


def _hash_leaves(leaves: list[bytes]) -> bytes:
    offsets = array("Q", accumulate(map(len, leaves), initial=0))
    return kernel().leaf_hashes(b"".join(leaves), offsets)


# --- one file -----------------------------------------------------------------------------------


@contextmanager
def readable(label: str) -> Iterator[None]:
    """Turn an error of the operating system into one that names the file."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{label} cannot be read: {error.strerror or error}") from None


def regular_status(path: Path, label: str) -> os.stat_result:
    """Return the status of a regular file, links followed.

    Raises:
        InputError: none there, or something else: a pipe, a device.
    """
    with readable(label):
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{label} is not a regular file")
    return status


def check_unchanged(path: Path, label: str, before: os.stat_result) -> None:
    """Check that `path` is still the file that had the status `before`.

    Raises:
        InputError: it is not.
    """
    try:
        after = path.stat()
    except OSError:
        after = None
    if after is None or _identity(after) != _identity(before):
        raise InputError(f"{label} changed while it was read; try again when nothing writes to it")


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class SteadyFile(io.RawIOBase):
    """A file read from start to end, hashed on the way; or bytes in its place.

    Attributes:
        count: bytes read so far.

    Raises:
        InputError: there is no such file, or the package for a digest is missing.
    """

    def __init__(self, source: Path | bytes, label: str, digest_names: Iterable[str] = ()) -> None:
        self._label = label
        self._hashes = {name: hash_named(name)() for name in digest_names}
        self.count = 0
        self._path = source if isinstance(source, Path) else None
        self._raw: io.RawIOBase | io.BytesIO
        if isinstance(source, Path):
            self._before = regular_status(source, label)
            with readable(label):
                self._raw = source.open("rb", buffering=0)
        else:
            self._raw = io.BytesIO(source)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into `buffer` and return the number of bytes; 0 at the end."""
        with readable(self._label):
            count = self._raw.readinto(buffer) or 0
        for hashed in self._hashes.values():
            hashed.update(memoryview(buffer)[:count])
        self.count += count
        return count

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._raw.close()
        super().close()

    def finish(self) -> dict[str, str]:
        """Read what is left, check that the file is the one that was opened, return its digests.

        Raises:
            InputError: it changed while it was read.
        """
        rest = bytearray(_BLOCK)
        while self.readinto(rest):
            pass
        if self._path is not None:
            check_unchanged(self._path, self._label, self._before)
            if self.count != self._before.st_size:
                raise InputError(
                    f"{self._label} gave {self.count:,} bytes, but its size is "
                    f"{self._before.st_size:,}"
                )
        return {name: str(hashed.hexdigest()) for name, hashed in self._hashes.items()}


class open_part:  # noqa: N801 - used as a function
    """Open the file of a `Part` for reading; when all was read, note its digests."""

    def __init__(self, part: Part, source: Path | bytes) -> None:
        self._part = part
        self._file = SteadyFile(source, part.label, part.digest_names)
        self._buffered = io.BufferedReader(self._file, _BLOCK)

    def __enter__(self) -> Any:
        return self._buffered

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._part.digests = self._file.finish()
                self._part.done = self._file.count
        finally:
            self._buffered.close()


def bounded_lines(file: Any, label: str) -> Iterator[bytes]:
    """Yield each line with its LF, the last one perhaps without.

    Raises:
        InputError: a line is longer than `MAX_LINE`.
    """
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise InputError(f"{label}, line {number}: longer than {MAX_LINE:,} bytes")
        yield line


class Lines(Part):
    """A file, or bytes, line by line (encoding ``line``)."""

    def __init__(self, source: Path | bytes, label: str) -> None:
        super().__init__(label, _length(source, label))
        self._source = source

    def leaves(self) -> Iterator[bytes]:
        """Yield the bytes between LFs; a CR stays, the final LF ends no further line."""
        with open_part(self, self._source) as file:
            for line in bounded_lines(file, self.label):
                self.done += len(line)
                yield line.removesuffix(b"\n")


def _length(source: Path | bytes, label: str) -> int:
    return regular_status(source, label).st_size if isinstance(source, Path) else len(source)


# --- folders ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileEntry:
    """A file of a folder: its path inside it, with ``/``, and its status when it was listed."""

    path: str
    status: os.stat_result


class Folder(Part):
    """The files of a folder (encoding ``file``)."""

    def __init__(self, folder: Path, label: str, encoding: Encoding) -> None:
        self._folder = folder
        self._encoding = encoding
        self._entries = self._list(label)
        super().__init__(label, sum(entry.status.st_size for entry in self._entries))

    def _list(self, label: str) -> list[FileEntry]:
        follow = bool(self._encoding.follow_symlinks)
        return list_folder(self._folder, label, self._encoding.ignore or (), follow)

    def leaves(self) -> Iterator[bytes]:
        """Yield the record of each file, then check that the folder is as it was listed."""
        digest = str(self._encoding.digest)
        for entry in self._entries:
            label = str(Path(self.label) / entry.path)
            with SteadyFile(self._folder / entry.path, label, [digest]) as file:
                value = file.finish()[digest]
            if file.count != entry.status.st_size:
                raise InputError(f"{label} changed while the folder was read")
            self.done += file.count
            yield canonical_row({"path": entry.path, digest: value, "size": file.count})
        before = {entry.path: _identity(entry.status) for entry in self._entries}
        after = {entry.path: _identity(entry.status) for entry in self._list(self.label)}
        if before != after:
            changed = min(path for path, _ in before.items() ^ after.items())
            raise InputError(f"{self.label} changed while it was read, at {changed!r}")


def hash_named(name: str) -> Callable[[], Any]:
    """Return what makes a new hash object, ``sha256`` or ``blake3``.

    Raises:
        InputError: the package for it is missing.
    """
    if name == "sha256":
        return hashlib.sha256
    try:
        from blake3 import blake3  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise InputError(
            "blake3 digests need the package: pip install 'provenance-ledger[blake3]'"
        ) from None
    return blake3  # type: ignore[no-any-return, unused-ignore]


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
            path = inside + _checked_name(child.name, Path(label) / inside)
            shown = str(Path(label) / path)
            if any(_is_ignored(path, glob) for glob in ignore):
                continue
            if child.is_symlink():
                _check_symlink(folder / path, shown, root, follow_symlinks)
            with readable(shown):
                status = child.stat()
            if stat.S_ISDIR(status.st_mode):
                if child.name == LEDGER_FOLDER:
                    raise InputError(
                        f"{shown} is a ledger inside the folder; keep it outside, or leave it out "
                        f"with the glob {LEDGER_FOLDER!r} to ignore"
                    )
                if _inode(status) in above:
                    raise InputError(f"the symlink {shown} leads back to a folder it lies in")
                pending.append((path + "/", (*above, _inode(status))))
            elif stat.S_ISREG(status.st_mode):
                entries.append(FileEntry(path, status))
            else:
                raise InputError(f"{shown} is neither a file nor a folder")
    _check_distinct(entries, label)
    return sorted(entries, key=lambda entry: entry.path)


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _checked_name(name: str, folder: Path) -> str:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"{folder} holds a name that is not UTF-8: {os.fsencode(name)!r}"
        ) from None
    if any(unicodedata.category(char) == "Cc" for char in name):
        raise InputError(f"{folder} holds a name with a control character: {name!r}")
    return name


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
