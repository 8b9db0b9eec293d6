"""Hold a ledger to everything that it ever promised, from where it was held to it last.

After each kill what is new is read, from the bytes of its entries, and joined to what was verified
before, of which a compact range is kept: so a round costs the same in a long log. At the end all of
it is read again, by the same function, from nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from sqlmodel import col, select

import provenance
from provenance.anchoring import latest_head, root_at
from provenance.ledger import outputs
from provenance.log import Checkpoint, Entry
from provenance.log.log import Log
from provenance.log.store import CheckpointRow, CosignatureRow, EntryRow, EnvelopeRow
from provenance.merkle import CompactRange, Tree
from provenance.records import ARTIFACT_DIGEST
from provenance.signing import Envelope, VerifierKey, open_note
from provenance.statements import Statement
from provenance.witness import Witness


@dataclass
class Seen:
    """What was verified so far; ``rounds.json``.

    Attributes:
        rounds: kills that were survived.
        size: entries that were read.
        hashes: of the compact range over them.
        read: file of promises → bytes of it that were read.
        held: kind of promise → how many stood.
    """

    rounds: int = 0
    size: int = 0
    hashes: list[str] = field(default_factory=list)
    read: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Seen | None:
        return cls(**json.loads(path.read_text())) if path.exists() else None

    def save(self, path: Path) -> None:
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(path)


def check(folder: Path, seen: Seen) -> Seen:
    """Open the ledger as a later process would, and read on from `seen`.

    Everything that is promised in a round concerns what the round began with, or later.
    """
    read, lines = promises(folder, seen.read)
    held = Counter(seen.held)
    with provenance.Ledger.open(folder) as ledger:
        outputs.recover(ledger)
        keys = [VerifierKey.parse(vkey) for vkey in ledger.policy().log_keys]
        with ledger._database.reading() as session:
            log = Log(session, ledger.origin)
            tree = CompactRange(0, seen.size, tuple(map(bytes.fromhex, seen.hashes)))
            assert log.root(seen.size) == tree.root(), "the log left what was verified"
            roots, entries, recorded = {tree.end: tree.root()}, {}, Counter[str]()
            rows = session.exec(
                select(EntryRow, EnvelopeRow.data)
                .join(EnvelopeRow, col(EnvelopeRow.index) == EntryRow.index)
                .where(EntryRow.index >= seen.size)
                .order_by(col(EntryRow.index))
            )
            for row, envelope in rows:
                assert row.index == tree.end, "a gap, or one index twice"
                entry = Entry.parse(row.leaf)
                assert entry.envelope_hash == sha256(envelope).digest()
                statement = Statement.parse(Envelope.parse(envelope).payload)
                entries[row.index] = [digest.hex() for digest in entry.artifacts]
                if statement.kind == "outputs":
                    digest = bytes.fromhex(statement.subjects[0].digest[ARTIFACT_DIGEST])
                    recorded.update(leaves(Tree.open(ledger.folder.tree(digest))))
                tree.append(entry.leaf_hash)
                roots[tree.end] = tree.root()
            assert log.size == tree.end
            assert log.root(tree.end) == tree.root(), "the tiles are not those of the entries"

            notes = {
                row.size: row.note
                for row in session.exec(
                    select(CheckpointRow).where(CheckpointRow.size >= seen.size)
                )
            }
            for size, note in notes.items():
                checkpoint = Checkpoint.parse(open_note(note.encode(), keys).text)
                assert checkpoint == Checkpoint(ledger.origin, size, roots[size]), "contradicted"
            cosigned = set()
            query = select(CosignatureRow).where(CosignatureRow.size >= seen.size)
            for line in session.exec(query):
                whole = notes[line.size].partition("\n\n")[0] + "\n\n" + line.line
                assert open_note(whole.encode(), [VerifierKey.parse(line.witness)]).signatures
                cosigned.add(line.size)
            with Witness.open(folder / "witness") as witness:
                (watched,) = witness.logs()
            if watched.size is not None:
                assert log.root(watched.size) == watched.root, "the witness saw another history"

        (pin,) = ledger.policy().chains
        chain = ledger.chains[pin.name]
        head = latest_head(chain, pin.contract, pin.ledger_id)
        if head is not None and head.size >= seen.size:
            assert head.root == roots[head.size], "the contract has another history"
        for kind, what, *rest in (line.split() for line in lines):
            held[kind] += 1
            if kind == "entry":
                assert rest[0] in entries[int(what)], f"entry {what} is lost"
            elif kind == "output":
                recorded[what] -= 1
                assert recorded[what] >= 0, f"output {what} is lost"
            elif kind == "cosigned":
                assert int(what) in cosigned, f"the cosignature of {what} is lost"
            else:
                size, root = int(what), bytes.fromhex(rest[0])
                assert roots[size] == root, f"the log left its {kind} of {what}"
                if kind == "anchor":
                    assert root_at(chain, pin.contract, pin.ledger_id, size) == root
                else:
                    assert size in notes, f"the checkpoint of {what} is lost"
    return Seen(seen.rounds + 1, tree.end, [each.hex() for each in tree.hashes], read, dict(held))


def promises(folder: Path, read: dict[str, int]) -> tuple[dict[str, int], list[str]]:
    """Return what was promised since, and how far the files are read with it."""
    read, lines = dict(read), []
    for path in sorted(folder.glob("promises.*")):
        with path.open("rb") as file:
            file.seek(read.get(path.name, 0))
            lines += file.read().decode().splitlines()
            read[path.name] = file.tell()
    return read, lines


def check_whole(folder: Path, rounds: int) -> Seen:
    """Read all of it from the beginning, and prove what stands last, to its block."""
    seen = check(folder, Seen(rounds - 1))
    with provenance.Ledger.open(folder) as ledger:
        (anchor,) = ledger.anchor()
        assert anchor.size == seen.size
        newest, *_ = ledger.artifacts(limit=1)
        provenance.verify(ledger.prove(newest), policy=ledger.policy(), chains=ledger.chains)
    return seen


def leaves(tree: Tree) -> list[str]:
    return [tree.leaf(index).hex() for index in range(tree.size)]
