"""The data of the contests: made from seeds, once, and kept in the folder of the benchmark.

What was made appears under its name only when it is whole, so a run that was broken off makes again
only what is missing.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

BLOCK = 1 << 20
RECORD = 200
"""Bytes of a record."""


def made(path: Path, make: Callable[[Path], None]) -> None:
    """Make what is to lie at `path`, unless it does, and read it, so that it is in memory."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.new")
        if draft.is_dir():
            shutil.rmtree(draft)
        make(draft)
        os.sync()  # or the disk would be written to while the first contestants run
        draft.rename(path)
    buffer = bytearray(BLOCK)
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file():
            with file.open("rb", buffering=0) as opened:
                while opened.readinto(buffer):
                    pass


def make_files(folder: Path, count: int, size: int) -> None:
    """Write files of `size` random bytes, 1,000 to a folder."""
    for number in range(count):
        path = folder / f"{number // 1000:03}" / f"{number:06}.bin"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(random.Random(number).randbytes(size))


def make_file(path: Path, size: int) -> None:
    """Write a file of `size` random bytes."""
    source = random.Random(1)
    with path.open("wb") as file:
        for at in range(0, size, BLOCK):
            file.write(source.randbytes(min(BLOCK, size - at)))


def make_rows(path: Path, count: int) -> None:
    """Write a Parquet file of `count` rows in eight columns, as a data set of texts has them.

    Names, scores, labels, texts with escapes and letters beyond ASCII, nulls, integers beyond what
    a double holds.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    begin = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 10**6)
    words = ["data", "näive", 'a "quoted" word', "tab\t", "模型", "provenance", "\\", "row"]
    fields = {
        "id": pa.int64(),
        "hash": pa.int64(),
        "text": pa.string(),
        "label": pa.string(),
        "score": pa.float64(),
        "weight": pa.float32(),
        "checked": pa.bool_(),
        "at": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema(list(fields.items()))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, count, 1 << 16):
            rows = range(first, min(first + (1 << 16), count))
            source = random.Random(first)
            columns = {
                "id": list(rows),
                "hash": [source.getrandbits(63) for _ in rows],
                "text": [" ".join(source.choices(words, k=12)) for _ in rows],
                "label": [source.choice(["yes", "no", None]) for _ in rows],
                "score": [source.gauss(0, 1) for _ in rows],
                "weight": [source.random() for _ in rows],
                "checked": [source.random() < 0.5 for _ in rows],
                "at": [begin + number * 1_234_567 for number in rows],
            }
            arrays = [pa.array(columns[name], kind) for name, kind in fields.items()]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
