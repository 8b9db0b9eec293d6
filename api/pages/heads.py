"""Tree heads of the log as pages show them: checkpoints with who signed, anchors with where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from provenance.errors import LedgerError, MalformedError
from provenance.ledger.ledger import Ledger
from provenance.log import Checkpoint
from provenance.signing import SignatureError, open_note
from provenance.verification import Policy

__all__ = ["Cosignature", "SignedHead", "newest_head"]


@dataclass(frozen=True)
class Cosignature:
    """That a witness saw the log grow into a checkpoint.

    Attributes:
        name: of the witness.
        time: by its clock; None while it has not cosigned.
    """

    name: str
    time: datetime | None


@dataclass(frozen=True)
class SignedHead:
    """The newest checkpoint, its signatures checked under the ledger's own policy.

    Attributes:
        checkpoint: origin, size and root.
        note: as it was signed.
        log_keys: names of the keys of the log that signed it.
        witnesses: those that the policy names.
    """

    checkpoint: Checkpoint
    note: str
    log_keys: tuple[str, ...]
    witnesses: tuple[Cosignature, ...]

    @property
    def cosigned(self) -> int:
        """How many witnesses cosigned."""
        return sum(witness.time is not None for witness in self.witnesses)


def newest_head(ledger: Ledger, policy: Policy) -> SignedHead | None:
    """Return the newest checkpoint; None before the first.

    Raises:
        LedgerError: it is not signed as the policy says.
    """
    text = ledger.latest_checkpoint()
    if text is None:
        return None
    try:
        note = open_note(text.encode(), (*policy.log_verifiers, *policy.witness_verifiers))
    except (MalformedError, SignatureError) as error:
        raise LedgerError(f"the newest checkpoint: {error}") from error
    times = {signed.key.key_id: signed.time for signed in note.signatures if signed.time}
    return SignedHead(
        checkpoint=Checkpoint.parse(note.text),
        note=text,
        log_keys=tuple(
            signed.key.name for signed in note.signatures if signed.key in policy.log_verifiers
        ),
        witnesses=tuple(
            Cosignature(
                witness.name,
                datetime.fromtimestamp(times[witness.key_id], UTC)
                if witness.key_id in times
                else None,
            )
            for witness in policy.witness_verifiers
        ),
    )
