"""What descends from artifacts, and how surely: the answer to "this was poisoned".

Everything downstream is told, each artifact once, by the surest way that leads to it: a way is as
sure as the least sure of its arrows (`provenance.lineage.grades`).

Where it is asked of records, ways end at what was made without them, and provably so
(`provenance.ledger.following`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from provenance import forms
from provenance.derivation import Claim
from provenance.lineage.grades import Grade
from provenance.lineage.shown import shown

__all__ = [
    "KINDS",
    "MAX_PLACES",
    "Descendant",
    "DescendantKind",
    "HeldAt",
    "Impact",
    "LeftOut",
    "Records",
    "Source",
    "surest",
]

N = TypeVar("N", bound=Hashable)

DescendantKind = Literal["dataset", "model", "outputs", "unregistered"]

KINDS: tuple[DescendantKind, ...] = ("dataset", "model", "outputs", "unregistered")


MAX_PLACES = 10
"""Records of which it is told where in an artifact they are."""


@dataclass(frozen=True)
class HeldAt:
    """Where a record is: at `index`, the first of `equal` that are equal."""

    leaf_hash: bytes
    index: int
    equal: int


@dataclass(frozen=True)
class Records:
    """Which of the records that were asked about an artifact holds.

    Attributes:
        count: how many of them.
        places: of the first `MAX_PLACES`.
    """

    count: int
    places: tuple[HeldAt, ...]


@dataclass(frozen=True, kw_only=True)
class Source:
    """An artifact that was asked about.

    Attributes:
        digest: artifact digest, 32 bytes.
        name: as it is registered, or else as a step names what it made; None where what was
            signed is erased.
        kind: as which it is registered; ``unregistered``, if the log only names it.
        registered: the entry that registers it; as `provenance.lineage.End` has it.
        records: those that it holds, where it was found by records.
        conflict: others say that it was made otherwise; as `provenance.lineage.End` has it.
    """

    digest: bytes
    name: str | None
    kind: DescendantKind
    registered: int | None
    records: Records | None = None
    conflict: bool = False


@dataclass(frozen=True, kw_only=True)
class Descendant(Source):
    """An artifact that was made of them, at however many removes.

    Attributes:
        depth: steps between, by the shortest way; 1 or more.
        grade: the least sure arrow of the surest way.
        by: the first of the entries that say so, by a shortest way.
    """

    depth: int
    grade: Grade
    by: int


@dataclass(frozen=True, kw_only=True)
class LeftOut(Source):
    """An artifact that would descend from them, but that every way to it is closed.

    Attributes:
        by: the first entry of a step that claims so.
        claim: which claim that is; it was proven.
    """

    by: int
    claim: Claim


@dataclass(frozen=True)
class Impact:
    """What descends from artifacts, or a page of it.

    Attributes:
        size: of the log as of which this is said, in entries.
        sources: the artifacts that were asked about; none of them is a descendant.
        artifacts: the descendants of this page, the nearest first, and of one depth in the order
            of the entries that say so.
        kinds: how many there are of each kind, on all pages.
        grades: how many there are of each grade, on all pages.
        unread: entries of artifacts of which it cannot be said whether they hold the record that
            was asked about: their trees are damaged, or their statements were erased.
        next_cursor: given as ``cursor`` it leads to the next page; None at the end.
        left_out: where the records that were asked about did not go on to, in the order of the
            entries that say so; on every page. None of them is a descendant.
        unproven: entries of steps whose claims could leave more out, and could not be proven here.
    """

    size: int
    sources: tuple[Source, ...]
    artifacts: tuple[Descendant, ...]
    kinds: Mapping[DescendantKind, int]
    grades: Mapping[Grade, int]
    unread: tuple[int, ...] = ()
    next_cursor: str | None = None
    left_out: tuple[LeftOut, ...] = ()
    unproven: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.to_text()

    def to_json(self) -> dict[str, forms.Json]:
        """Return it as one JSON object."""
        return {
            "size": self.size,
            "sources": [_to_json(each) for each in self.sources],
            "artifacts": [
                {
                    **_to_json(each),
                    "depth": each.depth,
                    "grade": str(each.grade),
                    "by": each.by,
                }
                for each in self.artifacts
            ],
            "kinds": {kind: self.kinds.get(kind, 0) for kind in KINDS},
            "grades": {str(grade): self.grades.get(grade, 0) for grade in Grade},
            "unread": list(self.unread),
            "left_out": [
                {**_to_json(each), "by": each.by, "claim": each.claim} for each in self.left_out
            ],
            "unproven": list(self.unproven),
            **({} if self.next_cursor is None else {"next_cursor": self.next_cursor}),
        }

    def to_text(self) -> str:
        """Return a line for each source and descendant, and at the end how many there are."""
        lines = [
            f"{0:>4}  {'source':<10}  {_in_words(each)}{_places(each.records)}{_otherwise(each)}"
            for each in self.sources
        ]
        lines += [
            f"{each.depth:>4}  {each.grade!s:<10}  {_in_words(each)}  by #{each.by}"
            f"{_otherwise(each)}"
            for each in self.artifacts
        ]
        lines += [
            f"{'-':>4}  {'left out':<10}  {_in_words(each)}  by #{each.by}: {each.claim}, proven"
            f"{_otherwise(each)}"
            for each in self.left_out
        ]
        kinds = ", ".join(f"{count} {kind}" for kind in KINDS if (count := self.kinds.get(kind)))
        surest_first = sorted(self.grades.items(), reverse=True)
        grades = ", ".join(f"{count} {grade}" for grade, count in surest_first if count)
        of = "1 artifact" if len(self.sources) == 1 else f"{len(self.sources)} artifacts"
        total = sum(self.kinds.values())
        told = f"{kinds}; {grades}" if total else "nothing"
        return "".join(f"{line}\n" for line in [*lines, f"made of {of}: {told}"])


def _in_words(source: Source) -> str:
    return f"{source.kind:<12}  {source.digest.hex()[:12]}  {shown(source.name or '(no name)')}"


def _otherwise(source: Source) -> str:
    return "; others say it was made otherwise" if source.conflict else ""


def _places(records: Records | None) -> str:
    if records is None:
        return ""
    indices = ", ".join(f"{place.index:,}" for place in records.places)
    more = records.count - len(records.places)
    told = f"{indices} and {more:,} more" if more else indices
    return f"  record{'s' if records.count > 1 else ''} {told}"


def _records_to_json(records: Records) -> dict[str, forms.Json]:
    return {
        "count": records.count,
        "places": [
            {"leaf_hash": place.leaf_hash.hex(), "index": place.index, "equal": place.equal}
            for place in records.places
        ],
    }


def _to_json(source: Source) -> dict[str, forms.Json]:
    return {
        "digest": source.digest.hex(),
        **({} if source.name is None else {"name": source.name}),
        "kind": source.kind,
        **({} if source.registered is None else {"registered": source.registered}),
        **({} if source.records is None else {"records": _records_to_json(source.records)}),
        **({"conflict": True} if source.conflict else {}),
    }


def surest(begin: Iterable[N], arrows: Mapping[N, Sequence[tuple[N, Grade]]]) -> dict[N, Grade]:
    """Return for each node that a way leads to, the surest way's least sure arrow.

    The surest arrows are followed first, so that no node is passed at two grades: in time linear
    in the arrows.

    Args:
        begin: the nodes where ways begin.
        arrows: the arrows that leave each node, with the node that they lead to.
    """
    best = dict.fromkeys(begin, max(Grade))
    waiting: dict[Grade, list[N]] = {grade: [] for grade in Grade}
    waiting[max(Grade)] += best
    for grade in sorted(Grade, reverse=True):
        nodes = waiting[grade]
        while nodes:
            node = nodes.pop()
            if best[node] != grade:
                continue  # a surer way was found meanwhile
            for other, own in arrows.get(node, ()):
                way = min(grade, own)
                if other not in best or way > best[other]:
                    best[other] = way
                    waiting[way].append(other)
    return best
