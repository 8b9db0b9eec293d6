"""Finding out which claim holds between versions, and writing its proof.

Whether the order was kept is tried first, for then the claim says more. Records are dealt in one
pass: each goes to a target whose next record it is equal to, and if there are several, to the one
that the record before went to, or else the first of them. With one target that finds the order
wherever it was kept. With several, and equal records that could go to either, it may not; then no
order is claimed.

Else equal records are matched, the first with the first (`provenance.derivation.matching`).

The same trees give the same proof, byte for byte. Memory: 4 bytes for each record of the targets,
or 1 for each of the sources if the order was kept, beside that of sorting.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, islice
from operator import eq
from pathlib import Path

from provenance.derivation.claims import Derivation, claim_between
from provenance.derivation.columns import Column, Version
from provenance.derivation.matching import matched
from provenance.derivation.proof import WIDTHS, Header
from provenance.errors import InputError
from provenance.merkle import ProofError, check_consistency
from provenance.merkle.drafts import Draft

__all__ = ["prove_derivation"]

_WHAT = "the proof of a derivation"


def prove_derivation(
    sources: Sequence[Version], targets: Sequence[Version], path: Path
) -> Derivation:
    """Find out how the targets derive from the sources, and write the proof of it to `path`.

    Args:
        sources: in the order in which the claim is to name them.
        targets: likewise. On one of the sides there is one.
        path: of the proof; it appears whole and durable, or not at all. Spare files are made
            beside it.

    Raises:
        InputError: they do not derive so; or there can be no claim between them.
        LedgerError: the disk is full, say.
    """
    artifacts = [[version.artifact for version in side] for side in (sources, targets)]
    claim = claim_between(*artifacts)
    header = Header.of(*artifacts, ordered=claim == "extension")
    column, columns = Column([v.tree for v in sources]), [Column([v.tree]) for v in targets]
    body: Iterable[bytes | array[int]]
    with Draft(path.parent, _WHAT) as draft:
        if claim == "extension":
            body = [_consistency(sources[0], targets[0])]
        else:
            numbers = _in_order(column, columns, header)
            if numbers is not None:
                header = replace(header, ordered=True)
            else:
                numbers = _places(column, Column([v.tree for v in targets]), header, path.parent)
            if sys.byteorder == "little":
                numbers.byteswap()
            body = chain(column.blocks(), [numbers])
        with draft.writing():
            draft.file.write(header.to_bytes() + b"\n")
            draft.file.writelines(body)
        draft.keep(path)
    return header.derivation


def _consistency(source: Version, target: Version) -> bytes:
    """Return the consistency proof from one to the other."""
    proof = target.tree.prove_consistency(source.tree.size)
    try:
        check_consistency(
            old_size=source.artifact.size,
            old_root=source.artifact.root,
            size=target.artifact.size,
            root=target.artifact.root,
            path=proof.path,
        )
    except ProofError:
        raise InputError(
            f"the first {source.artifact.size} records of the target are not those of the source"
        ) from None
    return b"".join(proof.path)


def _in_order(source: Column, targets: Sequence[Column], header: Header) -> array[int] | None:
    """Return the map of a proof that the order was kept; None if it was not found so."""
    if header.claim == "permutation":
        return None
    if header.claim == "concatenation":
        return array("B") if all(map(eq, source.blocks(), targets[0].blocks())) else None
    numbers = array(replace(header, ordered=True).code)
    if header.claim == "subset":
        return _kept(source, targets[0], numbers)
    return _dealt(source, targets, numbers)


def _kept(source: Column, target: Column, kept: array[int]) -> array[int] | None:
    """Append for each record of the source whether it was kept; None if not in its order."""
    rest = iter(target)
    wanted = next(rest, None)
    for value in source:
        if value == wanted:
            kept.append(1)
            wanted = next(rest, None)
        else:
            kept.append(0)
    return kept if wanted is None else None


def _dealt(source: Column, targets: Sequence[Column], dealt: array[int]) -> array[int] | None:
    """Append for each record of the source which target it went to; None if not in their order."""
    rests, last = [iter(target) for target in targets], 0
    waiting: dict[bytes, list[int]] = {}  # a next record → the targets whose next it is
    for which, rest in enumerate(rests):
        for value in islice(rest, 1):
            waiting.setdefault(value, []).append(which)
    for value in source:
        takers = waiting.pop(value, None)
        if takers is None:
            return None
        last = last if last in takers else takers[0]
        dealt.append(last + 1)
        takers.remove(last)
        if takers:
            waiting[value] = takers
        if (following := next(rests[last], None)) is not None:
            waiting.setdefault(following, []).append(last)
    return dealt


def _places(source: Column, target: Column, header: Header, folder: Path) -> array[int]:
    """Return for each record of the targets its number among those of the sources.

    Raises:
        InputError: one has none.
    """
    places = array(header.code, bytes(target.size * WIDTHS[header.code]))
    for found in matched(source, target, folder):
        if found.after:
            raise InputError(
                f"record {min(found.after)} of the targets is none of the sources, "
                "or one more than they have of it"
            )
        for number, place in zip(found.left, found.right, strict=True):
            places[place] = number
    return places
