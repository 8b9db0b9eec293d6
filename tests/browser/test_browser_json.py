"""The reader and writer of JSON in the browser: what Python reads and writes, and nothing else."""

from __future__ import annotations

import base64
import json
import random
import re
import struct
import sys
from typing import Any

import pytest
from alike import ask
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance import forms
from provenance.errors import ProvenanceError
from provenance.records import JSON
from provenance.records.artifacts import leaf_bytes
from provenance.records.canonical import number_text
from provenance.signing.note import _check_name

pytestmark = pytest.mark.untraced

READ = """(texts) => Promise.all(texts.map((text) => tried(() => {
  const value = provenance.parseJson(bytes(text), "it", 1 << 20);
  return [typed(value), provenance.canonical(value)];
})))"""

LEAVES = "(texts) => Promise.all(texts.map((text) => tried(() => provenance.hashRecord(text))))"


def typed(value: Any) -> Any:
    if isinstance(value, float):
        return f"d{number_text(value)}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"i{value}"
    if isinstance(value, list):
        return [typed(item) for item in value]
    if isinstance(value, dict):
        return [part for name, item in value.items() for part in (f"n{name}", typed(item))]
    return f"s{value}" if isinstance(value, str) else value


def read(text: bytes) -> Any:
    try:
        value = forms.parse(text, what="it", cap=1 << 20)
    except ProvenanceError as error:
        return {"refused": str(error)}
    return [typed(value), forms.canonical(value).decode()]


def check_reading(room: Any, texts: list[bytes]) -> int:
    """Hold what a browser reads against Python; return how many were refused."""
    found = ask(room, READ, [base64.b64encode(text).decode() for text in texts])
    refused = 0
    for text, here, there in zip(texts, map(read, texts), found, strict=True):
        if isinstance(here, dict):
            assert isinstance(there, dict), (text, there)
            refused += 1
        else:
            assert there == here, text
    return refused


HOSTILE = [
    *(b"", b" ", b"null", b"nul", b"nulll", b"true", b"false", b"True", b"NaN", b"-Infinity", b"-"),
    *(b"0", b"-0", b"-0.0", b"00", b"01", b"1.", b".5", b"1e", b"1e+", b"1E5", b"1e-7", b"+1"),
    *(b"1e400", b"-1e400", b"1e-400", b"9007199254740991", b"9007199254740992"),
    *(b"9007199254740993", b"-9007199254740993", b"100000000000000000000", b"1" + b"0" * 21),
    *(b"999999999999999900000", b"1.0", b"1e0", b"1" * 400, b"0x10", b"1_0", b"\xd9\xa3"),
    *(b'"', b'"a', b'"\\"', b'"\\u12"', b'"\\u+123"', b'"\\x41"', b'"\\u0041"'),
    *(b'"\\ud83d\\ude00"', b"[" * 200_000, b'"' + b"x" * 2**20),
    *(b'"\\ud83d"', b'"\\ude00\\ud83d"', b'"\\ud83d\\ud83d\\ude00"', b'"\\uD83D\\u0041"', b'"\t"'),
    *(b'"\x7f"', b'"\\/\\b\\f"', '"\u2028"'.encode(), b'"\xed\xa0\xbd"', b'"\xc0\x80"', b'"\xff"'),
    *(b"[]", b"[1,]", b"[,1]", b"[1 2]", b"[1", b"[[]", b"{}", b'{"a"}', b'{"a":}', b'{"a":1,}'),
    *(b"{,}", b"{a:1}", b"{'a':1}", b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"a":{},"b":{}}'),
    *(b'{"__proto__":{"x":1}}', b'{"__proto__":1,"__proto__":2}', b'{"constructor":1}', b"[] []"),
    *(b"\xef\xbb\xbf[]", b"\xc2\xa0[]", b"\x0b[]", b"\x0c[]", b"\r\n\t []\r\n\t ", b"[]\x00"),
    *('{"é":1,"e\u0301":2}'.encode(), '{"\U0001f600":1,"\uffff":2,"z":3}'.encode(), b"/**/1"),
    *(b"[" * 64 + b"]" * 64, b"[" * 65 + b"]" * 65, b'{"a":' * 64 + b"1" + b"}" * 64),
    *(b'{"a":' * 65 + b"1" + b"}" * 65, b'"' + b"[" * 99 + b'"'),
]


def test_hostile_texts(room: Any) -> None:
    assert check_reading(room, HOSTILE) > 50


def test_texts_that_were_mutated(room: Any) -> None:
    source = random.Random(1)
    whole = [text for text in HOSTILE if len(text) < 200]
    tokens = [b'"', b"\\", b"\\u", b"d83d", b"{", b"}", b"[", b"]", b",", b":", b"1", b"e", b"."]
    texts = []
    for _ in range(5000):
        text = source.choice(whole)
        for _ in range(source.choice((1, 1, 2, 3))):
            begin = source.randrange(len(text) + 1)
            end = min(len(text), begin + source.choice((0, 0, 1, 2)))
            put = source.choice((b"", source.choice(tokens), source.choice(whole)[:20]))
            text = text[:begin] + put + text[end:]
        texts.append(text)
    assert 2000 < check_reading(room, texts) < 4800


def a_double(source: random.Random) -> float:
    """Any bits; else near where the notation changes, or short in decimals."""
    kind = source.randrange(4)
    if kind == 0:
        return float(struct.unpack(">d", source.randbytes(8))[0])
    if kind == 1:
        return source.choice((1, -1)) * 10.0 ** source.randrange(-9, 24) * source.random()
    if kind == 2:
        return float(source.randrange(2**53 - 20, 2**70))
    return source.randrange(10**6) / 10 ** source.randrange(12)


def test_doubles_are_written_alike(room: Any) -> None:
    source = random.Random(2)
    doubles = [a_double(source) for _ in range(20_000)]
    texts = [repr(value).encode() for value in doubles if abs(value) < float("inf")]
    assert check_reading(room, texts) == 0


def test_integers_keep_their_digits_or_are_refused(room: Any) -> None:
    source = random.Random(3)
    sizes = [10 ** source.randrange(1, 26) for _ in range(3000)]
    numbers = [source.choice((1, -1)) * source.randrange(size) for size in sizes]
    edges = [2**53 + near for near in range(-3, 4)] + [10**21 + near for near in range(-2, 3)]
    texts = [str(number).encode() for number in [*numbers, *edges, *(-edge for edge in edges)]]
    assert check_reading(room, texts) > 500
    check_rows(room, [f'{{"n":{text.decode()}}}' for text in texts])


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=25)
@given(st.lists(JSON_VALUES, min_size=20, max_size=40), st.booleans())
def test_any_values(room: Any, values: list[Any], ascii_only: bool) -> None:
    texts = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    check_reading(room, [text.encode("utf-8", "surrogatepass") for text in texts])
    whole = [text for text in texts if not re.search("[\ud800-\udfff]", text)]
    check_rows(room, [f'{{"x":{text}}}' for text in whole])


def check_rows(room: Any, texts: list[str]) -> None:
    for text, found in zip(texts, ask(room, LEAVES, texts), strict=True):
        try:
            leaf = leaf_bytes(text, JSON).decode()
        except ProvenanceError:
            assert "refused" in found, text
        else:
            assert found.get("leaf") == leaf, text


def test_rows_that_are_none(room: Any) -> None:
    texts = [text.decode() for text in HOSTILE if len(text) < 1000 and is_utf8(text)]
    check_rows(room, texts)
    check_rows(room, [f'{{"x":{text}}}' for text in texts])
    (found,) = room.evaluate(LEAVES, ['{"a":1,"a":2}'])
    assert found == {"refused": "the record names 'a' twice in one object"}
    # Half a sign can come from a text field, though not from a file.
    (found,) = room.evaluate("""() => Promise.all(
        ['{"a":"\\ud83d"}'].map((text) => tried(() => provenance.hashRecord(text))))""")
    assert found == {"refused": "the record holds an unpaired surrogate"}


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_names_mean_nothing_to_the_language(room: Any) -> None:
    """A name of JavaScript's own is a name like any other, and changes nothing elsewhere."""
    texts = ['{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}']
    check_rows(room, texts)
    assert room.evaluate("() => [({}).polluted, [].polluted, Object.keys({})]") == [None, None, []]


def test_base64_has_one_form(room: Any) -> None:
    source = random.Random(4)
    alphabet = "ABab01+/-_= \n\tQ8g"
    texts = ["".join(source.choices(alphabet, k=source.randrange(10))) for _ in range(5000)]
    texts += [base64.b64encode(source.randbytes(size)).decode() for size in range(200)]
    texts += ["QQ", "QQ=", "QQ==", "QR==", "QQ==\n", "QUI=", "QUJ=", "\uff21\uff21==", "é"]
    found = ask(
        room,
        """(texts) => Promise.all(texts.map((text) => tried(
            () => provenance.toHex(provenance.fromBase64(text, "it")))))""",
        texts,
    )
    for text, there in zip(texts, found, strict=True):
        try:
            here = forms.decode_base64(text, "it").hex()
        except ProvenanceError as error:
            here = {"refused": str(error)}
        assert there == here, repr(text)


def every_character() -> list[str]:
    return [chr(code) for code in range(0x11000) if not 0xD800 <= code < 0xE000]


def test_which_characters_can_name_a_key(room: Any) -> None:
    def can(name: str) -> bool:
        try:
            _check_name(name)
        except ProvenanceError:
            return False
        return True

    names = ["", *(f"a{char}b" for char in every_character())]
    found = ask(
        room,
        """(names) => Promise.all(names.map(async (name) =>
            (await tried(() => provenance.checkKeyName(name))) === undefined))""",
        names,
    )
    assert found == [can(name) for name in names]
    assert found.count(False) > 40


def test_quoting_is_that_of_python(room: Any) -> None:
    """Of every character that Python's Unicode knows as the browser's does."""
    texts = ["it's", 'say "it\'s"', "", "\\", "a\nb\rc\td\0", "\u202e", "\U000e0001", "é\u0301"]
    texts += [char for char in every_character() if ord(char) < 0x2E00]
    found = ask(room, "(texts) => texts.map(provenance.quoted)", texts)
    differ = [text for text, there in zip(texts, found, strict=True) if there != repr(text)]
    # Python's tables are older than the browser's: signs that it does not know yet.
    assert len(differ) < 200
    assert all(len(text) == 1 and repr(text) == f"'\\u{ord(text):04x}'" for text in differ)


def test_texts_sort_by_code_points(room: Any) -> None:
    texts = ["", "a", "ab", "b", "\uffff", "\U0001f600", "\U0001f600a", "\ue000", "é", "e\u0301"]
    assert room.evaluate("(texts) => texts.sort(provenance.byCodePoints)", texts) == sorted(texts)
    assert sys.maxunicode == 0x10FFFF
