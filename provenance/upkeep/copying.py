"""Files copied durably, hashed on the way, and listed as ``sha256sum`` lists them."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import file_digest, sha256
from pathlib import Path

from provenance.errors import InputError, LedgerError, MalformedError
from provenance.signing.keyfiles import sync_folder

__all__ = [
    "MANIFEST",
    "Manifest",
    "copy_database",
    "copy_file",
    "open_snapshot",
    "sync_tree",
    "unusable",
]

MANIFEST = "SHA256SUMS"

_BLOCK = 1 << 20
_LINE = re.compile(r"([0-9a-f]{64})  ([^\x00-\x1f\\]+)")


class Manifest:
    """What each file of a backup holds: its path, seen from the backup's folder → SHA-256 in hex.

    Its text is what ``sha256sum`` writes, so that ``sha256sum --check`` reads it.
    """

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    @classmethod
    def parse(cls, text: str) -> Manifest:
        """Read the text; the inverse of `to_text`.

        Raises:
            MalformedError: it is no such list, or leads out of the folder.
        """
        manifest = cls()
        for line in text.splitlines():
            found = _LINE.fullmatch(line)
            if found is None or ".." in Path(found[2]).parts or Path(found[2]).is_absolute():
                raise MalformedError(f"not a line of {MANIFEST}: {line[:80]!r}")
            manifest.files[found[2]] = found[1]
        if manifest.to_text() != text:
            raise MalformedError(f"{MANIFEST} is not in the form in which it is written")
        return manifest

    def to_text(self) -> str:
        """Return the text, sorted by path."""
        return "".join(f"{digest}  {name}\n" for name, digest in sorted(self.files.items()))

    def add(self, name: str, digest: str) -> None:
        """Add a file.

        Raises:
            InputError: a name that the list cannot hold.
        """
        if not _LINE.fullmatch(f"{digest}  {name}"):
            raise InputError(f"a file named {name!r} cannot be listed: rename it")
        self.files[name] = digest

    def differences(self, root: Path) -> Iterator[str]:
        """Yield what is not as listed, in words: missing, altered, or not listed."""
        present = {
            str(path.relative_to(root))
            for path in root.rglob("*")
            if not path.is_dir() or path.is_symlink()
        }
        for name in sorted(present - self.files.keys() - {MANIFEST}):
            yield f"{name} is not listed"
        for name, digest in sorted(self.files.items()):
            try:
                if (root / name).is_symlink():
                    yield f"{name} is a symlink"
                    continue
                with (root / name).open("rb") as file:
                    if file_digest(file, "sha256").hexdigest() != digest:
                        yield f"{name} is not what was written"
            except OSError as error:
                yield f"{name} cannot be read: {error.strerror}"


def copy_file(source: Path, target: Path, copied: Callable[[int], object]) -> str:
    """Copy a file as it is now, with its mode; return its SHA-256 in hex. Its bytes are durable.

    Raises:
        OSError: it cannot be read or written.
    """
    digest = sha256()
    with source.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as written:
            os.fchmod(written.fileno(), mode)
            while block := file.read(_BLOCK):
                digest.update(block)
                written.write(block)
                copied(len(block))
            written.flush()
            os.fsync(written.fileno())
    return digest.hexdigest()


def open_snapshot(path: Path) -> sqlite3.Connection:
    """Open a SQLite file as it is now: what is read or copied of it is this one state.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def copy_database(snapshot: sqlite3.Connection, source: Path, target: Path) -> str:
    """Copy the state of an `open_snapshot` into one file; return its SHA-256 in hex.

    The copy has no write-ahead log, so that it is read without writing anything beside it.

    Raises:
        OSError, sqlite3.Error: it cannot be read or written.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        snapshot.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    target.chmod(stat.S_IMODE(source.stat().st_mode))
    with target.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return digest


def sync_tree(root: Path) -> None:
    """Make the names in a folder, and in those within it, durable."""
    for folder in [*(path for path in root.rglob("*") if path.is_dir()), root]:
        sync_folder(folder)


def unusable(what: str, error: OSError | sqlite3.Error) -> LedgerError:
    """Return the error of a copy that cannot be made."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return LedgerError(f"{what}: {reason}")
