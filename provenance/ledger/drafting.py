"""Drafts: submissions that were read and whose signatures were checked, ready to be admitted.

What can be said of a submission without the ledger's database is said here, so that it can be
done before a transaction begins, and by other processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provenance.errors import InputError
from provenance.ledger.indexing import IndexRows, index_rows
from provenance.log.entry import Entry
from provenance.log.submission import Leaf, Submission
from provenance.signing import Envelope, PublicKey, SignatureError, import_foreign
from provenance.statements import Kind, Statement

__all__ = ["Draft", "Keys", "draft", "read"]

Keys = Mapping[str, PublicKey]
"""Public keys by keyid."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A submission, ready to be admitted.

    Attributes:
        kind: of its statement.
        leaf: what the log keeps of it.
        rows: what the catalogue keeps of it.
        keyids: who is said to have signed.
        verified: whose signatures are valid: those of them whose keys were at hand.
    """

    kind: Kind
    leaf: Leaf
    rows: IndexRows
    keyids: tuple[str, ...]
    verified: frozenset[str]

    @property
    def envelope(self) -> Envelope:
        """The envelope, read again."""
        return Envelope.parse(self.leaf.envelope)

    @property
    def statement(self) -> Statement:
        """The statement, read again."""
        return Statement.parse(self.envelope.payload)

    def registers(self, digest: bytes) -> bool:
        """Say whether it registers the artifact of this digest."""
        return self.rows.registers is not None and self.rows.registers.digest == digest


def read(data: bytes, keys: Keys) -> Submission:
    """Read an envelope in any form of DSSE, signed by some of `keys`.

    Raises:
        MalformedError: not DSSE, or not one of the statements known here.
        InputError: a signature that is by none of `keys`.
    """
    envelope = _in_one_form(data)
    if envelope is None or not keys.keys() >= set(envelope.keyids):
        try:
            envelope = import_foreign(data, keys.values())
        except SignatureError as error:
            raise InputError(f"{error}: add the signer's key first, if you trust it") from error
    return Submission(envelope, Statement.parse(envelope.payload))


def _in_one_form(data: bytes) -> Envelope | None:
    try:
        return Envelope.parse(data)
    except InputError:
        return None


def draft(submission: Submission, keys: Keys) -> Draft:
    """Check the signatures by those of `keys` that are said to have signed.

    Raises:
        InputError: one is not valid.
    """
    envelope, statement = submission.envelope, submission.statement
    named = [keys[keyid] for keyid in envelope.keyids if keyid in keys]
    try:
        verified = frozenset(envelope.verified_by(named))
    except SignatureError as error:
        raise InputError(str(error)) from error
    leaf = submission.leaf
    envelope_hash = Entry.parse(leaf.data).envelope_hash
    rows = index_rows(statement, keyids=envelope.keyids, envelope_hash=envelope_hash)
    return Draft(statement.kind, leaf, rows, envelope.keyids, verified)
