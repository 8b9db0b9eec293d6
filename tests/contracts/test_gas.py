"""What anchoring costs, against the committed snapshot and the bound that the page promises."""

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
GAS = json.loads((ROOT / "contracts" / "gas.json").read_text())


def test_snapshot_is_measured():
    done = subprocess.run(
        [ROOT / "scripts" / "contract_gas", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_anchoring_a_million_entries_stays_within_its_bound():
    at_a_million = [gas for name, gas in GAS.items() if name.startswith("anchor at 1e6")]
    assert at_a_million
    assert max(at_a_million) <= 80_000


def test_page_shows_the_snapshot():
    page = (ROOT / "docs" / "contract.md").read_text()
    rows = dict(re.findall(r"^\| (.+?) \| ([\d,]+) \|$", page, re.MULTILINE))
    assert {name: int(gas.replace(",", "")) for name, gas in rows.items()} == GAS
