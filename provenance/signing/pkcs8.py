"""Passphrase-encrypted private keys: PKCS #8 with PBES2 (RFC 8018), readable by ``openssl pkey``.

``cryptography`` writes this form too, with 2,048 rounds of PBKDF2, which a guesser's graphics card
goes through millions of times a second. Here are 600,000 (OWASP's number for HMAC-SHA-256), about
0.2 s a guess on one core, with AES-256-CBC. Reading stays with ``cryptography``.
"""

from __future__ import annotations

import secrets
import textwrap
from base64 import b64encode
from hashlib import pbkdf2_hmac

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

__all__ = ["ROUNDS", "encrypt"]

ROUNDS = 600_000

# Object identifiers in DER: RFC 8018, appendix C.
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
_HMAC_SHA256 = bytes.fromhex("06082a864886f70d0209")
_AES256_CBC = bytes.fromhex("060960864801650304012a")
_NULL = b"\x05\x00"


def encrypt(der: bytes, passphrase: bytes) -> bytes:
    """Return the PEM of an unencrypted PKCS #8 key under a passphrase."""
    salt, iv = secrets.token_bytes(16), secrets.token_bytes(16)
    key = pbkdf2_hmac("sha256", passphrase, salt, ROUNDS, 32)
    padding = 16 - len(der) % 16
    cipher = Cipher(AES(key), CBC(iv)).encryptor()
    secret = cipher.update(der + bytes([padding]) * padding) + cipher.finalize()
    rounds = _tlv(0x02, ROUNDS.to_bytes(3, "big"))
    derivation = _sequence(_tlv(0x04, salt), rounds, _sequence(_HMAC_SHA256, _NULL))
    scheme = _sequence(
        _PBES2,
        _sequence(_sequence(_PBKDF2, derivation), _sequence(_AES256_CBC, _tlv(0x04, iv))),
    )
    body = b64encode(_sequence(scheme, _tlv(0x04, secret))).decode()
    lines = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", *textwrap.wrap(body, 64)]
    return "\n".join([*lines, "-----END ENCRYPTED PRIVATE KEY-----\n"]).encode()


def _sequence(*parts: bytes) -> bytes:
    return _tlv(0x30, b"".join(parts))


def _tlv(tag: int, value: bytes) -> bytes:
    """Return tag, length and value in DER."""
    if len(value) < 0x80:
        return bytes([tag, len(value)]) + value
    length = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value
