"""Work on every core, with results in order and memory bounded.

Threads, because what is heavy here lets other threads run meanwhile: hashing a block, by the
extension or by `hashlib`, and reading or writing a file.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import chain, islice
from typing import TypeVar

__all__ = ["cores", "in_order"]

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
    """Yield ``work(item)`` for each item, in order, several at once.

    Items are taken here, in the thread that asks for results; of items that were taken and whose
    results were not yet yielded there are `cores` + 1 at most. What `work` raises is raised here
    in its place, and then, or when nobody asks for more, no further item is worked on.
    """
    items = iter(items)
    first = list(islice(items, 2))
    if len(first) < 2 or cores() == 1:
        yield from map(work, chain(first, items))
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(cores())
    try:
        for item in chain(first, items):
            waiting.append(pool.submit(work, item))
            if len(waiting) > cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
