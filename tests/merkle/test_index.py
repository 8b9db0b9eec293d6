"""The index of a tree: every leaf with all that are equal, and no wrong answer, come what may."""

import math
import random
import signal
import subprocess
import sys
import time
from bisect import bisect_left
from collections import defaultdict
from hashlib import sha256

import pytest
import sorting_cases
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import LedgerError
from provenance.merkle import Tree, TreeWriter, bulk, index, sorting
from provenance.merkle.index import IndexUnusableError, LeafIndex, check_index, write_index


def tree_of(leaves):
    return Tree.from_leaf_hashes(b"".join(leaves))


def indexed(folder, leaves):
    """Write the index of these leaves, and open it."""
    tree = tree_of(leaves)
    write_index(tree, folder, folder / "index")
    assert [path.name for path in folder.iterdir()] == ["index"]
    return LeafIndex.open(folder / "index", tree)


def layout(leaves):
    """The file, as the module says that it is."""
    size = len(leaves)
    width = next(width for width in range(1, 9) if size < 256**width)
    bits = max(0, size.bit_length() - 7)
    numbers = sorted(range(size), key=lambda number: (leaves[number], number))
    for value in range(2**bits):
        numbers.append(sum(int.from_bytes(leaf) >> 256 - bits <= value for leaf in leaves))
    data = b"".join(number.to_bytes(width) for number in numbers)
    bound = b"provenance-index/v1\n" + tree_of(leaves).root + size.to_bytes(8)
    pages = [data[at : at + 4064] for at in range(0, len(data), 4064)]
    return b"".join(
        page + sha256(bound + number.to_bytes(8) + page).digest()
        for number, page in enumerate(pages)
    )


def near(leaf):
    """The hashes right before and behind one."""
    number = int.from_bytes(leaf)
    return [(number + step).to_bytes(32) for step in (-1, 1) if 0 <= number + step < 2**256]


def check(found, leaves, absent=()):
    """Hold what is found against a dict."""
    places = defaultdict(list)
    for number, leaf in enumerate(leaves):
        places[leaf].append(number)
    asked = {*leaves, *absent, bytes(32), b"\xff" * 32, *(n for leaf in places for n in near(leaf))}
    for leaf in asked:
        equal = found.find(leaf)
        assert (len(equal), list(equal)) == (len(places[leaf]), places[leaf])


SIZES = [*range(40), 63, 64, 65, 126, 127, 128, 129, 255, 256, 257, 511, 512, 1015, 2033, 4500]


@pytest.mark.untraced
@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_is_found_and_no_other(tmp_path, size):
    leaves = sorting_cases.hashes(size)
    check(indexed(tmp_path, leaves), leaves, sorting_cases.hashes(50))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["", "hashlib"])
def test_the_file_is_what_its_form_says(tmp_path, monkeypatch, size, name):
    """With the extension and without, at once and in sections."""
    kernel = bulk.kernel_named(name)
    monkeypatch.setattr(sorting, "kernel", lambda: kernel)
    if size % 2:
        monkeypatch.setattr(sorting, "_RUN", 64)
        monkeypatch.setattr(sorting, "_SAMPLED", 8)
    leaves = sorting_cases.hashes(size, kinds=None if size % 3 else size // 2 or None)
    indexed(tmp_path, leaves)
    assert (tmp_path / "index").read_bytes() == layout(leaves)


def test_numbers_that_lie_in_two_pages(tmp_path):
    """Three bytes each, from 2^16 leaves on, of which 4,064 are not a multiple."""
    leaves = sorting_cases.hashes(1 << 16)
    found, in_order = indexed(tmp_path, leaves), sorted(leaves)
    places = range(len(leaves) + (1 << 10))
    torn = [place for place in places if 3 * place // 4064 != (3 * place + 2) // 4064]
    assert torn
    assert torn[-1] >= len(leaves), "none of the counts is torn: this test shows too little"
    for place in torn[: bisect_left(torn, len(leaves))]:
        leaf = in_order[place]
        assert list(found.find(leaf)) == [leaves.index(leaf)]
    for place in torn[bisect_left(torn, len(leaves)) :]:
        value = place - len(leaves)
        wanted = sum(int.from_bytes(leaf) >> 246 <= value for leaf in leaves)
        assert found._stretch((value << 246).to_bytes(32))[1] == wanted


@pytest.mark.untraced
@pytest.mark.parametrize("case", sorting_cases.CASES)
def test_leaves_that_somebody_chose(tmp_path, case):
    leaves = sorting_cases.CASES[case]
    check(indexed(tmp_path, leaves), leaves)
    assert (tmp_path / "index").read_bytes() == layout(leaves)


@given(
    leaves=st.lists(st.sampled_from(sorting_cases.hashes(30, 31) + sorting_cases.hashes(5))),
    absent=st.lists(st.binary(min_size=32, max_size=32), max_size=5),
)
def test_any_leaves(tmp_path_factory, leaves, absent):
    folder = tmp_path_factory.mktemp("any")
    check(indexed(folder, leaves), leaves, absent)


@pytest.mark.parametrize("case", sorting_cases.CASES)
def test_a_look_up_reads_few_leaves(tmp_path, case):
    """Counted, not timed: twice log2 n whoever chose the leaves, and all equal ones at once."""
    leaves = sorting_cases.CASES[case]
    found = indexed(tmp_path, leaves)
    read, leaf = [], found._tree.leaf
    found._tree.leaf = lambda number: read.append(number) or leaf(number)
    most = 2 * math.log2(len(leaves) or 1) + 6
    for wanted in {*leaves[:50], *sorting_cases.hashes(20), *map(min, map(near, leaves[:20]))}:
        read.clear()
        equal = found.find(wanted)
        assert len(equal) == leaves.count(wanted)
        assert len(read) <= (20 if case == "random" else most)
        next(iter(equal), None)
        assert len(read) <= most + 1


# --- damage of the index ------------------------------------------------------------------------


@pytest.fixture
def two_pages(tmp_path):
    """Leaves, some equal, their tree, and the path of an index of more pages than one."""
    leaves = sorting_cases.hashes(2100, kinds=1700)
    found = indexed(tmp_path, leaves)
    path = tmp_path / "index"
    assert path.stat().st_size > 4096 + 32
    return leaves, found._tree, path


def answer(tree, path, leaf):
    """All that is found; None where the index is refused."""
    try:
        return list(LeafIndex.open(path, tree).find(leaf))
    except IndexUnusableError:
        return None


def refused(tree, path, leaves):
    """How many of so many look-ups refuse the index. No other may be wrong."""
    places = defaultdict(list)
    for number, leaf in enumerate(leaves):
        places[leaf].append(number)
    count = 0
    for wanted in [*leaves[::40], *sorting_cases.hashes(20), *near(leaves[3])]:
        found = answer(tree, path, wanted)
        assert found in (None, places[wanted])
        count += found is None
    return count


def test_a_flipped_bit_is_found_by_whoever_reads_its_page(two_pages):
    leaves, tree, path = two_pages
    data = path.read_bytes()
    source = random.Random(1)
    assert refused(tree, path, leaves) == 0
    for at in (0, 1, 4063, 4064, 4095, 4096, len(data) - 33, len(data) - 32, len(data) - 1):
        flipped = bytearray(data)
        flipped[at] ^= 1 << source.randrange(8)
        path.write_bytes(flipped)
        assert refused(tree, path, leaves) > 0


def test_every_bit_of_a_small_index(tmp_path):
    leaves = sorting_cases.hashes(5)
    tree = indexed(tmp_path, leaves)._tree
    path = tmp_path / "index"
    data = path.read_bytes()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert [answer(tree, path, leaf) for leaf in (*leaves, bytes(32))] == [None] * 6


def test_an_index_that_is_cut_or_grown(two_pages):
    leaves, tree, path = two_pages
    data = path.read_bytes()
    for length in (0, 1, 31, 32, 4095, 4096, 4097, len(data) - 1, len(data) - 32):
        path.write_bytes(data[:length])
        assert answer(tree, path, leaves[0]) is None
    path.write_bytes(data + b"\0")
    assert answer(tree, path, leaves[0]) is None
    path.write_bytes(data[:-4096] + bytes(4096))  # as a crash may leave it
    assert refused(tree, path, leaves) > 0
    path.unlink()
    assert answer(tree, path, leaves[0]) is None
    path.mkdir()
    assert answer(tree, path, leaves[0]) is None


def test_pages_of_another_place_or_tree(two_pages, tmp_path):
    leaves, tree, path = two_pages
    data = path.read_bytes()
    path.write_bytes(data[4096:8192] + data[:4096] + data[8192:])
    assert refused(tree, path, leaves) == len(leaves[::40]) + 22
    other = tree_of([*leaves[1:], leaves[0]])
    write_index(other, tmp_path, path)
    assert refused(tree, path, leaves) == len(leaves[::40]) + 22
    assert answer(other, path, leaves[0]) == [n - 1 for n in answer_of(leaves, leaves[0])[1:]] + [
        other.size - 1
    ]


def answer_of(leaves, wanted):
    return [number for number, leaf in enumerate(leaves) if leaf == wanted]


def test_a_tree_of_the_same_root_has_another_index(tmp_path):
    """Somebody names the root of a tree as a leaf hash."""
    leaves = sorting_cases.hashes(2)
    tree, one = tree_of(leaves), tree_of([tree_of(leaves).root])
    assert tree.root == one.root
    write_index(one, tmp_path, tmp_path / "index")
    data = (tmp_path / "index").read_bytes()
    assert answer(one, tmp_path / "index", one.root) == [0]
    (tmp_path / "index").write_bytes(data[:1] * 3 + data[2:])
    assert answer(tree, tmp_path / "index", leaves[0]) is None


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([3, 0, 1, 3], "leads out of the tree"),  # a leaf that there is not
        ([0, 1, 2, 4], "leads out of the tree"),  # more leaves than there are
    ],
)
def test_a_sealed_index_that_leads_nowhere(tmp_path, numbers, said):
    tree = tree_of([bytes(32)] * 3)
    page = bytes(numbers)
    (tmp_path / "index").write_bytes(page + index._Form(3, tree.root).seal(0, page))
    with pytest.raises(IndexUnusableError, match=said):
        list(LeafIndex.open(tmp_path / "index", tree).find(bytes(32)))


# --- damage of the tree -------------------------------------------------------------------------


def test_a_damaged_tree_never_hides_a_leaf(tmp_path):
    """Whichever bit of a leaf or a node is flipped, what is found is so, or it is an error."""
    leaves = sorting_cases.hashes(20, kinds=15)
    path = tmp_path / "tree"
    with TreeWriter(tmp_path) as writer:
        writer.extend(b"".join(leaves))
        write_index(writer.finish(), tmp_path, tmp_path / "index")
        writer.keep(path)
    data, root, source = path.read_bytes(), tree_of(leaves).root, random.Random(2)
    told = 0
    for hash_at in range(0, len(data), 32):
        damaged = bytearray(data)
        damaged[hash_at + source.randrange(32)] ^= 1 << source.randrange(8)
        path.write_bytes(damaged)
        tree = Tree.open(path)
        if tree.root != root:
            continue  # whoever opens it knows the root
        for wanted in {*leaves, *(absent for leaf in leaves for absent in near(leaf))}:
            try:
                found = list(LeafIndex.open(tmp_path / "index", tree).find(wanted))
            except LedgerError:
                told += 1
            else:
                assert found == answer_of(leaves, wanted)
        if hash_at < 32 * len(leaves):
            with pytest.raises(LedgerError):
                tree.check_leaves()
    assert told > len(leaves)


def test_an_equal_leaf_that_is_damaged_is_named(tmp_path):
    leaves = [bytes(32)] * 9
    found = indexed(tmp_path, leaves)
    equal = found.find(bytes(32))
    found._tree = tree_of([*leaves[:5], b"\1" * 32, *leaves[6:]])
    with pytest.raises(LedgerError, match="leaf 5 is damaged in the tree file"):
        list(equal)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100, 2**15 - 1, 2**15, 2**15 + 1])
def test_leaves_are_held_against_the_root(size):
    leaves = bytearray(random.Random(size).randbytes(32 * size))
    tree = Tree.from_leaf_hashes(bytes(leaves))
    tree.check_leaves()
    for at in {0, len(leaves) // 2, len(leaves) - 1} if size else ():
        leaves[at] ^= 1
        tree._leaves = bytes(leaves)
        if size > 1:  # the root of one leaf is itself
            with pytest.raises(LedgerError, match="are not those of its root"):
                tree.check_leaves()
        leaves[at] ^= 1


@pytest.mark.parametrize("size", [0, 1, 5, 1100, 2100])
def test_a_whole_check_finds_every_change(tmp_path, size):
    """A change in whatever page, and one that has the right seal."""
    tree = indexed(tmp_path, sorting_cases.hashes(size, kinds=1700))._tree
    path = tmp_path / "index"
    data = path.read_bytes()
    check_index(tree, tmp_path, path)
    flips = range(len(data)) if size < 10 else {0, 1, 4063, 4095, 4096, len(data) - 1}
    for at in sorted(set(flips) & set(range(len(data)))):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        with pytest.raises(IndexUnusableError, match=f"page {at // 4096} of the index is damaged"):
            check_index(tree, tmp_path, path)
    for length in {0, len(data) // 2, len(data) - 1} if data else ():
        path.write_bytes(data[:length])
        with pytest.raises(IndexUnusableError, match=f"page {length // 4096} of the index"):
            check_index(tree, tmp_path, path)
    path.write_bytes(data + b"\0")
    with pytest.raises(IndexUnusableError, match="longer than its tree needs"):
        check_index(tree, tmp_path, path)
    path.unlink()
    with pytest.raises(IndexUnusableError, match="cannot be read: No such file"):
        check_index(tree, tmp_path, path)
    assert list(tmp_path.iterdir()) == []


def test_a_whole_check_in_several_sections(tmp_path, monkeypatch):
    monkeypatch.setattr(sorting, "_RUN", 1 << 10)
    leaves = sorting_cases.hashes(5000)
    tree = indexed(tmp_path, leaves)._tree
    path = tmp_path / "index"
    check_index(tree, tmp_path, path)
    data = bytearray(path.read_bytes())
    data[9000] ^= 1
    path.write_bytes(data)
    with pytest.raises(IndexUnusableError, match="page 2 of the index is damaged"):
        check_index(tree, tmp_path, path)
    assert [found.name for found in tmp_path.iterdir()] == ["index"]


# --- writing it ---------------------------------------------------------------------------------


def run(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


PREPARED = """
import random, resource, sys
from pathlib import Path
from provenance.errors import LedgerError
from provenance.merkle import Tree, sorting
from provenance.merkle.index import write_index

folder, argument = Path(sys.argv[1]), int(sys.argv[2])
tree = Tree.from_leaf_hashes(random.Random(7).randbytes(32 * 5000))
sorting._RUN, sorting._SAMPLED = 1 << 10, 1 << 5  # with a spare file
"""

FULL_DISK = f"""{PREPARED}
resource.setrlimit(resource.RLIMIT_FSIZE, (argument, argument))
try:
    write_index(tree, folder, folder / "index")
except LedgerError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [0, 4096, 10_000, 30_000, 100_000, 34 * 5000 - 1])
def test_no_room_is_a_clear_error_and_leaves_nothing(tmp_path, limit):
    process = run(FULL_DISK, tmp_path, limit)
    output, _ = process.communicate()
    assert process.returncode == 0
    assert output == f"an index in {tmp_path} cannot be written: File too large\n"
    assert list(tmp_path.iterdir()) == []


ENDLESS = f"""{PREPARED}
print("ready", flush=True)
while True:
    write_index(tree, folder, folder / "index")
    (folder / "index").unlink()
"""


def test_a_killed_writer_leaves_a_whole_index_or_none(tmp_path):
    leaves = random.Random(7).randbytes(32 * 5000)
    tree = Tree.from_leaf_hashes(leaves)
    spare = 0
    for _ in range(10):
        process = run(ENDLESS, tmp_path, 0)
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for path in tmp_path.iterdir():
            if path.name == "index":
                found = LeafIndex.open(path, tree)
                assert all(list(found.find(tree.leaf(n))) == [n] for n in range(0, 5000, 50))
            else:
                assert path.name.startswith(".building-")
                spare += 1
            path.unlink()
    assert spare, "no writer was killed at work: this test shows nothing"


def test_it_replaces_what_was_there(tmp_path):
    (tmp_path / "index").write_bytes(b"something else")
    leaves = sorting_cases.hashes(10)
    check(indexed(tmp_path, leaves), leaves)


def test_hashes_of_equal_distance_are_told_apart(tmp_path):
    """One for each value of the first bits, and of twice as many: no stretch is off by one."""
    step = 2**256 >> 10
    leaves = [(number * step).to_bytes(32) for number in range(1 << 10)]
    check(indexed(tmp_path, leaves), leaves)
