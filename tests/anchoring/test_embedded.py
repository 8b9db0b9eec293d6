"""The embedded chain as a file: times, readers, writers, threads, damage."""

from __future__ import annotations

import hashlib
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_log import ALICE, BOB, Log

from provenance.anchoring import Anchor, Head, check_anchor, latest_head
from provenance.anchoring.contract import runtime_code
from provenance.anchoring.embedded import EmbeddedChain
from provenance.errors import ChainError, InputError

NOBODY = "0x" + "00" * 20


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


# --- chain ids and times ------------------------------------------------------------------------


def test_chain_ids_are_exact_in_json_and_never_alike(tmp_path: Path) -> None:
    ids = set()
    for number in range(5):
        with EmbeddedChain.create(tmp_path / str(number)) as chain:
            ids.add(chain.chain_id())
    assert len(ids) == 5
    assert all(2**52 <= chain_id < 2**53 for chain_id in ids)


def test_block_times_follow_the_clock_and_never_go_back(tmp_path: Path) -> None:
    clock = Clock(1_000_000.9)
    with EmbeddedChain.create(tmp_path / "chain.db", ALICE, clock=clock) as chain:
        assert (chain.head(), chain.block_time(0)) == (0, 1_000_000)
        clock.now = 2_000_000.5
        contract = chain.deploy()
        assert (chain.head(), chain.block_time(1)) == (1, 2_000_000)
        chain.register(contract, bytes(32))
        assert chain.block_time(2) == 2_000_001, "the same second: one later"
        clock.now = 5
        chain.register(contract, b"\1" * 32)
        assert chain.block_time(3) == 2_000_002, "a clock set back: one later"
        clock.now = 3_000_000
        chain.register(contract, b"\2" * 32)
        assert chain.block_time(4) == 3_000_000
        assert chain.finalized() == 4
        for missing in (-1, 5, 2**70):
            with pytest.raises(ChainError, match=f"has no block {missing}"):
                chain.block_time(missing)


# --- accounts -----------------------------------------------------------------------------------


def test_account_forms(tmp_path: Path) -> None:
    from eth_account import Account

    account = Account.from_key(ALICE)
    path = tmp_path / "chain.db"
    with EmbeddedChain.create(path, account) as chain:
        assert chain.address == account.address.lower()
    with EmbeddedChain.open(path, ALICE) as chain:
        assert chain.address == account.address.lower()
    for wrong in (b"", b"\1" * 31, bytes(32), b"\xff" * 32):
        with pytest.raises(InputError, match="32 bytes"):
            EmbeddedChain.open(path, wrong)
        with pytest.raises(InputError, match="32 bytes"):
            EmbeddedChain.create(tmp_path / "other.db", wrong)
    assert not (tmp_path / "other.db").exists()


def test_a_reader_cannot_send(embedded: EmbeddedChain, tmp_path: Path) -> None:
    contract = embedded.deploy()
    with EmbeddedChain.open(tmp_path / "chain.db") as reader:
        for attempt in (reader.deploy, lambda: reader.register(contract, bytes(32))):
            with pytest.raises(ChainError, match="only to read"):
                attempt()
        assert reader.embedded
        assert reader.pin(contract, bytes(32), confirmations=1).embedded


@pytest.mark.parametrize("text", ["", "0x", "0x" + "AB" * 20, "ab" * 20, f"{NOBODY}\n", "0x" * 21])
def test_addresses(embedded: EmbeddedChain, text: str) -> None:
    with pytest.raises(InputError, match="not a contract address"):
        embedded.code(text)


def test_a_call_that_reverts(embedded: EmbeddedChain) -> None:
    contract = embedded.deploy()
    with pytest.raises(ChainError, match="refuses"):
        embedded.call(contract, b"\xff\xff\xff\xff")


# --- several at once ----------------------------------------------------------------------------


def test_a_reader_sees_each_block_as_it_is_written(
    embedded: EmbeddedChain, tmp_path: Path, log: Log
) -> None:
    with EmbeddedChain.open(tmp_path / "chain.db") as reader:
        contract = embedded.deploy()
        ledger_id = embedded.register(contract, bytes(32))
        for size in range(1, 4):
            proof = log.proof(size - 1, size) if size > 1 else ()
            block = embedded.anchor(contract, ledger_id, size, log.root(size), proof).block
            assert reader.head() == block
            assert latest_head(reader, contract, ledger_id) == Head(size, log.root(size))
            assert reader.anchored(contract, ledger_id, block) == [Head(size, log.root(size))]


def test_a_reader_in_another_process(embedded: EmbeddedChain, tmp_path: Path, log: Log) -> None:
    contract = embedded.deploy()
    ledger_id = embedded.register(contract, bytes(32))
    embedded.anchor(contract, ledger_id, 3, log.root(3), ())
    program = (
        "import sys\n"
        "from provenance.anchoring import latest_head\n"
        "from provenance.anchoring.embedded import EmbeddedChain\n"
        "path, contract, ledger_id = sys.argv[1:]\n"
        "with EmbeddedChain.open(path) as chain:\n"
        "    print(latest_head(chain, contract, bytes.fromhex(ledger_id)).root.hex())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "chain.db", contract, ledger_id.hex()],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == log.root(3).hex()


def test_writers_take_turns(embedded: EmbeddedChain, tmp_path: Path) -> None:
    contract = embedded.deploy()
    errors: list[BaseException] = []

    def register(key: bytes, count: int) -> None:
        try:
            with EmbeddedChain.open(tmp_path / "chain.db", key) as chain:
                for number in range(count):
                    chain.register(contract, number.to_bytes(32, "big"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=register, args=(key, 10)) for key in (ALICE, BOB, BOB)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The two of BOB may both find an origin unregistered; then the contract refuses one of them.
    assert all("AlreadyRegistered" in str(error) for error in errors)
    assert embedded.head() == 1 + 20


def test_one_chain_in_several_threads(embedded: EmbeddedChain) -> None:
    contract = embedded.deploy()
    errors: list[BaseException] = []

    def work(begin: int) -> None:
        try:
            for number in range(begin, begin + 5):
                embedded.register(contract, number.to_bytes(32, "big"))
                embedded.head()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(5 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert embedded.head() == 21


def test_a_file_that_stays_locked(
    embedded: EmbeddedChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = embedded.deploy()
    monkeypatch.setattr("provenance.anchoring.chainfile.BUSY_SECONDS", 0.05)
    other = sqlite3.connect(tmp_path / "chain.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with EmbeddedChain.open(tmp_path / "chain.db", BOB) as chain:
        assert chain.head() == 1, "reading goes on"
        with pytest.raises(ChainError, match=r"chain\.db cannot be used: database is locked"):
            chain.register(contract, bytes(32))
    other.execute("ROLLBACK")
    other.close()


def test_a_refused_transaction_leaves_the_file_as_it_was(embedded: EmbeddedChain) -> None:
    contract = embedded.deploy()
    rows = _rows(embedded)
    with pytest.raises(ChainError, match="NotPublisher"):
        embedded.anchor(contract, bytes(32), 1, b"\1" * 32, ())
    assert _rows(embedded) == rows


def _rows(chain: EmbeddedChain) -> tuple[int, ...]:
    return tuple(
        chain._file._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("node", "anchored", "chain")
    )


# --- a full disk --------------------------------------------------------------------------------


def test_a_full_disk(embedded: EmbeddedChain, tmp_path: Path) -> None:
    contract = embedded.deploy()
    pages = embedded._file._connection.execute("PRAGMA page_count").fetchone()[0]
    embedded._file._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ChainError, match=r"chain\.db cannot be used: database or disk is full"):
        _register_many(embedded, contract)
    head = embedded.head()
    embedded._file._connection.execute(f"PRAGMA max_page_count = {10 * pages}")
    embedded.register(contract, b"\xff" * 32)
    assert embedded.head() == head + 1


def _register_many(chain: EmbeddedChain, contract: str) -> None:
    for number in range(50):
        chain.register(contract, number.to_bytes(32, "big"))


# --- files that are not what they should be -----------------------------------------------------


def test_nothing_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.db", tmp_path):
        with pytest.raises(ChainError, match=f"no embedded chain at {path}"):
            EmbeddedChain.open(path, ALICE)
    assert list(tmp_path.iterdir()) == []


def test_create_never_overwrites(embedded: EmbeddedChain, tmp_path: Path) -> None:
    contract = embedded.deploy()
    with pytest.raises(ChainError, match=r"chain\.db exists already"):
        EmbeddedChain.create(tmp_path / "chain.db", BOB)
    assert embedded.code(contract)


def test_create_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(ChainError, match=r"nowhere/chain\.db cannot be used"):
        EmbeddedChain.create(tmp_path / "nowhere" / "chain.db")
    with pytest.raises(ChainError, match="cannot be used"):
        EmbeddedChain.create(tmp_path)


def test_create_fills_what_a_crash_left(tmp_path: Path) -> None:
    path = tmp_path / "chain.db"
    path.touch()
    with pytest.raises(ChainError, match=r"chain\.db is not an embedded chain"):
        EmbeddedChain.open(path)
    with EmbeddedChain.create(path, ALICE) as chain:
        assert chain.head() == 0


@pytest.mark.parametrize(
    "content", [b"text\n" * 1000, bytes(range(256)) * 16, b"SQLite format 3\0"]
)
@pytest.mark.parametrize("key", [None, ALICE])
def test_foreign_files(tmp_path: Path, content: bytes, key: bytes | None) -> None:
    path = tmp_path / "chain.db"
    path.write_bytes(content)
    with pytest.raises(ChainError, match=r"chain\.db"):
        EmbeddedChain.open(path, key)
    with pytest.raises(ChainError, match=r"chain\.db"):
        EmbeddedChain.create(path, key)
    assert path.read_bytes() == content


def test_a_database_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "chain.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE chain (id INTEGER)")
    other.commit()
    other.close()
    content = path.read_bytes()
    with pytest.raises(ChainError, match="not an embedded chain"):
        EmbeddedChain.open(path)
    with pytest.raises(ChainError, match="exists already"):
        EmbeddedChain.create(path)
    assert path.read_bytes() == content


def test_a_file_of_a_later_version(tmp_path: Path) -> None:
    _changed(tmp_path / "chain.db", "PRAGMA user_version = 2")
    with pytest.raises(ChainError, match="version 2, not 1"):
        EmbeddedChain.open(tmp_path / "chain.db")


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM chain",
        "INSERT INTO chain VALUES (1)",
        "DROP TABLE chain",
        "DROP TABLE node",
        "DELETE FROM node",
        "DELETE FROM node WHERE key = CAST('v1:canonical_head_hash' AS BLOB)",
        "DELETE FROM node WHERE length(key) = 32",
        "UPDATE node SET value = x'00'",
        "UPDATE node SET value = x'c0' WHERE key = CAST('v1:canonical_head_hash' AS BLOB)",
        "UPDATE node SET value = zeroblob(32) WHERE length(key) = 32",
        "UPDATE node SET value = CAST(substr(value, 2) || x'00' AS BLOB) WHERE length(key) = 32",
    ],
)
def test_damaged_tables(tmp_path: Path, change: str) -> None:
    contract = _changed(tmp_path / "chain.db", change)
    with (
        pytest.raises(ChainError, match=r"chain\.db"),
        EmbeddedChain.open(tmp_path / "chain.db", ALICE) as chain,
    ):
        chain.code(contract)


def test_other_code_under_the_hash_of_the_contract_is_found(tmp_path: Path) -> None:
    """Nothing but the check of each value against its key can see it."""
    path, code = tmp_path / "chain.db", f"length(value) = {len(runtime_code())}"
    contract = _changed(
        path, f"UPDATE node SET value = CAST(x'00' || substr(value, 2) AS BLOB) WHERE {code}"
    )
    with (
        pytest.raises(ChainError, match="a value does not have its hash"),
        EmbeddedChain.open(path) as chain,
    ):
        chain.code(contract)


def test_what_was_opened_to_read_is_not_written_by_anything(tmp_path: Path) -> None:
    EmbeddedChain.create(tmp_path / "chain.db", ALICE).close()
    with (
        EmbeddedChain.open(tmp_path / "chain.db") as chain,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        chain._file._connection.execute("DELETE FROM chain")


def _changed(path: Path, change: str) -> str:
    with EmbeddedChain.create(path, ALICE) as chain:
        contract = chain.deploy()
    connection = sqlite3.connect(path)
    connection.execute(change)
    connection.commit()
    connection.close()
    return contract


def test_flipped_bytes_are_found_or_do_not_matter(tmp_path: Path, log: Log) -> None:
    """A check over a damaged file fails with ChainError or AnchorError, or still holds."""
    path = tmp_path / "chain.db"
    with EmbeddedChain.create(path, ALICE) as chain:
        contract = chain.deploy()
        ledger_id = chain.register(contract, hashlib.sha256(b"o").digest())
        block = chain.anchor(contract, ledger_id, 3, log.root(3), ()).block
        pin = chain.pin(contract, ledger_id, confirmations=1)
    anchor = Anchor(
        chain_id=pin.chain_id,
        contract=contract,
        ledger_id=ledger_id,
        size=3,
        root=log.root(3),
        block=block,
    )
    content = path.read_bytes()
    random_source = random.Random(7)
    outcomes = {"holds": 0, "found": 0}
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(random_source.choice((1, 20, 400))):
            damaged[random_source.randrange(len(damaged))] ^= 1 << random_source.randrange(8)
        path.write_bytes(damaged)
        outcomes[_check(path, lambda chain: check_anchor(anchor, pin, chain))] += 1
    assert min(outcomes.values()) > 10, outcomes


def _check(path: Path, check: Callable[[EmbeddedChain], object]) -> str:
    from provenance.anchoring import AnchorError

    try:
        with EmbeddedChain.open(path) as chain:
            check(chain)
    except (ChainError, AnchorError):
        return "found"
    return "holds"
