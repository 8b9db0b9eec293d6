"""What the operating system has of many files at once: which there are, and their bytes.

States of files stand packed, one behind the other, `STATE_SIZE` bytes each: the five integers of
`FileState`, 64 bits in the order of the machine, the times signed.

Two implementations give the same for every folder: the extension, `provenance.native.kernel`, and
the one here, by `os`, for an install without. The tests hold each against the other.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from provenance.merkle import kernel
from provenance.merkle.bulk import Native
from provenance.records.files import state_of

__all__ = ["IDENTITY_SIZE", "STATE_SIZE", "list_files", "pack", "read_files", "sizes", "unpack"]

_STATE = struct.Struct("=QQQqq")

STATE_SIZE = _STATE.size
IDENTITY_SIZE = STATE_SIZE - 8
"""The bytes of all but ``changed``, which stands last."""

Listed: TypeAlias = tuple[list[str], bytes, list[str]]
Failed: TypeAlias = tuple[int, int] | None


def pack(status: os.stat_result) -> bytes:
    """Return what a status says of the state, packed."""
    return _STATE.pack(*state_of(status))


def unpack(states: bytes) -> Iterator[tuple[int, ...]]:
    """Yield each of the states, equal to a `FileState`."""
    return _STATE.iter_unpack(states)


def sizes(states: bytes) -> list[int]:
    """Return the size in each of the states."""
    return memoryview(states).cast("Q")[2 :: STATE_SIZE // 8].tolist()


def list_files(folder: Path | str) -> Listed:
    """Return what lies in a folder.

    Returns:
        The names of the regular files, sorted as bytes; their states; and the names of all else:
        folders, symlinks, pipes, what has no state to be had.

    Raises:
        OSError: the folder cannot be read.
    """
    list_one: Callable[[str], Listed] = _list_files
    if isinstance(kernel(), Native):
        from provenance.native.kernel import list_files as list_one
    return list_one(os.fspath(folder))


def read_files(folder: Path | str, paths: list[str], states: bytes, buffer: bytearray) -> Failed:
    """Read files whole, one behind the other, as they were listed.

    Args:
        folder: in which the paths lead.
        paths, states: of the files.
        buffer: gets what is in them; it is at least one byte longer, by which a file that grew is
            found out.

    Returns:
        None; or of the first that is not so the index, and the error number of the operating
        system, 0 where the file is another one, or of another size or time of modification.

    Raises:
        ValueError: there are not as many states as paths, or the buffer is too small.
    """
    read_all: Callable[[str, list[str], bytes, bytearray], Failed] = _read_files
    if isinstance(kernel(), Native):
        from provenance.native.kernel import read_files as read_all
    return read_all(os.fspath(folder), paths, states, buffer)


# --- without the extension ------------------------------------------------------------------------


def _list_files(folder: str) -> Listed:
    files, states, others = [], [], []
    with os.scandir(folder) as found:
        for child in sorted(found, key=lambda child: os.fsencode(child.name)):
            try:
                status = child.stat(follow_symlinks=False)
            except OSError:
                others.append(child.name)
                continue
            if stat.S_ISREG(status.st_mode):
                files.append(child.name)
                states.append(pack(status))
            else:
                others.append(child.name)
    return files, b"".join(states), others


def _read_files(folder: str, paths: list[str], states: bytes, buffer: bytearray) -> Failed:
    if len(states) != len(paths) * STATE_SIZE:
        raise ValueError(f"{len(states)} bytes are not {len(paths)} states of {STATE_SIZE}")
    lengths = sizes(states)
    if sum(lengths) >= len(buffer):
        raise ValueError("the files, and one byte more, do not fit into the buffer")
    at = 0
    with memoryview(buffer) as view:
        for index, (path, size) in enumerate(zip(paths, lengths, strict=True)):
            state = states[index * STATE_SIZE : (index + 1) * STATE_SIZE]
            try:
                whole = _read_file(f"{folder}/{path}", state, view[at : at + size + 1])
            except OSError as error:
                return index, error.errno or 0
            if not whole:
                return index, 0
            at += size
    return None


def _read_file(path: str, state: bytes, buffer: memoryview) -> bool:
    """Read a whole file into a buffer that is one byte larger; False if it is not as listed."""
    # Should a pipe lie there by now, opening it waits for nobody.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        now = pack(os.fstat(descriptor))
        if now[:IDENTITY_SIZE] != state[:IDENTITY_SIZE]:
            return False
        size, count = len(buffer) - 1, 0
        while count < size:
            more = os.readv(descriptor, [buffer[count:]])
            if more == 0:
                return False
            count += more
    finally:
        os.close(descriptor)
    return count == size
