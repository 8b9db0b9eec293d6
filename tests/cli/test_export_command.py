"""`export`: what a ledger knows, in the words of other tools."""

import json
from hashlib import sha256

import pytest
from prov.model import ProvDocument


@pytest.fixture
def trained(provenance):
    """Two steps: rows → open.csv → clf, the second with a name that is hard to write down."""
    provenance("step", "clean", "--input", "rows", "--output", "open.csv", "--", "true")
    evil = '"; drop\\'
    provenance("step", evil, "--input", "open.csv", "--output", "model", "--", "true")
    return provenance


def test_slsa(trained):
    out, told = trained("export", "clf", "--format", "slsa")
    assert told == ""
    (line,) = out.splitlines()
    statement = json.loads(line)
    run = statement["predicate"]["runDetails"]
    origin, _, index = run["metadata"]["invocationId"].partition("#")
    entry = trained.json("entry", index)
    assert origin == "acme.example/ml"
    assert statement["subject"] == entry["statement"]["subject"]
    signed = json.dumps(
        entry["statement"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    (byproduct,) = run["byproducts"]
    assert byproduct["digest"] == {"sha256": sha256(signed.encode()).hexdigest()}


def test_slsa_of_the_steps_before(trained):
    out, _ = trained("export", "clf", "--format", "slsa", "--depth", "1")
    steps = [
        json.loads(line)["predicate"]["buildDefinition"]["externalParameters"]["step"]
        for line in out.splitlines()
    ]
    assert steps == ['"; drop\\', "clean"]
    found = trained.json("export", "clf", "--format", "slsa", "--depth", "1")
    assert found == {"format": "slsa", "documents": [*map(json.loads, out.splitlines())]}


def test_slsa_of_what_no_step_made(reading):
    _, told = reading("export", "rows", "--format", "slsa", status=2)
    assert "no step there succeeded" in told


def test_prov(trained):
    out, told = trained("export", "clf", "--format", "prov")
    assert (told, out.count("\n")) == ("", 1)
    document = ProvDocument.deserialize(content=out, format="json")
    assert ProvDocument.deserialize(content=document.serialize(), format="json") == document
    names = {entity["prov:label"] for entity in json.loads(out)["entity"].values()}
    assert names == {"rows", "open.csv", "clf"}
    near, _ = trained("export", "clf", "--format", "prov", "--depth", "0")
    assert len(json.loads(near)["activity"]) == 1 < len(json.loads(out)["activity"])
    found = trained.json("export", "clf", "--format", "prov")
    assert found == {"format": "prov", "documents": [json.loads(out)]}
    size = len(json.loads(out)["wasAttributedTo"])
    before, _ = trained("export", "clf", "--format", "prov", "--as-of", "5")
    assert "activity" not in json.loads(before)
    assert len(json.loads(before)["wasAttributedTo"]) < size


def test_openlineage(trained):
    out, told = trained("export", "clf", "--format", "openlineage")
    assert told == ""
    events = [json.loads(line) for line in out.splitlines()]
    assert [(event["job"]["name"], event["eventType"]) for event in events] == [
        ("clean", "START"),
        ("clean", "COMPLETE"),
        ('"; drop\\', "START"),
        ('"; drop\\', "COMPLETE"),
    ]
    found = trained.json("export", "clf", "--format", "openlineage")
    assert found == {"format": "openlineage", "documents": events}
    near, _ = trained("export", "clf", "--format", "openlineage", "--depth", "0")
    assert [json.loads(line) for line in near.splitlines()] == events[2:]
    _, told = trained("export", "rows", "--format", "openlineage", status=2)
    assert "there is no step there" in told


def test_croissant(provenance, judge, tmp_path):
    people = tmp_path / "people.csv"
    people.write_text("name,age\nAda,36\nAlan,41\n")
    claims = ("--license", "CC-BY-4.0", "--meta", "description=Who answered.")
    provenance("register", people, *claims)
    out, told = provenance("export", "people.csv", "--format", "croissant")
    assert (told, out.count("\n")) == ("", 1)
    document = json.loads(out)
    assert document["@id"].endswith(provenance.json("show", "people.csv")["digest"])
    assert document["description"] == "Who answered."
    answer = judge(croissant=document, file=str(people))
    assert answer["records"] == [
        {"records/name": "Ada", "records/age": "36"},
        {"records/name": "Alan", "records/age": "41"},
    ]
    assert not [warning for warning in answer["warnings"] if "license" in warning]
    found = provenance.json("export", "people.csv", "--format", "croissant", "--depth", "9")
    assert found == {"format": "croissant", "documents": [document]}
    _, told = provenance("export", "clf", "--format", "croissant", status=2)
    assert "'clf' is registered as model" in told


def test_cyclonedx(trained, judge):
    trained("quality", "clf", "--metric", "f1=0.93")
    out, told = trained("export", "clf", "--format", "cyclonedx")
    assert (told, out.count("\n")) == ("", 1)
    document = json.loads(out)
    assert judge(cyclonedx=document) == {}
    component = document["metadata"]["component"]
    assert component["bom-ref"].endswith(trained.json("show", "clf")["digest"])
    (metric,) = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert metric == {"type": "f1", "value": "0.93"}
    assert [each["name"] for each in document["components"]] == ["open.csv", "rows"]
    again, _ = trained("export", "clf", "--format", "cyclonedx")
    assert again == out
    near = trained.json("export", "clf", "--format", "cyclonedx", "--depth", "0")
    assert [each["name"] for each in near["documents"][0]["components"]] == ["open.csv"]
    _, told = trained("export", "rows", "--format", "cyclonedx", status=2)
    assert "'rows' is registered as dataset" in told
