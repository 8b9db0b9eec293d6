"""What can be claimed of the records of two versions.

::

    {"claim": "subset", "ordered": true,
     "sources": ["9f72…"], "targets": ["4ab1…"]}        artifact digests

===============  ==================================================================================
claim            says
===============  ==================================================================================
`extension`      the target is the source followed by more records
`subset`         the target is the source without some of its records
`permutation`    the target is the records of the source in another order
`split`          each record of the source is in exactly one of the targets, and nothing else is
`concatenation`  the target is the records of all sources, and nothing else
===============  ==================================================================================

Records are counted: of two equal ones, each is one. They are equal if their leaf bytes are, which
has a meaning only under one encoding; so all artifacts of a claim have the same.

`ordered` says more: within each target the records stand in the order of the source, and those of
several sources in the order in which these are named. Without it nothing is said of the order. An
extension is always ordered, a permutation never.

Which claim there can be follows from how many artifacts there are on each side, and how many
records they have. No target is a source: such a claim would say what the digests say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from provenance.errors import MalformedError
from provenance.forms import Hash
from provenance.records.artifacts import Artifact

__all__ = ["Claim", "Derivation", "claim_between", "derivation_between"]

Claim = Literal["extension", "subset", "permutation", "split", "concatenation"]

_ORDERED: dict[Claim, tuple[bool, ...]] = {"extension": (True,), "permutation": (False,)}
"""What `ordered` can be; both, of the other claims."""


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """A claim, between artifacts named by their digests.

    Raises:
        MalformedError: there can be no such claim.
    """

    claim: Claim
    ordered: bool
    sources: tuple[Hash, ...]
    targets: tuple[Hash, ...]

    def __post_init__(self) -> None:
        several = {"split": (False, True), "concatenation": (True, False)}
        if (len(self.sources) > 1, len(self.targets) > 1) != several.get(self.claim, (False,) * 2):
            raise MalformedError(
                f"there is no {self.claim} of {len(self.sources)} sources to {len(self.targets)} "
                "targets"
            )
        if not self.sources or not self.targets:
            raise MalformedError("a derivation has sources and targets")
        if self.ordered not in _ORDERED.get(self.claim, (True, False)):
            word = "always" if self.claim == "extension" else "never"
            raise MalformedError(f"the claim {self.claim!r} is {word} ordered")
        if both := set(self.sources) & set(self.targets):
            raise MalformedError(f"the artifact {both.pop().hex()} is on both sides")

    def implies(self, other: Derivation) -> bool:
        """Say whether a proof of this claim proves the other, too: the same, or without order."""
        return self == other or (
            self.ordered
            and not other.ordered
            and (self.claim, self.sources, self.targets)
            == (other.claim, other.sources, other.targets)
        )


def claim_between(sources: Sequence[Artifact], targets: Sequence[Artifact]) -> Claim:
    """Return the one claim that numbers and sizes leave open; whether it holds is another matter.

    Raises:
        MalformedError: they leave none: the encodings differ, or so do the sums of the sizes.
    """
    if not sources or not targets:
        raise MalformedError("a derivation has sources and targets")
    encodings = {artifact.encoding for artifact in (*sources, *targets)}
    if len(encodings) > 1:
        names = " and ".join(sorted(repr(encoding.name) for encoding in encodings))
        raise MalformedError(f"records of different encodings, {names}, cannot be compared")
    before, after = (sum(artifact.size for artifact in side) for side in (sources, targets))
    if (len(sources), len(targets)) == (1, 1):
        if before < after:
            if not before:
                raise MalformedError("whatever there is extends an artifact without records")
            return "extension"
        return "subset" if before > after else "permutation"
    if len(sources) > 1 and len(targets) > 1:
        raise MalformedError("a derivation is of one source, or to one target")
    if before != after:
        raise MalformedError(f"{before} records on one side cannot be the {after} on the other")
    return "split" if len(targets) > 1 else "concatenation"


def derivation_between(
    sources: Sequence[Artifact], targets: Sequence[Artifact], *, ordered: bool
) -> Derivation:
    """Return the claim as a form.

    Raises:
        MalformedError: as `claim_between` and `Derivation` say.
    """
    return Derivation(
        claim=claim_between(sources, targets),
        ordered=ordered,
        sources=tuple(artifact.digest for artifact in sources),
        targets=tuple(artifact.digest for artifact in targets),
    )
