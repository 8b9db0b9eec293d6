"""The files of a folder and all below it, by name, and their states.

Sorted by path in code-point order. Names are kept as found. An error, always with the name: a name
that is not UTF-8 or holds a control character; two names that Unicode NFC makes equal; a symlink
(unless followed, and then it must stay inside the folder); what is neither file nor folder; a
ledger (a folder named ``.provenance``). Folders themselves are not listed.

A GLOB to ignore: ``*``, ``?``, ``[…]`` as in `fnmatch`, where ``*`` matches ``/`` too. A GLOB
without ``/`` is compared with each name on the path, else with the path and each folder above it.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from provenance.errors import InputError
from provenance.merkle.parallel import in_order
from provenance.records.files import readable
from provenance.records.filesystem import STATE_SIZE, Listed, list_files, pack

__all__ = ["LEDGER_FOLDER", "Listing", "is_ignored", "list_folder", "list_ignored"]

LEDGER_FOLDER = ".provenance"


@dataclass(frozen=True)
class Listing:
    """The files of a folder.

    Attributes:
        paths: of each inside the folder, with ``/``, in order.
        states: of each when it was listed, as `provenance.records.filesystem` packs them.
    """

    paths: list[str]
    states: bytes

    def of(self, indices: Iterable[int]) -> Listing:
        """Return those of these indices."""
        chosen = list(indices)
        size, states = STATE_SIZE, self.states
        return Listing(
            [self.paths[i] for i in chosen],
            b"".join([states[i * size : (i + 1) * size] for i in chosen]),
        )


def list_folder(
    folder: Path, label: str, ignore: tuple[str, ...] = (), follow_symlinks: bool = False
) -> Listing:
    """Return every file below `folder`; folders beside each other are read on every core.

    Raises:
        InputError: as the module says.
    """
    with readable(label):
        root = folder.resolve(strict=True)
        level = [_Inner("", (_inode(root.stat()),))]

    def look_into(inner: _Inner) -> Listed:
        with readable(str(Path(label) / inner.path)):
            return list_files(folder / inner.path)

    paths: list[str] = []
    states: list[bytes] = []
    while level:
        below: list[_Inner] = []
        with closing(in_order(look_into, level)) as found:
            for inner, (names, of_names, others) in zip(level, found, strict=True):
                _check_names([*names, *others], Path(label) / inner.path)
                files = Listing([inner.path + name for name in names], of_names)
                if ignore:
                    kept = [i for i, path in enumerate(files.paths) if not is_ignored(path, ignore)]
                    files = files.of(kept)
                paths += files.paths
                states.append(files.states)
                for name in others:
                    path = inner.path + name
                    if is_ignored(path, ignore):
                        continue
                    shown = str(Path(label) / path)
                    status = _status(folder / path, shown, root, follow_symlinks)
                    if stat.S_ISREG(status.st_mode):
                        paths.append(path)
                        states.append(pack(status))
                        continue
                    _check_folder(status, name, shown, inner)
                    below.append(_Inner(path + "/", (*inner.above, _inode(status))))
        level = below
    _check_distinct(paths, label)
    listing = Listing(paths, b"".join(states))
    if paths != sorted(paths):
        listing = listing.of(sorted(range(len(paths)), key=paths.__getitem__))
    return listing


def list_ignored(folder: Path, ignore: tuple[str, ...], follow_symlinks: bool = False) -> list[str]:
    """Return what `list_folder` leaves out: each file, and each folder once for all within."""
    found = []
    for inner, folders, files in os.walk(folder, followlinks=follow_symlinks):
        below = Path(inner).relative_to(folder)
        for name in [*folders, *files]:
            path = (below / name).as_posix()
            if is_ignored(path, ignore):
                found.append(path)
                if name in folders:
                    folders.remove(name)
    return sorted(found)


class _Inner(NamedTuple):
    """A folder still to be listed.

    Attributes:
        path: inside the folder, with a ``/`` at the end; "" for itself.
        above: device and inode of it and of all it lies in.
    """

    path: str
    above: tuple[tuple[int, int], ...]


def _status(path: Path, shown: str, root: Path, follow_symlinks: bool) -> os.stat_result:
    """Return the status of what is no plain file, symlinks followed.

    Raises:
        InputError: it has none, or is a symlink that is not followed.
    """
    with readable(shown):
        status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        _check_symlink(path, shown, root, follow_symlinks)
    with readable(shown):
        return path.stat()


def _check_folder(status: os.stat_result, name: str, shown: str, inner: _Inner) -> None:
    if not stat.S_ISDIR(status.st_mode):
        raise InputError(f"{shown} is neither a file nor a folder")
    if name == LEDGER_FOLDER:
        raise InputError(
            f"{shown} is a ledger inside the folder; keep it outside, or leave it out "
            f"with the glob {LEDGER_FOLDER!r} to ignore"
        )
    if _inode(status) in inner.above:
        raise InputError(f"the symlink {shown} leads back to a folder it lies in")


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _check_names(names: list[str], folder: Path) -> None:
    together = "".join(names)
    if together.isascii() and together.isprintable():
        return
    for name in names:
        _check_name(name, folder)


def _check_name(name: str, folder: Path) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"{folder} holds a name that is not UTF-8: {os.fsencode(name)!r}"
        ) from None
    if any(unicodedata.category(char) == "Cc" for char in name):
        raise InputError(f"{folder} holds a name with a control character: {name!r}")


def is_ignored(path: str, globs: tuple[str, ...]) -> bool:
    """Say whether a path inside the folder, or what it lies in, is left out by one of the globs."""
    return any(_matches(path, glob) for glob in globs)


def _matches(path: str, glob: str) -> bool:
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


def _check_distinct(paths: list[str], label: str) -> None:
    if all(map(str.isascii, paths)):
        return
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.setdefault(unicodedata.normalize("NFC", path), path)
        if other != path:
            raise InputError(
                f"{label} holds two names that look the same (equal after Unicode NFC): "
                f"{other!a} and {path!a}"
            )
