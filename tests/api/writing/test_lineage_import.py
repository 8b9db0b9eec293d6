"""Runs told of by OpenLineage's own client, over HTTP: one step for each end of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import requests
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    DatasetEvent,
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    StaticDataset,
)
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    environment_variables_run,
    error_message_run,
    nominal_time_run,
    parent_run,
    schema_dataset,
    source_code_location_job,
    sql_job,
)
from openlineage.client.serde import Serde
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import (
    ApiKeyTokenProvider,
    HttpConfig,
    HttpTransport,
)
from serving import serving

import provenance
from api import create_app, create_projects_app
from provenance import InputError, Ledger, LedgerError
from provenance.ledger import collecting
from provenance.lineage import Grade
from provenance.lineage.emitting import send_events
from provenance.lineage.reports import DATASET_DIGEST
from provenance.records import ARTIFACT_DIGEST
from provenance.statements import Statement, Step

SECRET = "hunter2"
COMMIT = "0" * 39 + "1"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """One that takes lineage."""
    home = tmp_path / "home"
    with Ledger.init(home, origin="acme.example/ml") as made:
        key = made.keyring.new("collector")
        made.add_key(key, name="collector", kinds=["step"])
        path = made.folder.config
    path.write_text(path.read_text() + '\n[service.lineage]\nkey = "collector"\n')
    with Ledger.open(home) as ledger:
        yield ledger


def client_of(url: str, token: str) -> OpenLineageClient:
    """The client as integrations set it up: it adds the default path."""
    config = HttpConfig(
        url=url,
        auth=ApiKeyTokenProvider({"api_key": token}),
        retry={"total": 0, "backoff_factor": 0},
    )
    return OpenLineageClient(transport=HttpTransport(config))


@pytest.fixture
def client(url: str, token: str) -> OpenLineageClient:
    return client_of(url, token)


def event(state: RunState, run: str, **more: Any) -> RunEvent:
    given: dict[str, Any] = {
        "eventTime": "2026-06-01T09:08:51.120+02:00",
        "job": Job(namespace="airflow", name="orders.deduplicate"),
        "producer": "https://github.com/apache/airflow/tree/3.0",
        "inputs": [InputDataset(namespace="s3://lake", name="raw/orders")],
        "outputs": [OutputDataset(namespace="s3://lake", name="clean/orders")],
    } | more
    return RunEvent(eventType=state, run=Run(runId=run), **given)


def steps(ledger: Ledger) -> list[tuple[int, Statement, Step]]:
    found = []
    for entry in ledger.entries(limit=1000):
        if entry.statement is not None and isinstance(entry.statement.predicate, Step):
            found.append((entry.index, entry.statement, entry.statement.predicate))
    return found


def test_a_run_becomes_a_step(ledger: Ledger, client: OpenLineageClient) -> None:
    run, parent = str(uuid4()), str(uuid4())
    begun = event(
        RunState.START,
        run,
        eventTime="2026-06-01T09:00:00+02:00",
        job=Job(
            namespace="airflow",
            name="orders.deduplicate",
            facets={
                "sql": sql_job.SQLJobFacet(query=f"SELECT '{SECRET}'"),
                "sourceCodeLocation": source_code_location_job.SourceCodeLocationJobFacet(
                    type="git", url=f"https://u:{SECRET}@git.example/x", version=COMMIT
                ),
            },
        ),
        inputs=[
            InputDataset(
                namespace=f"postgres://me:{SECRET}@db:5432",
                name="public.orders",
                facets={
                    "version": dataset_version_dataset.DatasetVersionDatasetFacet("7"),
                    "schema": schema_dataset.SchemaDatasetFacet(
                        fields=[schema_dataset.SchemaDatasetFacetFields("id", "BIGINT")]
                    ),
                },
            )
        ],
        outputs=[],
    )
    begun.run.facets.update(
        {
            "environmentVariables": environment_variables_run.EnvironmentVariablesRunFacet(
                [environment_variables_run.EnvironmentVariable("TOKEN", SECRET)]
            ),
            "nominalTime": nominal_time_run.NominalTimeRunFacet("2026-06-01T00:00:00Z"),
            "parent": parent_run.ParentRunFacet(
                run=parent_run.Run(parent), job=parent_run.Job("airflow", "orders")
            ),
        }
    )
    client.emit(begun)
    assert steps(ledger) == []
    client.emit(event(RunState.RUNNING, run, inputs=[], outputs=[]))
    (waiting,) = (ledger.folder.path / "lineage").glob("*.json")
    assert SECRET not in waiting.read_text()
    assert waiting.stat().st_mode & 0o777 == 0o600
    client.emit(event(RunState.COMPLETE, run))
    assert not waiting.exists()
    ((index, statement, step),) = steps(ledger)
    assert (step.name, step.outcome, step.error) == ("orders.deduplicate", "succeeded", None)
    assert (step.started, step.finished) == ("2026-06-01T07:00:00Z", "2026-06-01T07:08:51.120000Z")
    assert [each.name for each in step.inputs] == [
        "postgres://db:5432/public.orders",
        "s3://lake/raw/orders",
    ]
    assert [each.name for each in statement.subjects] == ["s3://lake/clean/orders"]
    (digest,) = (each.digest[ARTIFACT_DIGEST] for each in step.inputs[:1])
    assert step.inputs[0].digest == {ARTIFACT_DIGEST: digest, DATASET_DIGEST: digest}
    assert step.code is not None
    assert step.code.git_commit == COMMIT
    assert step.parameters == {
        "openlineage": {
            "run": run,
            "event": "COMPLETE",
            "namespace": "airflow",
            "job": "orders.deduplicate",
            "producer": "https://github.com/apache/airflow/tree/3.0",
            "nominalStart": "2026-06-01T00:00:00Z",
            "parent": {"run": parent, "namespace": "airflow", "job": "orders"},
            "data": [
                {
                    "namespace": "postgres://db:5432",
                    "name": "public.orders",
                    "version": "7",
                    "schema": {"id": "BIGINT"},
                },
                {"namespace": "s3://lake", "name": "raw/orders"},
                {"namespace": "s3://lake", "name": "clean/orders"},
            ],
        }
    }
    entry = ledger.entry(index)
    assert entry.signed is not None
    assert SECRET not in entry.signed.payload.decode()
    assert entry.signed.keyids == (ledger.keyring.named("collector").public.keyid,)


def test_what_a_report_says_is_declared(
    ledger: Ledger, client: OpenLineageClient, url: str, token: str
) -> None:
    """And names lead on from run to run."""
    client.emit(event(RunState.COMPLETE, str(uuid4())))
    second = event(
        RunState.COMPLETE,
        str(uuid4()),
        job=Job(namespace="spark", name="train"),
        inputs=[InputDataset(namespace="s3://lake", name="clean/orders")],
        outputs=[OutputDataset(namespace="s3://lake", name="model")],
    )
    client.emit(second)
    found = ledger.history("s3://lake/model")
    grades = {arrow.grade for each in found.events for arrow in found.arrows(each)}
    assert (len(found.events), grades) == (2, {Grade.DECLARED})
    assert not any(end.conflict for end in found.ends.values())
    assert "from s3://lake/raw/orders" in found.to_text()
    with provenance.connect(url, token=token) as remote:
        assert remote.history("s3://lake/model") == found
        assert remote.history(found.artifact.hex()) == found
        down = ledger.impact("s3://lake/raw/orders")
        assert remote.impact("s3://lake/raw/orders") == down
    assert [(each.name, each.depth, each.grade) for each in down.artifacts] == [
        ("s3://lake/clean/orders", 1, Grade.DECLARED),
        ("s3://lake/model", 2, Grade.DECLARED),
    ]
    assert [each.name for each in down.sources] == ["s3://lake/raw/orders"]
    assert len(ledger.descendants("s3://lake/raw/orders").events) == 2
    for unknown in ("s3://lake/none", "00" * 32, "\ud800"):
        with pytest.raises(InputError, match=r"nothing is registered as|is not text"):
            ledger.history(unknown)
    # Two that are called the same are told apart by their digests alone.
    other = OutputDataset(namespace="s3://lake/clean", name="orders")
    client.emit(event(RunState.COMPLETE, str(uuid4()), outputs=[other]))
    with pytest.raises(InputError, match="several data sets are called") as caught:
        ledger.history("s3://lake/clean/orders")
    first, second = str(caught.value).split(": ", 1)[1].split(", ")
    assert ledger.history(first).events != ledger.history(second).events


def test_told_again_it_is_the_same_entry(ledger: Ledger, url: str, token: str) -> None:
    run = str(uuid4())
    body = Serde.to_json(event(RunState.COMPLETE, run)).encode()

    def tell(_: int) -> list[int]:
        answer = httpx.post(
            f"{url}/api/v1/lineage",
            content=body,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            timeout=60,
        )
        assert answer.status_code == 201, answer.text
        found: list[int] = answer.json()["indices"]
        return found

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(tell, range(8)))
    ((index, _, _),) = steps(ledger)
    assert told == [[index]] * 8
    with Ledger.open(ledger.folder.path.parent) as another:
        assert another.collector.take(body) == index
        # Whoever tells all of a run again leaves nothing that waits for its end.
        assert another.collector.take(Serde.to_json(event(RunState.START, run)).encode()) is None
        assert another.collector.take(body) == index
        assert not list((ledger.folder.path / "lineage").glob("*.json"))
        # A run may fail and be told to have ended otherwise: that is another end.
        failed = Serde.to_json(event(RunState.FAIL, run)).encode()
        assert another.collector.take(failed) == index + 1
    # What another key said of the run is not what the collector said.
    another_run = str(uuid4())
    said = steps(ledger)[0][1].to_bytes().decode().replace(run, another_run)
    entry = ledger.journal.submit(Statement.parse(said.encode()))
    told_late = Serde.to_json(event(RunState.COMPLETE, another_run)).encode()
    assert ledger.collector.take(told_late) == entry + 1


def test_how_runs_fail(ledger: Ledger, client: OpenLineageClient) -> None:
    failing = event(RunState.FAIL, str(uuid4()), inputs=[], outputs=[])
    failing.run.facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
        message=f"no https://u:{SECRET}@host/x?token={SECRET}\nat line 2",
        programmingLanguage="PYTHON",
        stackTrace=SECRET,
    )
    client.emit(failing)
    client.emit(event(RunState.ABORT, str(uuid4()), outputs=[]))
    (_, one, first), (_, _, second) = steps(ledger)
    assert (first.outcome, first.error) == ("failed", "no https://host/x")
    assert one.subjects == (first.run,)
    assert (second.outcome, second.error) == ("failed", "ABORT")


def test_what_tells_of_no_run_is_let_by(ledger: Ledger, client: OpenLineageClient) -> None:
    client.emit(
        DatasetEvent(
            eventTime="2026-06-01T09:00:00Z",
            dataset=StaticDataset(namespace="s3://lake", name="raw"),
            producer="https://producer.example",
        )
    )
    assert steps(ledger) == []


GOOD = json.loads(Serde.to_json(event(RunState.COMPLETE, str(uuid4()))))


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"{", 422, "malformed"),
        (b"[]", 422, "malformed"),
        (b"{}", 422, "malformed"),
        (b"\xff", 422, "malformed"),
        (b"[" * 1_000_000, 422, "malformed"),
        (b'{"a":' * 100_000, 422, "malformed"),
        (b" " * (4 << 20) + b"{}", 413, "too-large"),
        (json.dumps(GOOD | {"run": {"runId": "7"}}).encode(), 422, "malformed"),
        (json.dumps(GOOD | {"run": None}).encode(), 422, "malformed"),
        (json.dumps(GOOD | {"eventTime": "today"}).encode(), 422, "malformed"),
        (json.dumps(GOOD | {"eventType": "END"}).encode(), 422, "malformed"),
        (json.dumps(GOOD | {"eventType": ["FAIL"]}).encode(), 422, "malformed"),
        (json.dumps(GOOD | {"job": {"name": "x"}}).encode(), 422, "malformed"),
        (json.dumps(GOOD | {"inputs": {}}).encode(), 422, "malformed"),
        (json.dumps(GOOD | {"inputs": [7]}).encode(), 422, "malformed"),
        (
            json.dumps(
                GOOD
                | {
                    side: [{"namespace": side, "name": str(at)} for at in range(1001)]
                    for side in ("inputs", "outputs")
                }
            ).encode(),
            422,
            "malformed",
        ),
    ],
)
def test_what_is_no_event(
    ledger: Ledger, url: str, token: str, body: bytes, status: int, slug: str
) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = httpx.post(f"{url}/api/v1/lineage", content=body, headers=headers, timeout=60)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith(f":{slug}")
    assert steps(ledger) == []


def test_it_is_off_unless_it_is_configured(tmp_path: Path) -> None:
    with Ledger.init(tmp_path / "home", origin="acme.example/ml") as ledger:
        token = ledger.tokens.new("airflow", scope="submit")[1]
        with serving(create_app(ledger)) as url:
            with pytest.raises(requests.HTTPError, match="404"):
                client_of(url, token).emit(event(RunState.COMPLETE, str(uuid4())))
            answer = httpx.post(
                f"{url}/api/v1/lineage",
                json=GOOD,
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
            )
        assert answer.json()["type"] == "urn:provenance-ledger:problem:no-lineage"
        with pytest.raises(collecting.NotCollectingError, match="takes no lineage"):
            ledger.collector.take(b"{}")


def test_the_key_must_be_one_of_its_own_that_may_sign(ledger: Ledger) -> None:
    path = ledger.folder.config
    text = path.read_text()
    for name, reason in (("signer", "a key of its own"), ("nobody", "nobody.pem")):
        path.write_text(text.replace('key = "collector"', f'key = "{name}"'))
        with (
            pytest.raises((InputError, LedgerError), match=reason),
            Ledger.open(path.parent.parent) as other,
        ):
            create_app(other)
    path.write_text(text)
    ledger.revoke_key("collector", reason="left")
    with pytest.raises(InputError, match="may not sign statements of kind 'step'"):
        create_app(ledger)


def test_a_key_that_is_revoked_is_no_fault_of_who_tells(
    ledger: Ledger, url: str, token: str
) -> None:
    ledger.revoke_key("collector", reason="left")
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.post(f"{url}/api/v1/lineage", json=GOOD, headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["type"].split(":")[-1]) == (503, "ledger-unavailable")


def test_a_project_has_it_under_its_own_address(ledger: Ledger) -> None:
    token = ledger.tokens.new("airflow", scope="submit")[1]
    with serving(create_projects_app({"vision": ledger})) as url:
        client_of(f"{url}/p/vision/", token).emit(event(RunState.COMPLETE, str(uuid4())))
    assert len(steps(ledger)) == 1


def test_what_a_ledger_sends_another_takes(
    ledger: Ledger, url: str, token: str, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": 1}\n')
    with Ledger.init(tmp_path / "other", origin="other.example/ml") as other:
        with other.step("clean", inputs=[other.register(rows)]) as step:
            step.output([{"id": 2}], name="clean")
        events = other.history("clean").to_openlineage(other.origin)
    for _ in range(2):
        send_events(events, url, {"OPENLINEAGE_API_KEY": token})
    ((_, statement, report),) = steps(ledger)
    assert (report.name, report.outcome) == ("clean", "succeeded")
    assert [each.name for each in report.inputs] == ["other.example/ml/rows.jsonl"]
    assert report.inputs[0].digest["sha256"] == sha256(rows.read_bytes()).hexdigest()
    assert [each.name for each in statement.subjects] == ["other.example/ml/clean"]
    assert ledger.history("other.example/ml/clean").events
    with pytest.raises(InputError, match=r"took 0 of 2 events, .* 401 Unauthorized .*API_KEY"):
        send_events(events, url, {"OPENLINEAGE_API_KEY": "plt_none"})


def test_what_was_told_is_told_on(ledger: Ledger, url: str, token: str) -> None:
    """Under the names that it had: and so it is the same run for whoever knows it."""
    version = {"version": dataset_version_dataset.DatasetVersionDatasetFacet("7")}
    read = InputDataset(namespace="s3://lake", name="raw/orders", facets=version)
    told = event(RunState.COMPLETE, str(uuid4()), inputs=[read])
    client_of(url, token).emit(told)
    began, ended = ledger.history("s3://lake/clean/orders").to_openlineage(ledger.origin)
    for each in (began, ended):
        assert (each.run.runId, each.job) == (told.run.runId, told.job)
        (found,) = each.inputs or ()
        assert (found.namespace, found.name) == (read.namespace, read.name)
        assert Serde.to_dict(found)["facets"]["version"]["datasetVersion"] == "7"
    (made,) = ended.outputs or ()
    assert (made.namespace, made.name) == ("s3://lake", "clean/orders")
    assert "version" not in (made.facets or {})
    send_events([began, ended], url, {"OPENLINEAGE_API_KEY": token})
    assert len(steps(ledger)) == 1


def test_no_more_waits_than_there_is_room_for(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "MOST_WAITING", 2)
    runs = [str(uuid4()) for _ in range(4)]
    for run in runs:
        ledger.collector.take(Serde.to_json(event(RunState.START, run)).encode())
    left = {path.stem for path in (ledger.folder.path / "lineage").glob("*.json")}
    assert left == set(runs[2:])
    # A damaged one is none: the end tells most of it.
    path = ledger.folder.path / "lineage" / f"{runs[3]}.json"
    path.write_text(path.read_text()[:-9])
    ledger.collector.take(Serde.to_json(event(RunState.COMPLETE, runs[3], inputs=[])).encode())
    assert steps(ledger)[0][2].inputs == ()


def test_what_the_file_transport_wrote(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    client = OpenLineageClient(
        transport=FileTransport(FileConfig(log_file_path=str(path), append=True))
    )
    run = str(uuid4())
    client.emit(event(RunState.START, run))
    client.emit(event(RunState.COMPLETE, run, inputs=[]))
    for line in path.read_bytes().splitlines():
        ledger.collector.take(line)
    ((_, _, step),) = steps(ledger)
    assert [each.name for each in step.inputs] == ["s3://lake/raw/orders"]
