"""The lines of a picture: their styles, their paths in SVG, and what they say in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from api.pages.picture.boxes import ARTIFACT, told
from api.pages.picture.layering import Drawing, Point
from api.pages.picture.sketch import Arrow, Fold, Node, Run
from provenance.lineage import Grade

__all__ = ["STYLES", "Wire", "loops_of", "sentence", "wires_of"]

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
    """The lines of one style; `marks` are where one of them closes a circle."""

    style: str
    paths: tuple[str, ...]
    marks: tuple[Point, ...]


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
    return f"{begin} {verb} {end}: {arrow.grade}{circle}"


def wires_of(arrows: Sequence[Arrow], drawing: Drawing, shift: Point) -> Iterator[Wire]:
    """Yield the lines of each style, in a drawing of these arrows that is shifted on the sheet."""
    for grade, (style, _) in STYLES.items():
        chosen = [at for at, arrow in enumerate(arrows) if arrow.grade is grade]
        paths, marks = [], []
        for at in chosen:
            route = [(x + shift[0], y + shift[1]) for x, y in drawing.routes[at]]
            paths.append(_path(route))
            if at in drawing.against and arrows[at].circle:
                (left, top), (right, bottom) = route[1:3]
                marks.append(((left + right) // 2, (top + bottom) // 2))
        if chosen:
            yield Wire(style, tuple(paths), tuple(marks))


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
            yield Wire(style, (f"{path} {middle - 30},{y - TIP}",), ((middle, y - 9),))
