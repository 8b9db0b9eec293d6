"""Versions of a ledger compared, record by record, from their trees; claims and their proofs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from provenance.derivation import Derivation, check_derivation
from provenance.derivation.columns import Version
from provenance.derivation.difference import Difference, compare
from provenance.derivation.proving import prove_derivation
from provenance.errors import LedgerError
from provenance.merkle import ProofError

if TYPE_CHECKING:
    from provenance.ledger.folder import Folder
    from provenance.ledger.refs import Ref
    from provenance.ledger.view import LedgerView

__all__ = ["derivation", "diff", "prove", "prove_between", "proven", "proven_in"]


def diff(ledger: LedgerView, before: Ref, after: Ref) -> Difference:
    """Return what changed from one version to another; as `LedgerView.diff`."""
    versions = []
    for ref in (before, after):
        registered = ledger.resolve(ref)
        kept = ledger._trees.open(registered)
        try:
            kept.tree.check_leaves()
        except LedgerError as error:
            raise kept.damaged() from error
        versions.append(Version(registered.artifact, kept.tree))
    with ledger.folder.building() as drafts:
        return compare(versions[0], versions[1], drafts)


def prove(
    ledger: LedgerView, sources: Iterable[Ref], targets: Iterable[Ref], path: Path
) -> Derivation:
    """Write a proof, and check it; as `LedgerView.prove_derivation`."""
    return prove_between(*_versions(ledger, sources, targets), path)


def derivation(ledger: LedgerView, sources: Iterable[Ref], targets: Iterable[Ref]) -> Derivation:
    """Return the claim that holds, having proven and checked it; the proof is thrown away."""
    return proven(*_versions(ledger, sources, targets), ledger.folder)


def proven(before: Sequence[Version], after: Sequence[Version], folder: Folder) -> Derivation:
    """Return the claim that holds between versions, whose trees are in a ledger's folder.

    Raises:
        InputError: none does.
        LedgerError: a tree file is damaged, or the disk full.
    """
    with folder.building() as drafts:
        return proven_in(drafts, before, after)


def proven_in(drafts: Path, before: Sequence[Version], after: Sequence[Version]) -> Derivation:
    """Return the claim that holds between versions; as `proven`, with spare files in `drafts`."""
    path = drafts / f"derivation-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        return prove_between(before, after, path)
    finally:
        path.unlink(missing_ok=True)


def prove_between(before: Sequence[Version], after: Sequence[Version], path: Path) -> Derivation:
    """Write the proof of the claim that holds between versions, and check it; as `proven`."""
    found = prove_derivation(before, after, path)
    try:
        check_derivation(path, found)
    except ProofError as error:
        path.unlink()
        raise LedgerError(f"a tree file is damaged, see `provenance fsck`: {error}") from error
    return found


def _versions(
    ledger: LedgerView, sources: Iterable[Ref], targets: Iterable[Ref]
) -> tuple[list[Version], list[Version]]:
    def version(ref: Ref) -> Version:
        registered = ledger.resolve(ref)
        return Version(registered.artifact, ledger._trees.open(registered).tree)

    return [*map(version, sources)], [*map(version, targets)]
