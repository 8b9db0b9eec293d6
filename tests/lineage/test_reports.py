"""Events of OpenLineage as steps: whatever comes, and what is never kept of it."""

import json
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

import pytest
from histories import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import MalformedError
from provenance.lineage import reports
from provenance.lineage.reports import (
    DATASET_DIGEST,
    MAX_EVENT,
    NamedData,
    data_of,
    job_of,
    read_event,
    run_of,
)
from provenance.records import ARTIFACT_DIGEST
from provenance.statements import Statement

RUN = "01977b2f-5c5e-7d35-a1a6-25a7b5a7c1de"
STAMP = {"nonce": bytes(16), "issued": "2026-06-01T09:00:00Z"}
EVENT = {
    "eventType": "COMPLETE",
    "eventTime": "2026-06-01T09:08:51Z",
    "run": {"runId": RUN},
    "job": {"namespace": "n", "name": "j"},
}


def read(**more):
    return read_event(json.dumps(EVENT | more).encode())


def data(*names, **facets):
    return [{"namespace": "s3://lake", "name": name, "facets": facets} for name in names]


def test_what_stands_for_a_name():
    """By hand: RFC 8785 of two ASCII texts is JSON without spaces."""
    named = NamedData(namespace="s3://lake", name="raw")
    text = b'openlineage-dataset/v1\n["s3://lake","raw"]'
    assert named.digest == sha256(text).digest()
    assert named.named == (
        "s3://lake/raw",
        dict.fromkeys((ARTIFACT_DIGEST, DATASET_DIGEST), named.digest.hex()),
    )


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("postgres://me:secret@db:5432", "postgres://db:5432"),
        ("postgres://secret@db", "postgres://db"),
        ("postgres://a:b@c:d@db", "postgres://db"),
        ("https://host/x?sig=secret", "https://host/x"),
        ("https://host/x#secret", "https://host/x"),
        ("see https://me:secret@host/x?t=secret and go on", "see https://host/x and go on"),
        ("//me:secret@host/x", "//host/x"),
        ("what? why#not@all", "what? why#not@all"),
        ("abfss://container@account.dfs.core.windows.net", None),
        ("wasb://$web@account.blob.core.windows.net/x", None),
        ("abfss://me:secret@account/x", "abfss://account/x"),
        ("wasbs://sig=secret@account/x", "wasbs://account/x"),
        ("jdbc:sqlserver://host:1433;user=sa;password=secret", "jdbc:sqlserver://host:1433"),
        ("half \ud800", "half ?"),
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 436 + sha256(b"x" * 501).hexdigest()),
    ],
)
def test_what_is_kept_of_a_text(told, kept):
    kept = kept or told
    report = read(job={"namespace": told, "name": told}, producer=told, inputs=data(told))
    assert (report.namespace, report.job, report.producer) == (kept, kept, kept)
    assert report.inputs[0].name == kept


def test_what_follows_the_address_of_a_server_is_part_of_it():
    """A namespace and a name are one address in two parts: a signed one ends in its secret."""

    def name(namespace, name):
        return read(inputs=[{"namespace": namespace, "name": name}]).inputs[0].name

    for secret in ("?sv=1&sig=secret", "#secret\n?", ";user=me;password=secret"):
        assert name("https://account.blob.core.windows.net", f"c/x.csv{secret}") == "c/x.csv"
        assert name("HTTP://host", f"/v1/data{secret}") == "/v1/data"
        assert name("s3://lake", f"x{secret}") == f"x{secret}"
    assert name("https://host", "?sig=secret") == "?"


def test_nobody_passes_an_artifact_for_a_name():
    """What stands for a name is computed of what the step says that it is."""
    step = read(inputs=data("a"), outputs=data("b\n")).to_statement(**STAMP).predicate
    told = step.parameters["openlineage"]
    digests = [NamedData(namespace="s3://lake", name=name).digest for name in ("a", "b\n")]
    assert [*data_of(step)] == digests
    assert [each.named[0] for each in data_of(step).values()] == ["s3://lake/a", r"s3://lake/b\n"]
    assert job_of(step) == (RUN, "n", "j")
    assert job_of(replace(step, parameters={"openlineage": told | {"job": 7}})) is None
    for more in ({"run": RUN.upper()}, {"event": "START"}, {"data": {}}, {"data": [7, {}]}):
        assert data_of(replace(step, parameters={"openlineage": told | more})) == {}
    for other in ({}, {"openlineage": []}, {"openlineage": None}):
        assert data_of(replace(step, parameters=other)) == {}
        assert job_of(replace(step, parameters=other)) is None


MARKS = dict.fromkeys(map(ord, "\u061c\u200e\u200f\ufeff"))
"""Of direction, which turn nothing round; and one that is nothing."""


@pytest.mark.parametrize("name", [*HOSTILE, "\x1b[2J\u202e", "x" * 10_000, "a\nb"])
def test_a_name_is_one_line_that_can_be_shown(name):
    report = read(job={"namespace": name, "name": name}, inputs=data(name), outputs=data(name))
    statement = report.to_statement(**STAMP)
    assert Statement.parse(statement.to_bytes()) == statement
    for shown in (statement.predicate.name, statement.subjects[0].name):
        assert shown.translate(MARKS).isprintable()
    assert run_of(statement.predicate) == report.key


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
PLACES = [
    ("eventType",),
    ("eventTime",),
    ("producer",),
    ("run",),
    ("run", "runId"),
    ("run", "facets"),
    *(("run", "facets", name) for name in ("parent", "nominalTime", "errorMessage", "x")),
    ("run", "facets", "parent", "run"),
    ("run", "facets", "nominalTime", "nominalStartTime"),
    ("run", "facets", "errorMessage", "message"),
    ("job",),
    ("job", "name"),
    ("job", "facets", "sourceCodeLocation"),
    ("job", "facets", "sourceCodeLocation", "version"),
    ("inputs",),
    ("outputs", 0),
    ("outputs", 0, "namespace"),
    ("outputs", 0, "facets"),
    *(("outputs", 0, "facets", name) for name in ("version", "schema")),
    ("outputs", 0, "facets", "schema", "fields"),
    ("outputs", 0, "facets", "schema", "fields", 0, "type"),
    ("outputs", 0, "facets", "provenanceLedger_artifact", "digests"),
]
WHOLE = EVENT | {
    "run": {
        "runId": RUN,
        "facets": {
            "parent": {"run": {"runId": RUN}, "job": {"namespace": "n", "name": "p"}},
            "nominalTime": {"nominalStartTime": "2026-06-01T00:00:00Z"},
            "errorMessage": {"message": "no"},
        },
    },
    "job": {
        "namespace": "n",
        "name": "j",
        "facets": {"sourceCodeLocation": {"type": "git", "version": "0" * 40}},
    },
    "outputs": data(
        "out",
        version={"datasetVersion": "1"},
        schema={"fields": [{"name": "id", "type": "INT"}]},
        provenanceLedger_artifact={"digests": {"sha256": "0" * 64, ARTIFACT_DIGEST: "1" * 64}},
    ),
}


@given(st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=3))
def test_whatever_comes_is_a_step_or_refused(changes):
    event = json.loads(json.dumps(WHOLE))
    for (*path, last), value in changes:
        at = event
        with suppress(TypeError, KeyError, IndexError):  # what is there was changed before
            for part in path:
                at = at[part]
            at[last] = value
    try:
        report = read_event(json.dumps(event).encode())
    except MalformedError:
        return
    if report is not None:
        statement = report.to_statement(**STAMP)
        assert Statement.parse(statement.to_bytes()) == statement
        if report.event in reports.ENDS:
            assert run_of(statement.predicate) == report.key


@given(JSON)
def test_any_json_is_an_event_or_refused(value):
    with suppress(MalformedError):
        assert read_event(json.dumps(value).encode()) is None


def test_of_a_facet_only_what_is_known_is_kept():
    report = read_event(json.dumps(WHOLE).encode())
    (out,) = report.outputs
    assert (out.version, out.schema, out.digests) == ("1", {"id": "INT"}, {"sha256": "0" * 64})
    (subject,) = report.to_statement(**STAMP).subjects
    digest = out.digest.hex()
    assert subject.digest == {
        "sha256": "0" * 64,
        ARTIFACT_DIGEST: digest,
        DATASET_DIGEST: digest,
    }
    many = [{"name": str(at), "type": "INT"} for at in range(1001)]
    assert read(outputs=data("a", schema={"fields": many})).outputs[0].schema is None
    assert len(read(outputs=data("a", schema={"fields": many[1:]})).outputs[0].schema) == 1000
    assert report.to_statement(**STAMP).predicate.error is None


def test_an_event_of_no_type_tells_of_a_run_that_goes_on():
    assert {read(eventType=kind).event for kind in (None, "OTHER")} == {"OTHER"}


def test_what_was_told_before_counts():
    first = read(
        eventType="START",
        eventTime="2026-06-01T09:00:00Z",
        inputs=data("a", version={"datasetVersion": "1"}),
        producer="p",
    )
    last = read(inputs=data("b", "a"), outputs=data("c"))
    report = last.after(first)
    assert [each.name for each in report.inputs] == ["a", "b"]
    assert [each.version for each in report.inputs] == ["1", None]
    assert (report.started, report.time, report.producer) == (
        "2026-06-01T09:00:00Z",
        "2026-06-01T09:08:51Z",
        "p",
    )
    assert last.after(first) == last.after(first.after(first)) == report.after(first)
    # Told in whatever order, it began at the first time.
    assert first.after(last).started == first.time


def test_what_is_too_much():
    with pytest.raises(MalformedError, match="at most 4,194,304 bytes"):
        read_event(b" " * MAX_EVENT + b"{}")
    names = [str(at) for at in range(2000)]
    assert len(read(inputs=data(*names)).inputs) == 2000
    with pytest.raises(MalformedError, match="more than 2000 data sets"):
        read(inputs=data(*names)).after(read(outputs=data("one more")))
    with pytest.raises(MalformedError, match="at most 2000 data sets"):
        read(inputs=data(*names, "one more"))
    columns = {"fields": [{"name": str(at) * 100, "type": "INT" * 100} for at in range(1000)]}
    wide = [read(inputs=data(str(at), schema=columns)) for at in range(15)]
    report = wide[0]
    for each in wide[1:]:
        report = each.after(report)
    with pytest.raises(MalformedError):
        report.to_statement(**STAMP)
