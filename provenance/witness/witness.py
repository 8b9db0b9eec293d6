"""`Witness`: cosigns what logs publish, and never two histories of one.

::

    DIR/
      key.pem       its Ed25519 key, 0600
      witness.db    its vkey, the keys of the logs that it watches, the newest head of each (SQLite)

All that it promises rests on one transaction: compare the head that is recorded, check the proof,
record the new head. Any number of threads and processes may run it at once; only one is in it. The
cosignature goes out after that has been written to the disk, so `kill -9` at any moment leaves at
most a head that was recorded and not answered: the log asks again, is told 409 and that size, and
gets its cosignature for the same head. A folder brought back from an old copy forgets promises:
then make a new witness, with a new key.

A cosignature says "at this time, this was the largest tree that I have seen". So its times never
go back, whatever the clock does: a time before that of the last cosignature for the log would
contradict it, and the last one is repeated instead.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from provenance.errors import InputError, MalformedError, WitnessError
from provenance.log.checkpoint import Checkpoint
from provenance.merkle import EMPTY_ROOT, ProofError, check_consistency
from provenance.signing import (
    COSIGNATURE,
    ED25519,
    PrivateKey,
    SignatureError,
    VerifierKey,
    add_signatures,
    cosign_note,
    open_note,
    read_key_file,
    strip_foreign_lines,
    write_key_file,
)
from provenance.signing.keyfiles import sync_folder
from provenance.witness.request import AddCheckpoint

__all__ = ["RefusedError", "WatchedLog", "Witness"]

DATABASE = "witness.db"
KEY = "key.pem"
BUSY_SECONDS = 10

_SCHEMA = """
CREATE TABLE witness (vkey TEXT NOT NULL);
CREATE TABLE log_key (origin TEXT, vkey TEXT, PRIMARY KEY (origin, vkey));
CREATE TABLE head (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, time INTEGER NOT NULL,
    note BLOB NOT NULL
);
CREATE TABLE contradiction (origin TEXT PRIMARY KEY, cosigned BLOB NOT NULL, refused BLOB NOT NULL);
"""


class RefusedError(WitnessError):
    """A checkpoint is not cosigned.

    Attributes:
        status: why, as the standard says it: 400, 403, 404, 409 or 422.
        size: with 409, that of the checkpoint cosigned last, where the log meant another.
    """

    def __init__(self, status: int, message: str, size: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.size = size


@dataclass(frozen=True)
class WatchedLog:
    """A log that a witness watches, and how far it has seen it.

    Attributes:
        origin: the log's name.
        keys: vkeys, one of which must sign its checkpoints.
        size: of the tree cosigned last; None before the first.
        root: of that tree, 32 bytes.
        time: of the last cosignature, POSIX seconds.
        contradiction: two checkpoints of one size and two roots, both signed by the log: the one
            that was cosigned, and the first that was refused for it.
    """

    origin: str
    keys: tuple[str, ...]
    size: int | None = None
    root: bytes | None = None
    time: int | None = None
    contradiction: tuple[str, str] | None = None


class Witness:
    """A witness in a folder; made by `init` and `open`. May be shared between threads."""

    def __init__(self, folder: Path, passphrase: str | None, clock: Callable[[], datetime]) -> None:
        self.folder = folder
        self._passphrase = passphrase
        self._clock = clock
        self._lock = threading.Lock()
        path = folder / DATABASE
        if not path.is_file():
            raise WitnessError(f"there is no witness in {folder}: make one with `witness init`")
        with _explained(path):
            self._database = _connect(path)
            try:
                row = self._database.execute("SELECT vkey FROM witness").fetchone()
            except BaseException:
                self._database.close()
                raise
        self.vkey = VerifierKey.parse(row[0])

    @classmethod
    def init(
        cls,
        folder: str | os.PathLike[str],
        *,
        name: str,
        passphrase: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Self:
        """Make a witness in a new or empty folder.

        Args:
            folder: gets its key and its database.
            name: in its cosignatures: a URL without scheme is recommended.
            passphrase: of its key; without one it is a file with mode 0600.
            clock: returns the time.

        Raises:
            InputError: a name that a note cannot hold.
            WitnessError: the folder holds something, or cannot be made.
        """
        target = Path(folder).absolute()
        key = PrivateKey.generate()
        vkey = VerifierKey(name, key.public, COSIGNATURE)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            draft.mkdir(mode=0o700, parents=True)
            try:
                write_key_file(draft / KEY, key, passphrase.encode() if passphrase else None)
                with closing(_connect(draft / DATABASE)) as database:
                    database.executescript(_SCHEMA)
                    database.execute("INSERT INTO witness VALUES (?)", (str(vkey),))
                sync_folder(draft)
                # Whole from here on: a crash before leaves a folder that nobody reads.
                draft.rename(target)
                sync_folder(target.parent)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise WitnessError(f"cannot make a witness in {target}: {reason}") from error
        return cls(target, passphrase, clock)

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str],
        *,
        passphrase: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Self:
        """Open the witness in `folder`; its key is read when it first signs.

        Raises:
            WitnessError: there is none, or its database cannot be used.
        """
        return cls(Path(folder), passphrase, clock)

    def close(self) -> None:
        """Give the database back."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def key(self) -> PrivateKey:
        """The key that cosigns.

        Raises:
            InputError: no such file, or not the passphrase, or not the key of this witness.
        """
        path = self.folder / KEY
        key = read_key_file(path, self._passphrase.encode() if self._passphrase else None)
        if key.public != self.vkey.key:
            raise InputError(f"{path} is not the key of the witness {self.vkey.name}")
        return key

    # --- which logs -----------------------------------------------------------------------------

    def watch(self, *vkeys: str, origin: str | None = None) -> None:
        """Watch a log from now on, or trust a further key of one.

        Args:
            vkeys: the log's, Ed25519.
            origin: its name, where that is not the name of the key.

        Raises:
            InputError: not the vkey of a log.
        """
        watched = []
        for vkey in vkeys:
            key = VerifierKey.parse(vkey)
            if key.type != ED25519:
                raise InputError(f"{key.name}: that is the vkey of a witness, not of a log")
            watched.append((origin or key.name, vkey))
        with self._transaction() as database:
            database.executemany("INSERT OR IGNORE INTO log_key VALUES (?, ?)", watched)

    def logs(self) -> list[WatchedLog]:
        """Return the logs that are watched, by name."""
        rows = self._read(
            "SELECT origin, vkey, size, root, time FROM log_key LEFT JOIN head USING (origin) "
            "ORDER BY origin, vkey"
        )
        contradictions = {
            origin: (cosigned.decode(), refused.decode())
            for origin, cosigned, refused in self._read("SELECT * FROM contradiction")
        }
        return [
            WatchedLog(
                origin,
                tuple(row[1] for row in rows if row[0] == origin),
                size,
                root,
                time,
                contradictions.get(origin),
            )
            for origin, size, root, time in dict.fromkeys((row[0], *row[2:]) for row in rows)
        ]

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """Return the newest checkpoint that was cosigned, for monitors to compare.

        Args:
            origin_hash: SHA-256 of the log's name, hex.
        """
        for origin, note in self._read("SELECT origin, note FROM head"):
            if sha256(origin.encode()).hexdigest() == origin_hash:
                return bytes(note)
        return None

    # --- cosigning ------------------------------------------------------------------------------

    def add_checkpoint(self, body: bytes) -> bytes:
        """Cosign the checkpoint of a request; return the signature line.

        When this returns, the head is on the disk.

        Raises:
            RefusedError: it is not to be cosigned; the head is as it was. Where the log signed
                another root for it, both checkpoints are on the disk.
            WitnessError: the database cannot be used.
        """
        try:
            request = AddCheckpoint.parse(body)
            head = Checkpoint.parse(_text(request.checkpoint), extended=True)
        except MalformedError as error:
            raise RefusedError(400, str(error)) from error
        keys = self._keys(head.origin)
        text = _opened(request.checkpoint, head, keys)
        if request.old_size > head.size:
            raise RefusedError(400, f"{head.size} is less than the old size {request.old_size}")
        note = strip_foreign_lines(request.checkpoint, keys)
        with self._transaction() as database:
            recorded = database.execute(
                "SELECT size, root, time, note FROM head WHERE origin = ?", (head.origin,)
            ).fetchone()
            old_size, old_root, last, cosigned = recorded or (0, EMPTY_ROOT, 0, b"")
            if request.old_size != old_size:
                raise RefusedError(409, f"the last was of {old_size} entries", old_size)
            contradicts = 0 < head.size == old_size and head.root != old_root
            if contradicts:  # the first is kept: whoever holds the log's key could go on for ever
                database.execute(
                    "INSERT OR IGNORE INTO contradiction VALUES (?, ?, ?)",
                    (head.origin, cosigned, note),
                )
            else:
                _check_continues(old_size, old_root, head, request.proof)
                time = max(int(self._clock().timestamp()), last)
                line = cosign_note(text, self.vkey.name, self.key, time=time)
                database.execute(
                    "INSERT OR REPLACE INTO head VALUES (?, ?, ?, ?, ?)",
                    (head.origin, head.size, head.root, time, add_signatures(note, [line])),
                )
        if contradicts:
            raise RefusedError(409, f"another root was cosigned for {head.size} entries")
        # A crash here leaves a head without an answer: the log asks again from this very size.
        return line

    def _keys(self, origin: str) -> list[VerifierKey]:
        rows = self._read("SELECT vkey FROM log_key WHERE origin = ?", origin)
        if not rows:
            raise RefusedError(404, f"the log {origin[:200]!r} is not watched here")
        return [VerifierKey.parse(vkey) for (vkey,) in rows]

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with self._lock, _explained(self.folder / DATABASE):
            return self._database.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Be the only one; what was done is on the disk at the end, or undone."""
        with self._lock, _explained(self.folder / DATABASE):
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")


def _text(note: bytes) -> str:
    """Return the text of a note that nobody has vouched for yet."""
    text, gap, _ = note.partition(b"\n\n")
    try:
        return text.decode() + "\n" if gap else ""
    except UnicodeDecodeError:
        return ""


def _opened(note: bytes, head: Checkpoint, keys: Sequence[VerifierKey]) -> str:
    """Return the text that the log signed, which is what was read as `head`."""
    try:
        text = open_note(note, keys).text
        if Checkpoint.parse(text, extended=True) == head:
            return text
    except MalformedError as error:
        raise RefusedError(400, str(error)) from error
    except SignatureError as error:
        raise RefusedError(403, str(error)) from error
    raise RefusedError(400, "the text of a checkpoint has no empty line")


def _check_continues(
    old_size: int, old_root: bytes, head: Checkpoint, proof: Sequence[bytes]
) -> None:
    if head.size == 0 and head.root != EMPTY_ROOT:
        raise RefusedError(422, "a tree of no entries has another root")
    if proof and not old_size:
        raise RefusedError(422, "the proof from a tree of no entries has no hashes")
    try:
        if old_size:
            check_consistency(
                old_size=old_size, old_root=old_root, size=head.size, root=head.root, path=proof
            )
    except ProofError as error:
        raise RefusedError(422, str(error)) from error


def _connect(path: Path) -> sqlite3.Connection:
    """Open the database. Threads take turns by a lock, processes by SQLite's own."""
    database = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise WitnessError(f"{path} cannot be used: {error}") from error
