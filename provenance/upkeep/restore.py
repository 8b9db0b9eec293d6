"""`restore`: bring a backup back, if nothing that was published is newer.

A log must never sign two histories. A ledger that is brought back from an old copy, and goes on,
does just that where checkpoints were published after the copy was made: contracts take no anchor
of it any more, witnesses do not cosign, and monitors have the evidence for everybody. So those who
may know better are asked first: each chain's contract, each witness, and what this user's monitor
saw. Where one has seen more, or does not answer, nothing is restored, unless it is forced.

In this order: every file is what the backup's list says; the ledger in it is whole; nobody has seen
more; it is copied, held against the list once more, and gets its name when it is on the disk.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from provenance.errors import InputError, LedgerError, MalformedError, WitnessError
from provenance.ledger.config import Config
from provenance.ledger.folder import FOLDER, Folder
from provenance.ledger.storage import Storage
from provenance.ledger.watching import seen_here
from provenance.log.checkpoint import Checkpoint
from provenance.log.log import Log
from provenance.log.store import Database
from provenance.upkeep.anchors import HEAD
from provenance.upkeep.copying import MANIFEST, Manifest, copy_file, sync_tree, unusable
from provenance.upkeep.fsck import fsck
from provenance.upkeep.report import Progress, Report
from provenance.verification import Mark
from provenance.witness import WitnessClient

__all__ = ["Restored", "restore"]

_TOLD = 5
"""Differences that an error lists."""

FORK = (
    "What goes on from this copy is another history than the one that was published, and everybody "
    "can prove it. Look for a newer copy. To restore it all the same, to read or to prove what it "
    "has, use --force, and write nothing to it"
)


@dataclass(frozen=True)
class Restored:
    """A ledger that was brought back.

    Attributes:
        folder: of the ledger.
        origin: the log's name.
        size: entries of its log.
        warnings: what to know before it is used.
    """

    folder: Path
    origin: str
    size: int
    warnings: tuple[str, ...]


def restore(
    source: str | PathLike[str],
    path: str | PathLike[str] = ".",
    *,
    force: bool = False,
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Bring the backup in the folder `source` back as the ledger of the folder `path`.

    Args:
        source: what `backup` made.
        path: of the folder that gets a ``.provenance``; it is made where it is missing.
        force: restore it though somebody has seen more of the log, or does not answer.
        passphrase: of the private keys in it, else ``PROVENANCE_PASSPHRASE``.
        progress: called with how much was read, and of how much.

    Raises:
        InputError: `source` is no backup.
        LedgerError: it is damaged, somebody has seen more, or there is a ledger in `path`.
    """
    root = Path(source)
    manifest = _manifest(root)
    if wrong := [*manifest.differences(root)]:
        raise LedgerError(f"the backup {root} is not as it was made: {_listed(wrong)}")
    report = fsck(root, passphrase=passphrase, progress=progress)
    if wrong := [*_faults(report)]:
        raise LedgerError(
            f"the ledger in {root} is damaged: {_listed(wrong)}; `provenance fsck {root}` says more"
        )
    folder = Folder(root / FOLDER)
    warnings = [*_newer(folder, report)]
    if warnings and not force:
        raise LedgerError(f"{_listed(warnings)}. {FORK}")
    with Folder.making(Path(path)) as made:
        try:
            _copy(root, manifest, made, progress)
        except sqlite3.Error as error:
            raise unusable(f"{path} cannot be written", error) from error
    return Restored(
        Path(path) / FOLDER,
        str(report.origin),
        report.size,
        (*warnings, *_to_know(folder, report)),
    )


def _manifest(root: Path) -> Manifest:
    try:
        text = (root / MANIFEST).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{root} is no backup: {MANIFEST} cannot be read") from error
    try:
        manifest = Manifest.parse(text)
    except MalformedError as error:
        raise MalformedError(f"{root} is no backup: {error}") from error
    if not all(name.startswith(f"{FOLDER}/") for name in manifest.files):
        raise MalformedError(f"{root} is no backup: {MANIFEST} lists more than {FOLDER}")
    return manifest


def _faults(report: Report) -> Iterator[str]:
    """Yield what is damaged, but for a contract that has seen more."""
    for area in report.areas:
        yield from (fault.what for fault in area.faults if fault.means != HEAD.means)


def _newer(folder: Folder, report: Report) -> Iterator[str]:
    """Yield who has seen more of the log than the copy has, or cannot be asked."""
    yield from (fault.what for fault in report["anchors"].faults)
    yield from report["anchors"].doubts
    with (
        closing(Database.open(folder.database, to_write=False)) as database,
        database.reading() as session,
    ):
        log = Log(session, str(report.origin))
        seen = seen_here(log.origin)
        if seen is not None and seen.size > report.size:
            yield f"the monitor here has seen {seen.size} entries: the copy has {report.size}"
        elif seen is not None and log.root(seen.size) != seen.root:
            yield f"the monitor here has seen another tree of {seen.size} entries"
        if (note := log.latest_checkpoint()) is None:
            return
        size = Checkpoint.of_note(note).size
        for name, known in Config.read(folder.config).witnesses.items():
            try:
                WitnessClient(known.url, known.vkey).cosign(
                    note.encode(),
                    lambda old: log.prove_consistency(old, size).path,
                    old_size=size,
                )
            except (WitnessError, InputError) as error:
                yield f"the witness {name!r}: {error}"


def _to_know(folder: Folder, report: Report) -> Iterator[str]:
    yield (
        f"it holds the log's first {report.size} entries. If any later checkpoint was given to "
        "anybody, what is written from here on is a fork: then write nothing"
    )
    if (storage := Config.read(folder.config).storage) is not None:
        yield f"its trees are in {Storage(storage.url).place}, where they have to stay"
        yield from report["trees"].doubts
    if not any(folder.keys.iterdir()):
        yield f"it holds no private keys: put them into {FOLDER}/keys before it is written to"
    if report["tokens"].mark is Mark.HOLDS:
        yield "tokens that were revoked after the copy was made count again: `provenance tokens`"


def _copy(root: Path, manifest: Manifest, made: Folder, progress: Progress | None) -> None:
    """Copy every file that is listed, and find it to be as listed."""
    told = progress or (lambda _done, _total: None)
    total = sum((root / name).stat().st_size for name in manifest.files)
    done = 0

    def copied(length: int) -> None:
        nonlocal done
        done += length
        told(done, total)

    for name, digest in sorted(manifest.files.items()):
        target = made.path / Path(name).relative_to(FOLDER)
        target.parent.mkdir(exist_ok=True)
        if copy_file(root / name, target, copied) != digest:
            raise LedgerError(f"{root / name} changed while it was read")
        if target.suffix == ".db":
            _for_writers(target)
    sync_tree(made.path)


def _for_writers(path: Path) -> None:
    """Let a database be read while it is written, as the ledger's own are."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_mode = WAL")
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _listed(said: list[str]) -> str:
    more = f"; and {len(said) - _TOLD} more" if len(said) > _TOLD else ""
    return "; ".join(said[:_TOLD]) + more
