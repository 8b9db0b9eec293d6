"""The wheel carries what it needs, and nothing that only the repository does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


LEFT_OUT = {".cpp", ".hpp", ".so", ".pyc"}
"""What the extension is built from, and what is built."""


def built(folder: Path, **environment: str) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(
        [*command, "--directory", str(folder)], cwd=ROOT, check=True, env=os.environ | environment
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(once: Callable[..., Path]) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(once("wheel", built).glob("*.whl")))


def test_it_holds_both_packages_and_the_compiled_contract(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    sources = {
        str(path.relative_to(ROOT))
        for package in ("provenance", "api")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in LEFT_OUT
    }
    assert {Path(name).suffix for name in sources} >= {
        ".py",
        ".pyi",
        ".html",
        ".css",
        ".js",
        ".svg",
    }
    assert {"provenance/py.typed", "api/py.typed"} <= sources <= names
    parts = ("api/pages/templates", "api/pages/static", "provenance/browser/verifier")
    for part in (*parts, "provenance/browser/page"):
        held = {name for name in sources if name.startswith(f"{part}/")}
        assert held
        assert all(wheel.read(name) == (ROOT / name).read_bytes() for name in held)
    contract = ROOT / "contracts" / "artifacts" / "ProvenanceAnchor.json"
    assert wheel.read("provenance/anchoring/artifact.json") == contract.read_bytes()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {
        "provenance",
        "api",
        "provenance_ledger",
    }


def test_a_bare_install_is_asked_for_little(wheel: zipfile.ZipFile) -> None:
    metadata = next(name for name in wheel.namelist() if name.endswith("/METADATA"))
    required = message_from_bytes(wheel.read(metadata)).get_all("Requires-Dist") or []
    bare = {re.split("[<>=]", line)[0] for line in required if "extra ==" not in line}
    assert bare == {"cryptography", "rfc8785", "typer", "rich"}


KERNELS = "from provenance.merkle.bulk import kernels; print(*kernels())"


def test_the_extension_is_in_the_wheel_and_loads(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", KERNELS], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    if not list((tmp_path / "provenance" / "native").glob("kernel.*.so")):
        assert not os.environ.get("CI")
        pytest.skip("no compiler, or no Python.h: the extension was not built")
    assert wheel.filename is not None
    assert "-cp311-abi3-" in wheel.filename
    assert done.stdout.split()[-2:] == ["portable", "hashlib"]


def test_without_a_compiler_there_is_a_wheel_all_the_same(tmp_path: Path) -> None:
    path = built(tmp_path, CC="/no/compiler", CXX="/no/compiler")
    assert path.name.endswith("-py3-none-any.whl")
    zipfile.ZipFile(path).extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", KERNELS], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "hashlib\n"
