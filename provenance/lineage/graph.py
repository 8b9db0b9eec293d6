"""From an artifact back to its sources, along statements alone.

An artifact was *made* by a step that has it among its subjects; the step's inputs, and the model
of a batch of outputs, are what it came from. Every statement about each of these artifacts
(registrations, steps, quality figures, reviews, corrections) belongs to the history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from provenance import forms
from provenance.statements import Statement

__all__ = ["Event", "History", "trace"]


@dataclass(frozen=True)
class Event:
    """A statement and its place in the log.

    Attributes:
        index: the entry's.
        statement: what was signed.
        signers: key ids, hex, whose signatures on it were valid when it was logged.
    """

    index: int
    statement: Statement
    signers: tuple[str, ...]


@dataclass(frozen=True)
class History:
    """Every statement about an artifact and about what it came from, in the log's order.

    Attributes:
        artifact: the artifact digest that was asked for, 32 bytes.
        events: the statements.
    """

    artifact: bytes
    events: tuple[Event, ...]

    @property
    def names(self) -> dict[bytes, str]:
        """The name of every artifact, as its registration or else its first mention has it."""
        names: dict[bytes, str] = {}
        for event in self.events:
            for subject in event.statement.subjects:
                if subject.artifact is not None:
                    names.setdefault(subject.artifact, subject.name)
            for reference in event.statement.predicate.references():
                names.setdefault(reference.artifact, reference.name)
        return names

    def __str__(self) -> str:
        return self.to_text()

    def to_json(self) -> dict[str, forms.Json]:
        """Return the history as one JSON object."""
        from provenance.lineage import drawing

        return drawing.to_json(self)

    def to_text(self) -> str:
        """Return the history for a terminal, newest first."""
        from provenance.lineage import drawing

        return drawing.to_text(self)

    def to_mermaid(self) -> str:
        """Return a Mermaid flowchart, left to right."""
        from provenance.lineage import drawing

        return drawing.to_mermaid(self)

    def to_dot(self) -> str:
        """Return a Graphviz digraph, left to right."""
        from provenance.lineage import drawing

        return drawing.to_dot(self)


def trace(artifact: bytes, about: Callable[[bytes], Iterable[Event]]) -> History:
    """Walk from `artifact` to its sources.

    Args:
        artifact: an artifact digest, 32 bytes.
        about: the statements that have an artifact among their subjects.
    """
    seen = {artifact}
    waiting = deque([artifact])
    events: dict[int, Event] = {}
    while waiting:
        for event in about(waiting.popleft()):
            events[event.index] = event
            if event.statement.kind == "supersede":
                continue  # the replacement came later; it is no source
            for reference in event.statement.predicate.references():
                if reference.artifact not in seen:
                    seen.add(reference.artifact)
                    waiting.append(reference.artifact)
    return History(artifact, tuple(events[index] for index in sorted(events)))
