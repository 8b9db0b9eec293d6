"""Private keys on disk: one PEM file each, readable by its owner only.

A key file appears whole or not at all, and never takes the place of another: the only copy of
a private key cannot be overwritten by mistake.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from provenance.errors import InputError, LedgerError
from provenance.signing.keys import PrivateKey

__all__ = [
    "read_key_file",
    "read_secret_file",
    "sync_folder",
    "write_key_file",
    "write_secret_file",
]

MAX_KEY_FILE = 64 * 1024


def write_key_file(path: str | os.PathLike[str], key: PrivateKey, passphrase: bytes | None) -> None:
    """Write `key` to the new file `path`, mode 0600, encrypted where a passphrase is given.

    When this returns, the file is on the disk and so is its name.

    Raises:
        InputError: there is a file of this name, or an empty passphrase.
        LedgerError: the file cannot be written.
    """
    write_secret_file(path, key.to_pem(passphrase))


def read_key_file(path: str | os.PathLike[str], passphrase: bytes | None = None) -> PrivateKey:
    """Read a private key.

    Raises:
        InputError: no such file, a file that others may read or write, no passphrase or a wrong
            one, a key of an unknown algorithm.
        MalformedError: not a private key.
    """
    return PrivateKey.from_pem(read_secret_file(path), passphrase, name=f"the key file {path}")


def write_secret_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write the new file `path`, mode 0600; durable, with its name, when this returns.

    Raises:
        InputError: there is a file of this name.
        LedgerError: the file cannot be written.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            # A crash before this line leaves a draft that nobody reads, after it the whole key.
            os.link(draft, target)
        finally:
            draft.unlink()
        sync_folder(target.parent)
    except FileExistsError:
        raise InputError(f"{target} exists; a key file is never overwritten") from None
    except OSError as error:
        raise LedgerError(f"cannot write the key file {target}: {error.strerror}") from None


def read_secret_file(path: str | os.PathLike[str]) -> bytes:
    """Return what the file `path` holds, of which others than its owner may know nothing.

    Raises:
        InputError: no such file, or one that others may read or write.
    """
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_KEY_FILE)
    except OSError as error:
        raise InputError(f"cannot read the key file {path}: {error.strerror}") from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise InputError(
            f"others than its owner may use the key file {path} "
            f"(mode {stat.S_IMODE(mode):04o}): chmod 600 {path}"
        )
    return data


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
