"""Where records did not go on to: by what steps claim of records, as far as it is proven here.

A step may claim how an output follows from an artifact, record by record (`provenance.derivation`).
By every claim but an extension, the output has nothing but records of that artifact. If it does not
have those that are followed, nothing came of them by that way: it is *closed*, from the artifact by
this step to this output. An extension closes nothing: the records behind it may be made of any.

- Nobody's word closes a way. The claim is proven anew from the trees that are here, the proof
  checked as a stranger would (`check_derivation`), and what a tree holds is looked up in it.
- What one step claims of several artifacts in a row closes the way from the first to the last, too.
- The claim of one step closes no way of another, though it be between the same artifacts.

How much is proven for one question is bounded by what the steps claim, whatever was proven before:
so the answer is the same each time. Memory: of a proof, 4 bytes for each of its records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from heapq import nsmallest

from sqlmodel import Session

from provenance.derivation import Claim, Derivation
from provenance.derivation.columns import Version
from provenance.errors import InputError, LedgerError
from provenance.ledger.catalog import Catalog, RegisteredArtifact
from provenance.ledger.deriving import proven
from provenance.ledger.folder import Folder
from provenance.ledger.lookup import ArtifactTree, ArtifactTrees
from provenance.ledger.recent import Recent
from provenance.ledger.refs import read_statement
from provenance.ledger.vouching import Vouching
from provenance.log.blocking import before_blocking
from provenance.log.log import Log
from provenance.statements import Step

__all__ = ["Closed", "Follower"]

MOST_STEPS = 1000
"""Steps whose claims are proven for one question: the first of them."""

MOST_RECORDS = 10_000_000
"""Records of the sources of all claims that are proven for one question."""

MOST_LOOKED_UP = 100_000
"""Questions to trees: leaf hashes times ends of ways."""


@dataclass(frozen=True)
class Closed:
    """Ways by which the records that are followed did not go on, or only as they are.

    Attributes:
        ways: (a step's entry, the artifact that it read) → what it made of nothing else → the
            claim that says so. What was made has none of the records; or it was asked about, and
            has them for all to see.
        unproven: entries of steps whose claims could close more.
    """

    ways: Mapping[tuple[int, bytes], Mapping[bytes, Claim]] = field(default_factory=dict)
    unproven: tuple[int, ...] = ()


class _UnsaidError(Exception):
    """What a tree holds is not looked up, or cannot be."""


class Follower:
    """Follows records, for one question, within a session."""

    def __init__(
        self,
        session: Session,
        log: Log,
        trees: ArtifactTrees,
        folder: Folder,
        remembered: Recent[bool],
    ) -> None:
        """Begin.

        Args:
            session: of the database.
            log: its log.
            trees: of the ledger.
            folder: where proofs are written, and thrown away.
            remembered: claims that were proven: between digests they stay true.
        """
        self._catalog = Catalog(session)
        self._log = log
        self._trees = trees
        self._folder = folder
        self._remembered = remembered
        self._held: dict[bytes, bool] = {}
        self._records = self._looked_up = 0

    def closed(
        self, vouching: Vouching, sources: Collection[bytes], leaf_hashes: Sequence[bytes]
    ) -> Closed:
        """Return the ways from artifacts that are closed to the records of these hashes."""
        asked = frozenset(sources)
        steps: set[int] = set()
        leads_on = False
        for entry, _, target in vouching.claims(asked):
            steps.add(entry)
            leads_on = leads_on or target not in asked
        if not leads_on:
            return Closed()
        ways: dict[tuple[int, bytes], Mapping[bytes, Claim]] = {}
        first = nsmallest(MOST_STEPS, steps)
        unproven = nsmallest(MOST_STEPS, steps.difference(first))
        for entry in first:
            try:
                step = read_statement(self._log, entry).predicate
            except LedgerError:  # it was erased
                unproven.append(entry)
                continue
            if isinstance(step, Step):
                claims = [each for each in step.derivations or () if each.claim != "extension"]
                true = [each for each in claims if self._proves(each)]
                whole = len(true) == len(claims)
                inputs = dict.fromkeys(each.artifact for each in step.inputs)
                for source in (each for each in inputs if each in asked):
                    try:
                        found = self._ends(source, inputs.keys(), true, asked, leaf_hashes)
                    except _UnsaidError:
                        whole = False
                    else:
                        if found:
                            ways[entry, source] = found
                if not whole:
                    unproven.append(entry)
        return Closed(ways, tuple(sorted(unproven)[:MOST_STEPS]))

    def _ends(
        self,
        source: bytes,
        inputs: Set[bytes],
        claims: Sequence[Derivation],
        asked: Collection[bytes],
        leaf_hashes: Sequence[bytes],
    ) -> dict[bytes, Claim]:
        """Return what is made of nothing but records of `source`, and not of those followed.

        Where several are joined, one of them may be another input, from which a way of its own
        leads there. It may not be an output of the step that was made of anything.
        """
        found: dict[bytes, Claim] = {}
        waiting = [source]
        while waiting:
            at = waiting.pop()
            for claim in claims:
                if at in claim.sources and found.keys() | inputs >= {*claim.sources}:
                    new = [each for each in claim.targets if each not in found and each != source]
                    found.update(dict.fromkeys(new, claim.claim))
                    waiting += new
        if not found or not self._holds(source, leaf_hashes):
            return {}
        return {
            target: claim
            for target, claim in found.items()
            if not self._holds(target, leaf_hashes) or target in asked
        }

    def _proves(self, claim: Derivation) -> bool:
        """Say whether the trees prove a claim, whatever it says of the order."""
        key = (claim.claim, claim.sources, claim.targets)
        try:
            before, after = ([*self._versions(side)] for side in key[1:])
            self._records += sum(version.artifact.size for version in before)
            if self._records > MOST_RECORDS:
                return False
            if self._remembered.get(key) is None:
                before_blocking()
                found = proven(before, after, self._folder)
                if (found.claim, found.sources, found.targets) != key:
                    return False
                self._remembered.put(key, True)
        except (InputError, LedgerError):  # it is false, or a tree is not here, or not whole
            return False
        return True

    def _versions(self, digests: Sequence[bytes]) -> Iterator[Version]:
        for digest in digests:
            registered, kept = self._open(digest)
            yield Version(registered.artifact, kept.tree)

    def _holds(self, digest: bytes, leaf_hashes: Sequence[bytes]) -> bool:
        """Say whether an artifact has one of the records.

        Raises:
            _UnsaidError: it cannot be said, or too much was asked.
        """
        self._looked_up += len(leaf_hashes)
        if self._looked_up > MOST_LOOKED_UP:
            raise _UnsaidError
        if digest not in self._held:
            try:
                _, kept = self._open(digest)
                self._held[digest] = any(kept.find(leaf_hash)[1] for leaf_hash in leaf_hashes)
            except LedgerError as error:
                raise _UnsaidError from error
        return self._held[digest]

    def _open(self, digest: bytes) -> tuple[RegisteredArtifact, ArtifactTree]:
        """Return an artifact, and its tree.

        Raises:
            LedgerError: it is not here, or not whole.
        """
        for entry in self._catalog.registrations(digest=digest.hex(), limit=1):
            registered = RegisteredArtifact.of(entry, read_statement(self._log, entry))
            return registered, self._trees.open(registered)
        raise LedgerError(f"the artifact {digest.hex()} is registered nowhere here")
