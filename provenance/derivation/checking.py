"""Checking the proof of a derivation, from the artifact digests and the file alone.

In this order; the first that does not hold ends it:

1. the first line is of the one form, between artifacts that there can be, and so long is the file;
2. the digests of its artifacts are those of the claim, in its order, and it proves what is claimed;
3. the leaf hashes of the sources lead to their roots;
4. those that the map gives to each target lead to its root: as many as its size says, and of no
   record of the sources more than one.

So nothing that the file says is believed: each number in it decides which hashes go into which
root, and the roots are in the digests. Equal records need no care: which of two equal ones went
where makes no difference, and each goes once.

Time: one pass, in which every hash of a node of all trees is computed. Memory: 1 MiB or so, and
where the order is not kept a byte for each record of the sources; then the file is read here and
there, so as much of it as fits in the system's cache is quick.
"""

from __future__ import annotations

import mmap
import os
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from provenance.derivation.claims import Derivation
from provenance.derivation.columns import BLOCK, hashes_in
from provenance.derivation.proof import MAX_HEADER, WIDTHS, Header
from provenance.errors import InputError, MalformedError
from provenance.merkle import HASH_SIZE, CompactRange, ProofError, check_consistency
from provenance.records.artifacts import Artifact

__all__ = ["Checked", "Place", "check_derivation"]


@dataclass(frozen=True)
class Place:
    """Record `index` of target number `target`, both from 0."""

    target: int
    index: int


@dataclass(frozen=True)
class Checked:
    """What a proof shows; made by `check_derivation` alone.

    Attributes:
        derivation: what the proof proves: what was claimed, or more of the order.
        sources: with their sizes and encoding.
        targets: likewise.
        places: where each record went that was followed; None: it is in no target.
    """

    derivation: Derivation
    sources: tuple[Artifact, ...]
    targets: tuple[Artifact, ...]
    places: Mapping[int, Place | None]


def check_derivation(
    proof: str | os.PathLike[str], claim: Derivation, *, follow: Iterable[int] = ()
) -> Checked:
    """Check that `proof` proves `claim`.

    Args:
        proof: a file; nobody may write to it meanwhile.
        claim: between artifact digests, from elsewhere: a signed statement, say.
        follow: numbers of records, from 0, of which to tell where they went; those of several
            sources are numbered through, in the order in which the claim names them. Equal records
            go in some order: that of a proof made here is the one in which they stand.

    Raises:
        MalformedError: the file is not of its form.
        ProofError: it is, and does not prove the claim.
        InputError: it cannot be read, changed while it was read, or no record has such a number.
    """
    try:
        with Path(proof).open("rb") as file:
            before = os.fstat(file.fileno())
            checked = _check(file, claim, frozenset(follow))
            after = os.fstat(file.fileno())
    except OSError as error:
        raise InputError(f"{proof} cannot be read: {error.strerror}") from error
    for name in ("st_size", "st_mtime_ns", "st_ctime_ns"):
        if getattr(before, name) != getattr(after, name):
            raise InputError(f"{proof} changed while it was read; try again")
    return checked


def _check(file: BinaryIO, claim: Derivation, follow: frozenset[int]) -> Checked:
    line = file.readline(MAX_HEADER + 1)
    if not line.endswith(b"\n"):
        raise MalformedError("the proof does not begin with a line of JSON")
    header = Header.parse(line[:-1])
    header.check_length(os.fstat(file.fileno()).st_size - len(line))
    if not header.derivation.implies(claim):
        raise ProofError(_difference(header.derivation, claim))
    if wrong := [number for number in follow if not 0 <= number < header.records]:
        raise InputError(f"there is no record {wrong[0]}: the sources have {header.records}")
    if header.claim == "extension":
        _check_extension(file, len(line), header)
        places: dict[int, Place | None] = {number: Place(0, number) for number in follow}
    else:
        body = _Body(file, len(line), header, follow)
        if header.ordered:
            body.check_ordered()
        else:
            body.check_unordered()
        places = body.places
    return Checked(header.derivation, *header.artifacts, places)


def _read(file: BinaryIO, at: int, length: int) -> bytes:
    data = os.pread(file.fileno(), length, at)
    if len(data) != length:
        raise InputError("the proof became shorter while it was read; try again")
    return data


def _difference(proven: Derivation, claim: Derivation) -> str:
    """Say in what a proof is of another claim."""
    if proven.claim != claim.claim:
        return f"the proof is of the claim {proven.claim!r}, not {claim.claim!r}"
    for side in ("sources", "targets"):
        mine, theirs = getattr(proven, side), getattr(claim, side)
        if mine != theirs:
            if sorted(mine) == sorted(theirs):
                return f"the proof has the {side} in another order"
            return f"the proof has other {side}: {', '.join(each.hex() for each in mine)}"
    return "the proof does not show that the order was kept"


def _check_extension(file: BinaryIO, start: int, header: Header) -> None:
    (source,), (target,) = header.sources, header.targets
    length = os.fstat(file.fileno()).st_size - start
    check_consistency(
        old_size=source.size,
        old_root=source.root,
        size=target.size,
        root=target.root,
        path=list(hashes_in(_read(file, start, length))),
    )


@dataclass
class _Body:
    """The columns and the map of a proof, while both sides' trees grow from them."""

    file: BinaryIO
    start: int
    header: Header
    follow: frozenset[int]
    places: dict[int, Place | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.map_start = self.start + self.header.records * HASH_SIZE
        self.grown = [CompactRange() for _ in self.header.targets]

    def check_ordered(self) -> None:
        """Hand each leaf hash to its target, in one pass."""
        for first, block in self._sources():
            count = len(block) // HASH_SIZE
            if not self.header.has_map:
                self._note(first, [1] * count)
                self.grown[0].extend(block)
                continue
            numbers = self._numbers(first, count)
            if max(numbers) > len(self.grown):
                raise ProofError(f"a record goes to target {max(numbers)}, which there is not")
            self._note(first, numbers)
            parts: list[list[bytes]] = [[] for _ in range(len(self.grown) + 1)]
            for value, number in zip(hashes_in(block), numbers, strict=True):
                parts[number].append(value)
            for tree, part in zip(self.grown, parts[1:], strict=True):
                tree.extend(b"".join(part))
        self._check_targets()

    def check_unordered(self) -> None:
        """Take each leaf hash of the targets from where the map says; none twice."""
        for _ in self._sources():
            pass
        records, taken = self.header.records, bytearray(self.header.records)
        at = 0
        with mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            for which, head in enumerate(self.header.targets):
                for first in range(0, head.size, BLOCK):
                    numbers = self._numbers(at, min(BLOCK, head.size - first))
                    at += len(numbers)
                    if max(numbers) >= records:
                        raise ProofError(f"the sources have no record {max(numbers)}")
                    for number in numbers:
                        taken[number] = 1
                    for number in self.follow and self.follow.intersection(numbers):
                        self.places[number] = Place(which, first + numbers.index(number))
                    places = [self.start + number * HASH_SIZE for number in numbers]
                    self.grown[which].extend(b"".join([whole[p : p + HASH_SIZE] for p in places]))
        if taken.count(1) != at:
            raise ProofError("a record goes to two places")
        for number in self.follow:
            self.places.setdefault(number, None)
        self._check_targets()

    def _sources(self) -> Iterator[tuple[int, bytes]]:
        """Yield the leaf hashes of all sources, with the number of the first; check their roots."""
        at = 0
        for which, head in enumerate(self.header.sources):
            tree = CompactRange()
            for begin in range(0, head.size, BLOCK):
                length = min(BLOCK, head.size - begin) * HASH_SIZE
                block = _read(self.file, self.start + (at + begin) * HASH_SIZE, length)
                tree.extend(block)
                yield at + begin, block
            at += head.size
            if tree.root() != head.root:
                raise ProofError(f"the leaf hashes of source {which} do not lead to its root")

    def _numbers(self, first: int, count: int) -> array[int]:
        """Return `count` numbers of the map, from number `first` on."""
        width = WIDTHS[self.header.code]
        start = self.map_start + first * width
        numbers = array(self.header.code, _read(self.file, start, count * width))
        if sys.byteorder == "little":
            numbers.byteswap()
        return numbers

    def _note(self, first: int, numbers: array[int] | list[int]) -> None:
        """Keep where the records of a block go that are followed."""
        for number in self.follow.intersection(range(first, first + len(numbers))):
            target = numbers[number - first]
            before = numbers[: number - first].count(target)
            self.places[number] = (
                Place(target - 1, self.grown[target - 1].end + before) if target else None
            )

    def _check_targets(self) -> None:
        for which, (tree, head) in enumerate(zip(self.grown, self.header.targets, strict=True)):
            if tree.end != head.size:
                raise ProofError(f"target {which} gets {tree.end} records instead of {head.size}")
            if tree.root() != head.root:
                raise ProofError(f"the records that target {which} gets do not lead to its root")
