"""A layered drawing of a directed graph, left to right: where each node stands, how lines run.

After Sugiyama, Tagawa and Toda (1981):

1. lines that close a circle are turned round; a depth-first search finds them;
2. each node gets a layer by the longest path to it, and moves to where its lines are short;
3. lines longer than a layer bend in each that they pass, and `crossing` puts each layer in order;
4. `levelling` says how high all stands.

Lengths are pixels, and y grows downwards. The same nodes and lines in the same order always give
the same drawing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from api.pages.picture.crossing import Joined, Node, Rows, ordered
from api.pages.picture.levelling import BEND, heights

__all__ = ["Drawing", "Line", "Point", "Size", "draw"]

NEAR, FAR = 42, 136
"""Between two layers: the least, and the most, where lines climb far. Half, where one is empty."""

ASIDE = 9
"""How far below the middle a line runs that leads from right to left."""

Point = tuple[int, int]


@dataclass(frozen=True)
class Size:
    """Of a node.

    Attributes:
        width: in pixels.
        height: in pixels.
        odd: it stands in an odd layer, others in even ones; so each layer holds one sort of node.
    """

    width: int
    height: int
    odd: bool = False


@dataclass(frozen=True)
class Line:
    """From a node to another one.

    Attributes:
        begin: a node.
        end: a node.
        soft: where it would close a circle, it gives way, and runs from right to left.
        room: how far it runs level before its end, in pixels; not from right to left.
    """

    begin: str
    end: str
    soft: bool = False
    room: int = 0


@dataclass(frozen=True)
class Drawing:
    """Where all stands.

    Attributes:
        width: of all, in pixels.
        height: of all, in pixels.
        layers: node → its layer, from 0.
        centres: node → its middle.
        routes: of each line, in order, from where it leaves a node to where it reaches the other:
            level from the first point to the second, curved to the third, level to the fourth, …
        against: the numbers of the lines that run from right to left.
    """

    width: int
    height: int
    layers: Mapping[str, int]
    centres: Mapping[str, Point]
    routes: Sequence[Sequence[Point]]
    against: frozenset[int]


def draw(nodes: Mapping[str, Size], lines: Sequence[Line]) -> Drawing:
    """Draw nodes and lines; the order of `nodes` decides where nothing else does.

    Precondition: no line leads from a node to itself.
    """
    against = _turned(nodes, lines)
    ways = [
        (line.end, line.begin) if at in against else (line.begin, line.end)
        for at, line in enumerate(lines)
    ]
    layers = _layers(nodes, ways)
    rows: Rows = [[] for _ in range(1 + max(layers.values(), default=0))]
    for node, layer in layers.items():
        rows[layer].append(node)
    chains: list[list[Node]] = []
    for at, (begin, end) in enumerate(ways):
        bends = [(at, layer) for layer in range(layers[begin] + 1, layers[end])]
        for bend in bends:
            rows[bend[1]].append(bend)
        chains.append([begin, *bends, end])
    before: Joined = {node: [] for row in rows for node in row}
    after: Joined = {node: [] for row in rows for node in row}
    for chain in chains:
        for left, right in pairwise(chain):
            after[left].append(right)
            before[right].append(left)

    rows = ordered(rows, before, after)
    tall = {node: nodes[node].height if isinstance(node, str) else BEND for node in before}
    ys = heights(rows, before, after, tall)
    widths = [
        max((nodes[node].width for node in row if isinstance(node, str)), default=0) for row in rows
    ]
    rooms = [0] * len(rows)
    for at, line in enumerate(lines):
        if at not in against:
            rooms[layers[line.end]] = max(rooms[layers[line.end]], line.room)
    lefts = [0]
    for layer, row in enumerate(rows[:-1], 1):
        climb = max((abs(ys[one] - ys[other]) for one in row for other in after[one]), default=0)
        least = NEAR if widths[layer - 1] and widths[layer] else NEAR // 2
        gap = min(max(least, climb // 4), FAR) + rooms[layer]
        lefts.append(lefts[-1] + widths[layer - 1] + gap)
    centres = {
        node: (lefts[layer] + widths[layer] // 2, ys[node]) for node, layer in layers.items()
    }

    def route(at: int) -> list[Point]:
        aside = ASIDE if at in against else 0
        points = []
        for node in chains[at]:
            layer = layers[node] if isinstance(node, str) else node[1]
            ends = [lefts[layer], lefts[layer] + widths[layer]]
            if node == chains[at][0]:
                ends[0] = centres[str(node)][0] + nodes[str(node)].width // 2
            elif node == chains[at][-1]:
                ends[0] -= 0 if at in against else lines[at].room
                ends[1] = centres[str(node)][0] - nodes[str(node)].width // 2
            points += [(x, ys[node] + aside) for x in ends]
        return points[::-1] if at in against else points

    return Drawing(
        width=lefts[-1] + widths[-1],
        height=max((ys[node] + tall[node] - tall[node] // 2 for node in ys), default=0),
        layers=layers,
        centres=centres,
        routes=[route(at) for at in range(len(lines))],
        against=against,
    )


def _turned(nodes: Iterable[str], lines: Sequence[Line]) -> frozenset[int]:
    """Return the numbers of lines without which, or with them turned round, there is no circle."""
    following: dict[str, list[tuple[int, str]]] = {node: [] for node in nodes}
    entered = set[str]()
    for at, line in enumerate(lines):
        if not line.soft:
            following[line.begin].append((at, line.end))
            entered.add(line.end)
    turned = set[int]()
    left, passed = set[str](), set[str]()
    for first in sorted(following, key=entered.__contains__):  # from where nothing leads to
        if first in passed:
            continue
        passed.add(first)
        stack = [(first, iter(following[first]))]
        while stack:
            node, ways = stack[-1]
            for at, other in ways:
                if other not in passed:
                    passed.add(other)
                    stack.append((other, iter(following[other])))
                    break
                if other not in left:
                    turned.add(at)
            else:
                stack.pop()
                left.add(node)
    onward = {
        node: [lines[at].begin if at in turned else other for at, other in ways if at not in turned]
        for node, ways in following.items()
    }
    for at in turned:
        onward[lines[at].end].append(lines[at].begin)
    for at, line in enumerate(lines):
        if line.soft and _leads(line.end, line.begin, onward):
            turned.add(at)
            onward[line.end].append(line.begin)
        elif line.soft:
            onward[line.begin].append(line.end)
    return frozenset(turned)


def _leads(begin: str, end: str, following: Mapping[str, Sequence[str]]) -> bool:
    passed, stack = {begin}, [begin]
    while stack:
        node = stack.pop()
        if node == end:
            return True
        new = [other for other in following[node] if other not in passed]
        passed.update(new)
        stack += new
    return False


def _layers(nodes: Mapping[str, Size], ways: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the layer of each node: every way leads to a later one."""
    before: dict[str, list[str]] = {node: [] for node in nodes}
    after: dict[str, list[str]] = {node: [] for node in nodes}
    for begin, end in ways:
        after[begin].append(end)
        before[end].append(begin)

    def apart(one: str, other: str) -> int:
        return 2 if nodes[one].odd == nodes[other].odd else 1

    order = _topological(before, after)
    layers: dict[str, int] = {}
    for node in order:
        first = int(nodes[node].odd)
        layers[node] = max((layers[one] + apart(one, node) for one in before[node]), default=first)
    for _ in range(2):
        for node in reversed(order):
            if after[node] and len(after[node]) >= len(before[node]):
                layers[node] = min(layers[one] - apart(node, one) for one in after[node])
        for node in order:
            if len(before[node]) > len(after[node]):
                layers[node] = max(layers[one] + apart(one, node) for one in before[node])
    first = min(layers.values(), default=0) // 2 * 2
    return {node: layers[node] - first for node in nodes}


def _topological(
    before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]
) -> list[str]:
    missing = {node: len(ones) for node, ones in before.items()}
    order = [node for node, count in missing.items() if count == 0]
    for node in order:
        for other in after[node]:
            missing[other] -= 1
            if missing[other] == 0:
                order.append(other)
    return order
