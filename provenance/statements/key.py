"""Key statements: who may sign, from where in the log on.

The subject is a key: its name, and as ``sha256`` its keyid (SHA-256 of the SPKI DER). Actions:

======= ======================== ===========================================================
genesis origin, logKey, adminKeys entry 0, by the log itself: for discovery, never a trust root
add     publicKey, kinds          the key may sign statements of these kinds (all, if left out)
revoke  keyid, reason             from here on it may not; with compromisedSince, what was
                                  anchored later than that does not count either
rotate  publicKey, replaces       the new key takes the place, and the kinds, of the old one
======= ======================== ===========================================================

Public keys are PEM in the one form of RFC 7468; this module reads their DER to compute keyids
and does no cryptography.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Literal

from provenance import forms
from provenance.errors import MalformedError
from provenance.forms.fields import fields
from provenance.statements.predicates import Kind, Predicate
from provenance.statements.resources import Name, Subject, Time, check_time

__all__ = ["Account", "Key", "key_subject", "keyid_of_pem", "keyid_of_vkey"]

KeyId = Annotated[str, forms.Pattern(r"[0-9a-f]{64}", "a keyid: 64 lower-case hex digits")]
Address = Annotated[str, forms.Pattern(r"0x[0-9a-f]{40}", "an address: 0x and 40 hex digits")]

_FIELDS: dict[str, tuple[set[str], set[str]]] = {  # action → needed, allowed
    "genesis": ({"origin", "logKey", "adminKeys"}, {"accounts"}),
    "add": ({"publicKey"}, {"kinds"}),
    "revoke": ({"keyid", "reason"}, {"compromisedSince"}),
    "rotate": ({"publicKey", "replaces"}, {"reason"}),
}

_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in its SPKI (RFC 8410, section 4)."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """Where the ledger anchors: contract and ledgerId on a chain, and who publishes."""

    chain_id: int
    contract: Address
    ledger_id: forms.Hash
    publisher: Address


@dataclass(frozen=True, kw_only=True)
class Key(Predicate):
    """A key comes, goes, or takes another's place; which fields it has depends on the action."""

    kind = "key"

    action: Literal["genesis", "add", "revoke", "rotate"]
    origin: Name | None = None
    log_key: str | None = None
    admin_keys: tuple[str, ...] | None = None
    accounts: tuple[Account, ...] | None = None
    public_key: str | None = None
    kinds: tuple[Kind, ...] | None = None
    replaces: KeyId | None = None
    keyid: KeyId | None = None
    reason: str | None = None
    compromised_since: Time | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        needed, allowed = _FIELDS[self.action]
        said = {field.name: getattr(self, field.attribute) for field in fields(Key)}
        for name in sorted(set().union(*(set.union(*pair) for pair in _FIELDS.values()))):
            given = said[name] is not None
            if given and name not in needed | allowed:
                raise MalformedError(f"a {self.action!r} of a key has no {name}")
            if given and not said[name]:
                raise MalformedError(f"{name} is empty; leave it out instead")
            if not given and name in needed:
                raise MalformedError(f"a {self.action!r} of a key needs {name}")
        if self.origin is not None and not str(self.log_key).startswith(f"{self.origin}+"):
            raise MalformedError(f"the log's key is not named {self.origin!r}, as the log")
        if self.compromised_since is not None:
            check_time(self.compromised_since, "compromisedSince")
        if self.kinds is not None and list(self.kinds) != sorted(set(self.kinds)):
            raise MalformedError("the kinds are not sorted, or one stands twice")
        if self.admin_keys is not None:
            keyids = [keyid_of_pem(pem) for pem in self.admin_keys]
            if len(set(keyids)) != len(keyids):
                raise MalformedError("an admin key stands twice")
        if self.replaces is not None and self.replaces == self.subject_keyid:
            raise MalformedError("a key cannot replace itself")

    @property
    def subject_keyid(self) -> str:
        """The keyid of the key that this is about: of the log's key, for a genesis."""
        if self.log_key is not None:
            return keyid_of_vkey(self.log_key)
        return keyid_of_pem(self.public_key) if self.public_key is not None else str(self.keyid)

    def check_subjects(self, subjects: Sequence[Subject]) -> None:
        """Check that the one subject is the key."""
        if [subject.digest for subject in subjects] != [{"sha256": self.subject_keyid}]:
            raise MalformedError(
                f"the one subject of this key statement has the sha256 {self.subject_keyid}"
            )
        if self.action == "genesis" and subjects[0].name != self.origin:
            raise MalformedError(f"the subject of a genesis is named {self.origin!r}, as the log")


def key_subject(name: str, keyid: str) -> Subject:
    """Return the subject of a statement about the key `keyid`."""
    return Subject(name=name, digest={"sha256": keyid})


def keyid_of_pem(pem: str) -> str:
    """Return the hex SHA-256 of the DER within a PEM public key.

    Raises:
        MalformedError: not the one PEM form of a public key.
    """
    first, *body, last, end = [*pem.split("\n"), "", ""][:-2] if pem.count("\n") > 2 else [""] * 4
    if (first, last, end) != ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----", ""):
        raise MalformedError("not a PEM public key (-----BEGIN PUBLIC KEY-----)")
    text = "".join(body)
    der = forms.decode_base64(text, "the public key")
    if body != [text[at : at + 64] for at in range(0, len(text), 64)]:
        raise MalformedError("the public key is PEM with lines of other than 64 characters")
    return sha256(der).hexdigest()


def keyid_of_vkey(vkey: str) -> str:
    """Return the keyid of the Ed25519 key within a vkey (C2SP signed-note).

    Raises:
        MalformedError: not a vkey of type 0x01.
    """
    material = forms.decode_base64(vkey.split("+", 2)[-1], "the key of the vkey")
    if vkey.count("+") < 2 or len(material) != 33 or material[0] != 1:
        raise MalformedError(f"not a vkey of an Ed25519 key: {vkey[:80]!r}")
    return sha256(_ED25519_SPKI + material[1:]).hexdigest()
