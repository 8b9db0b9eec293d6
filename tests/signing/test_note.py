"""Signed notes against what other implementations signed, the standard, and hostile lines."""

import base64
import contextlib
import struct
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.errors import InputError, MalformedError
from provenance.signing import (
    COSIGNATURE,
    NoteSignature,
    PrivateKey,
    SignatureError,
    VerifierKey,
    add_signatures,
    cosign_note,
    open_note,
    sign_note,
    strip_foreign_lines,
)
from provenance.signing.note import MAX_NOTE

NOTES = Path(__file__).parent / "notes"

# golang.org/x/mod/sumdb/note, the example of its documentation (BSD-3-Clause).
GO_NOTE = (NOTES / "go.txt").read_bytes()
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

# A checkpoint that a public Certificate Transparency log served, cosigned by public witnesses.
# The log signs it twice, under one name and two keys; one of the types is not known here.
LOG_NOTE = (NOTES / "public-log.txt").read_bytes()
WITNESS_KEY = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"

TEXT = "acme.example/ml\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
LOG, WITNESS = PrivateKey.generate(), PrivateKey.generate()
LOG_KEY = VerifierKey("acme.example/ml", LOG.public)
W1 = VerifierKey("witness.example/w1", WITNESS.public, COSIGNATURE)
NOTE = sign_note(TEXT, LOG_KEY.name, LOG)
COSIGNED = add_signatures(NOTE, [cosign_note(TEXT, W1.name, WITNESS, time=1679315147)])


def line(name: str, key_id: bytes, signature: bytes) -> bytes:
    return b"\xe2\x80\x94 %b %b\n" % (name.encode(), base64.b64encode(key_id + signature))


# --- what others signed -----------------------------------------------------------------------


def test_the_note_of_go():
    note = open_note(GO_NOTE, [VerifierKey.parse(GO_KEY)])
    assert note.text.encode() == GO_NOTE[: GO_NOTE.index(b"\n\n") + 1]
    assert note.signatures == (NoteSignature(VerifierKey.parse(GO_KEY), None),)


def test_a_cosignature_of_a_public_witness():
    note = open_note(LOG_NOTE, [VerifierKey.parse(WITNESS_KEY)])
    assert note.text.startswith("arche2025h1.staging.ct.transparency.dev\n1432088532\n")
    assert [signature.time for signature in note.signatures] == [0x6A122120]
    with pytest.raises(SignatureError, match="not valid"):
        open_note(LOG_NOTE.replace(b"1432088532", b"1432088533"), [VerifierKey.parse(WITNESS_KEY)])


# --- by the definition ------------------------------------------------------------------------


def test_a_note_by_the_definition():
    raw = LOG.public.raw
    key_id = sha256(b"acme.example/ml\n\x01" + raw).digest()[:4]
    *_, last = NOTE.decode().rstrip("\n").split("\n")
    dash, name, encoded = last.split(" ")
    data = base64.b64decode(encoded)
    assert (dash, name, data[:4]) == ("—", "acme.example/ml", key_id)
    assert TEXT.encode() + b"\n" + line(name, key_id, data[4:]) == NOTE
    Ed25519PublicKey.from_public_bytes(raw).verify(data[4:], TEXT.encode())
    material = base64.b64encode(b"\x01" + raw).decode()
    assert str(LOG_KEY) == f"acme.example/ml+{key_id.hex()}+{material}"


def test_a_cosignature_by_the_definition():
    raw = WITNESS.public.raw
    key_id = sha256(b"witness.example/w1\n\x04" + raw).digest()[:4]
    data = base64.b64decode(cosign_note(TEXT, W1.name, WITNESS, time=1679315147).split(b" ")[2])
    assert data[:12] == key_id + struct.pack(">Q", 1679315147)
    assert len(data) == 4 + 8 + 64
    message = b"cosignature/v1\ntime 1679315147\n" + TEXT.encode()
    Ed25519PublicKey.from_public_bytes(raw).verify(data[12:], message)
    assert W1.key_id == key_id


# --- round trips ------------------------------------------------------------------------------

names = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="+"),
    min_size=1,
    max_size=30,
)
texts = st.text(
    st.one_of(st.just("\n"), st.characters(exclude_categories=["Cs"], min_codepoint=32)),
    max_size=80,
).map(lambda text: text + "\n")


@settings(max_examples=60, deadline=None)
@given(text=texts, name=names, time=st.integers(min_value=0, max_value=2**63 - 1))
def test_what_is_signed_opens(text, name, time):
    key = VerifierKey(name, LOG.public)
    witness = VerifierKey(name, WITNESS.public, COSIGNATURE)
    note = add_signatures(sign_note(text, name, LOG), [cosign_note(text, name, WITNESS, time=time)])
    opened = open_note(note, [key, witness])
    assert opened.text == text
    assert opened.signatures == (NoteSignature(key, None), NoteSignature(witness, time))
    assert VerifierKey.parse(str(key)) == key
    assert VerifierKey.parse(str(witness)) == witness


@settings(max_examples=100, deadline=None)
@given(flip=st.integers(min_value=0))
def test_any_flipped_bit_is_rejected(flip):
    data = bytearray(COSIGNED)
    bit = flip % (8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    with contextlib.suppress(MalformedError, SignatureError):
        # A line whose name or key ID changed is a line by an unknown key.
        assert len(open_note(bytes(data), [LOG_KEY, W1]).signatures) < 2


# --- who signed -------------------------------------------------------------------------------


def test_unknown_keys_are_passed_over_even_with_the_same_name():
    stranger = VerifierKey(LOG_KEY.name, PrivateKey.generate().public)
    same_id = line("somebody.else", LOG_KEY.key_id, bytes(64))
    same_name = line(LOG_KEY.name, stranger.key_id, bytes(64))
    note = add_signatures(COSIGNED, [same_id, same_name])
    assert [s.key for s in open_note(note, [LOG_KEY, W1]).signatures] == [LOG_KEY, W1]
    assert [s.key for s in open_note(note, [W1]).signatures] == [W1]


def test_a_known_key_that_fails_rejects_the_note():
    other = sign_note("other\n", LOG_KEY.name, LOG).split(b"\n\n")[1]
    with pytest.raises(SignatureError, match="not valid"):
        open_note(TEXT.encode() + b"\n" + other, [LOG_KEY])
    note = add_signatures(NOTE, [cosign_note("other\n", W1.name, WITNESS, time=1)])
    with pytest.raises(SignatureError, match="not valid"):
        open_note(note, [LOG_KEY, W1])
    assert open_note(note, [LOG_KEY]).text == TEXT


def test_no_known_key_rejects_the_note():
    with pytest.raises(SignatureError, match=r"no known key, only by acme\.example/ml"):
        open_note(NOTE, [W1])
    with pytest.raises(SignatureError, match="no known key"):
        open_note(NOTE, [])


def test_names_of_strangers_are_told_up_to_a_length():
    stranger = "s" * 900
    lines = (line(f"{n}{stranger}", bytes([n] * 4), bytes(64)) for n in range(90))
    with pytest.raises(SignatureError, match=r"by 0s{79}, 1s{79}, .*, 4s{79} and 85 more$"):
        open_note(f"{TEXT}\n".encode() + b"".join(lines), [W1])
    few = f"{TEXT}\n".encode() + b"".join(line(f"n{n}", bytes(4), bytes(64)) for n in range(5))
    with pytest.raises(SignatureError, match=r"by n0, n1, n2, n3, n4$"):
        open_note(few, [W1])


def test_a_key_signs_once():
    repeated = COSIGNED + cosign_note(TEXT, W1.name, WITNESS, time=1679315148)
    with pytest.raises(SignatureError, match="signed twice by witness"):
        open_note(repeated, [LOG_KEY, W1])
    assert open_note(repeated, [LOG_KEY]).text == TEXT


def test_two_verifier_keys_of_one_id_are_refused(monkeypatch):
    # A 4-byte key ID can be made to collide; that takes 2^32 hashes, so here it is set.
    first, second = LOG_KEY, VerifierKey(LOG_KEY.name, WITNESS.public)
    assert open_note(NOTE, [first, first]).text == TEXT
    monkeypatch.setattr(VerifierKey, "key_id", b"same")
    with pytest.raises(InputError, match="one key ID"):
        open_note(NOTE, [first, second])


def test_one_key_in_two_roles_does_not_sign_for_the_other():
    as_witness = VerifierKey(LOG_KEY.name, LOG.public, COSIGNATURE)
    assert as_witness.key_id != LOG_KEY.key_id
    with pytest.raises(SignatureError, match="no known key"):
        open_note(NOTE, [as_witness])
    signature = LOG.sign(TEXT.encode())
    as_cosignature = line(as_witness.name, as_witness.key_id, bytes(8) + signature)
    with pytest.raises(SignatureError, match="not valid"):
        open_note(HEAD + as_cosignature, [as_witness])


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (bytes(64), "64 bytes, not 72"),
        (bytes(73), "73 bytes, not 72"),
        (struct.pack(">Q", 2**63) + bytes(64), "no POSIX time"),
        (bytes(72), "not valid"),
    ],
)
def test_malformed_cosignatures(signature, message):
    note = NOTE + line(W1.name, W1.key_id, signature)
    with pytest.raises(SignatureError, match=message):
        open_note(note, [LOG_KEY, W1])


# --- lines ------------------------------------------------------------------------------------


def test_16_signatures_are_accepted_and_more_than_100_are_not():
    keys = [VerifierKey(f"w{i}", PrivateKey.generate().public, COSIGNATURE) for i in range(99)]
    lines = [line(key.name, key.key_id, bytes(72)) for key in keys]
    assert open_note(NOTE + b"".join(lines[:15]), [LOG_KEY]).text == TEXT
    assert open_note(NOTE + b"".join(lines), [LOG_KEY]).text == TEXT
    with pytest.raises(MalformedError, match="101 signatures, more than 100"):
        open_note(NOTE + b"".join(lines) + line("w100", b"1234", bytes(72)), [LOG_KEY])
    with pytest.raises(MalformedError, match="101 signatures, more than 100"):
        add_signatures(NOTE + b"".join(lines), [line("w100", b"1234", bytes(72))])


def test_sixteen_witnesses_count():
    witnesses = [PrivateKey.generate() for _ in range(16)]
    note = add_signatures(
        NOTE, [cosign_note(TEXT, f"w{i}", key, time=i) for i, key in enumerate(witnesses)]
    )
    keys = [VerifierKey(f"w{i}", key.public, COSIGNATURE) for i, key in enumerate(witnesses)]
    assert [s.time for s in open_note(note, keys).signatures] == list(range(16))


def test_adding_a_line_replaces_the_line_of_that_key():
    later = add_signatures(COSIGNED, [cosign_note(TEXT, W1.name, WITNESS, time=1679315148)])
    assert [s.time for s in open_note(later, [LOG_KEY, W1]).signatures] == [None, 1679315148]
    assert len(later) == len(COSIGNED)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"x", b"text\n\n" + line("w", b"1234", b"s"), b"\n\n"]
)
def test_only_signature_lines_can_be_added(data):
    with pytest.raises(MalformedError):
        add_signatures(NOTE, [data])


def test_foreign_lines_are_stripped():
    note = add_signatures(COSIGNED, [line("stranger", b"1234", bytes(64))])
    assert strip_foreign_lines(note, [LOG_KEY, W1]) == COSIGNED
    assert strip_foreign_lines(note, [LOG_KEY]) == NOTE
    assert strip_foreign_lines(NOTE, [LOG_KEY, W1]) == NOTE
    with pytest.raises(SignatureError, match="no known key"):
        strip_foreign_lines(note, [])


SIGNED = line(LOG_KEY.name, LOG_KEY.key_id, LOG.sign(TEXT.encode()))
HEAD = TEXT.encode() + b"\n"
MALFORMED = {
    "empty": (b"", "no signature lines"),
    "no-empty-line": (TEXT.encode() + SIGNED, "no signature lines"),
    "no-lines": (HEAD, "no signature lines"),
    "no-final-newline": (HEAD + SIGNED[:-1], "no signature lines"),
    "empty-line-at-end": (HEAD + SIGNED + b"\n", "no signature lines"),
    "hyphen": (HEAD + b"-" + SIGNED[3:], "not a signature line"),
    "two-spaces": (HEAD + SIGNED.replace(b" ", b"  "), "not a signature line"),
    "no-space": (HEAD + SIGNED.replace(b" ", b""), "not a signature line"),
    "trailing-space": (HEAD + SIGNED[:-1] + b" \n", "not a signature line"),
    "no-name": (HEAD + SIGNED.replace(b"acme.example/ml", b""), "cannot name a key"),
    "plus-in-name": (HEAD + SIGNED.replace(b"acme", b"ac+e"), "cannot name a key"),
    "unicode-space-in-name": (HEAD + SIGNED.replace(b"acme", "a\u2003e".encode()), "cannot name"),
    "url-safe-base64": (HEAD + line("k", b"\xff\xff\xff\xff", b"s").replace(b"/", b"_"), "base64"),
    "unpadded-base64": (HEAD + SIGNED.replace(b"=", b""), "base64"),
    "short": (HEAD + line("k", b"1234", b""), "4 bytes: too few"),
    "carriage-return": (HEAD.replace(b"\n", b"\r\n") + SIGNED, "control character"),
    "tab": (b"\t" + HEAD + SIGNED, "control character"),
    "not-utf8": (b"\xff" + HEAD + SIGNED, "not UTF-8 at byte 0"),
    "too-long": (b"x" * MAX_NOTE + b"\n\n" + SIGNED, "at most 1,000,000"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_notes(name):
    data, message = MALFORMED[name]
    with pytest.raises(MalformedError, match=message):
        open_note(data, [LOG_KEY])
    with pytest.raises(MalformedError, match=message):
        strip_foreign_lines(data, [LOG_KEY])


def test_the_last_empty_line_parts_text_and_signatures():
    text = f"one\n\n{SIGNED.decode()}\n\n"
    note = sign_note(text, LOG_KEY.name, LOG)
    assert open_note(note, [LOG_KEY]).text == text


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "nul\x00\n"])
def test_texts_that_cannot_be_signed(text):
    with pytest.raises(InputError, match="ends in a newline"):
        sign_note(text, "k", LOG)
    with pytest.raises(InputError, match="ends in a newline"):
        cosign_note(text, "k", LOG, time=0)


def test_what_cannot_sign():
    with pytest.raises(InputError, match="Ed25519 is needed"):
        sign_note(TEXT, "k", PrivateKey.generate("ecdsa-p256"))
    for name in ("", "a b", "a+b", "a\u2028b", "a\x1bb"):
        with pytest.raises(InputError, match="cannot name a key"):
            sign_note(TEXT, name, LOG)
    for time in (-1, 2**63):
        with pytest.raises(InputError, match="not a POSIX time"):
            cosign_note(TEXT, "k", LOG, time=time)


# --- verifier keys ----------------------------------------------------------------------------


def vkey(name: str, material: bytes) -> str:
    key_id = sha256(name.encode() + b"\n" + material).digest()[:4].hex()
    return f"{name}+{key_id}+{base64.b64encode(material).decode()}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no type known|of no type"),
        ("name", "of no type known"),
        ("name+12345678", "of no type known"),
        (vkey("k", b""), "of no type known"),
        (vkey("k", b"\x02" + bytes(32)), "of no type known"),
        (vkey("k", b"\x01" + bytes(31)), "32 bytes, not 31"),
        (vkey("k", b"\x01" + bytes(33)), "32 bytes, not 33"),
        (vkey("", b"\x01" + bytes(range(32))), "cannot name a key"),
        (vkey("a b", b"\x01" + bytes(range(32))), "cannot name a key"),
        (GO_KEY.replace("c74f20a3", "c74f20a4"), "must be c74f20a3"),
        (GO_KEY.replace("c74f20a3", "C74F20A3"), "must be c74f20a3"),
        (GO_KEY.replace("Peter", "Pater"), "the key ID in the vkey 'PaterNeumann'"),
        (GO_KEY + "=", "base64"),
        (GO_KEY + "\n", "base64"),
        ("rekor.sigstore.dev+12345678+THIS_IS_NOT_BASE64!", "base64"),
    ],
)
def test_malformed_vkeys(text, message):
    with pytest.raises(MalformedError, match=message):
        VerifierKey.parse(text)


def test_a_vkey_whose_base64_has_a_plus_reads_back():
    for _ in range(64):
        key = VerifierKey("k", PrivateKey.generate().public)
        assert VerifierKey.parse(str(key)) == key
