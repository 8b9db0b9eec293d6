"""Work in numbered chunks on all cores, counted, and kept: how a soak of many cases runs.

A chunk is a number. What it does follows from the seed and the number alone, so a run that was
broken off does the chunks that are missing, and ends with the same counts.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path


def run(
    folder: Path, name: str, chunks: int, work: Callable[[int], Counter[str]], processes: int
) -> Counter[str]:
    """Count what `work` returns for chunks 0 … `chunks` - 1; `folder` keeps what was counted.

    Args:
        folder: of the run.
        name: of what is counted, with everything in it that changes a chunk: the seed, say.
        chunks: how many.
        work: a function of a module, so that another process finds it.
        processes: how many work at once.
    """
    kept = folder / f"{name}.json"
    counted: dict[str, dict[str, int]] = json.loads(kept.read_text()) if kept.exists() else {}
    missing = [number for number in range(chunks) if str(number) not in counted]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for number, counts in zip(missing, pool.imap(work, missing), strict=True):
            counted[str(number)] = counts
            partial = kept.with_suffix(".partial")
            partial.write_text(json.dumps(counted))
            partial.replace(kept)
    total: Counter[str] = Counter()
    for number in range(chunks):
        total.update(counted[str(number)])
    return total


def processes() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))
