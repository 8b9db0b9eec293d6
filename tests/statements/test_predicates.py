"""What each kind may say and be about, and every contradiction that is refused."""

import dataclasses

import pytest
from statement_examples import (
    ALL,
    ANSWERS,
    COMMON,
    DATA,
    FAILED,
    FILES,
    FULL,
    ISSUED,
    MODEL,
    SHORT,
    STEP,
    TRAIN,
    ref,
    subject,
)

from provenance.errors import MalformedError
from provenance.records.artifacts import ARTIFACT_DIGEST
from provenance.statements import ArtifactRef, Evidence, Quality, Statement, Step, Subject

RUN = FAILED.run


def refused(message, statement, *subjects, **fields):
    predicate = statement.predicate
    with pytest.raises(MalformedError, match=message):
        Statement(
            subjects=subjects or statement.subjects,
            predicate=dataclasses.replace(predicate, **fields),
        )


# --- common -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_nonce_has_16_bytes_and_issued_is_on_the_calendar(name):
    refused("a nonce has 16 bytes, not 15", ALL[name], nonce=bytes(15))
    refused("a nonce has 16 bytes, not 0", ALL[name], nonce=b"")
    refused("issued is no time on the calendar", ALL[name], issued="2026-02-30T12:00:00Z")
    refused("issued is no time on the calendar", ALL[name], issued="0000-01-01T12:00:00Z")


@pytest.mark.parametrize("time", ["2024-02-29T23:59:59.123456789Z", "9999-12-31T00:00:00Z"])
def test_times_of_any_precision(time):
    predicate = dataclasses.replace(SHORT["review"].predicate, issued=time)
    data = Statement(subjects=(TRAIN,), predicate=predicate).to_bytes()
    assert Statement.parse(data).predicate.issued == time


@pytest.mark.parametrize(
    "time",
    ["2026-01-31 12:00:00Z", "2026-01-31T12:00:00+00:00", "2026-01-31T12:00:00", "2026-01-31"],
)
def test_times_in_another_form_are_not_signed(time):
    predicate = dataclasses.replace(SHORT["review"].predicate, issued=time)
    with pytest.raises(MalformedError, match="RFC 3339"):
        Statement(subjects=(TRAIN,), predicate=predicate).to_bytes()


@pytest.mark.parametrize(
    ("digest", "message"),
    [
        ({}, "'x' has no digest"),
        ({"sha256": "ab"}, "the sha256 of 'x' must have 64 hex digits"),
        ({ARTIFACT_DIGEST: "ab" * 31}, "provenance-artifact-v1 of 'x' must have 64"),
        ({"provenance-run-v1": "ab" * 33}, "provenance-run-v1 of 'x' must have 64"),
        ({"sha 256": "ab"}, "strange name 'sha 256'"),
        ({"": "ab"}, "strange name ''"),
    ],
)
def test_digests(digest, message):
    for make in (
        lambda: Subject(name="x", digest=digest),
        lambda: ArtifactRef(name="x", digest=digest),
        lambda: Evidence(type="x", media_type="text/plain", digest=digest),
    ):
        with pytest.raises(MalformedError, match=message):
            make()


def test_other_digests_may_stand_beside():
    assert subject("x", DATA, blake3="ab" * 32, poseidon="00ff").artifact == DATA.digest
    upper = subject("x", DATA, blake3="AB")
    with pytest.raises(MalformedError, match="lower-case hex digits"):
        Statement(subjects=(upper,), predicate=SHORT["review"].predicate).to_bytes()


def test_a_reference_names_an_artifact():
    with pytest.raises(MalformedError, match=r"'x' has no provenance-artifact-v1"):
        ArtifactRef(name="x", digest={"sha256": "ab" * 32})


@pytest.mark.parametrize(
    "name", ["", "a\nb", "\x1b[31mred", "\x85", "right\u202eleft", "\u2066x", "x" * 1001]
)
def test_names_that_act_on_a_terminal_are_not_signed(name):
    with pytest.raises(MalformedError, match="name of 1 to 1000 characters"):
        Statement(subjects=(subject(name, DATA),), predicate=SHORT["review"].predicate).to_bytes()


@pytest.mark.parametrize("name", ["x", "x" * 1000, "Trainingsdaten – März", "データ", "👩‍🔬"])
def test_names_in_any_script(name):
    value = Statement(subjects=(subject(name, DATA),), predicate=SHORT["review"].predicate)
    assert Statement.parse(value.to_bytes()).subjects[0].name == name


# --- kinds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dataset", "model", "outputs"])
def test_the_subject_is_the_artifact_that_is_described(kind):
    described = SHORT[kind].predicate.artifact
    encoding = (FILES if described is DATA else DATA).encoding
    for other in (
        dataclasses.replace(described, size=described.size + 1),
        dataclasses.replace(described, root=bytes(32)),
        dataclasses.replace(described, encoding=encoding),
    ):
        refused("another provenance-artifact-v1", SHORT[kind], subject("x", other))
        refused("another provenance-artifact-v1", SHORT[kind], artifact=other)
    refused("one subject, not 2", SHORT[kind], *SHORT[kind].subjects, subject("x", described))
    refused("is about artifacts", SHORT[kind], Subject(name="x", digest={"sha256": "ab" * 32}))


@pytest.mark.parametrize("kind", ["quality", "review", "access", "supersede", "step"])
def test_statements_about_artifacts_have_artifacts_for_subjects(kind):
    another_run = dataclasses.replace(RUN, name="another")
    refused(f"a '{kind}' statement is about artifacts", FULL[kind], another_run)
    by_file = Subject(name="x", digest={"sha256": "ab" * 32})
    refused("'x' has no provenance-artifact-v1", FULL[kind], by_file)


def test_a_step_is_about_its_outputs_or_about_its_run_alone():
    succeeded = Step(**COMMON, **STEP, outcome="succeeded")
    assert Statement(subjects=(RUN,), predicate=succeeded)
    refused("is about artifacts", SHORT["step"], RUN, TRAIN)
    refused("is about artifacts", SHORT["step"], nonce=bytes(16))
    refused("is about artifacts", SHORT["step"], name="another")
    failed_with_outputs = Statement(subjects=(TRAIN,), predicate=FAILED)
    assert failed_with_outputs.artifact_digests() == (DATA.digest,)


def test_a_step_that_succeeded_has_no_error():
    refused("that succeeded has no error", SHORT["step"], outcome="succeeded")
    refused("started is no time", SHORT["step"], started="2026-13-01T00:00:00Z")
    refused("finished is no time", SHORT["step"], finished="2026-04-31T00:00:00Z")


def test_a_derivation_is_between_what_the_step_names():
    (claim,) = FULL["step"].predicate.derivations
    here = (FILES.digest,)
    refused("leaves them out", FULL["step"], derivations=())
    for sources, targets in (
        ((bytes(32), ANSWERS.digest), here),
        ((ANSWERS.digest, DATA.digest), (bytes(32),)),
        ((ANSWERS.digest, FILES.digest), (DATA.digest,)),
    ):
        other = dataclasses.replace(claim, sources=sources, targets=targets)
        refused("from inputs and outputs of the step", FULL["step"], derivations=(other,))
    subset = dataclasses.replace(claim, claim="subset", sources=here, targets=(DATA.digest,))
    outputs = (MODEL, TRAIN)
    predicate = dataclasses.replace(FULL["step"].predicate, derivations=(subset,))
    assert Statement(subjects=outputs, predicate=predicate)  # from one output to another
    refused("from inputs and outputs", SHORT["step"], derivations=(subset,))


@pytest.mark.parametrize("commit", ["abc", "AB" * 20, "ab" * 21, "HEAD"])
def test_a_git_commit_is_given_in_full(commit):
    code = dataclasses.replace(FULL["step"].predicate.code, git_commit=commit)
    predicate = dataclasses.replace(FULL["step"].predicate, code=code)
    with pytest.raises(MalformedError, match="a git commit, in full"):
        Statement(subjects=FULL["step"].subjects, predicate=predicate).to_bytes()


def test_passed_is_what_the_metrics_say():
    refused("passed cannot be False", FULL["quality"], passed=False)
    refused("passed cannot be True", FULL["quality"], metrics={"accuracy": 0.89, "loss": 1})
    refused("no such metric", FULL["quality"], metrics={"accuracy": 0.95})
    with pytest.raises(MalformedError, match="not a comparison"):
        Quality(**COMMON, metrics={"a": 1}, criteria={"a": "about 1"}, passed=True)


def test_the_subjects_of_an_access_are_the_batch_and_the_artifacts_used():
    batch = SHORT["access"].subjects[0]
    for subjects in ((batch,), (batch, TRAIN, MODEL), (batch, MODEL)):
        refused("not the batch and the artifacts used", SHORT["access"], *subjects)
    for again in (TRAIN, batch):
        twice = dataclasses.replace(again, name="another name")
        refused("not the batch and the artifacts used", SHORT["access"], batch, TRAIN, twice)
    refused("'train' has another provenance-artifact-v1", SHORT["access"], TRAIN, batch)


def test_the_uses_of_an_access_are_as_many_as_its_records():
    digest, size = DATA.digest_hex, ANSWERS.size
    for uses in ({}, {digest: size + 1}, {digest: size - 1}, {digest: size, FILES.digest_hex: 0}):
        refused(f"not the {size} that the batch has", SHORT["access"], uses=uses)
    refused("started is no time", SHORT["access"], started="2026-02-29T00:00:00Z")
    refused("finished is no time", SHORT["access"], finished="2026-02-29T00:00:00Z")


def test_one_artifact_is_superseded_and_not_by_itself():
    refused("one artifact is superseded at a time", FULL["supersede"], TRAIN, MODEL)
    refused("cannot replace itself", FULL["supersede"], replacement=ref("again", FILES))


def test_free_texts_may_hold_lines_and_are_kept():
    text = "first line\nsecond \x1b[0m line"
    predicate = dataclasses.replace(FULL["review"].predicate, reason=text, issued=ISSUED)
    value = Statement(subjects=(TRAIN,), predicate=predicate)
    assert Statement.parse(value.to_bytes()).predicate.reason == text
