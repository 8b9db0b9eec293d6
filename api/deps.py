"""What a handler works on: the ledger, and the artifact that a REF in a path means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Path, Request

from api.errors import NotRegisteredError
from provenance.anchoring import RpcReader
from provenance.errors import InputError, LedgerError
from provenance.ledger.catalog import RegisteredArtifact
from provenance.ledger.ledger import Ledger
from provenance.verification import Policy

__all__ = ["Found", "OwnPolicy", "Served", "hidden", "own_policy", "servers_fault"]


async def served_ledger(request: Request) -> Ledger:  # not `def`: that costs a thread's turn
    """Return the ledger that this service is about."""
    ledger: Ledger = request.app.state.ledger
    return ledger


Served = Annotated[Ledger, Depends(served_ledger)]


@contextmanager
def servers_fault() -> Iterator[None]:
    """Turn what is wrong with the ledger's own files into an error that is not the caller's.

    Raises:
        LedgerError: what the server was given cannot be used; the caller is told no path.
    """
    try:
        yield
    except (InputError, OSError) as error:
        raise LedgerError(f"what the ledger itself holds cannot be used: {error}") from error


async def own_policy(ledger: Served) -> Policy:  # likewise; it is read when its file changed
    """Return the policy of the ledger itself, as it stands now.

    Raises:
        LedgerError: it was edited into something else, which is not the caller's mistake.
    """
    with servers_fault():
        return ledger.policy()


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
    """Return `text` without the place of the ledger on this machine, and the hosts of its nodes."""
    for name, chain in ledger.config.chains.items():
        with suppress(InputError):  # no URL: nobody was asked there
            text = text.replace(RpcReader(chain.url or "").name, f"the node of chain {name!r}")
            text = text.replace(repr(urlsplit(chain.url or "").hostname), "its host")
    path = ledger.folder.path
    for place in sorted({str(path), str(path.absolute()), str(path.resolve())}, key=len)[::-1]:
        text = text.replace(place, path.name)
    return text
