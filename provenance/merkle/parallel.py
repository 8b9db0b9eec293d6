"""Work on every core, with results in order and memory bounded.

Threads, because what is heavy here lets other threads run meanwhile: hashing a block, by the
extension or by `hashlib`, and reading or writing a file.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import NoReturn, TypeVar

__all__ = ["cores", "in_order"]

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
    """Yield ``work(item)`` for each item, in order, several at once.

    Items are taken here, in the thread that asks for results; of items that were taken and whose
    results were not yet yielded there are `cores` + 1 at most. What `work` raises, or `items`, is
    raised here in its place, and then, or when nobody asks for more, no further item is worked on.
    """
    calls = _calls(work, items)
    first = list(islice(calls, 2))
    if len(first) < 2 or cores() == 1:
        for call in chain(first, calls):
            yield call()
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(cores())
    try:
        for call in chain(first, calls):
            waiting.append(pool.submit(call))
            if len(waiting) > cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _calls(work: Callable[[T], R], items: Iterable[T]) -> Iterator[Callable[[], R]]:
    """Yield what works on each item; at last what raises an error of `items`, when its turn is."""
    try:
        for item in items:
            yield partial(work, item)
    except Exception as error:
        yield partial(_raise, error)


def _raise(error: Exception) -> NoReturn:
    raise error
