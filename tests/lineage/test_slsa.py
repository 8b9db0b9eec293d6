"""SLSA provenance as in-toto-attestation reads it: its messages refuse a field they do not know."""

import json
from dataclasses import replace
from hashlib import sha256

import google.protobuf.json_format as pb_json
import pytest
from histories import HOSTILE, PIPELINE, SIGNER, TIME, artifact, dataset, digest, history, step
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement as InToto

from provenance.lineage import History
from provenance.statements import Code, Evidence

ORIGIN = "acme.example/ml"
LATER = "2026-06-01T00:00:00.123456789Z"
URI = "urn:provenance-ledger:artifact:v1:"


def read(statement):
    """Validate a statement by the messages of in-toto, and what SLSA v1 requires; return both."""
    text = json.dumps(statement)
    message = pb_json.Parse(text, statement_pb2.Statement())
    InToto.copy_from_pb(message).validate()
    assert message.predicate_type == "https://slsa.dev/provenance/v1"
    predicate = pb_json.ParseDict(statement["predicate"], provenance_pb2.Provenance())
    build, run = predicate.build_definition, predicate.run_details
    assert build.build_type.startswith("urn:")
    assert build.external_parameters.fields
    assert run.builder.id.startswith("urn:")
    assert not set(build.external_parameters.fields) & set(build.internal_parameters.fields)
    for each in [*build.resolved_dependencies, *run.byproducts]:
        ResourceDescriptor.copy_from_pb(each).validate()
        assert each.digest
    # Nothing was lost on the way: what the messages hold is what was written.
    assert pb_json.MessageToDict(predicate) == statement["predicate"]
    return message, predicate


def test_the_step_that_made_an_artifact():
    code = Code(command=("python", "train.py"), git_commit="7f" * 20, dirty=True)
    evidence = Evidence(type="quote", media_type="application/cbor", digest={"sha256": "ee" * 32})
    made = step(
        "train",
        ["clean", "words"],
        ["model", "log"],
        code=code,
        parameters={"rate": 0.5},
        environment={"python": "CPython 3.11.7"},
        evidence=(evidence,),
    )
    made = replace(made, predicate=replace(made.predicate, finished=LATER))
    (found,) = history(dataset("model"), made, of="model").to_slsa(ORIGIN)
    assert found == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": "model", "digest": digest("model")},
            {"name": "log", "digest": digest("log")},
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:provenance-ledger:build:v1",
                "externalParameters": {
                    "step": "train",
                    "parameters": {"rate": 0.5},
                    "command": ["python", "train.py"],
                    "inputs": [URI + artifact(name).digest_hex for name in ("clean", "words")],
                },
                "internalParameters": {"environment": {"python": "CPython 3.11.7"}},
                "resolvedDependencies": [
                    *(
                        {
                            "name": name,
                            "uri": URI + artifact(name).digest_hex,
                            "digest": digest(name),
                        }
                        for name in ("clean", "words")
                    ),
                    {
                        "name": "git",
                        "digest": {"gitCommit": "7f" * 20},
                        "annotations": {"dirty": True},
                    },
                ],
            },
            "runDetails": {
                "builder": {"id": f"urn:provenance-ledger:signers:v1:{SIGNER}"},
                "metadata": {
                    "invocationId": "acme.example/ml#1",
                    "startedOn": TIME,
                    "finishedOn": LATER,
                },
                "byproducts": [
                    {
                        "name": "statement",
                        "mediaType": "application/vnd.in-toto+json",
                        "digest": {"sha256": sha256(made.to_bytes()).hexdigest()},
                    },
                    {
                        "name": "quote",
                        "mediaType": "application/cbor",
                        "digest": {"sha256": "ee" * 32},
                    },
                ],
            },
        },
    }
    message, predicate = read(found)
    assert dict(message.subject[0].digest) == digest("model")
    times = predicate.run_details.metadata
    assert (times.started_on.ToJsonString(), times.finished_on.ToJsonString()) == (TIME, LATER)


def test_every_step_of_a_history_the_nearest_first():
    found = history(*PIPELINE, of="answers").to_slsa(ORIGIN)
    steps = [read(each)[1].build_definition.external_parameters["step"] for each in found]
    assert steps == ["train", "dedupe"]
    clean = history(*PIPELINE, of="clean", depth=0).to_slsa(ORIGIN)
    assert clean == found[1:]
    assert history(*PIPELINE, of="raw").to_slsa(ORIGIN) == []


def test_a_step_that_failed_or_whose_signature_is_revoked_is_left_out():
    failed = step("look", ["raw"], ["half"], error="ValueError: no")
    assert history(failed, of="half").to_slsa(ORIGIN) == []
    found = history(*PIPELINE, of="clean", depth=0)
    revoked = tuple(replace(event, revoked=(SIGNER,)) for event in found.events)
    assert found.to_slsa(ORIGIN)
    assert History(found.artifact, revoked).to_slsa(ORIGIN) == []


def test_all_who_signed_are_the_builder_whatever_their_order():
    found = history(*PIPELINE, of="clean", depth=0)
    for signers in (("cd", "ab"), ("ab", "cd")):
        events = tuple(replace(event, signers=signers) for event in found.events)
        (told,) = History(found.artifact, events).to_slsa(ORIGIN)
        builder = told["predicate"]["runDetails"]["builder"]
        assert builder == {"id": "urn:provenance-ledger:signers:v1:ab+cd"}


@pytest.mark.parametrize(
    "text", [*HOSTILE, '"\n\r\t\0\x1b[2J\u202e\u2028', "x" * 10_000, "\U0001f600"]
)
def test_whatever_a_text_holds_it_stays_a_text(text):
    name = text if text in HOSTILE else "s"
    code = Code(command=(text, text))
    made = step(
        name, [name], ["out"], code=code, parameters={text: [text]}, environment={text: text}
    )
    (found,) = history(made, of="out").to_slsa(ORIGIN)
    _, predicate = read(found)
    chosen = predicate.build_definition.external_parameters
    assert (chosen["step"], list(chosen["command"])) == (name, [text, text])
    assert chosen["parameters"][text][0] == text
