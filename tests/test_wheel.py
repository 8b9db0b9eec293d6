"""The wheel carries what it needs, and nothing that only the repository does."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*command, "--directory", str(folder)], cwd=ROOT, check=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_it_holds_both_packages_and_the_compiled_contract(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    sources = {
        str(path.relative_to(ROOT))
        for package in ("provenance", "api")
        for path in (ROOT / package).rglob("*.py")
    }
    assert sources <= names
    assert {"provenance/py.typed", "api/py.typed"} <= names
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
