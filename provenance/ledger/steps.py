"""A processing step: what it read, what it made, how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from provenance import forms
from provenance.errors import InputError
from provenance.statements import ArtifactRef, Code, Statement, Step, Subject

if TYPE_CHECKING:
    from provenance.ledger.recording import Recorder, Ref, Registered

__all__ = ["StepRun", "reference"]

A = TypeVar("A", bound="Registered")

MAX_ERROR = 200


class StepRun(Generic[A]):
    """One run of a step; made by `Ledger.step`, used as a context manager.

    Each output is registered and signed for at once. On leaving, one more statement links inputs
    and outputs; where the block raised, it says so, and the exception goes on.

    Attributes:
        outputs: what was registered so far.
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
        self._inputs = tuple(reference(ledger.resolve(ref)) for ref in inputs)
        self._params = dict(params or {})
        self._code = code
        self._environment = dict(environment or {})
        self._started = ""
        self.outputs: list[A] = []
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
        if not self._running:
            raise InputError(f"step {self._name!r} is not running: use it in a with block")
        registered = self._ledger.register(data, name=name, kind=kind, **claims)
        self.outputs.append(registered)
        return registered

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
        )


def _in_one_line(error: BaseException) -> str:
    """Return what went wrong, without a character that acts on a terminal or cannot be signed."""
    reason = str(error).partition("\n")[0][:MAX_ERROR]
    text = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def reference(artifact: Registered) -> ArtifactRef:
    """Return how another statement names a registered artifact."""
    return ArtifactRef(name=artifact.name, digest=artifact.digests)
