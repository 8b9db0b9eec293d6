"""Tiles, held against the text of C2SP tlog-tiles and against whole trees."""

import random
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import MalformedError
from provenance.log.tiles import (
    ENTRIES,
    TilePath,
    format_entries,
    node_from_tiles,
    parse_entries,
    tile_width,
)
from provenance.merkle import Tree, prove_consistency, prove_inclusion
from provenance.merkle.proofs import range_root

# --- paths ------------------------------------------------------------------------------------

# "<L> MUST be a decimal ASCII integer between 0 and 63, with no additional leading zeroes. <N> …
# encoded into zero-padded 3-digit path elements. All but the last path element MUST begin with an
# x. For example, index 1234067 will be encoded as x001/x234/067. … <W> is … between 1 and 255."
PATHS = {
    (0, 0, 256): "tile/0/000",
    (0, 7, 256): "tile/0/007",
    (0, 999, 256): "tile/0/999",
    (0, 1_000, 256): "tile/0/x001/000",
    (0, 1_234_067, 256): "tile/0/x001/x234/067",
    (0, 999_999, 256): "tile/0/x999/999",
    (0, 1_000_000, 256): "tile/0/x001/x000/000",
    (1, 0, 5): "tile/1/000.p/5",
    (63, 1_234_067, 255): "tile/63/x001/x234/067.p/255",
    (ENTRIES, 0, 12): "tile/entries/000.p/12",
    (ENTRIES, 1_234_067, 256): "tile/entries/x001/x234/067",
}


@pytest.mark.parametrize(("parts", "path"), PATHS.items(), ids=PATHS.values())
def test_paths_of_the_standard(parts, path):
    assert str(TilePath(*parts)) == path
    assert TilePath.parse(path) == TilePath(*parts)


levels = st.one_of(st.integers(0, 63), st.just(ENTRIES))


@given(levels, st.integers(0, 2**53), st.integers(1, 256))
def test_paths_read_back(level, index, width):
    path = TilePath(level, index, width)
    assert TilePath.parse(str(path)) == path


@given(levels, st.integers(0, 2**45))
def test_paths_by_another_way_of_counting(level, index):
    groups = []
    while index or not groups:
        index, group = divmod(index, 1000)
        groups.insert(0, f"{group:03d}")
    path = "/".join(["tile", str(level), *("x" + group for group in groups[:-1]), groups[-1]])
    assert str(TilePath.parse(path)) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/x001/x000",
        "tile/0/001/000",
        "tile/0/x01/000",
        "tile/0/X001/000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/999",
        "tile/0/000.p/05",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000/",
        "tile/0/000\n",
        "/tile/0/000",
        "tile/0/../0/000",
        "tile/0/٠٠٠",
        "tile/8/0/000",
        "tile/0/" + "x001/" * 6 + "000",
        "tile/0/" + "x001/" * 2000 + "000",
    ],
)
def test_there_is_one_path_for_a_tile(path):
    with pytest.raises(MalformedError, match="not the path of a tile"):
        TilePath.parse(path)


@given(st.text("tile/0123.px-entries", max_size=25))
def test_any_text_is_a_path_in_one_form_or_none(text):
    try:
        path = TilePath.parse("tile/" + text)
    except MalformedError:
        return
    assert str(path) == "tile/" + text


# --- widths -----------------------------------------------------------------------------------


def test_the_example_of_the_standard():
    """ "a tree of size 70,000 will be represented by 273 full level 0 tiles, one partial level 0
    tile of width 112, one full level 1 tile, one partial level 1 tile of width 17, and one partial
    level 2 tile of width 1. … a tree of size 256 … a full level 0 tile and a partial level 1 tile
    of width 1." """

    def widths(level, size):
        held = [tile_width(level, index, size) for index in range(300)]
        return held[: held.index(0)]

    assert widths(0, 70_000) == [256] * 273 + [112]
    assert widths(1, 70_000) == [256, 17]
    assert widths(2, 70_000) == [1]
    assert widths(3, 70_000) == []
    assert (widths(0, 256), widths(1, 256), widths(2, 256)) == ([256], [1], [])
    assert widths(0, 0) == []


@given(st.integers(0, 3), st.integers(0, 2**40))
def test_widths_by_the_formula_of_the_standard(level, size):
    """ "… for a tree of size s has floor(s / 256**l) mod 256 entries." """
    hashes = size // 256**level
    full, partial = divmod(hashes, 256)
    assert tile_width(level, full, size) == partial
    assert tile_width(level, full + 1, size) == 0
    if full:
        assert tile_width(level, full - 1, size) == 256


# --- nodes ------------------------------------------------------------------------------------


@cache
def tree(size):
    return Tree.from_leaf_hashes(b"".join(sha256(b"%d" % n).digest() for n in range(size)))


def tiles_of(size):
    """Cut by the standard's formula from a whole tree: hash i of tile n is node n * 256 + i."""

    def tile(level, index):
        whole = tree(size)
        width = min(256, (size >> 8 * level) - index * 256)
        assert width > 0, f"asked for tile {level}/{index} of a tree of {size}"
        return b"".join(whole.node(8 * level, index * 256 + i) for i in range(width))

    return tile


@pytest.mark.untraced
@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 512, 600])
def test_every_node_of_small_trees(size):
    node = node_from_tiles(tiles_of(size))
    for level in range(size.bit_length()):
        for index in range(size >> level):
            assert node(level, index) == tree(size).node(level, index)


@pytest.mark.untraced
@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 70_000])
def test_sampled_nodes_and_proofs_of_large_trees(size):
    node = node_from_tiles(tiles_of(size))
    chosen = random.Random(size)
    for level in range(size.bit_length()):
        held = size >> level
        for index in {0, held - 1, chosen.randrange(held), chosen.randrange(held)}:
            assert node(level, index) == tree(size).node(level, index)
    assert range_root(0, size, node) == tree(size).root
    for index in (0, 1, 255, 256, 65_534, size - 1, chosen.randrange(size)):
        assert prove_inclusion(index, size, node) == tree(size).prove(index)
        assert prove_consistency(index + 1, size, node) == tree(size).prove_consistency(index + 1)


@given(st.integers(1, 700), st.data())
def test_tiles_of_a_larger_log_give_the_nodes_of_a_smaller_one(size, data):
    """A client may be handed full tiles in place of partial ones."""
    node = node_from_tiles(tiles_of(700))
    level = data.draw(st.integers(0, size.bit_length() - 1))
    index = data.draw(st.integers(0, (size >> level) - 1))
    assert node(level, index) == tree(size).node(level, index)


@pytest.mark.parametrize("size", [5, 255, 300])
def test_a_tile_that_is_too_short_is_said_to_be(size):
    def cut(level, index):
        return tiles_of(size)(level, index)[:-1]

    last = (size - 1) % 256
    path = TilePath(0, (size - 1) // 256)
    with pytest.raises(MalformedError, match=f"tile {path} is too short"):
        node_from_tiles(cut)(0, size - 1)
    with pytest.raises(MalformedError, match="too short"):
        node_from_tiles(lambda *_: b"")(0, last)


# --- entry bundles ----------------------------------------------------------------------------


def test_an_entry_bundle_of_the_standard():
    """ "sequences of big-endian uint16 length-prefixed log entries" """
    data = b"\x00\x02ab" + b"\x00\x00" + b"\x01\x00" + bytes(256)
    assert format_entries([b"ab", b"", bytes(256)]) == data
    assert list(parse_entries(data)) == [b"ab", b"", bytes(256)]


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_entry_bundles_read_back(entries):
    assert list(parse_entries(format_entries(entries))) == entries


@given(st.binary(max_size=60))
def test_any_bytes_are_an_entry_bundle_in_one_form_or_none(data):
    try:
        entries = list(parse_entries(data))
    except MalformedError:
        return
    assert format_entries(entries) == data


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=4), st.data())
def test_a_cut_entry_bundle_is_none(entries, data):
    whole = format_entries(entries)
    ends = [len(format_entries(entries[:n])) for n in range(len(entries) + 1)]
    cut = data.draw(st.sampled_from(sorted(set(range(len(whole))) - set(ends))))
    with pytest.raises(MalformedError, match="ends within an entry"):
        list(parse_entries(whole[:cut]))


def test_the_longest_entry():
    entry = bytes(0xFFFF)
    assert list(parse_entries(format_entries([entry]))) == [entry]
