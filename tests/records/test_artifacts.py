"""Encodings and artifact digests, computed here once more by the formula of the specification."""

import hashlib
import struct

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from provenance import forms
from provenance.errors import InputError, MalformedError
from provenance.merkle import EMPTY_ROOT
from provenance.records import CHUNK, FILE, JSON, LINE, Artifact, Encoding, hash_record, leaf_bytes

ROOT = bytes(range(32))


@pytest.mark.parametrize(
    ("encoding", "form"),
    [
        (JSON, {"encoding": "json"}),
        (LINE, {"encoding": "line"}),
        (CHUNK, {"encoding": "chunk", "chunkSize": 1048576}),
        (FILE, {"encoding": "file", "digest": "sha256", "ignore": [], "followSymlinks": False}),
        (
            Encoding(name="file", digest="blake3", ignore=("*.tmp", ".git"), follow_symlinks=True),
            {
                "encoding": "file",
                "digest": "blake3",
                "ignore": ["*.tmp", ".git"],
                "followSymlinks": True,
            },
        ),
    ],
)
def test_encodings_and_the_digests_they_make(encoding, form):
    assert forms.encode(encoding) == form
    assert forms.decode(Encoding, form, "encoding") == encoding
    expected = hashlib.sha256(
        b"provenance-artifact/v1\n"
        + struct.pack(">Q", 5)
        + ROOT
        + hashlib.sha256(rfc8785.dumps(form)).digest()
    )
    artifact = Artifact(root=ROOT, size=5, encoding=encoding)
    assert artifact.digest == expected.digest()
    assert artifact.digest_hex == expected.hexdigest()


@given(st.binary(min_size=32, max_size=32), st.integers(1, forms.MAX_INTEGER), st.integers(1, 999))
def test_artifacts_are_read_back(root, size, chunk_size):
    artifact = Artifact(
        root=root, size=size, encoding=Encoding(name="chunk", chunk_size=chunk_size)
    )
    assert forms.decode(Artifact, forms.encode(artifact), "artifact") == artifact


def test_size_root_and_encoding_each_change_the_name():
    named = [
        Artifact(root=ROOT, size=5, encoding=JSON),
        Artifact(root=ROOT, size=6, encoding=JSON),
        Artifact(root=ROOT[::-1], size=5, encoding=JSON),
        Artifact(root=ROOT, size=5, encoding=LINE),
        Artifact(root=ROOT, size=5, encoding=CHUNK),
        Artifact(root=ROOT, size=5, encoding=Encoding(name="chunk", chunk_size=1)),
        Artifact(root=EMPTY_ROOT, size=0, encoding=JSON),
    ]
    assert len({artifact.digest for artifact in named}) == len(named)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({}, "lacks the field 'encoding'"),
        ({"encoding": "yaml"}, "must be one of 'json', 'line', 'chunk', 'file'"),
        ({"encoding": "json", "chunkSize": 1}, "the encoding 'json' has no parameter 'chunkSize'"),
        ({"encoding": "chunk"}, "the encoding 'chunk' needs the parameter 'chunkSize'"),
        ({"encoding": "chunk", "chunkSize": 0}, "no chunk has 0 bytes"),
        ({"encoding": "chunk", "chunkSize": 2**26 + 1}, "no chunk has 67108865 bytes"),
        ({"encoding": "chunk", "chunkSize": 1.5}, "must be a whole number"),
        ({"encoding": "file", "digest": "md5"}, "must be one of 'sha256', 'blake3'"),
        ({"encoding": "file", "digest": "sha256"}, "needs the parameter 'ignore'"),
        (
            {"encoding": "file", "digest": "sha256", "ignore": ["b", "a"], "followSymlinks": False},
            "not sorted",
        ),
        (
            {"encoding": "file", "digest": "sha256", "ignore": ["a", "a"], "followSymlinks": False},
            "one stands twice",
        ),
        ({"encoding": "json", "speed": 1}, "unknown field 'speed'"),
    ],
)
def test_no_other_encoding_is_read(form, message):
    with pytest.raises(MalformedError, match=message):
        forms.decode(Encoding, form, "encoding")


@pytest.mark.parametrize(
    ("root", "size"), [(EMPTY_ROOT, 1), (ROOT, 0), (ROOT[:31], 1), (ROOT, -1), (ROOT, 2**53)]
)
def test_no_artifact_has_such_a_root_and_size(root, size):
    with pytest.raises(MalformedError, match=r"no artifact|cannot have the root"):
        Artifact(root=root, size=size, encoding=JSON)


# --- one record -----------------------------------------------------------------------------------

FILE_RECORD = {"path": "a/b.txt", "sha256": "00" * 32, "size": 3}


@pytest.mark.parametrize(
    ("record", "encoding", "leaf"),
    [
        ({"b": 1, "a": 2.0}, JSON, b'{"a":2,"b":1}'),
        ('{"b": 1, "a": 2.0}', JSON, b'{"a":2,"b":1}'),
        (b'{"b": 1, "a": 2.0}', JSON, b'{"a":2,"b":1}'),
        ("é\r", LINE, b"\xc3\xa9\r"),
        (b"\xff", LINE, b"\xff"),
        ("", LINE, b""),
        (b"\x00\n", CHUNK, b"\x00\n"),
        (FILE_RECORD, FILE, rfc8785.dumps(FILE_RECORD)),
        (rfc8785.dumps(FILE_RECORD), FILE, rfc8785.dumps(FILE_RECORD)),
    ],
)
def test_a_record_as_a_person_has_it(record, encoding, leaf):
    assert leaf_bytes(record, encoding) == leaf
    assert hash_record(record, encoding) == hashlib.sha256(b"\x00" + leaf).digest()


@pytest.mark.parametrize(
    ("record", "encoding", "message"),
    [
        ("[1]", JSON, "is not an object but a list"),
        ("{", JSON, "is not JSON"),
        (7, JSON, "is not an object but a number"),
        ({"a": 1}, LINE, "must be text or bytes"),
        ("a\n", LINE, "without its LF"),
        ("\ud800", LINE, "unpaired surrogate"),
        ("text", CHUNK, "must be bytes"),
        (b"", CHUNK, "a chunk has 1 to 1,048,576 bytes, not 0"),
        (b"ab", Encoding(name="chunk", chunk_size=1), "a chunk has 1 to 1 bytes, not 2"),
        ({"path": "a", "sha256": "00" * 32}, FILE, "path, sha256 and size, no others"),
        ({**FILE_RECORD, "mode": 1}, FILE, "path, sha256 and size, no others"),
        ({**FILE_RECORD, "size": "3"}, FILE, "its size a whole number"),
        ({**FILE_RECORD, "size": -1}, FILE, "its size a whole number"),
        ({**FILE_RECORD, "size": 2**53}, FILE, "its size a whole number"),
        ({**FILE_RECORD, "size": True}, FILE, "its size a whole number"),
        ({**FILE_RECORD, "path": 1}, FILE, "the path of a file is a string"),
        ({**FILE_RECORD, "sha256": "AA" * 32}, FILE, "64 lower-case hex digits"),
    ],
)
def test_not_a_record_of_the_encoding(record, encoding, message):
    with pytest.raises(InputError, match=message):
        hash_record(record, encoding)
