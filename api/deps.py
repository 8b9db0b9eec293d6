"""What a handler works on: the ledger, and the artifact that a REF in a path means."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request

from api.errors import NotRegisteredError
from provenance.errors import InputError, LedgerError, MalformedError
from provenance.ledger.catalog import RegisteredArtifact
from provenance.ledger.ledger import Ledger
from provenance.verification import Policy

__all__ = ["Found", "OwnPolicy", "Served", "hidden", "own_policy"]


def served_ledger(request: Request) -> Ledger:
    """Return the ledger that this service is about."""
    ledger: Ledger = request.app.state.ledger
    return ledger


Served = Annotated[Ledger, Depends(served_ledger)]


def own_policy(ledger: Served) -> Policy:
    """Return the policy of the ledger itself, as it stands now.

    Raises:
        LedgerError: it was edited into something else, which is not the caller's mistake.
    """
    try:
        return ledger.policy()
    except (MalformedError, OSError) as error:
        raise LedgerError(f"the policy cannot be used: {error}") from error


OwnPolicy = Annotated[Policy, Depends(own_policy)]


def find(
    ledger: Served,
    ref: Annotated[
        str,
        Path(
            description="A name (the newest of it is meant), or 8 or more hex digits of an "
            "artifact digest, a root or a sha256.",
            examples=["train"],
        ),
    ],
) -> RegisteredArtifact:
    """Return the artifact that `ref` names. Never a file of the server.

    Raises:
        NotRegisteredError: none is meant, or several.
    """
    try:
        return ledger.resolve(ref, paths=False)
    except InputError as error:
        raise NotRegisteredError(str(error)) from error


Found = Annotated[RegisteredArtifact, Depends(find)]


def hidden(text: str, ledger: Ledger) -> str:
    """Return `text` without the place of the ledger on this machine."""
    path = ledger.folder.path
    for place in sorted({str(path), str(path.absolute()), str(path.resolve())}, key=len)[::-1]:
        text = text.replace(place, path.name)
    return text
