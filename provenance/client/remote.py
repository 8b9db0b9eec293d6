"""`connect`, and the ledger that it returns."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeVar, Unpack
from urllib.parse import quote

from provenance import forms
from provenance.anchoring import ChainReader
from provenance.client.answers import (
    Anchors,
    ArtifactPage,
    EntryPage,
    FoundRecords,
    HistoryAnswer,
    ImpactAnswer,
    RemoteAnchor,
    RemoteArtifact,
    UsesAnswer,
    WireArtifact,
    WireEntry,
)
from provenance.client.deriving import Compared, comparing
from provenance.client.sending import Sender
from provenance.client.transport import Transport
from provenance.client.writing import RemoteJournal
from provenance.derivation import Derivation
from provenance.derivation.difference import Difference, compare
from provenance.errors import InputError, MalformedError, NoSuchRecordError, ProvenanceError
from provenance.ledger.checking import read_policy, verify
from provenance.ledger.deriving import prove_between, proven_in
from provenance.ledger.desk import Clock
from provenance.ledger.entries import LogEntry
from provenance.ledger.filters import Filters, Sort, Sought
from provenance.ledger.leaves import leaves_of, sought_leaves
from provenance.ledger.outputs import recover
from provenance.ledger.paging import WALK_CURSOR, Page, Places, holders
from provenance.ledger.recording import Recorder, Ref
from provenance.ledger.steps import each
from provenance.ledger.usage import Uses
from provenance.lineage import End, Event, History, Impact
from provenance.lineage.impact import Descendant, Records
from provenance.log import Checkpoint
from provenance.merkle import ProofError
from provenance.records import Artifact, Encoding, hash_record
from provenance.records.opening import open_source
from provenance.records.sources import Progress, Source
from provenance.signing import Envelope, PrivateKey, read_key_file
from provenance.statements import MAX_ARTIFACTS, Statement
from provenance.statements.predicates import Described
from provenance.verification import Bundle, Content, Policy, Verified
from provenance.verification.bundle import MAX_BUNDLE, MAX_RECORDS
from provenance.verification.comparing import check_records
from provenance.verification.report import failure

__all__ = ["RemoteLedger", "RemoteProof", "connect"]

MAX_ANSWER = 64 << 20
MAX_NOTE = 1 << 20
PAGE = 1000
T = TypeVar("T")

_log = logging.getLogger("provenance")


def connect(
    url: str,
    *,
    token: str | None = None,
    signer: PrivateKey | str | PathLike[str] | None = None,
    passphrase: str | None = None,
    policy: Policy | str | PathLike[str] | None = None,
    spool: str | PathLike[str] | None = None,
    timeout: float = 30.0,
    patience: float = 60.0,
    clock: Clock = lambda: datetime.now(UTC),
) -> RemoteLedger:
    """Return the ledger that is served at `url`. Nothing is sent yet.

    Args:
        url: of ``provenance serve``, http or https; of a project, with ``/p/<project>``.
        token: as ``provenance tokens new`` shows it; where everybody may read, none is needed for
            that. It is sent over https only, or to this machine.
        signer: the private key that signs what is recorded, or the path of its PEM file. The log
            must know its public key (``provenance keys add``).
        passphrase: of that file, else ``PROVENANCE_PASSPHRASE``.
        policy: whose log this is to be: then what is recorded must be under a checkpoint that the
            log's key in it signed.
        spool: a folder on this disk. With it, what is recorded is durable here before it is sent,
            and what cannot be sent now waits there (`RemoteLedger.drain`): then no call fails
            because of the server. Processes may share it. Outputs need it.
        timeout: seconds for each request, all of it.
        patience: seconds for which a server that does not answer is asked again, as something is
            recorded; with a spool, as it is drained.
        clock: returns the time.

    Raises:
        InputError: not such a URL, policy or key, the spool is of another server, or httpx is not
            installed.
        LedgerError: the spool cannot be used.
    """
    known = policy if policy is None or isinstance(policy, Policy) else read_policy(policy)
    transport = Transport(url, timeout, token)

    def signers() -> Sequence[PrivateKey]:
        if signer is None:
            raise InputError("nothing is signed without a key: connect with signer=")
        if isinstance(signer, PrivateKey):
            return (signer,)
        secret = passphrase or os.environ.get("PROVENANCE_PASSPHRASE")
        return (read_key_file(signer, secret.encode() if secret else None),)

    journal = RemoteJournal(
        url,
        Sender(transport, known),
        signers,
        clock,
        patience=patience,
        spool=None if spool is None else Path(spool),
    )
    return RemoteLedger(transport, journal)


@dataclass(frozen=True)
class RemoteProof:
    """A bundle about what was asked for, not yet verified.

    Attributes:
        bundle: the proofs.
        indices: numbers of the records that it proves, in the order in which they were asked for.
        equal: where it proves one record, how many of the artifact are equal to it, as the server
            counts them.
    """

    bundle: Bundle
    indices: tuple[int, ...]
    equal: int

    def to_bytes(self) -> bytes:
        """Return the bytes of the bundle."""
        return self.bundle.to_bytes()


class RemoteLedger(Recorder[RemoteArtifact, int | None]):
    """A ledger behind a URL; made by `connect`. May be shared between threads.

    What is recorded is hashed and signed here; records stay here. An index of None means that it
    waits in the spool.

    Every method raises LedgerError where the server does not answer or fails, InputError where
    it refuses the question, and MalformedError where its answer is not of the form it should
    have.
    """

    def __init__(self, transport: Transport, journal: RemoteJournal) -> None:
        self._transport = transport
        self._journal = journal

    @property
    def journal(self) -> RemoteJournal:
        """Where its statements are signed and sent."""
        return self._journal

    def close(self) -> None:
        """Close the connections; what waits in the spool stays there."""
        self._journal.close()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.waiting():
                self.drain()
        except ProvenanceError as error:
            _log.warning("%d statements wait in %s: %s", self.waiting(), self._spool.parent, error)
        finally:
            self.close()

    # --- the spool ------------------------------------------------------------------------------

    def waiting(self) -> int:
        """Return how many statements wait in the spool."""
        return self._journal.waiting()

    def drain(self) -> list[int]:
        """Send what waits in the spool, the oldest first; return the index of each in the log.

        Outputs that a crash left there are signed first.

        Raises:
            InputError: the server refuses some of it, which stays; all else was sent.
            LedgerError: it does not answer: what was not sent stays.
            VerificationError: it says that something is logged, and does not prove it.
        """
        if self._journal.is_spooled:
            with self._journal.resting():
                recover(self)
        return self._journal.drain()

    # --- the server's word ----------------------------------------------------------------------

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
        found = self._get(_path(ref), WireArtifact).read()
        known = (found.digest, found.root, found.digests.get("sha256", ""))
        if found.name != ref and not any(value.startswith(ref.lower()) for value in known):
            raise MalformedError(f"{self._transport.name} answers {ref!r} with another artifact")
        found.described()
        return found

    def resolve(self, ref: Ref[RemoteArtifact]) -> RemoteArtifact:
        """Return what a REF names; the path of something registered is hashed here."""
        if isinstance(ref, RemoteArtifact):
            return ref
        if not isinstance(ref, str):
            ref = open_source(ref, tree_only=True).artifact().digest_hex
        return self._in_spool(ref) or self.artifact(ref)

    def _in_spool(self, ref: str) -> RemoteArtifact | None:
        """Return the newest artifact of a name or digest that waits in the spool."""
        for statement in self._journal.statements():
            if isinstance(statement.predicate, Described):
                found = RemoteArtifact.of(None, statement)
                if ref == found.name or (len(ref) >= 8 and found.digest.startswith(ref.lower())):
                    return found
        return None

    def _hash(self, source: Source, progress: Progress | None) -> Artifact:
        return self._keep(source.leaf_hash_blocks(progress), source.encoding)

    def _keep(self, leaf_hash_blocks: Iterator[bytes], encoding: Encoding) -> Artifact:
        return self._journal.keep(leaf_hash_blocks, encoding)

    def _log(self, statement: Statement) -> RemoteArtifact:
        return RemoteArtifact.of(self._journal.submit(statement, with_tree=True), statement)

    def _log_once(self, statement: Statement) -> RemoteArtifact:
        """Log a statement; what says the same already is of another time, and stays."""
        return self._log(statement)

    def _derivation(
        self, sources: Sequence[RemoteArtifact], targets: Sequence[RemoteArtifact]
    ) -> Derivation:
        with self._comparing(sources, targets) as found:
            return proven_in(found.folder, found.before, found.after)

    def prove_derivation(
        self,
        sources: Ref[RemoteArtifact] | Iterable[Ref[RemoteArtifact]],
        targets: Ref[RemoteArtifact] | Iterable[Ref[RemoteArtifact]],
        path: str | PathLike[str],
    ) -> Derivation:
        """Find out which claim holds between versions, and write its proof to `path`.

        As `Ledger.prove_derivation`, from the leaf hashes, which the server is asked for.
        """
        sides = ([self.resolve(ref) for ref in each(side)] for side in (sources, targets))
        with self._comparing(*sides) as found:
            return prove_between(found.before, found.after, Path(path))

    def diff(self, before: Ref[RemoteArtifact], after: Ref[RemoteArtifact]) -> Difference:
        """Return which records changed from one version to another; as `Ledger.diff`."""
        with self._comparing([self.resolve(before)], [self.resolve(after)]) as found:
            return compare(found.before[0], found.after[0], found.folder)

    def _comparing(
        self, before: Sequence[RemoteArtifact], after: Sequence[RemoteArtifact]
    ) -> AbstractContextManager[Compared]:
        return comparing(self._transport, self._journal, before, after)

    @property
    def _spool(self) -> Path:
        if not self._journal.is_spooled:
            raise InputError("outputs wait on this disk first: connect with spool=")
        return self._journal.outbox.outputs

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
        return self._walk(_path(ref, "/history"), depth, limit, cursor, as_of)

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
        return self._walk(_path(ref, "/descendants"), depth, limit, cursor, as_of)

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
        method, where, body = "GET", _path(ref or "", "/impact"), None
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
        page = self._get(_path(ref, "/access"), UsesAnswer, given).read()
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

    # --- proofs ---------------------------------------------------------------------------------

    def prove(
        self,
        ref: str,
        *,
        record: Any = None,
        records: Any = None,
        index: int | Sequence[int] | None = None,
        leaf_hash: bytes | Sequence[bytes] | None = None,
    ) -> RemoteProof:
        """Ask for the bundle of records, and check that it is about them.

        Args:
            ref: the artifact.
            record: the record itself, as `provenance.records.hash_record` takes it. Its hash is
                sent, not the record.
            records: several records in a file, a table or rows, as `Ledger.prove` takes them.
                Their hashes are sent.
            index: the record's number, from 0; or several.
            leaf_hash: the record's leaf hash, 32 bytes; or several.

        Raises:
            InputError: no such artifact or record, or not named in one way.
            VerificationError: the bundle is about something else.
        """
        if [record, records, index, leaf_hash].count(None) != 3:
            raise InputError("name records in one way: record, records, index or leaf hash")
        artifact = self.artifact(ref)
        if record is not None:
            leaf_hash = hash_record(record, artifact.artifact.encoding)
        elif records is not None:
            leaf_hash = Content(records).leaf_hashes(artifact.described(), most=MAX_RECORDS)
        asked = _Asked(
            indices=None if index is None else (index,) if isinstance(index, int) else (*index,),
            leaf_hashes=(leaf_hash,) if isinstance(leaf_hash, bytes) else (*(leaf_hash or ()),),
        )
        data, headers = self._transport.exchange(
            "POST", _path(ref, "/proofs"), content=asked.to_bytes(), cap=MAX_BUNDLE
        )
        bundle = Bundle.parse(data)
        found = _check_answers(bundle, artifact, asked)
        equal = headers.get("provenance-equal-records", "0" if len(found) > 1 else "")
        if not re.fullmatch("0|[1-9][0-9]{0,15}", equal) or (equal == "0") != (len(found) > 1):
            raise MalformedError(f"{self._transport.name} does not say how many records are equal")
        return RemoteProof(bundle, found, int(equal))

    def verify(
        self,
        bundle: bytes | Bundle | RemoteProof,
        *,
        record: Any = None,
        data: Any = None,
        policy: Policy | str | PathLike[str] | None = None,
        chains: Mapping[str, ChainReader | str] | None = None,
        trusted_blocks: Mapping[str, str | bytes] | None = None,
    ) -> Verified:
        """Verify a bundle on this machine. The server is not asked.

        Args and errors as for `provenance.verify`.
        """
        return verify(
            bundle if isinstance(bundle, bytes) else bundle.to_bytes(),
            record=record,
            data=data,
            policy=policy,
            chains=chains,
            trusted_blocks=trusted_blocks,
        )

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


def _path(ref: str, rest: str = "") -> str:
    return f"v1/artifacts/{quote(ref, safe='')}{rest}"


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """The records that were asked for, in one of two ways."""

    indices: tuple[int, ...] | None
    leaf_hashes: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """Return the body of the request."""
        if self.indices is not None:
            return json.dumps({"index": self.indices}).encode()
        return json.dumps({"leaf_hash": [value.hex() for value in self.leaf_hashes]}).encode()


def _check_answers(bundle: Bundle, named: RemoteArtifact, asked: _Asked) -> tuple[int, ...]:
    """Check that a bundle proves the records that were asked for; return which ones they are.

    What `named` is called rests on the server's word. The bundle is held to it, so that a record
    of another data set cannot pass for one of that which was asked for.

    Raises:
        VerificationError: it does not.
        MalformedError: it registers nothing.
    """
    statement = Statement.parse(Envelope.parse(bundle.statement.envelope).payload)
    subject, artifact = statement.subjects[0], named.artifact
    if (statement.described().artifact, subject.name, dict(subject.digest)) != (
        artifact,
        named.name,
        named.digests,
    ):
        raise failure("statement", "the bundle is about another artifact")
    found = tuple(proof.index for proof in bundle.records)
    if not found or asked.indices not in (None, found):
        raise failure("record", "the bundle proves other records, or none")
    if asked.indices is None:
        try:
            check_records(asked.leaf_hashes, bundle.records, artifact)
        except ProofError as error:
            raise failure("record", str(error)) from error
    return found
