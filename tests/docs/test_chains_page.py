"""The commands of docs/chains.md, run one after another on a ledger and a node."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import urllib.request
import warnings
from pathlib import Path

import pytest

import provenance
from provenance.cli.app import main
from provenance.ledger import publishing

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "chains.md"
ANVIL = ROOT / "contracts" / "node_modules" / ".bin" / "anvil"
ADDRESS = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"


def commands() -> list[str]:
    return "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)).split("\n")


@pytest.mark.skipif(not ANVIL.is_file(), reason="scripts/node_tools contracts installs anvil")
def test_every_command_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "anvil"
    with output.open("wb") as file, subprocess.Popen([ANVIL, "--port", "0"], stdout=file) as anvil:
        try:
            while not (port := re.search(r"127\.0\.0\.1:(\d+)\n", output.read_text("utf-8"))):
                assert anvil.poll() is None
            walk(tmp_path / "ml", f"http://127.0.0.1:{port[1]}", monkeypatch)
        finally:
            anvil.kill()


def walk(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fund(account: str | None) -> str:
        address, _ = publishing.account_of(ledger, "embedded", account)
        body = {"jsonrpc": "2.0", "id": 1, "method": "anvil_setBalance"}
        data = json.dumps(body | {"params": [address, hex(10**18)]}).encode()
        urllib.request.urlopen(
            urllib.request.Request(url, data, {"Content-Type": "application/json"})
        ).close()
        return address

    with provenance.Ledger.init(folder, origin="chains.example/log") as ledger:
        monkeypatch.chdir(folder)
        monkeypatch.delenv("PROVENANCE_PASSPHRASE", raising=False)
        fund(None)
        second = ADDRESS
        for command in filter(None, commands()):
            words = shlex.split(command.replace(ADDRESS, second))
            if words[0] == "export":
                name, _, value = words[1].partition("=")
                assert value.startswith("https://")
                monkeypatch.setenv(name, url)
            elif words[0] == "openssl":
                subprocess.run(words, check=True, capture_output=True)
                second = fund(words[-1])
            else:
                assert words.pop(0) == "provenance", command
                with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
                    main(words)
                assert ended.value.code == 0, command
        newest = ledger.anchors()[-1]
        assert (newest.chain, newest.size) == ("sepolia", ledger.status().size)
        report = publishing.report(ledger, "sepolia")
        assert (report.publisher, report.wrong) == (second, ())
