"""One broken contract; `scripts/soak mutants` tries them all, and holds the tests to each."""

import re
import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[1] / "soak" / "mutants.py"
MUTANT = "function checkInclusion: 'index >= size' -> 'index > size'"


def test_a_broken_check_is_noticed(tools, tmp_path):
    """Also: each mutant of the table still finds its line in the sources."""
    done = subprocess.run(
        [sys.executable, SOAK, tmp_path, "--only", MUTANT],
        env=tools,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    noticed, closing = done.stdout.splitlines()
    assert re.fullmatch(re.escape(MUTANT) + r": test\w+", noticed)
    assert closing == "1 mutants, 0 not noticed by any test"
