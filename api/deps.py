"""What a handler works on: the ledger, and the artifact that a REF in a path means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Path, Request

from api.errors import NotRegisteredError
from api.prompt import promptly
from provenance.anchoring import RpcReader
from provenance.errors import InputError, LedgerError
from provenance.ledger.catalog import RegisteredArtifact
from provenance.ledger.ledger import Ledger
from provenance.verification import Policy

__all__ = [
    "Found",
    "OwnPolicy",
    "Ref",
    "Served",
    "Traced",
    "find",
    "hiding",
    "ledger_of",
    "own_policy",
    "servers_fault",
]


def ledger_of(request: Request) -> Ledger:
    """Return the ledger that this service is about."""
    ledger: Ledger = request.app.state.ledger
    return ledger


async def served_ledger(request: Request) -> Ledger:  # not `def`: that costs a thread's turn
    """Return the ledger that this service is about, to a handler."""
    return ledger_of(request)


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


async def own_policy(request: Request) -> Policy:
    """Return the policy of the ledger itself, as it stands now.

    Raises:
        LedgerError: it was edited into something else, which is not the caller's mistake.
    """
    with servers_fault():
        return await promptly(ledger_of(request).policy)


OwnPolicy = Annotated[Policy, Depends(own_policy)]


Ref = Annotated[
    str,
    Path(
        description="A name (the newest of it is meant), or 8 or more hex digits of an "
        "artifact digest, a root or a sha256.",
        examples=["train"],
    ),
]


def find(ledger: Ledger, ref: str) -> RegisteredArtifact:
    """Return the artifact that a REF in a path names. Never a file of the server.

    Raises:
        NotRegisteredError: none is meant, or several.
    """
    try:
        return ledger.resolve(ref, paths=False)
    except InputError as error:
        raise NotRegisteredError(str(error)) from error


async def _found(request: Request, ref: Ref) -> RegisteredArtifact:
    return await promptly(find, ledger_of(request), ref)


async def _traced(request: Request, ref: Ref) -> bytes:
    ledger = ledger_of(request)
    try:
        return await promptly(lambda: ledger.digest_of(ref, paths=False))
    except InputError as error:
        raise NotRegisteredError(str(error)) from error


Traced = Annotated[bytes, Depends(_traced)]
"""The digest of what a REF names, though it be registered nowhere."""

Found = Annotated[RegisteredArtifact, Depends(_found)]


def hiding(ledger: Ledger) -> Callable[[str], str]:
    """Return what hides in a text where the ledger lies on this machine, and its nodes' hosts."""
    shown: list[tuple[str, str]] = []
    for name, chain in ledger.config.chains.items():
        with suppress(InputError):  # no URL: nobody was asked there
            shown.append((RpcReader(chain.url or "").name, f"the node of chain {name!r}"))
            shown.append((repr(urlsplit(chain.url or "").hostname), "its host"))
    path = ledger.folder.path
    for place in sorted({str(path), str(path.absolute()), str(path.resolve())}, key=len)[::-1]:
        shown.append((place, path.name))

    def hide(text: str) -> str:
        for place, instead in shown:
            text = text.replace(place, instead)
        return text

    return hide
