"""Each step of a verification, as a method of the one case that it works on.

A step may rest only on the policy, on what the caller brought and on the steps before it. It
returns its mark and what it saw; what it established it leaves in the case for the next steps.
It fails by raising one of `FAILURES`. The order is in `provenance.verification.verifier`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from provenance.anchoring import (
    Anchor,
    AnchorCheck,
    AnchorError,
    AnchorFacts,
    ChainPin,
    ChainReader,
    StateCheck,
)
from provenance.errors import ChainError, MalformedError
from provenance.log import Checkpoint, Entry
from provenance.merkle import CompactRange, ProofError, check_consistency, check_inclusion
from provenance.records import Artifact
from provenance.signing import Envelope, Note, SignatureError, open_note
from provenance.statements import KIND_NUMBERS, Statement
from provenance.statements.predicates import Described
from provenance.verification.bundle import AnchorProof, Bundle, LoggedEnvelope, RecordProof
from provenance.verification.claims import claimed_policy
from provenance.verification.comparing import AtHand
from provenance.verification.policy import Policy
from provenance.verification.report import Mark, StepError
from provenance.verification.standing import Standing, StandingError

__all__ = ["FAILURES", "Anchored", "Case", "EveryEntry", "Finding"]

EveryEntry = Callable[[int], Iterable[tuple[bytes, bytes | None]]]
"""size → the log's first `size` entries, each with its envelope if it is a key or supersede one."""

Finding = tuple[Mark, str]
"""How a step ended, and what it saw, in words for a person."""

_KIND_NAMES = {number: kind for kind, number in KIND_NUMBERS.items()}


SCAN_BLOCK = 1 << 20
"""Bytes of leaf hashes that are folded into a tree at once."""


FAILURES = (StepError, MalformedError, SignatureError, ProofError, AnchorError, StandingError)


@dataclass(frozen=True)
class Anchored:
    """An anchor that was checked against its chain."""

    pin: ChainPin
    anchor: Anchor
    facts: AnchorFacts

    @property
    def time(self) -> datetime:
        """The block's time: the entry is not younger."""
        return datetime.fromtimestamp(self.facts.block_time, UTC)


class Case:
    """One bundle on its way through the steps; each step fills in what the next may rest on."""

    bundle: Bundle
    policy: Policy
    note: Note
    checkpoint: Checkpoint
    entry: Entry
    envelope: Envelope
    signers: frozenset[str]
    statement: Statement
    described: Described

    def __init__(
        self,
        data: bytes,
        *,
        policy: Policy | None,
        chains: Mapping[str, ChainReader],
        trusted_blocks: Mapping[str, StateCheck],
        every_entry: EveryEntry | None,
        anchor_check: AnchorCheck,
        at_hand: AtHand,
    ) -> None:
        self.data = data
        self.named_policy = policy
        self.chains = chains
        self.trusted_blocks = trusted_blocks
        self.every_entry = every_entry
        self.anchor_check = anchor_check
        self.at_hand = at_hand
        self.record_indices: tuple[int, ...] = ()
        self.anchored: list[Anchored] = []
        self.unreachable: list[ChainPin] = []
        self.doubtful: frozenset[str] = frozenset()
        self.warnings: list[str] = []

    def without_records(self) -> Case:
        """Return what was established, without the bytes and what was at hand, to be kept."""
        kept = copy(self)
        kept.data, kept.at_hand = b"", AtHand()
        kept.bundle = replace(self.bundle, records=())
        return kept

    def continue_as(self, other: Case, records: tuple[RecordProof, ...]) -> None:
        """Take over what every step established of a case that differs in its records alone."""
        self.bundle = replace(other.bundle, records=records)
        self.policy = other.policy
        self.note, self.checkpoint = other.note, other.checkpoint
        self.entry, self.envelope, self.signers = other.entry, other.envelope, other.signers
        self.statement, self.described = other.statement, other.described
        self.anchored, self.unreachable = other.anchored, other.unreachable
        self.doubtful = other.doubtful

    # --- bundle · checkpoint · witnesses ------------------------------------------------------

    def check_bundle(self) -> Finding:
        """Of the form it should have; without a policy, read the one it claims."""
        self.bundle = Bundle.parse(self.data)
        self.policy = self.named_policy or claimed_policy(self.bundle)
        return self.say_what_it_proves()

    def say_what_it_proves(self) -> Finding:
        """What a bundle that could be read holds."""
        anchors, records = len(self.bundle.anchors), len(self.bundle.records)
        what = {0: "an artifact", 1: "a record"}.get(records, f"{records} records")
        return Mark.HOLDS, f"proves {what}, with {anchors} anchor{'' if anchors == 1 else 's'}"

    def check_checkpoint(self) -> Finding:
        """Signed by a log key of the policy, and of its origin."""
        known = (*self.policy.log_verifiers, *self.policy.witness_verifiers)
        self.note = open_note(self.bundle.checkpoint.encode(), known)
        self.checkpoint = Checkpoint.parse(self.note.text)
        if self.checkpoint.origin != self.policy.origin:
            raise StepError(
                f"of the log {self.checkpoint.origin!r}; the policy names {self.policy.origin!r}"
            )
        if not any(signed.key in self.policy.log_verifiers for signed in self.note.signatures):
            raise StepError("not signed by a log key of the policy")
        return Mark.HOLDS, f"{self.checkpoint.origin} at {self.checkpoint.size} entries"

    def check_witnesses(self) -> Finding:
        """Which of the policy's witnesses cosigned the checkpoint."""
        if not self.policy.witnesses:
            return Mark.NOT_DEMANDED, "the policy names none"
        count = self.witness_count
        mark = Mark.HOLDS if count else Mark.NOT_DEMANDED
        return mark, f"{count} of {len(self.policy.witnesses)} named witnesses cosigned"

    @property
    def witness_count(self) -> int:
        """How many of the policy's witnesses, by distinct keys, cosigned the checkpoint."""
        witnesses = {verifier.key.keyid for verifier in self.policy.witness_verifiers}
        cosigned = {
            signed.key.key.keyid for signed in self.note.signatures if signed.time is not None
        }
        return len(witnesses & cosigned)

    # --- entry · envelope · signature · statement ----------------------------------------------

    def check_entry(self) -> Finding:
        """In the log, and of this envelope."""
        self.entry = self._logged(self.bundle.statement)
        return Mark.HOLDS, f"entry {self.bundle.statement.index} of {self.checkpoint.size}"

    def _logged(self, logged: LoggedEnvelope) -> Entry:
        """Check that an envelope's entry is in the log, and return it."""
        entry = Entry.parse(logged.entry)
        check_inclusion(
            leaf_hash=entry.leaf_hash,
            index=logged.index,
            size=self.checkpoint.size,
            path=logged.path,
            root=self.checkpoint.root,
        )
        if sha256(logged.envelope).digest() != entry.envelope_hash:
            raise StepError(f"entry {logged.index} is of another envelope")
        return entry

    def check_envelope(self) -> Finding:
        """In the one form of DSSE that the log accepts."""
        self.envelope = Envelope.parse(self.bundle.statement.envelope)
        count = len(self.envelope.signatures)
        return Mark.HOLDS, f"DSSE with {count} signature{'' if count == 1 else 's'}"

    def check_signature(self) -> Finding:
        """By enough of the policy's signers who may sign this kind."""
        kind = _KIND_NAMES[self.entry.kind]
        allowed = [s.key for s in self.policy.signers if not s.kinds or kind in s.kinds]
        self.signers = frozenset(self.envelope.verified_by(allowed))
        if len(self.signers) < self.policy.threshold:
            raise StepError(
                f"signed by {len(self.signers)} of the policy's signers who may sign statements "
                f"of kind {kind!r}; {self.policy.threshold} needed"
            )
        return Mark.HOLDS, "by " + ", ".join(self.signer_names)

    @property
    def signer_names(self) -> tuple[str, ...]:
        """The policy's names of those whose signatures count."""
        return tuple(s.name for s in self.policy.signers if s.key.keyid in self.signers)

    def check_statement(self) -> Finding:
        """Well-formed, about an artifact, and what the entry says it is."""
        self.statement = Statement.parse(self.envelope.payload)
        self._matches(self.entry, self.statement)
        self.described = self.statement.described()
        return Mark.HOLDS, (
            f"{self.statement.kind} {self.statement.subjects[0].name!r}: "
            f"{self.artifact.size} records, encoding {self.artifact.encoding.name}"
        )

    @property
    def artifact(self) -> Artifact:
        """What the statement describes."""
        return self.described.artifact

    @staticmethod
    def _matches(entry: Entry, statement: Statement) -> None:
        named = (KIND_NUMBERS[statement.kind], statement.artifact_digests())
        if named != (entry.kind, entry.artifacts):
            raise StepError("the entry names other artifacts or another kind")

    # --- record --------------------------------------------------------------------------------

    def check_record(self) -> Finding:
        """The record, file or content at hand is what was signed."""
        digests = self.statement.subjects[0].digest
        compared = self.at_hand.compare(self.described, digests, self.bundle.records)
        self.record_indices = compared.indices
        return compared.mark, compared.finding

    # --- anchor ----------------------------------------------------------------------------------

    def check_anchor(self) -> Finding:
        """Each anchor covers the entry, is continued by the checkpoint, and holds on its chain."""
        pins = {(pin.chain_id, pin.contract, pin.ledger_id): pin for pin in self.policy.chains}
        asked: set[str] = set()
        seen = []
        for proof in self.bundle.anchors:
            anchor = proof.anchor
            if anchor.size <= self.bundle.statement.index:
                raise StepError(
                    f"the anchor at {anchor.size} entries does not cover entry "
                    f"{self.bundle.statement.index}"
                )
            check_consistency(
                old_size=anchor.size,
                old_root=anchor.root,
                size=self.checkpoint.size,
                root=self.checkpoint.root,
                path=proof.consistency,
            )
            pin = pins.get((anchor.chain_id, anchor.contract, anchor.ledger_id))
            if pin is None:
                continue
            if pin.name in asked:  # else a bundle could send its verifier to a node 50,000 times
                raise StepError(f"two anchors on chain {pin.name!r}; one dates the entry")
            asked.add(pin.name)
            seen.append(self._holds(proof, pin))
        if not seen:
            why = "none on a chain that the policy names" if self.bundle.anchors else "none"
            return Mark.NOT_DEMANDED, why
        self.anchored.sort(key=lambda anchored: anchored.time)
        return Mark.HOLDS if self.anchored else Mark.UNDECIDED, "; ".join(seen)

    def _holds(self, proof: AnchorProof, pin: ChainPin) -> str:
        try:
            facts = self._facts(proof, pin)
        except ChainError as error:
            self.unreachable.append(pin)
            return f"chain {pin.name!r}: {error}"
        anchored = Anchored(pin, proof.anchor, facts)
        self.anchored.append(anchored)
        if facts.confirmations is None:
            seen = "proven under the hash that you named"
        else:
            seen = f"{facts.confirmations} confirmation{'' if facts.confirmations == 1 else 's'}"
        worth = " (embedded chain: worth as much as this machine)" if pin.embedded else ""
        return (
            f"block {proof.anchor.block} of chain {pin.name!r}, "
            f"{anchored.time:%Y-%m-%d %H:%M:%S} UTC, {seen}{worth}"
        )

    def _facts(self, proof: AnchorProof, pin: ChainPin) -> AnchorFacts:
        """Check an anchor by the block that was named for its chain, else by a node.

        Who names a block wants nobody's word: then no node is asked, whatever the bundle lacks.
        """
        check = self.trusted_blocks.get(pin.name)
        if check is not None:
            if proof.state is None:
                raise ChainError(
                    f"you named a block of it, and the bundle holds no proof of the state of "
                    f"block {proof.anchor.block}"
                )
            return check(proof.anchor, pin, proof.state)
        reader = self.chains.get(pin.name)
        if reader is not None:
            return self.anchor_check(proof.anchor, pin, reader)
        if pin.embedded:
            raise ChainError("out of reach, it is a file beside its ledger")
        if proof.state is None:
            raise ChainError("no way to reach it is configured: name a node of it")
        raise ChainError(
            "no way to reach it is configured: name a node of it, or the hash of block "
            f"{proof.anchor.block}"
        )

    @property
    def dating(self) -> list[Anchored]:
        """The anchors that count as dates, the earliest first."""
        return [anchored for anchored in self.anchored if self.policy.dates(anchored.pin)]

    @property
    def out_of_reach(self) -> list[str]:
        """The chains that would count as dates, and could not be asked."""
        return [pin.name for pin in self.unreachable if self.policy.dates(pin)]

    # --- standing --------------------------------------------------------------------------------

    def check_standing(self) -> Finding:
        """The signers' keys count at this place of the log; what was superseded."""
        standing = Standing(self.policy.admins)
        indices = [logged.index for logged in self.bundle.standing]
        if indices != sorted(set(indices)):
            raise StepError("the bundle does not list each entry once, in the order of the log")
        listed = [
            (logged.index, self._logged(logged), logged.envelope) for logged in self.bundle.standing
        ]
        scanned = self.every_entry is not None
        for index, entry, envelope in self._scan(self.every_entry) if self.every_entry else listed:
            self._apply(standing, index, entry, envelope)
        index, kind = self.bundle.statement.index, self.statement.kind
        for keyid in sorted(self.signers):
            reason = standing.why_not(keyid, kind, index)
            since = standing.compromised_since(keyid)
            if reason is None and since is not None:
                if self.dating and self.dating[0].time < since:
                    continue
                reason = f"key {keyid[:16]} is compromised since {since:%Y-%m-%d %H:%M:%S} UTC"
                if self.out_of_reach:
                    self.doubtful |= {keyid}
            if reason is not None:
                self.signers -= {keyid}
                self.warnings.append(reason)
        if len(self.signers | self.doubtful) < self.policy.threshold:
            raise StepError("; ".join(self.warnings))
        superseded = standing.superseded.get(self.artifact.digest)
        if superseded:
            by = f" by {superseded.replacement!r}" if superseded.replacement else ""
            self.warnings.append(
                f"superseded{by} at entry {superseded.index}: {superseded.reason!r}"
            )
        extent = "every entry scanned" if scanned else "as far as the prover lists"
        finding = f"known up to entry {self.checkpoint.size - 1}, {extent}"
        if len(self.signers) < self.policy.threshold:
            reasons = "; ".join(self.warnings)
            return Mark.UNDECIDED, f"{reasons}; and its anchor cannot be checked"
        if self.policy.standing == "scanned" and not scanned:
            return Mark.UNDECIDED, f"{finding}; the policy wants every entry scanned"
        return Mark.HOLDS, finding + ("; superseded" if superseded else "")

    def _scan(self, every_entry: EveryEntry) -> Iterable[tuple[int, Entry, bytes]]:
        """Yield every key and supersede entry, having hashed the whole log."""
        tree, block, found = CompactRange(), bytearray(), []
        for index, (data, envelope) in enumerate(every_entry(self.checkpoint.size)):
            entry = Entry.parse(data)
            if _KIND_NAMES[entry.kind] in ("key", "supersede"):
                if envelope is None or sha256(envelope).digest() != entry.envelope_hash:
                    raise StepError(f"the envelope of entry {index} is missing")
                found.append((index, entry, envelope))
            block += entry.leaf_hash
            if len(block) >= SCAN_BLOCK:
                tree.extend(bytes(block))
                block.clear()
        tree.extend(bytes(block))
        if (tree.end, tree.root()) != (self.checkpoint.size, self.checkpoint.root):
            raise StepError("the entries at hand are not those of the checkpoint")
        return found

    def _apply(self, standing: Standing, index: int, entry: Entry, data: bytes) -> None:
        envelope = Envelope.parse(data)
        statement = Statement.parse(envelope.payload)
        self._matches(entry, statement)
        if statement.kind == "supersede" and self.artifact.digest not in entry.artifacts[:1]:
            return
        signers = standing.signers(envelope)
        try:
            standing.apply(index, statement, signers, original_signers=self.signers)
        except StandingError as error:
            if statement.kind == "key":
                raise
            # Somebody else may have signed for the same artifact, and may correct his own word.
            self.warnings.append(f"{error}: passed over")

    # --- policy ----------------------------------------------------------------------------------

    def check_policy(self) -> Finding:
        """What the sensitivity demands."""
        if self.named_policy is None:
            return Mark.UNDECIDED, "consistent, but vouched for by nobody you named"
        level = self.policy.level(self.described.sensitivity)
        demand = self.policy.demand(level)
        wanted = max(demand.signers, self.policy.threshold)
        count = len(self.signers)
        if count + len(self.doubtful) < wanted:
            raise StepError(f"{level!r} demands {wanted} signers; {count} of them count")
        if self.witness_count < demand.witnesses:
            raise StepError(
                f"{level!r} demands {demand.witnesses} of the {len(self.policy.witnesses)} "
                f"witnesses that the policy names; {self.witness_count} cosigned"
            )
        final = [anchored for anchored in self.dating if anchored.facts.final is not False]
        dated = bool(final if demand.final else self.dating or not demand.anchored)
        if not dated and not self.out_of_reach:
            if self.dating:
                raise StepError(f"{level!r} demands a final anchor: wait until the block is final")
            raise StepError(
                f"{level!r} demands an anchor: run `provenance anchor`, then prove again"
            )
        if not dated or count < wanted:
            return Mark.UNDECIDED, (
                f"{level!r} demands what chain {', '.join(self.out_of_reach)} would have to show"
            )
        return Mark.HOLDS, f"{level!r}, under policy {self.policy.fingerprint[:16]}"
