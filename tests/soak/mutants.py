"""Break the contract in every line that decides something; Foundry's tests must notice each time.

Every mutant is one edit of `contracts/ProvenanceAnchor.sol` or `contracts/RFC9162.sol`, compiled by
the same compiler and put through `forge test` in a copy of the folder. One that passes all tests
is a survivor: a line that no test holds. The unbroken contract runs first, and must pass::

    python tests/soak/mutants.py FOLDER

A run that was broken off goes on where it stopped, as long as no source changed since.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from mutant_table import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "contracts"
# What a mutant means does not depend on the optimizer, and it takes most of the time; a warning
# about a name that the mutant does not use is no verdict.
HASTE = {"FOUNDRY_OPTIMIZER": "false", "FOUNDRY_DENY": "never"}
SOURCES = ("*.sol", "test/*.sol", "foundry.toml", "solc.mjs", "package.json")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folder", type=Path, help="of the run; it goes on where it stopped")
    options.add_argument("--only", action="append", help="the name of a mutant; may be repeated")
    given = options.parse_args()
    files = [path for pattern in SOURCES for path in sorted(CONTRACTS.glob(pattern))]
    digest = sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    for mutant in MUTANTS:
        mutant.apply((CONTRACTS / mutant.file).read_text())  # raises where the source moved on
    chosen = [mutant for mutant in MUTANTS if not given.only or mutant.name in given.only]
    results = given.folder / f"{digest[:16]}.json"
    noticed = json.loads(results.read_text()) if results.exists() else {}

    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for path in files:
            (copy / path.relative_to(CONTRACTS)).parent.mkdir(exist_ok=True)
            shutil.copy2(path, copy / path.relative_to(CONTRACTS))
        (copy / "node_modules").symlink_to(CONTRACTS / "node_modules")
        if not given.only and "" not in noticed:
            first = failing(copy)
            if first is not None:
                raise SystemExit(f"the contract as it is fails {first}")
            noticed[""] = None
        for mutant in chosen:
            if mutant.name not in noticed:
                noticed[mutant.name] = run(copy, mutant)
                results.write_text(json.dumps(noticed))
            print(f"{mutant.name}: {noticed[mutant.name] or 'SURVIVES'}", flush=True)

    survivors = [mutant.name for mutant in chosen if noticed[mutant.name] is None]
    print(f"{len(chosen)} mutants, {len(survivors)} not noticed by any test")
    sys.exit(1 if survivors else 0)


def run(copy: Path, mutant: Mutant) -> str | None:
    """Return the test that fails under `mutant`, if any does; leave the source as it was."""
    source = copy / mutant.file
    text = source.read_text()
    source.write_text(mutant.apply(text))
    try:
        # The tests of that file first: a test less to compile is seconds saved.
        return failing(copy, "--match-path", f"test/{mutant.tests}") or failing(copy)
    finally:
        source.write_text(text)


def failing(folder: Path, *chosen: str) -> str | None:
    """Run Foundry's tests; return the name of the first that fails, None if all pass."""
    path = os.pathsep.join((os.environ["PATH"], str(ROOT / ".venv" / "bin")))
    done = subprocess.run(
        [folder / "node_modules" / ".bin" / "forge", "test", "--fail-fast", *chosen],
        cwd=folder,
        env=os.environ | {"PATH": path} | HASTE,
        capture_output=True,
        text=True,
    )
    failed = re.findall(r"\[FAIL.*?\] (\w+)\(", done.stdout)
    if failed:
        return str(failed[0])
    if done.returncode or not re.search(r" tests passed, 0 failed", done.stdout):
        raise SystemExit(f"forge could not say:\n{done.stdout}{done.stderr}")
    return None


if __name__ == "__main__":
    main()
