"""Statements: one byte form each, read by in-toto-attestation, refused in any other shape."""

import dataclasses
import json
from hashlib import sha256

import google.protobuf.json_format as pb_json
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement as InToto
from statement_examples import ALL, ANSWERS, COMMON, DATA, FAILED, FILES, FULL, SHORT, STEP, TRAIN

from provenance.errors import MalformedError
from provenance.records.artifacts import ARTIFACT_DIGEST, JSON, Artifact
from provenance.statements import (
    KIND_NUMBERS,
    MAX_ARTIFACTS,
    ArtifactRef,
    Dataset,
    Statement,
    Step,
    Subject,
    run_digest,
)
from provenance.statements.statement import MAX_STATEMENT

names = pytest.mark.parametrize("name", ALL)


@names
def test_parse_gives_the_same_bytes_and_value_back(name):
    data = ALL[name].to_bytes()
    again = Statement.parse(data)
    assert again == ALL[name]
    assert again.to_bytes() == data
    assert data == rfc8785.dumps(json.loads(data))


@names
def test_in_toto_attestation_reads_and_validates(name):
    message = pb_json.Parse(ALL[name].to_bytes(), statement_pb2.Statement())
    InToto.copy_from_pb(message).validate()
    assert message.predicate_type == f"urn:provenance-ledger:{ALL[name].kind}:v1"
    subjects = [(subject.name, dict(subject.digest)) for subject in message.subject]
    assert subjects == [(subject.name, subject.digest) for subject in ALL[name].subjects]


def test_the_kinds_have_the_numbers_that_entries_use():
    assert KIND_NUMBERS == {
        "dataset": 1,
        "model": 2,
        "outputs": 3,
        "step": 4,
        "quality": 5,
        "review": 6,
        "access": 7,
        "key": 8,
        "supersede": 9,
    }
    assert {name.partition("-")[0] for name in ALL} == set(KIND_NUMBERS)
    assert all(FULL[kind].kind == SHORT[kind].kind == kind for kind in KIND_NUMBERS)


def test_the_artifact_digest_by_the_definition():
    encoding = sha256(b'{"encoding":"json"}').digest()
    preimage = (
        b"provenance-artifact/v1\n" + bytes(7) + b"\x03" + sha256(b"data").digest() + encoding
    )
    assert FULL["dataset"].artifact_digests() == (sha256(preimage).digest(),)


def test_artifact_digests_are_subjects_then_references_each_once():
    data, files, answers = DATA.digest, FILES.digest, ANSWERS.digest
    listed = {kind: value.artifact_digests() for kind, value in FULL.items()}
    assert listed == {
        "dataset": (data,),
        "model": (files,),
        "outputs": (answers, files),
        "step": (files, data, answers),
        "quality": (data, files),
        "review": (data,),
        "access": (answers, files, data),
        "key": (),
        "supersede": (files, answers),
    }
    assert SHORT["step"].artifact_digests() == ()
    again = Step(**COMMON, **STEP, outcome="succeeded", inputs=(ref(FILES), ref(DATA), ref(FILES)))
    subjects = tuple(Subject(name=n, digest={ARTIFACT_DIGEST: FILES.digest_hex}) for n in "ab")
    assert Statement(subjects=subjects, predicate=again).artifact_digests() == (files, data)


def ref(artifact):
    return ArtifactRef(name="x", digest={ARTIFACT_DIGEST: artifact.digest_hex})


# --- one byte form ----------------------------------------------------------------------------


@names
def test_any_other_writing_is_refused(name):
    value = json.loads(ALL[name].to_bytes())
    for data in (
        json.dumps(value, sort_keys=True).encode(),
        json.dumps(dict(sorted(value.items(), reverse=True)), separators=(",", ":")).encode(),
        rfc8785.dumps(value) + b"\n",
        b"\xef\xbb\xbf" + rfc8785.dumps(value),
    ):
        with pytest.raises(MalformedError):
            Statement.parse(data)


@names
def test_every_field_that_is_left_out_is_missed(name):
    value = json.loads(ALL[name].to_bytes())
    optional = {
        field.name for field in dataclasses.fields(ALL[name].predicate) if field.default is None
    }
    for member in value:
        with pytest.raises(MalformedError):
            Statement.parse(rfc8785.dumps({k: v for k, v in value.items() if k != member}))
    for member in set(value["predicate"]) - optional:
        if member in ("logKey", "adminKeys", "publicKey", "compromisedSince"):
            continue
        shorter = {k: v for k, v in value["predicate"].items() if k != member}
        with pytest.raises(MalformedError):
            Statement.parse(rfc8785.dumps({**value, "predicate": shorter}))


@names
@pytest.mark.parametrize("wrong", [1, "x", [], {}, None, True, 1.5])
def test_every_field_of_a_wrong_type_is_refused(name, wrong):
    value = json.loads(ALL[name].to_bytes())
    maps = {"metadata", "parameters", "environment", "schema", "criteria", "metrics", "code"}
    texts = {"source", "provider", "collected", "license", "error", "reason", "name", "origin"}
    lists = {"evidence", "inputs"}
    for member, present in value["predicate"].items():
        if type(wrong) is type(present) and member in maps | texts | lists | {"passed"}:
            continue
        changed = {**value, "predicate": {**value["predicate"], member: wrong}}
        with pytest.raises(MalformedError):
            Statement.parse(rfc8785.dumps(changed))


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(sorted(ALL)), flip=st.integers(min_value=0))
def test_a_flipped_bit_is_refused_or_read_as_it_stands(name, flip):
    data = bytearray(ALL[name].to_bytes())
    bit = flip % (8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    try:
        again = Statement.parse(bytes(data))
    except MalformedError:
        return
    assert again.to_bytes() == bytes(data)
    assert again != ALL[name]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\u20ac\U0001f600"), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(metadata=st.dictionaries(st.text("abc", max_size=3), json_values, max_size=4))
def test_any_metadata_reads_back(metadata):
    predicate = Dataset(**COMMON, artifact=DATA, metadata=metadata)
    value = Statement(subjects=(TRAIN,), predicate=predicate)
    again = Statement.parse(value.to_bytes())
    assert again.predicate.metadata == metadata
    assert again.to_bytes() == value.to_bytes()


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**53,
        10**20,
        "\ud800",
        b"bytes",
        {1: "key"},
        object(),
    ],
)
def test_what_json_cannot_hold_is_not_signed(value):
    predicate = Dataset(**COMMON, artifact=DATA, metadata={"x": value})
    with pytest.raises(MalformedError):
        Statement(subjects=(TRAIN,), predicate=predicate).to_bytes()


def test_what_was_made_by_hand_is_checked_before_it_is_signed():
    predicate = Dataset(**COMMON, artifact=DATA, sensitivity="secret")
    with pytest.raises(MalformedError, match="sensitivity must be one of"):
        Statement(subjects=(TRAIN,), predicate=predicate).to_bytes()
    predicate = dataclasses.replace(SHORT["step"].predicate, name="two\nlines")
    with pytest.raises(MalformedError, match="name of 1 to 1000 characters"):
        Statement(subjects=(predicate.run,), predicate=predicate).to_bytes()


# --- shape ------------------------------------------------------------------------------------


def refused(name, message, **members):
    value = {**json.loads(ALL[name].to_bytes()), **members}
    with pytest.raises(MalformedError, match=message):
        Statement.parse(rfc8785.dumps(value))


def test_the_statement_around_the_predicate():
    refused("dataset-full", "_type must be one of", _type="https://in-toto.io/Statement/v0.1")
    refused("dataset-full", "unknown field 'extra'", extra=1)
    refused("dataset-full", "has subjects", subject=[])
    refused("dataset-full", "no kind known here", predicateType="urn:provenance-ledger:dataset:v2")
    refused("dataset-full", "no kind known here", predicateType="https://slsa.dev/provenance/v1")
    refused("dataset-full", "must be an object", predicate=[])
    refused("dataset-full", r"unknown field|lacks", predicateType="urn:provenance-ledger:review:v1")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "must be an object"),
        (b'{"_type":1,"_type":2}', "twice"),
        (b"\xff", "not UTF-8"),
        (b"[" * 10_000, "not JSON|nests deeper"),
        (b" " * (MAX_STATEMENT + 1), "at most"),
    ],
)
def test_hostile_bytes(data, message):
    with pytest.raises(MalformedError, match=message):
        Statement.parse(data)


def test_a_subject_stands_once():
    other_name = dataclasses.replace(TRAIN, name="train-2")
    value = SHORT["review"]
    Statement(subjects=(TRAIN, other_name), predicate=value.predicate)
    with pytest.raises(MalformedError, match="stands twice"):
        Statement(subjects=(TRAIN, TRAIN), predicate=value.predicate)


def test_a_statement_names_no_more_artifacts_than_an_entry_lists():
    def numbered(count):
        artifacts = (
            Artifact(root=sha256(b"%d" % i).digest(), size=1, encoding=JSON) for i in range(count)
        )
        return tuple(ref(artifact) for artifact in artifacts)

    step = Step(**COMMON, **STEP, outcome="succeeded", inputs=numbered(MAX_ARTIFACTS - 1))
    value = Statement(subjects=(TRAIN,), predicate=step)
    assert len(value.artifact_digests()) == MAX_ARTIFACTS
    assert Statement.parse(value.to_bytes()) == value
    with pytest.raises(MalformedError, match="more than 2000 artifacts"):
        Statement(
            subjects=(TRAIN,), predicate=dataclasses.replace(step, inputs=numbered(MAX_ARTIFACTS))
        )


def test_the_run_of_a_step_without_outputs():
    expected = sha256(b"provenance-run/v1\n" + FAILED.nonce).hexdigest()
    assert run_digest(FAILED.nonce).hex() == expected
    assert SHORT["step"].subjects[0].digest == {"provenance-run-v1": expected}
    assert SHORT["step"].subjects[0].artifact is None
