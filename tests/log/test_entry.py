"""Entries: the bytes of the table in the docstring, one form, and nothing else."""

import struct
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import MalformedError
from provenance.log import Entry
from provenance.records import ARTIFACT_DIGEST
from provenance.signing import PrivateKey, sign
from provenance.statements import KIND_NUMBERS, Review, Statement, Subject

hashes = st.binary(min_size=32, max_size=32)
entries = st.builds(
    Entry,
    kind=st.sampled_from(sorted(KIND_NUMBERS.values())),
    envelope_hash=hashes,
    artifacts=st.lists(hashes, max_size=5).map(tuple),
)


def review(*digests: bytes) -> Statement:
    subjects = tuple(
        Subject(name=str(n), digest={ARTIFACT_DIGEST: digest.hex()})
        for n, digest in enumerate(digests)
    )
    predicate = Review(nonce=bytes(16), issued="2026-01-31T12:00:00Z", verdict="approve")
    return Statement(subjects=subjects, predicate=predicate)


@given(entries)
def test_reads_back(entry):
    data = entry.to_bytes()
    assert Entry.parse(data) == entry
    assert Entry.parse(data).to_bytes() == data


@given(entries)
def test_layout(entry):
    """By the table, with `struct`, as a reader in another language would."""
    version, kind, envelope, count = struct.unpack_from(">BB32sH", entry.to_bytes())
    digests = [entry.to_bytes()[36 + 32 * n :][:32] for n in range(count)]
    assert (version, kind, envelope, tuple(digests)) == (
        1,
        entry.kind,
        entry.envelope_hash,
        entry.artifacts,
    )
    assert entry.leaf_hash == sha256(b"\x00" + entry.to_bytes()).digest()


@given(st.binary(max_size=120))
def test_any_bytes_are_an_entry_in_one_form_or_none(data):
    try:
        entry = Entry.parse(data)
    except MalformedError:
        return
    assert entry.to_bytes() == data


@given(entries, st.data())
def test_a_cut_or_longer_entry_is_none(entry, data):
    whole = entry.to_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    for other in (whole[:cut], whole + bytes(1), whole + bytes(32)):
        with pytest.raises(MalformedError):
            Entry.parse(other)


def test_what_is_refused_is_named():
    whole = Entry(1, bytes(32), ()).to_bytes()
    for data, match in [
        (b"\x00" + whole[1:], "not a log entry of version 1"),
        (whole[:1] + b"\x00" + whole[2:], "unknown kind 0"),
        (whole[:1] + b"\x0a" + whole[2:], "unknown kind 10"),
        (whole[:-2] + b"\x00\x01", "of 36 bytes that names 1 artifacts"),
        (whole[:-2] + b"\x07\xd1" + bytes(32 * 2001), "that names 2001 artifacts"),
    ]:
        with pytest.raises(MalformedError, match=match):
            Entry.parse(data)


def test_of_a_statement():
    digests = [bytes([n]) * 32 for n in (3, 1, 2)]
    said = review(*digests)
    envelope = sign(said.to_bytes(), [PrivateKey.generate()]).to_bytes()
    entry = Entry.of(envelope, said)
    assert entry == Entry(6, sha256(envelope).digest(), tuple(digests))


def test_the_largest_entry_fits_an_entry_bundle():
    """A statement can name 2000 artifacts, so an entry has 64,036 bytes at most: below 2^16."""
    said = review(*(n.to_bytes(32, "big") for n in range(2000)))
    data = Entry.of(b"envelope", said).to_bytes()
    assert len(data) == 64_036 < 1 << 16
    assert Entry.parse(data).to_bytes() == data
    with pytest.raises(MalformedError, match="more than 2000"):
        review(*(n.to_bytes(32, "big") for n in range(2001)))
