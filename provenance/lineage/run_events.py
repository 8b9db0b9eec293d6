"""Steps as OpenLineage run events, in the classes of `openlineage-python`: https://openlineage.io.

A step is a run, and two events: START, with what it read, and COMPLETE or FAIL, with what it made,
too. The job is the step by its name, in a namespace that is the log's origin, and so is every
artifact. The version of a dataset is the artifact's digest. A run's id is made of the entry's URN
(RFC 9562, version 5), so that exporting twice tells of one run. A step that is a report of another
tool's run (`provenance.lineage.reports`) tells of that run, its job and its data sets.

What OpenLineage has no facet for stands in two of ours, ``provenanceLedger_artifact`` of a dataset
and ``provenanceLedger_step`` of a run: docs/openlineage-facets.json.

Imported on use, since the library is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar
from uuid import NAMESPACE_URL, uuid5

from attr import define
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    dataset_version_dataset,
    error_message_run,
)

from provenance import forms
from provenance.lineage.grades import Grade
from provenance.lineage.graph import Event, History
from provenance.lineage.naming import artifact_uri, entry_prefix
from provenance.lineage.reports import data_of, job_of
from provenance.statements import ArtifactRef, Code, Step, Subject
from provenance.version import VERSION

__all__ = ["ArtifactDatasetFacet", "StepRunFacet", "to_openlineage"]

PRODUCER = f"urn:provenance-ledger:producer:{VERSION}"

SCHEMA = "urn:provenance-ledger:openlineage:v1#/$defs/"

D = TypeVar("D", InputDataset, OutputDataset)


@define(kw_only=True)
class ArtifactDatasetFacet(DatasetFacet):
    """What the log knows of an artifact that a run read or made; as the schema says."""

    uri: str
    digests: dict[str, str]
    grade: str
    registered: int | None
    superseded: int | None

    @staticmethod
    def _get_schema() -> str:
        return f"{SCHEMA}ArtifactDatasetFacet"


@define(kw_only=True)
class StepRunFacet(RunFacet):
    """The signed statement that tells of a run; as the schema says."""

    entry: str
    signers: list[str]
    revoked: list[str]
    parameters: str
    command: list[str] | None
    gitCommit: str | None  # noqa: N815 - as it is written
    dirty: bool | None

    @staticmethod
    def _get_schema() -> str:
        return f"{SCHEMA}StepRunFacet"


def to_openlineage(history: History, origin: str) -> list[RunEvent]:
    """Return the events of the steps of a history, in the order of the log.

    Args:
        history: of an artifact.
        origin: of the log that the history was read from.
    """
    return [
        told
        for event in history.in_log_order
        if isinstance(event.statement.predicate, Step)
        for told in _events(history, event, event.statement.predicate, origin)
    ]


def _events(history: History, event: Event, step: Step, origin: str) -> Iterator[RunEvent]:
    entry = f"{entry_prefix(origin)}{event.index}"
    data = data_of(step)
    run, space, job = job_of(step) or (str(uuid5(NAMESPACE_URL, entry)), origin, step.name)
    grades = {(arrow.artifact, arrow.into): arrow.grade for arrow in history.arrows(event)}

    def dataset(form: type[D], named: Subject | ArtifactRef, artifact: bytes) -> D:
        grade = grades[artifact, form is InputDataset]
        facets = _dataset_facets(history, named, artifact, grade)
        if (known := data.get(artifact)) is None:
            return form(namespace=origin, name=named.name, facets=_version(artifact.hex()) | facets)
        version = {} if known.version is None else _version(known.version)
        return form(namespace=known.namespace, name=known.name, facets=version | facets)

    def told(state: RunState, time: str, made: Sequence[Subject] = ()) -> RunEvent:
        """Return an event that shares nothing with another: clients add to what they send."""
        return RunEvent(
            eventTime=time,
            eventType=state,
            run=Run(runId=run, facets=_run_facets(event, step, entry)),
            job=Job(namespace=space, name=job),
            inputs=[dataset(InputDataset, each, each.artifact) for each in step.inputs],
            outputs=[dataset(OutputDataset, each, each.artifact) for each in made if each.artifact],
            producer=PRODUCER,
        )

    end = RunState.COMPLETE if step.outcome == "succeeded" else RunState.FAIL
    yield told(RunState.START, step.started)
    yield told(end, step.finished, event.statement.subjects)


def _run_facets(event: Event, step: Step, entry: str) -> dict[str, RunFacet]:
    code = step.code or Code()
    facets: dict[str, RunFacet] = {
        "provenanceLedger_step": StepRunFacet(
            entry=entry,
            signers=[*event.signers],
            revoked=[*event.revoked],
            parameters=forms.canonical(step.parameters).decode(),
            command=[*code.command] if code.command else None,
            gitCommit=code.git_commit,
            dirty=code.dirty,
            producer=PRODUCER,
        )
    }
    if step.error is not None:
        # A language is required, and what the step ran in nobody knows.
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=step.error, programmingLanguage="unknown", producer=PRODUCER
        )
    return facets


def _version(version: str) -> dict[str, DatasetFacet]:
    facet = dataset_version_dataset.DatasetVersionDatasetFacet(
        datasetVersion=version, producer=PRODUCER
    )
    return {"version": facet}


def _dataset_facets(
    history: History, named: Subject | ArtifactRef, artifact: bytes, grade: Grade
) -> dict[str, DatasetFacet]:
    end = history.end(artifact)
    return {
        "provenanceLedger_artifact": ArtifactDatasetFacet(
            uri=artifact_uri(artifact),
            digests={**named.digest},
            grade=str(grade),
            registered=end.registered,
            superseded=end.superseded,
            producer=PRODUCER,
        ),
    }
