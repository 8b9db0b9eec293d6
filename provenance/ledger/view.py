"""`LedgerView`: a ledger as those see it who only look things up."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any, Self, Unpack

from provenance.derivation import Derivation
from provenance.derivation.difference import Difference
from provenance.errors import InputError, LedgerError, NoSuchRecordError
from provenance.ledger import anchors, deriving, keys, spool, status
from provenance.ledger.anchors import AnchorRecord
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.ledger.chains import Chains
from provenance.ledger.checking import read_policy
from provenance.ledger.config import Config, WitnessConfig
from provenance.ledger.entries import LogEntry
from provenance.ledger.filters import Filters, Sort, Sought
from provenance.ledger.finding import find
from provenance.ledger.folder import Folder
from provenance.ledger.keys import KeyInfo
from provenance.ledger.leaves import leaves_of
from provenance.ledger.lookup import ArtifactTrees
from provenance.ledger.paging import Page, Places
from provenance.ledger.refs import Ref, read_statement, resolve
from provenance.ledger.searching import search
from provenance.ledger.status import Reached, Status
from provenance.ledger.steps import each
from provenance.ledger.tracing import Tracing
from provenance.ledger.treefiles import TreeFiles
from provenance.log import Entry
from provenance.log.blocking import before_blocking
from provenance.log.kept import Kept
from provenance.log.log import Log
from provenance.log.store import Database
from provenance.log.tiles import TilePath
from provenance.records.files import FileState, state_of
from provenance.signing import Envelope
from provenance.statements import KIND_NUMBERS, Kind, Statement
from provenance.verification import Policy

__all__ = ["LedgerView"]

STRETCH = 1000
"""Registrations that are looked up at a time where all are wanted."""

MAX_PAGE = 16 << 20
"""Bytes of envelopes, after which a page ends."""


class LedgerView(Tracing):
    """Look-ups in a ledger on disk. Needs no private key; may be shared between threads.

    A REF is a name, 8 or more hex digits of an artifact digest, root or sha256, the path of
    something registered, or what `Ledger.register` returned.

    Attributes:
        folder: where it lies.
        origin: the log's name.
        chains: readers of the configured chains, by name.
        trees: the tree files of its artifacts.
    """

    def __init__(self, folder: Folder) -> None:
        super().__init__()
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
        self._kept = Kept(self._database)
        self.trees = TreeFiles(folder, self.config.storage)
        self._trees = ArtifactTrees(self.trees)
        self._policy: tuple[FileState, Policy] | None = None

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

        def look(paths: bool = False) -> RegisteredArtifact:
            with self._database.reading() as session:
                return resolve(session, self.origin, ref, paths=paths)

        if isinstance(ref, RegisteredArtifact):
            key = ("artifact", ref.index, ref.name, ref.digest)
            return self._kept.get(key, look, RegisteredArtifact.length)
        if isinstance(ref, str):
            with suppress(*[InputError] if paths else []):
                return self._kept.get(("ref", ref), look, RegisteredArtifact.length)
        return look(paths)

    def digest_of(self, ref: Ref | bytes, *, paths: bool = True) -> bytes:
        """Return the digest of what `ref` names, though it be registered nowhere.

        Args:
            ref: as for `resolve`; the name of a data set of which another tool told
                (`provenance.lineage.reports`); or a digest, in full.
            paths: as for `resolve`.

        Raises:
            InputError: nothing, or several, are meant.
        """
        if isinstance(ref, bytes):
            return ref
        try:
            return self.resolve(ref, paths=paths).artifact.digest
        except InputError:
            named: list[bytes] = []
            with suppress(UnicodeEncodeError):
                if isinstance(ref, str):
                    with self._database.reading() as session:
                        named = Catalog(session).named(ref)
            if len(named) > 1:
                listed = ", ".join(digest.hex() for digest in named)
                raise InputError(f"several data sets are called {ref!r}: {listed}") from None
            if not named:
                raise
            return named[0]

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

    def find(
        self,
        *,
        record: Any = None,
        records: Any = None,
        path: str | PathLike[str] | None = None,
        leaf_hash: bytes | Sequence[bytes] | None = None,
        sort: Sort = "-index",
        cursor: str | None = None,
        limit: int = 100,
        **filters: Unpack[Filters],
    ) -> Places[RegisteredArtifact]:
        """Return in which artifacts a record is, the newest first, whatever their encoding.

        Args:
            record: the record itself: a row, a line, a chunk, or the line of a folder that
                describes a file, ``{"path", "sha256", "size"}``.
            records: several records, at most 256, in a file, a table or rows.
            path: a file, as it lies on disk: it is looked for in folders, under every end of its
                path. As a file of its own it is found by its ``sha256``, with `artifacts`.
            leaf_hash: the record's leaf hash, 32 bytes; or several, at most 256.
            sort: as for `artifacts`.
            cursor: the ``next_cursor`` of the page before.
            limit: places, after which a page ends; it ends earlier after 500 look-ups.
            filters: which artifacts are asked: as for `artifacts`.

        Raises:
            InputError: no records, or named in several ways; or as `artifacts` says.
        """
        wanted = leaves_of(record=record, records=records, path=path, leaf_hash=leaf_hash)
        sought = Sought.of(filters, sort)
        with self._database.reading() as session:
            return find(
                session, self.origin, self.trees, sought, wanted, cursor=cursor, limit=limit
            )

    def diff(self, before: Ref, after: Ref) -> Difference:
        """Return which records were added, removed and moved from one version to another.

        From their trees alone, each leaf of which is checked first.

        Raises:
            InputError: unknown REF, or artifacts of different encodings.
            LedgerError: a tree file is missing or damaged, or the disk full.
        """
        return deriving.diff(self, before, after)

    def prove_derivation(
        self,
        sources: Ref | Iterable[Ref],
        targets: Ref | Iterable[Ref],
        path: str | PathLike[str],
    ) -> Derivation:
        """Find out which claim holds between versions, and write its proof to `path`.

        Whoever has the proof checks it with `provenance.derivation.check_derivation`.

        Args:
            sources: one or several, in the order in which the claim is to name them.
            targets: likewise; on one of the sides there is one.
            path: of the file; it is written whole, and checked.

        Raises:
            InputError: unknown REF, or no claim holds.
            LedgerError: a tree file is missing or damaged, or the disk full.
        """
        return deriving.prove(self, each(sources), each(targets), Path(path))

    def leaf_hashes(self, ref: Ref, *, first: int, limit: int) -> bytes:
        """Return the leaf hashes of `limit` records from number `first` on, 32 bytes each.

        Of fewer at the end of the artifact. Whoever has all of them computes the root anew.

        Raises:
            InputError: unknown REF.
            LedgerError: the tree file is missing or damaged.
        """
        tree = self._trees.open(self.resolve(ref)).tree
        return tree.leaf_hashes(first, first + limit)

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

    def entry(self, index: int | None = None, *, envelope: str | None = None) -> LogEntry:
        """Return one entry, by its index or by the SHA-256 of its envelope, 64 hex digits.

        Raises:
            NoSuchRecordError: the log has no such entry.
            InputError: named in no way, in both, or not so.
        """
        if (index is None) == (envelope is None):
            raise InputError("name an entry by its index, or by the SHA-256 of its envelope")
        if envelope is not None and not re.fullmatch("[0-9a-f]{64}", envelope):
            raise InputError(f"an envelope has a SHA-256 of 64 hex digits, not {envelope[:100]!r}")
        with self._database.reading() as session:
            if envelope is not None:
                index = Catalog(session).with_envelope(bytes.fromhex(envelope))
            if index is not None and index >= 0:
                for entry in status.entries(session, self.origin, index, 1):
                    return entry
        which = f"the envelope {envelope}" if index is None else f"the number {index}"
        raise NoSuchRecordError(f"the log has no entry with {which}")

    def entries(self, *, start: int = 0, limit: int = 100) -> list[LogEntry]:
        """Return what stands in the log from entry `start` on, and how far each entry got.

        Fewer than `limit` where they are large: a page holds 8 MiB of envelopes.
        """
        with self._database.reading() as session:
            return status.entries(session, self.origin, start, limit)

    def kinds(self, entries: Collection[int]) -> dict[int, Kind]:
        """Return the kinds of entries that name an artifact; of some hundreds at a time."""
        with self._database.reading() as session:
            return Catalog(session).kinds(entries)

    def size(self) -> int:
        """Return how many entries the log has."""
        with self._database.reading() as session:
            return Log(session, self.origin).size

    def reached(self) -> Reached:
        """Return how far the entries of the log got."""
        with self._database.reading() as session:
            return status.reached(session, self.origin)

    def status(self, *, most: int | None = None) -> Status:
        """Return how large the log is, and how much of it is anchored where.

        Args:
            most: artifacts that are counted; all, if None, which takes as long as there are.
        """
        with self._database.reading() as session:
            pins = self.policy().chains
            pending = spool.pending(self.folder.spool)
            return status.status(session, self.origin, pins, pending, most)

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
        path = self.folder.policy
        try:
            state = state_of(path.stat())
        except OSError:
            return read_policy(path)  # which says what is wrong
        known = self._policy
        if known is None or known[0] != state:
            before_blocking()
            known = self._policy = (state, read_policy(path))
        return known[1]

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

    def dating(self, index: int) -> list[AnchorRecord]:
        """Return the anchor on each chain that dates an entry: the earliest that covers it."""
        pins = self.policy().chains
        with self._database.reading() as session:
            catalog, size = Catalog(session), Log(session, self.origin).size
            rows = [
                (catalog.earliest_anchor(pin.name, above=index, most=size), pin) for pin in pins
            ]
        return [AnchorRecord.of(row, pin) for row, pin in rows if row is not None]

    def newest_anchors(self, *, below: int | None = None, limit: int = 100) -> list[AnchorRecord]:
        """Return recorded anchors of trees smaller than `below`, the largest tree first.

        Those of one size all stand on one page: it may hold a few more than `limit`.
        """
        pins = {pin.name: pin for pin in self.policy().chains}
        return anchors.newest(self._database, pins, below, limit)
