"""The picture of a history: artifacts as boxes, steps between them, from left to right, as SVG.

::

    drawn = picture(
        ledger.history(ref, limit=200),
        ledger.descendants(ref, limit=200),
        link=lambda artifact: f"{root}/artifacts/{artifact.hex()}",
        entry=lambda index: f"{root}/entries/{index}",
        more=lambda more: …,  # see `More`
        opened=request.query_params.get("opened"),
    )

    {% from "picture.html" import drawn_history %}
    {{ drawn_history(drawn) }}

The page loads ``static/picture.css``, which takes its colours from the page. There is no script and
no inline style. Text is laid out here, where no font can be measured: widths are guessed with room
to spare, and what would still be wider is clipped.

The work and the markup are those of one page of statements: at most `folding.MOST` nodes and those
that complete the last step, some 50 kB with the longest names. How names are cut, lines laid and
many nodes folded: `layering` and `folding`; what is drawn: `sketch`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from api.pages.folding import folded
from api.pages.layering import Drawing, Line, Point, Size, draw
from api.pages.lettering import cut, fit
from api.pages.sketch import Arrow, Artifact, Beyond, Fold, Node, Run, Side, key_of, sketch
from provenance.lineage import Grade, History
from provenance.lineage.shown import shown

__all__ = ["Box", "Handle", "More", "Picture", "Text", "Wire", "picture"]

ARTIFACT: Final = Size(180, 52)
FLAG: Final = 15
"""By how much each flag makes an artifact's box higher."""
RUN: Final = Size(116, 44, odd=True)
FOLD: Final = 38
"""The height of a fold, which is as wide as what it holds."""

MARGIN: Final = 16
REACH: Final = 8
"""From a box's side to a handle."""
TIP: Final = 7
"""Of an arrow, beyond its line."""

TOLD: Final = 256
"""Characters of a name that are told anywhere: the middle of a longer one is left out."""


class More(NamedTuple):
    """What a link leads to that shows more: the picture of an artifact, and which.

    Attributes:
        artifact: its digest.
        history: cursor of the page of its history; None for the first one.
        descendants: cursor of the page of what was made of it.
        opened: the name of the fold to open in the picture at hand: same artifact, same cursors.
    """

    artifact: bytes
    history: str | None = None
    descendants: str | None = None
    opened: str | None = None


@dataclass(frozen=True)
class Text:
    """A line of text: its middle in a step or fold, its beginning in an artifact."""

    y: int
    style: str
    text: str


@dataclass(frozen=True)
class Box:
    """A node as it is drawn, from its upper left corner; `style` has classes of the style sheet."""

    x: int
    y: int
    width: int
    height: int
    style: str
    href: str
    title: str
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Handle:
    """At the side of an artifact, a link to what lies beyond; `reach` leads to it from the box."""

    x: int
    y: int
    width: int
    reach: str
    href: str
    title: str
    text: str


@dataclass(frozen=True)
class Wire:
    """The lines of one style; `marks` are where one of them closes a circle."""

    style: str
    paths: tuple[str, ...]
    marks: tuple[Point, ...]


@dataclass(frozen=True)
class Picture:
    """What the template draws.

    Attributes:
        width: in pixels.
        height: in pixels.
        label: what it shows, in a line.
        boxes: from left to right, and downwards.
        handles: at boxes.
        wires: by style, those beneath first.
        legend: (style, what it means) of the lines that there are.
        words: each arrow as a sentence.
        hidden: how many artifacts and steps are known and not drawn.
        close: leads to the picture without an open fold.
        at_end: the artifact in the middle stands at the right.
    """

    width: int
    height: int
    label: str
    boxes: Sequence[Box]
    handles: Sequence[Handle]
    wires: Sequence[Wire]
    legend: Sequence[tuple[str, str]]
    words: Sequence[str]
    hidden: int
    close: str | None
    at_end: bool


_STYLES: Final[dict[Grade | None, tuple[str, str]]] = {
    None: ("superseded", "superseded by"),
    Grade.DECLARED: ("declared", "declared: an end is not registered"),
    Grade.ATTESTED: ("attested", "attested"),
    Grade.REPRODUCED: ("reproduced", "reproduced by somebody else"),
    Grade.BROKEN: ("broken", "broken: revoked or superseded"),
}
"""Of lines, those beneath first."""


def picture(
    history: History,
    descendants: History | None = None,
    *,
    link: Callable[[bytes], str],
    entry: Callable[[int], str],
    more: Callable[[More], str],
    depth: int | None = None,
    opened: str | None = None,
) -> Picture:
    """Draw a page of an artifact's history, and one of its descendants.

    Args:
        history: of the artifact in the middle.
        descendants: of the same, or None to draw its history alone.
        link: returns the address of an artifact, by its digest of 32 bytes.
        entry: returns the address of an entry of the log.
        more: returns the address of what else there is to see.
        depth: that both were asked for; None for all.
        opened: the name of an open fold, as `More` gave it; whatever else it is means nothing.
    """
    middle = key_of(history.artifact)
    found = folded(sketch(history, descendants, depth=depth), middle, opened)
    arrows = [arrow for arrow in found.arrows if arrow.begin != arrow.end]
    drawing = draw(
        {key: _size(node) for key, node in found.nodes.items()},
        [Line(arrow.begin, arrow.end, soft=arrow.grade is None) for arrow in arrows],
    )
    across = MARGIN + max(map(_room, found.nodes.values()))
    corners = {
        key: (
            across + drawing.centres[key][0] - _size(node).width // 2,
            MARGIN + drawing.centres[key][1] - _size(node).height // 2,
        )
        for key, node in found.nodes.items()
    }

    def href(node: Node) -> str:
        match node:
            case Artifact():
                return link(node.digest)
            case Run():
                return entry(node.entry)
            case Fold():
                return more(More(history.artifact, opened=node.opens))

    boxes = [
        _box(node, corners[key], href(node), is_middle=key == middle)
        for key, node in found.nodes.items()
    ]
    joined: dict[str, set[Side]] = {key: set() for key in found.nodes}
    for arrow in found.arrows:
        joined[arrow.begin].add("made")
        joined[arrow.end].add("from")
    handles = [
        handle
        for key, node in found.nodes.items()
        if isinstance(node, Artifact)
        for handle in _handles(node, corners[key], joined[key], more)
    ]
    told = {key: _told(node) for key, node in found.nodes.items()}
    used = {arrow.grade for arrow in found.arrows}
    width = drawing.width + 2 * across
    return Picture(
        width=width,
        height=drawing.height + 2 * MARGIN,
        label=f"History of {told[middle]}: {len(boxes)} nodes, {len(found.arrows)} arrows",
        boxes=sorted(boxes, key=lambda box: (box.x + box.width // 2, box.y)),
        handles=sorted(handles, key=lambda handle: (handle.x, handle.y)),
        wires=[*_wires(arrows, drawing, across), *_loops(found.arrows, corners)],
        legend=[style for grade, style in _STYLES.items() if grade in used],
        words=[_sentence(arrow, told) for arrow in found.arrows],
        hidden=found.hidden,
        close=more(More(history.artifact)) if opened else None,
        at_end=corners[middle][0] + ARTIFACT.width > width * 2 // 3,
    )


# --- nodes ------------------------------------------------------------------------------------


def _flags(artifact: Artifact) -> list[str]:
    end = artifact.end
    return [
        *(["conflict"] if end.conflict else []),
        *(["revoked"] if end.revoked else []),
        *([] if end.superseded is None else [f"superseded by #{end.superseded}"]),
        *(["made of itself"] if artifact.circle else []),
    ]


def _kind(artifact: Artifact) -> str:
    return artifact.kind or ("artifact" if artifact.is_registered else "unregistered")


def _size(node: Node) -> Size:
    match node:
        case Artifact():
            return Size(ARTIFACT.width, ARTIFACT.height + FLAG * len(_flags(node)))
        case Run():
            return RUN
        case Fold():
            return Size(RUN.width if node.runs else ARTIFACT.width, FOLD, odd=node.runs)


def _told(node: Node) -> str:
    """Return how a node is named in a sentence."""
    match node:
        case Artifact():
            return f"{cut(shown(node.name), 60)} {node.digest.hex()[:12]}"
        case Run():
            return f"step {cut(shown(node.name), 60)} #{node.entry}"
        case Fold():
            what = "steps" if node.runs else "artifacts"
            return f"{node.count} {'earlier' if node.earlier else 'more'} {what}"


def _box(node: Node, corner: Point, href: str, *, is_middle: bool) -> Box:
    size = _size(node)

    def box(style: str, title: str, *texts: Text) -> Box:
        return Box(*corner, size.width, size.height, style, href, title, texts)

    match node:
        case Artifact():
            name, digest = shown(node.name), node.digest.hex()[:12]
            flags = _flags(node)
            short = digest if node.is_registered else digest[:8]
            style = "artifact" + (" unregistered" if not node.is_registered else "")
            return box(
                style + (" troubled" if flags else "") + (" middle" if is_middle else ""),
                ", ".join([f"{cut(name, TOLD)} {digest}", _kind(node), *flags]),
                Text(22, "name", fit(name, size.width - 24)),
                Text(39, "", f"{_kind(node)} · {short}"),
                *(
                    Text(39 + FLAG * (number + 1), "flag", flag)
                    for number, flag in enumerate(flags)
                ),
            )
        case Run():
            name = shown(node.name)
            state = "failed" if node.failed else "signature revoked" if node.revoked else ""
            trouble = f" · {'revoked' if node.revoked and not node.failed else state}"
            return box(
                "run" + (" troubled" if state else ""),
                ", ".join(filter(None, [f"step {cut(name, TOLD)} #{node.entry}", state])),
                Text(19, "name", fit(name, size.width - 28)),
                Text(35, "flag" if state else "", f"#{node.entry}{trouble if state else ''}"),
            )
        case Fold():
            word = "earlier" if node.earlier else "more"
            what = "steps" if node.runs else "artifacts"
            trouble = f", {node.troubled} of them in trouble" if node.troubled else ""
            return box(
                "fold" + (" troubled" if node.troubled else ""),
                f"Show {node.count} {word} {what}{trouble}",
                Text(23, "name", f"{node.count} {word} {what}"),
            )


def _handles(
    node: Artifact, corner: Point, joined: Container[Side], more: Callable[[More], str]
) -> Iterator[Handle]:
    """Yield what leads beyond an artifact: to the left what it was made from, else to the right.

    Args:
        node: the artifact.
        corner: of its box.
        joined: the sides where lines are: there the handle sits on the lower edge.
        more: as for `picture`.
    """
    (left, top), right = corner, corner[0] + ARTIFACT.width
    for beyond in node.beyond:
        width, y = _handle_width(beyond), top + ARTIFACT.height // 2
        if beyond.side == "from":
            x, reach = left - REACH - width, f"M{left},{y}H{left - REACH}"
            what, to = "what it was made from", More(node.digest, history=beyond.cursor)
        else:
            x, reach = right + REACH, f"M{right},{y}H{right + REACH}"
            what, to = "what was made of it", More(node.digest, descendants=beyond.cursor)
        if beyond.side in joined:
            x, reach = left + 12 if beyond.side == "from" else right - 12 - width, ""
            y = top + _size(node).height
        known = f", {beyond.count} known here" if beyond.count else ""
        title = f"More of {_told(node)}: {what}{known}"
        yield Handle(x, y, width, reach, more(to), title, _handle_text(beyond))


def _handle_text(beyond: Beyond) -> str:
    return f"+{beyond.count}" if beyond.count else "+"


def _handle_width(beyond: Beyond) -> int:
    return 13 + 8 * len(_handle_text(beyond))


def _room(node: Node) -> int:
    """Return how much room the handles of a node take at its sides."""
    beyond = node.beyond if isinstance(node, Artifact) else ()
    return max((REACH + _handle_width(each) for each in beyond), default=0)


# --- arrows -----------------------------------------------------------------------------------


def _sentence(arrow: Arrow, told: dict[str, str]) -> str:
    begin, end = told[arrow.begin], told[arrow.end]
    if arrow.grade is None:
        return f"{begin} is superseded by {end}"
    verb = "went into" if arrow.end.startswith("s") else "made"
    circle = ", on a circle" if arrow.circle else ""
    return f"{begin} {verb} {end}: {arrow.grade}{circle}"


def _wires(arrows: Sequence[Arrow], drawing: Drawing, across: int) -> Iterator[Wire]:
    for grade, (style, _) in _STYLES.items():
        chosen = [at for at, arrow in enumerate(arrows) if arrow.grade is grade]
        paths, marks = [], []
        for at in chosen:
            route = [(x + across, y + MARGIN) for x, y in drawing.routes[at]]
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


def _loops(arrows: Sequence[Arrow], corners: dict[str, Point]) -> Iterator[Wire]:
    """Yield the lines of artifacts that are said to be their own outputs: over their upper edge."""
    for arrow in arrows:
        if arrow.begin == arrow.end:
            x, y = corners[arrow.begin]
            middle = x + ARTIFACT.width // 2
            path = f"M{middle + 30},{y}C{middle + 30},{y - 16} {middle - 30},{y - 16}"
            style = _STYLES[arrow.grade][0]
            yield Wire(style, (f"{path} {middle - 30},{y - TIP}",), ((middle, y - 9),))
