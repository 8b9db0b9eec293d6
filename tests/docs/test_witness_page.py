"""The commands of docs/witness.md, as they stand there, with a witness serving over HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from provenance import Ledger
from provenance.log import LogProof

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "witness.md").read_text("utf-8")


def test_every_command_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one shell: the witness in the background, on a port of its own."""
    witness, ledger, proofs = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    witness, serving = witness.rstrip().rsplit("\n", 1)
    assert serving.startswith("provenance witness serve")
    serving = serving.replace("7001", "0") + " --json > url &"
    ledger = ledger.replace("http://127.0.0.1:7001", '"$URL"')
    command = tmp_path / "bin" / "provenance"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom provenance.cli import main\nmain()\n")
    command.chmod(0o755)
    script = f"""
        set -eu
        LOG_KEY=$(provenance policy show | sed -n 's/^log key *//p')
        {witness}
        {serving}
        trap 'kill $!' EXIT
        until grep -q url url; do sleep 0.1; done
        URL=$(sed -n 's/.*"url": "\\(.*\\)".*/\\1/p' url)
        WITNESS_KEY=$(provenance witness show witness | head -n 1)
        {ledger}
        {proofs}
        provenance witness show witness --json > seen
    """
    with Ledger.init(tmp_path, origin="acme.example/ml") as made:
        rows = [{"id": number} for number in range(9)]
        with pytest.warns(UserWarning, match="guesses"):
            made.register(rows, name="train", sensitivity="confidential")
        made.anchor()
    monkeypatch.delenv("PROVENANCE_PASSPHRASE", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "w1: cosigned 3 entries at " in done.stdout
    assert "✓ witnesses   1 of 1 named witnesses cosigned" in done.stdout
    assert "\nverified: " in done.stdout
    (log,) = json.loads((tmp_path / "seen").read_text())["logs"]
    assert (log["origin"], log["size"]) == ("acme.example/ml", 3)
    proof = LogProof.parse((tmp_path / "train.tlog-proof").read_bytes())
    assert proof.index == 2
    assert b"\n\xe2\x80\x94 witness.example/w1 " in proof.checkpoint
