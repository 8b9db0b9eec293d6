"""Model outputs, batched: recorded at once, registered in batches.

`OutputBatches.record` returns when the record's leaf hash is in the spool, on disk
(`provenance.ledger.spool`). A batch is registered when it is large enough, old enough, or the block
ends. What a crash left in the spool, `recover` registers. The statement follows from the file
alone: if a crash came after it was logged and before the file was removed, recovering logs the same
payload again, which the log answers with the first entry.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from provenance import forms
from provenance.errors import InputError, LedgerError
from provenance.ledger.spool import Header, Spool, spool_files
from provenance.ledger.steps import reference
from provenance.merkle import EMPTY_ROOT
from provenance.records import JSON, Artifact, hash_record
from provenance.statements import Sensitivity

if TYPE_CHECKING:
    from provenance.ledger.recording import Recorder, Ref, Registered

__all__ = ["OutputBatches", "recover"]

A = TypeVar("A", bound="Registered")

_NOTHING = Artifact(root=EMPTY_ROOT, size=0, encoding=JSON)


class OutputBatches(Generic[A]):
    """Records a model's outputs; made by `Recorder.outputs`, used as a context manager.

    Safe to use from several threads. Memory: nothing grows with the number of records.

    Attributes:
        artifacts: the batches registered so far.
    """

    def __init__(
        self,
        ledger: Recorder[A, Any],
        *,
        name: str,
        model: Ref[A] | None,
        sensitivity: Sensitivity,
        metadata: Mapping[str, forms.Json] | None,
        flush_count: int,
        flush_seconds: float,
    ) -> None:
        ledger.journal.signers  # noqa: B018 - a wrong passphrase is found now, not at the first batch
        recover(ledger)
        if flush_count < 1 or flush_seconds <= 0:
            raise InputError("a batch is flushed after 1 record or more and some time")
        self._ledger = ledger
        self._name = name
        self._model = None if model is None else reference(ledger.resolve(model))
        self._sensitivity = sensitivity
        self._metadata = dict(metadata or {})
        self._flush_count = flush_count
        self._flush_seconds = flush_seconds
        self._lock = threading.RLock()
        self._spool: Spool | None = None
        self._timer: threading.Timer | None = None
        self.artifacts: list[A] = []
        self._header()  # what cannot be signed is refused now, and not once it was acknowledged

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def record(self, row: Any) -> None:
        """Record one output, a dict or JSON text. When this returns, it survives `kill -9`.

        Raises:
            InputError: `row` is not a record of the encoding ``json``.
            LedgerError: the disk is full: this record is not in the spool, or it is and its batch
                cannot be registered now. What was recorded before is safe in either case.
        """
        leaf_hash = hash_record(row, JSON)
        with self._lock:
            if self._spool is None:
                self._spool = Spool.create(self._ledger._spool, self._header())
                self._timer = threading.Timer(self._flush_seconds, self._flush_in_background)
                self._timer.daemon = True
                self._timer.start()
            self._spool.append(leaf_hash)
            if self._spool.count >= self._flush_count:
                self.flush()

    def flush(self) -> None:
        """Register what was recorded since the last batch.

        Raises:
            LedgerError: it cannot be registered now; it stays in the spool.
        """
        with self._lock:
            spool, self._spool = self._spool, None
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            if spool is not None:
                with spool:
                    self.artifacts.append(_register(self._ledger, spool))

    def _flush_in_background(self) -> None:
        # What cannot be registered now stays in the spool, for `recover`.
        with contextlib.suppress(InputError, LedgerError):
            self.flush()

    def _header(self) -> Header:
        header = Header(
            **self._ledger.journal.stamp(),
            name=self._name,
            model=self._model,
            sensitivity=self._sensitivity,
            metadata=self._metadata,
        )
        header.statement(_NOTHING).to_bytes()
        return header


def recover(ledger: Recorder[A, Any]) -> list[A]:
    """Register what processes that are gone left in the spool.

    Raises:
        LedgerError: a spool file is not as it must be.
    """
    found = []
    for path in spool_files(ledger._spool):
        spool = Spool.adopt(path)
        if spool is not None:
            with spool:
                if spool.count:
                    found.append(_register(ledger, spool))
                else:
                    spool.remove()
    return found


def _register(recorder: Recorder[A, Any], spool: Spool) -> A:
    artifact = recorder._keep(spool.leaf_hash_blocks(), JSON)
    registered = recorder._log(spool.header.statement(artifact))
    spool.remove()  # a crash before this line leaves the file, and `recover` finds the same entry
    return registered
