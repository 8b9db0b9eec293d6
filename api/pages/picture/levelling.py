"""How high the nodes of a drawing stand: long lines run straight, and what is joined is level.

After Brandes and Köpf (2001). Each node joins a block with a neighbour in the middle of those that
it has, where that crosses no other such line; all of a block stands level. This is done from the
left and from the right, with the upper and with the lower middle, and the mean of the two middle
outcomes counts. In place of their compaction, of which errors are known, a longest path among
blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final

from api.pages.picture.crossing import Joined, Node, Rows

__all__ = ["BEND", "heights"]

GAP: Final = 20
"""Between two boxes of a layer, in pixels; half of it where a line passes."""

BEND: Final = 10
"""Height of a line where it passes."""


def heights(
    rows: Rows, before: Joined, after: Joined, sizes: Mapping[Node, int]
) -> dict[Node, int]:
    """Return the middle of each node, from 0 at the top of the highest: four ways, balanced."""
    marked = set(_conflicts(rows, before))
    found: list[dict[Node, int]] = []
    for onward in (True, False):
        for downward in (True, False):
            ordered = [row if downward else row[::-1] for row in (rows if onward else rows[::-1])]
            blocks = _blocks(ordered, before if onward else after, marked)
            ys = _compacted(ordered, blocks, sizes)
            found.append(ys if downward else {node: -y for node, y in ys.items()})
    if not found[0]:
        return {}

    def top(ys: dict[Node, int]) -> int:
        return min(y - sizes[node] // 2 for node, y in ys.items())

    def bottom(ys: dict[Node, int]) -> int:
        return max(y + sizes[node] // 2 for node, y in ys.items())

    least = min(found, key=lambda ys: bottom(ys) - top(ys))
    for number, ys in enumerate(found):
        edge = bottom if number % 2 else top
        shift = edge(least) - edge(ys)
        found[number] = {node: y + shift for node, y in ys.items()}
    middle = {node: sum(sorted(ys[node] for ys in found)[1:3]) // 2 for node in sizes}
    highest = top(middle)
    return {node: y - highest for node, y in middle.items()}


def _conflicts(rows: Rows, before: Joined) -> Iterator[frozenset[Node]]:
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


def _blocks(rows: Rows, before: Joined, marked: set[frozenset[Node]]) -> dict[Node, Node]:
    """Return the first node of each node's block: what is level, each with a middle neighbour."""
    first = {node: node for row in rows for node in row}
    taken = set[Node]()
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
    rows: Rows, blocks: Mapping[Node, Node], sizes: Mapping[Node, int]
) -> dict[Node, int]:
    """Return the middle of each node, as high as it can be, and then as near to what is below."""
    apart: dict[Node, dict[Node, int]] = {block: {} for block in blocks.values()}
    above: dict[Node, int] = dict.fromkeys(apart, 0)
    for row in rows:
        for one, other in pairwise(row):
            upper, lower = blocks[one], blocks[other]
            gap = GAP if isinstance(one, str) and isinstance(other, str) else GAP // 2
            least = (sizes[one] + 1) // 2 + (sizes[other] + 1) // 2 + gap
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
