"""What pages of a history say, as nodes and arrows: artifacts, steps, and what leads where.

::

    a6a31…    an artifact, by its digest
    s7        a step, by its entry

Nothing here depends on the order in which statements are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from api.pages.picture.lettering import cut
from provenance.lineage import End, Grade, History
from provenance.lineage.circles import circles
from provenance.lineage.drawing import claimed
from provenance.lineage.grades import ends_of
from provenance.statements import Step, Supersede, Verdict
from provenance.statements.predicates import Described

__all__ = [
    "NAMED",
    "SIDES",
    "Arrow",
    "Artifact",
    "Beyond",
    "Fold",
    "Node",
    "Run",
    "Side",
    "Sketch",
    "key_of",
    "sketch",
]

NAMED: Final = 40
"""Characters of a name within a sentence."""

Side = Literal["from", "made"]
"""What an artifact was made from; what was made of it."""

SIDES: Final[tuple[Side, Side]] = ("from", "made")


@dataclass(frozen=True)
class Beyond:
    """What is not drawn at an artifact.

    Attributes:
        side: of the artifact.
        count: how many nodes are known to lie there; 0 where nothing is known.
        cursor: of the next page, at the artifact that the pages are about.
    """

    side: Side
    count: int = 0
    cursor: str | None = None


@dataclass(frozen=True)
class Artifact:
    """An artifact.

    Attributes:
        digest: 32 bytes.
        name: as its registration or else its first mention has it.
        kind: ``dataset``, ``model``, ``outputs``; None if no statement at hand says it.
        end: what the log says of it.
        verdict: the newest that somebody signed on it.
        circle: it is said to be made of itself.
        beyond: where what is drawn ends at it.
    """

    digest: bytes
    name: str
    kind: str | None
    end: End
    verdict: Verdict | None = None
    circle: bool = False
    beyond: tuple[Beyond, ...] = ()

    @property
    def is_registered(self) -> bool:
        """Whether a statement registers it, or else it is only named."""
        return self.end.registered is not None

    @property
    def is_troubled(self) -> bool:
        """Whether somebody should look at it."""
        end = self.end
        doubted = self.verdict in ("flag", "reject")
        return self.circle or doubted or end.conflict or end.revoked or end.superseded is not None


@dataclass(frozen=True)
class Run:
    """A step.

    Attributes:
        entry: of its statement.
        name: of the step.
        failed: it did not succeed.
        revoked: a signature under it is revoked.
        circle: something that it made is said to have gone into it.
    """

    entry: int
    name: str
    failed: bool
    revoked: bool
    circle: bool = False

    @property
    def is_troubled(self) -> bool:
        """Whether somebody should look at it."""
        return self.circle or self.revoked or self.failed


@dataclass(frozen=True)
class Fold:
    """Several nodes in the place of one; see `api.pages.picture.folding`.

    Attributes:
        count: how many.
        runs: they are steps; else they are artifacts.
        troubled: how many of them somebody should look at.
        opens: the name of a window on them.
        earlier: they stand before those that the open window shows.
    """

    count: int
    runs: bool
    troubled: int
    opens: str
    earlier: bool = False


Node = Artifact | Run | Fold


@dataclass(frozen=True)
class Arrow:
    """An arrow; without a grade it leads from an artifact to what supersedes it.

    Attributes:
        begin: the key of a node.
        end: the key of a node.
        grade: how sure it is; the least sure, where it stands for several.
        circle: both ends are on a circle.
        claims: what a step claims of the records of what it made, in a word for each claim.
        claimed: the same as half a sentence.
    """

    begin: str
    end: str
    grade: Grade | None
    circle: bool = False
    claims: tuple[str, ...] = ()
    claimed: str = ""


@dataclass(frozen=True)
class Sketch:
    """What is drawn.

    Attributes:
        nodes: by their keys.
        arrows: between them.
        hidden: how many artifacts and steps are not drawn, or in folds.
    """

    nodes: Mapping[str, Node]
    arrows: Sequence[Arrow]
    hidden: int = 0


def sketch(
    history: History,
    descendants: History | None = None,
    *,
    verdicts: Callable[[Iterable[bytes]], Mapping[bytes, Verdict]],
    depth: int | None = None,
) -> Sketch:
    """Return all that a page of a history says, and one of descendants.

    Args:
        history: of an artifact.
        descendants: of the same.
        verdicts: returns the newest verdicts on artifacts.
        depth: that both were asked for; None for all.
    """
    pages = [history] if descendants is None else [history, descendants]
    events = {event.index: event for page in pages for event in page.events}
    whole = replace(
        history,
        events=tuple(events[index] for index in sorted(events)),
        ends={artifact: end for page in pages for artifact, end in page.ends.items()},
    )
    names = {history.artifact: history.artifact.hex()[:12], **whole.names}
    arrows = _arrows(whole, names)
    circle = _circles((begin, end) for (begin, end, graded) in arrows if graded)
    beyond: dict[str, tuple[Beyond, ...]] = {}
    for page, side in zip(pages, SIDES, strict=False):
        for artifact in _unwalked(page, depth, onward=side == "made"):
            cursor = page.next_cursor if artifact == history.artifact else None
            beyond[key_of(artifact)] = (*beyond.get(key_of(artifact), ()), Beyond(side, 0, cursor))
    kinds = _kinds(whole)
    drawn = {key_of(history.artifact), *(key for ends in arrows for key in ends[:2])}
    nodes: dict[str, Node] = {}
    shown = {artifact: name for artifact, name in names.items() if key_of(artifact) in drawn}
    said = verdicts(shown)
    for artifact, name in shown.items():
        key = key_of(artifact)
        nodes[key] = Artifact(
            artifact,
            name,
            kinds.get(artifact),
            whole.end(artifact),
            said.get(artifact),
            key in circle,
            beyond.get(key, ()),
        )
    for event in whole.events:
        step = event.statement.predicate
        if isinstance(step, Step):
            failed, key = step.outcome != "succeeded", f"s{event.index}"
            nodes[key] = Run(event.index, step.name, failed, bool(event.revoked), key in circle)
    return Sketch(
        nodes,
        [
            replace(arrow, circle=graded and circle.get(begin, 0) == circle.get(end, -1))
            for (begin, end, graded), arrow in arrows.items()
        ],
    )


def key_of(artifact: bytes) -> str:
    """Return the key of an artifact's node."""
    return f"a{artifact.hex()}"


def _arrows(history: History, names: Mapping[bytes, str]) -> dict[tuple[str, str, bool], Arrow]:
    """Return the arrows by (begin, end, whether they have a grade): of several, the surest."""
    found: dict[tuple[str, str, bool], Arrow] = {}
    short = {artifact: cut(name, NAMED) for artifact, name in names.items()}

    def add(arrow: Arrow) -> None:
        key = arrow.begin, arrow.end, arrow.grade is not None
        if (arrow.grade or 0) >= (found.get(key, arrow).grade or 0):
            found[key] = arrow

    for event in history.events:
        statement, predicate = event.statement, event.statement.predicate
        arrows, step = history.arrows(event), f"s{event.index}"
        if isinstance(predicate, Step):
            for each in arrows:
                key, claims = key_of(each.artifact), tuple(claim.claim for claim in each.claims)
                if each.into:
                    add(Arrow(key, step, each.grade))
                else:
                    add(Arrow(step, key, each.grade, claims=claims, claimed=claimed(short, each)))
            continue
        if isinstance(predicate, Supersede) and predicate.replacement:
            old, new = statement.artifact_digests()
            add(Arrow(key_of(old), key_of(new), None))
        for source in arrows:
            for made in arrows:
                if source.into and not made.into:
                    grade = min(source.grade, made.grade)
                    add(Arrow(key_of(source.artifact), key_of(made.artifact), grade))
    return found


def _circles(ways: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the nodes on circles, each with the number of its circle."""
    following: dict[str, list[str]] = {}
    alone = set[str]()
    for begin, end in ways:
        following.setdefault(begin, []).append(end)
        if begin == end:
            alone.add(begin)
    found = {node: number for number, part in enumerate(circles(following), 1) for node in part}
    return {**{node: -number for number, node in enumerate(sorted(alone), 2)}, **found}


def _kinds(history: History) -> dict[bytes, str]:
    """Return of which kind artifacts are registered here, first of all."""
    kinds: dict[bytes, str] = {}
    for event in history.events:
        if isinstance(event.statement.predicate, Described):
            for artifact in event.statement.artifact_digests()[:1]:
                kinds.setdefault(artifact, event.statement.kind)
    return kinds


def _unwalked(page: History, depth: int | None, *, onward: bool) -> set[bytes]:
    """Return the artifacts of a walk of whose statements not all are on the page, or none."""
    depths = {page.artifact: 0}
    for event in page.events:
        ends = ends_of(event.statement)
        for artifact in ends.made if onward else ends.sources:
            depths[artifact] = min(depths.get(artifact, event.depth + 1), event.depth + 1)
    last = max((event.depth for event in page.events), default=0)
    return {
        artifact
        for artifact, at in depths.items()
        if (depth is not None and at > depth) or (page.next_cursor is not None and at >= last)
    }
