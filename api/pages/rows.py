"""Entries of the log and artifacts as a template shows them, and nothing else of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.pages.wording import VERDICTS, plural
from provenance.ledger.catalog import RegisteredArtifact
from provenance.ledger.entries import LogEntry
from provenance.ledger.ledger import Ledger
from provenance.statements import (
    Access,
    Key,
    Predicate,
    Quality,
    Review,
    Statement,
    Step,
    Supersede,
    Verdict,
)
from provenance.verification import Policy

__all__ = [
    "EntryRow",
    "Names",
    "Said",
    "Signer",
    "Tone",
    "entry_row",
    "gist",
    "names_of",
    "said_of",
    "signers_of",
]

Names = Mapping[str, str]
"""keyid → what the ledger's own policy calls whoever signs with the key."""

Signer = tuple[str, str]
"""The keyid of a signer, and a name; "" where the policy has none."""

Tone = str
"""``bad`` for a bad sign, ``ok`` for a good one, "" for neither."""

Said = tuple[str, Tone]
"""What a verdict says, in a word."""


def _said(verdict: Verdict) -> Said:
    return VERDICTS[verdict], "ok" if verdict == "approve" else "bad"


@dataclass(frozen=True, kw_only=True)
class EntryRow:
    """One entry of the log.

    Attributes:
        index: its place.
        kind: of its statement.
        name: of its first subject; "" where what was signed is erased.
        more: how many subjects there are beside it.
        artifact: digest of the first subject, hex; "" where that is no artifact.
        says: what it says beside that, in a few words.
        tone: of what it says.
        signers: who signed.
        issued: by the signer's clock.
        state: how far it got.
    """

    index: int
    kind: str
    name: str
    more: int
    artifact: str
    says: str
    tone: Tone
    signers: tuple[Signer, ...]
    issued: str
    state: str


def said_of(ledger: Ledger, *artifacts: RegisteredArtifact) -> dict[str, Said]:
    """Return the newest verdict on each artifact, by its digest, where there is one."""
    verdicts = ledger.verdicts(each.artifact.digest for each in artifacts)
    return {digest.hex(): _said(verdict) for digest, verdict in verdicts.items()}


def names_of(policy: Policy) -> Names:
    """Return what signers are called by the policy; of log and admins, what they are."""
    return {
        **{verifier.key.keyid: "log" for verifier in policy.log_verifiers},
        **{key.keyid: "admin" for key in policy.admins},
        **{signer.key.keyid: signer.name for signer in policy.signers},
    }


def signers_of(keyids: Iterable[str], names: Names) -> tuple[Signer, ...]:
    """Return signers by their keyids."""
    return tuple((keyid, names.get(keyid, "")) for keyid in keyids)


def entry_row(entry: LogEntry, names: Names) -> EntryRow:
    """Return what is shown of an entry."""
    statement, signed = entry.statement, entry.signed
    says, tone = ("erased", "") if statement is None else gist(statement)
    artifact = None if statement is None else statement.subjects[0].artifact
    return EntryRow(
        index=entry.index,
        kind=entry.kind,
        name=entry.subjects[0] if entry.subjects else "",
        more=max(len(entry.subjects) - 1, 0),
        artifact="" if artifact is None else artifact.hex(),
        says=says,
        tone=tone,
        signers=() if signed is None else signers_of((s.keyid for s in signed.signatures), names),
        issued=entry.issued,
        state=entry.state,
    )


def gist(statement: Statement) -> Said:
    """Return what a statement says beside what it is about, in a few words, and their tone."""
    predicate: Predicate = statement.predicate
    match predicate:
        case Step():
            made = f"{predicate.name}: {len(predicate.inputs)} in, {len(statement.subjects)} out"
            return (made, "") if predicate.outcome == "succeeded" else (f"{made}, failed", "bad")
        case Quality():
            return ("passed", "ok") if predicate.passed else ("failed its criteria", "bad")
        case Review():
            return _said(predicate.verdict)
        case Supersede():
            by = f"superseded by {predicate.replacement.name}" if predicate.replacement else ""
            return by or "superseded", "bad"
        case Key():
            return predicate.action, "bad" if predicate.action == "revoke" else ""
        case Access():
            return plural(predicate.artifact.size, "use"), ""
        case _:
            return plural(statement.described().artifact.size, "record"), ""
