"""Values of Arrow types, and what a table must not hold."""

import datetime as dt
import struct
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import leaves, read, texts

from provenance.errors import InputError
from provenance.merkle import bulk, leaf_hash, parallel
from provenance.records import batches, columns
from provenance.records.opening import open_source

MAP = pa.map_(pa.string(), pa.int64())


def union() -> pa.Array:
    kinds = pa.array([0, 1], pa.int8())
    return pa.UnionArray.from_sparse(kinds, [pa.array([1, 2]), pa.array(["a", "b"])])


def interval() -> pa.Array:
    return pa.array([pa.MonthDayNano([1, 2, 3])], pa.month_day_nano_interval())


def run_ends() -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", None]))


def map_with_coded_keys() -> pa.Array:
    keys = pa.array(["b", "a"]).dictionary_encode()
    return pa.MapArray.from_arrays([0, 2], keys, pa.array([1, 2]))


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (pa.array([0.1, None], pa.float32()), ["0.10000000149011612", "null"]),
        (pa.array(np.array([0.1, np.nan], np.float16)), ["0.0999755859375", '"NaN"']),
        (pa.array([float("inf"), -0.0]), ['"Infinity"', "0"]),
        (pa.array([2**64 - 1, 2**53], pa.uint64()), ['"18446744073709551615"', "9007199254740992"]),
        (pa.array([2**53 + 1]), ['"9007199254740993"']),
        (pa.array([None, None]), ["null", "null"]),
        (pa.array([True, None]), ["true", "null"]),
        (pa.array(["a"], pa.large_string()), ['"a"']),
        (pa.array(["a", None], pa.string_view()), ['"a"', "null"]),
        (pa.array([b"\xff"], pa.binary_view()), ['"/w=="']),
        (pa.array([b"\xff"], pa.large_binary()), ['"/w=="']),
        (pa.array([b"ab"], pa.binary(2)), ['"YWI="']),
        (pa.array([Decimal("1.50"), None], pa.decimal128(5, 2)), ['"1.5"', "null"]),
        (pa.array([Decimal("-0.00")], pa.decimal256(50, 2)), ['"0"']),
        (pa.array([Decimal(1200)], pa.decimal128(5, -2)), ['"1200"']),
        (pa.array([1], pa.timestamp("s")), ['"1970-01-01T00:00:01"']),
        (pa.array([-1], pa.timestamp("ms")), ['"1969-12-31T23:59:59.999"']),
        (pa.array([1500], pa.timestamp("us", "+02:00")), ['"1970-01-01T00:00:00.0015Z"']),
        (pa.array([-1], pa.timestamp("ns")), ['"1969-12-31T23:59:59.999999999"']),
        (pa.array([-(10**18) - 1], pa.timestamp("ns")), ['"1938-04-24T22:13:19.999999999"']),
        (pa.array([-1], pa.date32()), ['"1969-12-31"']),
        (pa.array([86_400_000, None], pa.date64()), ['"1970-01-02"', "null"]),
        (pa.array([3661], pa.time32("s")), ['"01:01:01"']),
        (pa.array([100], pa.time32("ms")), ['"00:00:00.1"']),
        (pa.array([86_399_999_999_999], pa.time64("ns")), ['"23:59:59.999999999"']),
        (pa.array([-90], pa.duration("s")), ['"-PT90S"']),
        (pa.array([1], pa.duration("ms")), ['"PT0.001S"']),
        (pa.array([-1], pa.duration("ns")), ['"-PT0.000000001S"']),
        (pa.array([["a", None], None, []]), ['["a",null]', "null", "[]"]),
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), ["[1,2]", "null"]),
        (pa.array([[1], None, []], pa.large_list(pa.int8())), ["[1]", "null", "[]"]),
        (pa.array([[1], None, []], pa.list_view(pa.int8())), ["[1]", "null", "[]"]),
        (pa.array([{"b": 1, "a": None}, None]), ['{"a":null,"b":1}', "null"]),
        (pa.array([{}, {}], pa.struct([])), ["{}", "{}"]),
        (pa.array([[("b", 1), ("a", 2)], None, []], MAP), ['{"a":2,"b":1}', "null", "{}"]),
        (pa.array(["x", None, "x"]).dictionary_encode(), ['"x"', "null", '"x"']),
        (pa.array([dt.date(2026, 1, 1)]).dictionary_encode(), ['"2026-01-01"']),
        (pa.DictionaryArray.from_arrays([2, None], ["x", "y", "z"]), ['"z"', "null"]),
        (map_with_coded_keys(), ['{"a":2,"b":1}']),
        (run_ends(), ['"a"', '"a"', "null"]),
        (pa.array([b"0" * 16], pa.uuid()), ['"MDAwMDAwMDAwMDAwMDAwMA=="']),
        (pa.array(['{"a": 1}'], pa.json_()), [r'"{\"a\": 1}"']),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_values(array, values):
    expected = [f'{{"v":{value}}}' for value in values]
    table = pa.table({"v": array})
    assert texts(table) == expected
    # Slices of arrays share their buffers, offsets and dictionaries with the whole.
    padded = pa.table({"v": pa.concat_arrays([array, array, array])})
    assert texts(padded.slice(len(array), len(array))) == expected


class Exporter:
    """What any library may give: an Arrow stream, and no length."""

    def __arrow_c_stream__(self, requested_schema=None):
        return pa.table({"a": [1, 2]}).__arrow_c_stream__(requested_schema)


def test_whatever_exports_an_arrow_stream():
    source = open_source(Exporter())
    assert source.total is None
    assert list(source.leaves()) == [b'{"a":1}', b'{"a":2}']


def test_column_names_that_look_like_templates():
    names = ["%", "%s", "\0", "\x000\0", '"', "{", "é", "\U0001f600", "\ufb33", ""]
    row = {name: i for i, name in enumerate(names)}
    assert leaves(pa.Table.from_pylist([row])) == leaves([row])


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_batches_are_cut_by_bytes_too(monkeypatch, rows):
    table = pa.table({"i": range(1000), "l": [[i, i] for i in range(1000)]})
    monkeypatch.setattr(columns, "_TEXT_BYTES", rows * table.nbytes // 1000)
    assert leaves(table) == leaves(table.to_pylist())


def test_schema_says_what_the_rows_hold():
    coded = pa.array(["x"]).dictionary_encode()
    table = pa.table({"d": coded, "l": pa.array([["a"]], pa.large_list(pa.large_string()))})
    table = table.append_column("s", pa.array([{"a": 1}])).append_column("m", pa.array([None], MAP))
    assert read(table).schema == {
        "d": "string",
        "l": "list<string>",
        "s": "struct<a: int64>",
        "m": "map<string, int64>",
    }


def test_schema_of_shards_names_every_type(tmp_path):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [None], "b": ["y"]}), tmp_path / "2.parquet")
    assert read(tmp_path).schema == {"a": "int64 | null", "b": "string"}


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (interval(), "the column 'bad' has the type month_day_nano_interval"),
        (union(), "the column 'bad' has the type sparse_union"),
        (pa.ListArray.from_arrays([0, 2], union()), "the column 'bad' has the type sparse_union"),
        (pa.array([[(1, 2)]], pa.map_(pa.int8(), pa.int8())), "a map whose keys are not strings"),
        (
            pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]),
            "a struct with two fields of one name",
        ),
    ],
)
def test_a_column_that_cannot_be_mapped(array, message, tmp_path):
    table = pa.table({"good": pa.nulls(len(array)), "bad": array})
    with pytest.raises(InputError, match="the Table given: ") as caught:
        open_source(table)
    assert message in str(caught.value)
    file = tmp_path / "t.arrow"
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(InputError, match=r"t\.arrow: ") as caught:
        read(file)
    assert message in str(caught.value)


def test_a_parquet_column_that_cannot_be_mapped(tmp_path):
    keys = pa.table({"good": [1], "bad": pa.array([[(1, 2)]], pa.map_(pa.int8(), pa.int8()))})
    pq.write_table(keys, tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet: the column 'bad' is a map whose keys"):
        read(tmp_path / "t.parquet")


def test_nesting_is_limited():
    kind = pa.int8()
    for _ in range(70):
        kind = pa.list_(kind)
    with pytest.raises(InputError, match="the column 'deep' nests deeper than 64 levels"):
        open_source(pa.table({"deep": pa.array([None], kind)}))


def test_columns_of_one_name():
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(InputError, match="the Table given has two columns named 'a'"):
        open_source(table)
    with pytest.raises(InputError, match="the DataFrame given cannot be made an Arrow table"):
        open_source(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_frames_that_arrow_cannot_take():
    with pytest.raises(InputError, match="the DataFrame given cannot be made an Arrow table"):
        open_source(pd.DataFrame({"a": [1, "x", object()]}))
    with pytest.raises(InputError, match="the DataFrame given cannot be made an Arrow table"):
        open_source(pl.DataFrame({"a": pl.Series([2**100], dtype=pl.Int128)}))
    with pytest.raises(InputError, match="no records in a LazyFrame"):
        open_source(pl.LazyFrame({"a": [1]}))
    with pytest.raises(InputError, match="the Series given cannot be made an Arrow table"):
        open_source(pd.Series([1]))


def not_utf8() -> pa.Array:
    offsets = pa.py_buffer(np.array([0, 1, 2], np.int32).tobytes())
    return pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"a\xff"))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (pa.array([0, 2**60], pa.timestamp("s")), "a timestamp of a year outside 0001-9999"),
        (pa.array([0, -62135596801], pa.timestamp("s")), "a timestamp of a year outside"),
        (pa.array([0, 2**30], pa.date32()), "a date of a year outside 0001-9999"),
        (pa.array([0, 5], pa.int64()).view(pa.date64()), "a date that is not a whole day"),
        (pa.array([0, 86_400], pa.int32()).view(pa.time32("s")), "a time of day outside"),
        (pa.array([0, -1], pa.int64()).view(pa.time64("us")), "a time of day outside"),
        (pa.array([[("a", 1)], [("a", 1), ("a", 2)]], MAP), "a map with the same key twice"),
        (not_utf8(), "not UTF-8"),
        (pa.array([[0], [2**60]], pa.list_(pa.timestamp("s"))), "a timestamp of a year outside"),
    ],
)
def test_a_value_that_cannot_be_mapped_is_named_by_row_and_column(array, message, tmp_path):
    fill = pa.concat_arrays([array.slice(0, 1)] * 3000)
    table = pa.table({"good": [1] * 3002, "bad": pa.concat_arrays([fill, array])})
    with pytest.raises(InputError) as caught:
        read(table)
    assert str(caught.value).startswith(f"the Table given, row 3002, column 'bad': {message}")
    with pa.ipc.new_file(tmp_path / "t.arrow", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(InputError, match=r"t\.arrow, row 3002, column 'bad': "):
        read(tmp_path / "t.arrow")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather"])
@pytest.mark.parametrize("damage", [b"", b"PAR1", b"ARROW1", b"FEA1....", b"\0" * 100])
def test_files_that_are_no_tables(tmp_path, suffix, damage):
    file = tmp_path / f"t{suffix}"
    file.write_bytes(damage)
    with pytest.raises(InputError, match=rf"t{suffix} (cannot be read|is a Feather file)"):
        read(file)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_tables_that_were_cut(tmp_path, suffix):
    file = tmp_path / f"t{suffix}"
    table = pa.table({"a": [str(i) for i in range(10_000)]})
    if suffix == ".parquet":
        pq.write_table(table, file)
    else:
        with pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    whole = file.read_bytes()
    for length in (10, len(whole) // 2, len(whole) - 30):
        file.write_bytes(whole[:length])
        with pytest.raises(InputError, match=rf"t{suffix} cannot be read"):
            read(file)


def hostile(old: bytes, new: bytes, array: pa.Array) -> bytes:
    """An Arrow file of one column, in which `new` stands in the place of `old`."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, pa.schema([("a", array.type)])) as writer:
        writer.write_batch(pa.record_batch([array], ["a"]))
    whole = sink.getvalue().to_pybytes()
    assert whole.count(old) == 1
    return whole.replace(old, new)


def int32s(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


@pytest.mark.parametrize(
    ("array", "old", "new"),
    [
        (pa.array([b"abc", b"def"]), int32s(0, 3, 6), int32s(0, 3, 2000)),
        (pa.array([b"abc", b"def"]), int32s(0, 3, 6), int32s(0, 3, 1)),
        (pa.array([[1], [2, 3]]), int32s(0, 1, 3), int32s(0, 1, 99)),
        (pa.array(["x", "y", "y"]).dictionary_encode(), int32s(0, 1, 1), int32s(-1, 1, 1)),
        (pa.array(["x", "y", "y"]).dictionary_encode(), int32s(0, 1, 1), int32s(77, 1, 1)),
    ],
    ids=["beyond the end", "backwards", "a list", "before the dictionary", "beyond the dictionary"],
)
def test_an_arrow_file_that_leads_elsewhere_is_refused(tmp_path, array, old, new):
    """Else its rows hold what lies in memory behind it, or the process dies of it."""
    file = tmp_path / "t.arrow"
    file.write_bytes(hostile(old, new, array))
    with pytest.raises(InputError, match=r"t\.arrow cannot be read"):
        read(file)


@pytest.mark.parametrize("name", ["", "hashlib"])
@pytest.mark.parametrize("cores", [1, 4])
@pytest.mark.parametrize(
    ("rows", "damage", "message"),
    [
        ((0, 0, 0), False, None),
        ((0, 2, 1), False, "row 30003, column 'v': a date of a year outside 0001-9999"),
        ((0, 0, 2), True, "row 60003, column 'v': a date of a year outside 0001-9999"),
        ((0, 0, 0), True, "cannot be read: "),
    ],
)
def test_hashes_and_leaves_are_refused_alike(
    tmp_path, monkeypatch, name, cores, rows, damage, message
):
    """The first thing that is wrong is named, however many batches are read ahead of it."""
    chosen = bulk.kernel_named(name)
    monkeypatch.setattr(batches, "kernel", lambda: chosen)
    monkeypatch.setattr(parallel, "cores", lambda: cores)
    file = tmp_path / "t.arrow"
    with pa.ipc.new_file(file, pa.schema({"v": pa.date32(), "n": pa.string()})) as writer:
        for bad in rows:
            days = pa.array([1, 1, 2**30 if bad else 1, *[1] * 29_997], pa.int32())
            text = pa.array(["x"] * 29_999 + ["\0END"])
            writer.write_batch(pa.record_batch([days.view(pa.date32()), text], ["v", "n"]))
        writer.write_batch(pa.record_batch([days.view(pa.date32()), text], ["v", "n"]))
    whole = file.read_bytes()
    if damage:  # the last batch leads out of itself
        ends = int32s(29_998, 29_999, 30_003)
        at = whole.rindex(ends)
        file.write_bytes(whole[: at + 8] + int32s(2**30) + whole[at + 12 :])
    source = open_source(file)
    if message is None:
        found = b"".join(source.leaf_hash_blocks())
        assert found == b"".join(map(leaf_hash, leaves(file)))
        return
    with pytest.raises(InputError, match=f"t\\.arrow(, | ){message}") as hashing:
        list(source.leaf_hash_blocks())
    with pytest.raises(InputError) as reading:
        leaves(file)
    assert str(hashing.value) == str(reading.value)


def test_a_decimal_of_no_scale(tmp_path):
    kind = pa.decimal128(5, 1000)
    number = pa.array([1]).cast(pa.decimal128(20, 0))
    odd = pa.Array.from_buffers(kind, 1, number.buffers())
    with pytest.raises(InputError, match="row 1, column 'a': a decimal of a scale that none has"):
        read(pa.table({"a": odd}))


def test_flipped_bits_in_a_parquet_file_never_escape_as_foreign_errors(tmp_path):
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [str(i) for i in range(500)], "b": range(500)}), file)
    whole = file.read_bytes()
    for at in range(4, len(whole), 37):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            read(file)
        except InputError as error:
            assert "t.parquet" in str(error)  # noqa: PT017 - a bit in the padding changes nothing
