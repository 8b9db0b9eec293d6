"""Runs that another tool tells of in OpenLineage, as steps: https://openlineage.io.

Airflow, Spark, dbt and others send an event when a run begins, goes on and ends. Nobody signed
what it says, and data sets are only named in it. So a step made of it is a *report*: whoever
collects it signs that it was told so, and what it read and made is named::

    {"name": "s3://lake/orders",
     "digest": {"provenance-artifact-v1": "5b1f…", "openlineage-dataset-v1": "5b1f…"}}

The digest is SHA-256("openlineage-dataset/v1\\n" ‖ RFC 8785 of ``[namespace, name]``): no tree has
it, so nothing is ever registered as it, and every arrow of a report is *declared*. Both parts stand
in the step, too, so that everybody can compute it: nobody makes an artifact pass for a name.

Of an event only what stands in `RunReport` is kept; what else it carries (environment, SQL, logical
plans, configuration, stack traces) may hold secrets, and is left out. Of what is kept, an address
loses what stands in it for a user and a password, and its parameters and fragment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

from provenance import forms
from provenance.errors import MalformedError
from provenance.lineage.addresses import without_secrets
from provenance.records import ARTIFACT_DIGEST
from provenance.statements import MAX_ARTIFACTS, ArtifactRef, Code, Statement, Step, Subject

__all__ = [
    "DATASET_DIGEST",
    "MAX_EVENT",
    "NamedData",
    "RunReport",
    "data_of",
    "job_of",
    "read_event",
    "run_of",
]

DATASET_DIGEST = "openlineage-dataset-v1"

MAX_EVENT = 4 << 20
"""Bytes of an event."""

MAX_TEXT = 500
"""Signs of a text; a longer one ends in its SHA-256."""

MAX_COLUMNS = 1000
"""Columns of a schema; of a longer one nothing is kept."""

MAX_ERROR = 200

EventType = Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]

ENDS = ("COMPLETE", "ABORT", "FAIL")
"""The events of which a step is made."""

_KEY = "openlineage"
"""The parameter of a step that is a report."""

_WEB = re.compile("https?://", re.IGNORECASE)
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True, kw_only=True)
class NamedData:
    """A data set that an event names.

    Attributes:
        namespace, name: by which it is known.
        version: that was read or made, as the tool calls it.
        schema: column → type, as the tool calls it.
        digests: of an export of ours, those that are not of an artifact.
    """

    namespace: str
    name: str
    version: str | None = None
    schema: dict[str, str] | None = None
    digests: dict[str, str] | None = None

    @property
    def digest(self) -> bytes:
        """What stands for the name, 32 bytes."""
        named = forms.canonical([self.namespace, self.name])
        return sha256(b"openlineage-dataset/v1\n" + named).digest()

    @property
    def named(self) -> tuple[str, dict[str, str]]:
        """The name and the digests by which a statement has it."""
        digest = self.digest.hex()
        own = {ARTIFACT_DIGEST: digest, DATASET_DIGEST: digest}
        return _name(f"{self.namespace}/{self.name}"), {**(self.digests or {}), **own}


@dataclass(frozen=True, kw_only=True)
class ParentRun:
    """The run that a run is a part of."""

    run: str
    namespace: str
    job: str


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What one event, or several of one run, tell.

    Attributes:
        run: its UUID.
        event: the type of the last of them.
        time: of the last of them.
        started: the first time.
        namespace, job: what ran.
        producer: address of the tool's code.
        nominal_start, nominal_end: for which time it ran.
        parent: of which run it is a part.
        commit: of git.
        error: why it failed, one line.
        inputs, outputs: what it read and made.
    """

    run: str
    event: EventType
    time: str
    started: str
    namespace: str
    job: str
    producer: str | None = None
    nominal_start: str | None = None
    nominal_end: str | None = None
    parent: ParentRun | None = None
    commit: str | None = None
    error: str | None = None
    inputs: tuple[NamedData, ...] = ()
    outputs: tuple[NamedData, ...] = ()

    def __post_init__(self) -> None:
        if len({each.digest for each in (*self.inputs, *self.outputs)}) > MAX_ARTIFACTS:
            raise MalformedError(f"the run names more than {MAX_ARTIFACTS} data sets")

    @property
    def key(self) -> bytes:
        """What tells of a run and its end: the same for one that is told again."""
        return UUID(self.run).bytes + self.event.encode()

    def after(self, earlier: RunReport) -> RunReport:
        """Return what this tells together with what was told of the same run before.

        Raises:
            MalformedError: there are too many data sets.
        """
        known = {name: kept for name, kept in vars(earlier).items() if kept is not None}
        own = {name: told for name, told in vars(self).items() if told is not None}
        return RunReport(
            **{
                **known,
                **own,
                "started": min(earlier.started, self.started, key=datetime.fromisoformat),
                "inputs": _joined(earlier.inputs, self.inputs),
                "outputs": _joined(earlier.outputs, self.outputs),
            }
        )

    def to_statement(self, *, nonce: bytes, issued: str) -> Statement:
        """Return the step, to be signed by who collected it.

        Raises:
            MalformedError: it is too large for a statement.
        """
        failed = self.event != "COMPLETE"
        told: dict[str, forms.Json] = {
            "run": self.run,
            "event": self.event,
            "namespace": self.namespace,
            "job": self.job,
            "producer": self.producer,
            "nominalStart": self.nominal_start,
            "nominalEnd": self.nominal_end,
            "parent": None if self.parent is None else forms.encode(self.parent),
        }
        data = _joined(self.inputs, self.outputs)
        if data:
            told["data"] = [_without_none({**vars(each), "digests": None}) for each in data]
        step = Step(
            nonce=nonce,
            issued=issued,
            name=_name(self.job),
            inputs=tuple(
                ArtifactRef(name=name, digest=digest)
                for name, digest in (each.named for each in self.inputs)
            ),
            code=None if self.commit is None else Code(git_commit=self.commit),
            parameters={_KEY: _without_none(told)},
            started=self.started,
            finished=self.time,
            outcome="failed" if failed else "succeeded",
            error=(self.error or self.event) if failed else None,
        )
        made = (each.named for each in self.outputs)
        subjects = tuple(Subject(name=name, digest=digest) for name, digest in made)
        statement = Statement(subjects=subjects or (step.run,), predicate=step)
        return Statement.parse(statement.to_bytes())


def _without_none(members: dict[str, Any]) -> dict[str, forms.Json]:
    return {name: value for name, value in members.items() if value is not None}


def _joined(earlier: Iterable[NamedData], later: Iterable[NamedData]) -> tuple[NamedData, ...]:
    found: dict[bytes, NamedData] = {}
    for each in (*earlier, *later):
        known = found.get(each.digest, each)
        found[each.digest] = replace(
            known,
            version=each.version or known.version,
            schema=each.schema or known.schema,
            digests=each.digests or known.digests,
        )
    return tuple(found.values())


def run_of(step: Step) -> bytes | None:
    """Return `RunReport.key` of a step that is a report; None of any other."""
    told = step.parameters.get(_KEY)
    if isinstance(told, dict):
        run, event = told.get("run"), told.get("event")
        if isinstance(run, str) and _uuid(run) == run and event in ENDS:
            return UUID(run).bytes + str(event).encode()
    return None


def job_of(step: Step) -> tuple[str, str, str] | None:
    """Return the run of a step that is a report, and its job's namespace and name."""
    told = step.parameters.get(_KEY)
    if not isinstance(told, dict) or run_of(step) is None:
        return None
    run, namespace, job = told.get("run"), told.get("namespace"), told.get("job")
    if not (isinstance(run, str) and isinstance(namespace, str) and isinstance(job, str)):
        return None
    return run, namespace, job


def data_of(step: Step) -> dict[bytes, NamedData]:
    """Return what a report names, by what stands for it; without schemas and digests."""
    told = step.parameters.get(_KEY)
    data = told.get("data") if isinstance(told, dict) and run_of(step) is not None else None
    found = {}
    for each in data if isinstance(data, list) else ():
        namespace, name = _get(each, "namespace"), _get(each, "name")
        if isinstance(namespace, str) and isinstance(name, str):
            named = NamedData(namespace=namespace, name=name, version=_text(_get(each, "version")))
            found[named.digest] = named
    return found


# --- reading an event ---------------------------------------------------------------------------


def read_event(data: bytes) -> RunReport | None:
    """Read a run event, whatever version of OpenLineage it is of.

    Facets that are not as their schema says are taken for none: they are of many makers.

    Returns:
        What it tells; None of an event that is of no run: of a job, or of a data set.

    Raises:
        MalformedError: it is no JSON object, lacks what every event has, or is too large.
    """
    if len(data) > MAX_EVENT:
        raise MalformedError(f"an event has at most {MAX_EVENT:,} bytes")
    try:  # numbers of any length stay the text that they are: none of them is kept
        event = json.loads(data, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise MalformedError("the event is not JSON, or too deep") from None
    if not isinstance(event, dict):
        raise MalformedError("the event is not a JSON object")
    if "run" not in event and ("job" in event or "dataset" in event):
        return None
    run, job = _dict(event, "run"), _dict(event, "job")
    job_facets, facets = _dict(job, "facets"), _dict(run, "facets")
    identity = _uuid(run.get("runId"))
    if identity is None:
        raise MalformedError("run.runId is not a UUID")
    kind: Any = "OTHER" if event.get("eventType") is None else event["eventType"]
    if kind not in ("START", "RUNNING", "OTHER", *ENDS):
        raise MalformedError("eventType is none that there is")
    time, namespace, name = _time(event.get("eventTime")), *_named(job)
    if time is None:
        raise MalformedError("eventTime is not an RFC 3339 time")
    if namespace is None or name is None:
        raise MalformedError("job.namespace and job.name are texts")
    nominal, location = _dict(facets, "nominalTime"), _dict(job_facets, "sourceCodeLocation")
    commit = location.get("version") if location.get("type") == "git" else None
    return RunReport(
        run=identity,
        event=kind,
        time=time,
        started=time,
        namespace=namespace,
        job=name,
        producer=_text(event.get("producer")),
        nominal_start=_time(nominal.get("nominalStartTime")),
        nominal_end=_time(nominal.get("nominalEndTime")),
        parent=_parent(_dict(facets, "parent")),
        commit=commit if isinstance(commit, str) and _COMMIT.fullmatch(commit) else None,
        error=_error(_dict(facets, "errorMessage").get("message")),
        inputs=_data(event.get("inputs"), "inputs"),
        outputs=_data(event.get("outputs"), "outputs"),
    )


def _data(told: Any, what: str) -> tuple[NamedData, ...]:
    if told is None:
        return ()
    if not isinstance(told, list) or len(told) > MAX_ARTIFACTS:
        raise MalformedError(f"{what} is not a list of at most {MAX_ARTIFACTS} data sets")
    found = []
    for each in told:
        namespace, name = _named(each)
        if namespace is None or name is None:
            raise MalformedError(f"one of {what} has no namespace, or no name")
        if _WEB.match(namespace):  # so the name is the rest of an address
            name = re.split("[?#;]", name)[0] or name[0]
        facets = _dict(each, "facets")
        found.append(
            NamedData(
                namespace=namespace,
                name=name,
                version=_text(_dict(facets, "version").get("datasetVersion")),
                schema=_schema(_dict(facets, "schema").get("fields")),
                digests=_digests(_dict(facets, "provenanceLedger_artifact").get("digests")),
            )
        )
    return _joined((), found)


def _schema(fields: Any) -> dict[str, str] | None:
    if not isinstance(fields, list) or not 0 < len(fields) <= MAX_COLUMNS:
        return None
    told = ((_text(_get(each, "name")), _text(_get(each, "type"))) for each in fields)
    return {name: kind or "" for name, kind in told if name is not None} or None


def _digests(told: Any) -> dict[str, str] | None:
    """Return what can be recomputed without a tree; of an artifact it is the log that tells."""
    if not isinstance(told, dict):
        return None
    found = {name: told.get(name) for name in ("sha256", "blake3")}
    return {
        name: digest
        for name, digest in found.items()
        if isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)
    } or None


def _parent(told: Any) -> ParentRun | None:
    run, (namespace, job) = _uuid(_dict(told, "run").get("runId")), _named(_dict(told, "job"))
    if run is None or namespace is None or job is None:
        return None
    return ParentRun(run=run, namespace=namespace, job=job)


def _named(told: Any) -> tuple[str | None, str | None]:
    return _text(_get(told, "namespace")), _text(_get(told, "name"))


def _get(told: Any, name: str) -> Any:
    return told.get(name) if isinstance(told, dict) else None


def _dict(told: Any, name: str) -> dict[str, Any]:
    found = _get(told, name)
    return found if isinstance(found, dict) else {}


def _text(told: Any) -> str | None:
    """Return a text without what is secret in addresses; a long one ends in its hash."""
    if not isinstance(told, str) or not told:
        return None
    text = told.encode("utf-8", "replace").decode()  # no half of a surrogate pair
    return _cut(without_secrets(text), MAX_TEXT)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 64]}{sha256(text.encode()).hexdigest()}"


def _name(text: str) -> str:
    """Return a text as a name: one line that can be shown."""
    return _cut(_UNSHOWN.sub(lambda sign: ascii(sign[0])[1:-1], text), 1000)


def _error(told: Any) -> str | None:
    text = _text(told if isinstance(told, str) else None)
    if text is None:
        return None
    line = (text.splitlines() or [""])[0][:MAX_ERROR]
    return _name(line) or None


def _uuid(told: Any) -> str | None:
    try:
        return str(UUID(told)) if isinstance(told, str) and len(told) == 36 else None
    except ValueError:
        return None


def _time(told: Any) -> str | None:
    """Return an RFC 3339 time in UTC; one without a zone is in UTC."""
    try:
        time = datetime.fromisoformat(told)
        zoned = time if time.tzinfo else time.replace(tzinfo=UTC)
        return zoned.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (TypeError, ValueError, OverflowError):
        return None
