"""What a step ran in, as it is signed: a commit, versions, and what else was allowed by name.

The names of a step's ``environment``::

    {"python": "CPython 3.11.7",                 the interpreter
     "package:numpy": "2.1.0",                   a distribution, as its metadata names it
     "host:machine": "x86_64",                   a fact of the machine, one of `HOST_FACTS`
     "variable:OMP_NUM_THREADS": "8"}            an environment variable

Versions are no secret and are collected where it is asked for them at all. What may be one, a
variable or the name of a machine, is signed only where it is named, each by itself: what was signed
cannot be taken back.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

from provenance.errors import InputError
from provenance.statements import Code

__all__ = ["HOST_FACTS", "code_at", "named", "versions_here", "versions_of_command"]

HOST_FACTS: dict[str, Callable[[], str]] = {
    "system": lambda: f"{platform.system()} {platform.release()}",
    "machine": platform.machine,
    "cpus": lambda: str(os.cpu_count() or ""),
    "name": platform.node,
}
"""Name → what tells it: the kernel, the architecture, how many processors, the host's name."""

_TELL = """
import importlib.metadata, json, platform
found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
for each in importlib.metadata.distributions():
    if each.metadata["Name"]:
        found.setdefault("package:" + each.metadata["Name"], each.version)
print(json.dumps(found))
"""
TELL_SECONDS = 30

_PYTHON = re.compile(r"python(\d+(\.\d+)?)?", re.ASCII)  # and not python-config, say


def named(*, host: Iterable[str] = (), variables: Iterable[str] = ()) -> dict[str, str]:
    """Return facts of the machine and environment variables, each of which is named.

    A variable that is not set is left out.

    Raises:
        InputError: there is no such fact; or a variable's name or value is no text.
    """
    found: dict[str, str] = {}
    for fact in host:
        if fact not in HOST_FACTS:
            raise InputError(f"no fact {fact!r} of a host: there are {', '.join(HOST_FACTS)}")
        found[f"host:{fact}"] = HOST_FACTS[fact]()
    for variable in variables:
        value = os.environ.get(variable)
        if value is not None:
            found[f"variable:{variable}"] = value
            try:
                (variable + value).encode()
            except UnicodeEncodeError:
                raise InputError(f"the environment variable {variable!a} is not UTF-8") from None
    return found


def versions_here() -> dict[str, str]:
    """Return the version of this interpreter, and of each distribution that it has loaded."""
    found = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    loaded = {module.partition(".")[0] for module in [*sys.modules]}
    for module, distributions in _distributions().items():
        if module in loaded:
            for name in distributions:
                found[f"package:{name}"] = version(name)
    return found


@cache
def _distributions() -> Mapping[str, list[str]]:
    """Return module → distributions. Read once: it takes as long as thousands of statements."""
    return packages_distributions()


def versions_of_command(command: Sequence[str]) -> dict[str, str]:
    """Return the version of the Python that a command is run by, and of what is installed there.

    That is a program called ``python``, ``python3`` or ``python3.11``, or the one of these that the
    first line of a script names. Of any other command nothing is known.
    """
    interpreter = _interpreter(command[0])
    if interpreter is None:
        return {}
    try:
        done = subprocess.run(
            [*interpreter, "-c", _TELL], capture_output=True, check=True, timeout=TELL_SECONDS
        )
        told = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return {str(name): str(value) for name, value in told.items()}


def _interpreter(program: str) -> list[str] | None:
    """Return the command of the Python that runs a program."""
    path = shutil.which(program)
    if path is None:
        return None
    if _PYTHON.fullmatch(Path(path).name):
        return [path]
    try:
        with Path(path).open("rb") as file:
            first = file.read(256).partition(b"\n")[0]
    except OSError:
        return None
    words = first.removeprefix(b"#!").decode(errors="replace").split()
    if not first.startswith(b"#!") or not any(_PYTHON.fullmatch(Path(word).name) for word in words):
        return None
    return words


def code_at(folder: Path, command: Sequence[str] | None = None) -> Code | None:
    """Return what runs, and at which commit of the git repository around `folder`.

    None where there is neither a command nor a repository. What git does not track is no change.
    Whether there is one is left out where git cannot tell.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    words = None if command is None else tuple(command)
    if commit is None:
        return None if words is None else Code(command=words)
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    dirty = None if changes is None else bool(changes)
    return Code(command=words, git_commit=commit.decode(), dirty=dirty)


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Return what git says; None where there is no git, or no repository, or it is damaged."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
