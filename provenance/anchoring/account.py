"""The account that sends a ledger's anchors: one secp256k1 key.

A ledger makes its own, kept as PEM like its other keys; any other comes from a PEM file too, or
from an Ethereum keystore of version 3, as geth, clef and cast write them.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256K1,
    EllipticCurvePrivateKey,
    derive_private_key,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from provenance import forms
from provenance.errors import InputError
from provenance.signing import pkcs8

__all__ = ["account_from_file", "account_from_pem", "account_to_pem", "generate_account"]

MAX_KEYSTORE = 1 << 16


def generate_account() -> bytes:
    """Return a new private key, 32 bytes."""
    return _secret(generate_private_key(SECP256K1()))


def account_to_pem(secret: bytes, passphrase: bytes | None) -> bytes:
    """Return a private key as PKCS #8 PEM, encrypted where a passphrase is given."""
    key = derive_private_key(int.from_bytes(secret, "big"), SECP256K1())
    if not passphrase:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return pkcs8.encrypt(der, passphrase)


def account_from_pem(data: bytes, passphrase: bytes | None, *, name: str) -> bytes:
    """Return the private key, 32 bytes; `name` names the file in errors.

    Raises:
        InputError: not such a key, or not under this passphrase.
    """
    encrypted = b"ENCRYPTED" in data
    if encrypted and passphrase is None:
        raise InputError(f"{name} is encrypted and no passphrase was given")
    try:
        key = load_pem_private_key(data, passphrase if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        wrong = "does not open: wrong passphrase" if encrypted else "is not a PEM private key"
        raise InputError(f"{name} {wrong}") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256K1):
        raise InputError(f"{name} is not a secp256k1 key, which an account on a chain has")
    return _secret(key)


def account_from_file(data: bytes, passphrase: bytes | None, *, name: str) -> bytes:
    """Return the private key, 32 bytes, that a PEM file or a keystore holds.

    Raises:
        InputError: neither of the two, or not under this passphrase.
    """
    if not data.lstrip().startswith(b"{"):
        return account_from_pem(data, passphrase, name=name)
    from eth_keyfile.keyfile import decode_keyfile_json

    keystore = forms.parse(data, what=name, cap=MAX_KEYSTORE)
    if passphrase is None:
        raise InputError(f"{name} is encrypted and no passphrase was given")
    try:
        secret: bytes = decode_keyfile_json(keystore, passphrase)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        wrong = "MAC" in str(error)
        raise InputError(
            f"{name} "
            + ("does not open: wrong passphrase" if wrong else "is not a keystore of version 3")
        ) from None
    return secret


def _secret(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(32, "big")
