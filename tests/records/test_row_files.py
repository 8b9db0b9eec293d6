"""JSONL and CSV files, and everything that may be wrong with them."""

import gzip
import hashlib
import os
import time

import pytest
from reading import leaves, read, texts

from provenance.errors import InputError
from provenance.records import files, rows
from provenance.records.opening import open_source


@pytest.fixture
def write(tmp_path):
    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


def refused(path, **options) -> str:
    with pytest.raises(InputError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


# --- JSONL ----------------------------------------------------------------------------------------


def test_jsonl_rows_and_digest(write):
    path = write("t.jsonl", '{"b": 1.0, "a": "x"}\r\n{"a": null}')
    assert texts(path) == ['{"a":"x","b":1}', '{"a":null}']
    result = read(path)
    assert result.digests == {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert result.schema is None


def test_gzipped_jsonl_has_the_digest_of_the_file_as_on_disk(write):
    path = write("T.JSONL.GZ", gzip.compress(b'{"a":1}\n' * 5000) + gzip.compress(b'{"a":2}\n'))
    assert texts(path) == ['{"a":1}'] * 5000 + ['{"a":2}']
    assert read(path).digests == {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", ", row 3 is not JSON: it is empty"),
        (b"  ", ", row 3 is not JSON: it is empty"),
        (b"[1]", ", row 3 is not an object but a list"),
        (b"7", ", row 3 is not an object but a number"),
        (b'{"a":1,"a":1}', ", row 3 names 'a' twice in one object"),
        (b'{"a":"\xff"}', ", row 3 is not UTF-8 at byte 6"),
        (b'{"a":"\\udfff"}', ", row 3 holds an unpaired surrogate"),
        (b'{"a":1e400}', ", row 3 holds a number beyond the range of a double: 1e400"),
        (b'{"a":Infinity}', ', row 3 holds Infinity, which is not JSON; write "Infinity"'),
        (b'{"a":1', ", row 3 is not JSON: Expecting ',' delimiter at character 8"),
        (b'{"a":1}{"a":2}', ", row 3 is not JSON: Extra data at character 8"),
        (b'{"a":' + b"[" * 70 + b"]" * 70 + b"}", ", row 3 nests deeper than 64 levels"),
    ],
)
def test_jsonl_errors_name_file_and_row(write, line, message):
    assert refused(write("t.jsonl", b'{"a":1}\n{"a":2}\n' + line + b"\n")) == message


def test_jsonl_with_a_byte_order_mark(write):
    path = write("t.jsonl", b'\xef\xbb\xbf{"a":1}\n')
    assert refused(path) == ", row 1 is not JSON: it starts with a byte order mark"


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv", "t.txt"])
def test_a_line_too_long_is_named(write, monkeypatch, name):
    monkeypatch.setattr(files, "MAX_LINE", 100)
    path = write(name, b'{"a":1}\n' * 3 + b'{"a":"' + b"x" * 100 + b'"}\n')
    assert refused(path, encoding="line") == ", line 4: longer than 100 bytes"
    if name != "t.txt":
        assert refused(path) == ", line 4: longer than 100 bytes"


def test_a_gzip_bomb_stops_at_the_longest_line(write, monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE", 1 << 20)
    path = write("t.jsonl.gz", gzip.compress(b"{" * (64 << 20)))
    assert refused(path) == ", line 1: longer than 1,048,576 bytes"


WHOLE = gzip.compress(b"".join(b'{"a":%d}\n' % i for i in range(5000)))


@pytest.mark.parametrize("length", [0, 2, 10, len(WHOLE) // 2, len(WHOLE) - 8, len(WHOLE) - 1])
def test_truncated_gzip(write, length):
    assert refused(write("t.jsonl.gz", WHOLE[:length])) == " is a truncated gzip file"


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "data",
    [b"\x1f", b'{"a":1}\n', flipped(WHOLE, 0), flipped(WHOLE, len(WHOLE) - 6), WHOLE + b"garbage"],
)
def test_damaged_gzip(write, data):
    assert " is not a sound gzip file: " in refused(write("t.jsonl.gz", data))


# --- CSV ------------------------------------------------------------------------------------------


def test_csv_cells_are_strings(write):
    path = write("t.csv", b'\xef\xbb\xbfid,"na""me",\n1,,\xc3\xa9\r\n"2","a,\r\nb", x \n')
    assert texts(path) == [
        '{"":"é","id":"1","na\\"me":""}',
        '{"":" x ","id":"2","na\\"me":"a,\\r\\nb"}',
    ]
    assert read(path).schema == {"id": "string", 'na"me': "string", "": "string"}
    assert read(path).digests == {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_csv_with_a_header_alone_is_empty(write):
    assert read(write("t.csv", "a,b\n")).size == 0


def test_csv_with_a_schema(write):
    cells = 'i,f,b,s,d,t,u\n1,1.50,true,007,1.20,2026-01-31 12:00:00,\n,,,,,,x\n-2,nan,0,"",,,y\n'
    path = write("t.csv", cells)
    schema = {"i": "int64", "f": "float64", "b": "bool", "s": "string"}
    schema |= {"d": "decimal128(5, 2)", "t": "timestamp[us, tz=UTC]"}
    with pytest.raises(InputError, match=r"row 1, column 't': '2026-01-31 12:00:00' is not of"):
        read(path, schema=schema)  # a time without its zone is no moment
    schema["t"] = "timestamp[us]"
    assert texts(path, schema=schema) == [
        '{"b":true,"d":"1.2","f":1.5,"i":1,"s":"007","t":"2026-01-31T12:00:00","u":""}',
        '{"b":null,"d":null,"f":null,"i":null,"s":"","t":null,"u":"x"}',
        '{"b":false,"d":null,"f":"NaN","i":-2,"s":"","t":null,"u":"y"}',
    ]
    stated = read(path, schema=schema).schema
    assert stated == {**schema, "u": "string"}
    assert leaves(path, schema=stated) == leaves(path, schema=schema)


def test_csv_batches_keep_their_row_numbers(write):
    good = "".join(f"{i}\n" for i in range(rows.ROWS + 500))
    assert texts(write("t.csv", "n\n" + good), schema={"n": "int32"}) == [
        f'{{"n":{i}}}' for i in range(rows.ROWS + 500)
    ]
    path = write("t.csv", "n\n" + good + "x\n")
    message = refused(path, schema={"n": "int32"})
    assert message == f", row {rows.ROWS + 501}, column 'n': 'x' is not of the type int32"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", " has no header"),
        (b"\n1\n", " has no header"),
        (b"a,b,a\n", " has two columns named 'a'"),
        (b"a,b\n1,2\n3\n", ", row 2 has 1 cells; the header has 2"),
        (b"a,b\n1,2,3\n", ", row 1 has 3 cells; the header has 2"),
        (b"a,b\n1,2\n\n3,4\n", ", row 2 has 0 cells; the header has 2"),
        (b"a\n1\n\xff\n", ", row 2, line 3 is not UTF-8 at byte 0"),
        (b'a\n"x\ny"\nz\xff\n', ", row 2, line 4 is not UTF-8 at byte 1"),
        (b"\xff\n", ", row 0, line 1 is not UTF-8 at byte 0"),
        (b'a\n"1\n', ", row 1: unexpected end of data"),
        (b'a\n"1"2\n', ", row 1: ',' expected after '\"'"),
        (b"a\r1\r", ", row 0: new-line character seen in unquoted field"),
    ],
)
def test_csv_errors_name_file_and_row(write, data, message):
    assert refused(write("t.csv", data)).startswith(message)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"b": "int64"}, " has no column 'b', which the schema names"),
        ({"a": "int"}, "the cells of the CSV column 'a' cannot have the type 'int'"),
        ({"a": "list<string>"}, "the cells of the CSV column 'a' cannot have the type"),
        ({"a": "null"}, "the cells of the CSV column 'a' cannot have the type"),
        ({"a": "decimal128(99, 1)"}, "the cells of the CSV column 'a' cannot have the type"),
        ({"a": ["int8"]}, "the type of the CSV column 'a' is no text but ['int8']"),
        ({"a": None}, "the type of the CSV column 'a' is no text but None"),
        ({"a": "int8"}, ", row 2, column 'a': '300' is not of the type int8"),
    ],
)
def test_csv_schema_errors(write, schema, message):
    path = write("t.csv", "a\n1\n300\n")
    with pytest.raises(InputError) as caught:
        read(path, schema=schema)
    assert message in str(caught.value)


def test_a_csv_of_very_many_columns(write):
    """Its header is compared with itself in a moment, and not in hours."""
    names = [f"c{number}" for number in range(200_000)]
    begun = time.monotonic()
    assert texts(write("t.csv", ",".join(names) + "\n")) == []
    assert refused(write("t.csv", ",".join([*names, "c7"]))) == " has two columns named 'c7'"
    assert time.monotonic() - begun < 20


# --- a file that changes --------------------------------------------------------------------------


def append(path):
    with path.open("ab") as file:
        file.write(b'{"a":9}\n')


def rewrite_in_place(path):
    with path.open("r+b") as file:
        file.write(b'{"a":9}\n')
    os.utime(path, ns=(1, 1))


def replace(path):
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def truncate(path):
    os.truncate(path, 10)


@pytest.mark.parametrize(
    "change", [append, rewrite_in_place, replace, truncate, lambda path: path.unlink()]
)
@pytest.mark.parametrize("encoding", ["json", "chunk", "line"])
def test_a_file_that_changes_while_it_is_read(write, change, encoding):
    path = write("t.jsonl", (b'{"a":"%s"}\n' % (b"x" * 1000)) * 3000)
    source = open_source(path, encoding=encoding)
    stream = source.leaves()
    next(stream)
    change(path)
    with pytest.raises(InputError, match=r"t\.jsonl"):
        for _ in stream:
            pass
    with pytest.raises(ValueError, match="known only once all leaves were read"):
        _ = source.digests
