"""One table, one root: whatever holds it. Oracles: RFC 9162 over rfc8785, and merkletools."""

import csv
import datetime as dt
import gzip
import io
import json
from decimal import Decimal

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import leaves, merkletools_root, read, reference_root, texts
from tables_drawn import tables

from provenance.merkle import EMPTY_ROOT
from provenance.records.opening import open_source

ROWS = [
    {
        "id": i,
        "text": f'row "{i}" — é😀\n',
        "score": i / 7,
        "whole": float(i),
        "big": 2**53 + i,
        "label": None if i % 5 == 0 else f"class-{i % 3}",
        "ok": i % 2 == 0,
        "price": Decimal(i).scaleb(-2),
        "blob": bytes([i % 256, 255]),
        "when": dt.datetime(2026, 1, 31, 12, 0, 0, 100 * i),
        "seen": dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC) + dt.timedelta(seconds=i),
        "day": dt.date(1970, 1, 1) + dt.timedelta(days=i - 100),
        "at": dt.time(1, 2, i % 60, i),
        "took": dt.timedelta(microseconds=i - 100),
        "tags": None if i % 4 == 0 else ["a", None, str(i)][: i % 4],
        "place": {"lat": i * 0.5, "names": [{"lang": "de", "n": i}]} if i % 3 else None,
    }
    for i in range(2500)
]
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("text", pa.string()),
        ("score", pa.float64()),
        ("whole", pa.float64()),
        ("big", pa.int64()),
        ("label", pa.string()),
        ("ok", pa.bool_()),
        ("price", pa.decimal128(12, 2)),
        ("blob", pa.binary()),
        ("when", pa.timestamp("us")),
        ("seen", pa.timestamp("us", tz="Europe/Berlin")),
        ("day", pa.date32()),
        ("at", pa.time64("us")),
        ("took", pa.duration("us")),
        ("tags", pa.list_(pa.string())),
        (
            "place",
            pa.struct(
                [
                    ("lat", pa.float64()),
                    ("names", pa.list_(pa.struct([("lang", pa.string()), ("n", pa.int32())]))),
                ]
            ),
        ),
    ]
)
TABLE = pa.Table.from_pylist(ROWS, schema=SCHEMA)
ROOT = reference_root(ROWS)


def is_the_table(data, **options) -> bool:
    result = read(data, **options)
    return (result.root, result.size) == (ROOT, len(ROWS))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table"


def test_list_of_dicts():
    assert is_the_table(ROWS)
    assert is_the_table(iter(ROWS))


def test_merkletools_agrees():
    for count in (1, 2, 3, 5, 100, 257):
        assert read(ROWS[:count]).root == merkletools_root(leaves(ROWS[:count]))
        assert read(ROWS[:count]).root == reference_root(ROWS[:count])


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
@pytest.mark.parametrize("row_group_size", [7, 1000, 10_000])
@pytest.mark.parametrize("dictionary", [True, False])
def test_parquet(path, codec, row_group_size, dictionary):
    file = path.with_suffix(".parquet")
    pq.write_table(
        TABLE, file, compression=codec, row_group_size=row_group_size, use_dictionary=dictionary
    )
    assert is_the_table(file)


def test_parquet_versions(path):
    file = path.with_suffix(".parquet")
    for version, pages in (("1.0", "1.0"), ("2.6", "2.0")):
        # version 1.0 has no unsigned or nanosecond types; both have all of these
        pq.write_table(TABLE, file, version=version, data_page_version=pages, store_schema=True)
        assert is_the_table(file)


def test_dictionary_columns_are_decoded(path):
    coded = TABLE.set_column(
        5,
        pa.field("label", pa.dictionary(pa.int8(), pa.string())),
        TABLE["label"].dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())),
    )
    assert is_the_table(coded)
    file = path.with_suffix(".parquet")
    pq.write_table(coded, file)
    assert is_the_table(file)


@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
@pytest.mark.parametrize("batch_rows", [33, 100_000])
@pytest.mark.parametrize("suffix", [".arrow", ".feather"])
@pytest.mark.parametrize("new", [pa.ipc.new_file, pa.ipc.new_stream])
def test_arrow_ipc(path, codec, batch_rows, suffix, new):
    file = path.with_suffix(suffix)
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with new(file, SCHEMA, options=options) as writer:
        writer.write_table(TABLE, max_chunksize=batch_rows)
    assert is_the_table(file)


def test_feather(path):
    file = path.with_suffix(".feather")
    pyarrow.feather.write_feather(TABLE, str(file))
    assert is_the_table(file)


def test_arrow_in_memory():
    assert is_the_table(TABLE)
    assert is_the_table(TABLE.to_reader(max_chunksize=100))
    assert is_the_table(TABLE.combine_chunks().to_batches()[0])
    halves = pa.concat_tables([TABLE.slice(0, 1111), TABLE.slice(1111)])
    assert is_the_table(halves)


def test_pandas():
    assert is_the_table(TABLE.to_pandas())
    assert is_the_table(TABLE.to_pandas(types_mapper=pd.ArrowDtype))
    shuffled_index = TABLE.to_pandas().set_index(pd.Index(range(len(ROWS), 0, -1)))
    assert is_the_table(shuffled_index)


def test_polars():
    frame = pl.from_arrow(TABLE)
    assert is_the_table(frame)
    assert is_the_table(frame.with_columns(pl.col("label").cast(pl.Categorical)))
    assert is_the_table(frame.rechunk())


def test_jsonl(path):
    """Canonical, and as somebody else writes it: other order, spaces, escapes, CRLF, no last LF."""
    canonical = path.with_suffix(".jsonl")
    canonical.write_bytes(b"".join(leaf + b"\n" for leaf in leaves(ROWS)))
    assert is_the_table(canonical)
    rows = [json.loads(text) for text in texts(ROWS)]
    loose = [json.dumps(dict(reversed(row.items())), ensure_ascii=True) for row in rows]
    canonical.write_bytes("\r\n".join(loose).encode())
    assert is_the_table(canonical)
    packed = path.with_suffix(".jsonl.gz")
    half = len(loose) // 2  # two gzip members in one file, as `cat a.gz b.gz` makes
    members = "\n".join(loose[:half]) + "\n", "\n".join(loose[half:])
    packed.write_bytes(b"".join(gzip.compress(member.encode()) for member in members))
    assert is_the_table(packed)
    assert is_the_table(canonical.read_bytes(), encoding="json")


FLAT = ["id", "text", "score", "ok", "price", "when", "seen", "day"]


def test_csv_with_the_schema_of_the_table(path):
    table = TABLE.select(FLAT)
    file = path.with_suffix(".csv")
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(FLAT)
        writer.writerows([[str(row[name]) for name in FLAT] for row in ROWS])
    result = read(file, schema=read(table).schema)
    assert result.root == read(table).root
    assert result.schema == read(table).schema
    assert read(file).root != result.root


def test_shards_and_joined_tables(tmp_path):
    folder = tmp_path / "shards"
    (folder / "deep").mkdir(parents=True)
    parts = [TABLE.slice(0, 900), TABLE.slice(900, 1), TABLE.slice(901)]
    paths = [folder / "a.parquet", folder / "b.parquet", folder / "deep" / "a.parquet"]
    for part, path in zip(parts, paths, strict=True):
        pq.write_table(part, path)
    assert is_the_table(folder)
    assert read(folder).digests == {}
    assert is_the_table(paths, together=True)
    assert is_the_table([folder], together=True)
    assert not is_the_table(paths[::-1], together=True)
    jsonl = tmp_path / "rest.jsonl"
    jsonl.write_bytes(b"\n".join(leaves(parts[2])))
    assert is_the_table([*paths[:2], jsonl], together=True)


@pytest.mark.parametrize("data", [[], TABLE.slice(0, 0), TABLE.slice(0, 0).to_pandas(), b""])
def test_an_empty_data_set(data):
    result = read(data)
    assert (result.root, result.size) == (EMPTY_ROOT.hex(), 0)


def test_rows_without_columns():
    assert texts([{}, {}]) == ["{}", "{}"]
    assert texts(pa.table({"a": [1, 2]}).select([])) == ["{}", "{}"]


# --- any table ------------------------------------------------------------------------------------


@given(tables(least_columns=1), st.integers(0, 5))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_columns_and_rows_make_the_same_leaves(drawn, start):
    """Column by column from Arrow, slices of it too, as value by value from Python."""
    rows, table = drawn
    assert leaves(table) == leaves(rows)
    assert leaves(table.slice(start)) == leaves(rows[start:])
    file = io.BytesIO()
    pq.write_table(table, file)
    assert leaves(pq.read_table(file)) == leaves(rows)


def test_blocks_hold_whole_hashes_in_order():
    rows = [{"i": i} for i in range(10_000)]
    blocks = list(open_source(rows).leaf_hash_blocks())
    assert [len(block) // 32 for block in blocks] == [4096, 4096, 10_000 - 8192]
