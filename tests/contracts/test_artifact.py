"""The committed artifact is what the sources compile to, and what the contract's page says."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from eth_utils import keccak

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "contracts"
ARTIFACT = json.loads((CONTRACTS / "artifacts" / "ProvenanceAnchor.json").read_text())


def signature(item):
    """Return the canonical signature of a function, an event or an error."""

    def type_of(value):
        if not value["type"].startswith("tuple"):
            return value["type"]
        return f"({','.join(map(type_of, value['components']))}){value['type'][5:]}"

    return f"{item['name']}({','.join(map(type_of, item['inputs']))})"


def test_artifact_is_compiled_from_the_sources(tools):
    done = subprocess.run(
        [ROOT / "scripts" / "compile_contracts", "--check"],
        env=tools,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_source_is_noticed(tools, tmp_path):
    """On a copy: one constant of the contract changed, the artifact left as it was."""
    copy = tmp_path / "contracts"
    copy.mkdir()
    for name in ("package.json", "package-lock.json", "solc.mjs", "node_modules", "artifacts"):
        (copy / name).symlink_to(CONTRACTS / name)
    for source in CONTRACTS.glob("*.sol"):
        text = source.read_text().replace("MAX_ARTIFACTS = 2000", "MAX_ARTIFACTS = 2001")
        (copy / source.name).write_text(text)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "scripts").mkdir()
    for name in ("compile_contracts", "node_tools"):
        copied = tmp_path / "scripts" / name
        copied.write_bytes((ROOT / "scripts" / name).read_bytes())
        copied.chmod(0o755)
    done = subprocess.run(
        [tmp_path / "scripts" / "compile_contracts", "--check"],
        env=tools,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "stale: run scripts/compile_contracts" in done.stderr
    assert "deployedBytecode" in done.stdout


def test_selectors_are_keccak_of_the_signatures():
    functions = [signature(item) for item in ARTIFACT["abi"] if item["type"] == "function"]
    assert ARTIFACT["methodIdentifiers"] == {
        name: keccak(text=name)[:4].hex() for name in functions
    }


def test_nobody_can_stop_or_change_the_contract():
    """All that writes is the log's own: no owner, no pause, no upgrade, no way to hold money."""
    writing = {
        item["name"]
        for item in ARTIFACT["abi"]
        if item["type"] == "function" and item["stateMutability"] not in ("view", "pure")
    }
    assert writing == {"register", "anchor", "transferPublisher", "acceptPublisher"}
    assert not [item for item in ARTIFACT["abi"] if item["type"] in ("receive", "fallback")]
    assert not [item for item in ARTIFACT["abi"] if item.get("stateMutability") == "payable"]
    opcodes = set(instructions(bytes.fromhex(ARTIFACT["deployedBytecode"][2:])))
    assert not opcodes & {0xF0, 0xF1, 0xF2, 0xF4, 0xF5, 0xFF}, "CREATE, CALL, DELEGATECALL, …"
    assert 0xFA in opcodes, "STATICCALL, for SHA-256: the walk over the code works"


@pytest.mark.parametrize("code", ["bytecode", "deployedBytecode"])
def test_the_code_runs_on_every_evm_since_constantinople(code):
    """No CHAINID, SELFBALANCE (Istanbul), BASEFEE (London), PUSH0 (Shanghai), MCOPY (Cancun), …"""
    opcodes = set(instructions(bytes.fromhex(ARTIFACT[code][2:])))
    assert not opcodes & {*range(0x46, 0x50), *range(0x5C, 0x60)}
    assert 0x1C in opcodes, "SHR, of Constantinople itself: the walk over the code works"


def instructions(code):
    """Yield the opcodes of `code` up to its trailer, past what PUSH carries."""
    end = len(code) - 2 - int.from_bytes(code[-2:], "big")
    at = 0
    while at < end:
        yield code[at]
        at += 1 + (code[at] - 0x5F if 0x60 <= code[at] <= 0x7F else 0)


def test_one_compiler_is_pinned_everywhere():
    lock = json.loads((CONTRACTS / "package-lock.json").read_text())
    version = lock["packages"]["node_modules/solc"]["version"]
    assert ARTIFACT["compiler"].startswith(f"solc {version}+commit.")
    for source in [*CONTRACTS.glob("*.sol"), *CONTRACTS.glob("test/*.sol")]:
        assert f"pragma solidity {version};" in source.read_text(), source


def test_lock_pins_every_package_and_no_registry():
    lock = json.loads((CONTRACTS / "package-lock.json").read_text())
    for name, package in lock["packages"].items():
        assert name == "" or package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


def test_page_tells_the_storage_layout():
    """Storage proofs rest on it: the compiler's layout, and the slots that the page names."""
    layout = ARTIFACT["storageLayout"]
    page = (ROOT / "docs" / "contract.md").read_text()
    shown = re.findall(r"^\| `(\w+)` \| `(keccak256\(.+\))` \|", page, re.MULTILINE)
    assert shown == [
        (variable["label"], SLOTS[variable["type"]].format(variable["slot"]))
        for variable in layout["variables"]
    ]
    assert not any(variable["offset"] for variable in layout["variables"])
    assert layout["structs"] == {
        "struct ProvenanceAnchor.Head": [
            {"label": "publisher", "slot": 0, "offset": 0, "type": "address"},
            {"label": "size", "slot": 0, "offset": 20, "type": "uint64"},
        ]
    }


SLOTS = {
    "mapping(bytes32 => struct ProvenanceAnchor.Head)": "keccak256(ledgerId ‖ {})",
    "mapping(bytes32 => mapping(uint64 => bytes32))": "keccak256(size ‖ keccak256(ledgerId ‖ {}))",
    "mapping(bytes32 => address)": "keccak256(ledgerId ‖ {})",
}


@pytest.mark.parametrize("kind", ["function", "event", "error"])
def test_page_names_everything(kind):
    page = (ROOT / "docs" / "contract.md").read_text()
    for item in ARTIFACT["abi"]:
        if item["type"] == kind:
            assert re.search(rf"\b{item['name']}\b", page), f"docs/contract.md lacks {item['name']}"
