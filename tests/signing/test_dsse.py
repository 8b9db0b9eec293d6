"""DSSE against securesystemslib in both directions, and the one byte form against all others."""

import base64
import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib import dsse as foreign
from securesystemslib.signer import CryptoSigner, SSlibKey

from provenance import forms
from provenance.errors import InputError, MalformedError
from provenance.signing import (
    PAYLOAD_TYPE,
    Envelope,
    PrivateKey,
    PublicKey,
    Signature,
    SignatureError,
    dsse,
    import_foreign,
    pae,
    sign,
)
from provenance.signing.keys import P256_ORDER

PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}\xc3\xbf?>'
KEYS = (PrivateKey.generate("ed25519"), PrivateKey.generate("ecdsa-p256"))
PUBLIC = [key.public for key in KEYS]
MEMBERS = json.loads(sign(PAYLOAD, KEYS).to_bytes())


def canonical(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def test_pae_of_the_standard():
    # The example of the DSSE protocol, v1.0.
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_the_signature_of_the_standard_verifies():
    # The ECDSA test vector of the same place; its signature is r ‖ s.
    x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
    y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
    raw = base64.b64decode(
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    )
    point = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    key = PublicKey(point.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    r, s = int.from_bytes(raw[:32]), int.from_bytes(raw[32:])
    signature = key.one_form(encode_dss_signature(r, s))
    key.verify(signature, pae("http://example.com/HelloWorld", b"hello world"))


@settings(max_examples=25, deadline=None)
@given(payload=st.binary(max_size=300), count=st.integers(min_value=1, max_value=3))
def test_what_is_signed_parses_and_verifies(payload, count):
    keys = [PrivateKey.generate("ecdsa-p256" if i % 2 else "ed25519") for i in range(count)]
    envelope = sign(payload, keys)
    read = Envelope.parse(envelope.to_bytes())
    assert read == envelope
    assert forms.dump(read) == read.to_bytes() == envelope.to_bytes()
    keyids = tuple(sorted(key.public.keyid for key in keys))
    assert envelope.verified_by(key.public for key in keys) == keyids == envelope.keyids
    assert envelope.payload == payload


@pytest.mark.parametrize("key", KEYS, ids=["ed25519", "ecdsa-p256"])
def test_securesystemslib_verifies_ours(key):
    theirs = foreign.Envelope.from_dict(json.loads(sign(PAYLOAD, [key]).to_bytes()))
    public = SSlibKey.from_crypto(key.public._key, key.public.keyid)
    assert theirs.payload == PAYLOAD
    assert theirs.verify([public], 1).keys() == {key.public.keyid}


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
@pytest.mark.parametrize("own_keyid", [True, False])
def test_we_verify_what_securesystemslib_signs(algorithm, own_keyid):
    for _ in range(8):  # half of its ECDSA signatures have a high s
        key = PrivateKey.generate(algorithm)
        keyid = key.public.keyid if own_keyid else None
        signer = CryptoSigner(key._key, SSlibKey.from_crypto(key.public._key, keyid))
        theirs = foreign.Envelope(PAYLOAD, PAYLOAD_TYPE, {})
        theirs.sign(signer)
        envelope = import_foreign(json.dumps(theirs.to_dict()).encode(), [*PUBLIC, key.public])
        assert Envelope.parse(envelope.to_bytes()).verified_by([key.public]) == (key.public.keyid,)
        assert envelope.payload == PAYLOAD


# --- who signed -------------------------------------------------------------------------------


def test_unknown_keys_are_passed_over():
    envelope = sign(PAYLOAD, KEYS)
    assert envelope.verified_by([]) == ()
    assert envelope.verified_by(PUBLIC[:1]) == (PUBLIC[0].keyid,)
    assert envelope.verified_by([PUBLIC[0], PUBLIC[0]]) == (PUBLIC[0].keyid,)
    assert envelope.verified_by([PrivateKey.generate().public]) == ()


def test_a_known_key_that_fails_rejects_the_envelope():
    good, other = sign(PAYLOAD, KEYS), sign(b"other", KEYS)
    mixed = Envelope(payload=PAYLOAD, signatures=(good.signatures[0], other.signatures[1]))
    with pytest.raises(SignatureError, match=mixed.signatures[1].keyid[:16]):
        mixed.verified_by(PUBLIC)


def test_a_signature_under_another_keyid_does_not_count():
    signature = sign(PAYLOAD, KEYS[:1]).signatures[0]
    stolen = Envelope(
        payload=PAYLOAD, signatures=(Signature(keyid=PUBLIC[1].keyid, sig=signature.sig),)
    )
    with pytest.raises(SignatureError):
        stolen.verified_by(PUBLIC)


def test_the_digest_is_over_the_stored_bytes():
    envelope = sign(PAYLOAD, KEYS)
    assert envelope.digest == sha256(envelope.to_bytes()).digest()


def test_signing_needs_keys_each_once():
    with pytest.raises(InputError, match="no key"):
        sign(PAYLOAD, [])
    with pytest.raises(InputError, match="twice"):
        sign(PAYLOAD, [KEYS[0], PrivateKey.from_pem(KEYS[0].to_pem())])


@settings(max_examples=60, deadline=None)
@given(flip=st.integers(min_value=0))
def test_any_flipped_bit_is_malformed_or_not_valid(flip):
    data = bytearray(sign(PAYLOAD, KEYS).to_bytes())
    bit = flip % (8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    try:
        envelope = Envelope.parse(bytes(data))
        assert envelope.verified_by(PUBLIC) != tuple(sorted(key.keyid for key in PUBLIC))
    except (MalformedError, SignatureError):
        pass


# --- one byte form ----------------------------------------------------------------------------


def changed(**members):
    return canonical({**MEMBERS, **members})


def urlsafe(text: str) -> str:
    return text.translate({ord("+"): "-", ord("/"): "_"})


SIGNATURES = MEMBERS["signatures"]

OTHER_FORMS = {
    "spaces": json.dumps(MEMBERS, sort_keys=True).encode(),
    "member-order": json.dumps(
        dict(sorted(MEMBERS.items(), reverse=True)), separators=(",", ":")
    ).encode(),
    "trailing-newline": canonical(MEMBERS) + b"\n",
    "escape": canonical(MEMBERS).replace(b"payloadType", rb"payload\u0054ype"),
    "unsorted": changed(signatures=SIGNATURES[::-1]),
    "url-safe": changed(payload=urlsafe(MEMBERS["payload"])),
    "unpadded-sig": changed(
        signatures=[{**item, "sig": item["sig"].rstrip("=")} for item in SIGNATURES]
    ),
}


def test_the_other_forms_are_other_bytes():
    ours = sign(PAYLOAD, KEYS)
    assert canonical(MEMBERS) == Envelope.parse(canonical(MEMBERS)).to_bytes()
    assert "/" in MEMBERS["payload"] or "+" in MEMBERS["payload"]
    assert all(data != canonical(MEMBERS) for data in OTHER_FORMS.values())
    assert ours.payload == PAYLOAD


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_parse_refuses_other_forms_and_import_takes_them(form):
    with pytest.raises(MalformedError):
        Envelope.parse(OTHER_FORMS[form])
    assert import_foreign(OTHER_FORMS[form], PUBLIC).to_bytes() == canonical(MEMBERS)


def high_s(text: str) -> str:
    r, s = decode_dss_signature(base64.b64decode(text))
    return base64.b64encode(encode_dss_signature(r, P256_ORDER - s)).decode()


def test_high_s_is_refused_and_import_lowers_it():
    data = changed(
        signatures=[
            {**item, "sig": high_s(item["sig"])} if item["keyid"] == PUBLIC[1].keyid else item
            for item in SIGNATURES
        ]
    )
    with pytest.raises(SignatureError, match="low-s"):
        Envelope.parse(data).verified_by(PUBLIC)
    assert import_foreign(data, PUBLIC).to_bytes() == canonical(MEMBERS)


MALFORMED = {
    "empty": (b"", "not JSON"),
    "list": (b"[]", "must be an object"),
    "unknown-member": (changed(extra=1), "unknown field 'extra'"),
    "no-payload": (canonical({"payloadType": PAYLOAD_TYPE, "signatures": []}), "lacks"),
    "payload-number": (changed(payload=1), r"envelope\.payload must be standard base64"),
    "payload-not-base64": (changed(payload="e30"), r"envelope\.payload must be standard base64"),
    "no-type": (
        canonical({k: v for k, v in MEMBERS.items() if k != "payloadType"}),
        "lacks the field 'payloadType'",
    ),
    "other-type": (changed(payloadType="text/plain"), r"envelope\.payloadType must be one of"),
    "no-signatures": (changed(signatures=[]), "1 to 100 signatures, not 0"),
    "101-signatures": (
        changed(signatures=[{"keyid": f"{i:064x}", "sig": ""} for i in range(101)]),
        "not 101",
    ),
    "one-key-twice": (changed(signatures=[SIGNATURES[0], SIGNATURES[0]]), "one per key"),
    "keyid-upper": (
        changed(signatures=[{"keyid": "AB" * 32, "sig": ""}]),
        r"signatures\[0\]\.keyid must be a keyid",
    ),
    "keyid-short": (changed(signatures=[{"keyid": "ab", "sig": ""}]), "must be a keyid"),
    "signature-extra": (changed(signatures=[{**SIGNATURES[0], "cert": ""}]), "unknown field"),
    "duplicate-member": (b'{"payload":"","payload":""}', "twice"),
    "nested": (b"[" * 1000 + b"]" * 1000, "nests deeper"),
    "too-long": (b" " * (dsse.MAX_ENVELOPE + 1), "at most"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name):
    data, message = MALFORMED[name]
    with pytest.raises(MalformedError, match=message):
        Envelope.parse(data)


# --- import -----------------------------------------------------------------------------------


def test_import_drops_unknown_members_and_second_signatures():
    again = {
        "keyid": "",
        "sig": base64.b64encode(KEYS[1].sign(pae(PAYLOAD_TYPE, PAYLOAD))).decode(),
    }
    data = json.dumps(
        {**MEMBERS, "note": 1, "signatures": [{**SIGNATURES[0], "cert": "x"}, SIGNATURES[1], again]}
    ).encode()
    assert import_foreign(data, PUBLIC).to_bytes() == canonical(MEMBERS)


def test_import_finds_the_signer_whatever_the_keyid_says():
    swapped = [
        {"keyid": SIGNATURES[1]["keyid"], "sig": SIGNATURES[0]["sig"]},
        {"sig": SIGNATURES[1]["sig"]},
    ]
    assert import_foreign(changed(signatures=swapped), PUBLIC).to_bytes() == canonical(MEMBERS)


def test_import_refuses_a_signature_by_none_of_the_keys():
    with pytest.raises(SignatureError, match=r"signatures\[\d\] is by none of the 1 keys"):
        import_foreign(canonical(MEMBERS), PUBLIC[:1])
    with pytest.raises(SignatureError, match="none of the 2 keys"):
        import_foreign(changed(payload="e30="), PUBLIC)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[]", "list of 1 to 100 signatures"),
        (changed(signatures={}), "list of 1 to 100 signatures"),
        (changed(signatures=[]), "list of 1 to 100 signatures"),
        (changed(signatures=[{}] * 101), "list of 1 to 100 signatures"),
        (changed(payloadType="text/plain"), "payloadType is not"),
        (changed(payload=None), r"envelope\.payload must be base64 text"),
        (changed(payload="e3*="), r"envelope\.payload must be"),
        (changed(payload="e31="), r"envelope\.payload must be"),
        (changed(signatures=["x"]), r"envelope\.signatures\[0\] must be an object"),
        (changed(signatures=[{}]), r"envelope\.signatures\[0\]\.sig must be base64 text"),
        (b"{", "not JSON"),
    ],
)
def test_import_refuses_what_is_no_envelope(data, message):
    with pytest.raises(MalformedError, match=message):
        import_foreign(data, PUBLIC)
