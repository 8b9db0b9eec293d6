"""Append real envelopes in batches, on SQLite and PostgreSQL, against the bare driver.

Signed statements of about 1.4 KB, as foreign signers send them, go through `Ledger.submit_all`
from several threads: read, their form and signatures checked, admitted, appended, catalogued.
Meanwhile a reader asks for proofs and tiles. Then two peers write the same bytes, read back from
the finished ledger before the clock runs, in batches of the same size, each committed with the
same durability (`synchronous = FULL` in WAL, `synchronous_commit = on`), by the driver's
`executemany` alone:

- `same tables`: entry, envelope, mention and facet with every index that the ledger has;
- `bare tables`: the same columns with primary keys alone.

::

    python tests/soak/append.py FOLDER --count 1000000

What is done is kept in FOLDER, so a run that was broken off goes on where it stopped; nothing is
made twice, since what was logged is not logged again. Needs 8 GB of disk for each million.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sqlite3
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import make_url
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import SQLModel

import provenance
from provenance.ledger.indexing import index_rows
from provenance.log import Entry, TilePath
from provenance.log.log import Log
from provenance.merkle import CompactRange, check_inclusion
from provenance.records import ARTIFACT_DIGEST, JSON, Artifact
from provenance.signing import Envelope, PrivateKey, sign
from provenance.statements import Dataset, Statement, Subject

sys.path.insert(0, str(Path(__file__).parents[1]))
from postgres import Server

KEY = PrivateKey(Ed25519PrivateKey.from_private_bytes(sha256(b"soak").digest()))
ORIGIN = "soak.example/append"
TABLES = ("entry", "envelope", "mention", "facet")
SCHEMA = {"id": "int64", "text": "string", "score": "double", "seen": "timestamp[us, tz=UTC]"}


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folder", type=Path, help="of the run; it goes on where it stopped")
    options.add_argument("--count", type=int, default=1_000_000)
    options.add_argument("--batch", type=int, default=2_000)
    options.add_argument("--threads", type=int, default=3)
    options.add_argument("--on", choices=["sqlite", "postgresql"], nargs="*")
    given = options.parse_args()
    given.folder.mkdir(exist_ok=True)
    given.folder.chmod(0o755)  # PostgreSQL's user passes through
    make_envelopes(given.folder, given.count, given.batch)
    print(HEAD, flush=True)
    for name in given.on or ("sqlite", "postgresql"):
        folder = given.folder / name
        folder.mkdir(exist_ok=True)
        server = Server(folder, shared_buffers="256MB") if name == "postgresql" else None
        try:
            report(name, run(given, folder, server and server.start()), given)
        finally:
            if server is not None:
                server.close()


# --- the envelopes ------------------------------------------------------------------------------


def envelope(number: int) -> bytes:
    """One registration of a data set, as another tool's pipeline would sign it."""

    def fixed(use: str) -> bytes:
        return sha256(f"{use} {number}".encode()).digest()

    artifact = Artifact(root=fixed("root"), size=1000 + number, encoding=JSON)
    predicate = Dataset(
        nonce=fixed("nonce")[:16],
        issued="2026-01-31T12:00:00.123Z",
        artifact=artifact,
        source=f"s3://acme-lake/raw/2026/01/{number:09}.parquet",
        provider="Acme Data GmbH",
        collected="2025-12, by crawler 4.1",
        license="CC-BY-4.0",
        metadata={"pipeline": "nightly", "run": str(number), "rows": 1000 + number},
        schema=dict(SCHEMA),
    )
    digest = {ARTIFACT_DIGEST: artifact.digest_hex, "sha256": fixed("file").hex()}
    subject = Subject(name=f"train-{number:09}.parquet", digest=digest)
    statement = Statement(subjects=(subject,), predicate=predicate)
    return sign(statement.to_bytes(), [KEY]).to_bytes()


def make_envelopes(folder: Path, count: int, batch: int) -> None:
    """Make the files of all batches that are missing, on every core."""
    (folder / "batches").mkdir(exist_ok=True)
    firsts = range(0, count, batch)
    jobs = [(path_of(folder, first), first, min(batch, count - first)) for first in firsts]
    missing = [job for job in jobs if not job[0].exists()]
    if missing:
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(make_batch, missing))
        print(f"signed {sum(job[2] for job in missing):,} envelopes", flush=True)


def path_of(folder: Path, first: int) -> Path:
    return folder / "batches" / f"{first:09}"


def make_batch(job: tuple[Path, int, int]) -> None:
    path, first, count = job
    draft = path.with_suffix(".new")
    draft.write_bytes(b"\n".join(envelope(number) for number in range(first, first + count)))
    draft.rename(path)


# --- the ledger and the peers -------------------------------------------------------------------


def run(given: argparse.Namespace, folder: Path, server: Server | None) -> dict[str, Any]:
    """Do what is missing of one database's part; return every figure."""
    kept = folder / "figures.json"
    figures: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}

    def keep(name: str, figure: Any) -> None:
        figures[name] = figure
        kept.write_text(json.dumps(figures))

    with opened(folder, server, figures, keep) as ledger:
        if "ledger" not in figures:
            keep("ledger", load(ledger, given, folder))
        if "whole" not in figures:
            keep("whole", check_whole(ledger, given))
    for peer in ("same tables", "bare tables"):
        if peer not in figures:
            keep(peer, write_peer(peer, given, folder, server, figures["url"]))
    return figures


def opened(folder: Path, server: Server | None, figures: dict[str, Any], keep: Any) -> Any:
    if "url" not in figures:
        shutil.rmtree(folder / ".provenance", ignore_errors=True)
        if server is not None:
            server.run("DROP DATABASE IF EXISTS ours")
            server.run("CREATE DATABASE ours")
        url = server.url("ours") if server else None
        with provenance.Ledger.init(folder, origin=ORIGIN, database=url) as made:
            made.add_key(KEY.public, name="pipeline")
        keep("url", url)
    return provenance.Ledger.open(folder)


def load(ledger: provenance.Ledger, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Submit every batch; return when each was through, and the reader's waits.

    After a break the batches that were not written down are sent again: what was logged of them
    is found, so their time counts and nothing is there twice.
    """
    done_file = folder / "done.jsonl"
    done_file.touch()
    done = [json.loads(line) for line in done_file.read_text().splitlines()]
    spent = max((seconds for _, seconds in done), default=0.0)
    known = {first for first, _ in done}
    todo = iter([first for first in range(0, given.count, given.batch) if first not in known])
    lock, failed, stop = threading.Lock(), list[BaseException](), threading.Event()
    waits: dict[str, list[float]] = {"proof": [], "tile": []}
    begun = time.perf_counter() - spent

    def submit() -> None:
        try:
            while not failed:
                with lock:
                    first = next(todo, None)
                if first is None:
                    return
                batch = path_of(given.folder, first).read_bytes().split(b"\n")
                indices = ledger.submit_all(batch)
                assert indices == list(range(indices[0], indices[0] + len(batch)))
                with lock, done_file.open("a") as file:
                    file.write(json.dumps([first, time.perf_counter() - begun]) + "\n")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=submit) for _ in range(given.threads)]
    reader = threading.Thread(target=read, args=(ledger, stop, waits, failed))
    for thread in (*threads, reader):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    reader.join()
    if failed:
        raise failed[0]
    ends = sorted(json.loads(line)[1] for line in done_file.read_text().splitlines())
    return {"ends": ends, "waits": waits}


def read(
    ledger: provenance.Ledger,
    stop: threading.Event,
    waits: dict[str, list[float]],
    failed: list[BaseException],
) -> None:
    """Twenty times a second, sign what there is now and then, and ask for a proof and a tile."""
    chosen = random.Random(1)
    try:
        for turn in range(1 << 60):
            if stop.wait(0.05):
                return
            if turn % 20 == 0:
                ledger.checkpoint()
            with ledger._database.reading() as session:
                log = Log(session, ledger.origin)
                size = ledger_size(log)
                index = chosen.randrange(size)
                start = time.perf_counter()
                proof = log.prove_inclusion(index, size)
                waits["proof"].append(time.perf_counter() - start)
                check_inclusion(
                    leaf_hash=log.entry(index).leaf_hash,
                    index=index,
                    size=size,
                    path=proof.path,
                    root=log.root(size),
                )
                start = time.perf_counter()
                log.tile(TilePath(0, index // 256, min(256, size - index // 256 * 256)), size)
                waits["tile"].append(time.perf_counter() - start)
    except BaseException as error:
        failed.append(error)


def ledger_size(log: Log) -> int:
    note = log.latest_checkpoint()
    assert note is not None
    return int(note.splitlines()[1])


def check_whole(ledger: provenance.Ledger, given: argparse.Namespace) -> int:
    """Hold the log to its entries and to the files; return its size."""
    with ledger._database.reading() as session:
        log = Log(session, ledger.origin)
        size = log.size
        assert size == 3 + given.count, size
        tree = CompactRange()
        seen = set()
        for leaf in log.leaves(size):
            entry = Entry.parse(leaf)
            tree.append(entry.leaf_hash)
            seen.add(entry.envelope_hash)
        assert tree.root() == log.root(size), "the tree is not that of the entries"
        assert len(seen) == size, "an envelope is there twice"
        for first in range(0, given.count, given.batch):
            for each in path_of(given.folder, first).read_bytes().split(b"\n"):
                assert sha256(each).digest() in seen, "an envelope is lost"
    return size


def write_peer(
    peer: str, given: argparse.Namespace, folder: Path, server: Server | None, url: str | None
) -> list[float]:
    """Write the finished ledger's rows by the driver alone; return when each batch was done."""
    name = peer.split()[0]
    source: Any
    target: Any
    if server is None:
        path = folder / f"{name}.db"
        for each in folder.glob(f"{name}.db*"):
            each.unlink()
        source = sqlite3.connect(folder / ".provenance/ledger.db")
        target = sqlite3.connect(path)
        target.execute("PRAGMA journal_mode = WAL")
        target.execute("PRAGMA synchronous = FULL")
    else:
        server.run(f"DROP DATABASE IF EXISTS {name}")
        server.run(f"CREATE DATABASE {name}")
        source, target = psycopg.connect(url or ""), psycopg.connect(server.url(name))
        target.execute("SET synchronous_commit = on")
    for statement in schema(server is not None, indexed=peer == "same tables"):
        target.execute(statement)
    target.commit()
    ends, spent = [], 0.0
    cursor = target.cursor()
    for first in range(0, given.count + 3, given.batch):
        rows = [list(rows_of(source, table, first, first + given.batch)) for table in TABLES]
        start = time.perf_counter()
        for table, values in zip(TABLES, rows, strict=True):
            marks = ", ".join(["?" if server is None else "%s"] * len(values[0]))
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
        target.commit()
        spent += time.perf_counter() - start
        ends.append(spent)
    source.close()
    target.close()
    if server is None:
        for each in folder.glob(f"{name}.db*"):
            each.unlink()
    else:
        server.run(f"DROP DATABASE {name}")
    return ends


def rows_of(source: Any, table: str, first: int, end: int) -> Iterator[tuple[Any, ...]]:
    if table == "facet":  # they do not lie by entry
        return iter(sorted(facets_of(rows_of(source, "envelope", first, end))))
    key = "entry" if table == "mention" else '"index"'
    return source.execute(  # type: ignore[no-any-return]
        f"SELECT * FROM {table} WHERE {key} >= {first} AND {key} < {end} ORDER BY {key}"
    )


def facets_of(envelopes: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    for entry, data in envelopes:
        envelope = Envelope.parse(bytes(data))
        statement, digest = Statement.parse(envelope.payload), sha256(data).digest()
        found = index_rows(statement, keyids=envelope.keyids, envelope_hash=digest)
        yield from ((facet, value, entry) for facet, value in found.facets)


def schema(on_server: bool, *, indexed: bool) -> Iterator[str]:
    """The ledger's own tables as SQL, with or without what is beside their primary keys."""
    dialect = make_url("postgresql+psycopg://" if on_server else "sqlite://").get_dialect()()
    for name in TABLES:
        table = SQLModel.metadata.tables[name]
        sql = str(CreateTable(table).compile(dialect=dialect))
        if not indexed:
            sql = sql.replace(", \n\tUNIQUE (submission)", "")
            assert "UNIQUE" not in sql
        yield sql
        for index in sorted(table.indexes, key=lambda each: str(each.name)) if indexed else ():
            ddl = CreateIndex(index)
            if index._ddl_if is None or index._ddl_if.dialect == dialect.name:
                yield str(ddl.compile(dialect=dialect))


# --- what it came to ----------------------------------------------------------------------------

HEAD = """\
| | entries | appends/s | first tenth | last tenth | same tables, rows/s | reached | bare tables \
| reached | proof, median / 99 % | tile |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""


def report(name: str, figures: dict[str, Any], given: argparse.Namespace) -> None:
    """Print one row of the table."""
    ends = figures["ledger"]["ends"]
    tenth = max(1, len(ends) // 10)
    first = tenth * given.batch / ends[tenth - 1]
    last = tenth * given.batch / (ends[-1] - (ends[-tenth - 1] if len(ends) > tenth else 0))
    rate = given.count / ends[-1]
    peers = [given.count / figures[peer][-1] for peer in ("same tables", "bare tables")]
    print(
        f"| {name} | {figures['whole']:,} | {rate:,.0f} | {first:,.0f} | {last:,.0f} "
        + "".join(f"| {peer:,.0f} | {rate / peer:.0%} " for peer in peers)
        + "".join(f"| {told(figures['ledger']['waits'][kind])} " for kind in ("proof", "tile"))
        + "|",
        flush=True,
    )


def told(waits: list[float]) -> str:
    if len(waits) < 2:
        return "–"
    cuts = statistics.quantiles(waits, n=100)
    return f"{cuts[49] * 1000:.1f} / {cuts[98] * 1000:.1f} ms"


if __name__ == "__main__":
    main()
