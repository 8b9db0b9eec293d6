"""The catalogue: what the log's statements name, indexed for look-ups.

Nothing here is true on its own: every row follows from an envelope in the log, is written in the
transaction that appends it, and could be built again from the log alone.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, cast

from sqlalchemy import Index, Table, text
from sqlalchemy.orm import aliased
from sqlmodel import Field, Session, SQLModel, col, func, select

from provenance import forms
from provenance.ledger.indexing import SORTED_BY, Facet, IndexRows, facet_of_text
from provenance.log.store import Number, Sealed, insert, number_key
from provenance.records import Artifact
from provenance.statements import KIND_NUMBERS, Kind, Statement

__all__ = [
    "FACET",
    "AnchorRow",
    "AnchorState",
    "Catalog",
    "FacetRow",
    "MentionRow",
    "RegisteredArtifact",
]


class MentionRow(SQLModel, table=True):
    """An artifact that a statement names, as its subject or as something it refers to."""

    __tablename__ = "mention"
    __table_args__ = (
        Index("mention_digest", "digest", "subject", "entry"),
        {"sqlite_with_rowid": False},
    )

    entry: int = number_key()
    position: int = Field(primary_key=True)
    digest: bytes
    kind: int
    subject: bool


class FacetRow(SQLModel, table=True):
    """One thing that an entry is found by; `provenance.ledger.indexing` says what they are.

    The entries of one value lie together and in order, and so do the values of one facet.
    """

    __tablename__ = "facet"
    # By entry only what others are put in order by: an index of all would be as large as they are.
    _few = text(" OR ".join(f"facet = {facet}" for facet in SORTED_BY))
    __table_args__ = (
        Index("facet_entry", "entry", "facet", sqlite_where=_few, postgresql_where=_few),
        {"sqlite_with_rowid": False},
    )

    facet: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    value: bytes = Field(primary_key=True)
    entry: int = number_key()


FACET = cast(Table, FacetRow.__table__)  # type: ignore[attr-defined]
"""For questions whose every part is chosen by an index."""


AnchorState = Literal["submitted", "mined", "confirmed", "final", "reorged"]
"""See `provenance.ledger.anchors.AnchorRecord`."""

_KINDS: dict[int, Kind] = {number: kind for kind, number in KIND_NUMBERS.items()}

_MINED: tuple[AnchorState, ...] = ("mined", "confirmed", "final")


class AnchorRow(Sealed, table=True):
    """A tree head on its way to a chain, or on it. In no block: the last three are None."""

    __tablename__ = "anchor"

    chain: str = Field(primary_key=True)
    size: int = number_key()
    root: bytes
    state: str
    tx_hash: bytes
    nonce: int | None = Field(sa_type=Number)
    block: int | None = Field(sa_type=Number)
    block_hash: bytes | None
    block_time: int | None = Field(sa_type=Number)


@dataclass(frozen=True)
class RegisteredArtifact:
    """An artifact in a ledger: its statement and its place in the log.

    Attributes:
        name: given at registration; not unique, the newest of a name is meant by it.
        kind: ``dataset``, ``model`` or ``outputs``.
        artifact: root, size and encoding.
        index: of the statement's entry in the log.
        statement: what was signed.
        digests: the subject's DigestSet, hex.
    """

    name: str
    kind: str
    artifact: Artifact
    index: int
    statement: Statement = dataclasses.field(repr=False)
    digests: dict[str, str] = dataclasses.field(repr=False)

    @classmethod
    def of(cls, index: int, statement: Statement) -> RegisteredArtifact:
        """Return what the statement at entry `index` registers."""
        artifact, subject = statement.described().artifact, statement.subjects[0]
        return cls(subject.name, statement.kind, artifact, index, statement, dict(subject.digest))

    def length(self) -> int:
        """Return how many bytes were signed."""
        return len(self.statement.to_bytes())

    def to_json(self) -> dict[str, Any]:
        """Return what it is, as the service and the command line tell it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "digest": self.digest,
            "root": self.root,
            "size": self.size,
            "encoding": forms.encode(self.artifact.encoding),
            "digests": self.digests,
            "index": self.index,
        }

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


class Catalog:
    """Look-ups within a session of the ledger's database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, first: int, rows: Iterable[IndexRows]) -> None:
        """Index the statements of new entries, the first of which stands at `first`."""
        mentions: list[tuple[Any, ...]] = []
        facets: list[tuple[int, bytes, int]] = []
        for entry, each in enumerate(rows, first):
            mentions += ((entry, position, *named) for position, named in enumerate(each.mentions))
            facets += ((facet, value, entry) for facet, value in each.facets)
        insert(self._session, MentionRow, mentions)
        insert(self._session, FacetRow, sorted(facets))  # in the order in which they lie

    def named(self, ref: str) -> list[bytes]:
        """Return the digests of what statements name, registered or not: of a data set that a
        report names, by its name, or of anything, by all digits; two at most.
        """
        if re.fullmatch("[0-9a-f]{64}", ref):
            digest = bytes.fromhex(ref)
            mentions = select(MentionRow.digest).where(MentionRow.digest == digest).limit(1)
            return list(self._session.exec(mentions))
        low = sha256(ref.encode()).digest()
        query = select(FacetRow.value).where(
            FacetRow.facet == Facet.NAMED,
            FacetRow.value >= low,
            FacetRow.value <= low + b"\xff" * 32,
        )
        found = self._session.exec(query.distinct().order_by(col(FacetRow.value)).limit(2))
        return [value[32:] for value in found]

    def registrations(
        self, *, name: str | None = None, digest: str | None = None, limit: int | None = None
    ) -> list[int]:
        """Return entries that register an artifact, of this name and this digest, newest first."""
        given = []
        if digest is not None:
            given.append((Facet.DIGEST, bytes.fromhex(digest)))
        if name is not None:
            given.append((Facet.NAME, facet_of_text(name)))
        query = select(FacetRow.entry)
        for at, (facet, value) in enumerate(given or [(Facet.REGISTERED, b"")]):
            if at == 0:
                query = query.where(FacetRow.facet == facet, FacetRow.value == value)
            else:
                other = aliased(FacetRow)
                both = select(other.entry).where(other.facet == facet, other.value == value)
                query = query.where(both.where(other.entry == FacetRow.entry).exists())
        return list(self._session.exec(query.order_by(col(FacetRow.entry).desc()).limit(limit)))

    def newest(self, digests: Collection[bytes]) -> dict[bytes, int]:
        """Return the newest entry that registers each artifact, where there is one; of some
        thousands at a time.
        """
        query = select(FacetRow.value, func.max(FacetRow.entry)).where(
            FacetRow.facet == Facet.DIGEST, col(FacetRow.value).in_(digests)
        )
        return dict(self._session.exec(query.group_by(col(FacetRow.value))).all())

    def registered_by(self, entries: Collection[int]) -> dict[int, bytes]:
        """Return the digest of what each entry registers; of some hundreds at a time."""
        query = select(MentionRow.entry, MentionRow.digest).where(
            col(MentionRow.entry).in_(entries), MentionRow.position == 0
        )
        return dict(self._session.exec(query).all())

    def digests_like(self, prefix: str) -> set[str]:
        """Return artifact digests whose digest, root or sha256 starts with `prefix` (hex)."""
        first, last = (bytes.fromhex(prefix.ljust(64, digit)) for digit in "0f")
        query = (
            select(MentionRow.digest)
            .join(FacetRow, col(FacetRow.entry) == MentionRow.entry)
            .where(
                col(FacetRow.facet).in_((Facet.DIGEST, Facet.ROOT, Facet.SHA256)),
                col(FacetRow.value).between(first, last),
                MentionRow.position == 0,
            )
        )
        return {digest.hex() for digest in self._session.exec(query.distinct())}

    def with_envelope(self, envelope_hash: bytes) -> int | None:
        """Return the entry whose envelope has this SHA-256."""
        query = select(FacetRow.entry).where(
            FacetRow.facet == Facet.ENVELOPE, FacetRow.value == envelope_hash
        )
        return self._session.exec(query).first()

    def about(self, digest: str, *, kind: Kind | None = None) -> list[int]:
        """Return every entry whose statement has this artifact among its subjects, in order."""
        query = select(MentionRow.entry).where(
            MentionRow.digest == bytes.fromhex(digest), MentionRow.subject
        )
        if kind is not None:
            query = query.where(MentionRow.kind == KIND_NUMBERS[kind])
        return list(self._session.exec(query.distinct().order_by(col(MentionRow.entry))))

    def remarks(self, artifact: bytes, *, below: int, limit: int) -> list[int]:
        """Return entries before `below` that tell of a registered artifact, the newest first."""
        query = select(FacetRow.entry).where(
            FacetRow.facet == Facet.REMARKED, FacetRow.value == artifact, FacetRow.entry < below
        )
        return list(self._session.exec(query.order_by(col(FacetRow.entry).desc()).limit(limit)))

    def kinds(self, entries: Collection[int]) -> dict[int, Kind]:
        """Return the kinds of entries that name an artifact; of some hundreds at a time."""
        query = select(MentionRow.entry, MentionRow.kind).where(
            col(MentionRow.entry).in_(entries), MentionRow.position == 0
        )
        return {entry: _KINDS[kind] for entry, kind in self._session.exec(query)}

    def count(self, most: int | None = None) -> int:
        """Return how many artifacts are registered; no more than `most` are counted, if given."""
        values = select(FacetRow.value).where(FacetRow.facet == Facet.DIGEST).distinct()
        few = values.limit(most).subquery()
        return self._session.exec(select(func.count()).select_from(few)).one()

    def anchors(self) -> list[AnchorRow]:
        """Return every anchor, the smallest tree first."""
        return list(self._session.exec(select(AnchorRow).order_by(col(AnchorRow.size))))

    def anchors_below(self, chain: str, size: int | None, limit: int) -> list[AnchorRow]:
        """Return anchors on `chain`, of trees smaller than `size` or of any, the largest first."""
        query = select(AnchorRow).where(AnchorRow.chain == chain)
        if size is not None:
            query = query.where(AnchorRow.size < size)
        return list(self._session.exec(query.order_by(col(AnchorRow.size).desc()).limit(limit)))

    def newest_anchor(self, chain: str | None = None) -> AnchorRow | None:
        """Return the anchor of the largest tree that is in a block, on `chain` or on any."""
        query = select(AnchorRow).where(col(AnchorRow.state).in_(_MINED))
        if chain is not None:
            query = query.where(AnchorRow.chain == chain)
        return self._session.exec(query.order_by(col(AnchorRow.size).desc()).limit(1)).first()

    def last_anchor(self, chain: str) -> AnchorRow | None:
        """Return the anchor of the largest tree on `chain`, in a block or not."""
        query = select(AnchorRow).where(AnchorRow.chain == chain)
        return self._session.exec(query.order_by(col(AnchorRow.size).desc()).limit(1)).first()

    def earliest_anchor(self, chain: str, *, above: int, most: int) -> AnchorRow | None:
        """Return the anchor of the smallest tree with `above` < size ≤ `most` in a block."""
        query = select(AnchorRow).where(AnchorRow.chain == chain)
        query = query.where(col(AnchorRow.state).in_(_MINED))
        query = query.where(AnchorRow.size > above, AnchorRow.size <= most)
        return self._session.exec(query.order_by(col(AnchorRow.size)).limit(1)).first()

    def unsettled_anchors(self, chain: str, *, above: int) -> list[AnchorRow]:
        """Return the anchors on `chain` that may yet change, the smallest tree first.

        Of those that are confirmed, only what stands `above` a block. Of those that a reorg took
        back, only what no confirmed one covers: a contract takes no head below its newest.
        """
        confirmed = (col(AnchorRow.state) == "confirmed") & (col(AnchorRow.block) > above)
        covered = select(func.coalesce(func.max(AnchorRow.size), 0)).where(
            AnchorRow.chain == chain, col(AnchorRow.state).in_(("confirmed", "final"))
        )
        reorged = (col(AnchorRow.state) == "reorged") & (
            col(AnchorRow.size) > covered.scalar_subquery()
        )
        query = select(AnchorRow).where(
            AnchorRow.chain == chain,
            col(AnchorRow.state).in_(("submitted", "mined")) | confirmed | reorged,
        )
        return list(self._session.exec(query.order_by(col(AnchorRow.size))))

    def covered(self, chains: Collection[str], time: datetime) -> int:
        """Return how many entries stood in a block of one of the chains before a time."""
        query = select(func.coalesce(func.max(AnchorRow.size), 0)).where(
            col(AnchorRow.chain).in_(chains),
            col(AnchorRow.state).in_(_MINED),
            col(AnchorRow.block_time) < math.ceil(time.timestamp()),
        )
        return self._session.exec(query).one()

    def submitted_anchors(self, chain: str) -> list[AnchorRow]:
        """Return the anchors on `chain` that were sent and not seen in a block yet."""
        query = select(AnchorRow).where(AnchorRow.chain == chain, AnchorRow.state == "submitted")
        return list(self._session.exec(query.order_by(col(AnchorRow.size))))
