"""Circles of a directed graph: its strongly connected parts of more than one node.

By Kosaraju's algorithm, in time linear in the edges and without recursion. Here every edge joins
an artifact and a statement, so no node leads to itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

__all__ = ["circles"]

N = TypeVar("N", bound=Hashable)


def circles(following: Mapping[N, Sequence[N]]) -> Iterator[set[N]]:
    """Yield the nodes of each circle, or of several that share nodes.

    Args:
        following: the nodes that each node leads to; a node that is not there leads nowhere.
    """
    before: dict[N, list[N]] = {}
    for node, others in following.items():
        for other in others:
            before.setdefault(other, []).append(node)
    passed = set[N]()
    left = [node for begin in following for node in _left(begin, following, passed)]
    passed = set()
    for begin in reversed(left):
        part = set(_left(begin, before, passed))
        if len(part) > 1:
            yield part


def _left(begin: N, following: Mapping[N, Sequence[N]], passed: set[N]) -> Iterator[N]:
    """Go depth first to what was not passed yet; yield each node when it is left for good."""
    if begin in passed:
        return
    passed.add(begin)
    stack = [(begin, iter(following.get(begin, ())))]
    while stack:
        node, others = stack[-1]
        for other in others:
            if other not in passed:
                passed.add(other)
                stack.append((other, iter(following.get(other, ()))))
                break
        else:
            stack.pop()
            yield node
