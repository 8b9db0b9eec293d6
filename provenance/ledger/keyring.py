"""The private keys of a ledger, opened when something is to be signed and not before.

======== =================== =====================================================
log      ``keys/log.pem``    signs checkpoints and, with the admin key, entry 0
admin    ``keys/admin.pem``  adds and revokes signers
signer   ``keys/signer.pem`` signs statements; others beside it do where they are named
account  ``keys/chain.pem``  sends anchors, where ``config.toml`` names no other file
======== =================== =====================================================

The admin key may be moved off the machine: nothing but adding and revoking keys asks for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from provenance.anchoring.account import account_from_file, account_to_pem, generate_account
from provenance.errors import InputError
from provenance.ledger.folder import Folder
from provenance.signing import (
    Algorithm,
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

ACCOUNT = "keys/chain.pem"


class Keyring:
    """Opens a ledger's keys with one passphrase, from the caller or `PASSPHRASE`.

    `signers` are the names of the key files that sign statements.
    """

    def __init__(
        self, folder: Folder, passphrase: str | None = None, signers: Sequence[str] = ("signer",)
    ) -> None:
        self._folder = folder
        self._signers = tuple(signers)
        text = passphrase or os.environ.get(PASSPHRASE)
        self._passphrase = text.encode() if text else None
        self._accounts: dict[Path, bytes] = {}

    def generate(self) -> None:
        """Make the four keys of a new ledger.

        Raises:
            InputError: there are keys already.
        """
        for role in ("log", "admin", "signer"):
            path = self._folder.keys / f"{role}.pem"
            write_key_file(path, PrivateKey.generate(), self._passphrase)
        pem = account_to_pem(generate_account(), self._passphrase)
        write_secret_file(self._folder.path / ACCOUNT, pem)

    @property
    def encrypted(self) -> bool:
        """Whether a passphrase protects what this keyring writes."""
        return self._passphrase is not None

    @cached_property
    def log(self) -> PrivateKey:
        """The key that signs checkpoints."""
        return self.named("log")

    @cached_property
    def admin(self) -> PrivateKey:
        """The key that adds and revokes signers."""
        return self.named("admin")

    @cached_property
    def signers(self) -> tuple[PrivateKey, ...]:
        """The keys that sign statements, each by the name of its file."""
        return tuple(self.named(name) for name in self._signers)

    def named(self, name: str) -> PrivateKey:
        """Return the key in ``keys/NAME.pem``.

        Raises:
            InputError: there is none, or not under this passphrase.
        """
        return read_key_file(self._folder.keys / f"{name}.pem", self._passphrase)

    def account(self, file: str | None = None) -> bytes:
        """Return the secret of the account that sends anchors, 32 bytes.

        Args:
            file: PEM or a keystore, seen from the ledger's folder; its own account's, if None.

        Raises:
            InputError: no such file, or not under this passphrase.
        """
        path = self._folder.path / (file or ACCOUNT)
        if path not in self._accounts:  # a keystore takes a second to open
            data = read_secret_file(path)
            name = f"the key file {path}"
            self._accounts[path] = account_from_file(data, self._passphrase, name=name)
        return self._accounts[path]

    def new(self, name: str, algorithm: Algorithm = "ed25519") -> PublicKey:
        """Make a further key in ``keys/NAME.pem``; it counts once the log knows it.

        Raises:
            InputError: there is one of this name, or it is no name for a file.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise InputError(f"{name!r} cannot name a key file: take letters, digits, . _ and -")
        key = PrivateKey.generate(algorithm)
        write_key_file(self._folder.keys / f"{name}.pem", key, self._passphrase)
        return key.public
