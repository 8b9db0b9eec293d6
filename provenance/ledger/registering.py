"""Registering here: a tree file for what was hashed, and one entry for what was said of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

from provenance.errors import LedgerError
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.ledger.describing import same_claims
from provenance.ledger.folder import Folder
from provenance.log.log import Log
from provenance.merkle import HASH_SIZE, CompactRange, Tree, TreeWriter
from provenance.merkle.index import write_index
from provenance.records import Artifact, Encoding
from provenance.records.sources import Progress, Source
from provenance.signing import Envelope
from provenance.statements import Statement

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["has_tree", "hash_into_tree", "keep_tree", "log_once"]

_BLOCK = 1 << 20


def hash_into_tree(folder: Folder, source: Source, progress: Progress | None) -> Artifact:
    """Hash what was opened, as far as it is not known, and keep its tree and index."""
    leaf_hashes = _leaf_hashes(folder, source, progress)
    artifact = keep_tree(folder, leaf_hashes, source.encoding)
    tree = Tree.open(folder.tree(artifact.digest))
    source.remember(CompactRange.of(tree.size, tree.node))
    return artifact


def log_once(ledger: Ledger, statement: Statement) -> RegisteredArtifact:
    """Sign and log a statement about an artifact, unless one that says the same is there."""
    with ledger.folder.alone("register"):  # two at once shall not both find nothing
        known = _known(ledger, statement)
        return known or ledger._log(statement)


def _leaf_hashes(folder: Folder, source: Source, progress: Progress | None) -> Iterator[bytes]:
    """Yield all leaf hashes: those of records that were registered before from the tree they have.

    Only from one whose leaves make the root that is remembered; it is replaced as a whole, so what
    was checked is what is read then.
    """
    with ExitStack() as stack:
        kept: IO[bytes] | None = None

        def usable(known: Artifact) -> bool:
            nonlocal kept
            try:
                kept = stack.enter_context(folder.tree(known.digest).open("rb"))
                found = CompactRange()
                for block in _blocks(kept, known.size):
                    found.extend(block)
            except (OSError, ValueError):
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


def keep_tree(folder: Folder, leaf_hash_blocks: Iterator[bytes], encoding: Encoding) -> Artifact:
    """Build and keep the tree over leaf hashes, 32·n bytes at a time, and its index.

    A crash later leaves a tree file that nothing names, and that serves again.
    """
    with folder.building() as drafts, TreeWriter(drafts) as writer:
        for block in leaf_hash_blocks:
            writer.extend(block)
        tree = writer.finish()
        artifact = Artifact(root=tree.root, size=tree.size, encoding=encoding)
        writer.keep(folder.tree(artifact.digest))
        write_index(tree, drafts, folder.index(artifact.digest))
    return artifact


def has_tree(folder: Folder, digest: bytes, root: bytes) -> bool:
    """Say whether the tree of an artifact is here, of this root; its leaves are not looked at."""
    try:
        return Tree.open(folder.tree(digest)).root == root
    except LedgerError:
        return False


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
