"""REF: how a person names an artifact.

A name, a unique prefix (8 hex digits or more) of an artifact digest, a root or a sha256, or the
path of a file or folder whose content is registered. They are tried in this order.
"""

from __future__ import annotations

import os
import re
from hashlib import file_digest
from os import PathLike, fspath
from pathlib import Path

from sqlmodel import Session

from provenance.errors import InputError
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.log.log import Log
from provenance.records.files import readable
from provenance.records.opening import open_source
from provenance.signing import Envelope
from provenance.statements import Statement

__all__ = ["Ref", "read_statement", "resolve"]

Ref = str | PathLike[str] | RegisteredArtifact

SHORTEST_PREFIX = 8
MAX_CANDIDATES = 5


def resolve(session: Session, origin: str, ref: Ref, *, paths: bool = True) -> RegisteredArtifact:
    """Return the newest registration of the artifact that `ref` names.

    Without `paths`, `ref` never names a file: for those who ask from elsewhere.

    Raises:
        InputError: nothing, or several artifacts, are meant; the message lists them.
    """
    catalog, log = Catalog(session), Log(session, origin)
    if isinstance(ref, RegisteredArtifact):
        name = None if ref.kind == "access" else ref.name  # those are found by their digest alone
        if ref.index in catalog.registrations(name=name, digest=ref.digest):
            return ref
        raise InputError(f"{ref.name!r} was registered in another ledger: register it here first")
    text = fspath(ref)
    is_text = text.encode(errors="replace").decode() == text  # else it can only be a path
    for index in catalog.registrations(name=text, limit=1) if is_text else ():
        return RegisteredArtifact.of(index, read_statement(log, index))
    digests: set[str] = set()
    if re.fullmatch(rf"[0-9a-fA-F]{{{SHORTEST_PREFIX},64}}", text):
        digests = catalog.digests_like(text.lower())
    if paths and not digests and os.path.exists(text):  # noqa: PTH110 - False, not an error, for any text
        digests = _of_path(catalog, Path(text))
    if len(digests) > 1:
        listed = ", ".join(sorted(digests)[:MAX_CANDIDATES])
        raise InputError(f"{text!r} is ambiguous: it may mean {listed}; give more of the digest")
    for digest in digests:
        index = catalog.registrations(digest=digest, limit=1)[0]
        return RegisteredArtifact.of(index, read_statement(log, index))
    or_path = ", or the path of something registered" if paths else ""
    raise InputError(
        f"nothing is registered as {text[:100]!r}: give a name, or {SHORTEST_PREFIX} or more hex "
        f"digits of a digest{or_path}"
    )


def read_statement(log: Log, index: int) -> Statement:
    """Return the statement of one entry.

    Raises:
        InputError: no such entry.
        LedgerError: its envelope was erased.
    """
    return Statement.parse(Envelope.parse(log.envelope(index)).payload)


def _of_path(catalog: Catalog, path: Path) -> set[str]:
    """Return the registered artifacts of this very file, or else of the records at `path`."""
    if path.is_file():
        with readable(str(path)), path.open("rb") as file:
            found = catalog.digests_like(file_digest(file, "sha256").hexdigest())
        if found:
            return found
    digest = open_source(path, tree_only=True).artifact().digest_hex
    return {digest} if catalog.registrations(digest=digest, limit=1) else set()
