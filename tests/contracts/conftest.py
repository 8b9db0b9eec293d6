"""The compiler and forge, which `scripts/node_tools contracts` puts into contracts/node_modules."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "contracts"


@pytest.fixture(scope="session")
def tools() -> dict[str, str]:
    """Return the environment to run the tools in; without them skip loudly, in CI fail."""
    environment = os.environ | {"PATH": f"{os.environ['PATH']}{os.pathsep}{ROOT / '.venv' / 'bin'}"}
    stamp = CONTRACTS / "node_modules" / ".made-from"
    made_from = stamp.read_bytes() if stamp.is_file() else None
    missing = [
        name
        for name, there in {
            "node": shutil.which("node", path=environment["PATH"]),
            "forge": (CONTRACTS / "node_modules" / ".bin" / "forge").exists(),
            "solc": made_from == (CONTRACTS / "package-lock.json").read_bytes(),
        }.items()
        if not there
    ]
    if missing:
        what = " and ".join(missing)
        message = f"{what} missing or stale: `scripts/node_tools contracts` installs them"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return environment
