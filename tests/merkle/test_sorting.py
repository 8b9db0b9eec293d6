"""Sorting leaves: with the extension and without, at once and in sections, to the same order."""

import threading
from pathlib import Path

import pytest
import sorting_cases
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import LedgerError
from provenance.merkle import Tree, bulk, sorting

WAYS = [pytest.param("", id="extension"), pytest.param("hashlib", id="python")]


@pytest.fixture
def way(request, monkeypatch):
    """Sort as the kernel says that is named."""
    kernel = bulk.kernel_named(request.param)
    if not request.param and not isinstance(kernel, bulk.Native):
        pytest.skip("the extension was not built: it does not sort here")
    monkeypatch.setattr(sorting, "kernel", lambda: kernel)


@pytest.fixture
def small_runs(monkeypatch):
    """Runs of 64 leaves, of which every 8th record can be where a section begins."""
    monkeypatch.setattr(sorting, "_RUN", 64)
    monkeypatch.setattr(sorting, "_SAMPLED", 8)


def sections(leaves, folder, width=2):
    tree = Tree.from_leaf_hashes(b"".join(leaves))
    return list(sorting.sorted_sections(tree, width, folder, "an order"))


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_leaves_and_records(way):
    sorting_cases.check_all(sorting.sorted_leaves, sorting.sorted_records)


@pytest.mark.parametrize("way", WAYS, indirect=True)
@pytest.mark.parametrize("case", sorting_cases.CASES)
def test_sections_are_one_order_and_none_is_large(way, small_runs, tmp_path, case):
    leaves = sorting_cases.CASES[case]
    found = sections(leaves, tmp_path)
    wanted = sorted(leaf + number.to_bytes(2) for number, leaf in enumerate(leaves))
    assert b"".join(found) == b"".join(wanted)
    runs = -(-len(leaves) // 64)
    assert all(len(section) <= 34 * (64 + 8 * runs) for section in found)
    assert len(found) <= runs + 1
    assert list(tmp_path.iterdir()) == []


@given(leaves=st.lists(st.sampled_from(sorting_cases.hashes(40, 30)), max_size=300))
def test_any_sections(tmp_path_factory, leaves):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "_RUN", 16)
        patch.setattr(sorting, "_SAMPLED", 4)
        found = b"".join(sections(leaves, tmp_path_factory.getbasetemp()))
    assert found == b"".join(sorted(leaf + i.to_bytes(2) for i, leaf in enumerate(leaves)))


@pytest.mark.parametrize("size", [sorting._RUN - 1, sorting._RUN, sorting._RUN + 1])
def test_about_a_real_run(tmp_path, size):
    leaves = sorting_cases.SOURCE.randbytes(32 * size)
    found = b"".join(sections([leaves], tmp_path, 3))
    records = [leaves[32 * i : 32 * i + 32] + i.to_bytes(3) for i in range(size)]
    assert found == b"".join(sorted(records))


def test_columns():
    assert sorting.columns(b"abcdeABCDE", 5, 1, 3) == b"bcBC"
    assert sorting.columns(b"", 5, 1, 3) == b""


def test_a_folder_that_is_missing_is_named(small_runs, tmp_path):
    with pytest.raises(LedgerError, match=r"an order in .*nowhere cannot be written: No such"):
        sections(sorting_cases.hashes(100), tmp_path / "nowhere")


# --- the extension ------------------------------------------------------------------------------


@pytest.fixture
def extension():
    return pytest.importorskip("provenance.native.kernel")


def test_what_the_extension_refuses(extension):
    for length in (1, 31, 33):
        with pytest.raises(ValueError, match=f"{length} bytes are not whole items of 32"):
            extension.sorted_leaves(bytes(length), 0, 4)
    for width in (-1, 0, 9):
        with pytest.raises(ValueError, match=f"a number has 1 to 8 bytes, not {width}"):
            extension.sorted_leaves(bytes(32), 0, width)
    for size in (-1, 0, 7):
        with pytest.raises(ValueError, match=f"a record has 8 bytes or more, not {size}"):
            extension.sorted_records(bytes(32), size)
    with pytest.raises(ValueError, match="32 bytes are not whole items of 36"):
        extension.sorted_records(bytes(32), 36)
    with pytest.raises(TypeError):
        extension.sorted_leaves("text", 0, 4)
    with pytest.raises(BufferError):
        extension.sorted_records(memoryview(bytes(64))[::2], 8)


def test_threads_sort_at_once(extension):
    leaves = b"".join(sorting_cases.CASES["random"])
    wanted = extension.sorted_leaves(leaves, 0, 4)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(extension.sorted_leaves(leaves, 0, 4)))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 16


WATCHED = """
import sorting_cases

sorting_cases.check_all(extension.sorted_leaves, extension.sorted_records)
for call in (
    lambda: extension.sorted_leaves(bytes(33), 0, 4),
    lambda: extension.sorted_leaves(bytes(32), 0, 9),
    lambda: extension.sorted_records(bytes(32), 7),
):
    try:
        call()
    except ValueError:
        continue
    raise SystemExit("that was not refused")
print("sorted")
"""


def test_the_sanitizers_find_nothing_in_sorting(watched):
    assert watched.run(WATCHED, Path(__file__).parent) == "sorted\n"
