"""A model as a CycloneDX 1.6 ML-BOM: https://cyclonedx.org/docs/1.6/json/.

::

    {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:…", "version": 1,
     "metadata": {
       "timestamp": "2026-06-01T09:02:00Z",        of the newest statement that is told of
       "component": {
         "type": "machine-learning-model", "name": "clf", "hashes": […], "licenses": […],
         "bom-ref": "urn:provenance-ledger:artifact:v1:6a31…",
         "modelCard": {
           "modelParameters": {"datasets": [{"ref": "urn:provenance-ledger:artifact:v1:079855…"}]},
           "quantitativeAnalysis": {"performanceMetrics": [{"type": "f1", "value": "0.93"}]}}}},
     "components": [{"type": "data", "data": [{"type": "dataset", …}], …}],
     "dependencies": [{"ref": "urn:…6a31…", "dependsOn": ["urn:…079855…"]}, …]}

What a model is made of are the inputs of the steps that made it, those of the steps that made
these, and so on; of a batch of outputs it is their model. Only steps that succeeded count, under
signatures that do. Of these inputs, data sets and batches of outputs are what it was trained on.
Metrics are those of quality statements about the very artifact.

What CycloneDX has no word for stands in properties, ``provenance-ledger:…``. An artifact that no
statement registers is ``data`` of which the name is known. The same statements give the same
bytes: the serial number is a UUID of the content (RFC 9562, version 5).

The tests read it with the strict validator of ``cyclonedx-python-lib``, whose own classes have no
model card.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import NAMESPACE_URL, uuid5

from provenance import forms
from provenance.errors import InputError
from provenance.lineage.grades import ends_of
from provenance.lineage.graph import Event, History
from provenance.lineage.naming import artifact_uri, entry_prefix
from provenance.lineage.registrations import (
    registration,
    registrations,
    signed_texts,
    spdx_expression,
)
from provenance.statements import Model, Quality, Step
from provenance.statements.predicates import Described
from provenance.version import VERSION

__all__ = ["to_cyclonedx"]

_HASHES = {"sha256": ("SHA-256", 64), "sha512": ("SHA-512", 128), "blake3": ("BLAKE3", 64)}
"""Name in a DigestSet → that of CycloneDX, and how many hex digits there are."""

_MAX_VERSION = 1024
"""Characters, as the schema has it."""


def to_cyclonedx(history: History, origin: str) -> dict[str, forms.Json]:
    """Return the bill of materials of a model, as JSON.

    Args:
        history: of the model.
        origin: of the log that the history was read from.

    Raises:
        InputError: it is not registered, or as something else; or the list of licences is missing.
    """
    event = registration(history, Model)
    described, name = event.statement.predicate, event.statement.subjects[0].name
    if not isinstance(described, Model):
        raise InputError(
            f"{name!r} is registered as {described.kind}, and the bill of materials is that of a "
            "model" + ("; --format croissant is for data sets" * (described.kind == "dataset"))
        )
    bill = _Bill(history, origin)
    model, *materials = bill.materials
    written: dict[str, forms.Json] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": history.in_log_order[-1].statement.predicate.issued,
            "tools": {
                "components": [
                    {"type": "application", "name": "provenance-ledger", "version": VERSION}
                ]
            },
            "component": bill.component(model),
        },
        "components": [bill.component(artifact) for artifact in materials],
        "dependencies": [
            {"ref": artifact_uri(artifact), "dependsOn": [*map(artifact_uri, sources)]}
            for artifact, sources in bill.materials.items()
        ],
    }
    serial = uuid5(NAMESPACE_URL, forms.canonical(written).decode())
    return {**written, "serialNumber": serial.urn}


class _Bill:
    """What a history says of a model and its materials.

    Attributes:
        materials: of the model, and of each of these: artifact → what it was made of.
    """

    def __init__(self, history: History, origin: str) -> None:
        self._history = history
        self._entry = entry_prefix(origin)
        self._registered = registrations(history, Model)
        self._metrics: dict[bytes, list[forms.Json]] = {}
        made_of: dict[bytes, dict[bytes, None]] = {}
        for event in history.in_log_order:
            said = event.statement.predicate
            if event.revoked or (isinstance(said, Step) and said.outcome == "failed"):
                continue
            ends = ends_of(event.statement)
            for artifact in ends.made:
                made_of.setdefault(artifact, {}).update(dict.fromkeys(ends.sources))
            if isinstance(said, Quality):
                for subject in event.statement.subjects:
                    if subject.artifact is not None:
                        found = self._metrics.setdefault(subject.artifact, [])
                        found += _performance(said.metrics)
        self.materials: dict[bytes, list[bytes]] = {}
        level = [history.artifact]
        while level:
            new = {artifact: [*made_of.get(artifact, ())] for artifact in level}
            self.materials |= new
            further = dict.fromkeys(source for sources in new.values() for source in sources)
            level = [artifact for artifact in further if artifact not in self.materials]

    def component(self, artifact: bytes) -> dict[str, forms.Json]:
        """Return what is known of one artifact."""
        event = self._registered.get(artifact)
        told: dict[str, forms.Json] = {
            "type": "data",
            "bom-ref": artifact_uri(artifact),
            "name": self._history.names[artifact],
        }
        if event is not None and isinstance(event.statement.predicate, Described):
            told |= _described(event, event.statement.predicate)
            if isinstance(event.statement.predicate, Model):
                told |= self._model_card(artifact)
        return {**told, "properties": self._properties(artifact, event)}

    def _model_card(self, artifact: bytes) -> dict[str, forms.Json]:
        data: list[forms.Json] = [
            {"ref": artifact_uri(source)}
            for source in self.materials[artifact]
            if source in self._registered
            and not isinstance(self._registered[source].statement.predicate, Model)
        ]
        metrics = self._metrics.get(artifact)
        card: dict[str, forms.Json] = {
            **({"modelParameters": {"datasets": data}} if data else {}),
            **({"quantitativeAnalysis": {"performanceMetrics": metrics}} if metrics else {}),
        }
        return {"modelCard": card} if card else {}

    def _properties(self, artifact: bytes, event: Event | None) -> list[forms.Json]:
        end = self._history.end(artifact)
        told: dict[str, str | None] = {"artifact": artifact.hex(), "grade": str(end.grade)}
        if event is not None and isinstance(event.statement.predicate, Described):
            described = event.statement.predicate
            told |= {
                "root": described.artifact.root.hex(),
                "size": str(described.artifact.size),
                "encoding": forms.dump(described.artifact.encoding).decode(),
                "sensitivity": described.sensitivity,
                "source": getattr(described, "source", None),
                "provider": getattr(described, "provider", None),
                "entry": f"{self._entry}{event.index}",
                "signers": "+".join(event.signers),
                "revoked": "+".join(event.revoked) or None,
            }
        if end.superseded is not None:
            told["superseded"] = f"{self._entry}{end.superseded}"
        return [
            {"name": f"provenance-ledger:{name}", "value": value}
            for name, value in told.items()
            if value is not None
        ]


def _described(event: Event, described: Described) -> dict[str, forms.Json]:
    """Return what the registration says, in words of CycloneDX."""
    subject = event.statement.subjects[0]
    texts = signed_texts(described, "version", "description")
    if len(texts.get("version", "")) > _MAX_VERSION:
        del texts["version"]
    hashes = [*_hashes(subject.digest)]
    license: str | None = getattr(described, "license", None)
    told: dict[str, forms.Json] = {
        "type": "machine-learning-model" if isinstance(described, Model) else "data",
        "name": subject.name,
        **texts,
        **({"hashes": hashes} if hashes else {}),
        **({"licenses": [_license(license)]} if license else {}),
    }
    if not isinstance(described, Model):
        told["data"] = [{"type": "dataset", "classification": described.sensitivity}]
    return told


def _hashes(digests: Mapping[str, str]) -> Iterable[dict[str, forms.Json]]:
    for name, digest in digests.items():
        known, length = _HASHES.get(name, (None, 0))
        if known is not None and len(digest) == length:
            yield {"alg": known, "content": digest}


def _license(license: str) -> forms.Json:
    known = spdx_expression(license)
    return {"license": {"name": license}} if known is None else {"expression": known}


def _performance(metrics: Mapping[str, forms.Json]) -> list[forms.Json]:
    return [
        {
            "type": name,
            "value": metric if isinstance(metric, str) else forms.canonical(metric).decode(),
        }
        for name, metric in metrics.items()
    ]
