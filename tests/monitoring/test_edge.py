"""The right edge of a tree, held against every tile of the tree, hashed by the book."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from static_log import entry, leaf, tile_files, tree_head

from provenance.errors import MalformedError
from provenance.monitoring.edge import RightEdge

LEAVES = [leaf(entry(number)) for number in range(70_000)]


def right_tiles(files: dict[str, bytes]) -> list[bytes]:
    """The partial tile of each level."""
    found = {int(path.split("/")[1]): data for path, data in files.items() if ".p/" in path}
    return [found.get(level, b"") for level in range(max(found, default=-1) + 1)]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 255, 256, 257, 511, 512, 513, 65_535, 65_536])
def test_it_holds_the_partial_tiles_and_the_root(size: int) -> None:
    edge = RightEdge()
    edge.append(b"".join(LEAVES[:size]))
    files = tile_files(LEAVES[:size])
    held = list(edge.levels)
    while held and not held[-1]:
        held.pop()
    assert (edge.size, held) == (size, right_tiles(files))
    assert edge.root() == tree_head(LEAVES[:size])


@settings(max_examples=25)
@given(st.lists(st.integers(0, 700), max_size=6))
def test_however_it_grows_it_is_the_same(steps: list[int]) -> None:
    edge, size, full = RightEdge(), 0, {}
    for step in steps:
        before = edge.copy()
        for tile in edge.append(b"".join(LEAVES[size : size + step])):
            full[f"tile/{tile.level}/{tile.index:03}"] = tile.hashes
        assert before.size == size
        size += step
        assert edge.size == size
    assert edge.root() == tree_head(LEAVES[:size])
    files = tile_files(LEAVES[:size])
    assert full == {path: data for path, data in files.items() if ".p/" not in path}
    assert RightEdge(edge.levels).root() == edge.root()


def test_two_levels_fill_at_once() -> None:
    edge = RightEdge()
    edge.append(b"".join(LEAVES[:65_535]))
    assert [(tile.level, tile.index) for tile in edge.append(LEAVES[65_535])] == [(0, 255), (1, 0)]
    assert edge.size == 65_536


@pytest.mark.parametrize("level", [b"x", bytes(33), bytes(256 * 32)])
def test_what_is_no_edge_is_refused(level: bytes) -> None:
    with pytest.raises(MalformedError):
        RightEdge([level])
    if len(level) % 32:
        with pytest.raises(ValueError, match="not whole hashes"):
            RightEdge().append(level)
