"""Who is compared, and where they are found: each in an environment of its own, made on first use.

Python packages stand in virtual environments, npm packages in a folder with `node_modules`, both
below the folder of the benchmark and pinned here. Programs come with the system. What cannot be had
raises `NotRunError` with the reason, and the tables show it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from contest import NotRunError


@dataclass(frozen=True)
class Program:
    """A program of the system, and the arguments with which it tells its version."""

    name: str
    package: str
    version: str = "--version"


@dataclass(frozen=True)
class Package:
    """A Python package, in the virtual environment `environment`, which others may share.

    `beside` is what it forgets to ask for; with `alone` nothing of what it asks for is installed.
    """

    environment: str
    requirement: str
    beside: tuple[str, ...] = ()
    alone: bool = False

    @property
    def module(self) -> str:
        return self.requirement.partition("==")[0].replace("-", "_")


@dataclass(frozen=True)
class Npm:
    """A package of npm."""

    requirement: str


PARQUET = "pyarrow==26.0.1"

PEERS: dict[str, Program | Package | Npm] = {
    "sha256sum": Program("sha256sum", "coreutils"),
    "b3sum": Program("b3sum", "b3sum"),
    "openssl": Program("openssl", "openssl", "version"),
    "git": Program("git", "git"),
    "wrk": Program("wrk", "wrk"),
    "model_signing": Package("model_signing", "model-signing==1.1.1", ("pyopenssl==26.4.0",)),
    "dvc": Package("dvc", "dvc==3.67.1"),
    "in-toto": Package("in_toto", "in-toto==3.1.0"),
    # merkletools demands pysha3, which it does not need for SHA-256 and which no longer builds.
    "merkletools": Package("trees", "merkletools==1.0.3", alone=True),
    "pymerkle": Package("trees", "pymerkle==7.0.0"),
    "merkly": Package("trees", "merkly==1.0.2"),
    "@openzeppelin/merkle-tree": Npm("@openzeppelin/merkle-tree@1.0.8"),
    "merkletreejs": Npm("merkletreejs@0.6.0"),
    "rfc8785": Package("rows", "rfc8785==0.1.4", (PARQUET,)),
    "orjson": Package("rows", "orjson==3.13.0", (PARQUET,)),
    "json": Package("rows", PARQUET),
}
"""Name → what it is. ``json`` is the standard library's, which needs pyarrow to read its rows."""


class Environments:
    """The environments below a folder."""

    def __init__(self, folder: Path, *, install: bool) -> None:
        """With `install` they are made on demand; else peers are those of this interpreter."""
        self._folder = folder
        self._install = install
        self._found: dict[str, dict[str, str] | NotRunError] = {}

    def variables(self, name: str) -> dict[str, str]:
        """Return the variables of the environment in which a peer is found; "" is the product's.

        Raises:
            NotRunError: it is not there, and cannot be installed.
        """
        if not name:
            return _path(Path(sys.executable).parent)
        if name not in self._found:
            try:
                self._found[name] = self._find(PEERS[name])
            except NotRunError as reason:
                self._found[name] = reason
        found = self._found[name]
        if isinstance(found, NotRunError):
            raise found
        return found

    def version(self, name: str) -> str:
        """Return the version of a peer that is there."""
        peer = PEERS[name]
        if isinstance(peer, Program):
            asked = subprocess.run([peer.name, peer.version], capture_output=True, text=True)
            said = asked.stdout  # some tell it, and end as if that were a mistake
            found = re.search(r"\d+(\.\d+)+", said)
            return found[0] if found else said
        if name == "json":
            return _run([str(self._python(peer)), "--version"]).removeprefix("Python ").strip()
        if isinstance(peer, Package) and not self._install:
            return importlib.metadata.version(peer.module)
        return re.split("==|(?<=.)@", peer.requirement)[1]

    def _find(self, peer: Program | Package | Npm) -> dict[str, str]:
        if isinstance(peer, Program):
            if not shutil.which(peer.name):
                raise NotRunError(
                    f"the program {peer.name} (Debian: {peer.package}) is not installed"
                )
            return {}
        if isinstance(peer, Npm):
            return self._npm(peer)
        if self._install:
            self._make(peer)
        elif importlib.util.find_spec(peer.module) is None:
            raise NotRunError("not in the environment of the tests")
        return _path(self._python(peer).parent)

    def _python(self, peer: Package) -> Path:
        if not self._install:
            return Path(sys.executable)
        return self._folder / peer.environment / "bin" / "python"

    def _make(self, peer: Package) -> None:
        folder = self._folder / peer.environment
        if not (folder / "bin" / "pip").exists():
            venv.create(folder, with_pip=True, clear=True)
        python = self._python(peer)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        if not _has(python, peer.requirement) or not all(_has(python, b) for b in peer.beside):
            alone = ["--no-deps"] if peer.alone else []
            _run([*pip, "install", *alone, peer.requirement, *peer.beside])

    def _npm(self, peer: Npm) -> dict[str, str]:
        if not self._install:
            raise NotRunError("not in the environment of the tests")
        if not shutil.which("npm"):
            raise NotRunError("there is no npm (Debian: npm)")
        folder = self._folder / "npm"
        folder.mkdir(parents=True, exist_ok=True)
        name, _, version = peer.requirement.rpartition("@")
        installed = folder / "node_modules" / name / "package.json"
        if not installed.exists() or json.loads(installed.read_text())["version"] != version:
            (folder / "package.json").touch()
            if not (folder / "package.json").read_text():
                (folder / "package.json").write_text('{"private": true}\n')
            _run(
                [
                    *["npm", "install", "--prefix", str(folder), "--save-exact"],
                    *["--ignore-scripts", "--no-audit", "--no-fund", peer.requirement],
                ]
            )
        return {"NODE_PATH": str(folder / "node_modules")}


def _path(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def _has(python: Path, requirement: str) -> bool:
    name, _, version = requirement.partition("==")
    asked = f"import importlib.metadata as m; assert m.version({name!r}) == {version!r}"
    return subprocess.run([python, "-c", asked], capture_output=True).returncode == 0


def _run(command: list[str]) -> str:
    """Run an installer.

    Raises:
        NotRunError: it fails. What it says may name the places where it looked, so only its exit
            status is told.
    """
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise NotRunError(f"{Path(command[0]).name} ended with {done.returncode}")
    return done.stdout
