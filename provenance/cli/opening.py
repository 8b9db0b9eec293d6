"""Opening a ledger, with the passphrase of its keys where one is needed.

It comes from ``PROVENANCE_PASSPHRASE``, or else from a prompt if there is a terminal to ask on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from provenance.errors import InputError

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["PASSPHRASE", "ledger_passphrase", "new_passphrase", "old_passphrase", "open_ledger"]

SIGNER = "signer"

PASSPHRASE = "PROVENANCE_PASSPHRASE"  # noqa: S105 - the name of a variable


def open_ledger(
    path: Path | None = None, *, signing: bool = False, signers: Sequence[str] | None = None
) -> Ledger:
    """Open the ledger around a folder.

    Args:
        path: of the folder; the working folder, if None.
        signing: whether its keys will be used; only then may a passphrase be asked for.
        signers: names of the keys that sign statements; the ledger's own, if there are none.

    Raises:
        LedgerError: there is none.
    """
    from provenance.ledger.folder import Folder
    from provenance.ledger.ledger import Ledger

    folder = Folder.find(path or Path())
    names = tuple(signers or (SIGNER,))
    passphrase = old_passphrase(folder.keys / f"{names[0]}.pem") if signing else None
    return Ledger.open(path, passphrase=passphrase, signers=names)


def ledger_passphrase(path: Path) -> str | None:
    """Return the passphrase of the ledger around a folder, as `open_ledger` would use it.

    Raises:
        LedgerError: there is none.
    """
    from provenance.ledger.folder import Folder

    return old_passphrase(Folder.find(path).keys / f"{SIGNER}.pem")


def old_passphrase(key_file: Path) -> str | None:
    """Return the passphrase that opens `key_file`; None if it needs none, or nobody can say."""
    if os.environ.get(PASSPHRASE) or not _terminal():
        return os.environ.get(PASSPHRASE)
    from provenance.signing.keys import is_encrypted

    if not key_file.is_file() or not is_encrypted(key_file.read_bytes()):
        return None
    return _ask(f"Passphrase of {key_file.name}: ")


def new_passphrase() -> str | None:
    """Return the passphrase for new keys; None leaves them unencrypted.

    Raises:
        InputError: two different ones were typed.
    """
    if os.environ.get(PASSPHRASE) or not _terminal():
        return os.environ.get(PASSPHRASE)
    passphrase = _ask("Passphrase for the new keys (empty for none): ")
    if passphrase and _ask("The same again: ") != passphrase:
        raise InputError("the two passphrases differ; nothing was made")
    return passphrase or None


def _terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(prompt: str) -> str:
    from getpass import getpass

    return getpass(prompt)
