"""A layered drawing of a directed graph, left to right: where each node stands, how lines run.

After Sugiyama, Tagawa and Toda (1981), in four parts:

1. lines that close a circle are turned round; a depth-first search finds them;
2. each node gets a layer by the longest path to it, and moves to where its lines are short;
3. lines longer than a layer bend in each layer that they cross; barycentres, and swaps of
   neighbours, put each layer in an order with few crossings. Sweeps are bounded, and the best order
   that they met counts, the given one among them;
4. heights by Brandes and Köpf (2001): long lines run straight, and what is joined is level. In
   place of their compaction, of which errors are known, a longest path among blocks.

Lengths are pixels, and y grows downwards. The same nodes and lines in the same order always give
the same drawing.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Drawing", "Line", "Point", "Size", "crossings", "draw"]

SWEEPS = 12
"""Through all layers, there and back, for an order with few crossings."""

GAP = 20
"""Between two boxes of a layer."""

BEND = 10
"""Height of a line where it crosses a layer."""

NEAR, FAR = 48, 136
"""Between two layers: the least, and the most, where lines climb far."""

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
    """

    begin: str
    end: str
    soft: bool = False


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


_Node = str | tuple[int, int]
"""A node, or the bend of a line (its number) in a layer."""

_Rows = list[list[_Node]]

_Joined = dict[_Node, list[_Node]]


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
    rows: _Rows = [[] for _ in range(1 + max(layers.values(), default=0))]
    for node, layer in layers.items():
        rows[layer].append(node)
    chains: list[list[_Node]] = []
    for at, (begin, end) in enumerate(ways):
        bends = [(at, layer) for layer in range(layers[begin] + 1, layers[end])]
        for bend in bends:
            rows[bend[1]].append(bend)
        chains.append([begin, *bends, end])
    before: _Joined = {node: [] for row in rows for node in row}
    after: _Joined = {node: [] for row in rows for node in row}
    for chain in chains:
        for left, right in pairwise(chain):
            after[left].append(right)
            before[right].append(left)

    rows = _ordered(rows, before, after)
    heights = {node: nodes[node].height if isinstance(node, str) else BEND for node in before}
    ys = _heights(rows, before, after, heights)
    widths = [
        max((nodes[node].width for node in row if isinstance(node, str)), default=0) for row in rows
    ]
    lefts = [0]
    for row, width in zip(rows[:-1], widths, strict=False):
        climb = max((abs(ys[one] - ys[other]) for one in row for other in after[one]), default=0)
        lefts.append(lefts[-1] + width + min(max(NEAR, climb // 4), FAR))
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
                ends[1] = centres[str(node)][0] - nodes[str(node)].width // 2
            points += [(x, ys[node] + aside) for x in ends]
        return points[::-1] if at in against else points

    return Drawing(
        width=lefts[-1] + widths[-1],
        height=max((ys[node] + heights[node] - heights[node] // 2 for node in ys), default=0),
        layers=layers,
        centres=centres,
        routes=[route(at) for at in range(len(lines))],
        against=against,
    )


# --- layers -----------------------------------------------------------------------------------


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


# --- order ------------------------------------------------------------------------------------


def crossings(rows: _Rows, after: _Joined) -> int:
    """Return how often lines cross, between all layers."""
    return sum(_crossings(right, {n: after[n] for n in left}) for left, right in pairwise(rows))


def _crossings(row: Sequence[_Node], joined: _Joined) -> int:
    """Return how often the lines cross from nodes, in order, to those of a row."""
    places = {node: place for place, node in enumerate(row)}
    passed: list[int] = []
    found = 0
    for others in joined.values():
        ends = [places[other] for other in others]
        found += sum(len(passed) - bisect_right(passed, end) for end in ends)
        for end in ends:
            insort(passed, end)
    return found


def _ordered(rows: _Rows, before: _Joined, after: _Joined) -> _Rows:
    """Return the rows in an order with few crossings: not more than they have as given."""
    best, fewest = rows, crossings(rows, after)
    for start in (rows, _by_search(rows, before, after)):
        rows = [list(row) for row in start]
        for sweep in range(SWEEPS):
            count = crossings(rows, after)
            if count < fewest or (count == fewest and sweep == 0):
                best, fewest = [list(row) for row in rows], count
            if fewest == 0:
                return best
            _sweep(rows, before if sweep % 2 == 0 else after, onward=sweep % 2 == 0)
            _swap(rows, before, after)
    return best


def _by_search(rows: _Rows, before: _Joined, after: _Joined) -> _Rows:
    """Return the rows as a search along the lines passes the nodes: of a tree, without crossing."""
    found: dict[_Node, int] = {}
    for begin in (node for row in rows for node in row):
        stack = [begin]
        while stack:
            node = stack.pop()
            if node not in found:
                found[node] = len(found)
                stack += reversed([*before[node], *after[node]])
    return [sorted(row, key=found.__getitem__) for row in rows]


def _sweep(rows: _Rows, fixed: _Joined, *, onward: bool) -> None:
    """Sort each row by the barycentres of its neighbours in the row before; or after."""
    places: dict[_Node, int] = {}
    for at in range(len(rows)) if onward else reversed(range(len(rows))):
        row = rows[at]
        centres = {
            node: sum(places[other] for other in fixed[node]) / len(fixed[node])
            for node in row
            if fixed[node]
        }
        moved = iter(sorted(centres, key=centres.__getitem__))
        rows[at] = [next(moved) if node in centres else node for node in row]
        places.update({node: place for place, node in enumerate(rows[at])})


def _swap(rows: _Rows, before: _Joined, after: _Joined) -> None:
    """Swap neighbours where this removes crossings, in one pass."""
    places = {node: place for row in rows for place, node in enumerate(row)}
    for row in rows:
        for at in range(len(row) - 1):
            one, other = row[at : at + 2]
            removed = 0
            for joined in (before, after):
                for upper in joined[one]:
                    for lower in joined[other]:
                        removed += (places[upper] > places[lower]) - (places[upper] < places[lower])
            if removed > 0:
                row[at : at + 2] = other, one
        places.update({node: place for place, node in enumerate(row)})


# --- heights ----------------------------------------------------------------------------------


def _heights(
    rows: _Rows, before: _Joined, after: _Joined, heights: Mapping[_Node, int]
) -> dict[_Node, int]:
    """Return the middle of each node, from 0 at the top of the highest: four ways, balanced."""
    marked = set(_conflicts(rows, before))
    found: list[dict[_Node, int]] = []
    for onward in (True, False):
        for downward in (True, False):
            ordered = [row if downward else row[::-1] for row in (rows if onward else rows[::-1])]
            blocks = _blocks(ordered, before if onward else after, marked)
            ys = _compacted(ordered, blocks, heights)
            found.append(ys if downward else {node: -y for node, y in ys.items()})
    if not found[0]:
        return {}

    def top(ys: dict[_Node, int]) -> int:
        return min(y - heights[node] // 2 for node, y in ys.items())

    def bottom(ys: dict[_Node, int]) -> int:
        return max(y + heights[node] // 2 for node, y in ys.items())

    least = min(found, key=lambda ys: bottom(ys) - top(ys))
    for number, ys in enumerate(found):
        edge = bottom if number % 2 else top
        shift = edge(least) - edge(ys)
        found[number] = {node: y + shift for node, y in ys.items()}
    middle = {node: sum(sorted(ys[node] for ys in found)[1:3]) // 2 for node in heights}
    highest = top(middle)
    return {node: y - highest for node, y in middle.items()}


def _conflicts(rows: _Rows, before: _Joined) -> Iterator[frozenset[_Node]]:
    """Yield the lines that cross a longer one where it has a bend on both sides: they give way."""
    for left, right in pairwise(rows):
        places = {node: place for place, node in enumerate(left)}
        inner = [
            (places[one], place)
            for place, node in enumerate(right)
            for one in before[node]
            if not isinstance(one, str) and not isinstance(node, str)
        ]
        for place, node in enumerate(right):
            for one in before[node]:
                here = places[one], place
                if here not in inner and any(
                    (here[0] - there[0]) * (here[1] - there[1]) < 0 for there in inner
                ):
                    yield frozenset((one, node))


def _blocks(rows: _Rows, before: _Joined, marked: set[frozenset[_Node]]) -> dict[_Node, _Node]:
    """Return the first node of each node's block: what is level, each with a middle neighbour."""
    first = {node: node for row in rows for node in row}
    taken = set[_Node]()
    for left, right in pairwise([[], *rows]):
        places = {node: place for place, node in enumerate(left)}
        last = -1
        for node in right:
            near = sorted(before[node], key=places.__getitem__)
            for one in near[(len(near) - 1) // 2 : len(near) // 2 + 1]:
                free = first[node] == node and one not in taken
                if free and places[one] > last and frozenset((one, node)) not in marked:
                    first[node] = first[one]
                    taken.add(one)
                    last = places[one]
    return first


def _compacted(
    rows: _Rows, blocks: Mapping[_Node, _Node], heights: Mapping[_Node, int]
) -> dict[_Node, int]:
    """Return the middle of each node, as high as it can be, and then as near to what is below."""
    apart: dict[_Node, dict[_Node, int]] = {block: {} for block in blocks.values()}
    above: dict[_Node, int] = dict.fromkeys(apart, 0)
    for row in rows:
        for one, other in pairwise(row):
            upper, lower = blocks[one], blocks[other]
            gap = GAP if isinstance(one, str) and isinstance(other, str) else GAP // 2
            least = (heights[one] + 1) // 2 + (heights[other] + 1) // 2 + gap
            above[lower] += lower not in apart[upper]
            apart[upper][lower] = max(apart[upper].get(lower, 0), least)
    order = [block for block, count in above.items() if count == 0]
    ys = dict.fromkeys(apart, 0)
    for block in order:
        for lower, least in apart[block].items():
            ys[lower] = max(ys[lower], ys[block] + least)
            above[lower] -= 1
            if above[lower] == 0:
                order.append(lower)
    for block in reversed(order):
        if apart[block]:
            nearest = min(ys[lower] - least for lower, least in apart[block].items())
            ys[block] = max(ys[block], nearest)
    return {node: ys[block] for node, block in blocks.items()}
