"""Statements that others signed, on their way into the log."""

from __future__ import annotations

from collections.abc import Iterable

from provenance.errors import BatchError, InputError, TreeMissingError
from provenance.ledger.drafters import Drafters
from provenance.ledger.drafting import Draft
from provenance.ledger.journal import Journal
from provenance.ledger.treefiles import TreeFiles

__all__ = ["submit_all"]


def submit_all(
    journal: Journal,
    drafters: Drafters,
    envelopes: Iterable[bytes],
    *,
    trees: TreeFiles | None = None,
) -> list[int]:
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
    checked = [each for each in drafts if isinstance(each, Draft)]
    if trees is not None:
        for at, each in enumerate(checked):
            _check_tree(each, at, trees)
    return journal.write(checked)


def _check_tree(draft: Draft, at: int, trees: TreeFiles) -> None:
    if draft.rows.registers is None:
        return
    name, digest, root, size = draft.rows.registers
    if not trees.has(digest, size, root):
        reason = TreeMissingError(
            f"the leaf hashes of {name!r}, {digest.hex()}, are not here: send them first"
        )
        raise BatchError(reason, at)
