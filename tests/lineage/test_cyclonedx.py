"""ML-BOMs as the strict validator of cyclonedx-python-lib reads them."""

from dataclasses import replace

import pytest
from histories import (
    HOSTILE,
    PIPELINE,
    SIGNER,
    STAMP,
    TIME,
    artifact,
    dataset,
    digest,
    history,
    outputs,
    quality,
    step,
    subject,
    supersede,
)

from provenance.errors import InputError
from provenance.statements import Model, Quality, Statement
from provenance.version import VERSION

ORIGIN = "acme.example/ml"
LATER = "2026-06-02T00:00:00Z"
ENTRY = "urn:provenance-ledger:entry:v1:acme.example/ml:"


def model(name, digests=None, **claims):
    predicate = Model(**STAMP, artifact=artifact(name), **claims)
    about = replace(subject(name), digest={**digest(name), **(digests or {})})
    return Statement(subjects=(about,), predicate=predicate)


def uri(name):
    return f"urn:provenance-ledger:artifact:v1:{artifact(name).digest_hex}"


def measured(name, **metrics):
    predicate = Quality(**STAMP, metrics=metrics, passed=True)
    return Statement(subjects=(subject(name),), predicate=predicate)


def told(judge, *statements, of="model", **options):
    """Return the bill of a history, that the validator takes it."""
    document = history(*statements, of=of, **options).to_cyclonedx(ORIGIN)
    assert judge(cyclonedx=document) == {}
    return document


def properties(component):
    return {
        each["name"].removeprefix("provenance-ledger:"): each["value"]
        for each in component["properties"]
    }


def depends(document):
    return {each["ref"]: each["dependsOn"] for each in document["dependencies"]}


TRAINED = (
    dataset("raw"),  # 0
    step("dedupe", ["raw"], ["clean", "rest"]),
    dataset("clean"),  # 2
    model("model", {"sha256": "ab" * 32}, license="apache-2.0", metadata={"version": "2"}),
    step("train", ["clean"], ["model"], parameters={"rate": 0.1}),  # 4
    measured("model", f1=0.93, loss="0.0001", steps=12),
)


def test_a_model_and_all_that_it_is_made_of(judge):
    document = told(judge, *TRAINED)
    common = {"grade": "attested", "size": "1", "encoding": '{"encoding":"json"}'}
    common |= {"sensitivity": "internal", "signers": SIGNER}

    def listed(name, entry):
        told = {"artifact": artifact(name).digest_hex, "root": artifact(name).root.hex()}
        return common | told | {"entry": f"{ENTRY}{entry}"}

    component = document["metadata"].pop("component")
    assert properties(component) == listed("model", 3)
    del component["properties"]
    assert component == {
        "type": "machine-learning-model",
        "bom-ref": uri("model"),
        "name": "model",
        "version": "2",
        "hashes": [{"alg": "SHA-256", "content": "ab" * 32}],
        "licenses": [{"expression": "Apache-2.0"}],
        "modelCard": {
            "modelParameters": {"datasets": [{"ref": uri("clean")}]},
            "quantitativeAnalysis": {
                "performanceMetrics": [
                    {"type": "f1", "value": "0.93"},
                    {"type": "loss", "value": "0.0001"},
                    {"type": "steps", "value": "12"},
                ]
            },
        },
    }
    clean, raw = document.pop("components")
    assert properties(clean) == listed("clean", 2)
    assert properties(raw) == listed("raw", 0)
    del clean["properties"]
    assert clean == {
        "type": "data",
        "bom-ref": uri("clean"),
        "name": "clean",
        "data": [{"type": "dataset", "classification": "internal"}],
    }
    assert document.pop("serialNumber").startswith("urn:uuid:")
    assert document == {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": TIME,
            "tools": {
                "components": [
                    {"type": "application", "name": "provenance-ledger", "version": VERSION}
                ]
            },
        },
        "dependencies": [
            {"ref": uri("model"), "dependsOn": [uri("clean")]},
            {"ref": uri("clean"), "dependsOn": [uri("raw")]},
            {"ref": uri("raw"), "dependsOn": []},
        ],
    }


def test_the_same_statements_give_the_same_bill_and_others_another_serial_number(judge):
    first = told(judge, *TRAINED)
    assert told(judge, *TRAINED) == first
    # What came in between, and is about something else, changes entries and nothing more.
    found = history(*TRAINED, of="model")
    shuffled = replace(found, events=found.events[::-1])
    assert shuffled.to_cyclonedx(ORIGIN) == first
    other = told(judge, *TRAINED, quality("model"))
    assert other["serialNumber"] != first["serialNumber"]


def test_the_time_is_that_of_the_newest_statement(judge):
    later = replace(TRAINED[-1], predicate=replace(TRAINED[-1].predicate, issued=LATER))
    assert told(judge, *TRAINED[:-1], later)["metadata"]["timestamp"] == LATER


def test_a_model_that_nothing_is_known_of(judge):
    document = told(judge, model("model"))
    component = document["metadata"]["component"]
    assert not component.keys() & {"modelCard", "hashes", "licenses", "version", "description"}
    assert (document["components"], depends(document)) == ([], {uri("model"): []})


def test_what_failed_or_is_under_a_revoked_signature_does_not_count(judge):
    failed = step("train", ["other"], ["model"], error="ValueError: no")
    document = told(judge, *TRAINED, dataset("other"), failed)
    assert [each["name"] for each in document["components"]] == ["clean", "raw"]
    found = history(*TRAINED, of="model")
    for index in (4, 5):
        events = [
            replace(event, revoked=(SIGNER,)) if event.index == index else event
            for event in found.events
        ]
        document = replace(found, events=tuple(events)).to_cyclonedx(ORIGIN)
        assert judge(cyclonedx=document) == {}
        card = document["metadata"]["component"]["modelCard"]
        assert [*card] == [["quantitativeAnalysis"], ["modelParameters"]][index - 4]
        assert document["components"] == ([] if index == 4 else document["components"])


def test_a_model_that_a_step_registered_as_a_data_set_too(judge):
    document = told(judge, *TRAINED, dataset("model"))
    assert document["metadata"]["component"]["type"] == "machine-learning-model"
    found = history(*TRAINED, dataset("model"), of="model")
    assert found.to_croissant(ORIGIN)["name"] == "model"


def test_outputs_of_a_model_that_another_was_trained_on(judge):
    document = told(
        judge,
        model("teacher"),
        dataset("words"),
        step("train", ["words"], ["teacher"]),
        measured("teacher", f1=0.99),
        outputs("answers", "teacher"),
        model("model"),
        step("distil", ["answers", "teacher", "named"], ["model"]),
    )
    assert depends(document)[uri("model")] == [uri("answers"), uri("teacher"), uri("named")]
    assert depends(document)[uri("answers")] == [uri("teacher")]
    card = document["metadata"]["component"]["modelCard"]
    assert card == {"modelParameters": {"datasets": [{"ref": uri("answers")}]}}
    components = {each["name"]: each for each in document["components"]}
    assert components["teacher"]["modelCard"] == {
        "modelParameters": {"datasets": [{"ref": uri("words")}]},
        "quantitativeAnalysis": {"performanceMetrics": [{"type": "f1", "value": "0.99"}]},
    }
    # Of what is only named, the name is known.
    assert components["named"] == {
        "type": "data",
        "bom-ref": uri("named"),
        "name": "named",
        "properties": [
            {"name": "provenance-ledger:artifact", "value": artifact("named").digest_hex},
            {"name": "provenance-ledger:grade", "value": "declared"},
        ],
    }


def test_a_circle(judge):
    document = told(
        judge, model("model"), step("a", ["other"], ["model"]), step("b", ["model"], ["other"])
    )
    assert depends(document) == {uri("model"): [uri("other")], uri("other"): [uri("model")]}
    told(judge, model("model"), step("a", ["model"], ["model"]))


def test_what_is_superseded_or_revoked_says_so(judge):
    document = told(judge, *TRAINED, supersede("raw", "better"), supersede("model", "better"))
    assert properties(document["metadata"]["component"])["superseded"] == f"{ENTRY}7"
    raw = document["components"][1]
    assert (properties(raw)["superseded"], properties(raw)["grade"]) == (f"{ENTRY}6", "broken")
    found = history(*TRAINED, of="model")
    events = tuple(replace(event, revoked=(SIGNER,)) for event in found.events)
    document = replace(found, events=events).to_cyclonedx(ORIGIN)
    assert judge(cyclonedx=document) == {}
    assert properties(document["metadata"]["component"])["revoked"] == SIGNER


@pytest.mark.parametrize(
    ("digests", "hashes"),
    [
        ({"blake3": "ab" * 32}, [("BLAKE3", 32)]),
        ({"sha512": "ab" * 64, "sha256": "ab" * 32}, [("SHA-512", 64), ("SHA-256", 32)]),
        ({"sha512": "ab" * 32, "blake3": "ab", "sha3": "ab" * 32}, []),
    ],
)
def test_hashes(judge, digests, hashes):
    component = told(judge, model("model", digests))["metadata"]["component"]
    found = [(each["alg"], len(each["content"]) // 2) for each in component.get("hashes", [])]
    assert found == hashes


def test_a_licence_that_spdx_does_not_know(judge):
    component = told(judge, model("model", license="ask us"))["metadata"]["component"]
    assert component["licenses"] == [{"license": {"name": "ask us"}}]


def test_what_is_no_model_is_refused_with_the_way_out():
    with pytest.raises(InputError, match=r"'raw' is registered as dataset.*--format croissant"):
        history(*PIPELINE, of="raw").to_cyclonedx(ORIGIN)
    with pytest.raises(InputError, match=r"'answers' is registered as outputs.*of a model$"):
        history(*PIPELINE, of="answers").to_cyclonedx(ORIGIN)
    with pytest.raises(InputError, match="is not registered here"):
        history(step("s", ["a"], ["model"]), of="model").to_cyclonedx(ORIGIN)


@pytest.mark.parametrize(
    "text", [*HOSTILE, '"\n\r\t\0\x1b[2J\u202e\u2028', "x" * 10_000, "\U0001f600", "urn:cdx:", ""]
)
def test_whatever_a_text_holds_it_stays_a_text(judge, text):
    name = text if text in HOSTILE else "s"
    claims = {"source": text, "license": text, "metadata": {"version": text, "description": text}}
    data = dataset(name)
    document = told(
        judge,
        replace(data, predicate=replace(data.predicate, provider=text, **claims)),
        model("model", **claims),
        step(name, [name], ["model"]),
        measured("model", **{text: "NaN"}),
    )
    component, (material,) = document["metadata"]["component"], document["components"]
    card = component["modelCard"]
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [{"type": text, "value": "NaN"}]
    assert component.get("description", "") == text
    assert ("version" in component) is (0 < len(text) < 10_000)
    assert (material["name"], properties(material)["provider"]) == (name, text)
