"""The last few answers that took long, for those who go on to their next page."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Recent"]

V = TypeVar("V")

MOST = 4
"""Answers; the one that was asked for least recently gives way."""


class Recent(Generic[V]):
    """May be shared between threads. What is kept is never changed by whoever gets it.

    A key names all that the answer follows from: the root of the log among it, so that it stays
    true whatever is written.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable) -> V | None:
        """Return what was put under a key, if it is still there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, answer: V) -> V:
        """Keep an answer, and return it."""
        with self._lock:
            self._kept[key] = answer
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return answer
