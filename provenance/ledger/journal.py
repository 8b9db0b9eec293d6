"""Writing to the log: sign, admit, append and catalogue one statement in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypedDict

from sqlmodel import Session

from provenance.errors import InputError
from provenance.ledger.catalog import Catalog
from provenance.ledger.keyring import Keyring
from provenance.log.log import Log, Submission
from provenance.log.store import Database
from provenance.signing import Envelope, PrivateKey, PublicKey, sign
from provenance.statements import NONCE_SIZE, Key, Statement
from provenance.verification import Standing, StandingError

__all__ = ["Clock", "Journal", "Stamp", "utc_text"]

Clock = Callable[[], datetime]
"""Returns the time, aware, in UTC."""


class Stamp(TypedDict):
    """What every predicate needs: a fresh nonce and the time."""

    nonce: bytes
    issued: str


def utc_text(time: datetime) -> str:
    """Return RFC 3339 in UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    """The one way into the log of a ledger."""

    def __init__(self, database: Database, origin: str, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._origin = origin
        self._keyring = keyring
        self._clock = clock

    def now(self) -> str:
        """Return the time as statements write it."""
        return utc_text(self._clock())

    def stamp(self) -> Stamp:
        """Return a fresh nonce and the time, for a predicate."""
        return Stamp(nonce=secrets.token_bytes(NONCE_SIZE), issued=self.now())

    def submit(self, statement: Statement, keys: Iterable[PrivateKey] = ()) -> int:
        """Sign a statement, with the ledger's signers unless `keys` are given, and append it.

        Returns:
            Its index in the log. When this returns, the entry is durable.

        Raises:
            InputError: the keys may not sign this, by what the log says of them.
        """
        keys = tuple(keys) or self._keyring.signers
        return self.append(Submission(sign(statement.to_bytes(), keys), statement))

    def append(self, submission: Submission) -> int:
        """Append what somebody signed; as `submit`."""
        with self._database.writing() as session:
            log = Log(session, self._origin)
            # What was logged stays so: who never got the answer asks again, perhaps with a key that
            # this very entry revoked.
            known = log.find(submission)
            if known is not None:
                return known
            size = log.size
            self._admit(session, size, submission)
            (index,) = log.append([submission])
            Catalog(session).add(index, submission.statement)
        return index

    def standing(self, session: Session) -> Standing:
        """Return what the log says of keys."""
        log = Log(session, self._origin)
        genesis = Statement.parse(Envelope.parse(log.envelope(0)).payload).predicate
        admins = genesis.admin_keys or () if isinstance(genesis, Key) else ()
        standing = Standing([PublicKey.from_pem(pem) for pem in admins])
        for index in Catalog(session).of_kinds("key"):
            envelope = Envelope.parse(log.envelope(index))
            statement = Statement.parse(envelope.payload)
            standing.apply(index, statement, standing.signers(envelope))
        return standing

    def _admit(self, session: Session, size: int, submission: Submission) -> None:
        """Refuse what a verifier would not count."""
        if size == 0:
            return
        statement, envelope = submission.statement, submission.envelope
        standing = self.standing(session)
        signers = standing.signers(envelope)
        unknown = set(envelope.keyids) - signers
        if unknown:
            raise InputError(f"the log does not know the key {min(unknown)}: add it first")
        if statement.kind in ("key", "supersede"):
            try:
                originals = self._original_signers(session, standing, statement)
                standing.apply(size, statement, signers, originals)
            except StandingError as error:
                raise InputError(str(error)) from error
        else:
            for keyid in sorted(signers):
                reason = standing.why_not(keyid, statement.kind, size)
                if reason:
                    raise InputError(reason)

    def _original_signers(
        self, session: Session, standing: Standing, statement: Statement
    ) -> frozenset[str]:
        """Return who signed for the subject of a `supersede` statement."""
        log, found = Log(session, self._origin), frozenset[str]()
        for digest in statement.artifact_digests()[:1]:
            for index in Catalog(session).registrations(digest=digest.hex()):
                found |= standing.signers(Envelope.parse(log.envelope(index)))
        return found
