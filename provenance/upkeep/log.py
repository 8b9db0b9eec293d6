"""The log, its envelopes and its catalogue, from the bytes, in one pass.

Of each entry, in order:

1. its envelope has the SHA-256 that the entry names, the one byte form of DSSE, and valid
   signatures by keys that stood there: admitted once more, by the rules by which it was
2. the entry is that of its envelope, and `submission` names its payload and keys
3. the tree is grown by its leaf hash: each tile is compared when it is full, and at the end those
   that are not; at the size of each checkpoint its root and its signatures
4. the rows of the catalogue are those of its statement

Where an entry is damaged, the tree goes on with the hash that its tile has: so one fault is told
once. Memory: one envelope, and the right edge of the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

from sqlmodel import Session, col, func, select, tuple_

from provenance.errors import InputError, LedgerError
from provenance.ledger.admission import Admission
from provenance.ledger.catalog import FacetRow, MentionRow
from provenance.ledger.drafting import Draft, draft
from provenance.log import Checkpoint, Entry
from provenance.log.log import Log
from provenance.log.store import CheckpointRow, CosignatureRow, EntryRow, EnvelopeRow, TileRow
from provenance.log.submission import Submission
from provenance.log.tiles import WIDTH, TilePath
from provenance.merkle import EMPTY_ROOT, HASH_SIZE, leaf_hash
from provenance.monitoring.edge import RightEdge
from provenance.records import Artifact
from provenance.signing import Envelope, PublicKey, SignatureError, VerifierKey, open_note
from provenance.statements import KIND_NUMBERS, Access, Key, Statement
from provenance.statements.predicates import Described
from provenance.upkeep.database import rows
from provenance.upkeep.report import SHOWN, Findings, Kind, Progress, counted
from provenance.verification import Policy, Standing

__all__ = ["LogPass"]

_RESTORE = "bring the ledger back from a backup: `provenance restore`"

ENTRY = Kind("no proof of this entry holds", _RESTORE)
MISSING = Kind("entries behind it stand where nobody can prove them", _RESTORE)
SUBMISSION = Kind("the same statement, handed in again, would be logged again", _RESTORE)
TILE = Kind("proofs that take a hash from it do not hold, and no monitor agrees", _RESTORE)
CHECKPOINT = Kind(
    "what the log signed for, and others may hold, is not what is here",
    f"{_RESTORE}. Others' copies of the note tell which of the two is right",
)
COSIGNATURE = Kind(
    "the witness's word for this checkpoint is lost",
    "ask again: `provenance anchor`; under an older checkpoint, bring back a backup",
)
ENVELOPE = Kind("who said what at this entry cannot be shown", _RESTORE)
ADMITTED = Kind(
    "no verifier counts it, and it should never have been logged",
    f"{_RESTORE}, if that is whole there",
)
ERASED_KEY = Kind(
    "who may sign, or what was corrected, is not known from here on: only other envelopes can be "
    "erased",
    _RESTORE,
)
CATALOGUE = Kind(
    "it is found where it is not, or not found where it is",
    "make it again from the statements: `provenance reindex`",
)

_ASKED = 200
"""Values that one question to the database names."""

_STANDING = (KIND_NUMBERS["key"], KIND_NUMBERS["supersede"])


class LogPass:
    """One pass over a log.

    Args:
        session: of its database.
        policy: the ledger's own, for the log's keys where entry 0 cannot be read.
        sizes: at which the root is wanted.
        progress: called with entries done, and all of them.

    Attributes:
        origin: by entry 0, where that can be read.
        genesis: the statement of entry 0.
        size: entries.
        roots: size → root, for those of `sizes` that the log has.
        artifacts: digest → artifact, of what statements register.
        keyids: of every key that the log ever took.
        log_keys: by which checkpoints are signed.
        log, envelopes, catalogue: what was found.
    """

    def __init__(
        self,
        session: Session,
        policy: Policy | None,
        sizes: Collection[int],
        progress: Progress,
    ) -> None:
        self._session = session
        self._progress = progress
        self._sizes = frozenset(sizes)
        self.roots: dict[int, bytes] = {}
        self.origin = policy.origin if policy else None
        self.log_keys = policy.log_verifiers if policy else ()
        self.log, self.envelopes = Findings("log"), Findings("envelopes")
        self.catalogue = Findings("catalogue")
        self.genesis: Statement | None = None
        self.size = 0
        self.erased = 0
        self.artifacts: dict[bytes, Artifact] = {}
        self.batches: set[Artifact] = set()
        self.keyids: set[str] = set()
        self.tiles = self.checkpoints = self.cosignatures = self.rows = 0
        self._registered: dict[bytes, list[int]] = {}
        self._facets = 0
        self._unread: list[int] = []  # entries of which no statement tells what is kept
        self._admission = Admission()
        self._admitting = True
        self._edge = RightEdge()
        self._known_tile: tuple[int, bytes] = (-1, b"")
        self._mentions = _Ahead(rows(session, MentionRow), "entry")
        self._checkpoints = _Ahead(rows(session, CheckpointRow), "size")
        self._cosignatures = _Ahead(rows(session, CosignatureRow), "size")

    def run(self) -> None:
        """Go through all of it."""
        total = self._session.exec(select(func.count()).select_from(EntryRow)).one()
        envelopes = _Ahead(rows(self._session, EnvelopeRow, at_a_time=16), "index")
        for row in rows(self._session, EntryRow):
            index = row["index"]
            if not 0 <= index < total:
                self.log.fault(f"entry {index} cannot stand in a log of {total}", MISSING)
                continue
            self._miss(index)
            for stray in envelopes.before(index):
                self.envelopes.fault(f"an envelope {stray['index']} of no entry", ENVELOPE)
            data = [each["data"] for each in envelopes.at(index)]
            self._entry(row, data[0] if data else None)
            self.size = index + 1
            if self.size % 1000 == 0:
                self._progress(self.size, total)
        for stray in envelopes.rest():
            self.envelopes.fault(f"an envelope {stray['index']} of no entry", ENVELOPE)
        self._miss(total)
        self._end()

    # --- entries --------------------------------------------------------------------------------

    def _miss(self, index: int) -> None:
        """Go on behind a gap: with the hashes that the tiles have for it."""
        if gap := range(self.size, index):
            said = f"entry {gap[0]} is" if len(gap) == 1 else f"entries {gap[0]} to {gap[-1]} are"
            self.log.fault(f"{said} missing", MISSING)
        for at in gap:
            self._grow(at, self._stored_leaf(at) or bytes(HASH_SIZE))
        self.size = index

    def _entry(self, row: dict[str, Any], data: bytes | None) -> None:
        index, leaf = row["index"], row["leaf"]
        entry, made = self._parsed(index, leaf), None
        own, stored = leaf_hash(leaf), self._stored_leaf(index)
        in_tree = own == stored or (stored is None and entry is not None)
        if data is None:
            self._erased(index, entry)
        elif in_tree and entry is not None and sha256(data).digest() != entry.envelope_hash:
            self.envelopes.fault(
                f"the envelope of entry {index} is not the one that the entry names", ENVELOPE
            )
            self._stop_admitting(index, entry)
        else:
            made = self._envelope(index, data)
        if made is not None and made.leaf.data != leaf:
            self.log.fault(f"entry {index} is not that of its envelope", ENTRY)
        elif not in_tree and made is not None:
            self.log.fault(f"{TilePath(0, index // WIDTH)} has no hash of entry {index}", TILE)
        elif not in_tree:
            self.log.fault(f"entry {index} does not have the hash that the tree has", ENTRY)
        if entry is not None and row["kind"] != entry.kind:
            self.log.fault(f"entry {index} has another kind in its row than in its bytes", ENTRY)
        if made is not None and made.leaf.identity != row["submission"]:
            self.log.fault(f"entry {index} does not know what was handed in", SUBMISSION)
        self._catalogue(index, made, entry)
        right = in_tree or (made is not None and made.leaf.data == leaf)
        self._grow(index, own if right else stored or own)

    def _parsed(self, index: int, leaf: bytes) -> Entry | None:
        with self.log.catching(ENTRY, f"entry {index}: "):
            return Entry.parse(leaf)
        return None

    def _erased(self, index: int, entry: Entry | None) -> None:
        self.erased += 1
        if entry is None or entry.kind in _STANDING:
            self.envelopes.fault(f"the envelope of entry {index} is missing", ERASED_KEY)
            self._stop_admitting(index, entry)
        elif self.erased <= SHOWN:
            self.envelopes.notes.append(f"the envelope of entry {index} was erased")

    def _stop_admitting(self, index: int, entry: Entry | None) -> None:
        """Judge no signature any more, where what was said of keys is lost."""
        if self._admitting and (entry is None or entry.kind == KIND_NUMBERS["key"]):
            self._admitting = False
            self.envelopes.notes.append(
                f"entry {index} says who may sign: whether later signers might is not known"
            )

    # --- envelopes ------------------------------------------------------------------------------

    def _envelope(self, index: int, data: bytes) -> Draft | None:
        """Read an envelope and admit it once more; None where it is none."""
        try:
            envelope = Envelope.parse(data)
            statement = Statement.parse(envelope.payload)
        except InputError as error:
            self.envelopes.fault(f"the envelope of entry {index}: {error}", ENVELOPE)
            self._stop_admitting(index, None)
            return None
        submission = Submission(envelope, statement)
        try:
            made = draft(submission, self._admission.keys)
        except InputError as error:
            self.envelopes.fault(f"entry {index}: {error}", ENVELOPE)
            return draft(submission, {})
        if index == 0:
            self._begin(envelope, statement)
        if self._admitting:
            try:
                with self._admission.transaction():
                    self._admission.admit(index, made, self._original_signers)
            except InputError as error:
                self.envelopes.fault(f"entry {index}: {error}", ADMITTED)
        predicate = statement.predicate
        if isinstance(predicate, Described):
            artifact = predicate.artifact
            self.artifacts[artifact.digest] = artifact
            self._registered.setdefault(artifact.digest, []).append(index)
        if isinstance(predicate, Access):
            self.batches.add(predicate.artifact)
        if isinstance(predicate, Key) and predicate.public_key:
            self.keyids.add(predicate.subject_keyid)
        return made

    def _begin(self, envelope: Envelope, statement: Statement) -> None:
        """Take entry 0: by the log itself, signed with the keys that it names."""
        self.genesis = statement
        predicate = statement.predicate
        if not isinstance(predicate, Key) or predicate.action != "genesis":
            self.envelopes.fault("entry 0 is not the log's own", ADMITTED)
            return
        self.origin = predicate.origin
        with self.envelopes.catching(ADMITTED, "entry 0: "):
            own = VerifierKey.parse(str(predicate.log_key))
            self.log_keys = (*self.log_keys, own) if own not in self.log_keys else self.log_keys
            keys = [own.key, *map(PublicKey.from_pem, predicate.admin_keys or ())]
            self.keyids |= {key.keyid for key in keys}
            signed = set(envelope.verified_by(keys))
            if own.key.keyid not in signed or not signed - {own.key.keyid}:
                self.envelopes.fault("entry 0 is not signed by log and admin key", ADMITTED)

    def _original_signers(self, statement: Statement, standing: Standing) -> frozenset[str]:
        log, found = Log(self._session, self.origin or ""), frozenset[str]()
        for digest in statement.artifact_digests()[:1]:
            for index in self._registered.get(digest, ()):
                with suppress(InputError, LedgerError, SignatureError):  # told where it stands
                    found |= standing.signers(Envelope.parse(log.envelope(index)))
        return found

    # --- the tree -------------------------------------------------------------------------------

    def _stored_leaf(self, index: int) -> bytes | None:
        tile, at = divmod(index, WIDTH)
        if self._known_tile[0] != tile:
            self._known_tile = tile, self._stored(0, tile) or b""
        return self._known_tile[1][at * HASH_SIZE : (at + 1) * HASH_SIZE] or None

    def _stored(self, level: int, index: int) -> bytes | None:
        query = select(TileRow.hashes).where(TileRow.level == level, TileRow.index == index)
        return self._session.exec(query).first()

    def _grow(self, index: int, hash_: bytes) -> None:
        self._checkpoint_at(index)
        for full in self._edge.append(hash_):
            self._compare(full.level, full.index, full.hashes)

    def _compare(self, level: int, index: int, hashes: bytes) -> None:
        self.tiles += 1
        stored = self._stored(level, index)
        path = TilePath(level, index, len(hashes) // HASH_SIZE)
        if stored is None:
            self.log.fault(f"{path} is missing", TILE)
        elif stored != hashes and (level or len(stored) != len(hashes)):
            self.log.fault(f"{path} is not what its entries make", TILE)

    def _end(self) -> None:
        self._checkpoint_at(self.size)
        for row in self._checkpoints.rest():
            self._note(row)
            self.log.fault(
                f"there is a checkpoint of {row['size']} entries, and there are {self.size}",
                CHECKPOINT,
            )
        for row in self._cosignatures.rest():
            self.log.fault(f"a cosignature under no checkpoint, of {row['size']}", COSIGNATURE)
        for level, hashes in enumerate(self._edge.levels):
            if hashes:
                self._compare(level, self.size >> 8 * (level + 1), hashes)
        stored = self._session.exec(select(func.count()).select_from(TileRow)).one()
        if stored > self.tiles:
            self.log.fault(f"{stored - self.tiles} tiles are of no entries", TILE)
        self._check_surplus()
        for row in self._mentions.rest():
            self.catalogue.fault(f"a row names entry {row['entry']}, which is none", CATALOGUE)

    # --- checkpoints ----------------------------------------------------------------------------

    def _checkpoint_at(self, size: int) -> None:
        if size in self._sizes:
            self.roots[size] = self._edge.root() if size else EMPTY_ROOT
        for row in self._checkpoints.before(size):
            self.log.fault(f"a checkpoint of {row['size']} entries", CHECKPOINT)
        for row in self._checkpoints.at(size):
            head = self._note(row)
            root = self._edge.root() if size else EMPTY_ROOT
            if head is not None and head.root != root:
                self.log.fault(
                    f"the checkpoint of {size} entries is not of these entries: they make the "
                    f"root {root.hex()}",
                    CHECKPOINT,
                )

    def _note(self, row: dict[str, Any]) -> Checkpoint | None:
        """Open a checkpoint and its cosignatures."""
        self.checkpoints += 1
        size, head = row["size"], None
        with self.log.catching(CHECKPOINT, f"the checkpoint of {size} entries: "):
            head = Checkpoint.of_note(row["note"])
            if (head.origin, head.size) != (self.origin, size):
                self.log.fault(
                    f"the checkpoint of {size} entries says {head.origin!r}, {head.size}",
                    CHECKPOINT,
                )
            open_note(row["note"].encode(), self.log_keys)
        for stray in self._cosignatures.before(size):
            self.log.fault(f"a cosignature under no checkpoint, of {stray['size']}", COSIGNATURE)
        for signed in self._cosignatures.at(size):
            self.cosignatures += 1
            where = f"a cosignature under the checkpoint of {size} entries: "
            with self.log.catching(COSIGNATURE, where):
                text = row["note"].partition("\n\n")[0]
                witness = VerifierKey.parse(signed["witness"])
                open_note(f"{text}\n\n{signed['line']}".encode(), [witness])
        return head

    # --- the catalogue --------------------------------------------------------------------------

    def _catalogue(self, index: int, made: Draft | None, entry: Entry | None) -> None:
        for stray in self._mentions.before(index):
            self.catalogue.fault(f"a row names entry {stray['entry']}, which is none", CATALOGUE)
        present = list(self._mentions.at(index))
        self.rows += len(present)
        if made is None:  # then only what the entry itself says can be compared
            artifacts = entry.artifacts if entry else ()
            digests = {row["digest"] for row in present}
            if digests - set(artifacts):
                self.catalogue.fault(f"a row of entry {index} names what it does not", CATALOGUE)
            self._unread.append(index)
            return
        expected = [(index, at, *mention) for at, mention in enumerate(made.rows.mentions)]
        found = [tuple({**row, "subject": bool(row["subject"])}.values()) for row in present]
        if not self._has_facets(index, made.rows.facets) or found != expected:
            self.catalogue.fault(
                f"the rows of entry {index} are not those of its statement", CATALOGUE
            )

    def _has_facets(self, index: int, facets: Sequence[tuple[int, bytes]]) -> bool:
        """Say whether every one of these is there, and count them."""
        self._facets += len(facets)
        self.rows += len(facets)
        found: set[tuple[int, bytes]] = set()
        for at in range(0, len(facets), _ASKED):
            both = tuple_(col(FacetRow.facet), col(FacetRow.value))
            query = select(FacetRow.facet, FacetRow.value).where(
                FacetRow.entry == index, both.in_(facets[at : at + _ASKED])
            )
            found |= set(self._session.exec(query).all())
        return found == set(facets)

    def _check_surplus(self) -> None:
        """Check that there are no more facets than those that were looked for."""
        query = select(func.count()).select_from(FacetRow)
        surplus = self._session.exec(query).one() - self._facets
        for at in range(0, len(self._unread), _ASKED):
            of_unread = col(FacetRow.entry).in_(self._unread[at : at + _ASKED])
            surplus -= self._session.exec(query.where(of_unread)).one()
        if surplus > 0:
            self.catalogue.fault(f"{counted(surplus, 'row')} of no statement", CATALOGUE)


class _Ahead:
    """Rows in the order of a number, taken as far as that number has come."""

    def __init__(self, found: Iterator[dict[str, Any]], key: str) -> None:
        self._found = found
        self._key = key
        self._next = next(found, None)

    def _while(self, wanted: Callable[[int], bool]) -> Iterator[dict[str, Any]]:
        while self._next is not None and wanted(self._next[self._key]):
            row, self._next = self._next, next(self._found, None)
            yield row

    def before(self, number: int) -> Iterator[dict[str, Any]]:
        """Yield those that are passed over."""
        return self._while(lambda found: found < number)

    def at(self, number: int) -> Iterator[dict[str, Any]]:
        """Yield those of `number`, and pass over none."""
        return self._while(lambda found: found == number)

    def rest(self) -> Iterator[dict[str, Any]]:
        """Yield all that are left."""
        return self._while(lambda _found: True)
