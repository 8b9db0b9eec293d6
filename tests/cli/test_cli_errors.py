"""Every error, of whatever origin: one line for people, one shape for programs, a fixed status."""

import json
import os
import signal
import subprocess

import pytest
from command_line import COMMAND, environment

WRONG_USAGE = [
    ("nonsense",),
    ("keys",),
    ("keys", "nonsense"),
    ("register",),
    ("register", "--kind", "nonsense", "rows.jsonl"),
    ("log", "--limit", "zero"),
    ("verify", "--nonsense", "rows.jsonl"),
    ("history", "rows", "--format", "nonsense"),
    ("monitor",),
    ("review", "rows", "loved"),
]
BAD_INPUT = [
    ("register", "missing.jsonl"),
    ("register", "rows.jsonl", "--meta", "no-equals-sign"),
    ("register", "rows.jsonl", "--meta", "a=1", "--meta", "a=2"),
    ("register", "rows.jsonl", "model", "--name", "both"),
    ("register", "rows.jsonl", "--name", "two\nlines"),
    ("register", "rows.jsonl", "--signer", "nobody"),
    ("show", "missing"),
    ("prove", "rows", "--index", "20"),
    ("prove", "rows", "--record", "not json"),
    ("prove", "rows", "--record", "{}", "--index", "1"),
    ("prove", "rows.jsonl", "--sidecar", "--index", "1"),
    ("prove", "rows", "--sidecar"),
    ("prove", "rows", "-o", "missing/folder/bundle.json"),
    ("quality", "rows", "--metric", "a=1", "--criterion", "nonsense"),
    ("quality", "rows", "--metric", "a=one"),
    ("supersede", "rows", "rows", "--reason", "none"),
    ("review", "rows", "reject"),
    ("anchor", "--chain", "nowhere"),
    ("verify", "missing.jsonl"),
    ("verify", "policy.json"),
    ("verify", "rows.jsonl", "--bundle", "missing.json"),
    ("verify", "rows.jsonl", "--record", "{}"),
    ("verify", "rows.jsonl", "--policy", "model/config.json"),
    ("verify", "rows.jsonl", "--rpc", "embedded=file:///etc/passwd"),
    ("monitor", "/nowhere"),
    ("monitor", ".", "--every", "soon"),
    ("monitor", ".", "--policy", "model/config.json"),
    ("monitor", ".", "--rpc", "nowhere=http://127.0.0.1:9"),
    ("monitor", ".", "--state", "policy.json"),
    ("monitor", "ftp://log.example"),
    ("policy", "export", "-o", "missing/policy.json"),
    ("trust", "add", "policy.json", "--fingerprint", "00"),
    ("trust", "remove", "nobody.example"),
    ("keys", "new", "../outside"),
    ("keys", "new", "signer"),
    ("keys", "add", "nobody"),
    ("keys", "add", "policy.json"),
    ("keys", "revoke", "nobody", "--reason", "none"),
    ("keys", "revoke", "signer", "--reason", "none", "--compromised-since", "yesterday"),
    ("keys", "export", "nobody"),
    ("keys", "import", "missing.pem"),
    ("init", "--origin", "acme.example/ml"),
    ("init", "other", "--origin", "has space"),
    ("step", "s", "--input", "missing", "--", "true"),
    ("step", "s", "--", "no-such-command"),
    ("serve", "--host", "192.0.2.1"),
]


def test_every_error_has_one_json_shape(reading):
    cases = []
    for arguments in WRONG_USAGE + BAD_INPUT:
        at = arguments.index("--") if "--" in arguments else len(arguments)
        cases.append([*arguments[:at], "--json", *arguments[at:]])
    for case, (status, out, told) in zip(cases, reading.many(cases), strict=True):
        assert (status, told) == (2, ""), case
        answer = json.loads(out)
        assert list(answer) == ["error"], case
        error = answer["error"]
        assert set(error) == {"type", "message", "exit_code"}, case
        assert error["exit_code"] == 2, case
        assert error["message"], case
        assert (error["type"] == "UsageError") == (cases.index(case) < len(WRONG_USAGE)), case


def test_every_error_is_one_line_for_people(reading):
    for case, (status, out, told) in zip(BAD_INPUT, reading.many(BAD_INPUT), strict=True):
        assert (status, out) == (2, ""), case
        assert told.startswith("error: "), case
        assert told.count("\n") == 1, case


def test_for_people_an_error_is_a_line_on_standard_error(reading):
    out, told = reading("show", "missing", status=2)
    assert out == ""
    assert told.startswith("error: nothing is registered as 'missing'")
    assert told.count("\n") == 1
    out, told = reading("log", "--limit", "zero", status=2)
    assert out == ""
    assert told.startswith("Usage: provenance log ")


def test_outside_a_ledger_the_way_in_is_named(elsewhere):
    _, told = elsewhere("status", status=2)
    assert told.startswith("error: no ledger in ")
    assert "provenance init" in told


def test_nothing_is_recorded_by_what_fails(provenance):
    before = provenance.json("status")["size"]
    provenance("register", "rows.jsonl", "missing.jsonl", "--name", "x", status=2)
    provenance("quality", "rows", "--metric", "a=one", status=2)
    assert provenance.json("status")["size"] == before


def test_no_arguments_show_what_there_is(elsewhere):
    assert "Commands:" in elsewhere()[0]


# --- bytes that are no text --------------------------------------------------------------------


@pytest.fixture
def strange(provenance):
    path = os.fsdecode(os.fsencode(provenance.folder) + b"/\xff\n\x1b[2J.jsonl")
    with open(path, "w") as file:  # noqa: PTH123
        file.write('{"x":1}\n')
    return os.path.basename(path)  # noqa: PTH119


def test_a_name_that_is_no_text_needs_another(provenance, strange):
    _, told = provenance("register", strange, status=2)
    assert "--name" in told
    assert told.startswith("error: the name of \\udcff\\n\\x1b[2J.jsonl is not UTF-8")
    provenance("register", strange, "--name", "fine", "--sensitivity", "public")
    provenance("prove", "fine", "-o", "fine.json")
    provenance("verify", strange, "--bundle", "fine.json")


def test_a_ref_that_is_no_text_is_an_error(reading):
    error = reading.json("show", "\udcff", status=2)["error"]
    assert error["type"] == "InputError"


def test_a_folder_whose_name_is_no_text_has_its_sidecar_beside_it(provenance, strange):
    sidecar = provenance.folder / f"{strange}.provenance.json"
    sidecar.write_bytes((provenance.folder / "rows.jsonl.provenance.json").read_bytes())
    assert provenance.json("verify", strange, status=1)["step"] == "record"


# --- whoever reads goes away, or wants no more ----------------------------------------------------


def test_a_closed_pipe_is_no_verdict(reading):
    for arguments in (("verify", "rows.jsonl"), ("log", "--json"), ("--help",), ("foo", "--json")):
        shell = subprocess.run(
            [
                "bash",
                "-c",
                'set -o pipefail; "$@" | (exec 0<&-; sleep 3)',
                "-",
                *COMMAND,
                *arguments,
            ],
            cwd=reading.folder,
            env=environment(reading.home),
            capture_output=True,
            text=True,
        )
        assert (shell.returncode, shell.stderr) == (141, ""), arguments


def test_ctrl_c_ends_it_with_the_status_of_an_interrupt(elsewhere):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    running = elsewhere.start("hash", "-", **pipes, start_new_session=True)
    running.stdin.write("x" * (1 << 20))  # more than a pipe holds: it is reading
    running.stdin.flush()
    os.killpg(running.pid, signal.SIGINT)
    out, told = running.communicate(timeout=30)
    assert running.returncode == 130
    assert (out, told.splitlines()[-1]) == ("", "error: interrupted")
