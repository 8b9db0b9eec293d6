"""Steps as SLSA provenance v1 in in-toto Statements v1, for those who check builds.

https://slsa.dev/spec/v1.0/provenance. The ``buildType`` is `BUILD_TYPE`, and to be read so::

    {"buildDefinition": {
       "buildType": "urn:provenance-ledger:build:v1",
       "externalParameters": {                 what was chosen from outside
         "step": "dedupe",
         "parameters": {"threshold": 0.9},
         "command": ["python", "dedupe.py"],     left out where none was signed
         "inputs": ["urn:provenance-ledger:artifact:v1:6a31…"]},   uris of dependencies
       "internalParameters": {"environment": {"python": "CPython 3.11.7"}},
       "resolvedDependencies": [
         {"name": "raw", "uri": "urn:provenance-ledger:artifact:v1:6a31…", "digest": {…}},
         {"name": "git", "digest": {"gitCommit": "7fd1…"}}]},
     "runDetails": {
       "builder": {"id": "urn:provenance-ledger:signers:v1:ab12…"},   keyids, joined by "+"
       "metadata": {"invocationId": "acme.example/ml#4",    origin, entry
                    "startedOn": "2026-06-01T09:01:02Z", "finishedOn": "2026-06-01T09:01:30Z"},
       "byproducts": [{"name": "statement", "mediaType": "application/vnd.in-toto+json",
                       "digest": {"sha256": "e3b0…"}}]}}    the payload that was signed

Of a commit with uncommitted changes the dependency says ``{"dirty": true}`` as an annotation. What
the step names as evidence stands among the byproducts.

Nobody signed these statements, until whoever exports them does (`provenance.signing.sign`): their
signed source is the payload among the byproducts. The format
has no word for failure or for a revoked signature, so steps of which that is true are left out.

The tests read these with ``in-toto-attestation``.
"""

from __future__ import annotations

from hashlib import sha256

from provenance import forms
from provenance.lineage.graph import Event, History
from provenance.lineage.naming import artifact_uri, signers_uri
from provenance.statements import Step

__all__ = ["BUILD_TYPE", "PREDICATE_TYPE", "to_slsa"]

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"

BUILD_TYPE = "urn:provenance-ledger:build:v1"


def to_slsa(history: History, origin: str) -> list[dict[str, forms.Json]]:
    """Return a Statement for each step of a history that can have one, the nearest first.

    Args:
        history: of an artifact; at depth 0 it has the steps that made it, and no others.
        origin: of the log that the history was read from.
    """
    return [
        _statement(event, event.statement.predicate, origin)
        for event in history.events
        if isinstance(event.statement.predicate, Step)
        and event.statement.predicate.outcome == "succeeded"
        and not event.revoked
    ]


def _statement(event: Event, step: Step, origin: str) -> dict[str, forms.Json]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": each.name, "digest": {**each.digest}} for each in event.statement.subjects
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": _chosen(step),
                "internalParameters": {"environment": {**step.environment}},
                "resolvedDependencies": _dependencies(step),
            },
            "runDetails": {
                "builder": {"id": signers_uri(event.signers)},
                "metadata": {
                    "invocationId": f"{origin}#{event.index}",
                    "startedOn": step.started,
                    "finishedOn": step.finished,
                },
                "byproducts": _byproducts(event),
            },
        },
    }


def _chosen(step: Step) -> dict[str, forms.Json]:
    command = step.code and step.code.command
    return {
        "step": step.name,
        "parameters": step.parameters,
        **({"command": [*command]} if command else {}),
        "inputs": [artifact_uri(each.artifact) for each in step.inputs],
    }


def _dependencies(step: Step) -> list[forms.Json]:
    found: list[forms.Json] = [
        {"name": each.name, "uri": artifact_uri(each.artifact), "digest": {**each.digest}}
        for each in step.inputs
    ]
    if step.code is not None and step.code.git_commit is not None:
        dirty: dict[str, forms.Json] = {"annotations": {"dirty": True}} if step.code.dirty else {}
        found.append({"name": "git", "digest": {"gitCommit": step.code.git_commit}, **dirty})
    return found


def _byproducts(event: Event) -> list[forms.Json]:
    payload = {"sha256": sha256(event.statement.to_bytes()).hexdigest()}
    return [
        {"name": "statement", "mediaType": "application/vnd.in-toto+json", "digest": {**payload}},
        *(
            {"name": each.type, "mediaType": each.media_type, "digest": {**each.digest}}
            for each in event.statement.predicate.evidence
        ),
    ]
