"""Statements that others signed, on their way into the log."""

from __future__ import annotations

from collections.abc import Iterable

from provenance.errors import BatchError, InputError
from provenance.ledger.drafters import Drafters
from provenance.ledger.drafting import Draft
from provenance.ledger.journal import Journal

__all__ = ["submit_all"]


def submit_all(journal: Journal, drafters: Drafters, envelopes: Iterable[bytes]) -> list[int]:
    """Check on every core, and append all or nothing; as `Ledger.submit_all`."""
    given = list(envelopes)
    drafts = drafters.draft_all(given, journal.keys or journal.look())
    failed = [at for at, drafted in enumerate(drafts) if isinstance(drafted, InputError)]
    if failed:  # by a key, perhaps, that another process has just added
        again = drafters.draft_all([given[at] for at in failed], journal.look())
        for at, drafted in zip(failed, again, strict=True):
            if isinstance(drafted, InputError):
                raise BatchError(drafted, at) from drafted
            drafts[at] = drafted
    return journal.write([each for each in drafts if isinstance(each, Draft)])
