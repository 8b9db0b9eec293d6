"""Whether a ledger can do all that its service may be asked for, and what is amiss if it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provenance.errors import ProvenanceError

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["faults"]

RECENT = 10.0
"""Seconds for which a storage is not asked again: anybody may ask whether a service is ready."""


def faults(ledger: Ledger) -> dict[str, ProvenanceError]:
    """Return what is amiss, in words that tell no place, and why; nothing, if the ledger is ready.

    Tried is that the database answers, the key that signs checkpoints can be opened, and so can the
    one that signs the access log, where there is one, so that not too much waits for that, the disk
    has room for uploads, and the storage of trees answers where there is one.
    """
    found = {}
    for check, fault in (
        (ledger.latest_checkpoint, "the database does not answer"),
        (lambda: ledger.keyring.log, "the key that signs checkpoints cannot be opened"),
        (ledger.access_log.check, "no key can sign the access log"),
        (ledger.access_log.check_room, "too many uses wait to be signed"),
        (ledger.uploads.check_room, "the disk has no room for uploads"),
        (lambda: ledger.trees.check_recent(RECENT), "the storage of trees does not answer"),
    ):
        try:
            check()
        except ProvenanceError as error:
            found[fault] = error
    return found
