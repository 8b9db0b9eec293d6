"""Some thousand cases of `mutations.py`; `scripts/soak mutations` tries a million."""

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CHUNK = 7000


def mutations(folder, cases):
    done = subprocess.run(
        [sys.executable, HERE / "mutations.py", folder, "--cases", str(cases), "--seed", "7"],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\| ([\w -]+) \|" + 4 * r" ([\d,]+) \|", done.stdout, re.MULTILINE)
    return {name: [int(number.replace(",", "")) for number in numbers] for name, *numbers in rows}


def test_nothing_that_was_changed_is_taken_for_true(tmp_path):
    table = mutations(tmp_path, CHUNK)
    assert sum(row[0] for row in table.values()) == CHUNK
    for name, (cases, refused, fewer, same) in table.items():
        assert cases == refused + fewer + same == CHUNK // len(table)
        assert refused > 0.85 * cases, name
    # Here every value that may be changed is one that is checked.
    assert all(table[name][1] == table[name][0] for name in table if name.endswith(" proof"))


def test_a_run_that_was_broken_off_goes_on(tmp_path):
    """A chunk that is counted is not tried again; here it says something that it could not find."""
    counted = dict.fromkeys(("checkpoint: refused", "cosignature: refused"), 5)
    (tmp_path / "seed-7.json").write_text(json.dumps({"0": counted}))
    table = mutations(tmp_path, CHUNK)
    assert {name: row[0] for name, row in table.items() if row[0]} == {
        "checkpoint": 5,
        "cosignature": 5,
    }
