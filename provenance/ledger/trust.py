"""Other people's ledgers that this user trusts: policies, saved by origin.

One file per origin in ``$XDG_CONFIG_HOME/provenance/trust`` (``~/.config`` where unset)::

    {"chains": {"mainnet": "https://rpc.example/…"}, "policy": {…}}

The fingerprint is compared when a policy is added, so that it can come over a channel that
nobody trusts while its fingerprint comes over one that somebody does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from provenance import forms
from provenance.anchoring import RpcReader
from provenance.errors import InputError, LedgerError
from provenance.ledger.folder import write_file
from provenance.verification import Policy

__all__ = ["Trusted", "add", "check_pinned", "find", "listed", "remove"]

MAX_FILE = 2 << 20


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """A policy, and the URLs at which this user reaches its chains."""

    policy: Policy
    chains: dict[str, str] = field(default_factory=dict)


def add(policy: Policy, *, fingerprint: str, chains: Mapping[str, str] | None = None) -> Path:
    """Trust `policy` from now on, for its origin; return the file that says so.

    Raises:
        InputError: the policy has another fingerprint, or pins no chain of a name given, or what
            is given for a chain is no URL of a node.
        LedgerError: the file cannot be written.
    """
    if policy.fingerprint != fingerprint.lower():
        raise InputError(
            f"the policy has the fingerprint {policy.fingerprint}, not {fingerprint}: "
            "somebody changed it, or it is another one"
        )
    check_pinned(policy, chains or {})
    for url in (chains or {}).values():
        RpcReader(url)  # refuses what is no URL of a node
    path = _path(policy.origin)
    text = forms.dump(Trusted(policy=policy, chains=dict(chains or {}))).decode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"cannot make {path.parent}: {error.strerror}") from error
    write_file(path, text)
    return path


def check_pinned(policy: Policy, names: Iterable[str]) -> None:
    """Check that the policy pins a chain of each name.

    Raises:
        InputError: it does not; the message lists those that it pins.
    """
    for name in names:
        policy.pin(name)


def find(origin: str) -> Trusted | None:
    """Return what is trusted for `origin`.

    Raises:
        MalformedError: the file was edited into something else.
    """
    path = _path(origin)
    return _read(path) if path.is_file() else None


def listed() -> list[Trusted]:
    """Return everything that is trusted, sorted by origin."""
    found = [_read(path) for path in _folder().glob("*.json")]
    return sorted(found, key=lambda trusted: trusted.policy.origin)


def remove(origin: str) -> None:
    """Trust nothing for `origin` any more.

    Raises:
        InputError: nothing is.
    """
    path = _path(origin)
    try:
        path.unlink()
    except FileNotFoundError:
        raise InputError(f"nothing is trusted for the origin {origin!r}") from None
    except OSError as error:
        raise LedgerError(f"cannot remove {path}: {error.strerror}") from error


def _folder() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "provenance" / "trust"


def _path(origin: str) -> Path:
    return _folder() / f"{sha256(origin.encode()).hexdigest()[:32]}.json"


def _read(path: Path) -> Trusted:
    what = f"the trust file {path}"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{what} cannot be read: {error.strerror}") from error
    return forms.decode(Trusted, forms.parse(data, what=what, cap=MAX_FILE), what)
