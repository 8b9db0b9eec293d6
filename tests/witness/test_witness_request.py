"""The request of C2SP tlog-witness: the example of the standard, and one form for each."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import MalformedError
from provenance.witness import AddCheckpoint
from provenance.witness.request import format_size, parse_size

HASHES = (
    "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=",
    "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=",
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=",
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=",
)
NOTE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1\
gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""


def test_the_example_of_the_standard() -> None:
    body = ("old 20852014\n" + "".join(f"{line}\n" for line in HASHES) + "\n" + NOTE).encode()
    request = AddCheckpoint.parse(body)
    assert request.old_size == 20852014
    assert request.proof == tuple(map(base64.b64decode, HASHES))
    assert request.checkpoint == NOTE.encode()
    assert request.to_bytes() == body


@given(
    st.builds(
        AddCheckpoint,
        old_size=st.integers(0, 2**53 - 1),
        proof=st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
        checkpoint=st.binary(),
    )
)
def test_reads_back(request_: AddCheckpoint) -> None:
    assert AddCheckpoint.parse(request_.to_bytes()) == request_


@given(st.text("old 01\n=A", max_size=60).map(str.encode))
def test_any_bytes_are_a_request_in_one_form_or_none(data: bytes) -> None:
    try:
        request = AddCheckpoint.parse(data)
    except MalformedError:
        return
    assert request.to_bytes() == data


@given(st.integers(0, 2**53 - 1))
def test_sizes_read_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    "data", [b"", b"5", b"05\n", b"5\n\n", b"5\r\n", b"-5\n", b" 5\n", b"9007199254740992\n"]
)
def test_what_is_no_size_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_size(data)
