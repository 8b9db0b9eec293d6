"""The order of nodes in the layers of a drawing: one in which few lines cross.

Barycentres: each layer is sorted by where the neighbours of its nodes stand, on the mean, in the
layer before; then in the layer after; and two nodes side by side change places where lines cross
less then. That is done a bounded number of times, from the order as given and from that in which a
search along the lines passes the nodes. The best order that was met counts, the given one among
them.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

__all__ = ["Joined", "Node", "Rows", "crossings", "ordered"]

SWEEPS: Final = 12

Node = str | tuple[int, int]
"""A node, or the bend of a line (its number) in a layer."""

Rows = list[list[Node]]
"""The layers from left to right, each from top to bottom."""

Joined = dict[Node, list[Node]]
"""Node → its neighbours, in the layer before or in that after."""


def crossings(rows: Rows, after: Joined) -> int:
    """Return how often lines cross, between all layers."""
    return sum(_crossings(right, {n: after[n] for n in left}) for left, right in pairwise(rows))


def _crossings(row: Sequence[Node], joined: Joined) -> int:
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


def ordered(rows: Rows, before: Joined, after: Joined) -> Rows:
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


def _by_search(rows: Rows, before: Joined, after: Joined) -> Rows:
    """Return the rows as a search along the lines passes the nodes: of a tree, without crossing."""
    found: dict[Node, int] = {}
    for begin in (node for row in rows for node in row):
        stack = [begin]
        while stack:
            node = stack.pop()
            if node not in found:
                found[node] = len(found)
                stack += reversed([*before[node], *after[node]])
    return [sorted(row, key=found.__getitem__) for row in rows]


def _sweep(rows: Rows, fixed: Joined, *, onward: bool) -> None:
    """Sort each row by the barycentres of its neighbours in the row before; or after."""
    places: dict[Node, int] = {}
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


def _swap(rows: Rows, before: Joined, after: Joined) -> None:
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
