"""The catalogue: what the log's statements name, indexed for look-ups.

Nothing here is true on its own: every row follows from an envelope in the log, is written in the
transaction that appends it, and could be built again from the log alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlmodel import Field, Session, SQLModel, col, func, select

from provenance.records import ARTIFACT_DIGEST, Artifact
from provenance.statements import ArtifactRef, Statement, Subject
from provenance.statements.predicates import Described

__all__ = ["AnchorRow", "AnchorState", "Catalog", "MentionRow", "RegisteredArtifact"]

_ARTIFACT_KINDS = ("dataset", "model", "outputs")


class MentionRow(SQLModel, table=True):
    """An artifact that a statement names, as its subject or as something it refers to."""

    __tablename__ = "mention"

    entry: int = Field(primary_key=True)
    position: int = Field(primary_key=True)
    digest: str = Field(index=True)
    name: str = Field(index=True)
    kind: str
    subject: bool
    root: str | None = Field(default=None, index=True)
    sha256: str | None = Field(default=None, index=True)


AnchorState = Literal["submitted", "mined", "confirmed", "final", "reorged"]
"""See `provenance.ledger.anchors.AnchorRecord`."""

_MINED: tuple[AnchorState, ...] = ("mined", "confirmed", "final")


class AnchorRow(SQLModel, table=True):
    """A tree head on its way to a chain, or on it. In no block: the last three are None."""

    __tablename__ = "anchor"

    chain: str = Field(primary_key=True)
    size: int = Field(primary_key=True)
    root: bytes
    state: str
    tx_hash: bytes
    nonce: int | None
    block: int | None
    block_hash: bytes | None
    block_time: int | None


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
        predicate, subject = statement.predicate, statement.subjects[0]
        if not isinstance(predicate, Described):
            raise TypeError(f"a statement of kind {statement.kind!r} registers nothing")
        return cls(
            subject.name, statement.kind, predicate.artifact, index, statement, dict(subject.digest)
        )

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

    def add(self, index: int, statement: Statement) -> None:
        """Index the statement of a new entry."""
        predicate = statement.predicate
        root = predicate.artifact.root.hex() if isinstance(predicate, Described) else None
        named: list[Subject | ArtifactRef] = [*statement.subjects, *predicate.references()]
        for position, resource in enumerate(named):
            subject = isinstance(resource, Subject)
            self._session.add(
                MentionRow(
                    entry=index,
                    position=position,
                    digest=resource.digest.get(ARTIFACT_DIGEST, ""),
                    name=resource.name,
                    kind=statement.kind,
                    subject=subject,
                    root=root if subject else None,
                    sha256=resource.digest.get("sha256"),
                )
            )

    def registrations(
        self,
        *,
        name: str | None = None,
        digest: str | None = None,
        kind: str | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[int]:
        """Return entries that register an artifact, newest first."""
        query = select(MentionRow.entry).where(
            MentionRow.subject, col(MentionRow.kind).in_([kind] if kind else _ARTIFACT_KINDS)
        )
        if name is not None:
            query = query.where(MentionRow.name == name)
        if digest is not None:
            query = query.where(MentionRow.digest == digest)
        if before is not None:
            query = query.where(MentionRow.entry < before)
        return list(self._session.exec(query.order_by(col(MentionRow.entry).desc()).limit(limit)))

    def digests_like(self, prefix: str) -> set[str]:
        """Return artifact digests whose digest, root or sha256 starts with `prefix` (hex)."""
        last = f"{prefix}g"  # above every hex digit; a range can use the index, LIKE cannot
        query = select(MentionRow.digest).where(
            MentionRow.subject,
            col(MentionRow.kind).in_(_ARTIFACT_KINDS),
            col(MentionRow.digest).between(prefix, last)
            | col(MentionRow.root).between(prefix, last)
            | col(MentionRow.sha256).between(prefix, last),
        )
        return set(self._session.exec(query.distinct()))

    def about(self, digest: str, *, kind: str | None = None) -> list[int]:
        """Return every entry whose statement has this artifact among its subjects, in order."""
        query = select(MentionRow.entry).where(MentionRow.digest == digest, MentionRow.subject)
        if kind is not None:
            query = query.where(MentionRow.kind == kind)
        return list(self._session.exec(query.distinct().order_by(col(MentionRow.entry))))

    def of_kinds(self, *kinds: str) -> Iterator[int]:
        """Yield the entries of these kinds, in order."""
        query = select(MentionRow.entry).where(col(MentionRow.kind).in_(kinds)).distinct()
        yield from self._session.exec(query.order_by(col(MentionRow.entry)))

    def count(self) -> int:
        """Return how many artifacts are registered."""
        query = select(func.count(col(MentionRow.digest).distinct())).where(
            MentionRow.subject, col(MentionRow.kind).in_(_ARTIFACT_KINDS)
        )
        return self._session.exec(query).one()

    def anchors(self) -> list[AnchorRow]:
        """Return every anchor, the smallest tree first."""
        return list(self._session.exec(select(AnchorRow).order_by(col(AnchorRow.size))))

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

        Of those that are confirmed, only what stands `above` a block.
        """
        confirmed = (col(AnchorRow.state) == "confirmed") & (col(AnchorRow.block) > above)
        query = select(AnchorRow).where(
            AnchorRow.chain == chain,
            col(AnchorRow.state).in_(("submitted", "mined", "reorged")) | confirmed,
        )
        return list(self._session.exec(query.order_by(col(AnchorRow.size))))
