"""Answers that are kept for as long as nothing is written to the database.

Every transaction that writes counts `provenance.log.store.Database.generation` up, in whichever
process, so to ask for one number is to ask whether anything changed::

    kept = Kept(database)
    kept.get(("policy", 7), lambda: ...)      # made once in each generation

Once, too, where many threads ask at a time: one makes the answer, and the others wait for it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from provenance.log.blocking import before_blocking, once
from provenance.log.store import Database

__all__ = ["Kept"]

V = TypeVar("V")

MOST = 256
"""Answers; the one that was asked for least recently gives way."""

LARGE = 1 << 18
"""Bytes of a statement or a bundle that is not worth its room: some have megabytes."""


class _Making:
    """An answer that a thread is making, and whoever waits for it.

    Attributes:
        generation: the answer is of this one, or of a later one.
        done: set when it is made, or was not.
        answer: it alone, once it is made.
    """

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.done = threading.Event()
        self.answer: tuple[()] | tuple[Any] = ()


class Kept:
    """May be shared between threads. What is kept is never changed by whoever gets it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._generation = -1
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()
        self._making: dict[Hashable, _Making] = {}

    def get(
        self, key: Hashable, make: Callable[[], V], size: Callable[[V], int] = lambda made: 0
    ) -> V:
        """Return what `make` returned in this generation of the database, or in a later one.

        It may read a later one than that under which it is kept: then it is made once more. What
        it raises is not kept, nor what is large by its `size`. What it asks for here in turn must
        not be this very answer, nor rest on it.
        """
        newest, generation = once(self, self._look)
        while True:
            with self._lock:
                # Less than was seen before it was asked for: somebody put an older database back.
                if generation > self._generation or generation < newest:
                    self._answers.clear()
                    self._generation = generation
                elif key in self._answers:
                    self._answers.move_to_end(key)
                    return cast(V, self._answers[key])
                other = self._making.get(key)
                if other is None or other.generation < generation:
                    own = self._making[key] = _Making(generation)
                    break
            before_blocking()
            other.done.wait()
            if other.answer:
                return cast(V, other.answer[0])
        try:
            made = make()
            own.answer = (made,)
            if size(made) <= LARGE:
                self._keep(key, made, generation)
            return made
        finally:
            with self._lock:
                if self._making.get(key) is own:
                    del self._making[key]
            own.done.set()

    def _look(self) -> tuple[int, int]:
        newest = self._generation
        return newest, self._database.generation()

    def _keep(self, key: Hashable, made: Any, generation: int) -> None:
        with self._lock:
            if generation == self._generation:
                self._answers[key] = made
                while len(self._answers) > MOST:
                    self._answers.popitem(last=False)
