"""A picture as a whole: what the template is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from api.pages.picture.boxes import (
    ARTIFACT,
    Box,
    Handle,
    More,
    box_of,
    handles_of,
    room_beside,
    size_of,
    told,
)
from api.pages.picture.folding import folded
from api.pages.picture.layering import Line, draw
from api.pages.picture.sketch import Artifact, Fold, Node, Run, Side, key_of, sketch
from api.pages.picture.wiring import (
    STYLES,
    Label,
    Wire,
    label_of,
    labels_of,
    loops_of,
    room_for,
    sentence,
    wires_of,
)
from provenance.lineage import History
from provenance.statements import Verdict

__all__ = ["Picture", "picture"]

MARGIN: Final = 20


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
        labels: of lines.
        legend: (style, what it means) of the lines that there are.
        words: each arrow as a sentence.
        hidden: how many artifacts and steps are known and not drawn.
        close: leads to the picture in which nothing is open; None for that one.
        turns: some line closes a circle.
        begin: where the node in the middle is, from the left.
        at_end: that is far to the right.
    """

    width: int
    height: int
    label: str
    boxes: Sequence[Box]
    handles: Sequence[Handle]
    wires: Sequence[Wire]
    labels: Sequence[Label]
    legend: Sequence[tuple[str, str]]
    words: Sequence[str]
    hidden: int
    close: str | None
    turns: bool
    begin: int
    at_end: bool


def picture(
    history: History,
    descendants: History | None = None,
    *,
    link: Callable[[bytes], str],
    entry: Callable[[int], str],
    more: Callable[[More], str],
    kinds: Callable[[Sequence[int]], Mapping[int, str]],
    verdicts: Callable[[Iterable[bytes]], Mapping[bytes, Verdict]],
    depth: int | None = None,
    opened: str | None = None,
) -> Picture:
    """Draw a page of an artifact's history, and one of its descendants.

    Args:
        history: of the artifact in the middle.
        descendants: of the same, or None to draw its history alone.
        link: returns the address of a registered artifact, by its digest of 32 bytes.
        entry: returns the address of an entry of the log.
        more: returns the address of what else there is to see.
        kinds: returns the kinds of the statements at entries: of registrations that are on neither
            page, those of what is drawn.
        verdicts: returns the newest verdicts on artifacts.
        depth: that both were asked for; None for all.
        opened: what is open, as `More` gave it; whatever else it is means nothing.
    """
    whole = sketch(history, descendants, verdicts=verdicts, depth=depth)
    middle = opened if opened and opened in whole.nodes else key_of(history.artifact)
    found = folded(whole, middle, opened)
    nodes = _of_kinds(found.nodes, kinds)
    arrows = [arrow for arrow in found.arrows if arrow.begin != arrow.end]
    drawing = draw(
        {key: size_of(node) for key, node in nodes.items()},
        [
            Line(arrow.begin, arrow.end, arrow.grade is None, room_for(label_of(arrow)))
            for arrow in arrows
        ],
    )
    across = MARGIN + max(map(room_beside, nodes.values()))
    corners = {
        key: (
            across + drawing.centres[key][0] - size_of(node).width // 2,
            MARGIN + drawing.centres[key][1] - size_of(node).height // 2,
        )
        for key, node in nodes.items()
    }

    def href(node: Node) -> str | None:
        match node:
            case Artifact():
                return link(node.digest) if node.is_registered else None
            case Run():
                return entry(node.entry)
            case Fold():
                return more(More(history.artifact, opened=node.opens))

    boxes = [
        box_of(node, corners[key], href(node), is_middle=key == middle)
        for key, node in nodes.items()
    ]
    joined: dict[str, set[Side]] = {key: set() for key in nodes}
    for arrow in found.arrows:
        joined[arrow.begin].add("made")
        joined[arrow.end].add("from")
    handles = [
        handle
        for key, node in nodes.items()
        if isinstance(node, Artifact)
        for handle in handles_of(node, corners[key], joined[key], history.artifact, more)
    ]
    used = {arrow.grade for arrow in found.arrows}
    width = drawing.width + 2 * across
    wires = [*wires_of(arrows, drawing, (across, MARGIN)), *loops_of(found.arrows, corners)]
    begin = corners[middle][0] + ARTIFACT.width // 2
    return Picture(
        width=width,
        height=drawing.height + 2 * MARGIN,
        label=f"History of {told(nodes[middle])}: {len(boxes)} nodes, {len(found.arrows)} arrows",
        boxes=sorted(boxes, key=lambda box: (box.x + box.width // 2, box.y)),
        handles=sorted(handles, key=lambda handle: (handle.x, handle.y)),
        wires=wires,
        labels=[*labels_of(arrows, drawing, (across, MARGIN))],
        legend=[style for grade, style in STYLES.items() if grade in used],
        words=[sentence(arrow, nodes) for arrow in found.arrows],
        hidden=found.hidden,
        close=more(More(history.artifact)) if opened else None,
        turns=any(wire.turns for wire in wires),
        begin=begin,
        at_end=begin > width * 2 // 3,
    )


def _of_kinds(
    nodes: Mapping[str, Node], kinds: Callable[[Sequence[int]], Mapping[int, str]]
) -> dict[str, Node]:
    """Return the nodes with the kinds of all that is registered."""
    missing = {
        key: node
        for key, node in nodes.items()
        if isinstance(node, Artifact) and node.kind is None and node.is_registered
    }
    entries = {key: node.end.registered or 0 for key, node in missing.items()}
    found = kinds(sorted(entries.values()))
    named = {key: replace(node, kind=found.get(entries[key])) for key, node in missing.items()}
    return {**nodes, **named}
