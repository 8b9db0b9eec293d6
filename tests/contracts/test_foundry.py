"""Foundry's tests of the contract, contracts/test: examples, fuzz, invariants."""

import re
import subprocess
from pathlib import Path

CONTRACTS = Path(__file__).parents[2] / "contracts"


def forge(tools, *arguments):
    done = subprocess.run(
        [CONTRACTS / "node_modules" / ".bin" / "forge", *arguments],
        cwd=CONTRACTS,
        env=tools,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_foundry_tests_pass(tools, tmp_path):
    # A folder of its own for what it builds: two runs at once must not meet.
    status, output = forge(
        tools, "test", "--out", str(tmp_path / "out"), "--cache-path", str(tmp_path / "cache")
    )
    assert status == 0, output
    passed = re.search(r": (\d+) tests passed, 0 failed, 0 skipped", output)
    written = sum(
        len(re.findall(r"function (?:test|invariant)\w*\(", source.read_text()))
        for source in CONTRACTS.glob("test/*.t.sol")
    )
    assert passed, output
    assert int(passed[1]) == written, output


def test_sources_are_formatted(tools):
    status, output = forge(tools, "fmt", "--check")
    assert status == 0, output


def test_sources_are_clean(tools):
    status, output = forge(tools, "lint")
    assert status == 0, output
    assert "warning" not in output
