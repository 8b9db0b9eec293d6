"""What became known later of what is registered: quality, verdicts, that it is superseded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from provenance.errors import InputError
from provenance.ledger.steps import reference
from provenance.statements import (
    Predicate,
    Quality,
    Review,
    Statement,
    Subject,
    Supersede,
    Verdict,
    judge,
    measured,
)

if TYPE_CHECKING:
    from provenance.ledger.recording import Recorder, Ref, Registered

__all__ = ["quality", "review", "supersede"]

A = TypeVar("A", bound="Registered")
I = TypeVar("I", bound=int | None)  # noqa: E741


def quality(
    ledger: Recorder[A, I],
    ref: Ref[A],
    metrics: Mapping[str, Any],
    criteria: Mapping[str, str] | None,
) -> I:
    """Sign metrics of an artifact against criteria; as `Ledger.quality`."""
    values, wanted = measured(metrics), dict(criteria or {})
    passed = judge(values, wanted)
    stamp = ledger.journal.stamp()
    predicate = Quality(**stamp, metrics=values, criteria=wanted, passed=passed)
    return _say(ledger, ref, predicate)


def review(ledger: Recorder[A, I], ref: Ref[A], verdict: Verdict, reason: str | None) -> I:
    """Sign a verdict on an artifact; as `Ledger.review`."""
    if verdict not in get_args(Verdict):
        raise InputError(f"a verdict is one of {', '.join(get_args(Verdict))}, not {verdict!r}")
    if verdict != "approve" and not reason:
        raise InputError(f"to {verdict} an artifact takes a reason")
    return _say(ledger, ref, Review(**ledger.journal.stamp(), verdict=verdict, reason=reason))


def supersede(ledger: Recorder[A, I], old: Ref[A], new: Ref[A] | None, reason: str) -> I:
    """Say that `old` is not to be used any more; as `Ledger.supersede`."""
    replacement = None if new is None else reference(ledger.resolve(new))
    predicate = Supersede(**ledger.journal.stamp(), replacement=replacement, reason=reason)
    return _say(ledger, old, predicate)


def _say(ledger: Recorder[A, I], ref: Ref[A], predicate: Predicate) -> I:
    artifact = ledger.resolve(ref)
    subject = Subject(name=artifact.name, digest=artifact.digests)
    return ledger.journal.submit(Statement(subjects=(subject,), predicate=predicate))
