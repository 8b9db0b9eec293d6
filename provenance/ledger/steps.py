"""A processing step: what it read, what it made, how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from provenance import forms
from provenance.derivation import Derivation
from provenance.errors import InputError
from provenance.records import ARTIFACT_DIGEST
from provenance.statements import ArtifactRef, Code, Statement, Step, Subject

if TYPE_CHECKING:
    from provenance.ledger.recording import Recorder, Ref, Registered

__all__ = ["StepRun", "each", "reference"]

A = TypeVar("A", bound="Registered")

MAX_ERROR = 200


class StepRun(Generic[A]):
    """One run of a step; made by `Ledger.step`, used as a context manager.

    Each output is registered and signed for at once. On leaving, one more statement links inputs
    and outputs; where the block raised, it says so, and the exception goes on.

    Attributes:
        outputs: what was registered so far.
        derivations: what is claimed of their records so far.
        index: of the step's entry in the log, once it has ended and is there.
    """

    def __init__(
        self,
        ledger: Recorder[A, Any],
        name: str,
        *,
        inputs: Iterable[Ref[A]],
        params: Mapping[str, forms.Json] | None,
        code: Code | None,
        environment: Mapping[str, str] | None,
    ) -> None:
        self._ledger = ledger
        self._name = name
        self._read = [ledger.resolve(ref) for ref in inputs]
        self._inputs = tuple(map(reference, self._read))
        self._params = dict(params or {})
        self._code = code
        self._environment = dict(environment or {})
        self._started = ""
        self.outputs: list[A] = []
        self.derivations: list[Derivation] = []
        self.index: int | None = None
        self._running = False
        # What cannot be signed is found now, and not when the work is done.
        now = ledger.journal.now()
        probe = self._predicate(started=now, finished=now)
        Statement(subjects=(probe.run,), predicate=probe).to_bytes()
        ledger.journal.signers  # noqa: B018 - a wrong passphrase, too

    def __enter__(self) -> Self:
        self._started = self._ledger.journal.now()
        self._running = True
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.finish(error=None if error is None else _in_one_line(error))

    def output(
        self, data: Any, *, name: str | None = None, kind: str | None = None, **claims: Any
    ) -> A:
        """Register what the step made; arguments as for `Ledger.register`.

        Raises:
            InputError: the step is not running, or `data` cannot be registered.
        """
        self._check_running()
        registered = self._ledger.register(data, name=name, kind=kind, **claims)
        self.outputs.append(registered)
        return registered

    def derive(
        self,
        sources: Ref[A] | Iterable[Ref[A]] | None = None,
        targets: Ref[A] | Iterable[Ref[A]] | None = None,
    ) -> Derivation:
        """Find out how outputs follow from inputs, record by record, and claim it in this step.

        Which claim that is, their numbers and sizes say (`provenance.derivation.claims`); it is
        proven and checked before it is signed.

        Args:
            sources: one or several, in the order in which the claim is to name them: inputs, or
                outputs; all inputs, if None.
            targets: outputs, likewise; all so far, if None.

        Raises:
            InputError: the step is not running, it names no such artifact, or no claim holds.
        """
        self._check_running()
        read, made = ({_digest(one): one for one in side} for side in (self._read, self.outputs))
        found = self._ledger._derivation(
            [*read.values()] if sources is None else self._among({**read, **made}, sources),
            [*made.values()] if targets is None else self._among(made, targets),
        )
        if found not in self.derivations:
            self.derivations.append(found)
        return found

    def _among(self, known: Mapping[str, A], refs: Ref[A] | Iterable[Ref[A]]) -> list[A]:
        """Return what REFs name, of the artifacts that are known by their digests."""
        found = [self._ledger.resolve(ref) for ref in each(refs)]
        for artifact in found:
            if _digest(artifact) not in known:
                raise InputError(f"step {self._name!r} has no {artifact.name!r} there")
        return found

    def _check_running(self) -> None:
        if not self._running:
            raise InputError(f"step {self._name!r} is not running: use it in a with block")

    def finish(self, *, error: str | None = None) -> int | None:
        """Sign the step, hand it in, and return its index in the log."""
        predicate = self._predicate(
            started=self._started, finished=self._ledger.journal.now(), error=error
        )
        subjects = tuple(
            dict.fromkeys((out.name, tuple(sorted(out.digests.items()))) for out in self.outputs)
        )
        statement = Statement(
            subjects=tuple(Subject(name=name, digest=dict(digest)) for name, digest in subjects)
            or (predicate.run,),
            predicate=predicate,
        )
        self.index = self._ledger.journal.submit(statement)
        self._running = False
        return self.index

    def _predicate(self, *, started: str, finished: str, error: str | None = None) -> Step:
        return Step(
            **self._ledger.journal.stamp(),
            name=self._name,
            inputs=self._inputs,
            code=self._code,
            parameters=self._params,
            environment=self._environment,
            started=started,
            finished=finished,
            outcome="succeeded" if error is None else "failed",
            error=error,
            derivations=tuple(self.derivations) or None,
        )


def _in_one_line(error: BaseException) -> str:
    """Return what went wrong, without a character that acts on a terminal or cannot be signed."""
    reason = str(error).partition("\n")[0][:MAX_ERROR]
    text = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _digest(artifact: Registered) -> str:
    return artifact.digests[ARTIFACT_DIGEST]


def each(given: Ref[A] | Iterable[Ref[A]]) -> list[Ref[A]]:
    """Return one or several REFs as a list."""
    if isinstance(given, str | PathLike) or not isinstance(given, Iterable):
        return [given]
    return [*given]


def reference(artifact: Registered) -> ArtifactRef:
    """Return how another statement names a registered artifact."""
    return ArtifactRef(name=artifact.name, digest=artifact.digests)
