"""What exports take of a registration: which one, and what was signed in it."""

from __future__ import annotations

from provenance.errors import InputError
from provenance.lineage.graph import Event, History
from provenance.statements.predicates import Described

__all__ = ["registration", "registrations", "signed_texts", "spdx_expression"]


def registrations(history: History, preferred: type[Described]) -> dict[bytes, Event]:
    """Return, for each artifact that the history says is registered, the statement that counts.

    That is one that no signer's revocation touches, if there is any; of these one of the form that
    is `preferred`, since what a step makes is registered as a data set unless somebody says
    otherwise; and of these the newest.
    """

    def rank(event: Event) -> tuple[bool, bool, int]:
        return not event.revoked, isinstance(event.statement.predicate, preferred), event.index

    found: dict[bytes, Event] = {}
    for event in history.events:
        described = event.statement.predicate
        if isinstance(described, Described):
            digest = described.artifact.digest
            found[digest] = max(event, found.get(digest, event), key=rank)
    return found


def registration(history: History, preferred: type[Described]) -> Event:
    """Return the statement that registers the artifact of a history, as `registrations` does.

    Raises:
        InputError: none of the history does.
    """
    try:
        return registrations(history, preferred)[history.artifact]
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
