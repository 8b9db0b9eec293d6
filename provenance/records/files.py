"""Files as records: the lines of one file, and how a file is read at all.

A file is read once, from start to end, and hashed on the way. What was opened must be the file that
its path led to before, and at the end both must still be that: the same device, inode, size and
time of modification. Memory: one line of at most `MAX_LINE` bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

from provenance.errors import InputError
from provenance.merkle import kernel

__all__ = [
    "MAX_LINE",
    "Bytes",
    "FileState",
    "Lines",
    "Part",
    "Prefix",
    "PrefixChanged",
    "SteadyFile",
    "bounded_lines",
    "changed_while_read",
    "check_unchanged",
    "hash_named",
    "length_of",
    "open_part",
    "readable",
    "regular_status",
    "state_of",
    "unreadable",
]

MAX_LINE = 64 << 20
"""The longest line that is read, in bytes, its LF included."""

_BLOCK = 1 << 20


class Prefix(NamedTuple):
    """The first records of a file.

    Attributes:
        length: of their bytes, which end with an LF.
        sha256: of these bytes, in hex digits.
        records: how many.
    """

    length: int
    sha256: str
    records: int


class PrefixChanged(Exception):  # noqa: N818 - no error: it is hashed anew
    """The first bytes of a file are not those that were hashed before."""


class Part(ABC):
    """One stretch of records in order: a file, a folder, a table.

    Attributes:
        label: what errors call it.
        path: of a table file.
        done, total: bytes on disk (rows of what is in memory) read so far and in all.
        digest_names: which digests of the file as on disk to note, beside the leaves.
        digests: once all leaves were read, DigestSet of the file as on disk.
        state: once all leaves were read, of the file that was open; None of what is no file.
        schema: once all leaves were read, column → type, of tables.
        after: the records that were hashed before; leaves follow them. Only where `whole` was True.
        whole: once all leaves were read, whether what is appended to the file makes new records,
            and leaves those it has as they are.
    """

    def __init__(self, label: str, total: int | None = None) -> None:
        self.label = label
        self.path: Path | None = None
        self.done = 0
        self.total = total
        self.digest_names: tuple[str, ...] = ("sha256",)
        self.digests: dict[str, str] = {}
        self.state: FileState | None = None
        self.schema: dict[str, str] | None = None
        self.after: Prefix | None = None
        self.whole = False

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
        raise unreadable(label, error) from None


def unreadable(label: str, error: OSError) -> InputError:
    """Return the error that names the file."""
    return InputError(f"{label} cannot be read: {error.strerror or error}")


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


def check_unchanged(path: Path, label: str, before: os.stat_result, descriptor: int) -> FileState:
    """Check that an open file, and the one that `path` leads to, had the status `before`.

    Returns:
        The state of the open file now; at most ``changed`` is another than before.

    Raises:
        InputError: one of them is another file, or changed.
    """
    try:
        opened, found = state_of(os.fstat(descriptor)), state_of(path.stat())
    except OSError:
        raise changed_while_read(label) from None
    if not opened.identity == found.identity == state_of(before).identity:
        raise changed_while_read(label)
    return opened


def changed_while_read(label: str) -> InputError:
    """Return the error that says so."""
    return InputError(f"{label} changed while it was read; try again when nothing writes to it")


class FileState(NamedTuple):
    """What stays the same while nobody changes or replaces a file.

    Times in nanoseconds, modulo 2^64 and signed, so that those beyond 2262 have 64 bits, too.

    ``changed``, the ctime, is also of a new name or new rights, and no program can set it.
    """

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @property
    def identity(self) -> tuple[int, ...]:
        """All but ``changed``."""
        return self[:4]


def state_of(status: os.stat_result) -> FileState:
    """Return what a status says of the state."""
    return FileState(
        status.st_dev,
        status.st_ino,
        status.st_size,
        _in_64_bits(status.st_mtime_ns),
        _in_64_bits(status.st_ctime_ns),
    )


def _in_64_bits(time: int) -> int:
    return (time + (1 << 63)) % (1 << 64) - (1 << 63)


Bytes: TypeAlias = "Path | bytes | IO[bytes]"
"""Where bytes are: a file, here, or a stream that is read to its end, once."""


class SteadyFile(io.RawIOBase):
    """A file read from start to end, hashed on the way; or bytes, or a stream, in its place.

    Attributes:
        count: bytes read so far.
        state: of the open file, when it was opened, and then when it was finished; None of what is
            no file.

    Raises:
        InputError: there is no such file, or it is replaced just now, or the package for a digest
            is missing.
    """

    def __init__(self, source: Bytes, label: str, digest_names: Iterable[str] = ()) -> None:
        self._label = label
        self._hashes = {name: hash_named(name)() for name in digest_names}
        self.count = 0
        self._path = source if isinstance(source, Path) else None
        self.state: FileState | None = None
        self._raw: Any
        if isinstance(source, Path):
            self._before = regular_status(source, label)
            with readable(label):
                self._raw = source.open("rb", buffering=0)
            try:
                self._check_unchanged(source)
            except InputError:
                self._raw.close()
                raise
        else:
            self._raw = io.BytesIO(source) if isinstance(source, bytes) else source

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into `buffer` and return the number of bytes; 0 at the end."""
        with readable(self._label):
            count: int | None = self._raw.readinto(buffer)
        if count is None:
            raise InputError(f"{self._label} has no bytes yet, and does not wait for them")
        for hashed in self._hashes.values():
            hashed.update(memoryview(buffer)[:count])
        self.count += count
        return count

    def pass_over(self, prefix: Prefix) -> None:
        """Read what was hashed before.

        Raises:
            PrefixChanged: it is something else now.
        """
        buffer = memoryview(bytearray(_BLOCK))
        while rest := prefix.length - self.count:
            if not self.readinto(buffer[:rest]):
                raise PrefixChanged
        if self._hashes["sha256"].hexdigest() != prefix.sha256:
            raise PrefixChanged

    def close(self) -> None:
        """Close the file; a stream is left to whoever opened it."""
        if not self.closed and self._path is not None:
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
            self._check_unchanged(self._path)
            if self.count != self._before.st_size:
                raise InputError(
                    f"{self._label} gave {self.count:,} bytes, but its size is "
                    f"{self._before.st_size:,}"
                )
        return {name: str(hashed.hexdigest()) for name, hashed in self._hashes.items()}

    def _check_unchanged(self, path: Path) -> None:
        self.state = check_unchanged(path, self._label, self._before, self._raw.fileno())


class open_part:  # noqa: N801 - used as a function
    """Open the file of a `Part` for reading; when all was read, note its digests."""

    def __init__(self, part: Part, source: Bytes) -> None:
        self._part = part
        self._file = SteadyFile(source, part.label, part.digest_names)
        self._buffered = io.BufferedReader(self._file, _BLOCK)

    def __enter__(self) -> Any:
        if self._part.after is not None:
            try:
                self._file.pass_over(self._part.after)
            except BaseException:
                self._buffered.close()
                raise
        return self._buffered

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._part.digests = self._file.finish()
                self._part.state = self._file.state
                self._part.done = self._file.count
        finally:
            self._buffered.close()


def bounded_lines(file: Any, label: str, after: int = 0) -> Iterator[bytes]:
    """Yield each line with its LF, the last one perhaps without; `after` lines were read before.

    Raises:
        InputError: a line is longer than `MAX_LINE`.
    """
    number = after
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise InputError(f"{label}, line {number}: longer than {MAX_LINE:,} bytes")
        yield line


class Lines(Part):
    """A file, or bytes, line by line (encoding ``line``)."""

    def __init__(self, source: Bytes, label: str) -> None:
        super().__init__(label, length_of(source, label))
        self._source = source

    def leaves(self) -> Iterator[bytes]:
        """Yield the bytes between LFs; a CR stays, the final LF ends no further line."""
        after, line = self.after.records if self.after else 0, b"\n"
        with open_part(self, self._source) as file:
            for line in bounded_lines(file, self.label, after):
                self.done = file.raw.count
                yield line.removesuffix(b"\n")
        self.whole = line.endswith(b"\n")


def length_of(source: Bytes, label: str) -> int | None:
    """Return how many bytes there are; None of a stream.

    Raises:
        InputError: there is no such file.
    """
    if isinstance(source, Path):
        return regular_status(source, label).st_size
    return len(source) if isinstance(source, bytes) else None


def hash_named(name: str) -> Callable[..., Any]:
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
