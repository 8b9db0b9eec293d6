"""Many nodes folded to few, so that a picture stays one that a person can read.

It begins at the artifact in the middle and goes outward, the nearest first. Of its neighbours on
one side each node shows `FEW`, those in trouble first, and the rest as one node: "37 more". A step
is shown with both of its sides. Once `MOST` nodes are there, artifacts show no more, and say how
much lies beyond them.

A fold has a name, by which it opens to a window of `WINDOW` nodes; the folds before and after that
lead to the next windows::

    a6a31….made.runs.0        the steps into which the artifact went, from the first on
    s7.from.artifacts.24      the inputs of the step, from the 25th on
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from api.pages.picture.sketch import SIDES, Arrow, Artifact, Beyond, Fold, Node, Run, Side, Sketch
from provenance.lineage import Grade

__all__ = ["FEW", "MOST", "WINDOW", "folded"]

MOST: Final = 40
"""Nodes, but for those that complete the last step."""

FEW: Final = 6
"""Neighbours on one side of a node."""

WINDOW: Final = 24
"""Nodes that an open fold shows."""


def folded(sketch: Sketch, first: str, opened: str | None = None) -> Sketch:
    """Return a sketch of few nodes; the same where it has no more than `MOST`.

    Args:
        sketch: of all.
        first: the key of the node to begin at.
        opened: the name of a fold; one that there is not means nothing.
    """
    if len(sketch.nodes) <= MOST:
        return sketch
    folding = _Folding(sketch, opened)
    folding.begin_at(first)
    return folding.outcome()


class _Folding:
    """What is shown so far, and what is folded."""

    def __init__(self, sketch: Sketch, opened: str | None) -> None:
        self._sketch = sketch
        self._opened, _, offset = (opened or "").rpartition(".")
        self._offset = int(offset) if re.fullmatch("[0-9]{1,9}", offset) else 0
        self._most = MOST
        self._shown = 0
        self._order = {key: place for place, key in enumerate(sketch.nodes)}
        self._near: dict[Side, dict[str, list[str]]] = {
            side: {key: [] for key in sketch.nodes} for side in SIDES
        }
        self._troubled = {key for key, node in sketch.nodes.items() if _is_troubled(node)}
        for arrow in sketch.arrows:
            self._near["made"][arrow.begin].append(arrow.end)
            self._near["from"][arrow.end].append(arrow.begin)
            if arrow.grade is Grade.BROKEN:
                self._troubled |= {arrow.begin, arrow.end}
        self._places: dict[str, str] = {}  # of a node: its own key, or that of its fold
        self._folds: dict[str, Fold] = {}
        self._waiting: deque[str] = deque()

    def begin_at(self, first: str) -> None:
        """Show what is joined with the first node; then what is not, while there is room."""
        seen = set[str]()
        for key in (first, *self._sketch.nodes):
            if key in seen or (seen and self._is_full()):
                continue
            seen.update(self._reached([key], SIDES, lambda key: True))
            self._show(key)
            while self._waiting:
                self._expand(self._waiting.popleft())

    def outcome(self) -> Sketch:
        """Return the nodes that are shown, the folds, and the arrows that are left."""
        nodes: dict[str, Node] = {
            key: self._bounded(key, node)
            for key, node in self._sketch.nodes.items()
            if self._places.get(key) == key
        }
        arrows: dict[tuple[str, str, bool], Arrow] = {}
        for arrow in self._sketch.arrows:
            begin, end = self._places.get(arrow.begin), self._places.get(arrow.end)
            if begin is None or end is None or (begin == end and begin not in nodes):
                continue
            key = begin, end, arrow.grade is None
            known = arrows.get(key, arrow)
            grade = (
                None
                if known.grade is None or arrow.grade is None
                else min(known.grade, arrow.grade)
            )
            same = known.claimed == arrow.claimed
            arrows[key] = Arrow(
                begin,
                end,
                grade,
                known.circle or arrow.circle,
                arrow.claims if same else (),
                arrow.claimed if same else "",
            )
        hidden = len(self._sketch.nodes) - len(nodes)
        before = {key: fold for key, fold in self._folds.items() if fold.earlier}
        return Sketch({**before, **nodes, **self._folds}, [*arrows.values()], hidden)

    def _is_full(self) -> bool:
        return self._shown + len(self._folds) >= self._most

    def _show(self, key: str) -> None:
        self._places[key] = key
        self._shown += 1
        if isinstance(self._sketch.nodes[key], Run):
            self._expand(key)
        else:
            self._waiting.append(key)

    def _expand(self, key: str) -> None:
        """Show the neighbours that have no place yet: of an artifact only while there is room."""
        nodes = self._sketch.nodes
        for side in SIDES:
            for runs in (True, False):
                family = [
                    near
                    for near in dict.fromkeys(self._near[side][key])
                    if near not in self._places and isinstance(nodes[near], Run) == runs
                ]
                if family and (isinstance(nodes[key], Run) or not self._is_full()):
                    family.sort(key=lambda key: (key not in self._troubled, self._order[key]))
                    self._settle(f"{key}.{side}.{'runs' if runs else 'artifacts'}", family)

    def _settle(self, name: str, family: Sequence[str]) -> None:
        """Show some of a family, and fold the others: two at least, or it would be no fold."""
        begin, end = 0, FEW
        if name == self._opened:
            begin = self._offset if self._offset < len(family) else 0
            end = begin + WINDOW
            self._most += WINDOW
        begin -= begin == 1
        end += end == len(family) - 1
        if begin:
            self._fold(f"{name}.{max(0, begin - WINDOW)}", family[:begin], earlier=True)
        if end < len(family):
            self._fold(f"{name}.{end if name == self._opened else 0}", family[end:])
        for key in family[begin:end]:
            if key not in self._places:  # as one shown before it may have brought it along
                self._show(key)

    def _fold(self, name: str, family: Sequence[str], *, earlier: bool = False) -> None:
        key = f"{name}{'-' if earlier else '+'}"
        runs = isinstance(self._sketch.nodes[family[0]], Run)
        troubled = len(self._troubled.intersection(family))
        self._folds[key] = Fold(len(family), runs, troubled, name, earlier)
        self._places.update(dict.fromkeys(family, key))

    def _bounded(self, key: str, node: Node) -> Node:
        """Return a node with what is known to lie beyond it."""
        if not isinstance(node, Artifact):
            return node
        known = {beyond.side: beyond for beyond in node.beyond}
        for side in SIDES:
            found = self._reached([key], (side,), lambda key: key not in self._places)
            if len(found) > 1:
                known[side] = replace(known.get(side, Beyond(side)), count=len(found) - 1)
        return replace(node, beyond=tuple(known.values()))

    def _reached(
        self, keys: Iterable[str], sides: Iterable[Side], passes: Callable[[str], bool]
    ) -> set[str]:
        """Return the nodes, and all that is reached from them on these sides by what passes."""
        found, stack = set(keys), list(keys)
        while stack:
            key = stack.pop()
            for side in sides:
                new = {near for near in self._near[side][key] if near not in found and passes(near)}
                found |= new
                stack += new
        return found


def _is_troubled(node: Node) -> bool:
    return not isinstance(node, Fold) and node.is_troubled
