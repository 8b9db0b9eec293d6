"""Ask for every audit page of a ledger of a million entries, and what the database does for it.

To a log as `history.py` writes it come a data set, a step, a model, and an anchor that covers all.
Each page is asked for once the server has been asked for any, and told of:

- its bytes, as they are sent;
- what SQLite's virtual machine did for it, in thousands of instructions: no clock, so that one run
  is as good as another;
- milliseconds, the median of several.

At last a real browser opens the first page, where there is a Chromium: what it loads, and how long
until one can use it.

::

    python tests/soak/pages.py FOLDER --count 10000 1000000

What is written is kept in FOLDER, so a run that was broken off goes on where it stopped. Needs 4 GB
of disk for a million.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import history
import httpx
from sqlalchemy import event
from sqlalchemy.engine import Engine

sys.path.insert(0, str(Path(__file__).parents[1]))
from serving import serving

from api import create_app
from provenance import Ledger

ROWS = [{"id": number, "text": f"review {number}"} for number in range(1000)]
TIMES = 9
GRAIN = 10
"""Instructions of SQLite's virtual machine between two calls of a progress handler."""


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folder", type=Path, help="of the run; it goes on where it stopped")
    options.add_argument("--count", type=int, nargs="*", default=[10_000, 1_000_000])
    given = options.parse_args()
    given.folder.mkdir(exist_ok=True)
    found = {count: measured(given.folder / str(count), count) for count in given.count}
    print(head(given.count))
    for name in next(iter(found.values())):
        print(row(name, [figures[name] for figures in found.values()]), flush=True)
    if shutil.which("chromium"):
        for count in given.count:
            with Ledger.open(given.folder / str(count)) as ledger:
                print(f"\n{count:,} entries: {opened(ledger)}", flush=True)


# --- the ledger -----------------------------------------------------------------------------------


def write(folder: Path, count: int) -> None:
    """Make the ledger, or what is missing of it."""
    history.write(folder, count)
    with Ledger.open(folder) as ledger:
        if (folder / "anchored").exists():
            return
        rows = ledger.register(ROWS, name="reviews")
        with ledger.step("train", inputs=[rows]) as step:
            step.output(b"weights" * 1000, name="net", kind="model")
        ledger.quality(rows, metrics={"nulls": 0}, criteria={"nulls": "<= 0"})
        ledger.anchor()
    (folder / "anchored").touch()


def pages(ledger: Ledger, count: int) -> dict[str, str]:
    """Return the path of each page, by its name."""
    rows, hub = ledger.resolve("reviews").digest, history.artifact(0).digest_hex
    last = history.artifact(count // 2 - 2).digest_hex
    middle = f"{count // 2}"
    return {
        "overview": "/",
        "artifacts": "/artifacts",
        "artifacts of a kind": "/artifacts?kind=model",
        "artifact": f"/artifacts/{rows}",
        "artifact of which a fifth is made": f"/artifacts/{hub}",
        "its history": f"/artifacts/{hub}/history",
        "history, end of the diamonds": f"/artifacts/{last}/history",
        "record": f"/artifacts/{rows}/records/7",
        "report": f"/artifacts/{rows}/report",
        "report, of which a fifth is made": f"/artifacts/{hub}/report",
        "log": "/log",
        "log, its middle": f"/log?below={middle}",
        "entry": f"/log/{middle}",
        "anchors": "/anchors",
        "search for a name": "/search?q=reviews",
        "search for a digest": f"/search?q={last}",
        "search in vain": f"/search?q={'ab' * 32}",
        "sign-in": "/signin",
    }


# --- what is measured -----------------------------------------------------------------------------


class Figures(NamedTuple):
    """Of a page: bytes, instructions of SQLite's virtual machine, seconds."""

    size: int
    instructions: int
    seconds: float


class Instructions:
    """What SQLite did on all connections that were opened in `counted`."""

    def __init__(self) -> None:
        self.count = 0

    def tick(self) -> None:
        self.count += GRAIN


@contextmanager
def counted() -> Iterator[Instructions]:
    """Count what SQLite does on connections that are opened meanwhile."""
    instructions = Instructions()

    def watch(connection: Any, _: object) -> None:
        connection.set_progress_handler(instructions.tick, GRAIN)

    event.listen(Engine, "connect", watch)
    try:
        yield instructions
    finally:
        event.remove(Engine, "connect", watch)


def measured(folder: Path, count: int, times: int = TIMES) -> dict[str, Figures]:
    """Return the figures of each page, by its name."""
    write(folder, count)
    found = {}
    with (
        counted() as instructions,
        Ledger.open(folder) as ledger,
        serving(create_app(ledger, public=True)) as url,
        httpx.Client(base_url=url, timeout=600) as http,
    ):
        http.get("/")
        for name, path in pages(ledger, count).items():
            before = instructions.count
            answer = http.get(path)
            if answer.status_code != 200:
                raise ValueError(f"{path} answered {answer.status_code}: {answer.text}")
            done, waits = instructions.count - before, []
            for _ in range(times):
                begin = time.perf_counter()
                http.get(path)
                waits.append(time.perf_counter() - begin)
            found[name] = Figures(len(answer.content), done, statistics.median(waits))
    return found


def opened(ledger: Ledger) -> str:
    """Tell what a browser loads to show the first page, and how long until one can use it."""
    from playwright.sync_api import sync_playwright

    with serving(create_app(ledger, public=True)) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.goto(f"{url}/", wait_until="networkidle")
        timing, *others = page.evaluate(
            "['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))"
            ".map(entry => entry.toJSON())"
        )
        browser.close()
    sent = sum(entry["transferSize"] for entry in (timing, *others))
    return (
        f"{1 + len(others)} answers of {sent / 1000:.1f} kB in all, interactive after "
        f"{timing['domInteractive']:.0f} ms, whole after {timing['loadEventEnd']:.0f} ms"
    )


# --- what it came to ------------------------------------------------------------------------------


def head(counts: list[int]) -> str:
    cells = "".join(f" {count:,} entries: kB | instructions | ms |" for count in counts)
    return f"| page |{cells}\n|---|{'---:|' * 3 * len(counts)}"


def row(name: str, figures: list[Figures]) -> str:
    cells = [
        f"{page.size / 1000:.1f} | {page.instructions / 1000:,.1f}k | {page.seconds * 1000:.1f}"
        for page in figures
    ]
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
