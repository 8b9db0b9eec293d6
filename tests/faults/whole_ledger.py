"""Hold a whole ledger against itself, from the bytes on disk, and against what it promised.

Nothing of this goes through `Log`: the tree is computed from the entries by the text of RFC 9162,
the tiles from their definition, and the contract is asked for what it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path

from sqlalchemy import text

from provenance import Ledger
from provenance.anchoring import latest_head, root_at
from provenance.ledger import spool
from provenance.log import Checkpoint, Entry
from provenance.log.store import Database
from provenance.merkle import Tree
from provenance.signing import Envelope, VerifierKey, open_note
from provenance.witness import Witness

WIDTH = 256


@dataclass
class Promises:
    """What calls returned.

    Attributes:
        entries: index → payload.
        notes: every checkpoint.
        anchors: (chain, size).
        outputs: leaf hashes.
    """

    entries: dict[int, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    anchors: set[tuple[str, int]] = field(default_factory=set)
    outputs: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class State:
    """How far a ledger got: two of the same calls end in the same."""

    size: int
    checkpoints: tuple[int, ...]
    cosigned: tuple[int, ...]
    anchors: tuple[tuple[str, int, str], ...]
    witnessed: int | None


@cache
def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


@cache
def entry_of(leaf: bytes) -> tuple[int, bytes]:
    parsed = Entry.parse(leaf)
    return parsed.kind, parsed.envelope_hash


@cache
def payload_of(envelope: bytes) -> bytes:
    return Envelope.parse(envelope).payload


def root(hashes: tuple[bytes, ...]) -> bytes:
    """Section 2.1.1 of RFC 9162."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node(root(hashes[:k]), root(hashes[k:]))


def tiles(hashes: tuple[bytes, ...]) -> dict[tuple[int, int], bytes]:
    """C2SP tlog-tiles: 256 hashes each; of a full one, the next level has the root."""
    found, level = {}, 0
    while hashes:
        blocks = [hashes[at : at + WIDTH] for at in range(0, len(hashes), WIDTH)]
        found |= {(level, index): b"".join(block) for index, block in enumerate(blocks)}
        hashes = tuple(root(block) for block in blocks if len(block) == WIDTH)
        level += 1
    return found


def check(home: Path, promised: Promises, witness: Path | None = None) -> State:
    """Read everything that the ledger in `home` has, and what its witness and contract have."""
    with Ledger.open(home) as ledger:
        database: Database = ledger._database
        with database.reading() as session:
            rows = session.execute(text('SELECT "index", kind, leaf FROM entry ORDER BY "index"'))
            leaves = [(kind, bytes(leaf)) for _, kind, leaf in _gapless(rows.all())]
            rows = session.execute(text('SELECT "index", data FROM envelope ORDER BY "index"'))
            envelopes = [bytes(data) for _, data in _gapless(rows.all())]
            stored = {
                (level, index): bytes(hashes)
                for level, index, hashes in session.execute(
                    text('SELECT level, "index", hashes FROM tile')
                )
            }
            notes = {
                row.size: row.note
                for row in session.execute(text("SELECT size, note FROM checkpoint"))
            }
            cosigned = session.execute(
                text("SELECT size, witness, line FROM cosignature ORDER BY size")
            ).all()
            mentioned = set(session.execute(text("SELECT entry FROM mention")).scalars())
        hashes = tuple(sha256(b"\x00" + leaf).digest() for _, leaf in leaves)
        assert stored == tiles(hashes), "the tiles are not those of the entries"
        assert len(envelopes) == len(leaves)
        payloads = []
        for (kind, leaf), data in zip(leaves, envelopes, strict=True):
            assert entry_of(leaf) == (kind, sha256(data).digest())
            payloads.append(payload_of(data))
        assert len(set(payloads)) == len(payloads), "logged twice"
        assert mentioned <= set(range(len(leaves)))
        for index, payload in promised.entries.items():
            assert payloads[index] == payload, "an entry that was promised is lost"

        roots = {size: root(hashes[:size]) for size in notes if size <= len(hashes)}
        keys = [VerifierKey.parse(vkey) for vkey in ledger.policy().log_keys]
        for note in [*notes.values(), *promised.notes]:
            head = Checkpoint.parse(open_note(note.encode(), keys).text)
            assert notes[head.size].partition("\n\n")[0] == note.partition("\n\n")[0]
            assert head == Checkpoint(ledger.origin, head.size, roots[head.size])
        for size, vkey, line in cosigned:
            whole = notes[size].partition("\n\n")[0] + "\n\n" + line
            assert open_note(whole.encode(), [VerifierKey.parse(vkey)]).signatures
        for note in promised.notes:
            for line in note.partition("\n\n")[2].splitlines(keepends=True)[1:]:
                assert line in {line for _, _, line in cosigned}, "a cosignature is lost"

        anchors = ledger.anchors()
        for pin in ledger.policy().chains:
            chain = ledger.chains[pin.name]
            head = latest_head(chain, pin.contract, pin.ledger_id)
            known = [anchor for anchor in anchors if anchor.chain == pin.name]
            if head is not None:
                assert head.root == roots[head.size], "the contract has another history"
            for anchor in known:
                assert anchor.root == roots[anchor.size]
                if anchor.block is not None:
                    claimed = root_at(chain, pin.contract, pin.ledger_id, anchor.size)
                    assert claimed == anchor.root, "an anchor that the contract does not have"
        mined = {(anchor.chain, anchor.size) for anchor in anchors if anchor.block is not None}
        assert promised.anchors <= mined, "an anchor that was promised is lost"

        kept = [
            leaf
            for artifact in ledger.artifacts(kind="outputs", limit=None)
            for leaf in _leaves(Tree.open(ledger.folder.tree(artifact.artifact.digest)))
        ]
        assert not set(promised.outputs) - set(kept), "an output is lost"
        assert spool.pending(ledger.folder.spool) == 0

    witnessed = None
    if witness is not None:
        with Witness.open(witness) as opened:
            (watched,) = opened.logs()
            witnessed = watched.size
            if watched.size is not None:
                assert watched.root == roots[watched.size], "the witness saw another history"
    return State(
        len(leaves),
        tuple(sorted(notes)),
        tuple(size for size, _, _ in cosigned),
        tuple((anchor.chain, anchor.size, anchor.state) for anchor in anchors),
        witnessed,
    )


def _gapless(rows):  # type: ignore[no-untyped-def]
    assert [row[0] for row in rows] == list(range(len(rows))), "a gap, or one index twice"
    return rows


def _leaves(tree: Tree) -> list[bytes]:
    return [tree.leaf(index) for index in range(tree.size)]
