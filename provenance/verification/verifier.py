"""The verifier: one list of steps, from the bytes of a bundle to a verdict.

Nothing inside a bundle is trusted. The first step that fails ends the list. One that cannot be
decided, because a chain does not answer, does not: later steps may still fail, and failing wins.

Without a policy the same steps run under the one that the bundle's own first entry claims: the
bundle may be consistent, yet nobody whom the caller named vouches for it, and the verdict is
undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provenance.anchoring import AnchorCheck, ChainReader, StateCheck, check_anchor
from provenance.errors import UndecidedError
from provenance.log import Checkpoint
from provenance.records import Artifact
from provenance.statements import Statement
from provenance.verification.comparing import AtHand
from provenance.verification.content import Content
from provenance.verification.policy import Policy
from provenance.verification.report import Check, Mark, Report, failure
from provenance.verification.steps import FAILURES, Anchored, Case, EveryEntry, Finding

__all__ = ["Verified", "Verifier", "run_step"]

_STEPS: tuple[tuple[str, Callable[[Case], Finding]], ...] = (
    ("bundle", Case.check_bundle),
    ("checkpoint", Case.check_checkpoint),
    ("witnesses", Case.check_witnesses),
    ("entry", Case.check_entry),
    ("envelope", Case.check_envelope),
    ("signature", Case.check_signature),
    ("statement", Case.check_statement),
    ("record", Case.check_record),
    ("anchor", Case.check_anchor),
    ("standing", Case.check_standing),
    ("policy", Case.check_policy),
)


@dataclass(frozen=True)
class Verified:
    """What holds, under the policy with this fingerprint. Only `Verifier.verify` makes one.

    Attributes:
        statement: what was signed.
        artifact: what it is about.
        record_indices: which records of it were shown to be in; none where the whole was, or
            nothing was compared.
        index: of the statement's entry in the log.
        signers: names of the policy's signers that count.
        checkpoint: the tree head that covers the entry.
        anchors: every anchor that holds, the earliest first.
        report: each step, its mark and what it saw.
        policy: the fingerprint of the policy, hex.
    """

    statement: Statement = field(repr=False)
    artifact: Artifact
    record_indices: tuple[int, ...]
    index: int
    signers: tuple[str, ...]
    checkpoint: Checkpoint
    anchors: tuple[Anchored, ...]
    report: Report = field(repr=False)
    policy: str


class Verifier:
    """Verifies bundles under one policy.

    Args:
        policy: whom to trust; None never ends in `Verified`.
        chains: the readers to ask, by the name of the policy's pin. They come from the caller's
            configuration, never from a bundle.
        trusted_blocks: how to check an anchor under the hash of a block that the caller trusts, by
            the name of the policy's pin. The reader of such a chain is not asked.
        every_entry: the whole log, where it is at hand, to look for revocations oneself.
        anchor_check: how an anchor is checked at the reader of its chain.
    """

    def __init__(
        self,
        policy: Policy | None,
        *,
        chains: Mapping[str, ChainReader] | None = None,
        trusted_blocks: Mapping[str, StateCheck] | None = None,
        every_entry: EveryEntry | None = None,
        anchor_check: AnchorCheck = check_anchor,
    ) -> None:
        self._policy = policy
        self._chains = chains or {}
        self._trusted_blocks = trusted_blocks or {}
        self._every_entry = every_entry
        self._anchor_check = anchor_check

    def verify(
        self,
        bundle: bytes,
        *,
        record: Any = None,
        records: Sequence[Any] | None = None,
        leaf_hashes: Sequence[bytes] | None = None,
        content: Content | None = None,
        exact: bool = False,
    ) -> Verified:
        """Run every step.

        Args:
            bundle: the bytes of a bundle.
            record: a record that the bundle is said to prove, as `hash_record` takes it.
            records: all records that it is said to prove, in its order.
            leaf_hashes: of all of these, 32 bytes each.
            content: the file, folder or table that the bundle is said to be about; where it proves
                records, all of them, in its order.
            exact: a file must also be the same bytes, not only the same records.

        Raises:
            VerificationError: a step fails; ``.step`` names it.
            UndecidedError: none fails, but one that is demanded is undecided.
            InputError: a record or `content` cannot be read, or more than one of them is given.
        """
        case = Case(
            bundle,
            policy=self._policy,
            chains=self._chains,
            trusted_blocks=self._trusted_blocks,
            every_entry=self._every_entry,
            anchor_check=self._anchor_check,
            at_hand=AtHand(
                record=record,
                records=records,
                leaf_hashes=leaf_hashes,
                content=content,
                exact=exact,
            ),
        )
        checks = self._run(case)
        report = Report(tuple(checks), tuple(case.warnings))
        for step in ("standing", "policy"):
            if report[step].mark is Mark.UNDECIDED:
                raise UndecidedError(f"{step}: {report[step].finding}", step=step, report=report)
        return Verified(
            statement=case.statement,
            artifact=case.artifact,
            record_indices=case.record_indices,
            index=case.bundle.statement.index,
            signers=case.signer_names,
            checkpoint=case.checkpoint,
            anchors=tuple(case.anchored),
            report=report,
            policy=case.policy.fingerprint,
        )

    def _run(self, case: Case) -> list[Check]:
        """Run every step on a case.

        Raises:
            VerificationError: one fails; it is the last that ran.
        """
        checks: list[Check] = []
        for step, check in _STEPS:
            checks.append(run_step(step, check, case, checks))
        return checks


def run_step(
    step: str, check: Callable[[Case], Finding], case: Case, before: Sequence[Check]
) -> Check:
    """Run one step, after those that ran `before` it.

    Raises:
        VerificationError: it fails.
    """
    try:
        mark, finding = check(case)
    except FAILURES as error:
        raise failure(step, str(error), before, case.warnings) from error
    return Check(step, mark, finding)
