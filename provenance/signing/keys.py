"""Signing keys: Ed25519 (RFC 8032) by default, ECDSA over P-256 for those who must.

A key is named by its ``keyid``: the hex SHA-256 of its SubjectPublicKeyInfo in DER, so anybody
can compute it::

    openssl pkey -pubin -in key.pub.pem -outform DER | sha256sum

There is one byte form of everything here. A public key is PEM as RFC 7468 writes it, P-256
points uncompressed, Ed25519 points reduced and not of small order. An Ed25519 signature is 64
bytes with s below the group order. An ECDSA signature is over SHA-256, in DER, with s in the lower
half: for each (r, s) that verifies, (r, n - s) does too, and only one of the two may count, else
one statement has two envelopes.

`PrivateKey` and `PublicKey` are values and touch no file; `provenance.signing.keyfiles` does.

The tests hold this against ``securesystemslib`` and the ``openssl`` command.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Literal, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from provenance.errors import InputError, MalformedError, ProvenanceError
from provenance.signing import pkcs8

__all__ = ["Algorithm", "PrivateKey", "PublicKey", "SignatureError", "is_encrypted"]

Algorithm = Literal["ed25519", "ecdsa-p256"]

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""n of FIPS 186-5 (SP 800-186, section 3.2.1.3)."""


ED25519_PRIME = 2**255 - 19

_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
"""y of a point of order 8; -y is that of the others. Order 1: y = 1; 2: y = -1; 4: y = 0."""


class SignatureError(ProvenanceError):
    """A signature that is not valid, or not in its one form."""


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies; equal to another iff its SPKI DER is.

    Attributes:
        spki: SubjectPublicKeyInfo in DER: 44 bytes for Ed25519, 91 for P-256.
    """

    spki: bytes

    def __post_init__(self) -> None:
        try:
            key = load_der_public_key(self.spki)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise MalformedError("not a public key (SubjectPublicKeyInfo)") from None
        if _algorithm(key) is None:
            raise InputError(f"{_named(key)} is not supported: Ed25519 and ECDSA P-256 are")
        if _spki(cast("_Public", key)) != self.spki:
            raise MalformedError("not the one DER form of this public key")
        if isinstance(key, Ed25519PublicKey) and _is_weak(key.public_bytes_raw()):
            raise MalformedError(
                "an Ed25519 key under which everybody can sign, or not in its form"
            )

    @classmethod
    def from_pem(cls, pem: str | bytes) -> PublicKey:
        """Read a PEM public key, of whatever line length.

        Raises:
            MalformedError: not a public key.
            InputError: a public key of another algorithm.
        """
        data = pem.encode(errors="replace") if isinstance(pem, str) else pem
        try:
            key = load_pem_public_key(data)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise MalformedError("not a PEM public key (-----BEGIN PUBLIC KEY-----)") from None
        return cls(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @classmethod
    def from_raw(cls, raw: bytes) -> PublicKey:
        """Return the Ed25519 key of these 32 bytes (RFC 8032, section 5.1.2).

        Raises:
            MalformedError: not 32 bytes.
        """
        if len(raw) != 32:
            raise MalformedError(f"an Ed25519 public key has 32 bytes, not {len(raw)}")
        return cls(_spki(Ed25519PublicKey.from_public_bytes(raw)))

    @cached_property
    def keyid(self) -> str:
        """Hex SHA-256 of the SPKI DER: 64 digits."""
        return sha256(self.spki).hexdigest()

    @property
    def algorithm(self) -> Algorithm:
        """``ed25519`` or ``ecdsa-p256``."""
        return cast("Algorithm", _algorithm(self._key))

    @property
    def raw(self) -> bytes:
        """The 32 bytes of an Ed25519 key.

        Raises:
            InputError: the key is of another algorithm.
        """
        if not isinstance(self._key, Ed25519PublicKey):
            raise InputError(f"key {self.keyid[:16]} is {self.algorithm}; Ed25519 is needed here")
        return self._key.public_bytes_raw()

    def to_pem(self) -> str:
        """Return the one PEM form: lines of 64 characters, a final newline (RFC 7468)."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def verify(self, signature: bytes, data: bytes) -> None:
        """Check that `signature` over `data` is by this key.

        Raises:
            SignatureError: it is not, or it is not in its one form.
        """
        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, data)
            else:
                if signature != self.one_form(signature):
                    raise SignatureError(f"{self._signature} is not in low-s DER form")
                self._key.verify(signature, data, ECDSA(SHA256()))
        except InvalidSignature:
            raise SignatureError(f"{self._signature} is not valid") from None

    def one_form(self, signature: bytes) -> bytes:
        """Return the one form of a signature by this key: ECDSA with low s, Ed25519 as it is.

        Raises:
            SignatureError: not an ECDSA signature in DER.
        """
        if isinstance(self._key, Ed25519PublicKey):
            return signature
        try:
            r, s = decode_dss_signature(signature)
        except ValueError:
            raise SignatureError(f"{self._signature} is not in DER") from None
        if not (0 < r < P256_ORDER and 0 < s < P256_ORDER):
            raise SignatureError(f"{self._signature} is out of range")
        return encode_dss_signature(r, min(s, P256_ORDER - s))

    @property
    def _signature(self) -> str:
        return f"the signature by key {self.keyid[:16]}"

    @cached_property
    def _key(self) -> _Public:
        return cast("_Public", load_der_public_key(self.spki))


class PrivateKey:
    """A key that signs. Its text form shows the public part only."""

    def __init__(self, key: _Private) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.algorithm}, keyid={self.public.keyid})"

    @classmethod
    def generate(cls, algorithm: Algorithm = "ed25519") -> PrivateKey:
        """Return a new key from the operating system's random source.

        Raises:
            InputError: an unknown algorithm.
        """
        if algorithm == "ed25519":
            return cls(Ed25519PrivateKey.generate())
        if algorithm == "ecdsa-p256":
            return cls(generate_private_key(SECP256R1()))
        raise InputError(f"{algorithm!r} is not supported: ed25519 and ecdsa-p256 are")

    @classmethod
    def from_pem(
        cls, data: bytes, passphrase: bytes | None = None, name: str = "the key"
    ) -> PrivateKey:
        """Read a PEM private key (PKCS #8, or the traditional form of OpenSSL).

        Args:
            data: the PEM text.
            passphrase: what it is encrypted with; ignored where it is not encrypted.
            name: how errors call it: a file name, say.

        Raises:
            InputError: no passphrase or a wrong one, or a key of another algorithm.
            MalformedError: not a private key.
        """
        encrypted = is_encrypted(data)
        if encrypted and passphrase is None:
            raise InputError(f"{name} is encrypted and no passphrase was given")
        try:
            key = load_pem_private_key(data, passphrase if encrypted else None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            if encrypted:
                raise InputError(f"{name} does not open: wrong passphrase") from None
            raise MalformedError(f"{name} is not a PEM private key") from None
        if _algorithm(key.public_key()) is None:
            raise InputError(f"{name}: {_named(key)} is not supported: Ed25519 and ECDSA P-256 are")
        return cls(cast("_Private", key))

    @cached_property
    def public(self) -> PublicKey:
        """The public half."""
        return PublicKey(_spki(self._key.public_key()))

    def sign(self, data: bytes) -> bytes:
        """Return the signature over `data`, in its one form."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(data)
        return self.public.one_form(self._key.sign(data, ECDSA(SHA256())))

    def to_pem(self, passphrase: bytes | None = None) -> bytes:
        """Return the key as PKCS #8 PEM, encrypted where a passphrase is given.

        Raises:
            InputError: an empty passphrase.
        """
        if passphrase is None:
            return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        if not passphrase:
            raise InputError("an empty passphrase protects nothing")
        der = self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return pkcs8.encrypt(der, passphrase)


def is_encrypted(pem: bytes) -> bool:
    """Say whether a PEM private key needs a passphrase."""
    return b"ENCRYPTED" in pem


_Public = Ed25519PublicKey | EllipticCurvePublicKey
_Private = Ed25519PrivateKey | EllipticCurvePrivateKey


def _algorithm(key: object) -> Algorithm | None:
    if isinstance(key, Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ecdsa-p256"
    return None


def _is_weak(raw: bytes) -> bool:
    """Whether an Ed25519 point is of small order, or its y not reduced (RFC 8032, 5.1.3).

    Under a point of small order a signature made without any private key verifies.
    """
    y = int.from_bytes(raw, "little") & ((1 << 255) - 1)
    return y >= ED25519_PRIME or y in (0, 1, _ORDER_8, ED25519_PRIME - _ORDER_8, ED25519_PRIME - 1)


def _named(key: object) -> str:
    if isinstance(key, EllipticCurvePublicKey | EllipticCurvePrivateKey):
        return f"the curve {key.curve.name}"
    return type(key).__name__.removesuffix("PublicKey").removesuffix("PrivateKey")


def _spki(key: _Public) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
