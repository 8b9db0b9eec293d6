"""`Ledger.traced`: each call of a function is a step, and signs what was named of it."""

import asyncio
import inspect
import platform
import subprocess
from importlib.metadata import version

import pytest

from provenance import InputError, Ledger
from provenance.ledger.refs import read_statement
from provenance.log.log import Log

ROWS = [{"id": number, "score": number / 10} for number in range(10)]


def steps(ledger: Ledger) -> list:
    with ledger._database.reading() as session:
        log = Log(session, ledger.origin)
        return [read_statement(log, index) for index in range(log.size)][-1::-1]


@pytest.fixture
def clean(ledger):
    ledger.register(ROWS, name="raw")
    ledger.register(ROWS[:2], name="rules")

    @ledger.traced(
        inputs=["rules"],
        reads=["source"],
        params=["threshold"],
        output="clean",
        environment={},
        license="MIT",
    )
    def clean(source, threshold=0.5, *, password=None):
        """Keep what scores well."""
        return [row for row in ROWS if row["score"] >= threshold]

    return clean


def test_a_call_is_a_step(ledger, clean):
    assert clean("raw", password="s3cret") == ROWS[5:]
    statement = steps(ledger)[0]
    step = statement.predicate
    assert (step.name, step.outcome) == ("clean", "succeeded")
    assert [reference.name for reference in step.inputs] == ["rules", "raw"]
    assert step.parameters == {"threshold": 0.5}
    assert [subject.name for subject in statement.subjects] == ["clean"]
    assert ledger.resolve("clean").statement.predicate.license == "MIT"
    assert b"s3cret" not in statement.to_bytes()
    clean(threshold=0.9, source="raw")
    assert steps(ledger)[0].predicate.parameters == {"threshold": 0.9}
    assert ledger.resolve("clean").size == 1


def test_it_stays_the_function_that_it_was(clean):
    assert (clean.__name__, clean.__doc__) == ("clean", "Keep what scores well.")
    assert list(inspect.signature(clean).parameters) == ["source", "threshold", "password"]


def test_a_call_that_raises_is_a_step_that_failed(ledger):
    @ledger.traced("explode", output="nothing")
    def burst():
        raise ValueError("too much")

    with pytest.raises(ValueError, match="too much"):
        burst()
    step = steps(ledger)[0].predicate
    assert (step.name, step.outcome, step.error) == ("explode", "failed", "ValueError: too much")


def test_a_wrong_call_is_no_step(ledger, clean):
    size = ledger.size()
    with pytest.raises(TypeError, match="source"):
        clean()
    with pytest.raises(InputError, match="nothing is registered as 'unknown'"):
        clean("unknown")
    assert ledger.size() == size


def test_what_is_returned_and_cannot_be_registered_fails_the_step(ledger):
    @ledger.traced(output="made")
    def make():
        return object()

    with pytest.raises(InputError):
        make()
    assert steps(ledger)[0].predicate.outcome == "failed"


def test_without_an_output_what_is_returned_is_nobodys_business(ledger):
    made = object()
    assert ledger.traced()(lambda: made)() is made
    assert steps(ledger)[0].predicate.name == "<lambda>"


def test_steps_within_steps(ledger, clean):
    @ledger.traced(output="both")
    def outer():
        return clean("raw") + clean("raw", threshold=0.9)

    assert len(outer()) == 6
    kinds = [statement.predicate.name for statement in steps(ledger) if statement.kind == "step"]
    assert kinds == ["outer", "clean", "clean"]


def test_a_coroutine_is_a_step_once_it_has_ended(ledger):
    @ledger.traced(params=["count"], output="waited")
    async def wait(count):
        await asyncio.sleep(0)
        if not count:
            raise ValueError
        return ROWS[:count]

    size = ledger.size()
    waiting = wait(3)
    assert ledger.size() == size
    assert len(asyncio.run(waiting)) == 3
    assert steps(ledger)[0].predicate.parameters == {"count": 3}
    with pytest.raises(ValueError, match=r"^$"):
        asyncio.run(wait(0))
    assert steps(ledger)[0].predicate.error == "ValueError"


def generator():
    yield 1


async def asynchronous():
    yield 1


@pytest.mark.parametrize("function", [generator, asynchronous])
def test_a_generator_has_no_one_end(ledger, function):
    with pytest.raises(InputError, match=r"with ledger\.step"):
        ledger.traced()(function)


@pytest.mark.parametrize("function", [max, 7])
def test_what_does_not_tell_its_arguments(ledger, function):
    with pytest.raises(InputError, match="does not tell its arguments"):
        ledger.traced()(function)


@pytest.mark.parametrize("named", ["reads", "params"])
def test_an_argument_that_is_not_there(ledger, named):
    with pytest.raises(InputError, match="has no argument 'thresold'"):
        ledger.traced(**{named: ["thresold"]})(lambda threshold: threshold)


def test_versions_and_the_commit_are_signed(ledger, tmp_path, monkeypatch):
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "work.py").write_text("def work():\n    pass\n")
    for command in (
        ["init", "-q"],
        ["add", "work.py"],
        ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "x"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()
    monkeypatch.syspath_prepend(folder)
    import work

    ledger.traced()(work.work)()
    step = steps(ledger)[0].predicate
    assert (step.code.git_commit, step.code.dirty, step.code.command) == (head, False, None)
    assert step.environment["python"].endswith(platform.python_version())
    assert step.environment["package:pytest"] == version("pytest")
    assert all(name == "python" or name.startswith("package:") for name in step.environment)
    ledger.traced()(len)([])
    assert steps(ledger)[0].predicate.code is None
