"""Checkpoints: three lines, one form."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import MalformedError
from provenance.log import Checkpoint
from provenance.signing import PrivateKey, VerifierKey, open_note, sign_note

ROOT = bytes(range(32))
TEXT = "acme.example/ml\n1042\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

checkpoints = st.builds(
    Checkpoint,
    origin=st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1),
    size=st.integers(0, 2**53 - 1),
    root=st.binary(min_size=32, max_size=32),
)


def test_the_text_of_the_standard():
    """By hand from C2SP tlog-checkpoint: origin, decimal size, base64 root, a newline each."""
    assert base64.b64decode(TEXT.split("\n")[2]) == ROOT
    assert Checkpoint.parse(TEXT) == Checkpoint("acme.example/ml", 1042, ROOT)
    assert Checkpoint("acme.example/ml", 1042, ROOT).to_text() == TEXT


@given(checkpoints)
def test_reads_back(checkpoint):
    text = checkpoint.to_text()
    assert Checkpoint.parse(text) == checkpoint
    assert Checkpoint.parse(text).to_text() == text


@given(st.text("a01 \n=A/", max_size=60))
def test_any_text_is_a_checkpoint_in_one_form_or_none(text):
    try:
        checkpoint = Checkpoint.parse(text)
    except MalformedError:
        return
    assert checkpoint.to_text() == text


def test_a_witness_passes_over_extension_lines():
    head = Checkpoint("acme.example/ml", 1042, ROOT)
    for more in ("", "one\n", "one\ntwo \n"):
        assert Checkpoint.parse(TEXT + more, extended=True) == head
    for more in ("\n", "one\n\n", "one", "\none\n"):
        with pytest.raises(MalformedError):
            Checkpoint.parse(TEXT + more, extended=True)


ORIGIN, SIZE, TEXT_ROOT = TEXT.splitlines()


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT + "\n",
        TEXT + "extension\n",
        "\n" + TEXT,
        f"\n{SIZE}\n{TEXT_ROOT}\n",
        f"{ORIGIN}\n\n{TEXT_ROOT}\n",
        f"{ORIGIN}\n01042\n{TEXT_ROOT}\n",
        f"{ORIGIN}\n+1042\n{TEXT_ROOT}\n",
        f"{ORIGIN}\n-1\n{TEXT_ROOT}\n",
        f"{ORIGIN}\n1_042\n{TEXT_ROOT}\n",
        f"{ORIGIN}\n １\n{TEXT_ROOT}\n",
        f"{ORIGIN}\n１\n{TEXT_ROOT}\n",
        f"{ORIGIN}\n{2**53}\n{TEXT_ROOT}\n",
        f"{ORIGIN}\n{10**20}\n{TEXT_ROOT}\n",
        f"{ORIGIN}\n{SIZE}\n{TEXT_ROOT[:-1]}\n",
        f"{ORIGIN}\n{SIZE}\n{TEXT_ROOT[:-2]}9=\n",
        f"{ORIGIN}\n{SIZE}\n{base64.b64encode(bytes(31)).decode()}\n",
        f"{ORIGIN}\n{SIZE}\n{base64.b64encode(bytes(33)).decode()}\n",
        TEXT.replace("\n", "\r\n"),
    ],
)
def test_any_other_text_is_none(text):
    with pytest.raises(MalformedError):
        Checkpoint.parse(text)


def test_the_largest_size():
    assert Checkpoint.parse(f"{ORIGIN}\n{2**53 - 1}\n{TEXT_ROOT}\n").size == 2**53 - 1


@given(checkpoints)
def test_of_a_note_of_one_s_own(checkpoint):
    key = PrivateKey.generate()
    text = checkpoint.to_text()
    if any(char < " " and char != "\n" for char in text):
        return
    note = sign_note(text, "log.example", key)
    opened = open_note(note, [VerifierKey("log.example", key.public)])
    assert Checkpoint.parse(opened.text) == Checkpoint.of_note(note.decode()) == checkpoint
