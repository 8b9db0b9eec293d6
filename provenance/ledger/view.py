"""`LedgerView`: a ledger as those see it who only look things up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Self, Unpack

from provenance.errors import LedgerError
from provenance.ledger import anchors, keys, spool, status
from provenance.ledger.anchors import AnchorRecord
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.ledger.chains import Chains
from provenance.ledger.checking import read_policy
from provenance.ledger.config import Config, WitnessConfig
from provenance.ledger.filters import Filters, Sort, Sought
from provenance.ledger.folder import Folder
from provenance.ledger.keys import KeyInfo
from provenance.ledger.paging import Page
from provenance.ledger.refs import Ref, read_statement, resolve
from provenance.ledger.searching import search
from provenance.ledger.status import LogLine, Status
from provenance.lineage import Event, History, trace
from provenance.log import Entry
from provenance.log.log import Log
from provenance.log.store import Database
from provenance.log.tiles import TilePath
from provenance.signing import Envelope
from provenance.statements import KIND_NUMBERS, Statement
from provenance.verification import Policy

__all__ = ["LedgerView"]

STRETCH = 1000
"""Registrations that are looked up at a time where all are wanted."""

MAX_PAGE = 16 << 20
"""Bytes of envelopes, after which a page ends."""


class LedgerView:
    """Look-ups in a ledger on disk. Needs no private key; may be shared between threads.

    A REF is a name, 8 or more hex digits of an artifact digest, root or sha256, the path of
    something registered, or what `Ledger.register` returned.

    Attributes:
        folder: where it lies.
        origin: the log's name.
        chains: readers of the configured chains, by name.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.config = Config.read(folder.config)
        self.origin = self.config.origin
        self._database = Database.open(self.config.database or folder.database)
        with self._database.reading() as session:
            logged = read_statement(Log(session, self.origin), 0).subjects[0].name
        if logged != self.origin:
            self._database.close()
            raise LedgerError(f"{folder.config} names the log {self.origin!r}; it is {logged!r}")
        self.chains = Chains(folder, self.config.chains)

    def close(self) -> None:
        """Give files and connections back."""
        self.chains.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resolve(self, ref: Ref, *, paths: bool = True) -> RegisteredArtifact:
        """Return the newest registration of what `ref` names; without `paths`, never a file.

        Raises:
            InputError: nothing, or several artifacts, are meant.
        """
        with self._database.reading() as session:
            return resolve(session, self.origin, ref, paths=paths)

    def artifacts(
        self,
        *,
        sort: Sort = "-index",
        cursor: str | None = None,
        limit: int | None = 100,
        **filters: Unpack[Filters],
    ) -> Page[RegisteredArtifact]:
        """Return registrations, the newest first.

        Args:
            sort: another order: by ``index`` in the log, ``issued``, ``name`` or ``size``, with a
                ``-`` before it the greatest first.
            cursor: the ``next_cursor`` of the page before.
            limit: how many at most; None for all. What was erased is left out, and a page ends
                early where many had to be looked at for it (`provenance.ledger.searching`), or
                where it holds 16 MiB.
            filters: what they must have: `provenance.ledger.searching.Filters`.

        Raises:
            InputError: an order, a cursor or a value that there cannot be.
        """
        with self._database.reading() as session:
            log, sought = Log(session, self.origin), Sought.of(filters, sort)
            after = None if cursor is None else sought.read_cursor(cursor)
            found: list[RegisteredArtifact] = []
            held = 0
            while True:
                keys, after = search(session, sought, after=after, limit=limit or STRETCH)
                for key in keys:
                    with suppress(LedgerError):  # it was erased
                        data = log.envelope(key[1])
                        statement = Statement.parse(Envelope.parse(data).payload)
                        found.append(RegisteredArtifact.of(key[1], statement))
                        held += len(data)
                    if limit is not None and held > MAX_PAGE:
                        after = key
                        break
                if after is None or limit is not None:
                    return Page(tuple(found), after and sought.cursor(after))

    def history(self, ref: Ref) -> History:
        """Return every statement about an artifact and about what it came from."""
        with self._database.reading() as session:
            log, catalog = Log(session, self.origin), Catalog(session)

            def about(artifact: bytes) -> Iterator[Event]:
                for index in catalog.about(artifact.hex()):
                    envelope = Envelope.parse(log.envelope(index))
                    yield Event(index, Statement.parse(envelope.payload), envelope.keyids)

            return trace(resolve(session, self.origin, ref).artifact.digest, about)

    def every_entry(self, size: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield the first `size` entries, with the envelopes of keys and corrections.

        What a verifier needs to look for revocations itself.
        """
        with self._database.reading() as session:
            log = Log(session, self.origin)
            for index, leaf in enumerate(log.leaves(size)):
                stands = Entry.parse(leaf).kind in (KIND_NUMBERS["key"], KIND_NUMBERS["supersede"])
                yield leaf, log.envelope(index) if stands else None

    def tile(self, path: str) -> bytes:
        """Return the bytes of a tile of the latest checkpoint's tree (C2SP tlog-tiles).

        Raises:
            InputError: there is no such tile.
        """
        with self._database.reading() as session:
            return status.tile(session, self.origin, TilePath.parse(path))

    def entries(self, *, start: int = 0, limit: int = 100) -> list[LogLine]:
        """Return what stands in the log from entry `start` on, and how far each entry got."""
        with self._database.reading() as session:
            return status.entries(session, self.origin, start, limit)

    def status(self) -> Status:
        """Return how large the log is, and how much of it is anchored where."""
        with self._database.reading() as session:
            pins = self.policy().chains
            return status.status(session, self.origin, pins, spool.pending(self.folder.spool))

    # --- keys, checkpoints, anchors -------------------------------------------------------------

    def keys(self) -> list[KeyInfo]:
        """Return every key that the log knows."""
        with self._database.reading() as session:
            log = Log(session, self.origin)
            entries = log.of_kinds("key")
            return keys.list_keys([(index, read_statement(log, index)) for index in entries])

    def policy(self) -> Policy:
        """Return the ledger's own policy, for a verifier to pin.

        Raises:
            InputError: ``policy.json`` is missing.
            MalformedError: it was edited into something else.
        """
        return read_policy(self.folder.policy)

    def latest_checkpoint(self) -> str | None:
        """Return the largest checkpoint that was signed."""
        with self._database.reading() as session:
            return Log(session, self.origin).latest_checkpoint()

    def witnesses(self) -> dict[str, WitnessConfig]:
        """Return the witnesses that are asked, by name."""
        return Config.read(self.folder.config).witnesses

    def anchors(self) -> list[AnchorRecord]:
        """Return every anchor that was recorded, the smallest tree first."""
        return anchors.recorded(self._database, {pin.name: pin for pin in self.policy().chains})
