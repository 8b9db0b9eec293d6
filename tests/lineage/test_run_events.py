"""OpenLineage events: written by the library's own client, and our facets by their schema."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import jsonschema
import pytest
from histories import (
    HOSTILE,
    PIPELINE,
    SIGNER,
    TIME,
    artifact,
    dataset,
    digest,
    history,
    step,
    supersede,
)
from openlineage.client import OpenLineageClient
from openlineage.client.serde import Serde
from openlineage.client.transport.file import FileConfig, FileTransport

from provenance.errors import InputError
from provenance.lineage import History
from provenance.statements import Code

ORIGIN = "acme.example/ml"
FACETS = json.loads((Path(__file__).parents[2] / "docs" / "openlineage-facets.json").read_text())


@pytest.fixture
def sent(tmp_path):
    """Send the events of a history as clients of OpenLineage do; return what arrives."""

    def send(found):
        file = tmp_path / "events"
        config = FileConfig(log_file_path=str(file), append=True)
        client = OpenLineageClient(transport=FileTransport(config))
        events = found.to_openlineage(ORIGIN)
        expected = [json.loads(Serde.to_json(event)) for event in events]
        for event in events:
            client.emit(event)
        arrived = [json.loads(line) for line in file.read_text().splitlines()]
        for event in arrived:
            event["run"]["facets"].pop("tags")  # the client's own: its version
        assert arrived == expected
        for event in arrived:
            check(event)
        return arrived

    return send


def check(event):
    """Check what OpenLineage requires of an event, and each facet of ours by its schema."""
    assert {"eventTime", "producer", "schemaURL", "eventType", "run", "job"} <= set(event)
    assert event["schemaURL"].endswith("OpenLineage.json#/$defs/RunEvent")
    datasets = [*event["inputs"], *event["outputs"]]
    facets = [*event["run"]["facets"].items()]
    for each in datasets:
        assert set(each["facets"]) == {"version", "provenanceLedger_artifact"}
        facets += each["facets"].items()
    for name, facet in facets:
        assert facet["_producer"] == event["producer"]
        base, _, pointer = facet["_schemaURL"].partition("#/$defs/")
        assert (base == FACETS["$id"]) == name.startswith("provenanceLedger_")
        if base == FACETS["$id"]:
            schema = {**FACETS, "$ref": f"#/$defs/{pointer}"}
            jsonschema.Draft202012Validator(schema).validate(facet)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(FACETS)


def test_every_step_of_a_history(sent):
    events = sent(history(*PIPELINE, of="answers"))
    told = [(event["job"]["name"], event["eventType"]) for event in events]
    assert told == [
        ("dedupe", "START"),
        ("dedupe", "COMPLETE"),
        ("train", "START"),
        ("train", "COMPLETE"),
    ]
    begin, end = events[:2]
    assert begin["run"] == end["run"]
    entry = "urn:provenance-ledger:entry:v1:acme.example/ml:4"
    assert end["run"]["runId"] == str(uuid5(NAMESPACE_URL, entry))
    facet = end["run"]["facets"]["provenanceLedger_step"]
    assert (facet["entry"], facet["signers"]) == (entry, [SIGNER])
    assert facet["parameters"] == '{"threshold":0.9}'
    assert (begin["eventTime"], end["eventTime"]) == (TIME, TIME)
    assert {event["job"]["namespace"] for event in events} == {ORIGIN}

    assert begin["outputs"] == []
    assert begin["inputs"] == end["inputs"]
    (raw,) = end["inputs"]
    assert (raw["namespace"], raw["name"]) == (ORIGIN, "raw")
    assert raw["facets"]["version"]["datasetVersion"] == artifact("raw").digest_hex
    known = raw["facets"]["provenanceLedger_artifact"]
    assert known["uri"] == f"urn:provenance-ledger:artifact:v1:{artifact('raw').digest_hex}"
    assert known["digests"] == digest("raw")
    assert (known["grade"], known["registered"], known["superseded"]) == ("broken", 0, 11)
    assert [each["name"] for each in end["outputs"]] == ["clean", "rest"]
    clean = end["outputs"][0]["facets"]["provenanceLedger_artifact"]
    assert (clean["grade"], clean["registered"]) == ("attested", 2)
    assert "superseded" not in clean


def test_a_step_that_failed(sent):
    code = Code(command=("python", "look.py"), git_commit="7f" * 20, dirty=True)
    failed = step("look", ["raw"], [], error="ValueError: no", code=code)
    _, end = sent(history(failed, of="raw", onward=True))
    assert (end["eventType"], end["outputs"]) == ("FAIL", [])
    assert end["run"]["facets"]["errorMessage"]["message"] == "ValueError: no"
    facet = end["run"]["facets"]["provenanceLedger_step"]
    assert (facet["command"], facet["gitCommit"], facet["dirty"]) == (
        ["python", "look.py"],
        "7f" * 20,
        True,
    )
    (raw,) = end["inputs"]
    assert raw["facets"]["provenanceLedger_artifact"]["grade"] == "declared"


def test_what_is_read_and_made_has_a_grade_for_each(sent):
    found = history(dataset("x"), step("turn", ["x"], ["x", "y"]), supersede("y", "z"), of="x")
    events = tuple(replace(e, reproduced={artifact("x").digest: 7}) for e in found.events)
    _, end = sent(replace(found, events=events))
    grades = {
        each["name"]: each["facets"]["provenanceLedger_artifact"]["grade"]
        for each in end["outputs"]
    }
    assert grades == {"x": "reproduced", "y": "broken"}


def test_a_revoked_signature_is_told(sent):
    found = history(*PIPELINE, of="model")
    revoked = tuple(replace(event, revoked=(SIGNER,)) for event in found.events)
    events = sent(History(found.artifact, revoked, ends=found.ends))
    assert {each["run"]["facets"]["provenanceLedger_step"]["revoked"][0] for each in events} == {
        SIGNER
    }


@pytest.mark.parametrize("text", [*HOSTILE, '"\n\r\t\0\x1b[2J\u202e\u2028', "x" * 10_000, "😀", ""])
def test_whatever_a_text_holds_it_stays_a_text(sent, text):
    name = text if text in HOSTILE else "s"
    made = step(
        name, [name], ["out"], error=text, parameters={text: None}, code=Code(command=(text,))
    )
    _, end = sent(history(made, of="out"))
    assert (end["job"]["name"], end["inputs"][0]["name"]) == (name, name)
    assert end["run"]["facets"]["errorMessage"]["message"] == text
    facet = end["run"]["facets"]["provenanceLedger_step"]
    assert json.loads(facet["parameters"]) == {text: None}
    assert facet["command"] == [text]


def test_nanoseconds(sent):
    made = step("s", [], ["out"])
    fine = replace(made.predicate, started="2026-06-01T00:00:00.123456789Z")
    begin, _ = sent(history(replace(made, predicate=fine), of="out"))
    assert begin["eventTime"] == "2026-06-01T00:00:00.123456789Z"


def test_without_the_library(monkeypatch):
    monkeypatch.delitem(sys.modules, "provenance.lineage.run_events", raising=False)
    monkeypatch.delattr("provenance.lineage.run_events", raising=False)
    monkeypatch.setitem(sys.modules, "openlineage.client.event_v2", None)
    with pytest.raises(InputError, match=r"pip install 'provenance-ledger\[exports"):
        history(*PIPELINE, of="raw").to_openlineage(ORIGIN)
