"""Compact ranges: any way of cutting a tree into parts joins to the same RFC 9162 root."""

import itertools

import pytest
import rfc9162
from hypothesis import given
from hypothesis import strategies as st

from provenance.merkle import EMPTY_ROOT, CompactRange, Tree


def range_of(begin, end):
    part = CompactRange(begin, begin)
    for index in range(begin, end):
        part.append(rfc9162.mth(index, index + 1))
    return part


def test_appending_gives_every_root():
    grown = CompactRange()
    assert grown.root() == EMPTY_ROOT
    for size in range(1, 301):
        grown.append(rfc9162.mth(size - 1, size))
        assert grown.root() == rfc9162.mth(0, size)
        assert len(grown.hashes) == size.bit_count()


@pytest.mark.parametrize("size", range(40))
def test_a_tree_holds_the_range_over_its_leaves(size):
    tree = Tree.from_leaf_hashes(b"".join(rfc9162.mth(i, i + 1) for i in range(size)))
    assert CompactRange.of(size, tree.node) == range_of(0, size)


@pytest.mark.parametrize("size", range(1, 26))
def test_every_cut_in_three_merges_in_either_order(size):
    whole = range_of(0, size)
    for first in range(size + 1):
        for second in range(first, size + 1):
            left, middle, right = (range_of(*cut) for cut in cuts(0, first, second, size))
            left.merge(middle)
            left.merge(right)
            assert left == whole

            left, middle, right = (range_of(*cut) for cut in cuts(0, first, second, size))
            middle.merge(right)
            left.merge(middle)
            assert left == whole


def cuts(*bounds):
    return list(itertools.pairwise(bounds))


@pytest.mark.untraced
@given(st.integers(0, 500), st.lists(st.integers(0, 500), max_size=12), st.randoms())
def test_any_cut_merges_in_any_order(size, inner, random):
    bounds = [0, *sorted(min(bound, size) for bound in inner), size]
    parts = [range_of(*cut) for cut in cuts(*bounds)]
    while len(parts) > 1:
        at = random.randrange(len(parts) - 1)
        parts[at].merge(parts.pop(at + 1))
    assert (parts[0].begin, parts[0].end) == (0, size)
    assert parts[0].root() == rfc9162.mth(0, size)


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_part_holds_the_largest_complete_subtrees(begin, length):
    """As golang's compact ranges: no two neighbours could still be folded into one."""
    end = begin + length
    expected = []
    at = begin
    while at < end:
        width = 1
        while at % (2 * width) == 0 and at + 2 * width <= end:
            width *= 2
        expected.append(rfc9162.mth(at, at + width))
        at += width
    assert range_of(begin, end).hashes == tuple(expected)


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_block_of_leaves_gives_the_range_of_its_leaves(begin, length):
    hashes = b"".join(rfc9162.mth(i, i + 1) for i in range(begin, begin + length))
    assert CompactRange.over(begin, hashes) == range_of(begin, begin + length)


@given(st.lists(st.integers(0, 100), max_size=6))
def test_a_tree_grows_by_blocks_of_any_size(lengths):
    grown = CompactRange()
    for length in lengths:
        block = range(grown.end, grown.end + length)
        grown.extend(b"".join(rfc9162.mth(i, i + 1) for i in block))
        assert grown.root() == rfc9162.mth(0, grown.end)
    assert grown.end == sum(lengths)


def test_a_block_that_ends_within_a_hash_is_refused():
    grown = range_of(0, 3)
    with pytest.raises(ValueError, match="33 bytes are not whole hashes"):
        grown.extend(bytes(33))
    assert grown == range_of(0, 3)


def test_a_range_merges_only_where_it_meets():
    for other in (range_of(4, 6), range_of(6, 8), range_of(0, 5)):
        part = range_of(0, 5)
        with pytest.raises(ValueError, match=f"from {other.begin} cannot follow"):
            part.merge(other)
        assert part == range_of(0, 5)


def test_a_range_with_hashes_missing_is_refused():
    part = range_of(0, 5)
    with pytest.raises(ValueError, match="zip"):
        part.merge(CompactRange(5, 8, (bytes(32),)))
    assert part == range_of(0, 5)


def test_only_a_range_from_the_first_leaf_has_a_root():
    with pytest.raises(ValueError, match="a range from 4 has no root"):
        range_of(4, 8).root()
