"""A history in W3C PROV-DM, as a document of the `prov` library: https://www.w3.org/TR/prov-dm/.

====================  =============================================================================
of PROV               is
====================  =============================================================================
entity                an artifact, by its digest: ``artifact:6a31…``
activity              a step, or that something was superseded, by its entry: ``entry:4``
agent                 who signed, by key id: ``signer:ab12…``
used                  an arrow into a step
wasGeneratedBy        an arrow out of a step
wasDerivedFrom        a batch of outputs from its model; and what a step claims of records
wasAssociatedWith     who signed the step or the correction
wasAttributedTo       who signed a registration of the artifact
wasInvalidatedBy      that it was superseded
====================  =============================================================================

What PROV has no word for stands in the namespace ``ledger:``: the ``ledger:grade`` of each arrow
(`provenance.lineage.grades`), ``ledger:revoked`` where a signature is, and what the statements say.
Digests stand as ``digest:sha256`` and the like.

That a step read A and made B is no ``wasDerivedFrom``: of which record which one came, the step
says only where it claims a derivation. A grade there is that of the worse arrow.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from provenance import forms
from provenance.errors import InputError
from provenance.lineage.grades import Grade
from provenance.lineage.graph import Event, History
from provenance.lineage.naming import ARTIFACT, SIGNERS, entry_prefix
from provenance.statements import ArtifactRef, Code, Outputs, Step, Subject, Supersede
from provenance.statements.predicates import Described

if TYPE_CHECKING:
    from prov.identifier import QualifiedName
    from prov.model import ProvDocument

__all__ = ["LEDGER", "to_prov"]

LEDGER = "urn:provenance-ledger:prov:v1:"
"""The namespace of what PROV has no word for."""

DIGEST = "urn:provenance-ledger:digest:v1:"

Attributes = list[tuple[Any, Any]]


def to_prov(history: History, origin: str) -> ProvDocument:
    """Return a document of a history.

    Args:
        history: of an artifact.
        origin: of the log that the history was read from.

    Raises:
        InputError: the `prov` library is not installed.
    """
    try:
        from prov.model import ProvDocument
    except ImportError:
        raise InputError("PROV needs prov: pip install 'provenance-ledger[exports]'") from None
    writer = _Writer(history, origin, ProvDocument())
    writer.entities()
    for event in history.in_log_order:
        writer.event(event)
    return writer.document


class _Writer:
    """Fills a document."""

    def __init__(self, history: History, origin: str, document: ProvDocument) -> None:
        self._history = history
        self.document = document
        self._artifact = document.add_namespace("artifact", ARTIFACT)
        self._entry = document.add_namespace("entry", entry_prefix(origin))
        self._signer = document.add_namespace("signer", SIGNERS)
        self._digest = document.add_namespace("digest", DIGEST)
        self._ledger = document.add_namespace("ledger", LEDGER)

    def entities(self) -> None:
        """Write every artifact, and everybody who signed."""
        about: dict[bytes, dict[tuple[Any, Any], None]] = {}
        for event in self._history.in_log_order:
            predicate = event.statement.predicate
            named: list[Subject | ArtifactRef] = [*event.statement.subjects]
            for each in [*named, *predicate.references()]:
                if each.artifact is not None:
                    of = about.setdefault(each.artifact, {})
                    of.update(dict.fromkeys((self._digest[k], v) for k, v in each.digest.items()))
            if isinstance(predicate, Described):
                about[predicate.artifact.digest]["prov:type", self._ledger[predicate.kind]] = None
        for artifact, name in self._history.names.items():
            end = self._history.end(artifact)
            told = self._told(registered=end.registered, conflict=end.conflict or None)
            self.document.entity(
                self._name(artifact), [("prov:label", name), *about[artifact], *told]
            )
        for keyid in dict.fromkeys(k for event in self._history.events for k in event.signers):
            self.document.agent(self._signer[keyid])

    def event(self, event: Event) -> None:
        """Write what a statement says, if PROV has a word for it."""
        match event.statement.predicate:
            case Step() as step:
                self._step(event, step)
            case Supersede() as supersede:
                self._supersede(event, supersede)
            case Described() as described:
                self._registration(event, described)

    def _step(self, event: Event, step: Step) -> None:
        document, entry = self.document, self._entry[str(event.index)]
        code = step.code or Code()
        told = self._told(
            outcome=step.outcome,
            error=step.error,
            gitCommit=code.git_commit,
            dirty=code.dirty,
            command=code.command and _text([*code.command]),
            parameters=_text(step.parameters) if step.parameters else None,
            environment=_text({**step.environment}) if step.environment else None,
        )
        document.activity(
            entry,
            step.started,
            step.finished,
            [("prov:type", self._ledger["step"]), ("prov:label", step.name), *told],
        )
        self._signed(event, entry)
        grades: dict[bytes, Grade] = {}
        for arrow in self._history.arrows(event):
            grades[arrow.artifact] = min(arrow.grade, grades.get(arrow.artifact, arrow.grade))
            artifact, grade = self._name(arrow.artifact), self._told(grade=str(arrow.grade))
            if arrow.into:
                document.usage(entry, artifact, None, None, grade)
            else:
                document.generation(artifact, entry, None, None, grade)
        for claim in step.derivations or ():
            for target, source in product(claim.targets, claim.sources):
                worse = min(grades[target], grades[source])
                told = self._told(grade=str(worse), claim=claim.claim, ordered=claim.ordered)
                made, used = self._name(target), self._name(source)
                document.derivation(made, used, entry, None, None, None, told)

    def _supersede(self, event: Event, supersede: Supersede) -> None:
        entry = self._entry[str(event.index)]
        self.document.activity(entry, None, None, [("prov:type", self._ledger["supersede"])])
        self._signed(event, entry)
        by = supersede.replacement
        told = self._told(reason=supersede.reason, replacement=by and self._name(by.artifact))
        old = self._name(event.statement.artifact_digests()[0])
        self.document.invalidation(old, entry, supersede.issued, None, told)

    def _registration(self, event: Event, described: Described) -> None:
        artifact, entry = self._name(described.artifact.digest), self._entry[str(event.index)]
        for keyid in event.signers:
            told = self._told(entry=entry, revoked=keyid in event.revoked or None)
            self.document.attribution(artifact, self._signer[keyid], None, told)
        if isinstance(described, Outputs) and described.model:
            grade = min(arrow.grade for arrow in self._history.arrows(event))
            told = self._told(grade=str(grade), entry=entry)
            model = self._name(described.model.artifact)
            self.document.derivation(artifact, model, None, None, None, None, told)

    def _signed(self, event: Event, entry: QualifiedName) -> None:
        for keyid in event.signers:
            told = self._told(revoked=keyid in event.revoked or None)
            self.document.association(entry, self._signer[keyid], None, None, told)

    def _name(self, artifact: bytes) -> QualifiedName:
        return self._artifact[artifact.hex()]

    def _told(self, **values: Any) -> Attributes:
        """Return attributes in our namespace, without those that are None."""
        return [(self._ledger[key], value) for key, value in values.items() if value is not None]


def _text(value: forms.Json) -> str:
    """Return JSON as one attribute: RFC 8785."""
    return forms.canonical(value).decode()
