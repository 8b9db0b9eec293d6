"""Opening a checkpoint that a log serves: is it the log's word, and who cosigned it?"""

from __future__ import annotations

from dataclasses import dataclass

from provenance.errors import MalformedError, ProvenanceError
from provenance.log import Checkpoint
from provenance.merkle import EMPTY_ROOT
from provenance.monitoring.source import LogSource, SourceError
from provenance.signing import Note, SignatureError, open_note
from provenance.verification import Policy

__all__ = ["CheckpointError", "Opened", "open_checkpoint"]


class CheckpointError(ProvenanceError):
    """A note that is not a checkpoint by the log.

    Attributes:
        note: as it was served.
    """

    def __init__(self, message: str, note: str) -> None:
        super().__init__(message)
        self.note = note


@dataclass(frozen=True)
class Opened:
    """A checkpoint that the log signed.

    Attributes:
        note: as it was served.
        head: the tree head in it.
        cosigned: the names of the policy's witnesses that cosigned it.
    """

    note: str
    head: Checkpoint
    cosigned: tuple[str, ...]


def open_checkpoint(source: LogSource, policy: Policy) -> Opened:
    """Return the newest checkpoint that `source` serves.

    Raises:
        CheckpointError: signed by no log key of the policy, or not of its log.
        SourceError: there is no note at all: an error page, say.
    """
    data = source.checkpoint()
    try:
        note = open_note(data, (*policy.log_verifiers, *policy.witness_verifiers))
    except MalformedError as error:
        raise SourceError(f"{source.name} serves no signed note: {error}") from None
    except SignatureError as error:
        raise CheckpointError(str(error), data.decode()) from None
    try:
        if not any(signed.key in policy.log_verifiers for signed in note.signatures):
            raise CheckpointError("not signed by a log key of the policy", data.decode())
        head = Checkpoint.parse(note.text, extended=True)
    except MalformedError as error:
        raise CheckpointError(str(error), data.decode()) from None
    if head.origin != policy.origin:
        said = f"of the log {head.origin!r}; the policy is for {policy.origin!r}"
        raise CheckpointError(said, data.decode())
    if head.size == 0 and head.root != EMPTY_ROOT:
        raise CheckpointError("a tree without entries has another root", data.decode())
    return Opened(data.decode(), head, _witnesses(note))


def _witnesses(note: Note) -> tuple[str, ...]:
    """Return the names of those who cosigned, once for each key."""
    names = {s.key.key.keyid: s.key.name for s in note.signatures if s.time is not None}
    return tuple(sorted(names.values()))
