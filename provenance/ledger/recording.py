"""What a pipeline records, wherever its ledger is: on this disk, or behind a URL."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeAlias, TypeVar

from provenance import forms
from provenance.derivation import Derivation
from provenance.errors import InputError
from provenance.ledger import remarks
from provenance.ledger.describing import describe
from provenance.ledger.desk import Desk
from provenance.ledger.outputs import OutputBatches
from provenance.ledger.steps import StepRun, each, reference
from provenance.ledger.traced import trace
from provenance.merkle import EMPTY_ROOT
from provenance.records import Artifact, Encoding
from provenance.records.cache import user_cache
from provenance.records.opening import open_source
from provenance.records.sources import Progress, Source
from provenance.statements import Code, Sensitivity, Statement, Verdict

if TYPE_CHECKING:
    from provenance.lineage.model_signature import ModelSignature

__all__ = ["Desk", "Recorder", "Ref", "Registered"]


class Registered(Protocol):
    """An artifact in a ledger."""

    @property
    def name(self) -> str:
        """Given at registration."""

    @property
    def digests(self) -> dict[str, str]:
        """The subject's DigestSet, hex."""


A = TypeVar("A", bound=Registered)
P = ParamSpec("P")
T = TypeVar("T")
I_co = TypeVar("I_co", bound=int | None, covariant=True)

Ref: TypeAlias = str | PathLike[str] | A
"""What names an artifact: a name, digits of a digest, a path, or what `register` returned."""


class Recorder(ABC, Generic[A, I_co]):
    """The writing half of a ledger's face: `Ledger` has it, and `RemoteLedger`."""

    @property
    @abstractmethod
    def journal(self) -> Desk[I_co]:
        """Where its statements are signed and handed in."""

    @abstractmethod
    def resolve(self, ref: Ref[A]) -> A:
        """Return what a REF names."""

    @abstractmethod
    def _hash(self, source: Source, progress: Progress | None) -> Artifact:
        """Hash everything, and bring the tree to where the ledger is."""

    @abstractmethod
    def _keep(self, leaf_hash_blocks: Iterator[bytes], encoding: Encoding) -> Artifact:
        """Bring the tree over leaf hashes, 32·n bytes at a time, to where the ledger is."""

    @abstractmethod
    def _log(self, statement: Statement) -> A:
        """Sign and log a statement about an artifact."""

    @abstractmethod
    def _log_once(self, statement: Statement) -> A:
        """Sign and log a statement about an artifact, unless one that says the same is there."""

    @abstractmethod
    def _derivation(self, sources: Sequence[A], targets: Sequence[A]) -> Derivation:
        """Return the claim that holds between artifacts, having checked a proof of it."""

    @property
    @abstractmethod
    def _spool(self) -> Path:
        """The folder in which outputs wait until they are registered."""

    def register(
        self,
        data: Any,
        *,
        name: str | None = None,
        kind: str | None = None,
        encoding: str | Encoding | None = None,
        together: bool = False,
        ignore: Iterable[str] = (),
        follow_symlinks: bool = False,
        digest: str = "sha256",
        tree_only: bool = False,
        schema: Mapping[str, str] | None = None,
        source: str | None = None,
        provider: str | None = None,
        collected: str | None = None,
        license: str | None = None,
        sensitivity: Sensitivity = "internal",
        metadata: Mapping[str, forms.Json] | None = None,
        model: Ref[A] | None = None,
        model_signature: ModelSignature | None = None,
        cache: bool = True,
        progress: Progress | None = None,
    ) -> A:
        """Hash `data`, sign who it is and where it is from, and log that.

        The same content under the same name with the same claims, by the same signers, is
        registered once.

        Args:
            data: what `provenance.records.opening.open_source` takes: a path, a table, rows, bytes.
            name: of the artifact; the file's or folder's name, if None.
            kind: ``dataset``, ``model`` or ``outputs``; by the form of `data`, if None.
            encoding: how records become leaves; by the form of `data`, if None.
            together: `data` is a list of tables that make one.
            ignore: globs of what to leave out of a folder; signed.
            follow_symlinks: follow symlinks that stay inside the folder; signed.
            digest: ``blake3``, of each file in a folder in place of ``sha256``; of a single file
                beside it.
            tree_only: of a single file, leave out the digests of all of it.
            schema: column → type, of the cells of CSV files; signed.
            source: where a data set or model is from.
            provider: who gave a data set.
            collected: when and how a data set was collected.
            license: SPDX, if there is such a name.
            sensitivity: ``public``, ``internal``, ``confidential`` or ``restricted``: what a
                verifier demands.
            metadata: anything else, signed.
            model: REF of the model that made outputs.
            model_signature: by somebody else, of the files `data`; checked, and signed as evidence.
            cache: do not read files that did not change since they were last hashed, and hash of
                rows that were appended only those (`provenance.records.remembered`).
            progress: called with how much was read, and of how much.

        Raises:
            InputError: `data` cannot be registered, or the model signature is not of it; nothing
                was written.
        """
        kept = user_cache() if cache else None
        opened = open_source(
            data,
            encoding=encoding,
            together=together,
            ignore=ignore,
            follow_symlinks=follow_symlinks,
            digest=digest,
            tree_only=tree_only,
            schema=schema,
            cache=kept,
        )
        if schema:
            opened.check_takes_schema()
        if model_signature is not None and not isinstance(data, (str, PathLike)):
            raise InputError("a model signature is of files, and this is in memory")
        name = name or opened.name
        if not name:
            raise InputError("what is in memory has no name of its own: give one with name=")
        described = partial(
            describe,
            kind or opened.default_kind,
            name,
            self.journal.stamp(),
            claims={
                "source": source,
                "provider": provider,
                "collected": collected,
                "license": license,
                "model": None if model is None else reference(self.resolve(model)),
                "evidence": None if model_signature is None else (model_signature.evidence,),
            },
            sensitivity=sensitivity,
            metadata=dict(metadata or {}),
        )
        # Said of nothing first, and the keys opened: a mistake costs no hours of hashing.
        nothing = Artifact(root=EMPTY_ROOT, size=0, encoding=opened.encoding)
        described(nothing, {}, None).to_bytes()
        self.journal.signers  # noqa: B018
        artifact = self._hash(opened, progress)
        if model_signature is not None:
            model_signature.check(Path(data), artifact, kept)
        if sensitivity in ("confidential", "restricted") and artifact.encoding.name == "json":
            warnings.warn(
                f"{name}: whoever holds a proof can test guesses at neighbouring records; rows "
                "of few possible values can be guessed",
                stacklevel=2,
            )
        return self._log_once(described(artifact, opened.digests, opened.schema))

    def step(
        self,
        name: str,
        *,
        inputs: Iterable[Ref[A]] = (),
        params: Mapping[str, forms.Json] | None = None,
        code: Code | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> StepRun[A]:
        """Return a context manager that records a processing step.

        Args:
            name: what is done.
            inputs: REFs of what it reads.
            params: its parameters, as JSON values.
            code: what runs.
            environment: what else it depends on; nothing is collected unasked.

        Raises:
            InputError: an input is not registered.
        """
        return StepRun(self, name, inputs=inputs, params=params, code=code, environment=environment)

    def derive(
        self, sources: Ref[A] | Iterable[Ref[A]], targets: Ref[A] | Iterable[Ref[A]], *, step: str
    ) -> StepRun[A]:
        """Find out which claim holds between versions, and sign it as a step that made them.

        For what was registered before; within a step, `StepRun.derive` does it. The times of the
        step are those of the signing.

        Args:
            sources: one or several, in the order in which the claim is to name them.
            targets: likewise; on one of the sides there is one.
            step: what was done.

        Returns:
            The step, which has ended; its `derivations` is the one claim.

        Raises:
            InputError: unknown REF, or no claim holds; nothing was signed.
        """
        read, made = ([self.resolve(ref) for ref in each(side)] for side in (sources, targets))
        found = self._derivation(read, made)
        with self.step(step, inputs=read) as run:
            run.outputs += made
            run.derivations.append(found)
        return run

    def traced(
        self,
        name: str | None = None,
        *,
        inputs: Iterable[Ref[A]] = (),
        reads: Iterable[str] = (),
        params: Iterable[str] = (),
        output: str | None = None,
        environment: Mapping[str, str] | None = None,
        **claims: Any,
    ) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Return a decorator of a function each call of which is a step.

        Of its arguments only what `reads` and `params` name is signed. A call that raises is
        recorded as failed, and raises. A coroutine is recorded when it ends.

        Args:
            name: what is done; the function's own name, if None.
            inputs: REFs of what every call reads.
            reads: arguments whose values are REFs of what a call reads.
            params: arguments that are its parameters, JSON values.
            output: the name under which what it returns is registered; None: it is not.
            environment: what it depends on; the versions of Python and of the packages that are
                loaded, if None.
            claims: of the output, as for `register`.

        Raises:
            InputError: a generator, or no such argument.
        """
        return partial(
            trace,
            self,
            name=name,
            inputs=inputs,
            reads=reads,
            params=params,
            output=output,
            environment=environment,
            claims=claims,
        )

    def outputs(
        self,
        *,
        name: str,
        model: Ref[A] | None = None,
        sensitivity: Sensitivity = "internal",
        metadata: Mapping[str, forms.Json] | None = None,
        flush_count: int = 1000,
        flush_seconds: float = 60.0,
    ) -> OutputBatches[A]:
        """Return a context manager that records a model's outputs, registered in batches.

        Args:
            name: of every batch.
            model: REF of the model.
            sensitivity: as for `register`.
            metadata: anything else, signed.
            flush_count: records after which a batch is registered.
            flush_seconds: time after which it is, if it is smaller.
        """
        return OutputBatches(
            self,
            name=name,
            model=model,
            sensitivity=sensitivity,
            metadata=metadata,
            flush_count=flush_count,
            flush_seconds=flush_seconds,
        )

    # --- what became known later ----------------------------------------------------------------

    def quality(
        self, ref: Ref[A], *, metrics: Mapping[str, Any], criteria: Mapping[str, str] | None = None
    ) -> I_co:
        """Sign metrics of an artifact against criteria such as ``">= 0.9"``; return the entry.

        Raises:
            InputError: unknown REF, not a number, or not a criterion.
        """
        return remarks.quality(self, ref, metrics, criteria)

    def review(self, ref: Ref[A], verdict: Verdict, *, reason: str | None = None) -> I_co:
        """Sign a verdict on an artifact; return the entry.

        Args:
            ref: the artifact.
            verdict: ``approve``, ``flag`` (there is a doubt) or ``reject``.
            reason: why; the last two take one.

        Raises:
            InputError: unknown REF, no such verdict, or no reason.
        """
        return remarks.review(self, ref, verdict, reason)

    def supersede(self, old: Ref[A], new: Ref[A] | None = None, *, reason: str) -> I_co:
        """Say that `old` is not to be used any more, and what is instead; return the entry.

        Raises:
            InputError: unknown REF, or one artifact for both.
        """
        return remarks.supersede(self, old, new, reason)
