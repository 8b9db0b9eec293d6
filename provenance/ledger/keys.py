"""Whose signatures the log accepts: adding, revoking and listing keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from provenance.errors import InputError
from provenance.ledger.desk import utc_text
from provenance.ledger.journal import Journal
from provenance.signing import PrivateKey, PublicKey
from provenance.statements import Key, Kind, Statement, key_subject
from provenance.verification import Signer

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["KeyInfo", "add_key", "add_signer", "find_key", "list_keys", "own_key", "revoke_key"]


@dataclass(frozen=True)
class KeyInfo:
    """One key that the log knows.

    Attributes:
        name: as the entry that added it names it.
        keyid: hex SHA-256 of its SPKI.
        algorithm: ``ed25519`` or ``ecdsa-p256``.
        role: what it is for.
        state: whether its signatures on new entries count.
        kinds: the kinds of statement that it may sign; all, if empty.
        entry: where the log says so.
    """

    name: str
    keyid: str
    algorithm: str
    role: Literal["log", "admin", "signer"]
    state: Literal["active", "revoked"]
    kinds: tuple[str, ...]
    entry: int
    public_key: str


def add_key(
    journal: Journal, admin: PrivateKey, key: PublicKey, *, name: str, kinds: Iterable[Kind]
) -> int:
    """Let `key` sign statements of `kinds` (all, if empty); return the entry's index."""
    predicate = Key(
        **journal.stamp(),
        action="add",
        public_key=key.to_pem(),
        kinds=tuple(sorted(set(kinds))) or None,
    )
    statement = Statement(subjects=(key_subject(name, key.keyid),), predicate=predicate)
    return journal.submit(statement, [admin])


def add_signer(ledger: Ledger, key: PublicKey, *, name: str, kinds: Iterable[Kind]) -> int:
    """Add a key to the log, and to the ledger's own policy; as `Ledger.add_key`."""
    kinds = tuple(sorted(set(kinds)))
    index = add_key(ledger.journal, ledger.keyring.admin, key, name=name, kinds=kinds)
    # A crash here leaves a key that the log accepts and the policy does not count yet: add
    # it again.
    with ledger.folder.alone("policy"):
        policy = ledger.policy()
        others = tuple(signer for signer in policy.signers if signer.key.keyid != key.keyid)
        signer = Signer(name=name, public_key=key.to_pem(), kinds=kinds)
        ledger.folder.trust(replace(policy, signers=(*others, signer)))
    return index


def revoke_key(
    journal: Journal,
    key: PrivateKey,
    revoked: KeyInfo,
    *,
    reason: str,
    compromised_since: datetime | None,
) -> int:
    """Let `revoked` sign nothing from here on; `key` is an admin's, or the key itself.

    With `compromised_since`, what it signed counts only if it was anchored before that time.
    """
    since = utc_text(compromised_since) if compromised_since else None
    predicate = Key(
        **journal.stamp(),
        action="revoke",
        keyid=revoked.keyid,
        reason=reason,
        compromised_since=since,
    )
    subject = key_subject(revoked.name, revoked.keyid)
    return journal.submit(Statement(subjects=(subject,), predicate=predicate), [key])


def list_keys(statements: Iterable[tuple[int, Statement]]) -> list[KeyInfo]:
    """Return every key that the log's key statements name, in order of appearance."""
    keys: dict[tuple[str, str], KeyInfo] = {}

    def put(
        index: int,
        name: str,
        key: PublicKey,
        role: Literal["log", "admin", "signer"],
        kinds: Sequence[str] = (),
    ) -> None:
        keys[key.keyid, role] = KeyInfo(
            name, key.keyid, key.algorithm, role, "active", tuple(kinds), index, key.to_pem()
        )

    def revoke(keyid: str | None) -> tuple[str, ...]:
        old = keys[str(keyid), "signer"]
        keys[old.keyid, "signer"] = KeyInfo(**{**vars(old), "state": "revoked"})
        return old.kinds

    for index, statement in statements:
        predicate, name = statement.predicate, statement.subjects[0].name
        if not isinstance(predicate, Key):
            continue
        if predicate.action == "genesis":
            for pem in predicate.admin_keys or ():
                put(index, "admin", PublicKey.from_pem(pem), "admin")
            continue
        kinds = predicate.kinds or ()
        if predicate.action in ("revoke", "rotate"):
            kinds = revoke(predicate.keyid or predicate.replaces) or kinds  # type: ignore[assignment]
        if predicate.public_key:
            put(index, name, PublicKey.from_pem(predicate.public_key), "signer", kinds)
    return list(keys.values())


def own_key(ledger: Ledger, name: str, kind: Kind, what: str, advice: str) -> PrivateKey:
    """Return the key of the ledger's own that signs statements of a kind.

    Args:
        ledger: whose it is.
        name: of its file in ``keys/``.
        kind: that it must be allowed to sign.
        what: is signed by it.
        advice: what to do where there is none.

    Raises:
        InputError: it cannot be opened, or may not sign them.
    """
    try:
        key = ledger.keyring.named(name)
    except InputError as error:
        raise InputError(f"{error}: no key can sign {what}; {advice}") from error
    for known in ledger.keys():  # noqa: SIM118 - not those of a dict
        may = not known.kinds or kind in known.kinds
        if may and (known.keyid, known.role, known.state) == (
            key.public.keyid,
            "signer",
            "active",
        ):
            return key
    raise InputError(
        f"by the log, keys/{name}.pem may not sign statements of kind {kind!r}, and so not {what}; "
        f"{advice}"
    )


def find_key(keys: Iterable[KeyInfo], prefix: str) -> KeyInfo:
    """Return the signer whose name is `prefix`, or whose keyid starts with it.

    Raises:
        InputError: none, or several.
    """
    signers = [key for key in keys if key.role == "signer"]
    found = [key for key in signers if key.name == prefix] or [
        key for key in signers if prefix and key.keyid.startswith(prefix.lower())
    ]
    if len(found) != 1:
        what = "several keys are" if found else "no key is"
        raise InputError(f"{what} meant by {prefix!r}: `provenance keys list` shows them")
    return found[0]
