"""`fsck`: a whole ledger, verified again from its bytes, and nothing written.

Nothing is believed that can be computed: see each area's module for what is computed from what.
What is in use may be checked; it is then what it was at one moment. In this order, so that what is
written meanwhile is no fault: settings, the chains' heads, the database in one state of it, then
what the chains and the files beside the database hold.

Memory: an envelope at a time, the index of the artifacts, and 2 MiB for each core.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from os import PathLike
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from provenance.errors import ProvenanceError
from provenance.ledger.chains import Chains
from provenance.ledger.folder import Folder
from provenance.ledger.treefiles import TreeFiles
from provenance.log.store import Database
from provenance.upkeep.access import check_access
from provenance.upkeep.anchors import check_anchors, check_chain_files, look_at_chains
from provenance.upkeep.database import DATABASE, check_sqlite, check_tokens
from provenance.upkeep.files import check_keys, check_pending, check_trees
from provenance.upkeep.log import LogPass
from provenance.upkeep.report import Area, Findings, Progress, Report, counted
from provenance.upkeep.settings import check_settings, read_settings
from provenance.verification import Mark

__all__ = ["fsck"]


def fsck(
    path: str | PathLike[str] | None = None,
    *,
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify a whole ledger again, from its bytes.

    Args:
        path: where to look for it, and above; the working folder, if None.
        passphrase: of the private keys, else ``PROVENANCE_PASSPHRASE``.
        progress: called with how much was read, and of how much.

    Returns:
        What was found: read its `verdict`. Damage is no error.

    Raises:
        LedgerError: there is no ledger, or it cannot be entered.
    """
    folder = Folder.find(Path(path or "."), to_write=False)
    told = progress or (lambda _done, _total: None)
    with ExitStack() as stack:
        return _Check(folder, passphrase, told, stack).run()


class _Check:
    def __init__(
        self, folder: Folder, passphrase: str | None, progress: Progress, stack: ExitStack
    ) -> None:
        self._folder = folder
        self._passphrase = passphrase
        self._progress = progress
        self._stack = stack

    def run(self) -> Report:
        of_settings = Findings("settings")
        settings = read_settings(self._folder, of_settings)
        configured = settings.config.chains if settings.config else {}
        chains = None
        if settings.config is not None:
            chains = Chains(self._folder, configured)
            self._stack.callback(chains.close)
        looks = look_at_chains(chains, settings.policy)
        names = ("database", "log", "envelopes", "catalogue", "anchors", "tokens")
        areas = {name: Findings(name).area("not looked at", there=False) for name in names}
        read: LogPass | None = None
        database = Findings("database")
        with _told_as(database):
            session = self._open(settings.config.database if settings.config else None)
            areas["database"] = check_sqlite(session, database)
            heads = [look.head.size for look in looks if look.head]
            read = LogPass(session, settings.policy, heads, self._progress)
            with _told_as(read.log):
                read.run()
            anchors, tokens = Findings("anchors"), Findings("tokens")
            with _told_as(anchors):
                areas["anchors"] = check_anchors(
                    session, read.size, read.roots, looks, chains, configured, anchors
                )
            areas["anchors"] = _with(areas["anchors"], anchors)
            with _told_as(tokens):
                areas["tokens"] = check_tokens(session, tokens)
            areas["tokens"] = _with(areas["tokens"], tokens)
        areas["database"] = _with(areas["database"], database)
        if read is not None:
            areas |= _areas(read)
        genesis = read.genesis if read else None
        files = TreeFiles(self._folder, settings.config.storage if settings.config else None)
        trees, keys = Findings("trees"), Findings("keys")
        keyids = read.keyids if read else ()
        return Report(
            str(self._folder.path),
            read.origin if read else None,
            read.size if read else 0,
            (
                check_settings(settings, genesis, of_settings),
                *(areas[name] for name in names[:-1]),
                check_chain_files(self._folder, configured, Findings("chain")),
                check_trees(files, read.artifacts if read else {}, trees, self._progress),
                check_keys(self._folder, genesis, keyids, configured, self._passphrase, keys),
                areas["tokens"],
                check_access(files, read.batches if read else (), Findings("access")),
                check_pending(self._folder, Findings("pending")),
            ),
        )

    def _open(self, place: str | None) -> Session:
        """Return one state of the database, to be read until everything is closed.

        Raises:
            LedgerError: it cannot be opened.
        """
        database = Database.open(place or self._folder.database, to_write=False)
        self._stack.callback(database.close)
        return self._stack.enter_context(database.reading())


def _areas(read: LogPass) -> dict[str, Area]:
    log = ", ".join(
        (
            counted(read.size, "entry"),
            counted(read.tiles, "tile"),
            counted(read.checkpoints, "checkpoint"),
            counted(read.cosignatures, "cosignature"),
        )
    )
    envelopes = counted(read.size - read.erased, "envelope") + ", signed by keys that stood there"
    if read.erased:
        envelopes += f"; {read.erased:,} erased"
    return {
        "log": read.log.area(log),
        "envelopes": read.envelopes.area(envelopes),
        "catalogue": read.catalogue.area(counted(read.rows, "row")),
    }


def _with(area: Area, found: Findings) -> Area:
    """Return what was found, where looking broke off before the area was told."""
    if found.faults and area.mark is not Mark.FAILS:
        return found.area("not all of it can be read")
    return area


@contextmanager
def _told_as(found: Findings) -> Iterator[None]:
    """Let what a damaged database does to its readers be a fault."""
    try:
        yield
    except DBAPIError as error:
        found.fault(f"it cannot be read: {error.orig}", DATABASE)
    except ProvenanceError as error:
        found.fault(f"{error}", DATABASE)
