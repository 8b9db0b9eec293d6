"""What exports take of a registration: which one, and what was signed in it."""

from __future__ import annotations

from provenance.errors import InputError
from provenance.lineage.graph import Event, History
from provenance.statements.predicates import Described

__all__ = ["registration", "registrations", "signed_texts", "spdx_expression"]


def registrations(history: History) -> dict[bytes, Event]:
    """Return, for each artifact that the history says is registered, the statement that counts.

    That is the newest of those that no signer's revocation touches, or else the newest.
    """
    found: dict[bytes, Event] = {}
    for event in history.in_log_order:
        described = event.statement.predicate
        if isinstance(described, Described):
            before = found.get(described.artifact.digest)
            if before is None or before.revoked or not event.revoked:
                found[described.artifact.digest] = event
    return found


def registration(history: History) -> Event:
    """Return the statement that registers the artifact of a history.

    Raises:
        InputError: none of the history does.
    """
    try:
        return registrations(history)[history.artifact]
    except KeyError:
        raise InputError(
            f"{history.artifact.hex()} is not registered here: nothing was signed of what it is"
        ) from None


def signed_texts(described: Described, *names: str) -> dict[str, str]:
    """Return those of the free metadata with these names that are texts."""
    found = ((name, described.metadata.get(name)) for name in names)
    return {name: value for name, value in found if isinstance(value, str) and value}


def spdx_expression(license: str) -> str | None:
    """Return a licence as SPDX writes it, or None if it is no SPDX name or expression.

    Raises:
        InputError: the list of names is not installed.
    """
    try:
        from packaging.licenses import (
            InvalidLicenseExpression,
            canonicalize_license_expression,
        )
    except ImportError:
        raise InputError(
            "names of licences need packaging: pip install 'provenance-ledger[exports]'"
        ) from None
    try:
        return str(canonicalize_license_expression(license))
    except InvalidLicenseExpression:
        return None
