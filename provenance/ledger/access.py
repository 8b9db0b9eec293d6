"""The access log: who asked the service for which artifact, recorded and signed in batches.

`AccessLog.record` returns when a use is written to a file of its process: then `kill -9` loses
nothing of it. The file is brought to the disk once a second, so a power cut may cost the uses of
the last one. A use that cannot be written is an error, for the request not to be answered: whoever
keeps such a log wants it without gaps.

When a batch is large enough, old enough, or the process ends, it is signed: its records are kept
under the digest of their tree, and the statement says how often each artifact was used. Only
then is the file removed (`provenance.ledger.batches`). What processes that are gone left, any that
goes on signs.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from provenance.errors import LedgerError, ProvenanceError
from provenance.ledger.batches import UseBatches
from provenance.ledger.config import AccessLogConfig
from provenance.ledger.folder import write_file
from provenance.ledger.uses import Action, Use, UseFile, use_files
from provenance.log.blocking import before_blocking
from provenance.statements.statement import MAX_ARTIFACTS

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["AccessLog"]

SYNC_SECONDS = 1.0
"""How often what was recorded is brought to the disk."""

AGAIN_SECONDS = 60.0
"""After which signing is tried again, where it failed."""

MOST_WAITING = 1 << 30
"""Bytes of uses that may wait to be signed; then no more are recorded, until they are."""

MOST_AT_ONCE = MAX_ARTIFACTS - 1
"""Artifacts that one statement can name beside the batch itself."""

ROLL = "roll"
"""Touched in the folder, it has every process sign what it recorded."""

_log = logging.getLogger("provenance")


class AccessLog:
    """Who used what of a ledger. May be shared between threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._folder = ledger.folder.access
        self._config = ledger.config.service.access_log or AccessLogConfig()
        self._batches = UseBatches(ledger, self._config.signer)
        self._writing = threading.Lock()
        self._file: UseFile | None = None
        self._begun = 0.0  # when its first use was recorded
        self._full: list[UseFile] = []
        self._signing = threading.Lock()  # taken before the other one
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_on(self) -> bool:
        """Whether the ledger's configuration says that uses are recorded."""
        return self._ledger.config.service.access_log is not None

    def check(self) -> None:
        """Check that what is recorded can be signed, if anything is to be.

        Raises:
            InputError: the key cannot be opened, or may not sign it.
        """
        if self.is_on:
            self._batches.key()

    def waiting(self) -> int:
        """Return how many bytes of uses wait to be signed, of living and of dead processes."""
        waiting = 0
        for path in use_files(self._folder):
            with suppress(OSError):  # signed just now
                waiting += path.stat().st_size
        return waiting

    def check_room(self) -> None:
        """Check that not too much waits to be signed, if anything is to be.

        Raises:
            LedgerError: it does: no more is recorded, or soon.
        """
        waiting = self.waiting() if self.is_on else 0
        if waiting > MOST_WAITING:
            raise LedgerError(f"{waiting:,} bytes of uses wait in {self._folder} to be signed")

    def start(self) -> None:
        """Sign what is due, from now on, and first what processes left that are gone.

        Raises:
            InputError: as `check`.
        """
        self.check()
        if self.is_on and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="access log", daemon=True)
            self._thread.start()

    def record(
        self,
        action: Action,
        used: Iterable[tuple[bytes, Sequence[int] | None]],
        *,
        who: str,
        request: str,
    ) -> None:
        """Record that artifacts were asked for. When this returns, it survives `kill -9`.

        Args:
            action: what was asked for.
            used: the digest of each artifact, and the numbers of its records that it was about.
            who: the id of a token, or `PUBLIC`.
            request: its id.

        Raises:
            LedgerError: it cannot be written, or too much waits to be signed.
            WouldBlockError: a file is to be made first, where nothing may wait. To write to one
                takes microseconds: it is brought to the disk later.
        """
        when = self._ledger.journal.now()
        uses = [
            Use(
                artifact=artifact,
                action=action,
                who=who,
                when=when,
                request=request,
                nonce=secrets.token_bytes(16),
                records=None if records is None else tuple(records),
            )
            for artifact, records in used
        ]
        if len(uses) > MOST_AT_ONCE:
            before_blocking()
        for at in range(0, len(uses), MOST_AT_ONCE):
            self._write(uses[at : at + MOST_AT_ONCE])

    def _write(self, uses: Sequence[Use]) -> None:
        """Write uses of no more artifacts than a statement can name."""
        if not self._writing.acquire(blocking=False):
            before_blocking()  # a file is being made, perhaps
            self._writing.acquire()
        try:
            if self._file and not self._file.takes([use.artifact for use in uses]):
                self._put_aside()
            if self._file is None:
                before_blocking()
                self.check_room()
                self._file, self._begun = UseFile.create(self._folder), time.monotonic()
            self._file.append(uses)
            if self._file.count >= self._config.uses:
                self._put_aside()
        finally:
            self._writing.release()

    def roll(self, patience: float = 10.0) -> list[int]:
        """Have everything signed that is recorded, by other processes too; return the entries.

        Args:
            patience: seconds for which processes that record are waited for.

        Raises:
            InputError: the key may not sign it.
            LedgerError: a file is damaged; or a process that records does not sign. All else was.
        """
        before, until = self._ledger.size(), time.monotonic() + patience
        if self._folder.exists():
            waiting = use_files(self._folder)
            write_file(self._folder / ROLL, "")
            while True:
                self._sign_all()
                waiting = [path for path in waiting if path.exists()]
                if not waiting:
                    break
                if time.monotonic() > until:
                    raise LedgerError(
                        f"{waiting[0]} is held by a process that does not sign it: is it well?"
                    )
                time.sleep(0.05)
        entries = []
        while page := self._ledger.entries(start=before):
            before = page[-1].index + 1
            entries += [entry.index for entry in page if entry.kind == "access"]
        return entries

    def close(self) -> None:
        """Sign what was recorded; what cannot be signed waits for the next who does."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        self._signed(own=True, left=False)
        for file in self._full:
            file.close()

    # --- signing --------------------------------------------------------------------------------

    def _run(self) -> None:
        """Bring uses to the disk, and sign what is due, until the ledger is closed."""
        asked, look, again = self._asked(), 0.0, 0.0
        every = self._config.minutes * 60
        while not self._ending.wait(SYNC_SECONDS):
            self._sync()
            now, newly_asked = time.monotonic(), self._asked()
            wanted, asked = newly_asked != asked, newly_asked
            if wanted:
                look = again = now
            if now < again:
                continue
            left = now >= look
            if not self._signed(own=wanted or now >= self._begun + every, left=left):
                again = now + AGAIN_SECONDS
            elif left:
                look = now + every

    def _asked(self) -> int:
        """Return when everybody was asked to sign last."""
        try:
            return (self._folder / ROLL).stat().st_mtime_ns
        except OSError:
            return 0

    def _sync(self) -> None:
        with self._signing:
            with self._writing:
                files = [*self._full, *([self._file] if self._file else [])]
            for file in files:
                try:
                    file.sync()
                except LedgerError:
                    _log.exception("a power cut may cost uses that were recorded")

    def _signed(self, *, own: bool, left: bool) -> bool:
        """Sign; where that fails, say so and return False."""
        try:
            self._sign_all(own=own, left=left)
        except Exception as error:
            unforeseen = not isinstance(error, ProvenanceError)
            _log.error("uses wait to be signed: %s", error, exc_info=unforeseen)
            return False
        return True

    def _sign_all(self, *, own: bool = True, left: bool = True) -> None:
        """Sign the batches that are full.

        Args:
            own: and the one that is not, yet.
            left: and what processes left that are gone.

        Raises:
            InputError, LedgerError: one of them cannot be signed. Each was tried.
        """
        failed: list[ProvenanceError] = []
        with self._signing:
            if own:
                with self._writing:
                    self._put_aside()
            for file in [*self._full]:
                try:
                    self._sign(file)
                except ProvenanceError as error:
                    failed.append(error)
                else:
                    with self._writing:
                        self._full.remove(file)
                    file.close()
            for path in use_files(self._folder) if left else ():
                try:
                    adopted = UseFile.adopt(path)
                    if adopted is not None:
                        with closing(adopted):
                            self._sign(adopted)
                except ProvenanceError as error:
                    failed.append(error)
        if failed:
            raise failed[0]

    def _put_aside(self) -> None:
        """End the batch; the caller is the only one who writes."""
        if self._file is not None:
            self._full.append(self._file)
            self._file = None

    def _sign(self, file: UseFile) -> None:
        records = file.records()
        if records:
            self._batches.sign(records)
        file.remove()
