"""A ledger on disk: the folder ``.provenance``, found upward from the working folder as git does.

::

    .provenance/
      config.toml     the origin, and where each chain is reached
      policy.json     whom the ledger itself trusts; `Ledger.policy` exports it
      ledger.db       log, envelopes, catalogue (SQLite)
      trees/          one file per artifact tree, named by artifact digest
      spool/          outputs that are recorded, but not yet registered
      keys/           private keys, 0600
      chain.db        the embedded chain

It keeps leaf hashes, never the records. A new folder is made under another name and renamed
when it is whole, so half of one is never found.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from provenance import forms
from provenance.errors import InputError, LedgerError, MalformedError

__all__ = ["FOLDER", "ChainConfig", "Config", "Folder"]

FOLDER = ".provenance"


@dataclass(frozen=True, kw_only=True)
class ChainConfig:
    """Where a chain is reached: the URL of a node, or the file of an embedded chain."""

    url: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        if (self.url is None) == (self.path is None):
            raise MalformedError("a chain has either a url or a path")


@dataclass(frozen=True, kw_only=True)
class Config:
    """What ``config.toml`` holds."""

    origin: str
    chains: dict[str, ChainConfig] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Config:
        """Read the file.

        Raises:
            LedgerError: missing, not TOML, or with a field that is not known.
        """
        try:
            return forms.decode(cls, tomllib.loads(path.read_text("utf-8")), path.name)
        except OSError as error:
            raise LedgerError(f"cannot read {path}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, MalformedError) as error:
            raise LedgerError(f"{path} is not as it must be: {error}") from None

    def to_toml(self) -> str:
        """Return the text of the file. JSON strings are TOML strings."""
        lines = [f"origin = {json.dumps(self.origin)}"]
        for name, chain in self.chains.items():
            values: Mapping[str, str] = forms.encode(chain)
            lines += ["", f"[chains.{json.dumps(name)}]"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        return "\n".join(lines) + "\n"


class Folder:
    """The paths of one ledger."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.policy = path / "policy.json"
        self.database = path / "ledger.db"
        self.trees = path / "trees"
        self.spool = path / "spool"
        self.keys = path / "keys"

    @classmethod
    def find(cls, start: Path) -> Folder:
        """Return the ledger in `start` or the nearest folder above it.

        Raises:
            LedgerError: there is none, or it cannot be entered.
        """
        start = start.absolute()
        for parent in (start, *start.parents):
            path = parent / FOLDER
            if path.is_dir():
                if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                    raise LedgerError(f"no right to use {path}: check its owner and mode")
                return cls(path)
        raise LedgerError(f"no ledger in {start} or above it: make one with `provenance init`")

    @classmethod
    @contextmanager
    def making(cls, parent: Path) -> Iterator[Folder]:
        """Make a new ledger: the caller fills the folder, then it gets its name.

        A crash within leaves a folder ``.provenance.new-…`` that nobody reads.

        Raises:
            LedgerError: there is a ledger already, or the folder cannot be made.
        """
        target = parent / FOLDER
        if target.exists():
            raise LedgerError(f"there is a ledger in {parent} already: {target}")
        draft = cls(parent / f"{FOLDER}.new-{os.getpid()}")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            draft.path.mkdir()
            try:
                for folder in (draft.trees, draft.spool):
                    folder.mkdir()
                draft.keys.mkdir(mode=0o700)
                yield draft
                draft.path.rename(target)
                _sync(parent)
            finally:
                shutil.rmtree(draft.path, ignore_errors=True)
        except OSError as error:
            raise LedgerError(f"cannot make a ledger in {parent}: {error.strerror}") from error

    def tree(self, digest: bytes) -> Path:
        """Return the path of an artifact's tree file."""
        return self.trees / digest.hex()

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Wait until no other process does what `name` says, and keep it so."""
        with (self.path / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed, or at a crash
            yield

    def write(self, path: Path, text: str) -> None:
        """Write a small file whole or not at all, and durably."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            _sync(path.parent)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise LedgerError(f"cannot write {path}: {error.strerror}") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_origin(origin: str) -> None:
    """Check that a log can have this name.

    Raises:
        InputError: empty, too long, or with a character that a note's key name cannot hold.
    """
    if not origin or len(origin) > 200 or not origin.isprintable() or set(origin) & set(" +"):
        raise InputError(
            f"{origin!r} cannot name a log: take up to 200 printable characters without spaces "
            "and +, such as example.com/ml"
        )
