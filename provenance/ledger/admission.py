"""Admission: what the log takes, by what it says of keys so far.

The ledger refuses what a verifier would not count. For that it keeps the `Standing` of keys at
the log's end, and advances it by the key entries alone that were added since it last looked, by
whichever process: an append costs the same with ten entries in the log and with ten million.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from provenance.errors import InputError
from provenance.ledger.drafting import Draft, Keys
from provenance.log.log import Log
from provenance.signing import Envelope, PublicKey, SignatureError
from provenance.statements import Key, Statement
from provenance.verification import Standing, StandingError

__all__ = ["Admission", "OriginalSigners"]

OriginalSigners = Callable[[Statement, Standing], frozenset[str]]
"""Returns who signed for the subject of a `supersede` statement."""


class Admission:
    """Decides on drafts. One thread at a time may use it."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._standing = Standing(())
        self._size = 0  # entries that the standing knows
        self._ahead: list[tuple[int, Statement, frozenset[str]]] = []  # applied, not committed
        self.keys: Keys = {}

    def catch_up(self, log: Log) -> None:
        """Take in what was logged of keys since the last time, by this process or another."""
        size = log.size
        if size < self._size:  # an older copy of the database was put in its place
            self._forget()
        entries = log.of_kinds("key", since=self._size)
        try:
            for index in entries:
                envelope = Envelope.parse(log.envelope(index))
                statement = Statement.parse(envelope.payload)
                if index == 0:
                    self._begin(statement)
                self._standing.apply(index, statement, self._standing.signers(envelope))
        except BaseException:  # with half of them taken in
            self._forget()
            raise
        self._size = size
        if entries:
            self._show_keys()

    def admit(self, index: int, draft: Draft, original_signers: OriginalSigners) -> None:
        """Check that `draft` may stand at entry `index`, the next one.

        Raises:
            InputError: it may not, and why.
        """
        standing = self._standing
        if index == 0:
            self._begin(draft.statement)
            return
        try:
            signers = draft.verified
            if signers != set(draft.keyids):  # by a key that was not known when it was drafted
                signers = standing.signers(draft.envelope)
        except SignatureError as error:
            raise InputError(str(error)) from error
        for keyid in draft.keyids:
            if keyid not in signers or standing.key(keyid) is None:
                raise InputError(f"the log does not know the key {keyid}: add it first")
        if draft.kind in ("key", "supersede"):
            statement = draft.statement
            try:
                standing.apply(index, statement, signers, original_signers(statement, standing))
            except StandingError as error:
                raise InputError(str(error)) from error
            if draft.kind == "key":
                self._ahead.append((index, statement, signers))
            return
        for keyid in draft.keyids:
            reason = standing.why_not(keyid, draft.kind, index)
            if reason:
                raise InputError(reason)

    @contextmanager
    def all_or_nothing(self, log: Log) -> Iterator[None]:
        """Where one draft of several is refused, unsay what those before it said of keys."""
        before = len(self._ahead)
        try:
            yield
        except InputError:
            if len(self._ahead) > before:
                kept = self._ahead[:before]
                self._forget()
                self.catch_up(log)
                for index, statement, signers in kept:
                    self._standing.apply(index, statement, signers)
                self._ahead = kept
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Where the transaction within fails, unsay what it said of keys."""
        try:
            yield
        except BaseException:
            if self._ahead:
                self._forget()
            raise
        if self._ahead:
            self._size = self._ahead[-1][0] + 1
            self._ahead = []
            self._show_keys()

    def _begin(self, genesis: Statement) -> None:
        predicate = genesis.predicate
        admins = predicate.admin_keys or () if isinstance(predicate, Key) else ()
        self._standing = Standing([PublicKey.from_pem(pem) for pem in admins])

    def _show_keys(self) -> None:
        keys = self._standing.keys()
        self.keys = {key.keyid: key for key in keys}
