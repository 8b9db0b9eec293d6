"""Kill a working ledger with SIGKILL at random moments, and check that nothing was lost.

Each round forks a worker that registers, records outputs and anchors in a loop and writes down,
after each call returned, what it was promised. It is killed in the midst of it. Then the ledger
is opened again, and everything that was ever promised, in this round or an earlier one, must
stand: entries under their index, outputs within a registered batch, anchors in the contract, and
every checkpoint ever signed must be a prefix of the log, whose tree is recomputed from its
entries. One ledger lives through all rounds::

    python tests/soak/crash.py FOLDER --rounds 200 --seed 1

A folder that has rounds behind it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from sqlmodel import select

import provenance
from provenance.anchoring import root_at
from provenance.anchoring.embedded import EmbeddedChain
from provenance.ledger import outputs
from provenance.log import Checkpoint, Entry
from provenance.log.log import Log
from provenance.log.store import CheckpointRow, Database
from provenance.merkle import CompactRange, Tree
from provenance.records import JSON, hash_record
from provenance.signing import VerifierKey, open_note

LONGEST = 1.5  # seconds of work before the kill; the first anchor takes a tenth of that


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folder", type=Path, help="of the run; it goes on where it stopped")
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    promises = given.folder / "promises"
    rounds = given.folder / "rounds.json"
    if not rounds.exists():
        provenance.Ledger.init(given.folder, origin="soak.example/crash").close()
        promises.touch()
        rounds.write_text("0")
    done = json.loads(rounds.read_text())
    for number in range(done, given.rounds):
        rng = random.Random(f"{given.seed}/{number}")
        work_and_die(given.folder, promises, rng)
        held = check(given.folder, promises)
        rounds.write_text(json.dumps(number + 1))
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(held.items()))
        print(f"round {number + 1}: {told}", flush=True)
    if done < given.rounds:
        print(f"killed {given.rounds} times: everything promised is there", flush=True)


def work_and_die(folder: Path, promises: Path, rng: random.Random) -> None:
    """Fork a worker and kill it; its promises are in the file, one line each."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(readable)
        work(folder, promises, rng, writable)
    os.close(writable)
    assert os.read(readable, 1) == b"r", "the worker did not start"
    os.close(readable)
    time.sleep(rng.uniform(0, LONGEST))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), f"the worker ended by itself, with status {status}"


def work(folder: Path, promises: Path, rng: random.Random, ready: int) -> None:
    """Use the ledger until killed."""
    with promises.open("a", buffering=1) as promised:

        def promise(*words: object) -> None:
            promised.write(" ".join(map(str, words)) + "\n")

        try:
            ledger = provenance.Ledger.open(folder)
            batches = ledger.outputs(name="outputs", flush_count=5, flush_seconds=0.3)
            os.write(ready, b"r")
            while True:
                value = rng.getrandbits(64)
                action = rng.choices(("register", "output", "anchor"), (3, 10, 1))[0]
                if action == "register":
                    rows = [{"value": str(value), "row": row} for row in range(3)]
                    promise("entry", *entry(ledger.register(rows, name=f"data-{value}")))
                elif action == "output":
                    row = {"output": str(value)}
                    batches.record(row)
                    promise("output", hash_record(row, JSON).hex())
                else:
                    for anchor in ledger.anchor():
                        promise("anchor", anchor.size, anchor.root.hex())
        except BaseException as error:
            print(f"the worker failed: {error!r}", file=sys.stderr)
            os._exit(1)


def entry(registered: provenance.RegisteredArtifact) -> tuple[int, str]:
    return registered.index, registered.digest


def check(folder: Path, promises: Path) -> Counter[str]:
    """Open the ledger as a later process would, and hold it to every promise."""
    held: Counter[str] = Counter()
    with provenance.Ledger.open(folder) as ledger:
        outputs.recover(ledger)
        roots = recomputed_roots(ledger)
        known = {artifact.index: artifact for artifact in ledger.artifacts(limit=None)}
        recorded = Counter(
            leaf
            for artifact in known.values()
            if artifact.kind == "outputs"
            for leaf in leaves(Tree.open(ledger.folder.tree(artifact.artifact.digest)))
        )
        pin = ledger.policy().chains[0]
        lines = promises.read_text().splitlines()
        with EmbeddedChain.open(ledger.folder.path / "chain.db") as chain:
            for line in lines:
                kind, *words = line.split()
                held[kind] += 1
                if kind == "entry":
                    assert known[int(words[0])].digest == words[1], f"lost: {line}"
                elif kind == "output":
                    recorded[words[0]] -= 1
                    assert recorded[words[0]] >= 0, f"lost: {line}"
                else:
                    size, root = int(words[0]), bytes.fromhex(words[1])
                    assert root_at(chain, pin.contract, pin.ledger_id, size) == root, line
                    assert roots[size] == root, f"the log left its anchor: {line}"
        if known:
            ledger.anchor()
            newest = ledger.prove(known[max(known)])
            provenance.verify(newest, policy=ledger.policy(), chains=ledger.chains)
        held["checkpoint"] = check_checkpoints(ledger, roots)
    return held


def recomputed_roots(ledger: provenance.Ledger) -> list[bytes]:
    """The root at every size, from the bytes of the entries alone."""
    tree, roots = CompactRange(), [CompactRange().root()]
    for data, _ in ledger.every_entry(ledger.status().size):
        tree.append(Entry.parse(data).leaf_hash)
        roots.append(tree.root())
    return roots


def check_checkpoints(ledger: provenance.Ledger, roots: list[bytes]) -> int:
    """Every checkpoint ever signed is a prefix of the log; return how many there are."""
    keys = [VerifierKey.parse(vkey) for vkey in ledger.policy().log_keys]
    database = Database.open(ledger.folder.database)
    with database.reading() as session:
        notes = [row.note for row in session.exec(select(CheckpointRow))]
        size = Log(session, ledger.origin).size
    database.close()
    for note in notes:
        checkpoint = Checkpoint.parse(open_note(note.encode(), keys).text)
        assert checkpoint.size <= size, "a checkpoint covers more than the log has"
        assert checkpoint.root == roots[checkpoint.size], "the log left a checkpoint"
    return len(notes)


def leaves(tree: Tree) -> list[str]:
    return [tree.leaf(index).hex() for index in range(tree.size)]


if __name__ == "__main__":
    main()
