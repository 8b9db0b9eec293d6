"""The lines of a picture: their styles, their paths in SVG, and what they say in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from api.pages.picture.boxes import ARTIFACT, told
from api.pages.picture.layering import Drawing, Point
from api.pages.picture.lettering import cut
from api.pages.picture.sketch import Arrow, Fold, Node, Run
from provenance.lineage import Grade

__all__ = [
    "STYLES",
    "Label",
    "Wire",
    "label_of",
    "labels_of",
    "loops_of",
    "room_for",
    "sentence",
    "wires_of",
]

TIP: Final = 7
"""Of an arrow, beyond its line."""

STYLES: Final[dict[Grade | None, tuple[str, str]]] = {
    None: ("superseded", "superseded by"),
    Grade.DECLARED: ("declared", "declared: an end is not registered"),
    Grade.ATTESTED: ("attested", "attested"),
    Grade.REPRODUCED: ("reproduced", "reproduced by somebody else"),
    Grade.BROKEN: ("broken", "broken: revoked or superseded"),
}
"""Of lines, those beneath first."""


@dataclass(frozen=True)
class Wire:
    """The lines of one style.

    Attributes:
        style: its name.
        paths: of the lines.
        crosses: on each, where it is broken.
        turns: where lines close circles.
    """

    style: str
    paths: tuple[str, ...]
    crosses: tuple[Point, ...]
    turns: tuple[Point, ...]


class Label(NamedTuple):
    """A text that ends at a point."""

    x: int
    y: int
    text: str


def sentence(arrow: Arrow, nodes: Mapping[str, Node]) -> str:
    """Return what an arrow says."""
    begin, end = told(nodes[arrow.begin]), told(nodes[arrow.end])
    if arrow.grade is None:
        return f"{begin} is superseded by {end}"
    match nodes[arrow.end]:
        case Run() | Fold(runs=True):
            verb = "went into"
        case _:
            verb = "made"
    circle = ", on a circle" if arrow.circle else ""
    claim = f"; {arrow.claimed}" if arrow.claimed else ""
    return f"{begin} {verb} {end}: {arrow.grade}{circle}{claim}"


def label_of(arrow: Arrow) -> str:
    """Return what is written at an arrow: what its step claims of records."""
    return cut(", ".join(arrow.claims), 24)


def room_for(label: str) -> int:
    """Return how long a line is beneath its label."""
    return 6 * len(label) + 12 if label else 0


def labels_of(arrows: Sequence[Arrow], drawing: Drawing, shift: Point) -> Iterator[Label]:
    """Yield what is written at the ends of lines."""
    for at, arrow in enumerate(arrows):
        if (label := label_of(arrow)) and at not in drawing.against:
            x, y = drawing.routes[at][-1]
            yield Label(x + shift[0] - TIP - 4, y + shift[1] - 5, label)


def wires_of(arrows: Sequence[Arrow], drawing: Drawing, shift: Point) -> Iterator[Wire]:
    """Yield the lines of each style, in a drawing of these arrows that is shifted on the sheet."""
    for grade, (style, _) in STYLES.items():
        chosen = [at for at, arrow in enumerate(arrows) if arrow.grade is grade]
        paths, crosses, turns = [], [], []
        for at in chosen:
            route = [(x + shift[0], y + shift[1]) for x, y in drawing.routes[at]]
            paths.append(_path(route))
            if grade is Grade.BROKEN:
                crosses.append(_between(*route[-3:-1]))
            if at in drawing.against and arrows[at].circle:
                turns.append(_between(*route[1:3]))
        if chosen:
            yield Wire(style, tuple(paths), tuple(crosses), tuple(turns))


def _between(one: Point, other: Point) -> Point:
    return (one[0] + other[0]) // 2, (one[1] + other[1]) // 2


def _path(route: Sequence[Point]) -> str:
    """Return an SVG path: curves between the level pieces, and room for the tip at the end."""
    *points, (near, _), (last, level) = route
    if last > route[0][0]:
        points += [(min(near, last - TIP), level), (last - TIP, level)]
    else:
        points += [(max(near, last + TIP), level), (last + TIP, level)]
    pen = points[0]
    path = f"M{pen[0]},{pen[1]}"
    for at in range(1, len(points), 2):
        x, y = points[at]
        end, below = points[at + 1] if at + 1 < len(points) else (x, y)
        if below == y and at + 1 < len(points):
            continue  # straight on, as far as it goes
        if x != pen[0]:
            path += f"H{x}"
        if below != y:
            middle = (x + end) // 2
            path += f"C{middle},{y} {middle},{below} {end},{below}"
        pen = end, below
    return path


def loops_of(arrows: Sequence[Arrow], corners: dict[str, Point]) -> Iterator[Wire]:
    """Yield the lines of artifacts that are said to be their own outputs: over their upper edge."""
    for arrow in arrows:
        if arrow.begin == arrow.end:
            x, y = corners[arrow.begin]
            middle = x + ARTIFACT.width // 2
            path = f"M{middle + 30},{y}C{middle + 30},{y - 16} {middle - 30},{y - 16}"
            style = STYLES[arrow.grade][0]
            yield Wire(style, (f"{path} {middle - 30},{y - TIP}",), (), ((middle, y - 9),))
