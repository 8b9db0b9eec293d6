"""Whose signatures count no more, and which keys are one signer's, as the log's keys say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from provenance.statements import Key

__all__ = ["Signers"]


class Signers:
    """What the key statements of a log say, in whichever order they come.

    Attributes:
        keyids: every key that they name.
        revoked_from: keyid of a compromised key → the first entry at which its signature counts
            no more.
    """

    def __init__(self, keys: Iterable[Key], covered: Callable[[datetime], int]) -> None:
        """Take in what was admitted to the log.

        Args:
            keys: the key statements.
            covered: how many entries, from the first on, an anchor covers that stands in a block
                before a time.
        """
        self.keyids: set[str] = set()
        self.revoked_from: dict[str, int] = {}
        self._replaces: dict[str, str] = {}
        since: dict[str, datetime] = {}
        for key in keys:
            self.keyids.add(key.subject_keyid)
            if key.action == "revoke" and key.compromised_since is not None:
                time = datetime.fromisoformat(key.compromised_since)
                since[key.subject_keyid] = min(time, since.get(key.subject_keyid, time))
            elif key.replaces is not None:
                self._replaces[key.subject_keyid] = key.replaces
        for keyid, time in since.items():
            self.revoked_from[keyid] = covered(time)

    def revoked(self, keyids: Iterable[str], entry: int) -> tuple[str, ...]:
        """Return those of the keys whose signature under an entry is revoked."""
        return tuple(keyid for keyid in keyids if self.revoked_from.get(keyid, entry + 1) <= entry)

    def persons(self, keyids: Iterable[str]) -> frozenset[str]:
        """Return the keys that the rotations to these began with."""
        return frozenset(map(self._first, keyids))

    def _first(self, keyid: str) -> str:
        while keyid in self._replaces:  # no key is rotated to twice, so this ends
            keyid = self._replaces[keyid]
        return keyid
