"""Registering here: a tree file for what was hashed, and one entry for what was said of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

from provenance.errors import LedgerError
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.ledger.describing import same_claims
from provenance.ledger.treefiles import TreeFiles
from provenance.log.log import Log
from provenance.merkle import HASH_SIZE, CompactRange
from provenance.records import Artifact
from provenance.records.sources import Progress, Source
from provenance.signing import Envelope
from provenance.statements import Statement

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["hash_into_tree", "log_once"]

_BLOCK = 1 << 20


def hash_into_tree(trees: TreeFiles, source: Source, progress: Progress | None) -> Artifact:
    """Hash what was opened, as far as it is not known, and keep its tree and index."""
    artifact, tree = trees.keep(_leaf_hashes(trees, source, progress), source.encoding)
    source.remember(CompactRange.of(tree.size, tree.node))
    return artifact


def log_once(ledger: Ledger, statement: Statement) -> RegisteredArtifact:
    """Sign and log a statement about an artifact, unless one that says the same is there."""
    with ledger.folder.alone("register"):  # two at once shall not both find nothing
        known = _known(ledger, statement)
        return known or ledger._log(statement)


def _leaf_hashes(trees: TreeFiles, source: Source, progress: Progress | None) -> Iterator[bytes]:
    """Yield all leaf hashes: those of records that were registered before from the tree they have.

    Only from one whose leaves make the root that is remembered; it is replaced as a whole, so what
    was checked is what is read then.
    """
    with ExitStack() as stack:
        kept: IO[bytes] | None = None

        def usable(known: Artifact) -> bool:
            nonlocal kept
            try:
                kept = stack.enter_context(trees.path(known).open("rb"))
                found = CompactRange()
                for block in _blocks(kept, known.size):
                    found.extend(block)
            except (OSError, ValueError, LedgerError):
                return False
            return (found.end, found.root()) == (known.size, known.root)

        known = source.resume(usable)
        if kept is not None:
            yield from _blocks(kept, known.end)
        yield from source.leaf_hash_blocks(progress)


def _blocks(tree: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield the first `size` leaf hashes of a tree file, which begins with them."""
    rest = size * HASH_SIZE
    tree.seek(0)
    while block := tree.read(min(rest, _BLOCK)):
        yield block
        rest -= len(block)


def _known(ledger: Ledger, statement: Statement) -> RegisteredArtifact | None:
    """Return what says the same already, signed by all who would sign now."""
    signers = {key.public.keyid for key in ledger.journal.signers}
    (digest,), name = statement.artifact_digests()[:1], statement.subjects[0].name
    with ledger._database.reading() as session:
        log = Log(session, ledger.origin)
        for index in Catalog(session).registrations(name=name, digest=digest.hex()):
            envelope = Envelope.parse(log.envelope(index))
            known = Statement.parse(envelope.payload)
            if signers <= set(envelope.keyids) and same_claims(known, statement):
                return RegisteredArtifact.of(index, known)
    return None
