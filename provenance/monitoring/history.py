"""How two tree heads that a log signed lie to each other.

A log never takes anything back, so of two heads the smaller is a prefix of the larger. The proof is
made here from the log's hash tiles, under the root of the larger. It tells which root that history
has at the smaller size: another than was signed there is a fork, proven to everybody.

A smaller head than the newest may be an old answer, from a cache on the way: then the log still
has the tree of the newest. A log that does not was rolled back.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from provenance.errors import ProvenanceError
from provenance.log import Checkpoint
from provenance.monitoring.edge import RightEdge
from provenance.monitoring.evidence import History
from provenance.monitoring.served import ServedTree, UnshownError
from provenance.monitoring.source import LogSource, MissingError, SourceError

__all__ = ["Relation", "relate"]


@dataclass(frozen=True)
class Relation:
    """What was found of a head, next to the newest that was seen.

    Attributes:
        kind: ``unshown``: the tiles do not tell; ``stale``: smaller, and nothing is lost.
        said: in words.
        history: the proof, where there is one.
    """

    kind: Literal["continues", "unshown", "stale", "fork", "rollback"]
    said: str = ""
    history: History | None = None


def relate(source: LogSource, head: Checkpoint, seen: Checkpoint, edge: RightEdge) -> Relation:
    """Say how `head`, which the log serves now, lies to the newest that was seen.

    Args:
        source: the log.
        head: signed by the log.
        seen: signed by the log, earlier.
        edge: of the tree over entries that were read before.

    Raises:
        SourceError: a tile that it takes cannot be read.
    """
    if head.size < seen.size:
        return _smaller(source, head, seen, edge)
    if head.size == seen.size:
        if head.root == seen.root:
            return Relation("continues")
        return Relation("fork", f"the log signed two trees of {head.size} entries")
    if seen.size == 0:
        return Relation("continues")
    try:
        history = _history(ServedTree(source, head), seen)
    except UnshownError as error:
        return Relation("unshown", str(error))
    if history.old_root != seen.root:
        return _fork(head, seen, history)
    return Relation("continues", history=history)


def _smaller(source: LogSource, head: Checkpoint, seen: Checkpoint, edge: RightEdge) -> Relation:
    gone: ProvenanceError | None = None
    history: History | None = None
    try:
        if head.size:
            history = _history(ServedTree(source, seen), head)
        else:  # nothing to prove of it; and is what was seen still there?
            ServedTree(source, seen).leaf(seen.size - 1)
    except (MissingError, UnshownError) as error:
        gone = error
        # What was read before knows the right edge of the tree, and so the end of the proof.
        with suppress(SourceError, UnshownError):
            history = _history(ServedTree(source, seen, edge), head)
    if history is not None and history.old_root != head.root:
        return _fork(seen, head, history)
    if gone is None:
        said = f"an old checkpoint of {head.size} entries is served; {seen.size} were seen"
        return Relation("stale", said, history)
    said = f"the log signed {seen.size} entries, and serves {head.size} without the others: {gone}"
    return Relation("rollback", said, history)


def _history(tree: ServedTree, smaller: Checkpoint) -> History:
    if smaller.size == 0:
        raise UnshownError("an empty tree has no proof")
    root, proof = tree.prefix(smaller.size)
    return History.of(root, proof, tree.head.root)


def _fork(larger: Checkpoint, smaller: Checkpoint, history: History) -> Relation:
    said = (
        f"the log signed a tree of {larger.size} entries that does not continue the one of "
        f"{smaller.size} that it signed too"
    )
    return Relation("fork", said, history)
