"""From an artifact back to its sources, and on to what was made of it, along statements alone.

An artifact was *made* by a step that has it among its subjects; the step's inputs, and the model
of a batch of outputs, are what it came from. To its history belongs every statement about each of
these artifacts: registrations, steps, quality figures, reviews, corrections. To its descendants
lead the statements that refer to it, and to what was made of it: steps, and batches of outputs.

How sure each arrow is, `provenance.lineage.grades` says.

Both are walked breadth first: `Event.depth` is how many steps lie between, and the statements of
one depth come in the log's order. So a walk has one order, and a page is a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provenance import forms
from provenance.errors import InputError
from provenance.lineage.circles import circles
from provenance.lineage.grades import Arrow, End, Grade, ends_of
from provenance.statements import Statement, Step

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent
    from prov.model import ProvDocument

__all__ = ["Event", "History", "walk"]


@dataclass(frozen=True)
class Event:
    """A statement and its place in the log.

    Attributes:
        index: the entry's.
        statement: what was signed.
        signers: key ids, hex, whose signatures on it were valid when it was logged.
        depth: of the artifact that led to it, from the one that was asked for, which has 0.
        revoked: those of the signers whose signature was revoked since.
        reproduced: artifact digest → the entry of a run of the same step by somebody else that
            made it, too.
    """

    index: int
    statement: Statement
    signers: tuple[str, ...]
    depth: int = 0
    revoked: tuple[str, ...] = ()
    reproduced: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """The statements of a walk, or of a page of it.

    Attributes:
        artifact: the artifact digest that was asked for, 32 bytes.
        events: the statements, the nearest first.
        next_cursor: given as ``cursor`` it leads to the next page; None at the end.
        size: of the log as of which all this is said, in entries.
        ends: what is known of each artifact that the statements name; nothing, if it is not there.
    """

    artifact: bytes
    events: tuple[Event, ...]
    next_cursor: str | None = None
    size: int = 0
    ends: Mapping[bytes, End] = field(default_factory=dict)

    def end(self, artifact: bytes) -> End:
        """Return what is known of an artifact."""
        return self.ends.get(artifact, End())

    def arrows(self, event: Event) -> list[Arrow]:
        """Return the arrows of a statement: those into it, then those out of it."""
        ends = ends_of(event.statement)
        again = Grade.REPRODUCED if event.reproduced else Grade.ATTESTED
        return [
            *(self._arrow(event, each, again, into=True) for each in ends.sources),
            *(
                self._arrow(event, each, again if each in event.reproduced else Grade.ATTESTED)
                for each in ends.made
            ),
        ]

    def _arrow(self, event: Event, artifact: bytes, best: Grade, *, into: bool = False) -> Arrow:
        grade = Grade.BROKEN if event.revoked else self.end(artifact).grade
        step = event.statement.predicate
        claims = (step.derivations or ()) if isinstance(step, Step) and not into else ()
        return Arrow(
            artifact,
            into,
            best if grade is Grade.ATTESTED else grade,
            tuple(each for each in claims if artifact in each.targets),
        )

    @property
    def circles(self) -> list[tuple[bytes, ...]]:
        """The artifacts that are said to be made of themselves, each circle by its digests."""
        following: dict[bytes | int, list[bytes | int]] = {}
        for event in self.events:
            ends = ends_of(event.statement)
            for source in ends.sources:
                following.setdefault(source, []).append(event.index)
            following[event.index] = [*ends.made]
        found = (
            tuple(sorted(each for each in circle if isinstance(each, bytes)))
            for circle in circles(following)
        )
        return sorted(found)

    @property
    def in_log_order(self) -> list[Event]:
        """The statements as they were logged."""
        return sorted(self.events, key=lambda event: event.index)

    @property
    def names(self) -> dict[bytes, str]:
        """The name of every artifact, as its registration or else its first mention has it."""
        names: dict[bytes, str] = {}
        for event in self.in_log_order:
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

    def to_slsa(self, origin: str) -> list[dict[str, forms.Json]]:
        """Return SLSA provenance v1, unsigned, of the steps; as `provenance.lineage.slsa`."""
        from provenance.lineage import slsa

        return slsa.to_slsa(self, origin)

    def to_prov(self, origin: str) -> ProvDocument:
        """Return a document of the `prov` library; as `provenance.lineage.prov_model`."""
        from provenance.lineage import prov_model

        return prov_model.to_prov(self, origin)

    def to_croissant(self, origin: str) -> dict[str, forms.Json]:
        """Return Croissant metadata of a data set; as `provenance.lineage.croissant`."""
        from provenance.lineage import croissant

        return croissant.to_croissant(self, origin)

    def to_cyclonedx(self, origin: str) -> dict[str, forms.Json]:
        """Return the CycloneDX ML-BOM of a model; as `provenance.lineage.cyclonedx`."""
        from provenance.lineage import cyclonedx

        return cyclonedx.to_cyclonedx(self, origin)

    def to_openlineage(self, origin: str) -> list[RunEvent]:
        """Return events of `openlineage-python`; as `provenance.lineage.run_events`.

        Raises:
            InputError: it is not installed.
        """
        try:
            from provenance.lineage import run_events
        except ImportError as error:
            raise InputError(
                f"OpenLineage needs {error.name}: pip install 'provenance-ledger[exports]'"
            ) from error
        return run_events.to_openlineage(self, origin)


def walk(
    artifact: bytes,
    *,
    statements: Callable[[Sequence[bytes]], Sequence[int]],
    linked: Callable[[Sequence[int]], Iterable[bytes]],
    depth: int | None = None,
) -> Iterator[tuple[int, int]]:
    """Walk breadth first; yield (entry, depth) of each statement once.

    A circle ends, since no artifact is passed twice.

    Args:
        artifact: where it begins, 32 bytes.
        statements: the entries that artifacts of one depth lead to, in the log's order. Where
            they are not all, no more than they are taken of the walk.
        linked: the artifacts that entries lead to, in their order.
        depth: how far; None for all.
    """
    passed, told = {artifact}, set[int]()
    level, distance = [artifact], 0
    while level:
        entries = [entry for entry in statements(level) if entry not in told]
        told.update(entries)
        yield from ((entry, distance) for entry in entries)
        if distance == depth:
            return
        level = [each for each in dict.fromkeys(linked(entries)) if each not in passed]
        passed.update(level)
        distance += 1
