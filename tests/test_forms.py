"""Strict JSON forms: hostile texts, every annotation, and jsonschema as the oracle of schemas."""

import base64
import json
import re
import string
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import jsonschema
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from provenance import forms
from provenance.errors import MalformedError
from provenance.forms import MAX_INTEGER, Hash, Json, Pattern


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A form
    within a form.

    This paragraph is not for the schema.
    """

    key_size: int
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Everything:
    """One field of each kind."""

    text: str
    whole: int
    flag: bool
    blob: bytes
    root: Hash
    level: Literal["low", "high", 3]
    address: Annotated[str, Pattern("0x[0-9a-f]{4}|none", "an address such as 0x12ab, or none")]
    inner: Inner
    roots: tuple[Hash, ...]
    inners: dict[str, Inner]
    anything: Json
    of_type: str = field(metadata={"json": "_type"})
    maybe: int | None = None
    maybe_root: Hash | None = None
    maybe_anything: Json | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Json] = field(default_factory=dict)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WHOLE = st.integers(0, MAX_INTEGER)
HASH = st.binary(min_size=32, max_size=32)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | TEXT
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
NOT_NULL = JSON.filter(lambda value: value is not None)
INNER = st.builds(Inner, key_size=WHOLE, note=st.none() | TEXT)
EVERYTHING = st.builds(
    Everything,
    text=TEXT,
    whole=WHOLE,
    flag=st.booleans(),
    blob=st.binary(max_size=40),
    root=HASH,
    level=st.sampled_from(["low", "high", 3]),
    address=st.from_regex("0x[0-9a-f]{4}|none", fullmatch=True),
    inner=INNER,
    roots=st.lists(HASH, max_size=4).map(tuple),
    inners=st.dictionaries(TEXT, INNER, max_size=3),
    anything=NOT_NULL,
    of_type=TEXT,
    maybe=st.none() | WHOLE,
    maybe_root=st.none() | HASH,
    maybe_anything=JSON,
    tags=st.lists(TEXT, max_size=3).map(tuple),
    metadata=st.dictionaries(TEXT, JSON, max_size=3),
)
EXAMPLE = Everything(
    text="text",
    whole=7,
    flag=True,
    blob=b"\x00\xff\x10\x80",
    root=bytes(range(32)),
    level="low",
    address="0x12ab",
    inner=Inner(key_size=2048),
    roots=(bytes(32),),
    inners={"a": Inner(key_size=1, note="n")},
    anything=[1, None, {"x": 1.5}],
    of_type="t",
)


def parse(data, cap=1 << 20):
    return forms.parse(data, what="the thing", cap=cap)


# --- round trips ------------------------------------------------------------------------------


@given(EVERYTHING)
def test_what_is_written_is_read_and_written_again(form):
    data = forms.dump(form)
    again = forms.decode(Everything, parse(data), "the thing")
    assert again == form
    assert forms.dump(again) == data


def test_how_each_kind_of_field_is_written():
    assert forms.encode(EXAMPLE) == {
        "text": "text",
        "whole": 7,
        "flag": True,
        "blob": "AP8QgA==",
        "root": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "level": "low",
        "address": "0x12ab",
        "inner": {"keySize": 2048},
        "roots": ["00" * 32],
        "inners": {"a": {"keySize": 1, "note": "n"}},
        "anything": [1, None, {"x": 1.5}],
        "_type": "t",
        "tags": [],
        "metadata": {},
    }


def test_a_form_that_nobody_wrote_before():
    """What is known of a form is kept, so that of others it may be known when a test begins."""

    @dataclass(frozen=True, kw_only=True)
    class New:
        root: Hash
        roots: tuple[Hash, ...]
        blobs: dict[str, bytes]

    new = New(root=bytes(32), roots=(bytes(32),), blobs={"a": b"b"})
    written = {"root": "00" * 32, "roots": ["00" * 32], "blobs": {"a": "Yg=="}}
    assert forms.encode(new) == written
    assert forms.decode(New, written, "the thing") == new


@given(JSON)
def test_any_json_is_read_as_it_was_written(value):
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value
    assert parse(rfc8785.dumps(value)) == value


# --- hostile bytes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not JSON: Expecting value"),
        (b"{", "is not JSON"),
        (b"[1,]", "is not JSON"),
        (b"{'a':1}", "is not JSON"),
        (b"01", "is not JSON: Extra data"),
        (b"+1", "is not JSON"),
        (b".5", "is not JSON"),
        (b"1.", "is not JSON"),
        (b"1 2", "is not JSON: Extra data"),
        (b"{}{}", "is not JSON: Extra data"),
        (b'"\x00"', "is not JSON: Invalid control character"),
        (b'"\n"', "is not JSON: Invalid control character"),
        (b'"\\x41"', "is not JSON: Invalid \\escape"),
        (b"\xef\xbb\xbf{}", "is not JSON: Unexpected UTF-8 BOM"),
        (b"\x0b1", "is not JSON"),
        (b"\xc2\xa01", "is not JSON"),
        (b"// c\n1", "is not JSON"),
        ("١".encode(), "is not JSON"),
        (b'"\xff"', "is not UTF-8 at byte 1"),
        (b'"\xed\xa0\x80"', "is not UTF-8 at byte 1"),
        (b'"\xc0\x80"', "is not UTF-8 at byte 1"),
        (b"\xff\xfe1\x00", "is not UTF-8 at byte 0"),
        (b'{"a":1,"a":1}', "names 'a' twice in one object"),
        (b'[{"b":{"a":1,"\\u0061":2}}]', "names 'a' twice in one object"),
        (b'"\\ud800"', "holds an unpaired surrogate"),
        (b'"\\udc00\\ud800"', "holds an unpaired surrogate"),
        (b'{"\\udfff":1}', "holds an unpaired surrogate"),
        (b'{"a":["\\ud8ff"]}', "holds an unpaired surrogate"),
        (b"NaN", "holds NaN, which is not JSON"),
        (b"[Infinity]", "holds Infinity, which is not JSON"),
        (b"-Infinity", "holds -Infinity, which is not JSON"),
        (b"-9007199254740993", "holds an integer beyond 2^53-1: -9007199254740993"),
        (b"1" + b"0" * 5000, "holds an integer beyond 2^53-1: 100000000000000000000000"),
        (b"9007199254740993", "holds an integer beyond 2^53-1"),
        (b"1000000000000000000001", "holds an integer beyond 2^53-1"),
        (b"1000000000000000000000", "holds an integer beyond 2^53-1"),
        (b"1e400", "holds a number beyond the range of a double: 1e400"),
        (b"-1e400", "holds a number beyond the range of a double"),
        (b"[" * 65 + b"]" * 65, "nests deeper than 64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nests deeper than 64 levels"),
        (b"[" * 900_000, "nests deeper than 64 levels"),
        (b'{"a":' * 200_000, "nests deeper than 64 levels"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else None,
)
def test_bytes_that_are_refused(data, message):
    with pytest.raises(MalformedError, match="^the thing " + re.escape(message)):
        parse(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b" \t\r\n1 ", 1),
        (b"9007199254740991", MAX_INTEGER),
        (b"-9007199254740991", -MAX_INTEGER),
        # RFC 8785 writes these doubles without a point: they stay doubles, no field takes them
        # for a whole number, and what was signed with them can be read.
        (b"9007199254740992", 2.0**53),
        (b"-9007199254740992", -(2.0**53)),
        (b"123456789012345680000", 123456789012345680000.0),
        (b"1e3", 1000.0),
        (b"1e-400", 0.0),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'{"":0}', {"": 0}),
        (b'[{"a":1},{"a":1}]', [{"a": 1}, {"a": 1}]),
    ],
)
def test_bytes_at_the_edge_that_are_read(data, value):
    read = parse(data)
    assert read == value
    assert type(read) is type(value)


def test_exactly_64_levels_are_read():
    assert forms.canonical(parse(b"[" * 64 + b"]" * 64)) == b"[" * 64 + b"]" * 64


@pytest.mark.parametrize(
    "value",
    [
        [[]] * 1000,
        [{"a": [1]}] * 1000,
        ["[" * 1000, "{" * 1000, {"[" * 100: '"[' * 100}, "\\" * 99 + "[" * 99],
        [["]" * 100, []], ['\\]"'] * 99, [[]] * 99],
    ],
    ids=["lists", "objects", "opened in strings", "closed in strings"],
)
def test_only_brackets_within_each_other_count_as_levels(value):
    assert parse(json.dumps(value).encode()) == value
    deep = "[" * 64 + json.dumps(value) + "]" * 64
    with pytest.raises(MalformedError, match="nests deeper than 64 levels"):
        parse(deep.encode())


def test_not_a_byte_more_than_the_cap():
    assert parse(b'"1234"', cap=6) == "1234"
    with pytest.raises(MalformedError, match="the thing is 6 bytes long; at most 5 are read"):
        parse(b'"1234"', cap=5)


@given(st.binary(max_size=60) | st.text(string.printable, max_size=60).map(str.encode))
def test_no_other_exception_escapes(data):
    try:
        value = parse(data)
    except MalformedError:
        return
    assert value == json.loads(data)


def test_a_duplicate_is_found_among_very_many_keys():
    """Comparing each with each would take a quarter of an hour."""
    keys = ",".join(f'"{i}":0' for i in range(200_000))
    with pytest.raises(MalformedError, match="names '7' twice"):
        parse(f'{{{keys},"7":0}}'.encode(), cap=1 << 24)


# --- hostile values ---------------------------------------------------------------------------

WRONG = {
    "text": [1, None, True, ["a"], {}],
    "whole": [2.0**53, -1, 1.0, 1.5, True, "1", None, MAX_INTEGER + 1, [1]],
    "flag": [0, 1, "true", None],
    "blob": ["AP8Qg", "AP8QgA", "AP8QgA=", "AP8QgB==", "AP8Q gA==", "AP8QgA==\n", "-_8=", "=", "A",
             "====", "AP8QgA==AP8=", "ÀAAA", 1, None, ["AA=="]],
    "root": ["", "00" * 31, "00" * 33, "AB" * 32, "0g" * 32, "٠" * 64, 0, None, ["00" * 32]],
    "level": ["", "LOW", "low ", 3.0, 4, True, ["low"], None, {}],
    "address": ["", "0x12aB", "0x12ab ", "0x12ab\n", "x0x12ab", "0x12ab|none", 1, None],
    "inner": [[], "x", None, {}, {"keySize": -1}, {"key_size": 1}, {"keySize": 1, "x": 1},
              {"keySize": 1, "note": None}],
    "roots": ["", {}, None, ["00"], [["00" * 32]], [None]],
    "inners": [[], None, "x", {"a": 1}, {"a": {}}, {"a": None}],
    "anything": [None],
    "_type": [1, None],
    "maybe": [None, "1", -1, 0.0],
    "maybeRoot": [None, "00"],
    "maybeAnything": [None],
    "tags": [None, "abc", [1], [None]],
    "metadata": [None, [], "x"],
    "unknown": [1, None],
    "of_type": ["t"],
    "maybe_root": ["00" * 32],
}  # fmt: skip
# Values that JSON Schema cannot tell apart: it knows numbers, and 3.0 is the number 3 to it; and
# Python's ``$`` of the oracle, unlike that of ECMA-262, overlooks a final line feed.
SCHEMA_CANNOT = [1.0, 3.0, 0.0, "AP8QgA==\n", "0x12ab\n"]
CASES = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.fixture(scope="module")
def validator():
    schema = forms.json_schema(Everything)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(("name", "value"), CASES, ids=repr)
def test_a_value_of_another_kind_is_refused_and_named(validator, name, value):
    wrong = forms.encode(EXAMPLE) | {name: value}
    with pytest.raises(MalformedError, match=r"^the thing.*\b" + name):
        forms.decode(Everything, wrong, "the thing")
    if not any(value == known and type(value) is type(known) for known in SCHEMA_CANNOT):
        assert not validator.is_valid(wrong)


@pytest.mark.parametrize("name", [*forms.encode(EXAMPLE)])
def test_only_fields_with_a_default_may_be_left_out(validator, name):
    value = {key: item for key, item in forms.encode(EXAMPLE).items() if key != name}
    if name in ("tags", "metadata"):
        assert forms.decode(Everything, value, "the thing") == EXAMPLE
        assert validator.is_valid(value)
    else:
        with pytest.raises(MalformedError, match=f"^the thing lacks the field '{name}'"):
            forms.decode(Everything, value, "the thing")
        assert not validator.is_valid(value)


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_a_form_is_an_object(value):
    with pytest.raises(MalformedError, match=r"^the thing must be an object"):
        forms.decode(Everything, value, "the thing")


def test_an_error_says_where_within():
    value = forms.encode(EXAMPLE)
    for change, message in (
        ({"roots": ["00" * 32, "0"]}, r"the thing.roots\[1\] must be 64 lower-case hex digits"),
        ({"inner": {"keySize": "1"}}, "the thing.inner.keySize must be a whole number from 0"),
        ({"inners": {"a b": {}}}, r"the thing.inners\['a b'\] lacks the field 'keySize'"),
        ({"address": "x"}, "the thing.address must be an address such as 0x12ab, or none"),
        ({"level": "x"}, "the thing.level must be one of 'low', 'high', 3"),
        ({"flag": 1}, "the thing.flag must be true or false"),
        ({"text": 1}, "the thing.text must be a string"),
        ({"blob": "x"}, "the thing.blob must be standard base64 with padding"),
        ({"maybe": None}, "the thing.maybe is null; leave it out instead"),
        ({"txet": 1}, "unknown field 'txet'; known are _type, address, anything, blob"),
    ):
        with pytest.raises(MalformedError, match=message):
            forms.decode(Everything, value | change, "the thing")


@pytest.mark.parametrize("name", ["\x1b[2J✓ verified", "\u202e", "x" * 1_000_000])
def test_a_hostile_name_does_nothing_to_a_terminal(name):
    value = forms.encode(EXAMPLE)
    texts = [json.dumps({name: 1})[:-1] + "," + json.dumps({name: 1})[1:]]
    for wrong in (value | {name: 1}, value | {"inners": {name: 1}}, *texts):
        with pytest.raises(MalformedError) as caught:
            forms.decode(
                Everything,
                wrong if isinstance(wrong, dict) else parse(wrong.encode(), cap=1 << 24),
                "the thing",
            )
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500


def test_an_annotation_that_is_not_understood_fails_whatever_the_value():
    @dataclass(frozen=True)
    class Odd:
        number: float

    for value in (1.5, "x"):
        with pytest.raises(KeyError):
            forms.decode(Odd, {"number": value}, "the thing")
    with pytest.raises(KeyError):
        forms.json_schema(Odd)


# --- canonical bytes --------------------------------------------------------------------------

# Text as it is found, and every sort of character that one of the two encoders might escape.
ODD = '\0\x1f"\\/\x7f\x80\u2028\uffff\U0001f984'
ANY_TEXT = st.text(st.characters(codec="utf-8")) | st.text(ODD)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | ANY_TEXT,
        lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT | st.text("az_09"), inner),
    )
)
def test_the_fast_way_to_canonical_bytes_is_rfc_8785(value):
    """Where Python's own encoder is used, and where a key or a double makes it the other."""
    assert forms.canonical(value) == rfc8785.dumps(value)
    with_double = [value, 1e21, 0.5, -0.0]
    assert forms.canonical(with_double) == rfc8785.dumps(with_double)


THE_TEXT = [
    *('{"a":1,"b":2}', '{"a":0}', '["\ue000"]', '{"\u00e9":1}', '{"\U0001f984":1,"\ue000":2}'),
    *("[]", "{}", "null", "true", "0.5", "1e+21", "10000000000000000", "9007199254740992"),
    *("-9007199254740991", "9007199254740991", '"A"', '"/"', '"\\u001f"', '"\\t"', '"\x7f"'),
    *('"\U0001f984"', "[" * 64 + "]" * 64),
]
ANOTHER_TEXT = [
    *('{"b":2,"a":1}', '{"a": 1,"b":2}', '{"a":1,"b":2} ', '\ufeff{"a":1,"b":2}', "[ ]", ""),
    *('{"a":1,"a":1}', '{"a":2,"a":1}', '{"a":1.0}', '{"a":1e0}', '{"a":-0}', '{"a":-0.0}'),
    *('{"a":01}', "1e21", "1E+21", "1e+16", "9007199254740993", "1e999", "NaN", "Infinity", "5e-1"),
    *('"\\u0041"', '"\\u001F"', '"\\u0009"', '"\\/"', '"\\ud83e\\udd84"', '"\\ud83e"'),
    *('{"\\u00e9":1}', '{"\ue000":2,"\U0001f984":1}', "[1,]", "1 2", "-", '"\\u007f"'),
    *("[" * 65 + "]" * 65, "1" * 5000),
]


def is_canonical(text):
    """By the definition: RFC 8785 writes what was read as it was."""
    try:
        return rfc8785.dumps(parse(text.encode())) == text.encode()
    except MalformedError:
        return False


def check_parse_canonical(text):
    data = text.encode()
    if is_canonical(text):
        read = forms.parse_canonical(data, what="the thing", cap=len(data))
        assert repr(read) == repr(parse(data))
        with pytest.raises(MalformedError, match="bytes long"):
            forms.parse_canonical(data, what="the thing", cap=len(data) - 1)
    else:
        with pytest.raises(MalformedError, match="the thing"):
            forms.parse_canonical(data, what="the thing", cap=1 << 20)


@pytest.mark.parametrize("text", THE_TEXT)
def test_what_is_signed_is_read_from_its_one_text(text):
    assert is_canonical(text)
    check_parse_canonical(text)


@pytest.mark.parametrize("text", ANOTHER_TEXT)
def test_what_is_signed_is_read_from_no_other_text(text):
    assert not is_canonical(text)
    check_parse_canonical(text)


@given(JSON, st.integers(min_value=0), st.text('"\\u0eE+-.19 ,:[]{}a\u00e9', max_size=2))
def test_of_what_is_signed_no_edited_text_is_read_unless_it_is_the_one(value, at, put):
    text = forms.canonical(value).decode()
    check_parse_canonical(text)
    at %= len(text) + 1
    check_parse_canonical(text[:at] + put + text[at:])
    check_parse_canonical(text[:at] + put + text[at + 1 :])


@given(EVERYTHING, st.data())
def test_a_whole_form_has_every_field_that_is_written(form, data):
    written = forms.encode(form)
    assert forms.decode(Everything, written, "it", whole=True) == form
    name = data.draw(st.sampled_from(sorted(written)))
    less = {other: value for other, value in written.items() if other != name}
    try:
        read = forms.decode(Everything, less, "it", whole=True)
    except MalformedError:
        assert name not in ("maybe", "maybeRoot", "maybeAnything")
    else:
        assert forms.encode(read) == less


@pytest.mark.parametrize("lacking", [{"inner": {}}, {"inners": {"a": {}}}])
def test_a_form_within_a_whole_form_is_whole(lacking):
    @dataclass(frozen=True)
    class Leaf:
        """With a value of its own."""

        size: int = 1

    @dataclass(frozen=True)
    class Around:
        """Of such."""

        inner: Leaf | None = None
        inners: dict[str, Leaf] | None = None
        listed: tuple[Leaf, ...] | None = None

    for value in (lacking, {"listed": [{}]}):
        forms.decode(Around, value, "it")
        with pytest.raises(MalformedError, match="lacks the field 'size'"):
            forms.decode(Around, value, "it", whole=True)


def test_keys_sort_by_their_utf_16_units():
    """U+E000 sorts above U+1F984 there, and below it by code point."""
    value = {"\ue000": 1, "\U0001f984": 2, "z": 3}
    written = '{"z":3,"\U0001f984":2,"\ue000":1}'.encode()
    assert forms.canonical(value) == rfc8785.dumps(value) == written


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), MAX_INTEGER + 1, "\ud800", {"\ud800": 1}, {1: 2}, b"", {"set"}],
    ids=repr,
)
def test_a_value_without_canonical_bytes(value):
    with pytest.raises(MalformedError, match="no canonical JSON"):
        forms.canonical(value)


def test_a_value_too_deep_for_canonical_bytes():
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(MalformedError, match="no canonical JSON"):
        forms.canonical(value)
    while value:  # freed from the outside in: at this depth CPython's own freeing is slow to end
        value = value[0]


# --- base64 -----------------------------------------------------------------------------------


@given(st.binary(max_size=50))
def test_base64_has_one_text_for_the_same_bytes(data):
    text = base64.b64encode(data).decode()
    assert forms.decode_base64(text, "it") == data
    others = (text.rstrip("="), text + "=", text + "\n", " " + text, text[:-1] + "\u0661")
    for other in others:
        if other != text:
            with pytest.raises(MalformedError, match="it must be standard base64"):
                forms.decode_base64(other, "it")


@given(st.text("AB+/Qg89=_- \n", max_size=12))
def test_the_pattern_of_base64_agrees_with_the_reader(text):
    @dataclass(frozen=True)
    class Blob:
        """Bytes."""

        data: bytes

    valid = jsonschema.Draft202012Validator(forms.json_schema(Blob)).is_valid({"data": text})
    try:
        assert base64.b64encode(forms.decode(Blob, {"data": text}, "it").data).decode() == text
    except MalformedError:
        assert not valid or text.endswith("\n")
    else:
        assert valid


# --- schemas ----------------------------------------------------------------------------------


@given(EVERYTHING)
def test_every_form_is_valid_by_its_schema(form):
    schema = forms.json_schema(Everything)
    jsonschema.Draft202012Validator(schema).validate(forms.encode(form))


def test_the_schema_reads_well():
    schema = forms.json_schema(Everything)
    assert schema["properties"]["inner"]["description"] == "A form within a form."
    assert schema["required"][:3] == ["text", "whole", "flag"]
    assert "maybe" not in schema["required"]
    assert schema["properties"]["address"] == {
        "type": "string",
        "pattern": "^(0x[0-9a-f]{4}|none)$",
        "description": "an address such as 0x12ab, or none",
    }


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("2026-01-31T12:00:00Z", True),
        ("2026-01-31T23:59:59.123456789Z", True),
        ("2026-01-31T12:00:00.Z", False),
        ("2026-01-31T12:00:00.1234567890Z", False),
        ("2026-01-31T12:00:00+00:00", False),
        ("2026-01-31t12:00:00z", False),
        ("2026-01-31 12:00:00Z", False),
        ("2026-13-01T12:00:00Z", False),
        ("2026-00-01T12:00:00Z", False),
        ("2026-01-32T12:00:00Z", False),
        ("2026-01-31T24:00:00Z", False),
        ("2026-01-31T12:60:00Z", False),
        ("2026-01-31T12:00:60Z", False),
        ("２026-01-31T12:00:00Z", False),
        ("2026-01-31T12:00:00Z\n", False),
    ],
)
def test_times_are_rfc_3339_in_utc(text, good):
    @dataclass(frozen=True)
    class Timed:
        """A time."""

        at: Annotated[str, forms.timestamp_pattern]

    if good:
        assert forms.decode(Timed, {"at": text}, "it").at == text
    else:
        with pytest.raises(MalformedError, match=r"it.at must be an RFC 3339 time in UTC"):
            forms.decode(Timed, {"at": text}, "it")


def test_deep_nesting_is_an_error_also_where_a_library_raised_the_recursion_limit():
    """py_ecc sets it to 100,000, at which the standard library's parser crashes the process."""
    program = (
        "import sys; sys.setrecursionlimit(100_000)\n"
        "from provenance import forms\n"
        "from provenance.errors import MalformedError\n"
        "from provenance.records import parse_row\n"
        "for text in ('[' * 200_000, '{\"a\":' * 200_000, '[\"' + '[' * 99 + '\"]'):\n"
        "    for read in (lambda: forms.parse(text.encode(), what='it', cap=1 << 30),\n"
        "                 lambda: forms.parse_canonical(text.encode(), what='it', cap=1 << 30),\n"
        "                 lambda: parse_row(text)):\n"
        "        try: read()\n"
        "        except MalformedError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("nests deeper than 64 levels") == 6


def test_a_required_field_has_a_value_of_its_own_and_must_be_written():
    @dataclass(frozen=True, kw_only=True)
    class Versioned:
        version: Literal["v1"] = field(default="v1", metadata={"required": True})

    assert forms.dump(Versioned()) == b'{"version":"v1"}'
    with pytest.raises(MalformedError, match="lacks the field 'version'"):
        forms.decode(Versioned, {}, "it")
