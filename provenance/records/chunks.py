"""One file as slices of one size (encoding ``chunk``), hashed on every core.

The file is read in blocks of whole chunks, several blocks at a time, each into a buffer that is
used again; while some are hashed to leaves others are read. The plain digests of the whole file,
each one long chain, are computed beside them from the same blocks, in order. Memory: 16 MiB (or
one chunk, if that is larger) for each core, and once more.
"""

from __future__ import annotations

import io
import os
from array import array
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NoReturn, Self, TypeVar

from provenance.errors import InputError
from provenance.merkle import kernel
from provenance.merkle.parallel import in_order
from provenance.records.files import (
    Bytes,
    FileState,
    Part,
    SteadyFile,
    check_unchanged,
    hash_named,
    length_of,
    open_part,
    readable,
    regular_status,
)

__all__ = ["Chunks"]

_BLOCK = 16 << 20
_READ = 1 << 20

_Where = TypeVar("_Where")


class Chunks(Part):
    """A file, bytes or a stream, in slices of one size."""

    def __init__(self, source: Bytes, label: str, chunk_size: int) -> None:
        super().__init__(label, length_of(source, label))
        self._source = source
        self._chunk_size = chunk_size

    def leaves(self) -> Iterator[bytes]:
        """Yield each slice; the last one may be shorter."""
        with open_part(self, self._source) as file:
            while chunk := file.read(self._chunk_size):
                self.done += len(chunk)
                yield chunk

    def leaf_hash_blocks(self, count: int) -> Iterator[bytes]:
        """Yield the hashes of the slices, those of 16 MiB at a time, `count` at most."""
        length = max(1, min(count, _BLOCK // self._chunk_size)) * self._chunk_size
        if isinstance(self._source, bytes):
            view = memoryview(self._source)
            blocks = (view[at : at + length] for at in range(0, len(view), length))
            digests = yield from self._hash(blocks, lambda block: block, lambda block: None)
        elif not isinstance(self._source, Path):
            with io.BufferedReader(SteadyFile(self._source, self.label), _READ) as stream:
                blocks = (memoryview(block) for block in iter(partial(stream.read, length), b""))
                digests = yield from self._hash(blocks, lambda block: block, lambda block: None)
        else:
            with _SharedFile(self._source, self.label) as file:
                parts = ((at, min(length, file.size - at)) for at in range(0, file.size, length))
                digests = yield from self._hash(parts, file.read, file.give_back)
                self.state = file.check()
        self.digests = digests

    def _hash(
        self,
        parts: Iterator[_Where],
        read: Callable[[_Where], memoryview],
        give_back: Callable[[memoryview], None],
    ) -> Generator[bytes, None, dict[str, str]]:
        """Yield the leaf hashes of each part, and return the digests of all in hex digits."""

        def work(part: _Where) -> tuple[bytes, memoryview]:
            block = read(part)
            starts = range(0, len(block), self._chunk_size)
            return kernel().leaf_hashes(block, array("Q", [*starts, len(block)])), block

        wholes = {name: hash_named(name)() for name in self.digest_names}
        with closing(in_order(work, parts)) as blocks:
            for hashes, block in blocks:
                for hashed in wholes.values():
                    hashed.update(block)
                self.done += len(block)
                give_back(block)
                yield hashes
        return {name: str(hashed.hexdigest()) for name, hashed in wholes.items()}


class _SharedFile:
    """A file that several threads read; at the end it must still be the one that was opened."""

    def __init__(self, path: Path, label: str) -> None:
        self._path = path
        self._label = label
        self._before = regular_status(path, label)
        self._spare: deque[memoryview] = deque()
        self.size = self._before.st_size
        with readable(label):
            self._descriptor = os.open(path, os.O_RDONLY)
        try:
            self._check_unchanged()
        except InputError:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read(self, part: tuple[int, int]) -> memoryview:
        """Return the bytes from (where, how many); nobody else has them until given back.

        Raises:
            InputError: the file ends before, or cannot be read.
        """
        at, length = part
        try:
            buffer = self._spare.pop()
        except IndexError:
            buffer = memoryview(bytearray(length))
        block = rest = buffer[:length]
        while rest:
            with readable(self._label):
                count = os.preadv(self._descriptor, [rest], at)
            if not count:
                self._refuse(at)
            at, rest = at + count, rest[count:]
        return block

    def give_back(self, block: memoryview) -> None:
        """Let what `read` returned be used again."""
        self._spare.append(memoryview(block.obj))

    def check(self) -> FileState:
        """Check that the file ends where it did, and is the one that was opened; return its state.

        Raises:
            InputError: it changed while it was read.
        """
        with readable(self._label):
            more = os.pread(self._descriptor, 1 << 20, self.size)
        if more:
            self._refuse(self.size + len(more))
        return self._check_unchanged()

    def _check_unchanged(self) -> FileState:
        return check_unchanged(self._path, self._label, self._before, self._descriptor)

    def _refuse(self, count: int) -> NoReturn:
        self._check_unchanged()
        raise InputError(f"{self._label} gave {count:,} bytes, but its size is {self.size:,}")
