"""Hashes of whole batches are those of their leaves, whichever way they come about."""

import math
import random
import struct
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables_drawn import tables

from provenance.errors import InputError
from provenance.merkle import bulk
from provenance.records import batches, columns, map_value
from provenance.records.batches import hash_rows

ROOT = Path(__file__).parents[2]
NATIVE = [name for name in bulk.kernels() if name != "hashlib"]


@pytest.fixture(params=["extension", "compute"], scope="module")
def way(request):
    """Both ways in turn; each of them fails where it leaves to the third what it should do."""
    if request.param == "extension" and not NATIVE:
        pytest.skip("the extension was not built: its rows are not written")
    with pytest.MonkeyPatch.context() as patch:
        chosen = bulk.kernel_named("hashlib" if request.param == "compute" else "")
        patch.setattr(batches, "kernel", lambda: chosen)
        yield request.param


@pytest.fixture
def by_itself(way, monkeypatch):
    """Nothing is left to the Python code for whole batches."""

    def refused(*_, **__):
        raise AssertionError("left to the slow way")

    monkeypatch.setattr(batches, "batch_leaves", refused)


def reference(rows) -> bytes:
    return b"".join(sha256(b"\0" + rfc8785.dumps(map_value(row))).digest() for row in rows)


def leaf_by_leaf(batch) -> bytes:
    leaves = columns.batch_leaves(batch, "the batch", first_row=1)
    return b"".join(sha256(b"\0" + leaf).digest() for leaf in leaves)


def check(array: pa.Array):
    """Hold one column against the code that goes value by value; and slices of it."""
    batch = pa.record_batch({"v": array})
    wanted, found = leaf_by_leaf(batch), hash_rows(batch, "the batch", first_row=1)
    if wanted != found:
        at = next(i for i in range(len(array)) if wanted[32 * i :][:32] != found[32 * i :][:32])
        raise AssertionError(f"row {at}: {array[at]!r}")
    for start, length in ((1, 1), (3, 17), (len(array) // 2, len(array))):
        part = batch.slice(start, length)
        assert hash_rows(part, "", first_row=1) == wanted[32 * start :][: 32 * length]


# --- every type against the code for single values ------------------------------------------------

NOISE = random.Random(8785)


def integers(bits: int, low: int, high: int) -> list[int]:
    """Around every power of two and of ten, and anywhere between."""
    values = [
        s * (b**e + d) for b in (2, 10) for e in range(64) for d in range(-3, 4) for s in (1, -1)
    ]
    values += [low, high, *(NOISE.getrandbits(bits) >> NOISE.randrange(bits) for _ in range(2000))]
    return [value for value in values if low <= value <= high]


INTEGERS = {
    kind: integers(bits, 0, 2**bits - 1)
    if unsigned
    else integers(bits, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for bits in (8, 16, 32, 64)
    for unsigned in (False, True)
    for kind in [getattr(pa, f"{'u' if unsigned else ''}int{bits}")()]
}


def doubles() -> list[float]:
    values = [2.0**e for e in range(-1074, 1024)] + [10.0**e for e in range(-323, 309)]
    values += [math.nextafter(value, to) for value in values for to in (-math.inf, math.inf)]
    values += [struct.unpack("d", NOISE.randbytes(8))[0] for _ in range(4000)]
    values += [NOISE.random() * 10.0 ** NOISE.randrange(-9, 24) for _ in range(4000)]
    values += [float(NOISE.getrandbits(NOISE.randrange(1, 70))) for _ in range(2000)]
    values += [0.0, 5e-324, 2.2250738585072014e-308, 999999999999999900000.0, 1.5e-6, 1e-7]
    return [sign * value for value in values for sign in (1, -1)] + [math.nan]


UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
FIRST, LAST = -62_135_596_800, 253_402_300_799  # seconds of the years 0001 and 9999


def moments(per_second: int) -> list[int]:
    low, high = max(FIRST * per_second, -(2**63) + 1), min((LAST + 1) * per_second - 1, 2**63 - 1)
    values = [low, high, -1, 0, 1, per_second - 1, -per_second, 951_782_400 * per_second]
    return values + [NOISE.randint(low, high) // 10 ** NOISE.randrange(10) for _ in range(3000)]


def strings() -> list[str]:
    characters = [
        chr(c) for c in (*range(0x100), 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF)
    ]
    values = [*characters, "", *(c * n for c in ('"', "é", "😀", "\0", "a") for n in range(1, 20))]
    # An escape at each place of a word of eight bytes, and what stands just beside it in ASCII.
    values += [
        "x" * n + c + "x" * (17 - n) for n in range(17) for c in '"\\\n\x1f\x20!#[]\x7f\x80é'
    ]
    return values + ["".join(NOISE.choices(characters, k=NOISE.randrange(40))) for _ in range(500)]


def from_integers(values, storage: pa.DataType, kind: pa.DataType) -> pa.Array:
    return pa.array(values, storage).view(kind)


def arrays():
    for kind, values in INTEGERS.items():
        yield str(kind), pa.array(values, kind)
    yield "double", pa.array(doubles())
    yield "float", pa.array(np.frombuffer(NOISE.randbytes(20_000), np.float32))
    yield "half", pa.array(np.arange(2**16, dtype=np.uint16).view(np.float16))
    yield "bool", pa.array([True, False, True, True] * 20)
    yield "null", pa.nulls(50)
    yield "string", pa.array(strings())
    yield "large string", pa.array(strings(), pa.large_string())
    for unit, per_second in UNITS.items():
        for zone in (None, "UTC", "Asia/Kolkata"):
            kind = pa.timestamp(unit, zone)
            yield str(kind), from_integers(moments(per_second), pa.int64(), kind)
        anything = [
            NOISE.randint(-(2**63) + 1, 2**63 - 1) >> NOISE.randrange(63) for _ in range(3000)
        ]
        yield f"duration[{unit}]", from_integers(anything, pa.int64(), pa.duration(unit))
        storage, time = (pa.int32(), pa.time32) if unit in ("s", "ms") else (pa.int64(), pa.time64)
        clock = [
            0,
            86_400 * per_second - 1,
            *(NOISE.randrange(86_400 * per_second) for _ in range(999)),
        ]
        yield f"time[{unit}]", from_integers(clock, storage, time(unit))
    days = range(FIRST // 86_400, LAST // 86_400 + 1, 397)
    yield "date32", from_integers(days, pa.int32(), pa.date32())
    yield "date64", from_integers([d * 86_400_000 for d in days], pa.int64(), pa.date64())
    blobs = [NOISE.randbytes(n) for n in (*range(70), 1000)]
    yield "binary", pa.array(blobs)
    yield "large binary", pa.array(blobs, pa.large_binary())
    yield "binary(5)", pa.array([NOISE.randbytes(5) for _ in range(50)], pa.binary(5))
    yield "binary(0)", pa.array([b""] * 50, pa.binary(0))
    for kind, places in DECIMALS:
        bound = 10**places
        digits = [0, 1, -1, 10, 100, -120, bound - 1, 1 - bound, bound // 10, bound - bound // 10]
        digits += [
            NOISE.randrange(-bound, bound) // 10 ** NOISE.randrange(places) for _ in range(500)
        ]
        scaled = [Decimal(value).scaleb(-kind.scale) for value in digits]
        yield str(kind), pa.array(scaled, kind)


DECIMALS = [
    (pa.decimal32(9, 4), 9),
    (pa.decimal64(18, 18), 18),
    (pa.decimal128(20, 0), 20),
    (pa.decimal128(28, 5), 28),
    (pa.decimal128(28, 20), 28),
    (pa.decimal256(28, 7), 28),
]
ARRAYS = dict(arrays())


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_every_value_as_by_itself(by_itself, array):
    check(array)


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_nulls_among_them(by_itself, array):
    gaps = np.array(NOISE.choices([False, True], k=len(array)))
    check(pa.array([None] * len(array), array.type))
    check(
        pa.chunked_array([array.take(pa.array(np.arange(len(array)), mask=gaps))]).combine_chunks()
    )


@pytest.mark.parametrize(
    "index", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
@pytest.mark.parametrize("name", ["string", "double", "date32", "decimal128(28, 5)", "int64"])
def test_dictionaries(by_itself, name, index):
    values = pa.concat_arrays([ARRAYS[name].slice(5, 80), pa.nulls(1, ARRAYS[name].type)])
    codes = [None if NOISE.random() < 0.1 else NOISE.randrange(81) for _ in range(300)]
    coded = pa.DictionaryArray.from_arrays(pa.array(codes, index), values)
    check(coded)
    check(coded.slice(7, 40))  # fewer rows than the dictionary has values


def test_bounds_of_what_is_a_number():
    """The issue's own examples, so that the reference is held too."""
    batch = pa.record_batch({"v": pa.array([2**53 - 1, 2**53 + 1, 10**18, 2**63 - 1])})
    rows = [{"v": 2**53 - 1}, {"v": "9007199254740993"}, {"v": 1e18}, {"v": str(2**63 - 1)}]
    assert leaf_by_leaf(batch) == reference(rows)


# --- any table ------------------------------------------------------------------------------------


@given(drawn=tables(), start=st.integers(0, 6))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_table_against_rfc8785(way, drawn, start):
    rows, table = drawn
    for batch in table.to_batches():
        assert hash_rows(batch, "", first_row=1) == reference(rows)
        assert hash_rows(batch.slice(start), "", first_row=1) == reference(rows[start:])


def test_no_rows_and_no_columns(by_itself):
    empty = pa.record_batch({"a": pa.array([], pa.string()), "b": pa.array([], pa.int8())})
    assert hash_rows(empty, "", first_row=1) == b""
    bare = pa.table({"a": [1, 2, 3]}).select([]).to_batches()[0]
    assert hash_rows(bare, "", first_row=1) == sha256(b"\0{}").digest() * 3


def test_long_rows_and_many(by_itself):
    """Longer and more than what is hashed at once; escapes make them grow on the way."""
    texts = ['"' * n for n in (0, 1, 300_000, 7, 2**20, 0)] + ["a" * 600_000, "\0" * 100_001]
    check(pa.array(texts * 3))
    check(pa.array(range(5000)))


# --- what is wrong --------------------------------------------------------------------------------


def string_array(offsets, data: bytes, kind=None) -> pa.Array:
    kind = kind or pa.string()
    width = np.int64 if pa.types.is_large_string(kind) else np.int32
    ends = pa.py_buffer(np.array(offsets, width).tobytes())
    return pa.Array.from_buffers(kind, len(offsets) - 1, [None, ends, pa.py_buffer(data)])


BROKEN_UTF8 = [
    b"\xff",
    b"\x80",
    b"\xc2",
    b"\xc1\xbf",
    b"\xe0\x9f\xbf",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xc2a",
    b"\xe2\x82a",
    b"\xf0\x9f\x98a",
]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("broken", BROKEN_UTF8, ids=bytes.hex)
def test_what_is_not_utf8_is_named(way, broken, kind):
    for before in range(10):
        data = b"x" * before + broken
        batch = pa.record_batch({"v": string_array([0, 0, len(data)], data, kind)})
        with pytest.raises(InputError, match=r"^t, row 12, column 'v': not UTF-8$"):
            hash_rows(batch, "t", first_row=11)


@pytest.mark.parametrize("broken", BROKEN_UTF8, ids=bytes.hex)
def test_a_sequence_that_goes_on_in_the_next_value_is_none(way, broken):
    """A value ends where its offset says, whatever stands behind."""
    whole = "é€😀".encode()
    for cut in (1, 3, 4, 6, 7, 8):
        batch = pa.record_batch({"v": string_array([0, cut, len(whole)], whole)})
        with pytest.raises(InputError, match=r"^t, row 1, column 'v': not UTF-8$"):
            hash_rows(batch, "t", first_row=1)


A_YEAR = "a timestamp of a year outside 0001-9999"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (from_integers([0, LAST + 1], pa.int64(), pa.timestamp("s")), A_YEAR),
        (from_integers([0, FIRST - 1], pa.int64(), pa.timestamp("s", "UTC")), A_YEAR),
        (from_integers([0, -(2**63)], pa.int64(), pa.timestamp("s")), A_YEAR),
        (from_integers([0, (LAST + 1) * 10**6], pa.int64(), pa.timestamp("us")), A_YEAR),
        (from_integers([0, LAST // 86_400 + 1], pa.int32(), pa.date32()), "a date of a year"),
        (from_integers([0, FIRST // 86_400 - 1], pa.int32(), pa.date32()), "a date of a year"),
        (from_integers([0, 5], pa.int64(), pa.date64()), "a date that is not a whole day"),
        (from_integers([0, 86_400], pa.int32(), pa.time32("s")), "a time of day outside"),
        (from_integers([0, -1], pa.int64(), pa.time64("us")), "a time of day outside"),
        (from_integers([0, 86_400 * 10**9], pa.int64(), pa.time64("ns")), "a time of day outside"),
        (string_array([0, 1, 2], b"a\xff").dictionary_encode(), "not UTF-8"),
    ],
)
def test_a_value_that_cannot_be_mapped_is_named_by_row_and_column(way, array, message):
    batch = pa.record_batch({"good": [1] * len(array), "bad": array})
    with pytest.raises(InputError, match=f"^t, row 7, column 'bad': {message}"):
        hash_rows(batch, "t", first_row=6)
    fine = batch.slice(0, 1)
    assert hash_rows(fine, "t", first_row=6) == leaf_by_leaf(fine)


HOSTILE = {
    "back": string_array([0, 5, 1, 6], b"abcdef"),
    "beyond the last": string_array([0, 50_000, 6], b"abcdef"),
    "before the first": string_array([0, -5, 6], b"abcdef"),
    "large": string_array([0, 2**62, 6], b"abcdef", pa.large_string()),
    "before the dictionary": pa.DictionaryArray.from_arrays(pa.array([-1, 0]), ["a"], safe=False),
    "beyond the dictionary": pa.DictionaryArray.from_arrays(pa.array([1, 0]), ["a"], safe=False),
}


@pytest.mark.skipif(not NATIVE, reason="the extension was not built: its rows are not written")
@pytest.mark.parametrize("array", HOSTILE.values(), ids=HOSTILE)
def test_the_extension_follows_no_offset_that_leads_elsewhere(array):
    from provenance.native import kernel as extension

    batch = pa.record_batch({"v": array})
    batch.validate()
    assert extension.row_hashes(batch, [b"{", b"}"], b"\0") is None


@pytest.mark.skipif(not NATIVE, reason="the extension was not built: its rows are not written")
def test_what_the_extension_is_given():
    from provenance.native import kernel as extension

    batch = pa.record_batch({"v": ["1", None]})
    given = [b'{"v":', b"}"]
    found = extension.row_hashes(batch, given, b"\1")
    assert found == reference([{"v": 1}, {"v": None}])  # a text as it is
    assert extension.row_hashes(batch, given, b"\0") == reference([{"v": "1"}, {"v": None}])
    for name in NATIVE:
        assert extension.row_hashes(batch, given, b"\1", kernel=name) == found
    assert extension.row_hashes(pa.record_batch({"v": [1]}), given, b"\1") is None
    assert extension.row_hashes(batch, [b"{", b",", b"}"], b"\0\0") is None
    assert extension.row_hashes(pa.record_batch({"v": [[1]]}), given, b"\0") is None
    with pytest.raises(ValueError, match="3 pieces do not stand around 1 columns"):
        extension.row_hashes(batch, [*given, b""], b"\0")
    with pytest.raises(ValueError, match="no kernel 'abacus'"):
        extension.row_hashes(batch, given, b"\0", kernel="abacus")
    with pytest.raises(TypeError):
        extension.row_hashes(batch, ["{", "}"], b"\0")
    with pytest.raises(TypeError):
        extension.row_hashes(batch, tuple(given), b"\0")
    with pytest.raises(AttributeError):
        extension.row_hashes([1], given, b"\0")
    with pytest.raises(AttributeError):
        extension.writes("string")

    class Liar:
        def __arrow_c_array__(self):
            return 1, 2

        def __arrow_c_schema__(self):
            return None

    with pytest.raises((ValueError, TypeError)):
        extension.row_hashes(Liar(), given, b"\0")
    with pytest.raises((ValueError, TypeError)):
        extension.writes(Liar())


@pytest.mark.skipif(not NATIVE, reason="the extension was not built: its rows are not written")
def test_what_the_extension_writes():
    from provenance.native import kernel as extension

    assert all(extension.writes(array.type) for array in ARRAYS.values())
    assert extension.writes(pa.dictionary(pa.int8(), pa.string()))
    for kind in (
        pa.string_view(),
        pa.list_(pa.int8()),
        pa.struct([("a", pa.int8())]),
        pa.decimal128(5, -2),
        pa.month_day_nano_interval(),
        pa.dictionary(pa.int8(), pa.string_view()),
        pa.dictionary(pa.int8(), pa.dictionary(pa.int8(), pa.string())),
    ):
        assert not extension.writes(kind)


# --- under the sanitizers -------------------------------------------------------------------------

WATCHED = f"""
import pytest
import provenance.native

sys.modules[name] = provenance.native.kernel = extension
options = ["-q", "-p", "no:cacheprovider", "--hypothesis-profile", "watched"]
options += ["-k", "not compute and not sanitizers"]
sys.exit(pytest.main([*options, {__file__!r}]))
"""


def test_the_sanitizers_find_nothing(watched):
    """They watch every test above."""
    assert " passed" in watched.run(WATCHED, ROOT)
