"""Tree files: equal to trees in memory, whole or absent, whatever their size or end."""

import random
import signal
import subprocess
import sys
import time
from hashlib import sha256

import pytest
import rfc9162
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import LedgerError
from provenance.merkle import Tree, TreeWriter, trees

BLOCK_LEAVES = 1 << trees._BLOCK_LEVELS


def written(folder, leaf_hashes, step=None):
    path = folder / "tree"
    with TreeWriter(folder) as writer:
        for at in range(0, len(leaf_hashes), step or len(leaf_hashes) or 1):
            writer.extend(leaf_hashes[at : at + (step or len(leaf_hashes))])
        finished = writer.finish()
        assert not path.exists()
        writer.keep(path)
    assert names(folder) == ["tree"]
    return finished, Tree.open(path)


def names(folder):
    return [path.name for path in folder.iterdir()]


def layout(size):
    """Every complete subtree, bottom up, as the RFC hashes it."""
    levels = range(size.bit_length())
    return b"".join(
        rfc9162.mth(index << level, (index + 1) << level)
        for level in levels
        for index in range(size >> level)
    )


@pytest.mark.untraced
@pytest.mark.parametrize("size", [*range(34), 63, 64, 65, 100, 255, 256, 257])
@pytest.mark.parametrize("levels", [1, 2, 3, 5, trees._BLOCK_LEVELS])
def test_a_written_tree_is_the_tree_in_memory(tmp_path, monkeypatch, size, levels):
    monkeypatch.setattr(trees, "_BLOCK_LEVELS", levels)
    hashes = rfc9162.leaf_hashes(size)
    finished, opened = written(tmp_path, hashes, step=96)
    assert (tmp_path / "tree").read_bytes() == layout(size)
    for tree in (Tree.from_leaf_hashes(hashes), finished, opened):
        assert tree.size == size
        assert tree.root == rfc9162.mth(0, size)
        assert [tree.leaf(i) for i in range(size)] == [rfc9162.mth(i, i + 1) for i in range(size)]
        for index in range(size):
            assert [*tree.prove(index).path] == rfc9162.path(index, 0, size)


@pytest.mark.parametrize("size", [*range(10), 33, 100, 257])
@pytest.mark.parametrize("levels", [1, 3, trees._BLOCK_LEVELS])
def test_every_stored_hash_is_held_against_the_two_below(tmp_path, monkeypatch, size, levels):
    monkeypatch.setattr(trees, "_BLOCK_LEVELS", levels)
    hashes = rfc9162.leaf_hashes(size)
    written(tmp_path, hashes)[1].check()
    Tree.from_leaf_hashes(hashes).check()
    path = tmp_path / "tree"
    data = path.read_bytes()
    places = range(0, len(data), 32 if size < 34 else 32 * 7)
    for number, at in enumerate(places):
        at += number % 32
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << number % 8]) + data[at + 1 :])
        tree = Tree.open(path)
        last_of_an_odd_level = at // 32 == size - 1 and size % 2
        if last_of_an_odd_level:  # no stored hash is above it: that shows the root
            tree.check()
            assert tree.root != rfc9162.mth(0, size)
        else:
            with pytest.raises(LedgerError, match="is not that of the two below it"):
                tree.check()


def test_damage_far_inside_a_large_tree_is_named(tmp_path):
    leaves = random.Random(5).randbytes(32 * (2 * BLOCK_LEAVES + 3))
    written(tmp_path, leaves)
    path = tmp_path / "tree"
    data = bytearray(path.read_bytes())
    at = len(leaves) + 32 * 1000
    data[at + 31] ^= 1
    path.write_bytes(data)
    with pytest.raises(LedgerError, match=f"the hash at byte {at} of the tree file"):
        Tree.open(path).check()


@pytest.mark.parametrize(
    "size", [BLOCK_LEAVES - 1, BLOCK_LEAVES, BLOCK_LEAVES + 1, 2 * BLOCK_LEAVES + 3]
)
def test_odd_sizes_about_the_real_block(tmp_path, size):
    level = [sha256(i.to_bytes(4)).digest() for i in range(size)]
    _, tree = written(tmp_path, b"".join(level), step=32 * 1000)
    while len(level) > 1:  # a last one without a partner rises as it is: the same tree
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [sha256(b"\1" + b"".join(p)).digest() if len(p) == 2 else p[0] for p in pairs]
    assert tree.root == level[0]


@given(st.integers(0, 300), st.data())
def test_find_yields_every_place_of_a_leaf(size, data):
    alphabet = [bytes(32), b"\0" * 31 + b"\1", b"\1" + b"\0" * 31, sha256(b"x").digest()]
    leaves = data.draw(st.lists(st.sampled_from(alphabet), min_size=size, max_size=size))
    tree = Tree.from_leaf_hashes(b"".join(leaves))
    for wanted in (*alphabet, tree.root):
        assert [*tree.find(wanted)] == [i for i, leaf in enumerate(leaves) if leaf == wanted]


@pytest.mark.parametrize("size", range(12))
def test_a_tree_holds_nothing_beyond_its_subtrees(size):
    """An inner node lies right behind the last leaf, and must not answer for leaf `size`."""
    tree = Tree.from_leaf_hashes(rfc9162.leaf_hashes(size))
    for index in (-1, size, size + 1):
        with pytest.raises(IndexError, match=f"no subtree {index} at level 0 in a tree of {size}"):
            tree.leaf(index)
    for level in range(-1, 6):
        for index in range(-1, size + 2):
            if level >= 0 and index >= 0 and (index + 1) << level <= size:
                assert tree.node(level, index) == rfc9162.mth(index << level, index + 1 << level)
            else:
                with pytest.raises(IndexError):
                    tree.node(level, index)


def test_hashes_cut_in_the_middle_are_refused(tmp_path):
    with pytest.raises(ValueError, match="33 bytes are not whole hashes"):
        Tree.from_leaf_hashes(bytes(33))
    with TreeWriter(tmp_path) as writer, pytest.raises(ValueError, match="31 bytes are not whole"):
        writer.extend(bytes(31))


# --- damage -----------------------------------------------------------------------------------


def test_a_file_opens_only_at_a_length_that_some_tree_has(tmp_path):
    path = tmp_path / "tree"
    sizes = {len(layout(size)): size for size in range(300)}
    assert len(sizes) == 300
    data = layout(299)
    for length in (*range(200), *(length + d for length in sizes for d in (-32, -1, 0, 1, 32))):
        if not 0 <= length <= len(data):
            continue
        path.write_bytes(data[:length])
        if length in sizes:
            assert Tree.open(path).size == sizes[length]
        else:
            with pytest.raises(LedgerError, match=f"tree has {length:,} bytes, which no tree"):
                Tree.open(path)


@given(st.integers(0, 2**53 - 1))
def test_the_length_gives_the_size_back(size):
    length = 32 * (2 * size - size.bit_count())
    assert trees._size_of_length(length, "tree") == size


def test_a_file_that_is_not_there_or_is_none(tmp_path):
    with pytest.raises(LedgerError, match="is missing"):
        Tree.open(tmp_path / "tree")
    with pytest.raises(LedgerError, match=r"cannot be read: Is a directory"):
        Tree.open(tmp_path)


def test_a_writer_that_is_left_leaves_nothing(tmp_path):
    with TreeWriter(tmp_path) as writer:
        writer.extend(bytes(64))
        assert len(names(tmp_path)) == 1
    assert names(tmp_path) == []


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(LedgerError, match=r"a tree file in .*nowhere cannot be written: No such"):
        TreeWriter(tmp_path / "nowhere")
    with TreeWriter(tmp_path) as writer:
        writer.finish()
        with pytest.raises(LedgerError, match="cannot be written: No such"):
            writer.keep(tmp_path / "nowhere" / "tree")
    assert names(tmp_path) == []


def run(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


FULL_DISK = """
import resource, sys
from pathlib import Path
from provenance.errors import LedgerError
from provenance.merkle import TreeWriter

folder, leaves, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    with TreeWriter(folder) as writer:
        for _ in range(leaves):
            writer.extend(bytes(32))
        writer.finish()
        writer.keep(folder / "tree")
except LedgerError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [0, 1000, 32 * 5000, 32 * 5001, 32 * 9000])
def test_no_room_is_a_clear_error_and_leaves_nothing(tmp_path, limit):
    """The kernel refuses to let the file grow, as on a full disk: at leaves, or at levels."""
    process = run(FULL_DISK, tmp_path, 5000, limit)
    output, _ = process.communicate()
    assert process.returncode == 0
    assert output == f"a tree file in {tmp_path} cannot be written: File too large\n"
    assert names(tmp_path) == []


ENDLESS = """
import sys
from pathlib import Path
from provenance.merkle import TreeWriter

folder, leaves = Path(sys.argv[1]), sys.argv[2].encode()
print("ready", flush=True)
while True:
    with TreeWriter(folder) as writer:
        for _ in range(64):
            writer.extend(bytes.fromhex(leaves.decode()) * 50)
        writer.finish()
        writer.keep(folder / "tree")
    (folder / "tree").unlink()
"""


def test_a_killed_writer_leaves_a_whole_file_or_none(tmp_path):
    leaf = sha256(b"leaf").digest()
    expected = Tree.from_leaf_hashes(leaf * 3200)
    for _ in range(10):
        process = run(ENDLESS, tmp_path, leaf.hex())
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for path in tmp_path.iterdir():
            if path.name == "tree":
                tree = Tree.open(path)
                assert (tree.size, tree.root) == (expected.size, expected.root)
            else:
                assert path.name.startswith(".building-")
            path.unlink()
