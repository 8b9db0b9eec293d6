"""Uses: that somebody asked for something of an artifact. One line each, a record of its own.

::

    {"action":"prove","artifact":"6a31…","nonce":"mR0m…==","records":[7],"request":"5f0e…",
     "when":"2026-01-31T12:00:00.120Z","who":"4c1f09ab"}

written as RFC 8785, which is the leaf of the record under the encoding ``json``. The nonce makes
that the hash of one that was erased cannot be guessed from what is left.

Until their batch is signed, uses wait in a file that one process holds (`provenance.ledger.held`),
each with what tells that it is whole::

    <use> 9f86d081884c7d65 LF      SHA-256(use)[:8] in hex

Then they are lines of ``access/<digest>.jsonl``, named by the digest of the batch. There a use is
erased by leaving its line empty: its number is that of its leaf, which stays.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from provenance import forms
from provenance.errors import LedgerError, MalformedError
from provenance.ledger.held import HeldFile
from provenance.statements.resources import Time
from provenance.statements.statement import MAX_ARTIFACTS

__all__ = [
    "PUBLIC",
    "Action",
    "RequestId",
    "Use",
    "UseFile",
    "Who",
    "is_of",
    "use_files",
    "waiting_uses",
    "whole_records",
]

Action = Literal[
    "show", "history", "descendants", "impact", "prove", "prove-entry", "find", "leaves", "access"
]
"""What was asked for, by the command that asks for the same."""

Who = Annotated[str, forms.Pattern(r"[0-9a-f]{8}|public", "the id of a token, or public")]
RequestId = Annotated[str, forms.Pattern(r"[A-Za-z0-9._-]{1,64}", "the id of a request")]

PUBLIC = "public"
"""Who asked without a token, of a ledger that everybody may read."""

SUFFIX = ".uses"

_CHECK = 8
_MAX_USE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Use:
    """One use of an artifact.

    Attributes:
        artifact: its digest.
        action: what was asked for.
        who: the id of a token, or `PUBLIC`.
        when: by the clock of the service.
        request: its id.
        nonce: 16 random bytes.
        records: numbers of those that were proven or found; None if it was not about records.
    """

    artifact: forms.Hash
    action: Action
    who: Who
    when: Time
    request: RequestId
    nonce: bytes
    records: tuple[int, ...] | None = None

    def to_bytes(self) -> bytes:
        """Return the record: what ``forms.dump`` gives, in a tenth of the time."""
        nonce = b64encode(self.nonce).decode()
        records = "" if self.records is None else f'"records":[{",".join(map(str, self.records))}],'
        return (
            f'{{"action":"{self.action}","artifact":"{self.artifact.hex()}","nonce":"{nonce}",'
            f'{records}"request":"{self.request}","when":"{self.when}","who":"{self.who}"}}'
        ).encode()

    @classmethod
    def parse(cls, line: bytes) -> Use:
        """Read one record; the inverse of `to_bytes`.

        Raises:
            MalformedError: it is not of this form.
        """
        value = forms.parse_canonical(line, what="the use", cap=_MAX_USE)
        return forms.decode(cls, value, "the use", whole=True)


class UseFile:
    """A file of uses that are not signed yet, held by this process.

    Attributes:
        count: of the uses in it.
        artifacts: what they are of.
    """

    def __init__(self, held: HeldFile) -> None:
        self._held = held
        self._end = 0
        self._synced = 0
        self.count = 0
        self.artifacts: set[bytes] = set()

    @classmethod
    def create(cls, folder: Path) -> UseFile:
        """Make one in a folder.

        Raises:
            LedgerError: it cannot be written.
        """
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise LedgerError(f"cannot make {folder}: {error.strerror}") from error
        return cls(HeldFile.create(folder, SUFFIX))

    @classmethod
    def adopt(cls, path: Path) -> UseFile | None:
        """Hold what a process left that is gone; None if none did."""
        held = HeldFile.adopt(path)
        return None if held is None else cls(held)

    def takes(self, artifacts: Collection[bytes]) -> bool:
        """Whether one statement can name these beside those that are here, and the batch itself."""
        return len(self.artifacts.union(artifacts)) < MAX_ARTIFACTS

    def append(self, uses: Sequence[Use]) -> None:
        """Hand uses to the system: a process that is killed then loses none of them.

        Raises:
            LedgerError: the disk is full, say.
        """
        data = b"".join(map(_format, uses))
        try:
            self._held.write(data, self._end)
        except OSError as error:
            with suppress(OSError):  # else a part of them could be taken for damage
                self._held.file.truncate(self._end)
            raise LedgerError(f"cannot write to {self._held.path}: {error.strerror}") from error
        self._end += len(data)
        self.count += len(uses)
        self.artifacts.update(use.artifact for use in uses)

    def sync(self) -> None:
        """Wait until what was handed over is on the disk.

        Raises:
            LedgerError: it may not be.
        """
        end = self._end
        if end > self._synced:
            self._synced = end  # one that failed may say that all is well when asked again
            try:
                self._held.sync()
            except OSError as error:
                raise LedgerError(f"cannot write to {self._held.path}: {error.strerror}") from error

    def records(self) -> list[bytes]:
        """Return the uses in it, as records.

        Raises:
            LedgerError: it is damaged, or cannot be read.
        """
        try:
            self._held.file.seek(0)
            return whole_records(self._held.file.read())
        except MalformedError as error:
            raise LedgerError(
                f"{self._held.path} is damaged: {error}; move it away to go on without its uses"
            ) from error
        except OSError as error:
            raise LedgerError(f"cannot read {self._held.path}: {error.strerror}") from error

    def close(self) -> None:
        """Let go of it: whoever signs uses next finds it."""
        self._held.close()

    def remove(self) -> None:
        """Remove it, now that its uses are signed.

        Raises:
            LedgerError: it cannot be.
        """
        self._held.remove()


def use_files(folder: Path) -> list[Path]:
    """Return the files of uses that are not signed, of living and of dead processes."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def whole_records(data: bytes) -> list[bytes]:
    """Return the records of such a file. What a crash tore off, behind the last LF, is none.

    Raises:
        MalformedError: one is damaged.
    """
    records = []
    for number, line in enumerate(data.split(b"\n")[:-1]):
        record, _, check = line.rpartition(b" ")
        if check != _checksum(record):
            raise MalformedError(f"its use {number} is damaged")
        records.append(record)
    return records


def waiting_uses(folder: Path, artifact: bytes) -> list[Use]:
    """Return the uses of an artifact that are not signed yet, in no order.

    Raises:
        LedgerError: a file is damaged, or cannot be read.
    """
    found: list[Use] = []
    for path in use_files(folder):
        try:
            records = whole_records(path.read_bytes())
            found += [Use.parse(record) for record in records if is_of(record, artifact)]
        except FileNotFoundError:  # signed just now
            continue
        except MalformedError as error:
            raise LedgerError(f"{path} is damaged: {error}") from error
        except OSError as error:
            raise LedgerError(f"cannot read {path}: {error.strerror}") from error
    return found


def is_of(record: bytes, artifact: bytes) -> bool:
    """Say whether a record is a use of an artifact, without reading it."""
    return b'"artifact":"%s"' % artifact.hex().encode() in record


def _format(use: Use) -> bytes:
    record = use.to_bytes()
    return record + b" " + _checksum(record) + b"\n"


def _checksum(data: bytes) -> bytes:
    return sha256(data).hexdigest()[: 2 * _CHECK].encode()
