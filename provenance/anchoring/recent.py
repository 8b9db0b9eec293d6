"""Anchors that held a moment ago.

A server that verifies a thousand bundles a second would ask the chain of each the same questions.
That an anchor holds is therefore remembered for a moment: one that a reorg takes back meanwhile is
seen that much later, as it would be had the verification run that much earlier. That one does not
hold is never remembered: it may hold by now.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from provenance.anchoring.anchor import Anchor, AnchorFacts, ChainPin, ChainReader, check_anchor
from provenance.log.blocking import before_blocking

__all__ = ["RecentAnchors"]

WAYS: Final = 64
"""Anchors that are asked for at a time."""

MOST: Final = 1024
"""Anchors; the one that was checked least recently gives way."""


class RecentAnchors:
    """May be shared between threads.

    Args:
        seconds: for which it is remembered that an anchor holds.
        clock: in seconds.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._asking = [threading.Lock() for _ in range(WAYS)]
        self._held: OrderedDict[tuple[Anchor, ChainPin], tuple[float, AnchorFacts]] = OrderedDict()

    def check(self, anchor: Anchor, pin: ChainPin, reader: ChainReader) -> AnchorFacts:
        """As `check_anchor`; the same `reader` belongs to a pin each time."""
        held = self._recent(anchor, pin)
        if held is not None:
            return held
        before_blocking()
        with self._asking[hash((anchor, pin)) % WAYS]:  # of many at a time, one asks the chain
            held = self._recent(anchor, pin)
            if held is not None:
                return held
            now = self._clock()
            facts = check_anchor(anchor, pin, reader)
            with self._lock:
                self._held[anchor, pin] = (now, facts)  # as old as the question
                self._held.move_to_end((anchor, pin))
                while len(self._held) > MOST:
                    self._held.popitem(last=False)
            return facts

    def _recent(self, anchor: Anchor, pin: ChainPin) -> AnchorFacts | None:
        with self._lock:
            held = self._held.get((anchor, pin))
        return held[1] if held and self._clock() - held[0] < self._seconds else None
