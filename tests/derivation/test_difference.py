"""What changed between two versions, and which records are equal: against brute force."""

import random
from array import array
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from versions import most_in_order, pairs, version, words

from provenance.derivation import difference
from provenance.derivation.columns import Column
from provenance.derivation.difference import compare, out_of_order
from provenance.derivation.matching import matched
from provenance.errors import InputError
from provenance.merkle import sorting
from provenance.records import LINE


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("spare")


def check(before, after, folder, most=most_in_order):
    """Compare, and hold every number against the reference."""
    found = compare(version(before), version(after), folder)
    paired = pairs(before, after)
    assert [*found.removed] == sorted(set(range(len(before))) - {i for i, _ in paired})
    assert [*found.added] == sorted(set(range(len(after))) - {j for _, j in paired})
    moved = [*zip(*found.moved, strict=True)]
    assert moved == sorted(moved)
    assert set(moved) <= set(paired)
    stayed = [j for pair in paired if pair not in moved for j in pair[1:]]
    assert stayed == sorted(stayed)
    assert found.unchanged == len(stayed) == most([j for _, j in paired])
    return found


def test_every_pair_of_short_versions(folder):
    some = words("ab", 4) + words("abc", 3)
    for before in some:
        for after in some:
            check(before, after, folder)


def test_every_order_of_six(folder):
    from itertools import permutations

    for order in permutations("abcdef"):
        check("abcdef", "".join(order), folder)


@given(before=st.text("abcdefghij", max_size=60), after=st.text("abcdefghij", max_size=60))
def test_any_two_versions_in_small_runs(folder, before, after):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "_RUN", 16)
        patch.setattr(sorting, "_SAMPLED", 4)
        check(before, after, folder, longest)


def longest(numbers):
    """The length of a longest ascending part, in n² steps."""
    lengths = []
    for at, number in enumerate(numbers):
        lengths.append(1 + max((lengths[i] for i in range(at) if numbers[i] < number), default=0))
    return max(lengths, default=0)


@given(numbers=st.lists(st.integers(0, 1000), unique=True, max_size=80))
def test_as_few_as_possible_are_out_of_order(numbers):
    marks = out_of_order(array("Q", numbers))
    stay = [number for number, mark in zip(numbers, marks, strict=True) if not mark]
    assert stay == sorted(stay)
    assert len(stay) == longest(numbers)


def test_common_changes(folder):
    rows = [chr(0x4E00 + number) for number in range(2000)]
    source = random.Random(7)
    assert check(rows, rows, folder, len).unchanged == 2000
    without = [row for row in rows if source.random() < 0.9]
    found = check(rows, without, folder, len)
    assert (found.added, len(found.moved[0])) == (found.added[:0], 0)
    found = check(rows, [*rows[1500:], *rows[:1500]], folder, longest)
    assert (found.unchanged, [*found.moved[0]]) == (1500, [*range(1500, 2000)])
    assert [*found.moved[1]] == [*range(500)]


def test_numbers_of_more_records(folder, monkeypatch):
    monkeypatch.setattr(difference, "_SHORT", 0)
    found = check("abcdef", "fbdxa", folder)
    assert found.removed.typecode == found.moved[0].typecode == "Q"


def test_equal_records_are_counted(folder):
    found = check("aaab", "ab", folder)
    assert (found.unchanged, [*found.removed]) == (2, [1, 2])
    found = check("ab", "babaa", folder)
    assert (found.unchanged, [*found.added]) == (1, [2, 3, 4])


def test_versions_of_two_encodings_are_not_compared(folder):
    with pytest.raises(InputError, match="different encodings"):
        compare(version("a"), version("a", LINE), folder)


@pytest.mark.parametrize("run", [4, 1 << 18])
@given(data=st.data())
def test_each_leaf_is_told_once(folder, run, data):
    some = st.lists(st.text("abcdef", max_size=12), max_size=3)
    left, right = data.draw(some), data.draw(some)
    columns = [Column([version(word).tree for word in side]) for side in (left, right)]
    before, after = "".join(left), "".join(right)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "_RUN", run)
        patch.setattr(sorting, "_SAMPLED", min(run, 2))
        found = [*matched(*columns, folder)]
    together = [pair for each in found for pair in zip(each.left, each.right, strict=True)]
    assert sorted(together) == sorted(pairs(before, after))
    alone = Counter(before) - Counter(after), Counter(after) - Counter(before)
    assert Counter(before[i] for each in found for i in each.before) == alone[0]
    assert Counter(after[i] for each in found for i in each.after) == alone[1]
    assert sorted(i for each in found for i in [*each.left, *each.before]) == [*range(len(before))]
    assert sorted(j for each in found for j in [*each.right, *each.after]) == [*range(len(after))]


def test_a_column_of_several_trees():
    column = Column([version(word).tree for word in ("ab", "", "cde", "f")])
    whole = version("abcdef").tree
    assert column.size == 6
    for begin in range(7):
        for end in range(begin, 9):
            assert column.leaf_hashes(begin, end) == whole.leaf_hashes(begin, end)
    assert [*column] == [whole.leaf(number) for number in range(6)]
    assert Column([]).leaf_hashes(0, 4) == b""
