"""Versions of a ledger behind a URL, compared and proven here.

Of each only the leaf hashes are asked for, 32 bytes a record; of what waits in the spool they are
here. They must lead to the root that the artifact digest stands for: so what is proven of them
holds, whatever the server says. They lie in a temporary folder (``TMPDIR``) until the question is
answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from provenance.client.answers import RemoteArtifact
from provenance.client.sending import PIECE, persist
from provenance.client.transport import Transport
from provenance.client.writing import RemoteJournal
from provenance.derivation.columns import Version
from provenance.errors import MalformedError
from provenance.merkle import HASH_SIZE, TreeWriter
from provenance.records import Artifact

__all__ = ["Compared", "comparing"]

COUNT = PIECE // HASH_SIZE
"""Leaf hashes in one answer."""


@dataclass(frozen=True)
class Compared:
    """Versions whose trees are here.

    Attributes:
        before, after: each with a tree that has its root.
        folder: for spare files.
    """

    before: list[Version]
    after: list[Version]
    folder: Path


@contextmanager
def comparing(
    transport: Transport,
    journal: RemoteJournal,
    before: Sequence[RemoteArtifact],
    after: Sequence[RemoteArtifact],
) -> Iterator[Compared]:
    """Have the trees of versions here, meanwhile.

    Raises:
        InputError: the server refuses one.
        LedgerError: it does not answer, or the disk is full, say.
        MalformedError: it answers other leaf hashes than those of the artifact.
    """
    with TemporaryDirectory(prefix="provenance-") as name, ExitStack() as opened:
        folder = Path(name)

        def version(registered: RemoteArtifact) -> Version:
            artifact = registered.artifact
            writer = opened.enter_context(TreeWriter(folder))
            for block in _leaf_hashes(transport, journal, artifact):
                writer.extend(block)
            tree = writer.finish()
            if (tree.size, tree.root) != (artifact.size, artifact.root):
                raise MalformedError(
                    f"{transport.name} answers other leaf hashes than those of {registered.name!r}"
                )
            return Version(artifact, tree)

        yield Compared([*map(version, before)], [*map(version, after)], folder)


def _leaf_hashes(
    transport: Transport, journal: RemoteJournal, artifact: Artifact
) -> Iterator[bytes]:
    with journal.leaves(artifact.digest) as file:
        if file is not None:
            yield from iter(partial(file.read, PIECE), b"")
            return
    path = f"v1/artifacts/{artifact.digest.hex()}/leaves"
    for first in range(0, artifact.size, COUNT):
        query = {"first": first, "limit": COUNT}
        ask = partial(transport.exchange, "GET", path, query=query, cap=PIECE)
        data, _ = persist(ask, journal.patience)
        if len(data) != min(COUNT, artifact.size - first) * HASH_SIZE:
            raise MalformedError(f"{transport.name} answers another number of leaf hashes")
        yield data
