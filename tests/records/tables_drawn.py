"""Tables drawn by hypothesis: columns of any type, nulls among their values."""

import datetime as dt

import pyarrow as pa
from hypothesis import strategies as st

COLUMNS = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.int8(): st.integers(-128, 127),
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.string(): st.text(),
    pa.large_string(): st.text(),
    pa.string_view(): st.text(),
    pa.binary(): st.binary(),
    pa.large_binary(): st.binary(),
    pa.bool_(): st.booleans(),
    pa.decimal128(30, 5): st.decimals(-(10**24), 10**24, allow_nan=False, places=5),
    pa.timestamp("us"): st.datetimes(),
    pa.timestamp("us", tz="UTC"): st.datetimes(timezones=st.just(dt.UTC)),
    pa.date32(): st.dates(),
    pa.time64("us"): st.times(),
    pa.duration("us"): st.timedeltas(dt.timedelta(-(10**6)), dt.timedelta(10**6)),
    pa.list_(pa.int32()): st.lists(st.none() | st.integers(-9, 9), max_size=3),
    pa.map_(pa.string(), pa.int8()): st.dictionaries(st.text(), st.integers(-9, 9), max_size=3),
}


@st.composite
def tables(draw, *, least_columns=0):
    """Draw rows, and the table that they make."""
    names = draw(st.lists(st.text(), unique=True, min_size=least_columns, max_size=6))
    kinds = [draw(st.sampled_from(list(COLUMNS))) for _ in names]
    column = {n: st.none() | COLUMNS[kind] for n, kind in zip(names, kinds, strict=True)}
    rows = draw(st.lists(st.fixed_dictionaries(column), max_size=6))
    schema = pa.schema(zip(names, kinds, strict=True))
    if not names:
        return rows, pa.table({"x": [0] * len(rows)}).select([])
    return rows, pa.Table.from_pylist(rows, schema=schema).combine_chunks()
