"""The mapping of values and its text. Oracles: rfc8785, and the numbers of RFC 8785 appendix B."""

import datetime as dt
import enum
import json
import struct
from collections import OrderedDict
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import InputError, MalformedError
from provenance.forms import MAX_DEPTH
from provenance.records import canonical_row, map_value, parse_row
from provenance.records.canonical import number_text, object_text

TEXT = st.text(max_size=6)
ZONES = st.sampled_from([None, dt.UTC, ZoneInfo("Europe/Berlin"), dt.timezone(dt.timedelta(0, 1))])
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
JSON_ROWS = st.dictionaries(TEXT, JSON_VALUES, max_size=5)
VALUES = st.recursive(
    JSON_VALUES
    | st.floats()
    | st.binary()
    | st.decimals()
    | st.datetimes(timezones=ZONES)
    | st.dates()
    | st.times()
    | st.timedeltas(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=5,
)
ROWS = st.dictionaries(TEXT, VALUES, max_size=5)


def text_of(value) -> str:
    return canonical_row({"v": value}).decode().removeprefix('{"v":').removesuffix("}")


def nested(levels: int):
    value = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


# --- properties -----------------------------------------------------------------------------------


@given(JSON_ROWS)
def test_text_of_json_values_is_rfc_8785_of_the_mapped_ones(row):
    assert canonical_row(row) == rfc8785.dumps(map_value(row))


def is_within_years(value) -> bool:
    try:
        map_value(value)
    except InputError as error:
        return "outside 0001-9999" not in str(error)
    return True


@given(ROWS.filter(is_within_years))
def test_text_of_any_values_is_rfc_8785_of_the_mapped_ones(row):
    assert canonical_row(row) == rfc8785.dumps(map_value(row))


@given(ROWS.filter(is_within_years))
def test_canonical_text_canonicalises_to_itself(row):
    leaf = canonical_row(row)
    assert canonical_row(parse_row(leaf)) == leaf


@given(JSON_ROWS, st.sampled_from([None, 2]))
def test_a_row_typed_by_hand_reaches_the_same_leaf(row, indent):
    typed = json.dumps(row, indent=indent, ensure_ascii=bool(indent))
    assert canonical_row(parse_row(typed)) == canonical_row(row)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_those_of_rfc8785(value):
    assert number_text(value).encode() == rfc8785.dumps(value)


@given(st.integers(min_value=-(10**24), max_value=10**24))
def test_an_integer_is_a_number_iff_its_double_has_the_same_digits(value):
    digits = rfc8785.dumps(float(value)).decode()
    assert text_of(value) == (digits if digits == str(value) else f'"{value}"')


@given(JSON_ROWS)
def test_an_object_of_texts_is_the_text_of_the_object(row):
    assert object_text({name: text_of(value) for name, value in row.items()}) == (
        canonical_row(row).decode()
    )


@given(st.dictionaries(st.text(), st.none()))
def test_keys_are_sorted_as_rfc8785_sorts_them(row):
    assert canonical_row(row) == rfc8785.dumps(row)


# --- examples -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("double", "text"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555554", "333333333.33333325"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
        ("7ff8000000000000", '"NaN"'),
        ("7ff0000000000000", '"Infinity"'),
        ("fff0000000000000", '"-Infinity"'),
    ],
)
def test_numbers_of_appendix_b(double, text):
    assert text_of(struct.unpack(">d", bytes.fromhex(double))[0]) == text


class Colour(str, enum.Enum):  # noqa: UP042 - the old way to write it, which people have
    RED = "red"


UTC = dt.UTC
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (2**53 - 1, "9007199254740991"),
        (2**53, "9007199254740992"),
        (2**53 + 1, '"9007199254740993"'),
        (2**60, '"1152921504606846976"'),
        (-(2**63), '"-9223372036854775808"'),
        (10**20, "100000000000000000000"),
        (10**21, '"1000000000000000000000"'),
        (1.0, "1"),
        (float(np.float32(0.1)), "0.10000000149011612"),
        (np.float32(0.1), "0.10000000149011612"),
        (np.float16(0.1), "0.0999755859375"),
        (np.float64(0.1), "0.1"),
        (np.int64(-7), "-7"),
        (np.uint64(2**63), '"9223372036854775808"'),
        (np.bool_(True), "true"),
        (np.array([[1, 2], [3, 4]], np.int8), "[[1,2],[3,4]]"),
        (np.array([np.nan, 1], np.float32), '["NaN",1]'),
        (Colour.RED, '"red"'),
        (Decimal("1.200"), '"1.2"'),
        (Decimal("1.2E+3"), '"1200"'),
        (Decimal("120"), '"120"'),
        (Decimal("-0.00"), '"0"'),
        (Decimal("1E-7"), '"0.0000001"'),
        (Decimal("NaN"), '"NaN"'),
        (Decimal("-Infinity"), '"-Infinity"'),
        (b"\x00\xff", '"AP8="'),
        (bytearray(b"ab"), '"YWI="'),
        ((1, "a"), '[1,"a"]'),
        (OrderedDict(b=1, a=2), '{"a":2,"b":1}'),
        (dt.datetime(2026, 1, 31, 12), '"2026-01-31T12:00:00"'),
        (dt.datetime(2026, 1, 31, 12, 0, 0, 120000, UTC), '"2026-01-31T12:00:00.12Z"'),
        (dt.datetime(2026, 7, 1, 1, tzinfo=BERLIN), '"2026-06-30T23:00:00Z"'),
        (dt.datetime(1, 1, 1), '"0001-01-01T00:00:00"'),
        (pd.Timestamp("2026-01-31 00:00:00.123456789"), '"2026-01-31T00:00:00.123456789"'),
        (pd.Timestamp("2026-01-31", tz="UTC"), '"2026-01-31T00:00:00Z"'),
        (pd.NaT, "null"),
        (pd.NA, "null"),
        (dt.date(2026, 1, 31), '"2026-01-31"'),
        (dt.time(9, 5), '"09:05:00"'),
        (dt.time(9, 5, 0, 50), '"09:05:00.00005"'),
        (dt.timedelta(0), '"PT0S"'),
        (dt.timedelta(days=-1, milliseconds=1), '"-PT86399.999S"'),
        (pd.Timedelta(-1500, "ns"), '"-PT0.0000015S"'),
        ('\u20ac\r\n"\x07\x7f\U0001f600', '"€\\r\\n\\"\\u0007\x7f😀"'),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_values(value, text):
    assert text_of(value) == text


def test_null_is_not_a_missing_key():
    assert canonical_row({"a": None}) != canonical_row({})


def test_keys_sort_by_utf_16_code_units():
    """U+1F600 is above U+FB33 as a code point and below it in UTF-16 (RFC 8785, section 3.2.3)."""
    assert canonical_row({"\ufb33": 1, "\U0001f600": 2}) == '{"😀":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("-0", "0"),
        ("1.0", "1"),
        ("1e2", "100"),
        ("-0.0", "0"),
        ("100000000000000000000", "100000000000000000000"),
        ("1152921504606847000", "1152921504606847000"),
        ("1152921504606846976", '"1152921504606846976"'),
        ("9" * 5000, f'"{"9" * 5000}"'),
        ("1e-400", "0"),
    ],
    ids=lambda value: value[:20],
)
def test_tokens(token, text):
    assert canonical_row(parse_row(f'{{"v":{token}}}')).decode() == f'{{"v":{text}}}'


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a":1,"b":{"c":1,"c":2}}', "names 'c' twice in one object"),
        (b'{"a":"\xff"}', "is not UTF-8 at byte 6"),
        (b'{"a":"\xed\xa0\x80"}', "is not UTF-8 at byte 6"),
        (b'{"a":"\\ud800"}', "holds an unpaired surrogate"),
        (b'{"\\udc00":1}', "holds an unpaired surrogate"),
        ('{"a":"\udc00"}', "holds an unpaired surrogate"),
        (b'{"a":NaN}', 'holds NaN, which is not JSON; write "NaN"'),
        (b'{"a":-Infinity}', "holds -Infinity"),
        (b'{"a":1e999}', "beyond the range of a double"),
        (b'{"a":01}', "is not JSON: Expecting ',' delimiter at character 7"),
        (b'{"a":1,}', "is not JSON"),
        (b"{'a':1}", "is not JSON"),
        (b'{"a":"\t"}', "is not JSON: Invalid control character"),
        (b'{"a":1} {"a":2}', "is not JSON: Extra data at character 9"),
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b'\xef\xbb\xbf{"a":1}', "starts with a byte order mark"),
        (b'{"a":' + b"[" * 100_000, "nests deeper than 64 levels"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_text_that_is_not_strict_json(text, message):
    with pytest.raises(MalformedError, match=r"x\.jsonl, row 7 ") as caught:
        parse_row(text, "x.jsonl, row 7")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1], "is not an object but a list"),
        ("a", "is not an object but a string"),
        (None, "is not an object but null"),
        (1.5, "is not an object but a number"),
        (True, "is not an object but true or false"),
        (object(), "is not an object but a object"),
        ({1: "a"}, "the key 1 is not a string"),
        ({"a": {None: 1}}, "the key None is not a string"),
        ({"a": object()}, "no JSON form for a value of type object"),
        ({"a": {1, 2}}, "no JSON form for a value of type set"),
        ({"a": 1j}, "no JSON form for a value of type complex"),
        ({"a": np.datetime64("2026-01-01")}, r"no JSON form for a numpy value of type datetime64"),
        ({"a": np.longdouble(1)}, "no JSON form for a numpy value of type float128"),
        ({"a": "\ud800"}, "holds an unpaired surrogate"),
        ({"\udc00": 1}, "holds an unpaired surrogate"),
        ({"a": dt.time(1, tzinfo=UTC)}, "a time of day with a time zone"),
        ({"a": dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-1)))}, "the year"),
        ({"a": Decimal("1E+999999")}, "a decimal of more than 10,000 digits"),
    ],
)
def test_rows_without_a_leaf(row, message):
    with pytest.raises(InputError, match=r"t\.csv, row 3") as caught:
        canonical_row(row, "t.csv, row 3")
    assert message in str(caught.value)


def test_an_integer_too_long_to_write_out():
    with pytest.raises(InputError, match="the record: an integer too long to write out"):
        canonical_row({"a": 10**5000})


def test_depth_is_limited_alike_everywhere():
    row = nested(MAX_DEPTH)
    assert canonical_row(row) == rfc8785.dumps(map_value(row))
    for refuse in (canonical_row, map_value):
        with pytest.raises(InputError, match="nests deeper than 64 levels"):
            refuse(nested(MAX_DEPTH + 1))
    with pytest.raises(InputError, match="nests deeper than 64 levels"):
        canonical_row({"a": json.loads("[" * 500 + "]" * 500)})
