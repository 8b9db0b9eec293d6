"""In which artifacts a record is: their trees are asked one after another, each by its own index.

A tree is asked once, for the newest registration of its artifact. After `MOST` questions, or a tree
that had to be fetched from a storage, a page ends where it stands, so that none takes longer in a
large ledger than in a small one.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session

from provenance.errors import LedgerError
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.ledger.filters import Sought
from provenance.ledger.lookup import ArtifactTree
from provenance.ledger.paging import Place, Places
from provenance.ledger.refs import read_statement
from provenance.ledger.searching import search
from provenance.ledger.treefiles import TreeFiles
from provenance.log.log import Log

__all__ = ["find"]

MOST = 500
"""Questions for one page: leaf hashes times trees."""


def find(
    session: Session,
    origin: str,
    trees: TreeFiles,
    sought: Sought,
    leaf_hashes: Sequence[bytes],
    *,
    cursor: str | None,
    limit: int,
) -> Places[RegisteredArtifact]:
    """Return in which of the artifacts sought there are leaves of these hashes.

    A page ends with the artifact in which the places reach `limit`.

    Raises:
        InputError: no cursor of this order.
    """
    log, catalog = Log(session, origin), Catalog(session)
    after = None if cursor is None else sought.read_cursor(cursor)
    keys, after = search(session, sought, after=after, limit=max(1, MOST // len(leaf_hashes)))
    digests = catalog.registered_by([entry for _, entry in keys])
    newest = catalog.newest(set(digests.values()))
    found: list[Place[RegisteredArtifact]] = []
    unread: list[int] = []
    for key in keys:
        entry, fetched = key[1], False
        if newest[digests[entry]] != entry:
            continue
        try:
            registered = RegisteredArtifact.of(entry, read_statement(log, entry))
            fetched = trees.here(registered.artifact.digest) is None
            kept = ArtifactTree(trees, registered)
            for leaf_hash in leaf_hashes:
                first, count = kept.find(leaf_hash)
                if count:
                    found.append(Place(registered, leaf_hash, first, count))
        except (
            LedgerError
        ):  # it was erased, or its tree is damaged: whether it is in cannot be said
            unread.append(entry)
        if (fetched or len(found) >= limit) and key != keys[-1]:
            after = key
            break
    return Places(tuple(found), after and sought.cursor(after), tuple(unread))
