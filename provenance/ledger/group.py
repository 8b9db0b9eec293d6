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

BROKEN_OFF = "the write was broken off: ask again, since nothing is logged twice"

T = TypeVar("T")
R = TypeVar("R")


class _Waiting(Generic[T, R]):
    """One caller: what it brings, and what becomes of it."""

    def __init__(self, item: Sequence[T]) -> None:
        self.item = item
        self.turn = threading.Event()  # set when it leads, or is done
        self.outcome: list[R] | Exception | None = None
        self.group: list[_Waiting[T, R]] = []  # for whom it commits: itself first


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
        self._leader: _Waiting[T, R] | None = None

    def submit(self, item: Sequence[T]) -> list[R]:
        """Have `item` committed; return its result.

        Raises:
            Exception: what the outcome is for this item; others of its group are not touched.
            LedgerError: the commit of the whole group failed.
        """
        own = _Waiting[T, R](item)
        try:
            with self._mutex:
                self._queue.append(own)
                if self._leader is None:
                    self._leader = own
                    own.turn.set()
            own.turn.wait()
            if own.outcome is None:
                self._lead(own)
        finally:
            self._leave(own)
        if isinstance(own.outcome, Exception):
            raise own.outcome
        assert own.outcome is not None  # noqa: S101 - by now it has one
        return own.outcome

    def _lead(self, own: _Waiting[T, R]) -> None:
        """Commit for everybody who waits, oneself first."""
        with self._mutex:
            members = 0
            while self._queue and (
                not own.group or members + len(self._queue[0].item) <= self._most
            ):
                members += len(self._queue[0].item)
                own.group.append(self._queue.pop(0))
        try:
            outcomes = self._commit([each.item for each in own.group])
        except BaseException as error:
            for each in own.group[1:]:  # an error of their own: it is raised in another thread
                each.outcome = LedgerError(str(error) or BROKEN_OFF)
                each.outcome.__cause__ = error
            raise
        for each, outcome in zip(own.group, outcomes, strict=True):
            each.outcome = outcome

    def _leave(self, own: _Waiting[T, R]) -> None:
        """Go, done or interrupted: wake those one committed for, and who leads next."""
        with self._mutex:
            if own in self._queue:
                self._queue.remove(own)
            for each in own.group[1:]:
                each.outcome = LedgerError(BROKEN_OFF) if each.outcome is None else each.outcome
                each.turn.set()
            if self._leader is own:
                self._leader = self._queue[0] if self._queue else None
                if self._leader is not None:
                    self._leader.turn.set()
