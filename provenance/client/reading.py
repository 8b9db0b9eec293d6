"""What a ledger behind a URL tells: the server's word, of the form that it should have."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, TypeVar, Unpack
from urllib.parse import quote

from provenance import forms
from provenance.client.answers import (
    Anchors,
    ArtifactPage,
    EntryPage,
    FoundRecords,
    RemoteAnchor,
    RemoteArtifact,
    UsesAnswer,
    WireArtifact,
    WireEntry,
)
from provenance.client.transport import Transport
from provenance.client.walks import HistoryAnswer, ImpactAnswer
from provenance.errors import InputError, MalformedError, NoSuchRecordError
from provenance.ledger.entries import LogEntry
from provenance.ledger.filters import Filters, Sort, Sought
from provenance.ledger.leaves import leaves_of, sought_leaves
from provenance.ledger.paging import WALK_CURSOR, Page, Places, holders
from provenance.ledger.usage import Uses
from provenance.lineage import End, Event, History, Impact
from provenance.lineage.impact import Descendant, Records
from provenance.log import Checkpoint
from provenance.statements import MAX_ARTIFACTS

__all__ = ["RemoteView", "path_of"]

MAX_ANSWER = 64 << 20
MAX_NOTE = 1 << 20
PAGE = 1000
T = TypeVar("T")


class RemoteView:
    """A ledger behind a URL, to read."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def artifacts(
        self,
        *,
        sort: Sort = "-index",
        cursor: str | None = None,
        limit: int | None = 100,
        **filters: Unpack[Filters],
    ) -> Page[RemoteArtifact]:
        """Return registrations, the newest first; args as for `Ledger.artifacts`."""
        sought = Sought.of(filters, sort)
        found: list[RemoteArtifact] = []
        while True:
            wanted = PAGE if limit is None else min(PAGE, limit - len(found))
            query = _query(filters, sort=sort, cursor=cursor, limit=wanted)
            page = self._get("v1/artifacts", ArtifactPage, query)
            found += [artifact.read() for artifact in page.artifacts]
            self._check_leads_on(sought, cursor, page.next_cursor)
            cursor = page.next_cursor
            if cursor is None or (limit is not None and (len(found) >= limit or limit <= PAGE)):
                return Page(tuple(found), cursor)

    def artifact(self, ref: str) -> RemoteArtifact:
        """Return the artifact of a name, or of 8 or more hex digits of a digest."""
        found = self._get(path_of(ref), WireArtifact).read()
        known = (found.digest, found.root, found.digests.get("sha256", ""))
        if found.name != ref and not any(value.startswith(ref.lower()) for value in known):
            raise MalformedError(f"{self._transport.name} answers {ref!r} with another artifact")
        found.described()
        return found

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
    ) -> Places[RemoteArtifact]:
        """Return in which artifacts a record is; args as for `Ledger.find`. Its hash is sent."""
        wanted = leaves_of(record=record, records=records, path=path, leaf_hash=leaf_hash)
        sought, after = Sought.of(filters, sort), cursor
        query = _query(filters, sort=sort, cursor=cursor, limit=min(limit, PAGE))
        body = json.dumps({"leaf_hash": [each.hex() for each in wanted]}).encode()
        page = self._ask("POST", "v1/records", FoundRecords, query, body).read()
        if any(place.leaf_hash not in wanted for place in page):
            raise MalformedError(f"{self._transport.name} tells of records that were not asked for")
        self._check_leads_on(sought, after, page.next_cursor)
        return page

    def entry(self, index: int | None = None, *, envelope: str | None = None) -> LogEntry:
        """Return one entry, by its index or by the SHA-256 of its envelope, 64 hex digits.

        What was signed is what the entry says; that the log has it, `prove` shows.
        """
        if (index is None) == (envelope is None):
            raise InputError("name an entry by its index, or by the SHA-256 of its envelope")
        if index is not None:
            found = [self._get(f"v1/entries/{int(index)}", WireEntry)]
        else:
            found = [*self._get("v1/entries", EntryPage, {"envelope": envelope}).entries]
        if not found:
            raise NoSuchRecordError(f"the log has no entry with the envelope {envelope}")
        entry = found[0].read()
        if len(found) > 1 or envelope not in (None, entry.entry.envelope_hash.hex()):
            raise MalformedError(f"{self._transport.name} answers with another entry")
        if index not in (None, entry.index):
            raise MalformedError(f"{self._transport.name} answers with another entry")
        return entry

    def entries(self, *, start: int = 0, limit: int = 100) -> list[LogEntry]:
        """Return what stands in the log from entry `start` on, at most 1,000 at a time.

        Fewer than `limit` where they are large: a page holds 8 MiB of envelopes.
        """
        query = {"cursor": max(start, 0), "limit": min(limit, PAGE)}
        found = [each.read() for each in self._get("v1/entries", EntryPage, query).entries]
        if [each.index for each in found] != [*range(max(start, 0), max(start, 0) + len(found))]:
            raise MalformedError(f"{self._transport.name} answers with other entries")
        return found

    def history(
        self,
        ref: str,
        *,
        depth: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        as_of: int | None = None,
    ) -> History:
        """Return every statement about an artifact and about what it came from, nearest first.

        Args as for `Ledger.history`; a page has 1,000 statements at most. The statements are as
        they were signed; that there are no others, and what is registered, superseded, revoked or
        run again, is the server's word. The grades follow from that.
        """
        return self._walk(path_of(ref, "/history"), depth, limit, cursor, as_of)

    def descendants(
        self,
        ref: str,
        *,
        depth: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        as_of: int | None = None,
    ) -> History:
        """Return every statement by which something was made of an artifact; as `history`."""
        return self._walk(path_of(ref, "/descendants"), depth, limit, cursor, as_of)

    def _walk(
        self,
        path: str,
        depth: int | None,
        limit: int | None,
        cursor: str | None,
        as_of: int | None,
    ) -> History:
        events: list[Event] = []
        ends: dict[bytes, End] = {}
        while True:
            query = _walk_query(depth, min(limit or PAGE, PAGE), cursor, as_of)
            page = self._get(path, HistoryAnswer, query).read()
            events += page.events
            ends |= page.ends
            if page.next_cursor is None or limit is not None:
                return replace(page, events=tuple(events), ends=ends)
            self._check_goes_on(cursor, page.next_cursor)
            cursor = page.next_cursor

    def impact(
        self,
        ref: str | None = None,
        *,
        record: Any = None,
        records: Any = None,
        path: str | PathLike[str] | None = None,
        leaf_hash: bytes | Sequence[bytes] | None = None,
        artifacts: Sequence[bytes] | None = None,
        depth: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        as_of: int | None = None,
    ) -> Impact:
        """Return what descends from an artifact, or from every artifact that holds a record.

        Args as for `Ledger.impact`; a page has 1,000 descendants at most. Of a record the hash is
        sent. All of the answer is the server's word, and so is what is left out: `descendants`
        returns what was signed.
        """
        wanted = sought_leaves(
            ref, artifacts, record=record, records=records, path=path, leaf_hash=leaf_hash
        )
        held: dict[bytes, Records] = {}
        unread: tuple[int, ...] = ()
        if wanted and artifacts is None:
            held, unread = holders(lambda after: self.find(leaf_hash=wanted, cursor=after))
            artifacts = [*held]
        method, where, body = "GET", path_of(ref or "", "/impact"), None
        if ref is None:
            told = {"artifacts": [each.hex() for each in artifacts or ()]}
            if wanted:
                told["leaf_hashes"] = [each.hex() for each in wanted]
            method, where, body = "POST", "v1/impact", json.dumps(told).encode()
        found: list[Descendant] = []
        while True:
            query = _walk_query(depth, min(limit or PAGE, PAGE), cursor, as_of)
            page = self._ask(method, where, ImpactAnswer, query, body).read()
            found += page.artifacts
            if page.next_cursor is None or limit is not None:
                sources = (replace(each, records=held.get(each.digest)) for each in page.sources)
                return replace(page, sources=tuple(sources), artifacts=tuple(found), unread=unread)
            self._check_goes_on(cursor, page.next_cursor, most=MAX_ARTIFACTS)
            cursor = page.next_cursor

    def access(
        self,
        ref: str,
        *,
        since: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Uses:
        """Return who asked the service for an artifact, the newest first; as `Ledger.access`.

        It needs a token of the scope ``admin``. That a use was signed, `prove` shows: by its batch
        and its number.
        """
        asked = {"since": since, "limit": min(limit, PAGE), "cursor": cursor}
        given = {name: value for name, value in asked.items() if value is not None}
        page = self._get(path_of(ref, "/access"), UsesAnswer, given).read()
        if page.next_cursor is not None and page.next_cursor == cursor:
            raise MalformedError(f"{self._transport.name} answers pages that lead nowhere")
        return page

    def anchors(self) -> list[RemoteAnchor]:
        """Return every anchor of the log, the smallest tree first."""
        return list(self._get("v1/anchors", Anchors).anchors)

    def checkpoint(self) -> str:
        """Return the newest checkpoint, a signed note (C2SP tlog-checkpoint), not yet verified."""
        data, _ = self._transport.exchange("GET", "checkpoint", cap=MAX_NOTE)
        try:
            note = data.decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedError("the checkpoint is not UTF-8") from None
        Checkpoint.parse(note.partition("\n\n")[0] + "\n")
        return note

    def _check_leads_on(self, sought: Sought, cursor: str | None, following: str | None) -> None:
        """Check that the page after this one, if there is one, begins beyond it.

        Raises:
            MalformedError: it does not: whoever followed it might do so for ever.
        """
        if following is None:
            return
        try:
            key = sought.read_cursor(following)
            after = key if cursor is None else sought.read_cursor(cursor)
        except InputError as error:
            raise MalformedError(f"{self._transport.name} answers no cursor: {error}") from None
        if cursor is not None and not (key < after if sought.descending else key > after):
            raise MalformedError(f"{self._transport.name} answers pages that lead nowhere")

    def _check_goes_on(self, cursor: str | None, following: str, *, most: int = 1) -> None:
        if not _goes_on(cursor, following, most):
            raise MalformedError(f"{self._transport.name} answers pages that lead nowhere")

    def _get(self, path: str, form: type[T], query: Mapping[str, Any] | None = None) -> T:
        return self._ask("GET", path, form, query)

    def _ask(
        self,
        method: str,
        path: str,
        form: type[T],
        query: Mapping[str, Any] | None = None,
        content: bytes | None = None,
    ) -> T:
        data, _ = self._transport.exchange(
            method, path, query=query, content=content, cap=MAX_ANSWER
        )
        what = f"the answer of {self._transport.name}"
        return forms.decode(form, forms.parse(data, what=what, cap=MAX_ANSWER), what)


def _query(filters: Filters, **rest: Any) -> dict[str, Any]:
    """Return filters, and what else is asked for, as parameters of a request."""
    query = {**filters, **rest}
    for key, value in (query.pop("metadata", None) or {}).items():
        text = value if isinstance(value, str) else forms.canonical(value).decode()
        query[f"metadata.{key}"] = text
    return {name: value for name, value in query.items() if value is not None}


def _walk_query(
    depth: int | None, limit: int, cursor: str | None, as_of: int | None
) -> dict[str, Any]:
    asked = {"depth": depth, "limit": limit, "cursor": cursor, "as_of": as_of}
    return {name: value for name, value in asked.items() if value is not None}


def _goes_on(cursor: str | None, following: str, most: int) -> bool:
    """Say whether a page of a walk begins where one that began at `cursor` can have ended.

    Of each entry it tells `most` at the most.
    """
    if not re.fullmatch(WALK_CURSOR, following):
        return False
    size, told = map(int, following.split("."))
    if cursor is None:
        return told <= most * size
    begun, before = map(int, cursor.split("."))
    return size == begun and before < told <= most * size


def path_of(ref: str, rest: str = "") -> str:
    """Return the path at which an artifact is served."""
    return f"v1/artifacts/{quote(ref, safe='')}{rest}"
