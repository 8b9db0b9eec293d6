"""Several writers at once, in processes of their own, and their end: on SQLite and PostgreSQL."""

from __future__ import annotations

import itertools
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from appending import check_whole, promised, start
from postgres import Server
from sqlmodel import select

from provenance.log.store import CheckpointRow, Database


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A new database that nobody has open."""
    if request.param == "sqlite":
        made: Path | str = tmp_path / "ledger.db"
    else:
        made = request.getfixturevalue("postgres").database()
    Database.create(made).close()
    return made


def test_many_processes_lose_nothing_and_leave_no_gap(place: Path | str, tmp_path: Path) -> None:
    """Every entry is there once, where its writer was told, and the tree is that of the entries."""
    count = 10 if isinstance(place, Path) else 5
    gate = tmp_path / "gate"
    gate.mkdir()
    writers = {f"writer{n}": start(place, f"writer{n}", 40, 1 + n, gate) for n in range(count)}
    while len(list(gate.iterdir())) < count:
        time.sleep(0.01)
    (gate / "open").touch()
    outputs = {name: writer.communicate(timeout=120)[0] for name, writer in writers.items()}
    assert {writer.returncode for writer in writers.values()} == {0}
    names = check_whole(place)
    assert sorted(names) == sorted(f"{name} {n}" for name in writers for n in range(40))
    turns = []
    for name, output in outputs.items():
        own = [at for at, entry in enumerate(names) if entry.split()[0] == name]
        ranges, _ = promised(output.splitlines(keepends=True))
        assert own == [index for first, last in ranges for index in range(first, last + 1)]
        turns += [(first, name) for first, _ in ranges]
    followed = [name for _, name in sorted(turns)]
    changes = sum(one != other for one, other in itertools.pairwise(followed))
    assert changes > len(writers), "they wrote one after the other, which tests nothing"


def test_kill_9_loses_nothing_that_was_promised(place: Path | str) -> None:
    chosen = random.Random(9)
    indices: dict[int, str] = {}
    sizes: list[int] = []
    for number in range(4):
        writer = start(place, f"round {number}", 100_000, chosen.choice([1, 5, 40]))
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]  # it has started to append
        time.sleep(chosen.uniform(0, 0.3))
        writer.kill()
        lines += writer.stdout.readlines()
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
        keep(indices, sizes, f"round {number}", lines)
        held(place, indices, sizes)
    assert len(indices) >= 4


@pytest.fixture
def own_server() -> Iterator[Server]:
    server = Server()
    try:
        yield server.start()
    finally:
        server.close()


def test_a_server_that_crashes_loses_nothing_that_was_promised(own_server: Server) -> None:
    """Two write; the server ends as if its process had crashed, and recovers when it starts."""
    place = own_server.database()
    Database.create(place).close()
    indices: dict[int, str] = {}
    sizes: list[int] = []
    for number in range(2):
        writers = [start(place, f"{number}{name}", 100_000, 7, stderr=PIPE) for name in "ab"]
        first = [writer.stdout.readline() for writer in writers if writer.stdout]
        time.sleep(0.2)
        own_server.stop(signal.SIGQUIT)
        rest = [writer.stdout.readlines() for writer in writers if writer.stdout]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stderr is not None
            writer.stdout.close()
            said = writer.stderr.read()
            writer.stderr.close()
            assert writer.wait(60) == 1
            assert said.count("errors.LedgerError: postgresql:///") == 1, said
            assert "s3cret" not in said
        own_server.start()
        for name, line, lines in zip("ab", first, rest, strict=True):
            keep(indices, sizes, f"{number}{name}", [line, *lines])
        held(place, indices, sizes)


def keep(indices: dict[int, str], sizes: list[int], name: str, lines: list[str]) -> None:
    """Write down what a writer was promised."""
    ranges, checkpoints = promised(lines)
    told = [index for first, last in ranges for index in range(first, last + 1)]
    assert not indices.keys() & set(told), "promised twice"
    indices |= {index: f"{name} {done}" for done, index in enumerate(told)}
    sizes += checkpoints


def held(place: Path | str, indices: dict[int, str], sizes: list[int]) -> None:
    """Everything that was ever promised is there, in a log that is whole."""
    names = check_whole(place)
    assert {index: names[index] for index in indices} == indices
    database = Database.open(place)
    with database.reading() as session:
        assert set(sizes) <= set(session.exec(select(CheckpointRow.size)))
    database.close()
