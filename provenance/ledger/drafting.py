"""Drafts: submissions that were read and whose signatures were checked, ready to be admitted.

What can be said of a submission without the ledger's database is said here, so that it can be
done before a transaction begins, and by other processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provenance.errors import InputError
from provenance.log.submission import Leaf, Submission
from provenance.signing import Envelope, PublicKey, SignatureError, import_foreign
from provenance.statements import Kind, Statement
from provenance.statements.predicates import Described

__all__ = ["ARTIFACT_KINDS", "Draft", "Keys", "Mention", "draft", "read"]

ARTIFACT_KINDS: tuple[Kind, ...] = ("dataset", "model", "outputs")
"""Statements of these kinds register their subject."""

Keys = Mapping[str, PublicKey]
"""Public keys by keyid."""

Mention = tuple[bytes | None, str, str, bool, bytes | None, bytes | None]
"""One artifact that a statement names: digest, name, kind, is it a subject, root, sha256."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A submission, ready to be admitted.

    Attributes:
        kind: of its statement.
        leaf: what the log keeps of it.
        mentions: what the catalogue keeps of it.
        keyids: who is said to have signed.
        verified: whose signatures are valid: those of them whose keys were at hand.
    """

    kind: Kind
    leaf: Leaf
    mentions: tuple[Mention, ...]
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
        return self.kind in ARTIFACT_KINDS and any(
            mention[0] == digest and mention[3] for mention in self.mentions
        )


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
    mentions = tuple(_mentions(statement))
    return Draft(statement.kind, submission.leaf, mentions, envelope.keyids, verified)


def _mentions(statement: Statement) -> list[Mention]:
    predicate, kind = statement.predicate, statement.kind
    root = predicate.artifact.root if isinstance(predicate, Described) else None
    mentions: list[Mention] = [
        (subject.artifact, subject.name, kind, True, root, _sha256(subject.digest))
        for subject in statement.subjects
    ]
    for reference in predicate.references():
        sha256 = _sha256(reference.digest)
        mentions.append((reference.artifact, reference.name, kind, False, None, sha256))
    return mentions


def _sha256(digest: Mapping[str, str]) -> bytes | None:
    value = digest.get("sha256")
    return None if value is None else bytes.fromhex(value)
