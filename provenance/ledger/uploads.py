"""Trees of artifacts that were hashed elsewhere: their leaf hashes, as they come in.

::

    uploads/<id>/
      artifact.json   root, size and encoding that are claimed
      leaves          32 bytes a record, as far as they came

What comes is kept: an upload that breaks off goes on where it stood, after a crash too. When all of
it is there, the root is computed anew, and either the tree is kept or everything is thrown away. An
upload belongs to who began it; nobody else can write to it. It is forgotten a week after it was
last written to.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from provenance import forms
from provenance.errors import InputError, LedgerError, MalformedError
from provenance.ledger.folder import Folder, write_file
from provenance.ledger.registering import keep_tree
from provenance.merkle import HASH_SIZE, CompactRange
from provenance.records import Artifact
from provenance.signing.keyfiles import sync_folder

__all__ = ["Appending", "NoUploadError", "OffsetError", "Upload", "Uploads"]

KEPT = 7 * 86400
"""Seconds for which an upload is kept that nobody goes on with."""

_BLOCK = 1 << 20
_MAX_CLAIM = 1 << 16


class NoUploadError(InputError):
    """There is no such upload, or not of who asks."""


class OffsetError(InputError):
    """What is sent does not go on where the upload stands, or somebody else is writing."""


@dataclass(frozen=True)
class Upload:
    """How far an upload is.

    Attributes:
        id: 32 hex digits.
        artifact: what it is to become.
        offset: bytes that are there, of ``32 * artifact.size``.
    """

    id: str
    artifact: Artifact
    offset: int

    @property
    def length(self) -> int:
        """Bytes in all."""
        return self.artifact.size * HASH_SIZE


class Uploads:
    """The uploads to one ledger."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._uploads = folder.path / "uploads"

    def begin(self, artifact: Artifact, owner: str) -> Upload:
        """Begin the upload of an artifact's leaf hashes, or return how far it is.

        Args:
            artifact: that they are to make.
            owner: whose it is; the same one goes on with it.

        Raises:
            InputError: all of them are there, and they make another root.
            OffsetError: all of them are there, and another request is making the tree.
            LedgerError: the disk is full, say.
        """
        number = _number(artifact, owner)
        with self._folder.alone("uploads"):
            self._forget_old()
            place = self._uploads / number
            with _writing(place):
                place.mkdir(parents=True, exist_ok=True)
                if not self._is_kept(artifact):
                    (place / "leaves").touch()
                if not (place / "artifact.json").is_file():
                    write_file(place / "artifact.json", forms.dump(artifact).decode())
                    sync_folder(self._uploads)
                os.utime(place)
        upload = self.find(number, owner)
        if upload.offset == upload.length and not self._is_kept(artifact):
            self.append(number, owner, upload.offset).close()  # a crash came before the tree
        return upload

    def find(self, number: str, owner: str) -> Upload:
        """Return an upload by its id.

        Raises:
            NoUploadError: this owner has none such.
        """
        place = self._uploads / number
        none = NoUploadError(f"there is no upload {number[:64]!r}: begin one")
        if not re.fullmatch("[0-9a-f]{32}", number, re.ASCII):
            raise none
        try:
            value = forms.parse((place / "artifact.json").read_bytes(), what=number, cap=_MAX_CLAIM)
            artifact = forms.decode(Artifact, value, number)
            if self._is_kept(artifact):
                offset = artifact.size * HASH_SIZE
            else:
                offset = (place / "leaves").stat().st_size
        except FileNotFoundError:
            raise none from None
        except (OSError, MalformedError) as error:
            raise LedgerError(f"the upload {place} cannot be read: {error}") from error
        if number != _number(artifact, owner):
            raise none
        return Upload(number, artifact, offset)

    def append(self, number: str, owner: str, offset: int) -> Appending:
        """Open an upload to write what comes next; the caller closes it.

        Raises:
            NoUploadError: this owner has none such.
            OffsetError: it stands elsewhere, or somebody else writes to it.
        """
        path = self._uploads / number / "leaves"
        complete = OffsetError(f"the upload is complete, at {self.find(number, owner).length}")
        try:
            leaves = path.open("r+b")
        except FileNotFoundError:
            raise complete from None
        except OSError as error:
            raise _cannot_write(path, error) from error
        with ExitStack() as unless_it_fails:
            unless_it_fails.enter_context(leaves)
            with suppress(BlockingIOError):
                fcntl.flock(leaves, fcntl.LOCK_EX | fcntl.LOCK_NB)
                upload = self.find(number, owner)  # as it stands, now that nobody else writes
                if self._is_kept(upload.artifact):
                    raise complete
                if offset != upload.offset:
                    raise OffsetError(f"the upload stands at {upload.offset}, not at {offset}")
                leaves.seek(offset)
                unless_it_fails.pop_all()
                return Appending(self, upload, leaves)
        raise OffsetError("another request is writing to this upload")

    def _is_kept(self, artifact: Artifact) -> bool:
        """Whether the tree is here, from this upload or otherwise."""
        return self._folder.tree(artifact.digest).is_file()

    def _finish(self, upload: Upload) -> None:
        """Keep the tree of an upload that is whole, or throw it away.

        Raises:
            InputError: it is not what was claimed.
        """
        leaves = self._uploads / upload.id / "leaves"
        claimed = upload.artifact
        found = CompactRange()
        for block in _blocks(leaves):
            found.extend(block)
        if found.root() != claimed.root:
            shutil.rmtree(leaves.parent, ignore_errors=True)
            raise InputError(
                f"these leaf hashes make the root {found.root().hex()}, not "
                f"{claimed.root.hex()}: nothing of them was kept"
            )
        keep_tree(self._folder, _blocks(leaves), claimed.encoding)
        with _writing(leaves):
            leaves.unlink()  # the tree begins with them; that it is there is told from now on

    def _forget_old(self) -> None:
        before = time.time() - KEPT
        for place in self._uploads.iterdir() if self._uploads.is_dir() else ():
            if place.stat().st_mtime < before:
                shutil.rmtree(place, ignore_errors=True)


class Appending:
    """One stretch of leaf hashes on its way to the disk."""

    def __init__(self, uploads: Uploads, upload: Upload, leaves: IO[bytes]) -> None:
        self._uploads = uploads
        self._leaves = leaves
        self._upload = upload
        self.offset = upload.offset

    def write(self, data: bytes) -> None:
        """Take in what comes next.

        Raises:
            OffsetError: it is more than there should be; nothing of `data` was taken.
            LedgerError: the disk is full, say.
        """
        if self.offset + len(data) > self._upload.length:
            raise OffsetError(f"an upload of {self._upload.length} bytes has no more of them")
        with _writing(Path(self._leaves.name)):
            self._leaves.write(data)
        self.offset += len(data)

    def close(self) -> int:
        """Keep what was written; the last stretch makes the tree. Return the offset.

        Raises:
            InputError: all is there, and it is not what was claimed.
            LedgerError: the disk is full, say.
        """
        with self._leaves:
            with _writing(Path(self._leaves.name)):
                self._leaves.flush()
                os.fsync(self._leaves.fileno())
                os.utime(Path(self._leaves.name).parent)
            if self.offset == self._upload.length:
                self._uploads._finish(self._upload)
        return self.offset


def _number(artifact: Artifact, owner: str) -> str:
    return sha256(f"{owner}\n{artifact.digest_hex}".encode()).hexdigest()[:32]


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _cannot_write(place, error) from error


def _cannot_write(place: Path, error: OSError) -> LedgerError:
    return LedgerError(f"{place} cannot be written: {error.strerror}")


def _blocks(leaves: Path) -> Iterator[bytes]:
    with leaves.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
