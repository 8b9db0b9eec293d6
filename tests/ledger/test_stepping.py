"""`Ledger.step`: what is recorded of a run, however it ends."""

import pytest

from provenance import InputError, Ledger, LedgerError
from provenance.ledger.refs import read_statement
from provenance.log.log import Log
from provenance.statements import Code

ROWS = [{"id": number} for number in range(3)]


def step_of(ledger, run):
    line = ledger.entries(start=run.index, limit=1)[0]
    assert line.kind == "step"
    with ledger._database.reading() as session:
        return read_statement(Log(session, ledger.origin), run.index)


def test_a_step_links_inputs_and_outputs(ledger):
    raw = ledger.register(ROWS, name="raw")
    code = Code(command=("python", "clean.py"), git_commit="0" * 40, dirty=False)
    with ledger.step(
        "clean", inputs=["raw", raw], params={"at": 0.5}, code=code, environment={"os": "linux"}
    ) as run:
        one = run.output(ROWS[:1], name="one", license="MIT")
        two = run.output(ROWS[:2], name="two", kind="outputs")
    assert run.outputs == [one, two]
    assert (one.index, two.index, run.index) == (3, 4, 5)
    statement = step_of(ledger, run)
    assert [(s.name, s.digest) for s in statement.subjects] == [
        ("one", one.digests),
        ("two", two.digests),
    ]
    step = statement.predicate
    assert [reference.digest for reference in step.inputs] == [raw.digests] * 2
    assert (step.name, step.parameters, step.code) == ("clean", {"at": 0.5}, code)
    assert (step.environment, step.outcome, step.error) == ({"os": "linux"}, "succeeded", None)
    assert raw.statement.predicate.issued <= step.started <= step.finished <= step.issued


class SilentError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no rows\nsecond line"), "ValueError: no rows"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SilentError(), "SilentError"),
        (OSError("\x1b[31mred\udc80"), r"OSError: \x1b[31mred\udc80"),
        (RuntimeError("x" * 10_000), "RuntimeError: " + "x" * 200),
    ],
)
def test_a_failing_step_is_recorded_and_its_exception_goes_on(ledger, error, said):
    with pytest.raises(type(error)) as raised, ledger.step("fails") as run:  # noqa: PT012
        output = run.output(ROWS, name="half")
        raise error
    assert raised.value is error
    statement = step_of(ledger, run)
    assert (statement.predicate.outcome, statement.predicate.error) == ("failed", said)
    assert statement.subjects[0].digest == output.digests


def test_a_step_without_outputs_stands_for_its_run(ledger):
    with ledger.step("looks") as run:
        pass
    statement = step_of(ledger, run)
    assert statement.subjects == (statement.predicate.run,)
    assert ledger.status().artifacts == 0


def test_steps_within_steps(ledger):
    with ledger.step("outer") as outer:
        with pytest.raises(ZeroDivisionError), ledger.step("inner") as inner:  # noqa: PT012
            part = inner.output(ROWS[:1], name="part")
            raise ZeroDivisionError
        outer.output(ROWS, name="whole")
    assert inner.index < outer.index
    assert step_of(ledger, inner).predicate.outcome == "failed"
    assert step_of(ledger, outer).predicate.outcome == "succeeded"
    assert [s.name for s in step_of(ledger, inner).subjects] == [part.name]


def test_one_output_under_two_names_and_twice(ledger):
    with ledger.step("copies") as run:
        for name in ("a", "b", "a"):
            run.output(ROWS, name=name)
    assert [subject.name for subject in step_of(ledger, run).subjects] == ["a", "b"]


def test_outputs_belong_into_the_block(ledger):
    run = ledger.step("clean")
    with pytest.raises(InputError, match="step 'clean' is not running: use it in a with block"):
        run.output(ROWS, name="rows")
    with run:
        pass
    with pytest.raises(InputError, match="is not running"):
        run.output(ROWS, name="rows")
    assert ledger.status().size == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "a\nb"}, "control"),
        ({"name": "a", "params": {"seed": 2**60}}, "exceeds safe integer"),
        ({"name": "a", "params": {"f": object()}}, "unsupported type"),
        ({"name": "a", "environment": {"n": 1}}, "environment"),
        ({"name": "a", "code": Code(git_commit="main")}, "git commit"),
        ({"name": "a", "inputs": ["nobody"]}, "nothing is registered as 'nobody'"),
    ],
)
def test_what_cannot_be_signed_is_found_before_the_work(ledger, given, said):
    with pytest.raises(InputError, match=said):
        ledger.step(**given)
    assert ledger.status().size == 2


def test_an_input_of_another_ledger_is_refused(ledger, tmp_path):
    with Ledger.init(tmp_path / "other", origin="other.example/x") as other:
        for number in range(5):
            foreign = other.register([{"n": number}], name="rows")
        for number in range(9):
            ledger.register([{"m": number}], name="rows")
        with pytest.raises(InputError, match="'rows' was registered in another ledger"):
            ledger.step("uses", inputs=[foreign])
        with pytest.raises(InputError, match="another ledger"):
            ledger.prove(foreign)


def test_a_step_needs_its_key_before_the_work(ledger):
    (ledger.folder.keys / "signer.pem").unlink()
    with pytest.raises((InputError, LedgerError), match=r"signer\.pem"):
        ledger.step("clean")
