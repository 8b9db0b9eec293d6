"""Digests of files that were hashed before, so that only what changed is read again.

A digest is remembered under what a filesystem promises to change with the content: device, inode,
size, time of modification and time of change (``ctime``, which no program can set), in nanoseconds,
within one boot of the machine. It is wrong only where the content can change and none of these::

    clocks      tick, so two changes within a tick look alike: what changed less than `MARGIN`
                before it was listed or opened is not remembered
    networks    have other clocks and promises: only `LOCAL` filesystems, on Linux
    mmap        a program that keeps a file mapped for writing changes it unseen, until the kernel
                has written the page back: half a minute, say
    root        can write to the disk below the filesystem, or set the clock back to a nanosecond

So `verify` and ``hash --check`` never look here, and ``--no-cache`` does not.

It lies in the user's cache folder, not with the ledger: a ledger may have come with the data, from
somebody who would like to choose the digests. It holds one page for each folder that was hashed,
and for each single file (`provenance.records.remembered`)::

    $XDG_CACHE_HOME/provenance/digests/<boot id>/<device>-<inode>.sha256
    $XDG_CACHE_HOME/provenance/digests/<boot id>/<device>-<inode>.file-<how it was hashed>

each with the SHA-256 of its name and of what follows. Of a folder that is its path and a NUL, then
64 bytes for each file: inode, size, times of modification and change (64 bits each, little-endian),
and the digest. A page is replaced as a whole, so any number of processes may use it. A damaged one
is not used, with a warning; it may be deleted at any time; and nothing is read from it after the
next boot. `provenance.records.recheck` reads everything again that pages are of.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import struct
import time
import warnings
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from provenance.records.files import FileState, state_of

__all__ = [
    "LOCAL",
    "MARGIN",
    "DigestCache",
    "Page",
    "Place",
    "filesystem_of",
    "folder_body",
    "parse_folder",
    "read_page",
    "user_cache",
    "write_page",
]

LOCAL = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "xfs", "zfs"})
"""Filesystems whose ``ctime`` is of this machine's clock and changes with the content."""

MARGIN = 2 * 10**9
"""Nanoseconds; no filesystem in `LOCAL` has a clock that ticks more slowly than once a second."""

_CHECKSUM = 32
_RECORD = struct.Struct("<QQqq32s")
_OLD = 30 * 86400  # seconds
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class DigestCache:
    """The pages of one user, one for each folder or file and way to hash it.

    Args:
        folder: where the pages lie.
        boot: id of this boot of the machine, a UUID.
        clock: nanoseconds, as the filesystem has them.
        is_local: says whether a path lies on a filesystem that keeps the promises.
    """

    def __init__(
        self,
        folder: Path,
        *,
        boot: str,
        clock: Callable[[], int] = time.time_ns,
        is_local: Callable[[Path], bool] = lambda path: filesystem_of(path) in LOCAL,
    ) -> None:
        self._folder = folder
        self._boot = boot
        self._clock = clock
        self._is_local = is_local

    def page(self, folder: Path, digest: str) -> Page | None:
        """Return the page of a folder, before the folder is listed; None where there can be none.

        Args:
            folder: that is about to be listed and hashed.
            digest: by which its files are hashed, ``sha256`` or ``blake3``, 32 bytes.
        """
        place = self.place(folder, digest)
        return None if place is None else Page(place)

    def place(self, path: Path, kind: str) -> Place | None:
        """Return where something of this kind is remembered of a file or folder, before it is read.

        Returns:
            None where nothing can be.
        """
        before = self._clock() - MARGIN
        try:
            status = path.stat()
            resolved = path.resolve()
            if not self._is_local(resolved):
                return None
        except OSError:  # whoever reads it says what is wrong
            return None
        name = f"{status.st_dev}-{status.st_ino}.{kind}"
        return Place(self._folder / self._boot / name, resolved, state_of(status), before)

    def pages(self) -> list[Path]:
        """Return the pages that there are, of this boot."""
        try:
            found = sorted((self._folder / self._boot).iterdir())
        except OSError:
            return []
        return [page for page in found if not page.name.startswith(".")]


class Place:
    """Where something is remembered of one file or folder.

    Attributes:
        page: the path of the page.
        path: of the file or folder, absolute and without symlinks.
        state: of the file or folder, when this was made.
        before: what changed later than this, in nanoseconds, is not to be remembered.
    """

    def __init__(self, page: Path, path: Path, state: FileState, before: int) -> None:
        self.page = page
        self.path = path
        self.state = state
        self.before = before

    def read(self) -> bytes | None:
        """Return what is remembered; None, perhaps with a warning, where nothing is."""
        try:
            return read_page(self.page)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            warnings.warn(
                f"{self.page}, where digests of files are remembered, is not used: {error}",
                stacklevel=3,
            )
            return None

    def write(self, body: bytes) -> None:
        """Replace the page, if it can be written. A crash before leaves a spare file."""
        with contextlib.suppress(OSError):
            if not self.page.parent.is_dir():
                self.page.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                _forget_boots(self.page.parent)
            write_page(self.page, body)


def read_page(path: Path) -> bytes:
    """Return what a page holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not what was written, by this user.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError("others can write to it")
        data = file.read()
    checksum, body = data[:_CHECKSUM], data[_CHECKSUM:]
    if checksum != _checksum(path, body):
        raise ValueError("it is damaged")
    return body


def write_page(path: Path, body: bytes) -> None:
    """Replace what a page holds, as a whole.

    Raises:
        OSError: it cannot be written.
    """
    spare = path.with_name(f".{path.name}-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        with os.fdopen(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_checksum(path, body) + body)
        spare.replace(path)
    except OSError:
        spare.unlink(missing_ok=True)
        raise


def _checksum(page: Path, body: bytes) -> bytes:
    return sha256(f"{page.parent.name}/{page.name}\n".encode() + body).digest()


class Page:
    """What is remembered of the files in one folder."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._device = place.state.device
        self._before = place.before
        self._body: bytes | None = None

    def digests(self) -> dict[tuple[int, ...], bytes]:
        """Return `FileState` → digest, 32 bytes, of all that are remembered."""
        self._body = self._place.read()
        return {} if self._body is None else parse_folder(self._device, self._body)[1]

    def keep(self, files: Iterable[tuple[tuple[int, ...], bytes]]) -> None:
        """Remember the digests of the files in the folder, which had these states all the time.

        What cannot be written is not remembered.

        Args:
            files: `FileState` and digest of each.
        """
        body = folder_body(
            self._place.path,
            (
                (state, digest)
                for state, digest in files
                if state[0] == self._device and state[4] < self._before
            ),
        )
        if body != self._body:
            self._place.write(body)


def folder_body(path: Path, files: Iterable[tuple[tuple[int, ...], bytes]]) -> bytes:
    """Return what the page of a folder holds: its path, `FileState` and digest of each file."""
    records = (_RECORD.pack(*state[1:], digest) for state, digest in files)
    return b"".join([os.fsencode(path), b"\0", *records])


def parse_folder(device: int, body: bytes) -> tuple[Path, dict[tuple[int, ...], bytes]]:
    """Return of the page of a folder its path, and `FileState` → digest."""
    path, _, records = body.partition(b"\0")
    digests: dict[tuple[int, ...], bytes] = {
        (device, inode, size, modified, changed): digest
        for inode, size, modified, changed, digest in _RECORD.iter_unpack(records)
    }
    return Path(os.fsdecode(path)), digests


def _forget_boots(current: Path) -> None:
    """Remove what earlier boots left; where several machines share a home, not what is in use."""
    for folder in current.parent.iterdir():
        if folder != current and _UUID.fullmatch(folder.name):
            unused = current.stat().st_mtime - folder.stat().st_mtime
            if unused > _OLD:
                shutil.rmtree(folder, ignore_errors=True)


def user_cache() -> DigestCache | None:
    """Return the cache of the user, or None where one boot cannot be told from another."""
    try:
        boot = _BOOT_ID.read_text().strip()
    except OSError:
        return None
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # as the specification says
        base = Path.home() / ".cache"
    return DigestCache(base / "provenance" / "digests", boot=boot)


def filesystem_of(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the type of the filesystem that an absolute path without symlinks lies on.

    "" where it cannot be told. See proc_pid_mountinfo(5).
    """
    found, longest = "", -1
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError:
        return ""
    for line in lines:
        fields, _, after = line.partition(b" - ")
        escaped = fields.split(b" ")[4]
        point = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), escaped)
        # Of two at one place the later one covers the earlier.
        if len(point) >= longest and path.is_relative_to(os.fsdecode(point)):
            found, longest = os.fsdecode(after.split(b" ")[0]), len(point)
    return found
