"""Standing: which keys count at which place of the log, and what was superseded.

Time inside a log is position. A signature counts iff its key's `add` stands before it and the
key was not revoked in between. A revocation that names `compromised_since` reaches back: what
the key signed counts only if it was anchored before that time, since a thief can backdate a
signature but not a block.

Who may say so: an admin key adds; an admin key or the key itself revokes or rotates; an admin
key or an original signer supersedes. A revoked key says nothing any more, and no rotation brings
back a key that the log knows already: only an admin can. The admin keys are pinned, everything
else follows from the log. The ledger admits new entries by these rules, the verifier applies
them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from provenance.errors import InputError, ProvenanceError
from provenance.signing import Envelope, PublicKey
from provenance.statements import Key, Statement, Supersede

__all__ = ["Standing", "StandingError", "Supersession"]


class StandingError(ProvenanceError):
    """A statement by somebody who is not entitled to make it."""


@dataclass(frozen=True)
class Supersession:
    """An artifact that a later entry corrects."""

    index: int
    replacement: str | None
    reason: str


@dataclass
class _KeyHistory:
    """Every change to one key, as (index, the kinds it may sign from there on or None)."""

    key: PublicKey
    changes: list[tuple[int, frozenset[str] | None]] = field(default_factory=list)
    compromised_since: datetime | None = None


class Standing:
    """What the log says of keys and corrections, fed with its entries in order."""

    def __init__(self, admins: Iterable[PublicKey]) -> None:
        self._admins = {key.keyid: key for key in admins}
        self._keys: dict[str, _KeyHistory] = {}
        self.superseded: dict[bytes, Supersession] = {}

    def keys(self) -> list[PublicKey]:
        """Return every key known so far, admins first."""
        return [*self._admins.values(), *(history.key for history in self._keys.values())]

    def key(self, keyid: str) -> PublicKey | None:
        """Return the key of this id, if it is known."""
        history = self._keys.get(keyid)
        return self._admins.get(keyid) or (history.key if history else None)

    def signers(self, envelope: Envelope) -> frozenset[str]:
        """Return the ids of known keys with a valid signature on `envelope`.

        Raises:
            SignatureError: a signature by a known key is not valid.
        """
        named = map(self.key, envelope.keyids)
        return frozenset(envelope.verified_by(key for key in named if key is not None))

    def why_not(self, keyid: str, kind: str, index: int) -> str | None:
        """Say why `keyid` cannot sign a statement of `kind` at entry `index`; None if it can."""
        history = self._keys.get(keyid)
        before = [change for change in history.changes if change[0] < index] if history else []
        if not before:
            return f"key {keyid[:16]} was not added before entry {index}"
        at, kinds = before[-1]
        if kinds is None:
            return f"key {keyid[:16]} was revoked at entry {at}"
        if kinds and kind not in kinds:
            return f"key {keyid[:16]} was added for {', '.join(sorted(kinds))}, not for {kind}"
        return None

    def compromised_since(self, keyid: str) -> datetime | None:
        """Return the earliest time from which a revocation calls this key compromised."""
        history = self._keys.get(keyid)
        return history.compromised_since if history else None

    def apply(
        self,
        index: int,
        statement: Statement,
        signers: frozenset[str],
        original_signers: frozenset[str] = frozenset(),
    ) -> None:
        """Take in a `key` or `supersede` statement that stands at entry `index`.

        Args:
            index: its place; calls come in rising order.
            statement: what it says.
            signers: the keys whose signatures on it are valid.
            original_signers: of a superseded artifact, who signed for it.

        Raises:
            StandingError: none of the signers is entitled; nothing has changed.
        """
        predicate = statement.predicate
        by_admin = not signers.isdisjoint(self._admins)
        signers = frozenset(keyid for keyid in signers if not self._revoked(keyid))
        if isinstance(predicate, Key):
            self._apply_key(index, predicate, signers, by_admin=by_admin)
        elif isinstance(predicate, Supersede):
            if not by_admin and signers.isdisjoint(original_signers):
                raise StandingError(
                    f"entry {index} supersedes an artifact, but neither an admin key nor an "
                    "original signer signed it"
                )
            replacement = predicate.replacement.name if predicate.replacement else None
            self.superseded[statement.artifact_digests()[0]] = Supersession(
                index, replacement, predicate.reason
            )

    def _apply_key(
        self, index: int, predicate: Key, signers: frozenset[str], *, by_admin: bool
    ) -> None:
        match predicate.action:
            case "genesis":
                if index != 0 or not by_admin:
                    raise StandingError("a genesis is entry 0 and signed by an admin key")
            case "add":
                if not by_admin:
                    raise StandingError(f"entry {index} adds a key, but no admin key signed it")
                if self.compromised_since(predicate.subject_keyid) is not None:
                    raise StandingError(
                        f"entry {index} adds a key that was compromised: make a new one"
                    )
                self._add(index, predicate, frozenset(predicate.kinds or ()))
            case "revoke":
                history = self._entitled(index, predicate.keyid, signers, by_admin=by_admin)
                self._revoke(index, predicate, history)
            case "rotate":
                history = self._entitled(index, predicate.replaces, signers, by_admin=by_admin)
                kinds = history.changes[-1][1]
                if kinds is None:
                    raise StandingError(f"entry {index} rotates a key that was revoked before")
                if predicate.subject_keyid in self._keys:
                    raise StandingError(
                        f"entry {index} rotates to a key that the log knows already"
                    )
                self._add(index, predicate, kinds)
                self._revoke(index, predicate, history)

    def _revoked(self, keyid: str) -> bool:
        history = self._keys.get(keyid)
        return history is not None and history.changes[-1][1] is None

    def _add(self, index: int, predicate: Key, kinds: frozenset[str]) -> None:
        try:
            key = PublicKey.from_pem(predicate.public_key or "")
        except InputError as error:
            raise StandingError(f"entry {index} adds what cannot be used: {error}") from error
        if key.keyid != predicate.subject_keyid:
            # A P-256 point can be written compressed, too: the same key under another keyid would
            # pass for one that the log does not know.
            raise StandingError(f"entry {index} adds a key that is not in its one form")
        history = self._keys.setdefault(key.keyid, _KeyHistory(key))
        history.changes.append((index, kinds))

    def _entitled(
        self, index: int, keyid: str | None, signers: frozenset[str], *, by_admin: bool
    ) -> _KeyHistory:
        """Return the history of the key that the signers may revoke."""
        history = self._keys.get(keyid or "")
        if history is None:
            raise StandingError(f"entry {index} revokes a key that was never added: {keyid}")
        if not by_admin and keyid not in signers:
            raise StandingError(
                f"entry {index} revokes key {keyid}, but neither an admin key nor the key itself, "
                "not revoked yet, signed it"
            )
        return history

    @staticmethod
    def _revoke(index: int, predicate: Key, history: _KeyHistory) -> None:
        history.changes.append((index, None))
        if predicate.compromised_since:
            since = datetime.fromisoformat(predicate.compromised_since)
            history.compromised_since = min(since, history.compromised_since or since)
