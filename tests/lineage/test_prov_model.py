"""PROV documents as the `prov` library reads them back, and what they say of a history."""

import json
import sys
from dataclasses import replace

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
from prov.model import ProvDocument

from provenance.derivation.claims import Derivation
from provenance.errors import InputError
from provenance.lineage import Event, History
from provenance.statements import Code

ORIGIN = "acme.example/ml"


def written(found, origin=ORIGIN):
    """The JSON of a document that is the same when it is read back."""
    document = found.to_prov(origin)
    text = document.serialize(format="json")
    assert ProvDocument.deserialize(content=text, format="json") == document
    return json.loads(text)


def named(name):
    return f"artifact:{artifact(name).digest_hex}"


def told(document, relation, *fields):
    """Each line of a relation by some of its fields, without the prefix of names."""
    lines = document.get(relation, {}).values()
    return sorted(tuple(plain(line.get(field)) for field in fields) for line in lines)


def plain(value):
    return value["$"] if isinstance(value, dict) else value


def test_a_whole_history():
    """The pipeline: raw → clean, rest; clean → model → answers; raw superseded by better."""
    document = written(history(*PIPELINE, of="answers"))
    assert document["prefix"] == {
        "artifact": "urn:provenance-ledger:artifact:v1:",
        "entry": "urn:provenance-ledger:entry:v1:acme.example/ml:",
        "signer": "urn:provenance-ledger:signers:v1:",
        "digest": "urn:provenance-ledger:digest:v1:",
        "ledger": "urn:provenance-ledger:prov:v1:",
    }
    names = ("raw", "clean", "rest", "model", "answers", "better")
    entities = document["entity"]
    assert set(entities) == {named(name) for name in names}
    for name in names:
        entity = entities[named(name)]
        assert entity["prov:label"] == name
        assert entity["digest:provenance-artifact-v1"] == digest(name)["provenance-artifact-v1"]
    assert entities[named("raw")]["prov:type"] == {"$": "ledger:dataset", "type": "xsd:QName"}
    assert entities[named("answers")]["prov:type"]["$"] == "ledger:outputs"
    assert plain(entities[named("raw")]["ledger:registered"]) == "0"
    assert "prov:type" not in entities[named("better")]

    assert set(document["activity"]) == {"entry:4", "entry:7", "entry:11"}
    dedupe = document["activity"]["entry:4"]
    assert (dedupe["prov:label"], dedupe["prov:type"]["$"]) == ("dedupe", "ledger:step")
    assert dedupe["prov:startTime"] == dedupe["prov:endTime"] == TIME.replace("Z", "+00:00")
    assert dedupe["ledger:parameters"] == '{"threshold":0.9}'
    assert document["agent"] == {f"signer:{SIGNER}": {}}

    assert told(document, "used", "prov:activity", "prov:entity", "ledger:grade") == sorted(
        [("entry:4", named("raw"), "broken"), ("entry:7", named("clean"), "attested")]
    )
    made = told(document, "wasGeneratedBy", "prov:entity", "prov:activity", "ledger:grade")
    assert made == sorted(
        (named(name), entry, "attested")
        for name, entry in (("clean", "entry:4"), ("rest", "entry:4"), ("model", "entry:7"))
    )
    derived = ("prov:generatedEntity", "prov:usedEntity", "ledger:grade", "ledger:entry")
    assert told(document, "wasDerivedFrom", *derived) == [
        (named("answers"), named("model"), "attested", "entry:8")
    ]
    gone = ("prov:entity", "prov:activity", "ledger:reason", "ledger:replacement")
    assert told(document, "wasInvalidatedBy", *gone) == [
        (named("raw"), "entry:11", "mislabelled", named("better"))
    ]
    assert told(document, "wasAssociatedWith", "prov:activity", "prov:agent") == [
        (entry, f"signer:{SIGNER}") for entry in ("entry:11", "entry:4", "entry:7")
    ]
    signed = told(document, "wasAttributedTo", "prov:entity", "prov:agent", "ledger:entry")
    assert signed == sorted(
        (named(name), f"signer:{SIGNER}", f"entry:{index}")
        for name, index in (("raw", 0), ("clean", 2), ("model", 6), ("answers", 8))
    )


def test_a_revoked_signature_and_a_conflict_are_told():
    found = history(*PIPELINE, of="model")
    end = replace(found.end(artifact("clean").digest), conflict=True)
    changed = History(
        found.artifact,
        tuple(replace(event, revoked=(SIGNER,)) for event in found.events),
        ends={**found.ends, artifact("clean").digest: end},
    )
    document = written(changed)
    assert document["entity"][named("clean")]["ledger:conflict"] is True
    assert "ledger:conflict" not in document["entity"][named("raw")]
    for relation in ("wasAssociatedWith", "wasAttributedTo"):
        assert {line["ledger:revoked"] for line in document[relation].values()} == {True}
        sound = written(found)[relation].values()
        assert not any("ledger:revoked" in line for line in sound)
    assert {grade for (grade,) in told(document, "used", "ledger:grade")} == {"broken"}


def test_a_claimed_derivation_is_as_sure_as_its_worse_arrow():
    claim = Derivation(
        claim="split",
        ordered=True,
        sources=(artifact("all").digest,),
        targets=(artifact("a").digest, artifact("b").digest),
    )
    made = step("split", ["all", "seed"], ["a", "b"], derivations=(claim,))
    found = history(dataset("all"), dataset("a"), made, of="a")
    derived = ("prov:generatedEntity", "prov:usedEntity", "prov:activity", "ledger:grade")
    assert told(written(found), "wasDerivedFrom", *derived) == sorted(
        [
            (named("a"), named("all"), "entry:2", "attested"),
            (named("b"), named("all"), "entry:2", "declared"),
        ]
    )


def test_a_step_that_failed():
    code = Code(command=("python", "look.py"), git_commit="7f" * 20, dirty=True)
    failed = step("look", ["raw"], ["half"], error="ValueError: no", code=code)
    activity = written(history(failed, of="half"))["activity"]["entry:0"]
    assert activity["ledger:outcome"] == "failed"
    assert activity["ledger:error"] == "ValueError: no"
    assert activity["ledger:gitCommit"] == "7f" * 20
    assert activity["ledger:dirty"] is True
    assert json.loads(activity["ledger:command"]) == ["python", "look.py"]


@pytest.mark.parametrize(
    "text", [*HOSTILE, '"\n\r\t\0\x1b[2J\u202e\u2028', "x" * 10_000, "\U0001f600", "2026-01-01", ""]
)
def test_whatever_a_text_holds_it_stays_a_text(text):
    name = text if text in HOSTILE else "s"
    code = Code(command=(text,))
    evil = {"parameters": {text: text}, "environment": {text: text}, "code": code}
    found = history(
        step(name, [name], ["out"], error=text, **evil), supersede("out", "new"), of="out"
    )
    gone = found.events[1]
    said = replace(gone.statement.predicate, reason=text)
    changed = Event(1, replace(gone.statement, predicate=said), (SIGNER,))
    document = written(History(found.artifact, (found.events[0], changed)))
    assert document["entity"][named(name)]["prov:label"] == name
    activity = document["activity"]["entry:0"]
    assert (activity["prov:label"], activity["ledger:error"]) == (name, text)
    assert json.loads(activity["ledger:parameters"]) == {text: text}
    assert told(document, "wasInvalidatedBy", "ledger:reason") == [(text,)]


def test_an_origin_is_quoted():
    prefix = written(history(*PIPELINE, of="raw"), 'a b:"ü')["prefix"]
    assert prefix["entry"] == "urn:provenance-ledger:entry:v1:a%20b%3A%22%C3%BC:"


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "prov.model", None)
    with pytest.raises(InputError, match=r"needs prov: pip install 'provenance-ledger\[exports"):
        history(*PIPELINE, of="raw").to_prov(ORIGIN)
