"""Two versions of an artifact: which records came, went, moved and stayed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from fastapi import APIRouter, Request, Response

from api.access import MayRead
from api.deps import Served, find
from api.pages.rendering import page
from api.pages.route import Digest, PageRoute
from api.pages.rows import said_of
from api.turns import Turn
from api.uses import record_uses
from provenance.errors import InputError

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, dependencies=[MayRead])

SHOWN: Final = 60
"""Stretches of records, and moved ones, that are shown."""

MOST: Final = 2_000_000
"""Records that are compared while somebody waits for a page."""


@router.get("/artifacts/{digest}/compare/{other}")
def compare(request: Request, ledger: Served, digest: Digest, other: Digest, _: Turn) -> Response:
    """Show what became of the records of `other` in the artifact, by their leaf hashes alone."""
    after, before = find(ledger, digest), find(ledger, other)
    if before.artifact.encoding != after.artifact.encoding:
        raise InputError("their records are encoded differently, so none of them can be compared")
    if before.size + after.size > MOST:
        raise InputError(
            f"{before.size + after.size:,} records are too many to compare while you wait: "
            f"provenance diff {before.digest[:12]} {after.digest[:12]}"
        )
    found = ledger.diff(before, after)
    record_uses(ledger, "show", [(after.digest, None), (before.digest, None)])
    return page(
        request,
        "compare",
        before=before,
        after=after,
        said=said_of(ledger, before, after),
        unchanged=found.unchanged,
        removed=_shown(found.removed),
        added=_shown(found.added),
        moved=list(islice(zip(*found.moved, strict=True), SHOWN)),
        counts={
            "removed": len(found.removed),
            "added": len(found.added),
            "moved": len(found.moved[0]),
        },
    )


def _shown(numbers: Iterable[int]) -> list[tuple[int, int]]:
    return list(islice(stretches(numbers), SHOWN))


def stretches(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each stretch of ascending numbers without a gap."""
    first = last = -2
    for number in numbers:
        if number == last + 1:
            last = number
            continue
        if first >= 0:
            yield first, last
        first = last = number
    if first >= 0:
        yield first, last
