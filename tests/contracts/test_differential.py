"""A few thousand cases of `differential.py`; `scripts/soak differential` asks a million."""

import re
import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[1] / "soak" / "differential.py"


def test_solidity_and_python_agree(tools, tmp_path):
    done = subprocess.run(
        [sys.executable, SOAK, tmp_path, "--cases", "4000", "--seed", "7"],
        env=tools,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    table = re.findall(r"^\| (\w+) \|" + 4 * r" ([\d,]+) \|", done.stdout, re.MULTILINE)
    assert [row[0] for row in table] == ["inclusion", "consistency"]
    for _, *numbers in table:
        asked, accepted, refused, beyond = (int(number.replace(",", "")) for number in numbers)
        assert asked == 2000
        # A quarter is true, and whoever changes a size may leave a true proof.
        assert 500 <= accepted < 600
        assert refused == asked - accepted
        assert beyond > 500
