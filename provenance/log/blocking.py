"""What may not wait, an event loop say, is told where it would have to.

::

    with nonblocking():
        proof = ledger.prove("train", index=7)      # from memory, or else: WouldBlockError

Whatever waits for a disk, a server or another process says so first, by `before_blocking`. What
stopped there has changed nothing, and is called again where it may wait: in a thread. Pages of a
mapped file count as memory.

Since nothing in such a block takes time, it sees one state of everything: what has to be asked to
know whether anything changed is asked once, by `once`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

__all__ = ["WouldBlockError", "before_blocking", "nonblocking", "once"]

V = TypeVar("V")

_seen: ContextVar[dict[Hashable, Any] | None] = ContextVar("seen", default=None)
"""What was asked in the block; None where waiting is allowed."""


class WouldBlockError(Exception):
    """What was asked for is not in memory. No `ProvenanceError`: nobody takes it for an answer."""


@contextmanager
def nonblocking() -> Iterator[None]:
    """Let nothing in this block wait.

    Raises:
        WouldBlockError: it would have to.
    """
    before = _seen.set({})
    try:
        yield
    finally:
        _seen.reset(before)


def before_blocking() -> None:
    """Say that now follows what may wait, or takes long.

    Raises:
        WouldBlockError: it must not.
    """
    if _seen.get() is not None:
        raise WouldBlockError


def once(key: Hashable, ask: Callable[[], V]) -> V:
    """Return what `ask` returns, in a nonblocking block what it returned there first."""
    seen = _seen.get()
    if seen is None:
        return ask()
    if key not in seen:
        seen[key] = ask()
    answer: V = seen[key]
    return answer
