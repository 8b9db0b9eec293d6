"""Answers that are kept for as long as nothing is written to the database.

Every transaction that writes counts `provenance.log.store.Database.generation` up, in whichever
process, so to ask for one number is to ask whether anything changed::

    kept = Kept(database)
    kept.get(("policy", 7), lambda: ...)      # made once in each generation
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from provenance.log.blocking import once
from provenance.log.store import Database

__all__ = ["Kept"]

V = TypeVar("V")

MOST = 256
"""Answers; the one that was asked for least recently gives way."""

LARGE = 1 << 18
"""Bytes of a statement or a bundle that is not worth its room: some have megabytes."""


class Kept:
    """May be shared between threads. What is kept is never changed by whoever gets it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._generation = -1
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()

    def get(
        self, key: Hashable, make: Callable[[], V], size: Callable[[V], int] = lambda made: 0
    ) -> V:
        """Return what `make` returned in this generation of the database.

        It may read a later one than that under which it is kept: then it is made once more. What
        it raises is not kept, nor what is large by its `size`.
        """
        generation = once(self._database, self._database.generation)
        with self._lock:
            if generation != self._generation:
                self._answers.clear()
                self._generation = generation
            elif key in self._answers:
                self._answers.move_to_end(key)
                found: V = self._answers[key]
                return found
        made = make()
        with self._lock:
            if generation == self._generation and size(made) <= LARGE:
                self._answers[key] = made
                while len(self._answers) > MOST:
                    self._answers.popitem(last=False)
        return made
