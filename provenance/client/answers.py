"""The server's answers as values: each is read strictly, and held against itself.

What the service writes of its own is in snake_case; what was signed stands as it was signed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Literal

from provenance import forms
from provenance.anchoring.anchor import ADDRESS
from provenance.errors import MalformedError
from provenance.ledger.entries import LogEntry
from provenance.ledger.paging import Place, Places
from provenance.ledger.usage import KnownUse, UseBatch, Uses, UseState
from provenance.ledger.uses import Use
from provenance.log import Entry
from provenance.records import Artifact, Encoding
from provenance.statements import KIND_NUMBERS, Statement
from provenance.statements.predicates import Described

__all__ = [
    "Anchors",
    "ArtifactPage",
    "Entries",
    "EntryPage",
    "EntryProofs",
    "FoundRecords",
    "RemoteAnchor",
    "RemoteArtifact",
    "UsesAnswer",
    "WireArtifact",
    "WireEntry",
]


@dataclass(frozen=True, kw_only=True)
class RemoteArtifact:
    """What a server says of a registered artifact; its digest follows from the rest.

    Attributes:
        name: given at registration.
        kind: ``dataset``, ``model`` or ``outputs``.
        artifact: root, size and encoding.
        digests: hex.
        index: of its entry in the log; None while it waits in the spool.
        issued: by the signer's clock.
        state: ``logged``, ``checkpointed`` or ``anchored``; ``spooled`` in the spool.
        statement: what was signed; None in a list.
    """

    name: str
    kind: str
    artifact: Artifact
    digests: dict[str, str]
    index: int | None
    issued: str
    state: str
    statement: Statement | None = None

    @classmethod
    def of(cls, index: int | None, statement: Statement) -> RemoteArtifact:
        """Return what a statement registers that was logged as entry `index`, or waits to be."""
        predicate, subject = statement.described(), statement.subjects[0]
        return cls(
            name=subject.name,
            kind=statement.kind,
            artifact=predicate.artifact,
            digests=dict(subject.digest),
            index=index,
            issued=predicate.issued,
            state="spooled" if index is None else "logged",
            statement=statement,
        )

    def described(self) -> Described:
        """Return what was signed of it.

        Raises:
            MalformedError: the server left it out, as in a list.
        """
        if self.statement is None:
            raise MalformedError(f"the answer leaves out what was signed of {self.name!r}")
        return self.statement.described()

    @property
    def digest(self) -> str:
        """The artifact digest, 64 hex digits."""
        return self.artifact.digest_hex

    @property
    def root(self) -> str:
        """The tree's root, 64 hex digits."""
        return self.artifact.root.hex()

    @property
    def size(self) -> int:
        """The number of records."""
        return self.artifact.size


@dataclass(frozen=True, kw_only=True)
class Entries:
    """Where the server says that statements stand in the log."""

    indices: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class EntryProofs:
    """Proofs that entries are in the log, each as C2SP tlog-proof."""

    proofs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WireArtifact:
    """An artifact as the server writes it."""

    name: str
    kind: Literal["dataset", "model", "outputs", "access"]
    digest: forms.Hash
    root: forms.Hash
    size: int
    encoding: Encoding
    digests: dict[str, str]
    index: int
    issued: str
    state: Literal["logged", "checkpointed", "anchored"]
    statement: forms.Json = None

    def read(self) -> RemoteArtifact:
        """Return the artifact.

        Raises:
            MalformedError: what the server says contradicts itself.
        """
        artifact = Artifact(root=self.root, size=self.size, encoding=self.encoding)
        found = RemoteArtifact(
            name=self.name,
            kind=self.kind,
            artifact=artifact,
            digests=self.digests,
            index=self.index,
            issued=self.issued,
            state=self.state,
        )
        if artifact.digest != self.digest:
            raise MalformedError("the answer has an artifact digest that does not follow")
        if self.statement is None:
            return found
        statement = Statement.parse(forms.canonical(self.statement))
        found = replace(found, statement=statement)
        if replace(RemoteArtifact.of(self.index, statement), state=self.state) != found:
            raise MalformedError("the answer has a statement about something else")
        return found


@dataclass(frozen=True, kw_only=True)
class ArtifactPage:
    """Artifacts, and where the next page begins."""

    artifacts: tuple[WireArtifact, ...]
    next_cursor: str | None = field(default=None, metadata={"json": "next_cursor"})


@dataclass(frozen=True, kw_only=True)
class _FoundRecord:
    artifact: WireArtifact
    leaf_hash: forms.Hash = field(metadata={"json": "leaf_hash"})
    index: int
    equal: int


@dataclass(frozen=True, kw_only=True)
class FoundRecords:
    """Artifacts in which there are such records, as the server writes them."""

    places: tuple[_FoundRecord, ...]
    unread: tuple[int, ...]
    next_cursor: str | None = field(default=None, metadata={"json": "next_cursor"})

    def read(self) -> Places[RemoteArtifact]:
        """Return the places."""
        places = (
            Place(each.artifact.read(), each.leaf_hash, each.index, each.equal)
            for each in self.places
        )
        return Places(tuple(places), self.next_cursor, self.unread)


@dataclass(frozen=True, kw_only=True)
class WireEntry:
    """An entry of the log as the server writes it."""

    index: int
    kind: str
    artifacts: tuple[forms.Hash, ...]
    envelope_hash: forms.Hash = field(metadata={"json": "envelope_hash"})
    state: Literal["logged", "checkpointed", "anchored"]
    envelope: forms.Json = None
    statement: forms.Json = None

    def read(self) -> LogEntry:
        """Return the entry.

        Raises:
            MalformedError: what the server says contradicts itself.
        """
        if self.kind not in KIND_NUMBERS:
            raise MalformedError(f"the answer has an entry of the unknown kind {self.kind!r:.100}")
        entry = Entry(KIND_NUMBERS[self.kind], self.envelope_hash, self.artifacts)
        data = None if self.envelope is None else forms.canonical(self.envelope)
        found = LogEntry(self.index, entry, self.state, data)
        if data is not None and (
            found.statement is None
            or Entry.of(data, found.statement) != entry
            or forms.canonical(self.statement) != found.statement.to_bytes()
        ):
            raise MalformedError("the answer has an entry of another envelope")
        return found


@dataclass(frozen=True, kw_only=True)
class EntryPage:
    """Entries as the server writes them, and where the next page begins."""

    entries: tuple[WireEntry, ...]
    next_cursor: int | None = field(default=None, metadata={"json": "next_cursor"})


@dataclass(frozen=True, kw_only=True)
class _KnownUse:
    record: Use
    name: str | None = None
    state: UseState
    batch: forms.Hash | None = None
    entry: int | None = None
    index: int | None = None

    def __post_init__(self) -> None:
        waits = {self.state == "recorded", self.batch is None, self.entry is None}
        if len({*waits, self.index is None}) != 1:
            raise MalformedError("a use is in a batch, with entry and number, or recorded alone")


@dataclass(frozen=True, kw_only=True)
class _UseBatch:
    entry: int
    digest: forms.Hash
    state: Literal["logged", "checkpointed", "anchored"]
    counted: int | None = None
    here: int


@dataclass(frozen=True, kw_only=True)
class UsesAnswer:
    """Who used an artifact, as the server writes it."""

    artifact: forms.Hash
    uses: tuple[_KnownUse, ...]
    batches: tuple[_UseBatch, ...]
    next_cursor: str | None = field(default=None, metadata={"json": "next_cursor"})

    def read(self) -> Uses:
        """Return the uses.

        Raises:
            MalformedError: what the server says contradicts itself.
        """
        batches = {
            each.digest: UseBatch(
                each.entry, each.digest.hex(), each.state, each.counted, each.here
            )
            for each in self.batches
        }
        uses = []
        for each in self.uses:
            batch = None if each.batch is None else batches.get(each.batch)
            if each.record.artifact != self.artifact:
                raise MalformedError("the answer has a use of another artifact")
            if (each.batch is None) != (batch is None) or (
                batch is not None and (batch.entry, batch.state) != (each.entry, each.state)
            ):
                raise MalformedError("the answer has a use of a batch that it does not tell of")
            digest = None if batch is None else batch.digest
            uses.append(
                KnownUse(each.record, each.name, each.state, digest, each.entry, each.index)
            )
        told = Counter(use.batch for use in uses)
        if any(told[batch.digest] > batch.here for batch in batches.values()):
            raise MalformedError("the answer has more uses of a batch than it says there are")
        told_of = tuple(batches.values())
        return Uses(tuple(uses), self.next_cursor, told_of, artifact=self.artifact)


@dataclass(frozen=True, kw_only=True)
class RemoteAnchor:
    """A tree head on a chain, as a server tells it.

    Attributes:
        chain: its name in the server's policy.
        chain_id: EIP-155.
        contract: its address.
        ledger_id: of the log in the contract, 32 bytes.
        size: entries that it covers.
        root: of the log's tree at that size, 32 bytes.
        state: ``submitted``, ``mined``, ``confirmed``, ``final`` or ``reorged``.
        block: the block's number; None, as the next two, while it is in none.
        block_hash: the block's hash, 32 bytes.
        time: the block's time, RFC 3339.
        tx_hash: of the transaction, 32 bytes.
        embedded: whether the chain is worth only as much as the server.
    """

    chain: str
    chain_id: int = field(metadata={"json": "chain_id"})
    contract: Annotated[str, ADDRESS]
    ledger_id: forms.Hash = field(metadata={"json": "ledger_id"})
    size: int
    root: forms.Hash
    state: Literal["submitted", "mined", "confirmed", "final", "reorged"]
    block: int | None = None
    block_hash: forms.Hash | None = field(default=None, metadata={"json": "block_hash"})
    time: Annotated[str, forms.timestamp_pattern] | None = field(
        default=None, metadata={"json": "block_time"}
    )
    tx_hash: forms.Hash = field(metadata={"json": "tx_hash"})
    embedded: bool

    def __post_init__(self) -> None:
        if len({self.block is None, self.block_hash is None, self.time is None}) != 1:
            raise MalformedError("an anchor has a block with hash and time, or none of them")
        try:
            datetime.fromisoformat(self.time or "2000-01-01T00:00:00Z")
        except ValueError:
            raise MalformedError(f"{self.time} is no time on the calendar") from None

    @property
    def block_time(self) -> datetime | None:
        """The block's time: nothing that the anchor covers is younger."""
        return None if self.time is None else datetime.fromisoformat(self.time)


@dataclass(frozen=True, kw_only=True)
class Anchors:
    """Every anchor of the log."""

    anchors: tuple[RemoteAnchor, ...]
