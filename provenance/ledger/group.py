"""Group commit: threads that would wait for one another's transaction share the next one.

A commit costs a sync to disk, whatever it commits. So whoever comes while one is under way joins
a group; when it is through, one of them, the leader, commits for them all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from provenance.errors import LedgerError

__all__ = ["GroupCommit"]

T = TypeVar("T")
R = TypeVar("R")


class _Waiting(Generic[T, R]):
    """One caller: what it brings, and what becomes of it."""

    def __init__(self, item: Sequence[T]) -> None:
        self.item = item
        self.turn = threading.Event()  # set when it leads, or is done
        self.outcome: list[R] | Exception | None = None


class GroupCommit(Generic[T, R]):
    """Calls `commit` for groups of items, never twice at once.

    Args:
        commit: takes items, each one caller's; returns the outcome of each: a result for every
            member of the item, or why none of it can be taken. Raises where nothing was committed.
        most: members after which a group takes no further item.
    """

    def __init__(
        self,
        commit: Callable[[list[Sequence[T]]], list[list[R] | Exception]],
        most: int = 4096,
    ) -> None:
        self._commit = commit
        self._most = most
        self._mutex = threading.Lock()
        self._queue: list[_Waiting[T, R]] = []
        self._busy = False

    def submit(self, item: Sequence[T]) -> list[R]:
        """Have `item` committed; return its result.

        Raises:
            Exception: what the outcome is for this item; others of its group are not touched.
            LedgerError: the commit of the whole group failed.
        """
        own = _Waiting[T, R](item)
        with self._mutex:
            self._queue.append(own)
            leads, self._busy = not self._busy, True
        if not leads:
            try:
                own.turn.wait()
            except BaseException:  # interrupted: nobody waits for it any more
                with self._mutex:
                    if own in self._queue:
                        self._queue.remove(own)
                if own.turn.is_set() and own.outcome is None:
                    self._hand_on()
                raise
        if own.outcome is None:
            self._lead()
        if isinstance(own.outcome, Exception):
            raise own.outcome
        assert own.outcome is not None  # noqa: S101 - by now it has one
        return own.outcome

    def _lead(self) -> None:
        """Commit for everybody who waits, oneself first."""
        group, members = list[_Waiting[T, R]](), 0
        with self._mutex:
            while self._queue and (not group or members + len(self._queue[0].item) <= self._most):
                group.append(self._queue.pop(0))
                members += len(group[-1].item)
        try:
            outcomes = self._commit([each.item for each in group])
            for each, outcome in zip(group, outcomes, strict=True):
                each.outcome = outcome
        except BaseException as error:
            for each in group[1:]:  # an error of their own: it is raised in another thread
                each.outcome = LedgerError(str(error) or "the write was broken off: ask again")
                each.outcome.__cause__ = error
            raise
        finally:
            for each in group[1:]:
                each.turn.set()
            self._hand_on()

    def _hand_on(self) -> None:
        with self._mutex:
            if self._queue:
                self._queue[0].turn.set()
            else:
                self._busy = False
