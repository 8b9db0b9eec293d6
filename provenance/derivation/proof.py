"""The proof of a derivation: one file, by which the claim is checked from the digests alone.

A line of RFC 8785, and behind it the body::

    {"claim":"subset","encoding":{"encoding":"json"},"ordered":true,
     "sources":[{"root":"…","size":5004}],"targets":[{"root":"…","size":4821}],
     "type":"urn:provenance-ledger:derivation-proof:v1"}

The artifact digests follow from it. The body of an extension is the RFC 9162 consistency proof,
32 bytes a hash. Of every other claim it is the leaf hashes of all sources, N of them, 32 bytes
each; and then, big-endian, where they went:

- if it is ordered, of a concatenation nothing; else for each record of the sources the number of
  its target, from 1, or 0 if it is in none: N numbers of one byte, or of two if there are more
  than 255 targets;
- if it is not, for each record of the targets its number among the records of the sources, from 0:
  numbers of four bytes, or of eight if N > 2^32.

From these follow all leaf hashes of the targets, so that both sides' roots can be computed. There
is no shorter proof of such a claim here: a root says nothing of a record that was moved or left
out. The length of the file follows from its first line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from provenance import forms
from provenance.derivation.claims import Claim, Derivation, claim_between, derivation_between
from provenance.errors import MalformedError
from provenance.forms import Hash
from provenance.merkle import HASH_SIZE
from provenance.records.artifacts import Artifact, Encoding

__all__ = ["MAX_HEADER", "PROOF_TYPE", "WIDTHS", "Header", "TreeHead"]

PROOF_TYPE: Final = "urn:provenance-ledger:derivation-proof:v1"

MAX_HEADER = 1 << 20
"""Bytes of the longest first line."""

MAX_PATH = 2 * 53
"""Hashes of the longest consistency proof: sizes are below 2^53."""

_SHORT_INDICES = 1 << 32
_SHORT_TARGETS = 255


@dataclass(frozen=True, kw_only=True)
class TreeHead:
    """Root and size of the tree of a source or target."""

    root: Hash
    size: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first line.

    Raises:
        MalformedError: there can be no such claim between such artifacts.
    """

    type: Literal["urn:provenance-ledger:derivation-proof:v1"] = field(
        default=PROOF_TYPE, metadata={"required": True}
    )
    claim: Claim
    ordered: bool
    encoding: Encoding
    sources: tuple[TreeHead, ...]
    targets: tuple[TreeHead, ...]

    def __post_init__(self) -> None:
        if claim_between(*self.artifacts) != self.claim:
            raise MalformedError(f"such numbers of records are not those of a {self.claim}")
        _ = self.derivation

    @classmethod
    def of(
        cls, sources: Sequence[Artifact], targets: Sequence[Artifact], *, ordered: bool
    ) -> Header:
        """Return the first line of a proof between these artifacts.

        Raises:
            MalformedError: there can be none.
        """
        return cls(
            claim=claim_between(sources, targets),
            ordered=ordered,
            encoding=sources[0].encoding,
            sources=tuple(TreeHead(root=each.root, size=each.size) for each in sources),
            targets=tuple(TreeHead(root=each.root, size=each.size) for each in targets),
        )

    @classmethod
    def parse(cls, line: bytes) -> Header:
        """Read the line, without its LF: ``Header.parse(line).to_bytes() == line``.

        Raises:
            MalformedError: any other bytes, even such that mean the same.
        """
        value = forms.parse_canonical(line, what="the proof's first line", cap=MAX_HEADER)
        return forms.decode(cls, value, "the proof", whole=True)

    def to_bytes(self) -> bytes:
        """Return the line, without its LF."""
        return forms.dump(self)

    @property
    def artifacts(self) -> tuple[tuple[Artifact, ...], tuple[Artifact, ...]]:
        """Sources and targets."""
        sources, targets = (
            tuple(Artifact(root=h.root, size=h.size, encoding=self.encoding) for h in side)
            for side in (self.sources, self.targets)
        )
        return sources, targets

    @property
    def derivation(self) -> Derivation:
        """The claim, between artifact digests."""
        return derivation_between(*self.artifacts, ordered=self.ordered)

    @property
    def records(self) -> int:
        """How many records the sources have, all together."""
        return sum(head.size for head in self.sources)

    @property
    def has_map(self) -> bool:
        """Whether anything but the leaf hashes says where the records went."""
        return self.claim != "concatenation" or not self.ordered

    @property
    def code(self) -> Literal["B", "H", "I", "Q"]:
        """The type of the map's numbers, as `array` names it: of 1, 2, 4 or 8 bytes."""
        if self.ordered:
            return "B" if len(self.targets) <= _SHORT_TARGETS else "H"
        return "I" if self.records <= _SHORT_INDICES else "Q"

    def check_length(self, body: int) -> None:
        """Check how many bytes stand behind the first line.

        Raises:
            MalformedError: more or fewer than there must be.
        """
        if self.claim == "extension":
            if body % HASH_SIZE or body > MAX_PATH * HASH_SIZE:
                raise MalformedError(f"{body:,} bytes are no consistency proof")
            return
        numbers = self.records if self.ordered else sum(head.size for head in self.targets)
        wanted = self.records * HASH_SIZE + numbers * WIDTHS[self.code] * self.has_map
        if body != wanted:
            raise MalformedError(f"the proof's body has {body:,} bytes instead of {wanted:,}")


WIDTHS = {"B": 1, "H": 2, "I": 4, "Q": 8}
"""Bytes of each type of number."""
