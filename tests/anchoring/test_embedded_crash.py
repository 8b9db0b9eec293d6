"""``kill -9`` at random moments: no block that was acknowledged is lost, and the file opens."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from eth_utils.crypto import keccak
from sample_log import ALICE, Log

from provenance.anchoring import Head, latest_head, root_at
from provenance.anchoring.embedded import EmbeddedChain

ORIGIN = hashlib.sha256(b"origin").digest()
ROUNDS = 10
LEAVES = 2000

# Grows one history by one leaf at a time, forever; a line is printed once a block is acknowledged.
WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from sample_log import ALICE, Log
from provenance.anchoring import latest_head
from provenance.anchoring.embedded import EmbeddedChain

path, contract, origin = sys.argv[1], sys.argv[3], bytes.fromhex(sys.argv[4])
log = Log(int(sys.argv[5]))
print("loaded", flush=True)
with EmbeddedChain.open(path, ALICE) as chain:
    ledger_id = chain.register(contract, origin)
    head = latest_head(chain, contract, ledger_id)
    size = head.size if head else 0
    while True:
        size += 1
        proof = log.proof(size - 1, size) if size > 1 else ()
        receipt = chain.anchor(contract, ledger_id, size, log.root(size), proof)
        print(size, receipt.block, receipt.block_time, flush=True)
"""

CREATOR = """
import sys
sys.path.insert(0, sys.argv[2])
from sample_log import ALICE
from provenance.anchoring.embedded import EmbeddedChain

print("loaded", flush=True)
chain = EmbeddedChain.create(sys.argv[1], ALICE)
print(chain.chain_id(), flush=True)
print(chain.deploy(), flush=True)
"""


def killed(program: str, *arguments: str | Path, lines: int, after: float) -> list[str]:
    """Run a program, kill -9 it so many lines and then seconds after it loaded.

    Return the whole lines that it said.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loaded\n"
    said = [process.stdout.readline() for _ in range(lines)]
    time.sleep(after)
    process.kill()
    output, errors = process.communicate()
    assert "Traceback" not in errors, errors
    said += [line for line in output.splitlines(keepends=True) if line.endswith("\n")]
    return said


@pytest.fixture(scope="module")
def log() -> Log:
    return Log(LEAVES)


def test_nothing_acknowledged_is_lost(tmp_path: Path, log: Log) -> None:
    path = tmp_path / "chain.db"
    with EmbeddedChain.create(path, ALICE) as chain:
        contract = chain.deploy()
    random_source = random.Random()
    acknowledged: dict[int, tuple[int, int]] = {}
    for _ in range(ROUNDS):
        lines = killed(
            WRITER,
            path,
            Path(__file__).parent,
            contract,
            ORIGIN.hex(),
            str(LEAVES),
            lines=random_source.randrange(5),
            after=random_source.uniform(0, 0.1),
        )
        for line in lines:
            size, block, block_time = map(int, line.split())
            acknowledged[size] = (block, block_time)
        with EmbeddedChain.open(path, ALICE) as chain:
            check(chain, contract, log, acknowledged)
    assert len(acknowledged) >= ROUNDS // 2, "the writer got something done"


def check(
    chain: EmbeddedChain, contract: str, log: Log, acknowledged: dict[int, tuple[int, int]]
) -> None:
    ledger_id = chain.register(contract, ORIGIN)
    head = latest_head(chain, contract, ledger_id)
    size = head.size if head else 0
    # One block more than acknowledged may be there: it was written and not yet reported.
    assert size - max(acknowledged, default=0) in (0, 1)
    for known in range(1, size + 1):
        assert root_at(chain, contract, ledger_id, known) == log.root(known)
        found = chain.find(contract, ledger_id, known)
        assert found is not None
        assert acknowledged.get(known, found.block) in (
            found.block,
            (found.block, found.block_time),
        )
        assert chain.anchored(contract, ledger_id, found.block) == [Head(known, log.root(known))]
    check_headers(chain)


def check_headers(chain: EmbeddedChain) -> None:
    """Every block is there, names its parent by hash, and is later than it."""
    with chain._reading() as evm:
        above = evm.get_canonical_head()
        assert above.state_root in evm.chaindb.db
        for number in range(above.block_number - 1, -1, -1):
            header = evm.get_canonical_block_header_by_number(number)
            assert above.parent_hash == header.hash == keccak(evm.chaindb.db[header.hash])
            assert above.timestamp > header.timestamp
            above = header


def test_killed_while_it_is_made(tmp_path: Path) -> None:
    random_source = random.Random()
    for number in range(5):
        path = tmp_path / f"{number}.db"
        said = killed(
            CREATOR,
            path,
            Path(__file__).parent,
            lines=random_source.randrange(2),
            after=random_source.uniform(0, 0.05),
        )
        if said:
            with EmbeddedChain.open(path, ALICE) as chain:
                assert chain.chain_id() == int(said[0])
                assert len(said) < 2 or chain.code(said[1].strip())
                chain.deploy()
                check_headers(chain)
        else:
            check_unacknowledged(path)


def check_unacknowledged(path: Path) -> None:
    """A chain nobody was told of is whole, or is made again in its place."""
    whole = path.exists() and _has_tables(path)
    opened = EmbeddedChain.open(path, ALICE) if whole else EmbeddedChain.create(path, ALICE)
    with opened as chain:
        chain.deploy()
        check_headers(chain)


def _has_tables(path: Path) -> bool:
    import sqlite3

    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() != (0,)
    finally:
        connection.close()
