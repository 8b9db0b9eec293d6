"""What a step ran in: only what may be signed, and what is known."""

import json
import os
import platform
import subprocess
import sys

import pytest

from provenance import InputError
from provenance.ledger import surroundings


def test_facts_and_variables_are_told_by_name_alone(monkeypatch):
    monkeypatch.setenv("WANTED", "7")
    monkeypatch.setenv("TOKEN", "s3cret")
    monkeypatch.delenv("UNSET", raising=False)
    assert surroundings.named() == {}
    assert surroundings.named(host=["machine"], variables=["WANTED", "UNSET"]) == {
        "host:machine": platform.machine(),
        "variable:WANTED": "7",
    }
    facts = surroundings.named(host=surroundings.HOST_FACTS)
    assert list(facts) == [f"host:{fact}" for fact in surroundings.HOST_FACTS]
    assert all(facts.values())


def test_a_fact_that_there_is_not():
    with pytest.raises(InputError, match="no fact 'serial' of a host: there are system, machine"):
        surroundings.named(host=["serial"])


def test_a_variable_that_is_no_text(monkeypatch):
    monkeypatch.setenv("ODD", "\udcff")
    with pytest.raises(InputError, match="the environment variable 'ODD' is not UTF-8"):
        surroundings.named(variables=["ODD"])


def script(folder, first, rest="print('never run')\n"):
    path = folder / "job"
    path.write_text(f"{first}\n{rest}")
    path.chmod(0o755)
    return [str(path)]


def test_the_python_that_a_command_is_run_by(tmp_path):
    expected = f"{platform.python_implementation()} {platform.python_version()}"
    for command in (
        [sys.executable, "-c", "print('never run')"],
        script(tmp_path, f"#!{sys.executable}"),
        script(tmp_path, f"#!/usr/bin/env {sys.executable}"),
    ):
        found = surroundings.versions_of_command(command)
        assert found["python"] == expected
        listed = subprocess.run(
            [sys.executable, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"],
            check=True,
            capture_output=True,
        )
        installed = {each["name"]: each["version"] for each in json.loads(listed.stdout)}
        packages = {
            name.removeprefix("package:"): version
            for name, version in found.items()
            if name != "python"
        }
        assert packages == installed


def test_of_any_other_command_nothing_is_known(tmp_path):
    assert surroundings.versions_of_command(["sh", "-c", "true"]) == {}
    assert surroundings.versions_of_command(["no-such-command"]) == {}
    assert surroundings.versions_of_command(script(tmp_path, "#!/bin/sh")) == {}
    assert surroundings.versions_of_command(script(tmp_path, "\x7fELF python")) == {}
    assert surroundings.versions_of_command(script(tmp_path, "#!/no/where/python3")) == {}
    for name in ("python-config", "python3-tool", "pythonic"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (tmp_path / name).chmod(0o755)
        assert surroundings.versions_of_command([str(tmp_path / name)]) == {}
    assert not (tmp_path / "ran").exists()
    (tmp_path / "python9").write_text("#!/bin/sh\necho no JSON\n")
    (tmp_path / "python9").chmod(0o755)
    assert surroundings.versions_of_command([str(tmp_path / "python9")]) == {}


def test_outside_of_a_repository_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert surroundings.code_at(tmp_path) is None
    code = surroundings.code_at(tmp_path, ["make", "all"])
    assert (code.command, code.git_commit) == (("make", "all"), None)
    monkeypatch.setenv("PATH", "")
    assert surroundings.code_at(tmp_path) is None


def test_what_git_does_not_say_is_not_taken_for_nothing(tmp_path):
    """Names that are no UTF-8 are of changes, too; of a damaged index nothing is known."""

    def git(*arguments):
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    named = tmp_path / os.fsdecode(b"caf\xe9")
    for content, dirty in ((b"one", False), (b"other", True)):
        named.write_bytes(content)
        if not dirty:
            git("init", "-q")
            git("config", "core.quotePath", "false")
            git("add", "-A")
            git("commit", "-qm", "one")
        assert surroundings.code_at(tmp_path).dirty is dirty
    (tmp_path / ".git" / "index").write_bytes(b"damaged")
    code = surroundings.code_at(tmp_path)
    assert (len(code.git_commit), code.dirty) == (40, None)
