"""One round of following a log.

In this order, and nothing rests on what comes after it:

1. Each chain of the policy is asked for the contract's newest head: before the checkpoint, so that
   an anchor which is made meanwhile is never above the log.
2. The checkpoint is signed by a log key of the policy, and cosigned by whom.
3. It continues the newest that was seen: proven from the hash tiles (RFC 9162).
4. Every entry that is new is read, and has the form of one; together they hash to the root.
5. What each contract has lies on this history.

What is found goes into a `Round`, with evidence; what cannot be told, for want of an answer, is
undecided. The newest state is for the caller to keep, after the evidence: so a crash between the
two reports once more rather than never. A fault that can be mended (a tile, an answer, an anchor
that was taken back) is found again in every round until it is; an entry of unknown form, which
stands there for ever, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from provenance.anchoring import ChainReader, Head
from provenance.errors import InputError, MalformedError
from provenance.log import Checkpoint
from provenance.monitoring.anchors import Look, compare, look, taken_back
from provenance.monitoring.edge import RightEdge
from provenance.monitoring.evidence import Evidence, Kind, OnChain, ServedEntry
from provenance.monitoring.history import relate
from provenance.monitoring.opening import CheckpointError, Opened, open_checkpoint
from provenance.monitoring.reading import EntriesError, read_entries
from provenance.monitoring.served import ServedTree, UnshownError
from provenance.monitoring.source import LogSource, SourceError
from provenance.monitoring.state import SeenHead, State
from provenance.signing import SignatureError, open_note
from provenance.verification import Policy

__all__ = ["Monitor", "Round"]


@dataclass(frozen=True)
class Round:
    """What one round found.

    Attributes:
        origin: the log's name.
        time: when it began.
        head: the newest tree head that is known to lie on the one history; None before the first.
        new: entries that were read.
        cosigned: names of the policy's witnesses that cosigned the checkpoint served now.
        anchored: name of a chain → entries that its newest anchor covers, where the chain told.
        findings: what does not hold.
        undecided: what could not be told.
        notices: what is worth knowing, and no fault.
        state: what to start the next round with; None if nothing was ever seen.
    """

    origin: str
    time: datetime
    head: Checkpoint | None
    new: int
    cosigned: tuple[str, ...]
    anchored: dict[str, int]
    findings: tuple[Evidence, ...]
    undecided: tuple[str, ...]
    notices: tuple[str, ...]
    state: State | None


class Monitor:
    """Follows one log under one policy.

    Args:
        source: the log.
        policy: whose keys, witnesses and chains count.
        chains: the readers to ask, by the name of the policy's pin.
        clock: for the time of a finding.
    """

    def __init__(
        self,
        source: LogSource,
        policy: Policy,
        *,
        chains: Mapping[str, ChainReader],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source = source
        self._policy = policy
        self._chains = chains
        self._clock = clock

    def round(self, state: State | None, save: Callable[[State], None]) -> Round:
        """Look once.

        Args:
            state: what the round before ended with; None the first time.
            save: called on the way of a long reading, with what may be kept of it.

        Raises:
            InputError: `state` is of another log, or not signed by a log key of the policy.
        """
        if state is not None:
            _check_state(state, self._policy)
        going = _Going(self._source, self._policy, state, save, self._clock())
        looks = [look(pin, self._chains) for pin in self._policy.chains]
        try:
            going.follow()
        except SourceError as error:
            going.undecided.append(str(error))
        for looked in looks:
            going.compare(looked)
        return going.ended()


class _Going:
    """A round on its way: each step fills in what the next may rest on."""

    def __init__(
        self,
        source: LogSource,
        policy: Policy,
        state: State | None,
        save: Callable[[State], None],
        time: datetime,
    ) -> None:
        self._source, self._policy = source, policy
        self._before = self._state = state
        self._save = save
        self._time = time
        self._tree: ServedTree | None = None
        self._note: str | None = None
        self._new = 0
        self._cosigned: tuple[str, ...] = ()
        self._anchored: dict[str, int] = {}
        self._findings: list[Evidence] = []
        self._notices: list[str] = []
        self.undecided: list[str] = []

    # --- the log --------------------------------------------------------------------------------

    def follow(self) -> None:
        """Go from the newest checkpoint that was seen to the one served now.

        Raises:
            SourceError: the log does not answer.
        """
        try:
            opened = open_checkpoint(self._source, self._policy)
        except CheckpointError as error:
            self._note = error.note
            self._find("checkpoint", str(error))
            return
        self._note, self._cosigned = opened.note, opened.cosigned
        self._count(opened.cosigned)
        edge = RightEdge(self._before.edge if self._before else ())
        shown = True
        if self._before is not None:
            seen = self._before.head
            relation = relate(self._source, opened.head, seen, edge)
            if relation.kind in ("fork", "rollback"):
                self._find(relation.kind, relation.said, history=relation.history)
                return
            if relation.kind == "stale":
                self._stale(self._before, relation.said)
                self._tree = ServedTree(self._source, seen, edge)
                return
            shown = relation.kind == "continues"
            if not shown and edge.size < seen.size:  # then the entries cannot tell either
                self._find("tiles", f"nothing shows one history: {relation.said}")
                return
        self._read(opened, edge, shown)

    def _count(self, cosigned: tuple[str, ...]) -> None:
        """Count cosignatures: as many as are demanded, and one wherever witnesses are named."""
        named = len(self._policy.witnesses)
        demanded = self._policy.demand(self._policy.minimum).witnesses
        if len(cosigned) < demanded:
            self.undecided.append(
                f"cosigned by {len(cosigned)} of the {named} witnesses that the policy names; "
                f"it demands {demanded}"
            )
        elif named and not cosigned:
            self.undecided.append(
                f"cosigned by none of the {named} witnesses that the policy names"
            )

    def _stale(self, before: State, said: str) -> None:
        """Pass over an old checkpoint once: a cache gives it up, one who hides the new does not."""
        if before.stale:
            self.undecided.append(f"{said}; so it was in the round before: nobody shows the newest")
        else:
            self._notices.append(said)
        self._state = replace(before, stale=True)

    def _read(self, opened: Opened, edge: RightEdge, shown: bool) -> None:
        head = opened.head
        tree = ServedTree(self._source, head, edge)
        if shown:
            self._keep(opened.note, edge)  # whatever its entries are: it is what the log signed

        def progress(read: RightEdge) -> None:
            if shown and _is_prefix(tree, read):
                self._save(self._keep(opened.note, read))

        try:
            reading = read_entries(self._source, tree, edge, progress=progress)
        except EntriesError as error:
            self._find("entries", str(error), entry=error.entry)
            return
        self._new = head.size - edge.size
        self._tree = ServedTree(self._source, head, reading.edge)
        if reading.first:
            self._find_misshapen(self._tree, reading.first, reading.misshapen)
        if reading.tile is None and shown:
            self._keep(opened.note, reading.edge)
            return
        if not shown:  # by the hash tiles; the entries show it, and it counts as seen
            self._keep(opened.note, edge)
        path = reading.tile.path if reading.tile else "those that would show one history"
        said = f"the entries are those of the checkpoint, and hash tiles are not: {path}"
        self._find("tiles", said, tile=reading.tile)

    def _find_misshapen(self, tree: ServedTree, first: tuple[int, bytes, str], count: int) -> None:
        index, data, fault = first
        others = f", and {count - 1} more" if count > 1 else ""
        try:
            entry = ServedEntry.of(data, *tree.leaf(index))
        except (UnshownError, SourceError):
            entry = ServedEntry(index=index, entry=data)
        self._find("entry", f"entry {index}{others}: {fault}", entry=entry)

    # --- the chains -----------------------------------------------------------------------------

    def compare(self, looked: Look) -> None:
        """Hold what a contract has against the history, if it is known."""
        pin, head = looked.pin, looked.head
        what = f"chain {pin.name!r}"
        if looked.unasked:
            self._notices.append(f"{what}: {looked.unasked}, not asked")
        elif looked.undecided:
            self.undecided.append(f"{what}: {looked.undecided}")
        elif looked.wrong:
            self._find("chain", f"{what}: {looked.wrong}")
        if not looked.known:
            return
        self._anchored[pin.name] = head.size if head else 0
        if self._tree is None:
            return
        before = self._before
        seen = before.seen(pin) if before else None
        lost = seen is not None and self._lost(looked, seen)
        if head is None:
            return
        covered = before is not None and seen is not None and seen.size <= before.head.size
        try:
            contradiction = compare(looked, head, self._tree, seen if covered else None)
        except SourceError as error:
            self.undecided.append(f"{what}: {error}")
            return
        except UnshownError as error:  # under a root that the entries were read for
            self._find("tiles", f"{what} has a head of {head.size} entries, and {error}")
            return
        if contradiction:
            self._find(
                "anchor",
                contradiction.finding,
                anchor=contradiction.anchor,
                history=contradiction.history,
            )
        elif not lost and self._state is not None:
            self._state = _with_head(self._state, looked, head, seen)

    def _lost(self, looked: Look, seen: SeenHead) -> bool:
        """Report a head that was confirmed and is gone; note one that was not yet."""
        if not taken_back(looked, seen):
            return False
        pin, head = looked.pin, looked.head
        has = f"has {head.size}" if head else "has none"
        said = f"chain {pin.name!r} had a head of {seen.size} entries, and now {has}"
        confirmations = seen.last_block - seen.first_block + 1
        if confirmations < pin.confirmations:
            self._notices.append(f"{said}: it had {confirmations} of {pin.confirmations} blocks")
            return False
        self._find(
            "chain",
            said,
            lost=OnChain.of(pin, seen.size, seen.root, seen.last_block),
            anchor=OnChain.of(pin, head.size, head.root, looked.block) if head else None,
        )
        return True

    # --- what came of it --------------------------------------------------------------------------

    def _keep(self, note: str, edge: RightEdge) -> State:
        chains = self._state.chains if self._state else ()
        self._state = State(checkpoint=note, edge=edge.levels, chains=chains)
        return self._state

    def _find(self, kind: Kind, said: str, **parts: Any) -> None:
        before = self._before.checkpoint if self._before else None
        evidence = Evidence(
            kind=kind,
            origin=self._policy.origin,
            time=self._time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            finding=said,
            checkpoint=self._note,
            seen=None if before == self._note else before,
            **parts,
        )
        self._findings.append(evidence)

    def ended(self) -> Round:
        """Return what was found."""
        known = self._tree.head if self._tree else self._before.head if self._before else None
        return Round(
            origin=self._policy.origin,
            time=self._time,
            head=known,
            new=self._new,
            cosigned=self._cosigned,
            anchored=self._anchored,
            findings=tuple(self._findings),
            undecided=tuple(self.undecided),
            notices=tuple(self._notices),
            state=self._state,
        )


def _check_state(state: State, policy: Policy) -> None:
    if state.head.origin != policy.origin:
        raise InputError(f"the state is of the log {state.head.origin!r}, not of {policy.origin!r}")
    try:
        open_note(state.checkpoint.encode(), policy.log_verifiers)
    except (SignatureError, MalformedError) as error:  # then it could not be evidence either
        raise InputError(
            f"what the state says was seen is not signed by a log key of the policy: {error}; "
            "where the log's key was changed, keep the old one in `logKeys` for one round more"
        ) from None


def _is_prefix(tree: ServedTree, edge: RightEdge) -> bool:
    try:
        return tree.prefix(edge.size)[0] == edge.root()
    except UnshownError:
        return False


def _with_head(state: State, looked: Look, head: Head, seen: SeenHead | None) -> State:
    """Keep what a chain has, as lying on the history."""
    pin, first = looked.pin, looked.block
    if seen and (seen.size, seen.root) == (head.size, head.root):
        first = min(seen.first_block, first)
    now = SeenHead(
        chain_id=pin.chain_id,
        contract=pin.contract,
        ledger_id=pin.ledger_id,
        size=head.size,
        root=head.root,
        first_block=first,
        last_block=looked.block,
    )
    others = tuple(other for other in state.chains if not other.is_of(pin))
    return replace(state, chains=(*others, now))
