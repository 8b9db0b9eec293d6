"""The key file of the account that anchors. Oracles: eth-account, and the openssl command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from provenance.anchoring.account import account_from_pem, account_to_pem, generate_account
from provenance.errors import InputError
from provenance.signing import PrivateKey

SECRET = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
OPENSSL = shutil.which("openssl")


@pytest.mark.parametrize("passphrase", [None, b"horse"])
def test_what_is_written_is_read_back(passphrase: bytes | None) -> None:
    for secret in (SECRET, generate_account(), (1).to_bytes(32, "big")):
        pem = account_to_pem(secret, passphrase)
        assert account_from_pem(pem, passphrase, name="it") == secret
        assert (b"ENCRYPTED" in pem) == (passphrase is not None)


def test_two_accounts_differ_and_are_ones_that_a_chain_takes() -> None:
    from eth_account import Account

    first, second = generate_account(), generate_account()
    assert first != second
    assert Account.from_key(first).address != Account.from_key(second).address


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl command")
def test_openssl_reads_the_encrypted_file(tmp_path: Path) -> None:
    path = tmp_path / "chain.pem"
    path.write_bytes(account_to_pem(SECRET, b"horse"))
    command = [str(OPENSSL), "pkey", "-in", str(path), "-passin", "pass:horse", "-text", "-noout"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    digits = "".join(shown.split("priv:")[1].split("pub:")[0].split()).replace(":", "")
    assert digits.zfill(64) == SECRET.hex()
    assert "secp256k1" in shown


@pytest.mark.parametrize(
    ("pem", "passphrase", "reason"),
    [
        (account_to_pem(SECRET, b"horse"), None, "it is encrypted and no passphrase was given"),
        (account_to_pem(SECRET, b"horse"), b"cow", "it does not open: wrong passphrase"),
        (b"-----BEGIN PRIVATE KEY-----\n", None, "it is not a PEM private key"),
        (PrivateKey.generate().to_pem(), None, "it is not a secp256k1 key"),
        (PrivateKey.generate("ecdsa-p256").to_pem(), None, "it is not a secp256k1 key"),
    ],
    ids=["no passphrase", "wrong passphrase", "not a key", "ed25519", "p-256"],
)
def test_anything_else_is_refused(pem: bytes, passphrase: bytes | None, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        account_from_pem(pem, passphrase, name="it")
