"""Anchoring every so often, for as long as the process runs.

Each chain has a thread of its own: one that is slow, dear or out of reach holds up no other. What
is done in a round is `Ledger.anchor`, which may break off anywhere; so a kill at any moment costs
nothing but time, and several such processes do no harm.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from provenance.errors import ProvenanceError
from provenance.ledger.anchors import AnchorRecord

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger
    from provenance.ledger.witnesses import WitnessAnswer

__all__ = ["Event", "Rounds"]

WATCH = 30.0
"""Seconds between two looks at an anchor that waits for blocks, where the rounds are rarer."""

FIRST_RETRY = 5.0
"""Seconds after a failure; twice as long after each further one, up to a whole round."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something worth a line.

    Attributes:
        what: ``started``; ``anchor``: one has another state; ``witness``: one does not cosign;
            ``failed``; ``stopped``.
        time: when.
        chain: by its name; None if it is about all.
        anchor: of ``anchor``: with its new state.
        witness: of ``witness``: its name.
        error: of ``witness`` and ``failed``: why.
        again_in: of ``failed``: seconds until it is tried again.
    """

    what: Literal["started", "anchor", "witness", "failed", "stopped"]
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    chain: str | None = None
    anchor: AnchorRecord | None = None
    witness: str | None = None
    error: str | None = None
    again_in: float | None = None


class Rounds:
    """Anchors to every chain once in `every` seconds, where there is anything to do."""

    def __init__(
        self,
        ledger: Ledger,
        every: float,
        names: Sequence[str] = (),
        tell: Callable[[Event], object] = lambda _: None,
    ) -> None:
        """Prepare the rounds; `run` makes them.

        Args:
            ledger: open as long as they run.
            every: seconds.
            names: of the chains; all that the policy pins, if there are none.
            tell: called with each event, by one thread at a time.

        Raises:
            InputError: the policy pins no chain of a name.
        """
        policy = ledger.policy()
        pinned = [policy.pin(name).name for name in names] or [pin.name for pin in policy.chains]
        self._ledger = ledger
        self._every = every
        self._names = tuple(dict.fromkeys(pinned))
        self._tell_one = tell
        self._telling = threading.Lock()
        self._stopped = threading.Event()
        self._fault: BaseException | None = None

    def run(self) -> None:
        """Make rounds until `stop` is called.

        An error of this package costs one chain one round. Any other, a fault, ends them all and
        is raised here.
        """
        threads = [threading.Thread(target=self._keep, args=(name,)) for name in self._names]
        self._tell(Event(what="started"))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._fault is not None:
            raise self._fault
        self._tell(Event(what="stopped"))

    def stop(self) -> None:
        """Let `run` return as soon as nothing is being written. A signal handler may call it."""
        self._stopped.set()

    def _keep(self, name: str) -> None:
        try:
            failures = 0
            pause = 0.0
            while not self._stopped.wait(pause):
                try:
                    pause = self._round(name)
                    failures = 0
                except ProvenanceError as error:
                    if self._stopped.is_set():
                        return
                    pause = min(self._every, FIRST_RETRY * 2 ** min(failures, 16))
                    failures += 1
                    told = Event(what="failed", chain=name, error=str(error), again_in=pause)
                    self._tell(told)
        except BaseException as fault:
            self._fault = fault
            self.stop()

    def _round(self, name: str) -> float:
        """Anchor, if there is a reason to; return the seconds until the next look."""
        if self._ledger.anchor_due(name):

            def told(anchor: AnchorRecord) -> None:
                self._tell(Event(what="anchor", chain=name, anchor=anchor))

            def refused(answer: WitnessAnswer) -> None:
                self._tell(Event(what="witness", witness=answer.name, error=answer.reason))

            (newest,) = self._ledger.anchor(
                name, told=told, refused=refused, pause=self._stopped.wait
            )
            if newest.state == "mined":
                return min(self._every, WATCH)
        return self._every

    def _tell(self, event: Event) -> None:
        with self._telling:
            self._tell_one(event)
