"""Who used an artifact: what the access log has of it, held against what was signed.

Uses that wait to be signed come first, the newest of them first; then those of each batch, from the
newest batch back. A batch's statement says how many uses of the artifact it has, and its tree has a
leaf for each: so what was erased, or altered, is missed (`UseBatch`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from provenance import forms
from provenance.errors import InputError, LedgerError
from provenance.forms import MAX_INTEGER
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.ledger.filters import read_moment
from provenance.ledger.indexing import facet_of_time
from provenance.ledger.paging import Page
from provenance.ledger.refs import Ref
from provenance.ledger.status import entries
from provenance.ledger.uses import Use, is_of, waiting_uses
from provenance.merkle import leaf_hash
from provenance.statements import Access

if TYPE_CHECKING:
    from provenance.ledger.entries import LogEntry
    from provenance.ledger.ledger import Ledger

__all__ = ["USES_CURSOR", "KnownUse", "UseBatch", "UseState", "Uses", "uses_of"]

UseState = Literal["recorded", "logged", "checkpointed", "anchored"]
"""How far a use got: ``recorded`` is not signed yet; the others are of its batch's entry."""

USES_CURSOR = r"(waiting\.[0-9]{17}\.[0-9a-f]{32}|[1-9][0-9]{0,15}\.(0|[1-9][0-9]{0,15}))"
"""``57.12``: entry of a batch, and number of a use in it; ``waiting.…``: of one not signed yet."""

MOST = 200
"""Batches that are read for one page."""


@dataclass(frozen=True)
class KnownUse:
    """A use, and where its record stands.

    Attributes:
        use: the record.
        name: whose token it was; None if that is not known, or it was without.
        state: how far it got.
        batch: artifact digest of its batch, 64 hex digits; None while it waits to be signed, and
            so the next two.
        entry: of the batch.
        index: its number in the batch, by which it is proven.
    """

    use: Use
    name: str | None
    state: UseState
    batch: str | None = None
    entry: int | None = None
    index: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object, without what is None."""
        told = {
            "record": forms.encode(self.use),
            "name": self.name,
            "state": self.state,
            "batch": self.batch,
            "entry": self.entry,
            "index": self.index,
        }
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True)
class UseBatch:
    """A batch that has uses of an artifact.

    Attributes:
        entry: of its statement.
        digest: its artifact digest, 64 hex digits.
        state: how far the entry got.
        counted: uses of the artifact, by the statement; None if that was erased, and then nothing
            else of it is told.
        here: of how many of them the records are here, and are leaves of its tree.
    """

    entry: int
    digest: str
    state: UseState
    counted: int | None
    here: int

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object, without what is None."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Uses(Page[KnownUse]):
    """A page of uses.

    Attributes:
        artifact: its digest, 32 bytes.
        batches: that were read for it, the newest first.
    """

    artifact: bytes = field(kw_only=True)
    batches: tuple[UseBatch, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object; ``next_cursor`` is left out at the end."""
        return {
            "artifact": self.artifact.hex(),
            "uses": [use.to_json() for use in self.items],
            "batches": [batch.to_json() for batch in self.batches],
            **({} if self.next_cursor is None else {"next_cursor": self.next_cursor}),
        }


def uses_of(ledger: Ledger, ref: Ref, *, since: str | None, limit: int, cursor: str | None) -> Uses:
    """Return who used an artifact; as `Ledger.access`."""
    if cursor is not None and not re.fullmatch(USES_CURSOR, cursor):
        raise InputError(f"{cursor[:100]!r} is no cursor")
    names = {token.id: token.name for token in ledger.tokens.all()}
    artifact = ledger.resolve(ref).artifact.digest
    question = _Question(ledger, artifact, names, b"" if since is None else read_moment(since))
    return question.page(limit, cursor)


class _Question:
    """Who used one artifact."""

    def __init__(
        self, ledger: Ledger, artifact: bytes, names: Mapping[str, str], since: bytes
    ) -> None:
        self._ledger = ledger
        self._artifact = artifact
        self._names = names
        self._since = since

    def page(self, limit: int, cursor: str | None) -> Uses:
        found, batches, signed = list[KnownUse](), list[UseBatch](), set[bytes]()
        if cursor is None or cursor.startswith("waiting."):
            # Read before the log is: what is signed meanwhile is told twice, and sorted out below.
            found = self._waiting(cursor)
            if len(found) > limit:
                place = _place(found[limit - 1])
                return Uses(tuple(found[:limit]), place, artifact=self._artifact)
            cursor = None

        def page(place: str | None) -> Uses:
            told = (use for use in found if use.entry is not None or use.use.nonce not in signed)
            return Uses(tuple(told), place, tuple(batches), artifact=self._artifact)

        last, below = map(int, (cursor or f"{MAX_INTEGER}.0").split("."))
        with self._ledger._database.reading() as session:
            about = Catalog(session).about(self._artifact.hex(), kind="access")
            left = [entry for entry in reversed(about) if (entry, 0) < (last, below)]
            for number, entry in enumerate(left):
                if number == MOST:
                    return page(f"{left[number - 1]}.0")
                batch, uses = self._read(*entries(session, self._ledger.origin, entry, 1))
                if batch is not None:
                    batches.append(batch)
                for use in uses:
                    if entry == last and use.index is not None and use.index >= below:
                        continue
                    if len(found) >= limit:
                        return page(_place(found[-1]))
                    signed.add(use.use.nonce)
                    found.append(use)
        return page(None)

    def _waiting(self, cursor: str | None) -> list[KnownUse]:
        """Return the uses that wait to be signed, the newest first, from a cursor on."""
        known = [
            KnownUse(use, self._names.get(use.who), "recorded")
            for use in waiting_uses(self._ledger.folder.access, self._artifact)
            if not self._is_before(use.when)
        ]
        known.sort(key=_place, reverse=True)
        return [each for each in known if cursor is None or _place(each) < cursor]

    def _read(self, entry: LogEntry) -> tuple[UseBatch | None, Iterable[KnownUse]]:
        """Return what one batch has of the artifact, its last use first."""
        statement, digest = entry.statement, entry.entry.artifacts[0]
        if statement is None:  # then nothing says what there was
            return UseBatch(entry.index, digest.hex(), entry.state, None, 0), ()
        said = statement.predicate
        if not isinstance(said, Access) or self._is_before(said.finished):
            return None, ()
        counted = said.uses.get(self._artifact.hex())
        if counted is None:  # the batch itself is meant
            return None, ()
        here = self._records(RegisteredArtifact.of(entry.index, statement))
        batch = UseBatch(entry.index, digest.hex(), entry.state, counted, len(here))

        def known() -> Iterator[KnownUse]:
            for index, record in reversed(here):
                use = Use.parse(record)
                if not self._is_before(use.when):
                    name = self._names.get(use.who)
                    yield KnownUse(use, name, entry.state, digest.hex(), entry.index, index)

        return batch, known()

    def _records(self, batch: RegisteredArtifact) -> list[tuple[int, bytes]]:
        """Return (number, record) of the artifact's uses in a batch that are leaves of its tree.

        Raises:
            LedgerError: its tree is missing or damaged.
        """
        path = self._ledger.folder.uses(batch.artifact.digest)
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:  # erased
            return []
        except OSError as error:
            raise LedgerError(f"cannot read {path}: {error.strerror}") from error
        tree = self._ledger._trees.open(batch).tree
        tree.check_leaves()
        return [
            (index, line)
            for index, line in enumerate(lines[: tree.size])
            if is_of(line, self._artifact) and leaf_hash(line) == tree.leaf(index)
        ]

    def _is_before(self, time: str) -> bool:
        return facet_of_time(time) < self._since


def _place(known: KnownUse) -> str:
    """Return the cursor of what comes after a use."""
    if known.entry is not None:
        return f"{known.entry}.{known.index}"
    return f"waiting.{re.sub(r'[^0-9]', '', known.use.when)}.{known.use.nonce.hex()}"
