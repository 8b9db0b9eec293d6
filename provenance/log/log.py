"""The log: an append-only RFC 9162 tree over entries, durable in the ledger's database.

States of an entry, never blurred: `Log.append` makes it *logged* once the transaction it runs
in has committed; a later `Log.checkpoint` makes it *checkpointed*. What a checkpoint covers was
committed before it is signed, so a crash at any point leaves at most entries without one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from provenance.errors import InputError, LedgerError
from provenance.log.checkpoint import Checkpoint
from provenance.log.entry import Entry
from provenance.log.proof import LogProof
from provenance.log.store import (
    CheckpointRow,
    CosignatureRow,
    EntryRow,
    EnvelopeRow,
    TileRow,
    insert,
)
from provenance.log.submission import Leaf, Submission
from provenance.log.tiles import (
    ENTRIES,
    HEIGHT,
    WIDTH,
    TilePath,
    format_entries,
    node_from_tiles,
    tile_width,
)
from provenance.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    ConsistencyProof,
    InclusionProof,
    Tree,
    prove_consistency,
    prove_inclusion,
)
from provenance.merkle.proofs import Node, range_root
from provenance.signing import PrivateKey, VerifierKey, add_signatures, sign_note
from provenance.statements import KIND_NUMBERS, Kind

__all__ = ["Log"]


class Log:
    """The tree and its entries, within a session of the ledger's database."""

    def __init__(self, session: Session, origin: str) -> None:
        self._session = session
        self._read: dict[tuple[int, int], bytes] = {}
        self.origin = origin

    @property
    def size(self) -> int:
        """The number of entries."""
        last = self._session.exec(select(func.max(EntryRow.index))).one()
        return 0 if last is None else last + 1

    # --- writing ------------------------------------------------------------------------------

    def append(self, submissions: Sequence[Submission]) -> list[int]:
        """Append in order and return each one's index, durable once the transaction commits.

        The same payload by the same keys is appended once; its first index is returned again.
        """
        leaves = [submission.leaf for submission in submissions]
        indices = self.find(leaf.identity for leaf in leaves)
        size = self.size
        new: dict[bytes, Leaf] = {}
        for leaf in leaves:
            if leaf.identity not in indices:
                indices[leaf.identity] = size + len(new)
                new[leaf.identity] = leaf
        self.extend(list(new.values()))
        return [indices[leaf.identity] for leaf in leaves]

    def extend(self, leaves: Sequence[Leaf]) -> None:
        """Append what `find` does not know, and each one once.

        The cost grows with the logarithm of the log's size.
        """
        self._session.info["appended"] = True
        size = self.size
        entries = [
            (index, leaf.kind, leaf.data, leaf.identity) for index, leaf in enumerate(leaves, size)
        ]
        insert(self._session, EntryRow, entries)
        envelopes = [(index, leaf.envelope) for index, leaf in enumerate(leaves, size)]
        insert(self._session, EnvelopeRow, envelopes)
        self._integrate(size, [leaf.hash for leaf in leaves])

    def _integrate(self, size: int, hashes: list[bytes]) -> None:
        """Add leaf hashes to the right edge of every tile level."""
        tiles, level = [], 0
        while hashes:
            index, held = divmod(size, WIDTH)
            data = (self._hashes(level, index) if held else b"") + b"".join(hashes)
            hashes = []
            for at in range(0, len(data), WIDTH * HASH_SIZE):
                block = data[at : at + WIDTH * HASH_SIZE]
                tiles.append((level, index, block))
                if len(block) == WIDTH * HASH_SIZE:
                    hashes.append(Tree.from_leaf_hashes(block).root)
                index += 1
            size >>= HEIGHT
            level += 1
        insert(self._session, TileRow, tiles, replace=True)
        self._read.clear()

    def checkpoint(self, key: PrivateKey) -> str:
        """Sign the current tree head, unless it is signed; return the note, cosignatures and all.

        Raises:
            ValueError: this very transaction appends: what it signs for could still be undone.
        """
        if "appended" in self._session.info:
            raise ValueError("a checkpoint is signed in a transaction of its own")
        size = self.size
        signed = self.cosigned(size)
        if signed is not None:
            return signed
        head = Checkpoint(self.origin, size, self.root(size))
        note = sign_note(head.to_text(), self.origin, key).decode()
        self._session.add(CheckpointRow(size=size, note=note))
        return note

    def cosign(self, size: int, witness: VerifierKey, line: bytes) -> None:
        """Keep the signature line of a witness under the checkpoint of `size`; checked before."""
        self._session.merge(CosignatureRow(size=size, witness=str(witness), line=line.decode()))

    # --- reading ------------------------------------------------------------------------------

    def root(self, size: int) -> bytes:
        """Return the root over the first `size` entries."""
        return range_root(0, size, self._node()) if size else EMPTY_ROOT

    def latest_checkpoint(self) -> str | None:
        """Return the note of the largest signed checkpoint, with its cosignatures."""
        newest = select(func.max(CheckpointRow.size))
        size = self._session.exec(newest).one()
        return None if size is None else self.cosigned(size)

    def cosigned(self, size: int) -> str | None:
        """Return the note that was signed for this size, with its cosignatures."""
        row = self._session.get(CheckpointRow, size)
        if row is None:
            return None
        lines = select(CosignatureRow.line).where(CosignatureRow.size == size)
        ordered = self._session.exec(lines.order_by(CosignatureRow.witness))
        return add_signatures(row.note.encode(), [line.encode() for line in ordered]).decode()

    def cosigned_by(self, size: int) -> set[str]:
        """Return the vkeys of those who cosigned the checkpoint of this size."""
        witnesses = select(CosignatureRow.witness).where(CosignatureRow.size == size)
        return set(self._session.exec(witnesses))

    def newest_cosigned(
        self, witnesses: Collection[str], *, need: int, above: int = 0
    ) -> int | None:
        """Return the largest size beyond `above` that `need` of these vkeys cosigned."""
        sizes = (
            select(CosignatureRow.size)
            .where(col(CosignatureRow.witness).in_(witnesses), CosignatureRow.size > above)
            .group_by(col(CosignatureRow.size))
            .having(func.count() >= need)
        )
        return self._session.exec(sizes.order_by(col(CosignatureRow.size).desc()).limit(1)).first()

    def find(self, identities: Iterable[bytes]) -> dict[bytes, int]:
        """Return the entries that are logged already, by `Leaf.identity`."""
        found: dict[bytes, int] = {}
        asked = list(dict.fromkeys(identities))
        for at in range(0, len(asked), 500):
            known = select(EntryRow.submission, EntryRow.index).where(
                col(EntryRow.submission).in_(asked[at : at + 500])
            )
            found.update(self._session.exec(known).all())
        return found

    def of_kinds(self, *kinds: Kind, since: int = 0) -> list[int]:
        """Return the entries of kinds that decide on others, ``key`` and ``supersede``, in order.

        Found by an index of their own: it takes no longer in a log of very many others.
        """
        numbers = [KIND_NUMBERS[kind] for kind in kinds]
        # As text: an index over some rows serves only a question that is seen to be within it.
        wanted = text(f"({' OR '.join(f'kind = {number}' for number in numbers)})")
        query = select(EntryRow.index).where(wanted, EntryRow.index >= since)
        return list(self._session.exec(query.order_by(col(EntryRow.index))))

    def entry(self, index: int) -> Entry:
        """Return one entry.

        Raises:
            InputError: the log has no such entry.
        """
        row = self._session.get(EntryRow, index)
        if row is None:
            raise InputError(f"the log has no entry {index}; its size is {self.size}")
        return Entry.parse(row.leaf)

    def leaves(self, size: int) -> Iterator[bytes]:
        """Yield the bytes of the first `size` entries, in order, a thousand at a time."""
        query = select(EntryRow.leaf).where(EntryRow.index < size).order_by(col(EntryRow.index))
        yield from self._session.exec(query.execution_options(yield_per=1000))

    def envelope(self, index: int) -> bytes:
        """Return the envelope of one entry.

        Raises:
            InputError: the log has no such entry.
            LedgerError: the envelope was erased.
        """
        data = self._session.exec(
            select(EnvelopeRow.data).where(EnvelopeRow.index == index)
        ).first()
        if data is None:
            self.entry(index)
            raise LedgerError(f"the envelope of entry {index} was erased")
        return data

    def prove_inclusion(self, index: int, size: int) -> InclusionProof:
        """Return the proof that entry `index` is among the first `size`."""
        return prove_inclusion(index, size, self._node())

    def prove_entry(self, index: int, size: int) -> LogProof:
        """Return the proof that entry `index` is under the checkpoint of `size` (C2SP tlog-proof).

        Raises:
            InputError: no checkpoint was signed for this size.
        """
        note = self.cosigned(size)
        if note is None:
            raise InputError(f"no checkpoint of {size} entries was signed")
        return LogProof(index, self.prove_inclusion(index, size).path, note.encode())

    def prove_consistency(self, old_size: int, size: int) -> ConsistencyProof:
        """Return the proof that the first `old_size` entries are a prefix of the first `size`."""
        return prove_consistency(old_size, size, self._node())

    def tile(self, path: TilePath, size: int) -> bytes:
        """Return the bytes of a tile in the log of `size` entries, as served.

        Raises:
            InputError: there is no such tile (yet).
        """
        held = tile_width(0 if path.level == ENTRIES else int(path.level), path.index, size)
        if path.width > held:
            raise InputError(f"there is no {path} in a log of {size} entries")
        if path.level == ENTRIES:
            first = path.index * WIDTH
            leaves = (
                select(EntryRow.leaf)
                .where(col(EntryRow.index).between(first, first + path.width - 1))
                .order_by(col(EntryRow.index))
            )
            return format_entries(self._session.exec(leaves))
        return self._hashes(int(path.level), path.index)[: path.width * HASH_SIZE]

    def _hashes(self, level: int, index: int) -> bytes:
        tile = select(TileRow.hashes).where(TileRow.level == level, TileRow.index == index)
        hashes = self._session.exec(tile).first()
        if hashes is None:
            raise LedgerError(f"the log has lost {TilePath(level, index)}: restore it from a copy")
        return hashes

    def _node(self) -> Node:
        def tile(level: int, index: int) -> bytes:
            if (level, index) not in self._read:
                self._read[level, index] = self._hashes(level, index)
            return self._read[level, index]

        return node_from_tiles(tile)
