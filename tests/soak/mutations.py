"""Change true proofs, checkpoints, cosignatures and requests: none of them may be taken for true.

Every case is a true text or proof with one to three changes: bits, bytes, lines, numbers, base64,
hashes, and parts of other true ones. It goes through the code that a verifier, a log or a witness
runs, under keys and tree heads that are trusted. What may come of it:

- refused: by an error of `provenance.errors`;
- fewer signatures: what was signed is what it was, and a line that was changed is now by somebody
  who is not known, so it does not count (C2SP signed-note passes over such lines);
- same meaning: it says what a true one says, in every value that is read, signers included: a line
  by somebody unknown was added, or the `extra` of a tlog-proof, for which nobody vouches.

Anything else, and any other exception, ends the run and shows the case::

    python tests/soak/mutations.py FOLDER --cases 1000000 --seed 1

A run that was broken off goes on where it stopped.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

import chunks
from byte_mutations import mutate_bytes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from proof_cases import Consistency, Inclusion, a_consistency, an_inclusion, mutate

from provenance.errors import ProvenanceError
from provenance.log import Checkpoint, LogProof, check_proof
from provenance.merkle import check_consistency, check_inclusion
from provenance.merkle.proofs import MAX_SIZE
from provenance.signing import (
    COSIGNATURE,
    NoteSignature,
    PrivateKey,
    VerifierKey,
    add_signatures,
    cosign_note,
    open_note,
    sign_note,
)
from provenance.witness import AddCheckpoint, Witness

KINDS = (
    *("inclusion proof", "consistency proof", "checkpoint", "cosigned checkpoint", "cosignature"),
    *("tlog-proof", "witness request"),
)
VERDICTS = ("refused", "fewer signatures", "same meaning")
LOGS, EACH = 10, 100  # logs in a chunk, and cases of each kind for each
NOW = 1_800_000_000

Meaning = tuple[tuple[object, ...], frozenset[NoteSignature]]
"""What was read from a text, and who signed it."""


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("folder", type=Path, help="of the run; it goes on where it stopped")
    options.add_argument("--cases", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    began = time.monotonic()
    counted = chunks.run(
        given.folder,
        f"seed-{given.seed}",
        -(-given.cases // (len(KINDS) * LOGS * EACH)),
        partial(try_chunk, given.seed),
        chunks.processes(),
    )
    print(f"| changed | cases | {' | '.join(VERDICTS)} |")
    print("|---|---:|---:|---:|---:|")
    for kind in KINDS:
        numbers = [counted[f"{kind}: {verdict}"] for verdict in VERDICTS]
        print(f"| {kind} |", *(f"{number:,} |" for number in (sum(numbers), *numbers)))
    seconds = time.monotonic() - began
    print(f"{counted.total():,} cases, nothing false taken for true; {seconds:.0f} s", flush=True)


def try_chunk(seed: int, chunk: int) -> Counter[str]:
    """Change every true thing of some logs many times; count what comes of it.

    Raises:
        AssertionError: something was taken for what it is not.
    """
    source = random.Random(f"{seed}/{chunk}")
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        watching = Watching(Path(folder))
        logs = [SomeLog(source, number, watching) for number in range(LOGS)]
        for log in logs:
            for proof in (log.inclusion, log.consistency):
                for _ in range(EACH):
                    counts[f"{try_proof(proof, source)}: refused"] += 1
            for text in log.texts:
                more = [other.data for some in logs for other in some.texts if other is not text]
                for _ in range(EACH):
                    changed = mutate_bytes(text.data, [*text.others, *more], source)
                    counts[f"{text.kind}: {text.verdict(changed)}"] += 1
        watching.witness.close()
    return counts


# --- proofs, as values ----------------------------------------------------------------------------


def try_proof(proof: Inclusion | Consistency, source: random.Random) -> str:
    """Change a proof, and see that it is refused; return its kind."""
    changed = mutate(proof, source, sizes=False)
    if source.randrange(8) == 0:
        changed = ill_formed(changed, source)
    check: Callable[..., None] = (
        check_inclusion if isinstance(proof, Inclusion) else check_consistency
    )
    check(**vars(proof))
    try:
        check(**vars(changed))
    except ProvenanceError:
        return f"{type(proof).__name__.lower()} proof"
    raise AssertionError(f"{proof} was changed into {changed}, and holds")


def ill_formed(proof: Inclusion | Consistency, source: random.Random) -> Inclusion | Consistency:
    """Return a proof that no list of hashes and no tree has."""
    odd = source.choice((proof.root[:-1], proof.root + b"\0", b"", proof.root.hex().encode()))
    if isinstance(proof, Inclusion) and source.randrange(2):
        return replace(proof, index=source.choice((-1, -proof.index - 1, 2**64, 2**70)))
    return replace(proof, **source.choice(({"root": odd}, {"path": (*proof.path, odd)})))


# --- texts ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A true text, how it is read, and others that are as true and of the same log."""

    kind: str
    data: bytes
    read: Callable[[bytes], Meaning]
    others: tuple[bytes, ...]

    def verdict(self, changed: bytes) -> str:
        """Return what comes of a changed text."""
        try:
            said, signed = self.read(changed)
        except ProvenanceError:
            return "refused"
        except Exception as error:
            raise AssertionError(f"{self.kind} {changed!r} raises {error!r}") from error
        true = [who for what, who in self._meanings if what == said]
        if not true or not signed <= frozenset().union(*true):
            raise AssertionError(f"{self.kind} {self.data!r} changed into {changed!r} holds")
        return "same meaning" if signed >= true[0] else "fewer signatures"

    @cached_property
    def _meanings(self) -> list[Meaning]:
        return [self.read(data) for data in (self.data, *self.others)]


class SomeLog:
    """A log of some size, with everything true that there is to say of it."""

    def __init__(self, source: random.Random, number: int, watching: Watching) -> None:
        self.origin = f"log.example/{number}"
        self._source = source
        keys = [a_key(source) for _ in range(4)]
        self._sign = keys[0]
        self._witnesses = {f"w.example/{n}": key for n, key in enumerate(keys[1:3])}
        self._stranger = keys[3]
        self.log_key = VerifierKey(self.origin, keys[0].public)
        self.witness_keys = tuple(
            VerifierKey(name, key.public, COSIGNATURE) for name, key in self._witnesses.items()
        )
        self.inclusion = an_inclusion(source, MAX_SIZE)
        self.consistency = a_consistency(source, MAX_SIZE)
        self.texts = (*self._notes(), self._cosignature(), self._proof(), self._request(watching))

    def _text(self, size: int, root: bytes) -> str:
        return Checkpoint(self.origin, size, root).to_text()

    def _cosigned(self, text: str) -> bytes:
        """Return the note with the lines of the log, a stranger and both witnesses."""
        lines = [cosign_note(text, name, key, time=NOW) for name, key in self._witnesses.items()]
        stranger = cosign_note(text, "stranger.example", self._stranger, time=NOW)
        return add_signatures(sign_note(text, self.origin, self._sign), [stranger, *lines])

    def _heads(self) -> tuple[str, str]:
        step = self.consistency
        return self._text(step.size, step.root), self._text(step.old_size, step.old_root)

    def _notes(self) -> tuple[Text, Text]:
        def read(note: bytes) -> Meaning:
            opened = open_note(note, (self.log_key, *self.witness_keys))
            return (Checkpoint.parse(opened.text),), frozenset(opened.signatures)

        new, old = (sign_note(text, self.origin, self._sign) for text in self._heads())
        all_new, all_old = map(self._cosigned, self._heads())
        return (
            Text("checkpoint", new, read, (old, all_new, all_old)),
            Text("cosigned checkpoint", all_new, read, (all_old,)),
        )

    def _cosignature(self) -> Text:
        name, key = next(iter(self._witnesses.items()))
        new, _ = self._heads()
        note = sign_note(new, self.origin, self._sign)

        def read(line: bytes) -> Meaning:
            opened = open_note(add_signatures(note, [line]), (self.log_key, *self.witness_keys))
            return (opened.text,), frozenset(opened.signatures)

        other = self._witnesses["w.example/1"]
        others = [cosign_note(new, "w.example/1", other, time=time) for time in (NOW, NOW - 1)]
        return Text("cosignature", cosign_note(new, name, key, time=NOW), read, tuple(others))

    def _proof(self) -> Text:
        proof = self.inclusion
        note = self._cosigned(self._text(proof.size, proof.root))

        def read(data: bytes) -> Meaning:
            told = LogProof.parse(data)
            checkpoint = check_proof(
                told,
                leaf_hash=proof.leaf_hash,
                origin=self.origin,
                log_keys=(self.log_key,),
                witnesses=self.witness_keys,
                need=2,
            )
            return (told.index, told.path, checkpoint), frozenset()

        extra = self._source.choice((b"", self._source.randbytes(9)))
        data = LogProof(proof.index, proof.path, note, extra).to_bytes()
        return Text("tlog-proof", data, read, ())

    def _request(self, watching: Watching) -> Text:
        step = self.consistency
        new, old = (sign_note(text, self.origin, self._sign) for text in self._heads())
        watching.begin(self.log_key, AddCheckpoint(0, (), old))

        def read(data: bytes) -> Meaning:
            watching.ask(data)
            told = AddCheckpoint.parse(data)
            head = Checkpoint.parse(open_note(told.checkpoint, [self.log_key]).text)
            return (told.old_size, told.proof, head), frozenset()

        again = AddCheckpoint(step.old_size, (), old).to_bytes()
        true = AddCheckpoint(step.old_size, step.path, new).to_bytes()
        return Text("witness request", true, read, (again,))


class Watching:
    """A witness that forgets each request that it granted, so that the next meets the same."""

    def __init__(self, folder: Path) -> None:
        self._database = folder / "witness" / "witness.db"
        self.witness = Witness.init(
            folder / "witness", name="w.example", clock=lambda: datetime.fromtimestamp(NOW, UTC)
        )

    def begin(self, key: VerifierKey, first: AddCheckpoint) -> None:
        self.witness.watch(str(key))
        self.witness.add_checkpoint(first.to_bytes())

    def ask(self, request: bytes) -> None:
        with closing(sqlite3.connect(self._database)) as database:
            heads = database.execute("SELECT * FROM head").fetchall()
            self.witness.add_checkpoint(request)
            with database:
                database.executemany("REPLACE INTO head VALUES (?, ?, ?, ?, ?)", heads)


def a_key(source: random.Random) -> PrivateKey:
    return PrivateKey(Ed25519PrivateKey.from_private_bytes(source.randbytes(32)))


if __name__ == "__main__":
    main()
