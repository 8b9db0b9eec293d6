"""The records of uses that were signed: they make the root that was, but for those erased."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from provenance.errors import LedgerError
from provenance.ledger.treefiles import TreeFiles
from provenance.merkle import CompactRange, Tree, leaf_hash
from provenance.records import Artifact
from provenance.upkeep.report import Area, Findings, Kind, counted

__all__ = ["check_access"]

ACCESS = Kind(
    "who asked for something cannot be told, or not be proven as it was signed",
    "bring the file back from a backup; or leave the line empty, if the use is to be erased",
)


def check_access(trees: TreeFiles, batches: Collection[Artifact], found: Findings) -> Area:
    """Hold the records of each batch against its root; its tree is of another area.

    Args:
        trees: of the ledger.
        batches: all that the log has.
        found: for the findings.
    """
    folder, here = trees.folder, 0
    for batch in sorted(batches, key=lambda batch: batch.digest):
        path = folder.uses(batch.digest)
        if not path.exists():
            found.notes.append(f"access/{path.name} is not here: it was erased, or is lost")
            continue
        with found.catching(ACCESS, f"access/{path.name}: "):
            erased = _check_records(path, batch, trees)
            here += batch.size - erased
            if erased:
                found.notes.append(f"access/{path.name}: {counted(erased, 'use')} erased")
    known = {folder.uses(batch.digest).name for batch in batches}
    for path in sorted(folder.access.glob("*")):
        if path.name in known or path.suffix == ".uses" or path.name == "roll":
            continue
        if re.fullmatch(r"[0-9a-f]{64}\.jsonl", path.name):
            found.notes.append(f"access/{path.name} is of no statement: a call that failed")
        else:
            found.notes.append(f"access/{path.name} is none of the ledger's files")
    told = f"{counted(here, 'use')} in {counted(len(batches), 'statement')}"
    return found.area(told, there=bool(batches))


def _check_records(path: Path, batch: Artifact, trees: TreeFiles) -> int:
    """Check that the records of a batch are those that were signed; return how many were erased.

    Raises:
        LedgerError: one is not; or one was erased, and the tree that has its leaf is not here.
    """
    try:
        *lines, rest = path.read_bytes().split(b"\n")
    except OSError as error:
        raise LedgerError(f"it cannot be read: {error.strerror}") from error
    if rest or len(lines) != batch.size:
        raise LedgerError(f"it has not one line for each of {counted(batch.size, 'use')}")
    leaves = [leaf_hash(line) if line else b"" for line in lines]
    if b"" in leaves:
        copies = (trees.folder.tree(batch.digest), trees.cached(batch.digest))
        tree = Tree.open(next(filter(Path.exists, copies), copies[0]))
        leaves = [leaf or tree.leaf(index) for index, leaf in enumerate(leaves)]
    if CompactRange.over(0, b"".join(leaves)).root() != batch.root:
        raise LedgerError("its uses are not those that were signed")
    return lines.count(b"")
