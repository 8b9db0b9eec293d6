"""`provenance step`: the command runs as it would without, and what it did is signed."""

import json
import os
import platform
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest


def write(path, content):
    return [sys.executable, "-c", f"open({path!r}, 'w').write({content!r})"]


def test_a_step_links_inputs_and_outputs(provenance):
    found = json.loads(
        provenance(
            "step",
            "clean",
            "--input",
            "rows",
            "--input",
            "open.csv",
            "--output",
            "clean.jsonl",
            "--param",
            "threshold=0.9",
            "--param",
            "mode=fast",
            "--json",
            "--",
            *write("clean.jsonl", '{"x":1}\n'),
        )[0]
    )
    assert (found["outcome"], found["exit_status"]) == ("succeeded", 0)
    (output,) = found["outputs"]
    assert (output["name"], output["size"]) == ("clean.jsonl", 1)
    history = provenance.json("history", "clean.jsonl")["statements"]
    step = next(entry["statement"] for entry in history if entry["kind"] == "step")
    assert [ref["name"] for ref in step["predicate"]["inputs"]] == ["rows", "open.csv"]
    assert step["subject"][0]["name"] == "clean.jsonl"
    assert step["predicate"]["parameters"] == {"threshold": 0.9, "mode": "fast"}
    assert step["predicate"]["code"]["command"] == write("clean.jsonl", '{"x":1}\n')


def test_what_is_signed_and_is_not_what_lies_there_is_told(provenance):
    for path in ("in.jsonl", "made.jsonl", "old.jsonl", "old/part"):
        (provenance.folder / path).parent.mkdir(exist_ok=True)
        (provenance.folder / path).write_text('{"x":1}\n')
    provenance("register", "in.jsonl")
    given = ["--input", "rows", "--input", "in.jsonl"]
    for path in ("made.jsonl", "old.jsonl", "old", "new"):
        given += ["--output", path]
    writing = "open('made.jsonl', 'w').write('{}'); open('new', 'w')"
    _, told = provenance("step", "clean", *given, "--", sys.executable, "-c", writing)
    assert told == (
        "warning: the command did not write old.jsonl, signed as what it made\n"
        "warning: the command did not write old, signed as what it made\n"
    )
    (provenance.folder / "rows").mkdir()
    (provenance.folder / "in.jsonl").write_text('{"x":2}\n')
    _, told = provenance("step", "clean", *given[:4], "--", sys.executable, "-c", "")
    assert told == "".join(
        f"warning: the input {name} is what was registered so, and not what lies there now\n"
        for name in ("rows", "in.jsonl")
    )


@pytest.mark.parametrize("status", [1, 2, 3, 77, 130, 255])
def test_the_exit_status_is_passed_on_and_the_failure_recorded(provenance, status):
    command = [sys.executable, "-c", f"print('said'); raise SystemExit({status})"]
    out, told = provenance("step", "broken", "--input", "rows", "--", *command, status=status)
    assert out == "said\n"
    assert f"exit status {status}" in told
    entry = provenance.json("log", "--limit", "1")["entries"][0]
    assert (entry["kind"], entry["subjects"]) == ("step", ["broken"])


def test_a_signal_is_passed_on_as_a_shell_does(provenance):
    out, _ = provenance(
        "step", "killed", "--json", "--", "sh", "-c", "echo hi; kill -9 $$", status=137
    )
    found = json.loads(out)
    assert (found["outcome"], found["exit_status"], found["outputs"]) == ("failed", 137, [])


SLOW = """
import os, signal, time

def clean_up(number, frame):
    time.sleep(0.5)
    os.write(1, b"cleaned up\\n")
    os._exit(7)

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, clean_up)
print("up", flush=True)
time.sleep(60)
"""


@contextmanager
def handled(number, how):
    """Meanwhile handle a signal so: whatever is started starts with it ignored, or with none."""
    before = signal.signal(number, how)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(
    ("number", "kill"),
    [(signal.SIGINT, os.killpg), (signal.SIGTERM, os.kill), (signal.SIGHUP, os.kill)],
)
def test_what_ends_the_command_early_is_recorded(provenance, number, kill):
    """A terminal sends it to both, and a scheduler perhaps to one: the command cleans up first."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    with handled(number, signal.SIG_DFL):
        running = provenance.start("step", "slow", "--", sys.executable, "-c", SLOW, **pipes)
    assert running.stdout.readline() == "up\n"
    kill(running.pid, number)
    out, told = running.communicate(timeout=30)
    assert (running.returncode, out) == (7, "cleaned up\n")
    assert told.endswith("step slow failed with exit status 7, recorded as entry 5\n")
    entry = provenance.json("log", "--limit", "1")["entries"][0]
    assert (entry["kind"], entry["subjects"]) == ("step", ["slow"])


def test_what_nohup_has_ignored_stays_so(provenance):
    program = (
        "import signal; print(signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGINT))"
    )
    with handled(signal.SIGHUP, signal.SIG_IGN), handled(signal.SIGINT, signal.SIG_DFL):
        running = provenance.start(
            "step", "say", "--", sys.executable, "-c", program, stdout=subprocess.PIPE
        )
    out, _ = running.communicate(timeout=30)
    assert out.startswith("1 <built-in function default_int_handler>\n")


def test_a_missing_output_fails_the_step(provenance):
    _, told = provenance("step", "lazy", "--output", "nothing.jsonl", "--", "true", status=2)
    assert "there is no file nothing.jsonl" in told
    assert "step lazy failed, recorded as entry 5\n" in told
    entry = provenance.json("log", "--limit", "1")["entries"][0]
    assert (entry["kind"], entry["subjects"]) == ("step", ["lazy"])


def test_the_command_has_the_standard_input_and_its_own_options(provenance):
    out, _ = provenance("step", "cat", "--", "cat", "-", stdin="--json --help\n")
    assert out.startswith("--json --help\n")


def test_the_commit_of_the_code_is_recorded(provenance):
    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        return subprocess.run(
            ["git", *identity, *arguments],
            cwd=provenance.folder,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    git("init", "-q")
    git("add", "open.csv")
    git("commit", "-qm", "one")
    for change in (False, True):
        if change:
            (provenance.folder / "open.csv").write_text("changed")
        out = provenance("step", "noop", "--output", "policy.json", "--json", "--", "true")[0]
        index = json.loads(out)["index"]
        history = provenance.json("history", "policy.json")["statements"]
        code = next(e["statement"]["predicate"]["code"] for e in history if e["index"] == index)
        assert code == {"command": ["true"], "gitCommit": git("rev-parse", "HEAD"), "dirty": change}


def test_what_it_ran_in_is_recorded_and_what_is_allowed_of_the_rest(provenance):
    command = [sys.executable, "-c", "pass"]
    provenance(
        *["step", "noted", "--env", "LANG", "--env", "UNSET", "--host", "machine", "--", *command],
        LANG="C.UTF-8",
        SECRET="s3cret",
    )
    entry = provenance.json("log", "--limit", "1")["entries"][0]
    step = provenance.json("entry", str(entry["index"]))["statement"]["predicate"]
    environment = step["environment"]
    packages = {name: environment.pop(name) for name in [*environment] if name[:8] == "package:"}
    assert environment == {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "host:machine": platform.machine(),
        "variable:LANG": "C.UTF-8",
    }
    assert packages["package:pytest"] == pytest.__version__


def test_a_fact_of_the_host_that_there_is_not(provenance):
    size = provenance.json("status")["size"]
    _, told = provenance("step", "noted", "--host", "serial", "--", "true", status=2)
    assert "no fact 'serial' of a host: there are system, machine, cpus, name" in told
    assert provenance.json("status")["size"] == size
