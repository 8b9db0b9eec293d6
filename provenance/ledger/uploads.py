"""Trees of artifacts that were hashed elsewhere: their leaf hashes, as they come in.

::

    uploads/<id>/
      artifact.json   root, size and encoding that are claimed
      leaves          32 bytes a record, as far as they came
    uploaded/<id>     what is left of one that is complete: its claim, for who asks once more

What comes is kept: an upload that breaks off goes on where it stood, after a crash too. When all of
it is there, the root is computed anew, and either the tree is kept or everything is thrown away;
should a crash come between, whoever asks for the upload next has it done. An upload belongs to who
began it; nobody else can write to it. It is forgotten a week after it was last written to, and an
hour after it is complete; the tree stays.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from io import FileIO
from pathlib import Path

from provenance import forms
from provenance.errors import InputError, LedgerError, MalformedError
from provenance.ledger.folder import Folder, write_file
from provenance.ledger.treefiles import TreeFiles
from provenance.merkle import HASH_SIZE, CompactRange
from provenance.records import Artifact
from provenance.signing.keyfiles import sync_folder

__all__ = [
    "Appending",
    "NoUploadError",
    "OffsetError",
    "SentLeaves",
    "Upload",
    "Uploads",
    "claimed",
]

KEPT = 7 * 86400
"""Seconds for which an upload is kept that nobody goes on with."""

ANSWERED = 3600
"""Seconds for which it is told of an upload that it is complete."""

MOST = 1000
"""Uploads that may be open at a time."""

SPARE = 1 << 28
"""Bytes of the disk that are not for uploads: the log needs some."""

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


@dataclass(frozen=True, kw_only=True)
class SentLeaves:
    """All leaf hashes of an artifact that has few, in one piece.

    Attributes:
        artifact: that they are to make.
        leaves: 32 bytes a record.
    """

    artifact: Artifact
    leaves: bytes


class Uploads:
    """The uploads to one ledger."""

    def __init__(self, folder: Folder, trees: TreeFiles) -> None:
        self._folder = folder
        self._trees = trees
        self._uploads = folder.path / "uploads"
        self._uploaded = folder.path / "uploaded"
        self._swept = -math.inf

    def begin(self, artifact: Artifact, owner: str) -> Upload:
        """Begin the upload of an artifact's leaf hashes, or return how far it is.

        Args:
            artifact: that they are to make.
            owner: whose it is; the same one goes on with it.

        Raises:
            InputError: there is no room for so many, or all are there and make another root.
            OffsetError: all are there, and another request is making the tree.
            LedgerError: the disk is full, say.
        """
        number = _number(artifact, owner)
        if self.is_kept(artifact):
            self._answer(number, artifact)
        else:
            self._open(number, artifact)
        return self.find(number, owner)

    def find(self, number: str, owner: str) -> Upload:
        """Return an upload by its id; if all of it is there, the tree is.

        Raises:
            NoUploadError: this owner has none such.
            InputError, OffsetError, LedgerError: as of `begin`.
        """
        upload = self._look(number, owner)
        if upload.offset == upload.length and not self.is_kept(upload.artifact):
            with self._locked(number, owner) as (upload, _):
                self._finish(upload)
        return upload

    def append(self, number: str, owner: str, offset: int) -> Appending:
        """Open an upload to write what comes next; the caller closes it, and finds it again.

        Raises:
            NoUploadError: this owner has none such.
            OffsetError: it stands elsewhere, or somebody else writes to it.
        """
        with ExitStack() as stack:
            upload, leaves = stack.enter_context(self._locked(number, owner))
            if offset != upload.offset:
                raise OffsetError(f"the upload stands at {upload.offset}, not at {offset}")
            leaves.seek(offset)
            return Appending(upload, leaves, stack.pop_all())

    def keep(self, sent: Sequence[SentLeaves]) -> None:
        """Keep the trees of several artifacts, whose leaf hashes came in one piece each.

        Raises:
            InputError: there is no room for them, or some make another root: none was kept.
            LedgerError: the disk is full, say; sent again, what was kept is found.
        """
        for each in sent:
            if len(each.leaves) != each.artifact.size * HASH_SIZE:
                raise InputError(
                    f"{len(each.leaves):,} bytes of leaf hashes, not 32 for each of "
                    f"{each.artifact.size:,} records"
                )
            found = CompactRange()
            found.extend(each.leaves)
            _check_root(found, each.artifact)
        missing = [each for each in sent if not self.is_kept(each.artifact)]
        with _using(self._folder.path):
            if 3 * sum(len(each.leaves) for each in missing) > self._room():
                raise InputError("there is no room for so many leaf hashes and trees")
        for each in missing:
            self._trees.keep(iter([each.leaves]), each.artifact.encoding)

    def check_room(self) -> None:
        """Check that something could be uploaded.

        Raises:
            LedgerError: the disk has no room for it, or cannot be asked.
        """
        with _using(self._uploads):
            if self._room() <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def is_kept(self, artifact: Artifact) -> bool:
        """Whether the tree is here, from an upload or otherwise."""
        return self._trees.has(artifact.digest, artifact.size, artifact.root)

    def _open(self, number: str, artifact: Artifact) -> None:
        place = self._uploads / number
        with self._folder.alone("uploads"), _using(place):
            if self.is_kept(artifact):  # by now
                self._answer(number, artifact)
                return
            self._forget_old()
            if not place.exists() and sum(1 for _ in self._uploads.iterdir()) >= MOST:
                raise InputError(f"{MOST} uploads are open here: try again when some are done")
            if 3 * artifact.size * HASH_SIZE > self._room():
                raise InputError(f"there is no room for {artifact.size:,} leaf hashes and a tree")
            place.mkdir(exist_ok=True)
            (place / "leaves").touch()
            sync_folder(place)
            if not (place / "artifact.json").is_file():
                write_file(place / "artifact.json", forms.dump(artifact).decode())
                sync_folder(self._uploads)
            os.utime(place)

    def _answer(self, number: str, artifact: Artifact) -> None:
        """Keep for a while that an upload is complete. A crash may forget it: it is begun anew."""
        path = self._uploaded / number
        with _using(path):
            self._forget_answered()
            self._uploaded.mkdir(exist_ok=True)
            draft = path.with_name(f"{number}.{secrets.token_hex(4)}")
            draft.write_bytes(forms.dump(artifact))
            draft.replace(path)

    def _look(self, number: str, owner: str) -> Upload:
        """Return how far an upload is."""
        place = self._uploads / number
        none = NoUploadError(f"there is no upload {number[:64]!r}: begin one")
        if not re.fullmatch("[0-9a-f]{32}", number, re.ASCII):
            raise none
        try:
            try:
                artifact = claimed(place / "artifact.json")
            except FileNotFoundError:
                artifact = claimed(self._uploaded / number)
            offset = artifact.size * HASH_SIZE
            if not self.is_kept(artifact):
                try:
                    offset = (place / "leaves").stat().st_size
                except FileNotFoundError:  # they go once the tree is there
                    if not self.is_kept(artifact):
                        raise
        except FileNotFoundError:
            raise none from None
        except (OSError, MalformedError) as error:
            raise LedgerError(f"the upload {place} cannot be read: {error}") from error
        if number != _number(artifact, owner):
            raise none
        return Upload(number, artifact, offset)

    @contextmanager
    def _locked(self, number: str, owner: str) -> Iterator[tuple[Upload, FileIO]]:
        """Be the one who works on an upload that is not complete.

        Raises:
            NoUploadError: this owner has none such.
            OffsetError: it is complete, or somebody else works on it.
        """
        length = self._look(number, owner).length
        complete = OffsetError(f"the upload is complete, at {length}")
        path = self._uploads / number / "leaves"
        with ExitStack() as stack:
            try:
                leaves = stack.enter_context(FileIO(path, "r+"))
                fcntl.flock(leaves, fcntl.LOCK_EX | fcntl.LOCK_NB)
                gone = not os.path.samestat(os.fstat(leaves.fileno()), path.stat())
            except FileNotFoundError:
                raise complete from None
            except BlockingIOError:
                raise OffsetError("another request is writing to this upload") from None
            except OSError as error:
                raise _unusable(path, error) from error
            upload = self._look(number, owner)  # as it stands, now that nobody else writes
            if gone or self.is_kept(upload.artifact):
                raise complete
            yield upload, leaves

    def _finish(self, upload: Upload) -> None:
        """Keep the tree of an upload that is whole, or throw it away.

        Raises:
            InputError: it is not what was claimed.
        """
        place, claimed = self._uploads / upload.id, upload.artifact
        with _using(place):
            found = CompactRange()
            for block in _blocks(place / "leaves"):
                found.extend(block)
            try:
                _check_root(found, claimed)
            except InputError:
                # The claim last: without the leaves it is an upload of which nothing has come.
                (place / "leaves").write_bytes(b"")
                shutil.rmtree(place, ignore_errors=True)
                raise
            self._trees.keep(_blocks(place / "leaves"), claimed.encoding)
            (place / "leaves").unlink()  # the tree begins with them
            self._answer(upload.id, claimed)
            with self._folder.alone("uploads"):  # somebody may be beginning it again
                shutil.rmtree(place, ignore_errors=True)

    def _room(self) -> int:
        """Return how many bytes of the disk there are for uploads."""
        return shutil.disk_usage(self._folder.path).free - SPARE

    def _forget_old(self) -> None:
        """Make the folder where it is missing, and clear it of what nobody goes on with."""
        if not self._uploads.is_dir():
            self._uploads.mkdir(exist_ok=True)
            sync_folder(self._uploads.parent)
        before = time.time() - KEPT
        for place in self._uploads.iterdir():
            with suppress(FileNotFoundError):
                if place.stat().st_mtime < before:
                    shutil.rmtree(place, ignore_errors=True)

    def _forget_answered(self) -> None:
        """Remove what was told for long enough; seldom, since there may be very many."""
        if time.monotonic() < self._swept + ANSWERED / 6 or not self._uploaded.is_dir():
            return
        self._swept = time.monotonic()
        before = time.time() - ANSWERED
        for path in self._uploaded.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()


class Appending:
    """One stretch of leaf hashes on its way to the disk; made by `Uploads.append`."""

    def __init__(self, upload: Upload, leaves: FileIO, lock: ExitStack) -> None:
        self._leaves = leaves
        self._upload = upload
        self._lock = lock
        self._path = Path(os.fsdecode(leaves.name))
        self.offset = upload.offset

    def write(self, data: bytes) -> None:
        """Take in what comes next.

        Raises:
            OffsetError: it is more than there should be; nothing of `data` was taken.
            LedgerError: the disk is full, say.
        """
        if self.offset + len(data) > self._upload.length:
            raise OffsetError(f"an upload of {self._upload.length} bytes has no more of them")
        with _using(self._path):
            if shutil.disk_usage(self._path.parent).free < SPARE + len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            while data:
                written = self._leaves.write(data)
                self.offset += written
                data = data[written:]
            os.utime(self._path.parent)

    def close(self) -> int:
        """Keep what was written, and let others go on; return the offset.

        Raises:
            LedgerError: it cannot be told whether it is on the disk.
        """
        with self._lock, _using(self._path):
            os.fsync(self._leaves.fileno())
        return self.offset


def claimed(path: Path) -> Artifact:
    """Return what an upload is to become, by the file that says so.

    Raises:
        MalformedError: it does not say so.
        OSError: it cannot be read.
    """
    value = forms.parse(path.read_bytes(), what=path.name, cap=_MAX_CLAIM)
    return forms.decode(Artifact, value, path.name)


def _check_root(found: CompactRange, claimed: Artifact) -> None:
    if found.root() != claimed.root:
        raise InputError(
            f"these leaf hashes make the root {found.root().hex()}, not {claimed.root.hex()}: "
            "nothing of them was kept"
        )


def _number(artifact: Artifact, owner: str) -> str:
    return sha256(f"{owner}\n{artifact.digest_hex}".encode()).hexdigest()[:32]


@contextmanager
def _using(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unusable(place, error) from error


def _unusable(place: Path, error: OSError) -> LedgerError:
    return LedgerError(f"the upload {place} cannot be kept: {error.strerror}")


def _blocks(leaves: Path) -> Iterator[bytes]:
    with leaves.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
