"""The private keys of a ledger, opened when something is to be signed and not before.

======== =================== =====================================================
log      ``keys/log.pem``    signs checkpoints and, with the admin key, entry 0
admin    ``keys/admin.pem``  adds and revokes signers
signer   ``keys/signer.pem`` signs statements
account  ``keys/chain.pem``  sends anchors
======== =================== =====================================================

The admin key may be moved off the machine: nothing but adding and revoking keys asks for it.
"""

from __future__ import annotations

import os
from functools import cached_property

from provenance.anchoring.account import account_from_pem, account_to_pem, generate_account
from provenance.ledger.folder import Folder
from provenance.signing import (
    PrivateKey,
    PublicKey,
    read_key_file,
    read_secret_file,
    write_key_file,
    write_secret_file,
)

__all__ = ["PASSPHRASE", "Keyring"]

PASSPHRASE = "PROVENANCE_PASSPHRASE"  # noqa: S105 - the name of a variable
"""The environment variable that holds the passphrase of the keys."""


class Keyring:
    """Opens a ledger's keys with one passphrase, from the caller or `PASSPHRASE`."""

    def __init__(self, folder: Folder, passphrase: str | None = None) -> None:
        self._folder = folder
        text = passphrase or os.environ.get(PASSPHRASE)
        self._passphrase = text.encode() if text else None

    def generate(self) -> None:
        """Make the four keys of a new ledger.

        Raises:
            InputError: there are keys already.
        """
        for role in ("log", "admin", "signer"):
            path = self._folder.keys / f"{role}.pem"
            write_key_file(path, PrivateKey.generate(), self._passphrase)
        pem = account_to_pem(generate_account(), self._passphrase)
        write_secret_file(self._folder.keys / "chain.pem", pem)

    @property
    def encrypted(self) -> bool:
        """Whether a passphrase protects what this keyring writes."""
        return self._passphrase is not None

    @cached_property
    def log(self) -> PrivateKey:
        """The key that signs checkpoints."""
        return self._read("log")

    @cached_property
    def admin(self) -> PrivateKey:
        """The key that adds and revokes signers."""
        return self._read("admin")

    @cached_property
    def signer(self) -> PrivateKey:
        """The key that signs statements."""
        return self._read("signer")

    @cached_property
    def account(self) -> bytes:
        """The secret of the account that sends anchors, 32 bytes."""
        path = self._folder.keys / "chain.pem"
        data = read_secret_file(path)
        return account_from_pem(data, self._passphrase, name=f"the key file {path}")

    def holds(self, key: PublicKey) -> bool:
        """Say whether `key` is the ledger's own signer, as far as its file can be opened."""
        return self.signer.public == key

    def _read(self, role: str) -> PrivateKey:
        return read_key_file(self._folder.keys / f"{role}.pem", self._passphrase)
