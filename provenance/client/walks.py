"""The server's answers to whoever walks: histories, and what descends; each is read strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from provenance import forms
from provenance.derivation import Claim
from provenance.errors import MalformedError
from provenance.lineage import End, Event, Grade, History, Impact
from provenance.lineage.drawing import arrows_to_json
from provenance.lineage.impact import KINDS, Descendant, LeftOut, Source
from provenance.statements import Statement

__all__ = ["HistoryAnswer", "ImpactAnswer"]


@dataclass(frozen=True, kw_only=True)
class _Line:
    index: int
    depth: int
    kind: str
    signers: tuple[str, ...]
    revoked: tuple[str, ...] = ()
    reproduced: dict[str, int] = field(default_factory=dict)
    arrows: forms.Json = None
    statement: forms.Json

    def read(self) -> Event:
        """Return the statement, and what is told of it."""
        return Event(
            self.index,
            Statement.parse(forms.canonical(self.statement)),
            self.signers,
            self.depth,
            self.revoked,
            {_digest(digest): entry for digest, entry in self.reproduced.items()},
        )


@dataclass(frozen=True, kw_only=True)
class _End:
    name: str
    registered: int | None = None
    revoked: bool = False
    superseded: int | None = None
    conflict: bool = False


@dataclass(frozen=True, kw_only=True)
class HistoryAnswer:
    """A history as the server writes it."""

    artifact: forms.Hash
    size: int
    artifacts: dict[str, _End]
    statements: tuple[_Line, ...]
    circles: forms.Json = None
    next_cursor: str | None = field(default=None, metadata={"json": "next_cursor"})

    def read(self) -> History:
        """Return the history. What is registered, superseded and revoked is the server's word.

        Raises:
            MalformedError: a statement is not of the form it should have, or a grade does not
                follow from what the server says.
        """
        ends = {
            _digest(digest): End(end.registered, end.revoked, end.superseded, end.conflict)
            for digest, end in self.artifacts.items()
        }
        events = tuple(line.read() for line in self.statements)
        history = History(self.artifact, events, self.next_cursor, self.size, ends)
        for event, line in zip(events, self.statements, strict=True):
            if (line.arrows or []) != arrows_to_json(history.arrows(event)):
                raise MalformedError("the answer has a grade that does not follow")
        return history


_ImpactKind = Literal["dataset", "model", "outputs", "unregistered"]


@dataclass(frozen=True, kw_only=True)
class _Source:
    digest: forms.Hash
    name: str | None = None
    kind: _ImpactKind
    registered: int | None = None
    conflict: bool = False


@dataclass(frozen=True, kw_only=True)
class _Descendant(_Source):
    depth: int
    grade: Literal["broken", "declared", "attested", "reproduced"]
    by: int


@dataclass(frozen=True, kw_only=True)
class _LeftOut(_Source):
    by: int
    claim: Claim


@dataclass(frozen=True, kw_only=True)
class ImpactAnswer:
    """What descends from artifacts, as the server writes it."""

    size: int
    sources: tuple[_Source, ...]
    artifacts: tuple[_Descendant, ...]
    kinds: dict[str, int]
    grades: dict[str, int]
    unread: tuple[int, ...]
    left_out: tuple[_LeftOut, ...] = field(metadata={"json": "left_out"})
    unproven: tuple[int, ...]
    next_cursor: str | None = field(default=None, metadata={"json": "next_cursor"})

    def read(self) -> Impact:
        """Return it. All of it is the server's word.

        Raises:
            MalformedError: a kind or a grade that there is not.
        """
        if not set(self.kinds) <= set(KINDS) or not set(self.grades) <= set(map(str, Grade)):
            raise MalformedError("the answer counts what is no kind, or no grade")
        return Impact(
            self.size,
            tuple(Source(**vars(each)) for each in self.sources),
            tuple(
                Descendant(**(vars(each) | {"grade": Grade[each.grade.upper()]}))
                for each in self.artifacts
            ),
            {kind: count for kind in KINDS if (count := self.kinds.get(kind))},
            {grade: count for grade in Grade if (count := self.grades.get(str(grade)))},
            self.unread,
            self.next_cursor,
            tuple(LeftOut(**vars(each)) for each in self.left_out),
            self.unproven,
        )


def _digest(text: str) -> bytes:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise MalformedError(f"an artifact digest has 64 hex digits, not {text[:100]!r}")
    return bytes.fromhex(text)
