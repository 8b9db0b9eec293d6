"""Keys against the ``openssl`` command, and every signature that must not count."""

import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.errors import InputError, MalformedError
from provenance.signing import PrivateKey, PublicKey, SignatureError, is_encrypted
from provenance.signing.keys import P256_ORDER

ALGORITHMS = ("ed25519", "ecdsa-p256")
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(
        ["openssl", *arguments], input=data, capture_output=True, check=True
    ).stdout


@pytest.fixture(params=ALGORITHMS)
def key(request):
    return PrivateKey.generate(request.param)


def test_the_keyid_is_what_openssl_and_sha256sum_give(key):
    der = openssl("pkey", "-pubin", "-outform", "DER", data=key.public.to_pem().encode())
    assert key.public.keyid == sha256(der).hexdigest()
    assert key.public.spki == der


def test_openssl_verifies_what_is_signed(key, tmp_path: Path):
    (tmp_path / "pub.pem").write_text(key.public.to_pem())
    (tmp_path / "data").write_bytes(b"a statement")
    (tmp_path / "sig").write_bytes(key.sign(b"a statement"))
    raw = ["-rawin"] if key.public.algorithm == "ed25519" else ["-rawin", "-digest", "sha256"]
    said = openssl(
        *["pkeyutl", "-verify", "-pubin", "-inkey", str(tmp_path / "pub.pem")],
        *["-in", str(tmp_path / "data"), "-sigfile", str(tmp_path / "sig"), *raw],
    )
    assert b"Verified Successfully" in said


def test_a_public_key_reads_back(key):
    assert PublicKey.from_pem(key.public.to_pem()) == key.public
    assert PublicKey.from_pem(key.public.to_pem().encode()) == key.public
    assert key.public.algorithm in ALGORITHMS


def test_raw_bytes_are_ed25519_only():
    key = PrivateKey.generate("ed25519").public
    assert len(key.raw) == 32
    assert PublicKey.from_raw(key.raw) == key
    with pytest.raises(InputError, match="Ed25519 is needed"):
        _ = PrivateKey.generate("ecdsa-p256").public.raw
    with pytest.raises(MalformedError, match="32 bytes, not 31"):
        PublicKey.from_raw(key.raw[:31])


def test_rfc8032_test_3():
    # RFC 8032, section 7.1, TEST 3.
    public = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
    signature = (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    PublicKey.from_raw(bytes.fromhex(public)).verify(bytes.fromhex(signature), b"\xaf\x82")


@settings(max_examples=30, deadline=None)
@given(
    data=st.binary(max_size=200),
    flip=st.integers(min_value=0),
    algorithm=st.sampled_from(ALGORITHMS),
)
def test_any_flipped_bit_of_a_signature_or_its_data_is_rejected(data, flip, algorithm):
    key = PrivateKey.generate(algorithm)
    signature = key.sign(data)
    key.public.verify(signature, data)
    bit = flip % (8 * len(signature))
    wrong = bytearray(signature)
    wrong[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SignatureError):
        key.public.verify(bytes(wrong), data)
    with pytest.raises(SignatureError, match="not valid"):
        key.public.verify(signature, data + b"\x00")


def test_another_keys_signature_is_rejected(key):
    with pytest.raises(SignatureError):
        PrivateKey.generate(key.public.algorithm).public.verify(key.sign(b"x"), b"x")


def test_ecdsa_is_always_low_s_and_high_s_is_rejected():
    key = PrivateKey.generate("ecdsa-p256")
    for i in range(40):  # without the rule, half of them are high
        signature = key.sign(b"%d" % i)
        r, s = decode_dss_signature(signature)
        assert s <= P256_ORDER // 2
        high = encode_dss_signature(r, P256_ORDER - s)
        with pytest.raises(SignatureError, match="low-s"):
            key.public.verify(high, b"%d" % i)
        assert key.public.one_form(high) == signature


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda r, s: (0, s), id="r-zero"),
        pytest.param(lambda r, s: (r, 0), id="s-zero"),
        pytest.param(lambda r, s: (P256_ORDER, s), id="r-order"),
        pytest.param(lambda r, s: (r, P256_ORDER + s), id="s-plus-order"),
    ],
)
def test_ecdsa_out_of_range_is_rejected(change):
    key = PrivateKey.generate("ecdsa-p256")
    r, s = decode_dss_signature(key.sign(b"x"))
    with pytest.raises(SignatureError, match="out of range"):
        key.public.verify(encode_dss_signature(*change(r, s)), b"x")


def test_ecdsa_in_another_der_form_is_rejected():
    key = PrivateKey.generate("ecdsa-p256")
    signature = key.sign(b"x")
    with pytest.raises(SignatureError):
        key.public.verify(signature + b"\x00", b"x")
    long_form = b"\x30\x81" + signature[1:]  # BER allows the length in two bytes
    with pytest.raises(SignatureError):
        key.public.verify(long_form, b"x")


def test_ed25519_with_s_beyond_the_order_is_rejected():
    key = PrivateKey.generate("ed25519")
    signature = key.sign(b"x")
    s = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    with pytest.raises(SignatureError, match="not valid"):
        key.public.verify(signature[:32] + s.to_bytes(32, "little"), b"x")
    assert key.public.one_form(signature) == signature


def pem_of(key) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("pem", "named"),
    [
        (pem_of(ec.generate_private_key(ec.SECP384R1()).public_key()), "secp384r1"),
        (pem_of(ec.generate_private_key(ec.SECP256K1()).public_key()), "secp256k1"),
        (pem_of(rsa.generate_private_key(65537, 2048).public_key()), "RSA"),
    ],
)
def test_public_keys_of_other_algorithms_are_named(pem, named):
    with pytest.raises(InputError, match=f"{named} is not supported"):
        PublicKey.from_pem(pem)


@pytest.mark.parametrize("pem", ["", "ssh-ed25519 AAAA", "-----BEGIN PUBLIC KEY-----\n", "\ud800"])
def test_what_is_not_a_public_key(pem):
    with pytest.raises(MalformedError, match="not a PEM public key"):
        PublicKey.from_pem(pem)


SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # 1, not reduced
]


@pytest.mark.parametrize("raw", SMALL_ORDER)
def test_a_key_under_which_everybody_can_sign_is_refused(raw):
    """R = 1 and s = 0 satisfy sB = R + hA whenever h is a multiple of the order of A."""
    forged = (1).to_bytes(32, "little") + bytes(32)
    library = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(raw))

    def passes(number):
        try:
            library.verify(forged, b"statement %d" % number)
        except InvalidSignature:
            return False
        return True

    assert any(map(passes, range(300))), "the library takes a signature that nobody made"
    with pytest.raises(MalformedError, match="everybody can sign"):
        PublicKey.from_raw(bytes.fromhex(raw))
    with pytest.raises(MalformedError, match="everybody can sign"):
        PublicKey.from_pem(library.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def test_only_the_one_der_form_of_a_public_key():
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = pem_of(public)
    der = PublicKey.from_pem(pem).spki
    with pytest.raises(MalformedError, match="not a public key"):
        PublicKey(der[:-1])
    # A compressed point is the same key in other bytes: another keyid, if it were let in.
    compressed = der[:26] + public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    compressed = bytes([0x30, 57, *compressed[2:24], 34, *compressed[25:]])
    assert openssl("pkey", "-pubin", "-inform", "DER", "-outform", "DER", data=compressed)
    with pytest.raises(MalformedError, match="one DER form"):
        PublicKey(compressed)
    loose = openssl("ec", "-pubin", "-conv_form", "compressed", data=pem.encode())
    assert PublicKey.from_pem(loose).to_pem() == pem


# --- private keys -----------------------------------------------------------------------------


def test_a_private_key_reads_back(key):
    again = PrivateKey.from_pem(key.to_pem())
    assert again.public == key.public
    assert not is_encrypted(key.to_pem())
    assert PrivateKey.from_pem(key.to_pem(), b"not needed").public == key.public


def test_a_passphrase_protects_a_private_key(key):
    pem = key.to_pem(b"correct horse")
    assert is_encrypted(pem)
    assert PrivateKey.from_pem(pem, b"correct horse").public == key.public
    with pytest.raises(InputError, match=r"keys/me\.pem does not open: wrong passphrase"):
        PrivateKey.from_pem(pem, b"correct hors", name="keys/me.pem")
    with pytest.raises(InputError, match=r"keys/me\.pem is encrypted and no passphrase"):
        PrivateKey.from_pem(pem, name="keys/me.pem")
    with pytest.raises(InputError, match="empty passphrase"):
        key.to_pem(b"")


def test_openssl_reads_an_encrypted_key_and_its_cost(key):
    pem = key.to_pem(b"pw")
    assert (
        openssl("pkey", "-passin", "pass:pw", "-pubout", data=pem).decode() == key.public.to_pem()
    )
    asn1 = openssl("asn1parse", data=pem).decode()
    assert all(word in asn1 for word in ("PBKDF2", "hmacWithSHA256", "aes-256-cbc"))
    assert f"{600_000:06X}" in asn1


def test_keys_that_openssl_made():
    for arguments in (["-algorithm", "ed25519"], ["-algorithm", "EC", "-pkeyopt", "group:P-256"]):
        pem = openssl("genpkey", *arguments)
        public = openssl("pkey", "-pubout", data=pem).decode()
        assert PrivateKey.from_pem(pem).public.to_pem() == public
    traditional = openssl("ec", data=openssl("ecparam", "-name", "prime256v1", "-genkey"))
    assert traditional.startswith(b"-----BEGIN EC PRIVATE KEY-----")
    assert PrivateKey.from_pem(traditional).public.algorithm == "ecdsa-p256"


def test_private_keys_of_other_algorithms_are_named():
    with pytest.raises(InputError, match="me: RSA is not supported"):
        PrivateKey.from_pem(openssl("genrsa", "2048"), name="me")
    with pytest.raises(InputError, match="secp384r1 is not supported"):
        PrivateKey.from_pem(openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout"))
    with pytest.raises(InputError, match="'rsa' is not supported"):
        PrivateKey.generate("rsa")


@pytest.mark.parametrize("data", [b"", b"\xff\x00", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_what_is_not_a_private_key(data):
    with pytest.raises(MalformedError, match="me is not a PEM private key"):
        PrivateKey.from_pem(data, name="me")


def test_a_private_key_does_not_show_itself(key):
    assert key.public.keyid in repr(key)
    secret = "".join(key.to_pem().decode().split("\n")[1:-2])
    assert secret[-20:] not in repr(key)
    assert secret[-20:] not in str(vars(key))


def test_ed25519_is_the_default():
    assert PrivateKey.generate().public.algorithm == "ed25519"
    assert isinstance(PrivateKey.generate()._key, ed25519.Ed25519PrivateKey)
