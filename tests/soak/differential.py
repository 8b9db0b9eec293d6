"""Ask Solidity and Python about the same proofs, true and changed: they must always agree.

Proofs of inclusion and consistency in trees of up to 2^64 - 1 leaves, as they are and with sizes,
indices, hashes and paths changed, cut, lengthened and reordered, go to `contracts/RFC9162.sol`
(compiled as it is deployed, run by anvil, a thousand in one call) and to `provenance.merkle`.
Python refuses trees beyond 2^53 - 1 by a limit of its own; there it is asked without that limit::

    python tests/soak/differential.py FOLDER --cases 1000000 --seed 1

A run that was broken off goes on where it stopped.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import re
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import chunks
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from proof_cases import LARGEST, Consistency, Inclusion, a_consistency, an_inclusion, mutate

from provenance import merkle
from provenance.merkle import proofs

CONTRACTS = Path(__file__).parents[2] / "contracts"
SOURCES = ("RFC9162.sol", "test/RFC9162Harness.sol")
HARNESS = "0x" + "9162" * 10
TRUE, CHANGED = 250, 3  # true proofs of each sort in a chunk, and how often each is changed
ROWS = {
    Inclusion: ("checkInclusions", "(bytes32,uint64,uint64,bytes32[],bytes32)[]"),
    Consistency: ("checkConsistencies", "(uint64,bytes32,uint64,bytes32,bytes32[])[]"),
}


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folder", type=Path, help="of the run; it goes on where it stopped")
    options.add_argument("--cases", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    began = time.monotonic()
    with anvil(given.folder) as url:
        ask(url, "anvil_setCode", HARNESS, compiled())
        counted = chunks.run(
            given.folder,
            f"seed-{given.seed}",
            given.cases // (2 * TRUE * (1 + CHANGED)),
            functools.partial(compare, url, given.seed),
            chunks.processes(),
        )
    print("| proof | asked | both accept | both refuse | beyond 2^53 - 1 |")
    print("|---|---:|---:|---:|---:|")
    for name in ("inclusion", "consistency"):
        accepted, refused = counted[f"{name} accepted"], counted[f"{name} refused"]
        beyond = counted[f"{name} beyond"]
        print(f"| {name} | {accepted + refused:,} | {accepted:,} | {refused:,} | {beyond:,} |")
    print(f"agreed on every one; {time.monotonic() - began:.0f} s", flush=True)


def compare(url: str, seed: int, chunk: int) -> Counter[str]:
    """Put one batch of each sort to both, and count what they said.

    Raises:
        AssertionError: they disagree, or both refuse a true proof.
    """
    source = random.Random(f"{seed}/{chunk}")
    counts: Counter[str] = Counter()
    makers: tuple[Callable[[random.Random], Any], ...] = (an_inclusion, a_consistency)
    for make in makers:
        true = [make(source) for _ in range(TRUE)]
        asked = true + [mutate(proof, source, sizes=True) for proof in CHANGED * true]
        for number, (proof, verdict) in enumerate(zip(asked, solidity(url, asked), strict=True)):
            small = proof.size <= proofs.MAX_SIZE
            assert python(proof) == (verdict and small), f"only one accepts {proof}"
            with patch.object(proofs, "MAX_SIZE", LARGEST):
                assert python(proof) == verdict, f"only one accepts {proof}"
            assert verdict or number >= TRUE, f"both refuse the true {proof}"
            name = type(proof).__name__.lower()
            counts[f"{name} {'accepted' if verdict else 'refused'}"] += 1
            counts[f"{name} beyond"] += not small
    return counts


def python(proof: Inclusion | Consistency) -> bool:
    check: Callable[..., None] = (
        merkle.check_inclusion if isinstance(proof, Inclusion) else merkle.check_consistency
    )
    try:
        check(**vars(proof))
    except merkle.ProofError:
        return False
    return True


def solidity(url: str, asked: list[Inclusion] | list[Consistency]) -> list[bool]:
    function, rows = ROWS[type(asked[0])]
    data = keccak(text=f"{function}({rows})")[:4] + encode(
        [rows], [[tuple(vars(proof).values()) for proof in asked]]
    )
    answer = ask(url, "eth_call", {"to": HARNESS, "data": "0x" + data.hex()}, "latest")
    return list(decode(["bool[]"], bytes.fromhex(answer[2:]))[0])


# --- the contract's side --------------------------------------------------------------------------


def compiled() -> str:
    """Return the harness's code, compiled by the settings of the committed artifact."""
    artifact = json.loads((CONTRACTS / "artifacts" / "ProvenanceAnchor.json").read_text())
    question = {
        "language": "Solidity",
        "sources": {name: {"content": (CONTRACTS / name).read_text()} for name in SOURCES},
        "settings": artifact["settings"]
        | {"outputSelection": {"*": {"RFC9162Harness": ["evm.deployedBytecode.object"]}}},
    }
    done = subprocess.run(
        ["node", CONTRACTS / "solc.mjs", "--standard-json"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
    )
    harness = json.loads(done.stdout)["contracts"][SOURCES[1]]["RFC9162Harness"]
    return "0x" + str(harness["evm"]["deployedBytecode"]["object"])


@contextmanager
def anvil(folder: Path) -> Iterator[str]:
    """Run a chain with room for large calls, by the rules that the contract is compiled for."""
    output = folder / "anvil.log"
    options = ["--port", "0", "--hardfork", "london", "--gas-limit", str(10**12)]
    options += ["--no-request-size-limit"]
    with output.open("wb") as file:
        binary = CONTRACTS / "node_modules" / ".bin" / "anvil"
        node = subprocess.Popen([binary, *options], stdout=file, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 60
        while not (found := re.search(r"Listening on 127\.0\.0\.1:(\d+)\n", output.read_text())):
            assert node.poll() is None, output.read_text()
            assert time.monotonic() < until, "anvil does not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        node.kill()
        node.wait()


def ask(url: str, method: str, *parameters: object) -> str:
    """Return what the node answers; an error is one here too."""
    question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    request = urllib.request.Request(
        url, json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        told = json.load(answer)
    assert "error" not in told, told
    return str(told["result"])


if __name__ == "__main__":
    main()
