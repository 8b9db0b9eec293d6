"""Versions made of letters, and what is true of them: references of a few lines each."""

from collections import Counter
from itertools import combinations, product

from provenance.derivation import Derivation
from provenance.derivation.columns import Version
from provenance.merkle import Tree, leaf_hash
from provenance.records import JSON, Artifact


def version(letters, encoding=JSON):
    """A version whose records are letters; equal letters are equal records."""
    tree = Tree.from_leaf_hashes(b"".join(leaf_hash(letter.encode()) for letter in letters))
    return Version(Artifact(root=tree.root, size=tree.size, encoding=encoding), tree)


def artifacts(*words):
    return tuple(version(word).artifact for word in words)


def claim(name, sources, targets, *, ordered):
    return Derivation(
        claim=name,
        ordered=ordered,
        sources=tuple(each.digest for each in artifacts(*sources)),
        targets=tuple(each.digest for each in artifacts(*targets)),
    )


def words(alphabet, longest):
    return ["".join(word) for n in range(longest + 1) for word in product(alphabet, repeat=n)]


def is_subsequence(word, of):
    letters = iter(of)
    return all(letter in letters for letter in word)


def holds(name, sources, targets, *, ordered):
    """Say whether a claim is true."""
    before, after = Counter("".join(sources)), Counter("".join(targets))
    if name == "extension":
        return targets[0].startswith(sources[0])
    if not ordered:
        return after <= before if name == "subset" else after == before
    if name == "concatenation":
        return targets[0] == "".join(sources)
    if name == "subset":
        return is_subsequence(targets[0], sources[0])
    return any(  # a split: some way of dealing gives the targets
        [
            "".join(c for c, to in zip(sources[0], way, strict=True) if to == n)
            for n in range(len(targets))
        ]
        == list(targets)
        for way in product(range(len(targets)), repeat=len(sources[0]))
    )


def pairs(before, after):
    """Equal records, the first with the first, in the order of the first version."""
    places = [(i, j) for i, a in enumerate(before) for j, b in enumerate(after) if a == b]

    def rank(word, at):
        return word[:at].count(word[at])

    return [(i, j) for i, j in places if rank(before, i) == rank(after, j)]


def most_in_order(numbers):
    """The length of a longest ascending part."""
    for length in range(len(numbers), -1, -1):
        if any(list(part) == sorted(part) for part in combinations(numbers, length)):
            return length
    raise AssertionError
