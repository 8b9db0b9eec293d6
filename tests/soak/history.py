"""Walk through the history of a million statements, and grade it, on SQLite and PostgreSQL.

A log of a realistic shape is written, of steps and of what they made, half and half:

- a hub, of which a fifth of all is made at once: 100,000 artifacts in a log of a million;
- chains of a thousand steps each, two fifths of all;
- two fifths in diamonds: layers of 50 artifacts, each made of two of the layer before; after 40
  layers anew. One in 50 is a model, and some are batches of outputs.

Statements and their index go the ledger's own way into the log (`Log.extend`, `Catalog.add`),
without the signatures: a walk reads them, and does not check them. PostgreSQL gets the same rows.

Then, each in a new process: first pages of 100 statements, back and onward, of random artifacts;
pages of the hub further on; and the whole impact of the hub.

::

    python tests/soak/history.py FOLDER --count 10000 1000000

What is done is kept in FOLDER, so a run that was broken off goes on where it stopped. Needs 6 GB of
disk for a million.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from sqlmodel import SQLModel

import provenance
from provenance.ledger.catalog import Catalog, FacetRow, MentionRow
from provenance.ledger.indexing import index_rows
from provenance.log.log import Log
from provenance.log.store import Database, EntryRow, EnvelopeRow, TileRow, insert
from provenance.log.submission import Submission
from provenance.records import ARTIFACT_DIGEST, JSON, Artifact
from provenance.signing import Envelope, Signature
from provenance.statements import ArtifactRef, Dataset, Model, Outputs, Statement, Step, Subject

sys.path.insert(0, str(Path(__file__).parents[1]))
from postgres import Server

ORIGIN = "soak.example/history"
TIME = "2026-01-31T12:00:00.123Z"
BATCH = 5_000
ASKED = 200
"""Random artifacts; one for each hundred of fewer than 20,000 statements."""

PAGE = 100
TABLES: tuple[type[SQLModel], ...] = (EntryRow, EnvelopeRow, TileRow, MentionRow, FacetRow)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folder", type=Path, help="of the run; it goes on where it stopped")
    options.add_argument("--count", type=int, nargs="*", default=[10_000, 1_000_000])
    options.add_argument("--measure", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.measure:
        print(json.dumps(MEASURES[given.measure](given.folder, given.count[0])))
        return
    given.folder.mkdir(exist_ok=True)
    given.folder.chmod(0o755)  # PostgreSQL's user passes through
    print(HEAD, flush=True)
    server = Server.again(given.folder / "server")
    try:
        for count in given.count:
            made = given.folder / f"sqlite-{count}"
            write(made, count)
            copied = given.folder / f"postgresql-{count}"
            copy(made, copied, server, f"history_{count}")
            for name, folder in (("sqlite", made), ("postgresql", copied)):
                print(row(name, count, measured(folder, count)), flush=True)
    finally:
        server.close()


# --- the log --------------------------------------------------------------------------------------


def artifact(number: int) -> Artifact:
    return Artifact(root=sha256(b"%d" % number).digest(), size=1000 + number, encoding=JSON)


def digests(number: int) -> dict[str, str]:
    return {ARTIFACT_DIGEST: artifact(number).digest_hex}


def parents(number: int, count: int, chosen: random.Random) -> tuple[int, ...]:
    """Of which artifacts one is made, of `count`: none for a source. The hub is number 0."""
    fan, chains = count // 5, count * 3 // 5
    if number <= fan:
        return (0,) if number else ()
    if number <= chains:
        return () if (number - fan) % 1000 == 1 else (number - 1,)
    layer, _ = divmod(number - chains - 1, 50)
    if layer % 40 == 0:
        return ()
    before = chains + 1 + (layer - 1) * 50
    return tuple(sorted({chosen.randrange(before, before + 50) for _ in range(2)}))


def statements(count: int) -> Iterator[Statement]:
    """Yield `count` statements: of each artifact what it is, and the step that made it."""
    chosen = random.Random(count)
    each = iter(range(count))  # more than are needed
    left = count
    for number in each:
        made_of = parents(number, count // 2, chosen)
        stamp = {"nonce": sha256(b"nonce %d" % number).digest()[:16], "issued": TIME}
        subjects = (Subject(name=f"artifact-{number}", digest=digests(number)),)
        described = {**stamp, "artifact": artifact(number)}
        inputs = tuple(
            ArtifactRef(name=f"artifact-{source}", digest=digests(source)) for source in made_of
        )
        if made_of and number % 50 == 1 and (number - 1) % 100 and number > count // 4:
            yield Statement(subjects=subjects, predicate=Outputs(**described, model=inputs[0]))
            left -= 1
        else:
            form = Model if number % 50 == 0 else Dataset
            yield Statement(subjects=subjects, predicate=form(**described))
            left -= 1
            if made_of and left:
                step = Step(
                    **stamp,
                    name="transform",
                    inputs=inputs,
                    parameters={"threshold": 0.9},
                    started=TIME,
                    finished=TIME,
                    outcome="succeeded",
                )
                yield Statement(subjects=subjects, predicate=step)
                left -= 1
        if not left:
            return


def write(folder: Path, count: int) -> None:
    """Make the ledger, or what is missing of it."""
    if not (folder / "whole").exists():
        if not (folder / "begun").exists():
            shutil.rmtree(folder, ignore_errors=True)
            with provenance.Ledger.init(folder, origin=ORIGIN) as ledger:
                begun = ledger.size()
            (folder / "begun").write_text(str(begun))
        with provenance.Ledger.open(folder) as ledger:
            append(ledger, count, int((folder / "begun").read_text()))
        (folder / "whole").touch()


def append(ledger: provenance.Ledger, count: int, begun: int) -> None:
    """Append what the log does not have yet, beyond the entries that it began with."""
    database, signer = ledger._database, ledger.policy().signers[0]
    signatures = (Signature(keyid=signer.key.keyid, sig=bytes(64)),)
    left = islice(statements(count), ledger.size() - begun, None)
    while batch := list(islice(left, BATCH)):
        leaves, rows = [], []
        for statement in batch:
            envelope = Envelope(payload=statement.to_bytes(), signatures=signatures)
            leaves.append(Submission(envelope, statement).leaf)
            digest = sha256(leaves[-1].envelope).digest()
            rows.append(index_rows(statement, keyids=envelope.keyids, envelope_hash=digest))
        with database.writing() as session:
            log = Log(session, ORIGIN)
            Catalog(session).add(log.size, rows)
            log.extend(leaves)


def copy(made: Path, folder: Path, server: Server, name: str) -> None:
    """Put the rows of a ledger into a database of PostgreSQL, of a ledger that is there for it."""
    if (folder / "whole").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    server.run(f"DROP DATABASE IF EXISTS {name}")
    server.run(f"CREATE DATABASE {name}")
    provenance.Ledger.init(folder, origin=ORIGIN, database=server.url(name)).close()
    database = Database.open(server.url(name))
    with closing(sqlite3.connect(made / ".provenance/ledger.db")) as source:
        for table in TABLES:
            rows = source.execute(f"SELECT * FROM {table.__tablename__}")
            with database.writing() as session:
                session.connection().exec_driver_sql(f"DELETE FROM {table.__tablename__}")
            while batch := rows.fetchmany(50_000):
                if table is MentionRow:  # the one truth value that SQLite keeps as a number
                    batch = [(*each[:-1], bool(each[-1])) for each in batch]
                with database.writing() as session:
                    insert(session, table, batch)
    database.close()
    for table in TABLES:
        server.run(f"VACUUM ANALYZE {table.__tablename__}", name)
    (folder / "whole").touch()


# --- what is measured, each in a process of its own -----------------------------------------------


def measured(folder: Path, count: int) -> dict[str, Any]:
    kept = folder / "figures.json"
    figures: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    for name in MEASURES:
        if name not in figures:
            done = subprocess.run(
                [sys.executable, __file__, folder, "--count", str(count), "--measure", name],
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            figures[name] = json.loads(done.stdout)
            kept.write_text(json.dumps(figures))
    return figures


def first_pages(folder: Path, count: int) -> dict[str, list[float]]:
    """Seconds of the first page of random artifacts, each way, after one that is not counted."""
    chosen = random.Random(1)
    found: dict[str, list[float]] = {"history": [], "descendants": []}
    with provenance.Ledger.open(folder) as ledger:
        newest = ledger.size() // 2
        for at in range(min(ASKED, count // 100) + 1):
            ref = artifact(chosen.randrange(newest - 1)).digest_hex
            for way, times in found.items():
                begin = time.perf_counter()
                getattr(ledger, way)(ref, limit=PAGE)
                if at:
                    times.append(time.perf_counter() - begin)
    return found


def further_pages(folder: Path, count: int) -> list[float]:
    """Seconds of every page of the hub's descendants, up to the fan's end."""
    found, cursor = [], None
    with provenance.Ledger.open(folder) as ledger:
        hub = artifact(0).digest_hex
        for _ in range(0, count // 10, 1000):
            begin = time.perf_counter()
            page = ledger.descendants(hub, limit=1000, cursor=cursor)
            found.append(time.perf_counter() - begin)
            cursor = page.next_cursor
    return found


def impact(folder: Path, count: int) -> dict[str, Any]:
    """Seconds of the impact of the hub and of the page after the first, and memory in MB."""
    with provenance.Ledger.open(folder) as ledger:
        ref = artifact(0).digest_hex
        ledger.history(ref, limit=1)
        before = peak()
        begin = time.perf_counter()
        page = ledger.impact(ref, limit=PAGE)
        first = time.perf_counter() - begin
        begin = time.perf_counter()
        if page.next_cursor:
            ledger.impact(ref, limit=PAGE, cursor=page.next_cursor)
        second = time.perf_counter() - begin
        used = peak() - before
    return {
        "descendants": sum(page.kinds.values()),
        "first": first,
        "second": second,
        "memory": used / 1024,
    }


def peak() -> int:
    """The most memory that this process has had so far, in KB; Linux tells."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


MEASURES = {"first": first_pages, "further": further_pages, "impact": impact}

# --- what it came to ------------------------------------------------------------------------------

HEAD = """\
| | statements | history, first page: median / 99 % | descendants | hub, first page | its last \
| impact of the hub | seconds | next page | memory |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""


def row(name: str, count: int, figures: dict[str, Any]) -> str:
    """Return one row of the table."""
    pages, found = figures["further"], figures["impact"]
    cells = [
        name,
        f"{count:,}",
        *(told(figures["first"][way]) for way in ("history", "descendants")),
        *(f"{seconds * 1000:,.0f} ms" for seconds in (pages[0], pages[-1])),
        f"{found['descendants']:,}",
        f"{found['first']:.2f} s",
        f"{found['second'] * 1000:,.0f} ms",
        f"{found['memory']:,.0f} MB",
    ]
    return f"| {' | '.join(cells)} |"


def told(waits: list[float]) -> str:
    cuts = statistics.quantiles(waits, n=100)
    return f"{cuts[49] * 1000:.1f} / {cuts[98] * 1000:.1f} ms"


if __name__ == "__main__":
    main()
