"""A ledger that has its trees in its folder comes to have them in a storage.

In two steps, because a process that has the ledger open goes on reading its folder: `use` puts
every tree there, too, and has whoever opens the ledger from then on use the storage; once all do,
`free` puts there what came meanwhile, and has the folder's own files make way as any of the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provenance.errors import InputError
from provenance.ledger.config import Config, StorageConfig
from provenance.ledger.ledger import Ledger
from provenance.ledger.storage import Storage
from provenance.ledger.treefiles import TreeDamagedError, TreeFiles
from provenance.records import Artifact
from provenance.records.sources import Progress

__all__ = ["Stored", "free", "use"]


@dataclass(frozen=True)
class Stored:
    """What became of the trees in a ledger's folder.

    Attributes:
        count: how many are in the storage.
        damaged: what was left where it is, each in words.
    """

    count: int
    damaged: tuple[str, ...]


def use(ledger: Ledger, storage: StorageConfig, progress: Progress | None = None) -> Stored:
    """Make a place ready, put every tree there, and configure it.

    A crash leaves trees there, and the ledger as it was. Called again, it goes on.

    Raises:
        InputError: the ledger has another storage.
        LedgerError: the place cannot be used.
    """
    with ledger.folder.alone("policy"):
        known = Config.read(ledger.folder.config).storage
        if known is not None and known.url != storage.url:
            raise InputError(
                f"its trees are in {Storage(known.url).place}: copy all that is there to the other "
                "place, by the means of either, then write its URL into config.toml"
            )
        files = TreeFiles(ledger.folder, storage)
        Storage(storage.url).make()
        done, damaged = 0, []
        for artifact in _lying(ledger, progress):
            try:
                files.put(artifact)
                done += 1
            except TreeDamagedError as error:
                damaged.append(str(error))
        ledger.folder.configure(storage=storage)
    return Stored(done, tuple(damaged))


def free(ledger: Ledger, progress: Progress | None = None) -> Stored:
    """Move the trees that still lie in the folder to the cache; each is in the storage before.

    Raises:
        InputError: the ledger has no storage.
        LedgerError: the storage does not answer.
    """
    if ledger.trees.storage is None:
        raise InputError("this ledger has no storage: `provenance storage URL` gives it one")
    done, damaged = 0, []
    for artifact in _lying(ledger, progress):
        try:
            ledger.trees.move(artifact)
            done += 1
        except TreeDamagedError as error:
            damaged.append(str(error))
    return Stored(done, tuple(damaged))


def _lying(ledger: Ledger, progress: Progress | None) -> Iterator[Artifact]:
    """Yield each artifact whose tree lies in the ledger's folder."""
    registered = {each.digest: each.artifact for each in ledger.artifacts(limit=None).items}
    found = [each for each in registered.values() if ledger.folder.tree(each.digest).exists()]
    for number, artifact in enumerate(found):
        if progress is not None:
            progress(number, len(found))
        yield artifact
