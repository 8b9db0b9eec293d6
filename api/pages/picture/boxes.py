"""The boxes of a picture: what is written in them, how large they are, and where they lead.

Text is laid out where no font can be measured: widths are guessed with room to spare, and what
would still be wider is clipped. Lengths are pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from api.pages.picture.layering import Point, Size
from api.pages.picture.lettering import cut, fit
from api.pages.picture.sketch import NAMED, Artifact, Beyond, Fold, Node, Run, Side, key_of
from api.pages.wording import VERDICTS
from provenance.lineage.shown import shown

__all__ = [
    "ARTIFACT",
    "Box",
    "Handle",
    "More",
    "Text",
    "box_of",
    "handles_of",
    "room_beside",
    "size_of",
    "told",
]

ARTIFACT: Final = Size(172, 52)

FLAG: Final = 15
"""By how much each flag makes an artifact's box higher."""

RUN: Final = Size(120, 44, odd=True)

FOLD: Final = 38
"""The height of a fold, which is as wide as what it holds."""

REACH: Final = 8
"""From a box's side to a handle."""

TOLD: Final = 256
"""Characters of a name that are told anywhere: the middle of a longer one is left out."""


class More(NamedTuple):
    """What a link leads to that shows more: the picture of an artifact, and which.

    Attributes:
        artifact: its digest.
        history: cursor of the page of its history; None for the first one.
        descendants: cursor of the page of what was made of it.
        opened: what to open in the picture at hand, of the same artifact and the same cursors: a
            fold by its name, or by its key an artifact, at which the picture then begins.
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
    """A node as it is drawn, from its upper left corner.

    Attributes:
        x: of the corner.
        y: of the corner.
        width: of the box.
        height: of the box.
        style: classes of the style sheet, without their prefix.
        href: where it leads; None for what is not registered, and has no page.
        title: its accessible name.
        texts: what is written in it.
    """

    x: int
    y: int
    width: int
    height: int
    style: str
    href: str | None
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


_STYLES: Final = {VERDICTS["approve"]: ""}
"""Of flags that do not say that somebody should look."""


def _flags(artifact: Artifact) -> list[str]:
    end = artifact.end
    return [
        *(["conflict"] if end.conflict else []),
        *(["revoked"] if end.revoked else []),
        *([] if end.superseded is None else [f"superseded by #{end.superseded}"]),
        *([VERDICTS[artifact.verdict]] if artifact.verdict else []),
        *(["made of itself"] if artifact.circle else []),
    ]


def _kind(artifact: Artifact) -> str:
    return artifact.kind or ("artifact" if artifact.is_registered else "unregistered")


def size_of(node: Node) -> Size:
    """Return how large a node is drawn."""
    match node:
        case Artifact():
            return Size(ARTIFACT.width, ARTIFACT.height + FLAG * len(_flags(node)))
        case Run():
            return RUN
        case Fold():
            return Size(RUN.width if node.runs else ARTIFACT.width, FOLD, odd=node.runs)


def told(node: Node) -> str:
    """Return how a node is named in a sentence."""
    match node:
        case Artifact():
            return f"{cut(shown(node.name), NAMED)} {node.digest.hex()[:12]}"
        case Run():
            return f"step {cut(shown(node.name), NAMED)} #{node.entry}"
        case Fold():
            what = "steps" if node.runs else "artifacts"
            return f"{node.count} {'earlier' if node.earlier else 'more'} {what}"


def box_of(node: Node, corner: Point, href: str | None, *, is_middle: bool) -> Box:
    """Return a node's box, whose upper left corner stands there; `is_middle` makes it stand out."""
    size = size_of(node)

    def box(style: str, title: str, *texts: Text) -> Box:
        return Box(*corner, size.width, size.height, style, href, title, texts)

    match node:
        case Artifact():
            name, digest = shown(node.name), node.digest.hex()[:12]
            flags = _flags(node)
            short = digest if node.is_registered else digest[:8]
            style = "artifact" + (" unregistered" if not node.is_registered else "")
            style += " troubled" if node.is_troubled else ""
            return box(
                style + (" middle" if is_middle else ""),
                ", ".join([f"{cut(name, TOLD)} {digest}", _kind(node), *flags]),
                Text(22, "name", fit(name, size.width - 24)),
                Text(39, "", f"{_kind(node)} · {short}"),
                *(
                    Text(39 + FLAG * (number + 1), _STYLES.get(flag, "flag"), flag)
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


def handles_of(
    node: Artifact,
    corner: Point,
    joined: Container[Side],
    about: bytes,
    more: Callable[[More], str],
) -> Iterator[Handle]:
    """Yield what leads beyond an artifact: to the left what it was made from, else to the right.

    What is not registered has no page: only what is known of it here is shown, in this picture.

    Args:
        node: the artifact.
        corner: of its box.
        joined: the sides where lines are: there the handle sits on the lower edge.
        about: the artifact that the pages are about.
        more: as for `picture`.
    """
    (left, top), right = corner, corner[0] + ARTIFACT.width
    for beyond in _leading(node):
        width, y = _handle_width(beyond), top + ARTIFACT.height // 2
        if beyond.side == "from":
            x, reach = left - REACH - width, f"M{left},{y}H{left - REACH}"
            what, to = "what it was made from", More(node.digest, history=beyond.cursor)
        else:
            x, reach = right + REACH, f"M{right},{y}H{right + REACH}"
            what, to = "what was made of it", More(node.digest, descendants=beyond.cursor)
        if beyond.side in joined:
            x, reach = left + 12 if beyond.side == "from" else right - 12 - width, ""
            y = top + size_of(node).height
        if not node.is_registered:
            to = More(about, opened=key_of(node.digest))
        known = f", {beyond.count} known here" if beyond.count else ""
        title = f"More of {told(node)}: {what}{known}"
        yield Handle(x, y, width, reach, more(to), title, _handle_text(beyond))


def _handle_text(beyond: Beyond) -> str:
    return f"+{beyond.count}" if beyond.count else "+"


def _handle_width(beyond: Beyond) -> int:
    return 13 + 8 * len(_handle_text(beyond))


def room_beside(node: Node) -> int:
    """Return how much room the handles of a node take at its sides."""
    beyond = _leading(node) if isinstance(node, Artifact) else []
    return max((REACH + _handle_width(each) for each in beyond), default=0)


def _leading(node: Artifact) -> list[Beyond]:
    return [each for each in node.beyond if node.is_registered or each.count]
