"""Search: by anything that the ledger can look up, and by what a browser has hashed.

A record or a file is hashed by the page itself and comes as hashes alone: ``leaf`` for a record, as
each encoding would have it, ``sha256`` and ``root`` for a file.
"""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, cast, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from api.access import MayRead
from api.answers.parts import HEX, Kind
from api.deps import OwnPolicy, Served
from api.pages.rendering import page
from api.pages.route import PageRoute
from api.pages.rows import entry_row, names_of, said_of
from api.routes.artifacts import METADATA
from api.turns import Turn
from api.uses import record_uses
from provenance.errors import InputError, NoSuchRecordError
from provenance.ledger.catalog import RegisteredArtifact
from provenance.ledger.entries import LogEntry
from provenance.ledger.filters import CURSOR, Filters
from provenance.ledger.ledger import Ledger
from provenance.ledger.paging import Places
from provenance.statements import Sensitivity

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, dependencies=[MayRead])

MOST: Final = 20
"""Artifacts, and places of records, that are shown."""

Hash = Annotated[str, Query(pattern=HEX)]

_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "kind": get_args(Kind),
    "sensitivity": get_args(Sensitivity),
}
_FILTER: Final = re.compile(
    f"({'|'.join(Filters.__annotations__.keys() - {'metadata'})}|{re.escape(METADATA)}[^=]+)=.*",
    re.DOTALL,
)


@dataclass
class Found:
    """What was found, and what is to be said of the search.

    Attributes:
        artifacts: by their newest registration, each once.
        places: of records, in the trees that one page has time to ask.
        entries: of the log.
        advice: why there may be no more, and how to ask.
    """

    artifacts: dict[str, RegisteredArtifact] = field(default_factory=dict)
    places: Places[RegisteredArtifact] = field(default_factory=lambda: Places(()))
    entries: dict[int, LogEntry] = field(default_factory=dict)
    advice: str = ""

    def __bool__(self) -> bool:
        return bool(self.artifacts or self.places or self.entries)


@router.get("/search")
def search(
    request: Request,
    ledger: Served,
    policy: OwnPolicy,
    _: Turn,
    q: Annotated[str, Query(max_length=4096)] = "",
    leaf: Annotated[list[Hash], Query(max_length=256)] = [],  # noqa: B006 - FastAPI copies it
    sha256: Hash | None = None,
    root: Hash | None = None,
    of: Annotated[str, Query(max_length=255)] = "",
    partly: bool = False,
    cursor: Annotated[str | None, Query(pattern=f"^{CURSOR}$")] = None,
) -> Response:
    """Look everywhere for what was asked; for records from where the page before ended."""
    found = Found()
    if q.strip():
        _look_for(ledger, q.strip(), found)
    if sha256 is not None:
        _add(found, ledger.artifacts(limit=MOST, sha256=sha256))
    if root is not None:
        _add(found, ledger.artifacts(limit=MOST, root=root))
    if leaves := [*map(bytes.fromhex, [*leaf, *re.findall(HEX, q.strip())])]:
        found.places = ledger.find(leaf_hash=leaves, limit=MOST, cursor=cursor)
    record_uses(
        ledger,
        "find",
        [(place.artifact.digest, [place.index]) for place in found.places]
        + [(digest, None) for digest in found.artifacts],
    )
    reached, names = ledger.reached(), names_of(policy)
    return page(
        request,
        "search",
        sought=q,
        of=of,
        partly=partly,
        was_asked=bool(q.strip() or leaf or sha256 or root),
        following=urlencode(
            {"q": q, "leaf": leaf, "of": of, "cursor": found.places.next_cursor}, doseq=True
        )
        if found.places.next_cursor
        else "",
        found=found,
        rows=[(each, reached.state(each.index)) for each in found.artifacts.values()],
        said=said_of(
            ledger, *found.artifacts.values(), *(place.artifact for place in found.places)
        ),
        entries=[entry_row(entry, names) for entry in found.entries.values()],
    )


def _look_for(ledger: Ledger, sought: str, found: Found) -> None:
    """Look for what somebody typed."""
    if sought.startswith(("{", "[", '"')):
        found.advice = (
            "A record is hashed in your browser, which needs JavaScript. Without it: "
            "provenance find --record '…', or paste the leaf hash."
        )
        return
    filters = _filters(sought)
    if filters:
        _add(found, ledger.artifacts(limit=MOST, **filters))
        return
    if number := re.fullmatch("#?(0|[1-9][0-9]{0,14})", sought):
        with suppress(NoSuchRecordError):
            found.entries[int(number[1])] = ledger.entry(int(number[1]))
    _add(found, ledger.artifacts(name=sought, limit=MOST))
    if re.fullmatch("[0-9a-f]{8,64}", sought):
        _look_for_hash(ledger, sought, found)


def _look_for_hash(ledger: Ledger, sought: str, found: Found) -> None:
    try:
        _add(found, [ledger.resolve(sought, paths=False)])
    except InputError as error:
        found.advice = str(error)
    if len(sought) == 64:
        with suppress(NoSuchRecordError):
            entry = ledger.entry(envelope=sought)
            found.entries[entry.index] = entry


def _filters(sought: str) -> Filters | None:
    """Read ``license=CC-BY-4.0 kind=dataset metadata.split=train``; None if it is nothing such.

    Raises:
        InputError: a value that there cannot be.
    """
    try:
        words = shlex.split(sought)
    except ValueError:  # a quote that is never closed
        return None
    if not all(_FILTER.fullmatch(word) for word in words):
        return None
    filters: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name.startswith(METADATA):
            metadata[name.removeprefix(METADATA)] = value
        else:
            filters[name] = value
        if value not in _CHOICES.get(name, (value,)):
            raise InputError(f"{name} is one of {', '.join(_CHOICES[name])}")
    return cast(Filters, {**filters, "metadata": metadata})


def _add(found: Found, artifacts: Any) -> None:
    for artifact in artifacts:
        found.artifacts.setdefault(artifact.digest, artifact)
