"""Every kernel gives the bytes that `hashlib` gives, and reads nothing but what it was given."""

import importlib
import mmap
import os
import subprocess
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import kernel_cases
import pytest
import rfc9162
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import InputError
from provenance.merkle import bulk

NAMES = ("avx-512", "sha-ni", "avx2", "portable", "hashlib")
HERE = bulk.kernels()


def test_the_extension_is_there_or_the_run_says_so():
    if len(HERE) == 1:
        assert not os.environ.get("CI"), "the extension was not built"
        pytest.skip("the extension was not built: its kernels are not run")
    assert set(HERE) <= set(NAMES)
    assert HERE[-2:] == ("portable", "hashlib")


@pytest.fixture(params=NAMES, scope="module")
def kernel(request):
    if request.param not in HERE:
        why = "the processor lacks it" if len(HERE) > 1 else "the extension was not built"
        pytest.skip(f"{request.param} did not run: {why}")
    return bulk.kernel_named(request.param)


# --- the same bytes -----------------------------------------------------------------------------


@pytest.mark.parametrize("case", kernel_cases.CASES)
def test_regions(kernel, case):
    kernel_cases.check_regions(kernel, kernel_cases.CASES[case])


def test_regions_and_levels_from_any_address(kernel):
    kernel_cases.check_any_address(kernel)


def test_levels(kernel):
    kernel_cases.check_levels(kernel)


def test_paths(kernel):
    kernel_cases.check_paths(kernel)


@given(index=st.integers(0, 2**64 - 2), size=st.integers(1, 2**64 - 1))
def test_climbing_in_trees_of_any_size(kernel, index, size):
    """All leaves equal, so that every complete subtree of a level has one hash."""
    index %= size
    levels = [sha256(b"\0").digest()]
    while len(levels) < 64:
        levels.append(sha256(b"\1" + 2 * levels[-1]).digest())

    def root(size):
        if size & (size - 1) == 0:
            return levels[size.bit_length() - 1]
        k = rfc9162.split(size)
        return sha256(b"\1" + root(k) + root(size - k)).digest()

    def path(index, size):
        if size == 1:
            return b""
        k = rfc9162.split(size)
        return path(index, k) + root(size - k) if index < k else path(index - k, size - k) + root(k)

    found = kernel.climb(levels[0], array("Q", [index]), size, path(index, size))
    assert found == root(size)


lengths = st.one_of(
    st.integers(0, 300),
    st.builds(
        lambda blocks, by: max(0, 64 * blocks + by), st.integers(0, 300), st.integers(-10, 2)
    ),
)


@pytest.mark.untraced
@given(data=st.data())
def test_any_mix_of_messages(kernel, data):
    sizes = data.draw(st.lists(lengths, max_size=80))
    kernel_cases.check_regions(kernel, sizes, data.draw(st.integers(0, 100)))


@pytest.mark.untraced
@given(data=st.data())
def test_regions_need_not_begin_at_the_first(kernel, data):
    """A part of the offsets gives that part of the hashes: so blocks are shared out to threads."""
    offsets = kernel_cases.bounds(data.draw(st.lists(lengths, min_size=1, max_size=40)))
    begin = data.draw(st.integers(0, len(offsets) - 1))
    end = data.draw(st.integers(begin, len(offsets) - 1))
    whole = kernel.leaf_hashes(kernel_cases.NOISE, offsets)
    part = kernel.leaf_hashes(kernel_cases.NOISE, memoryview(offsets)[begin : end + 1])
    assert part == whole[32 * begin : 32 * end]


@pytest.mark.untraced
def test_more_than_32_bits_of_length_are_counted(kernel):
    """2^29 bytes are 2^32 bits: the upper word of the length is no longer 0."""
    size, count = 1 << 29, 11 if kernel.name == "avx-512" else 1  # fewer go to sha-ni
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS  # zeros, which take up no memory
    data = mmap.mmap(-1, size * count, flags=private, prot=mmap.PROT_READ)
    data.madvise(mmap.MADV_HUGEPAGE)  # else the time goes into its million pages
    wanted = "9acca8e8c22201155389f65abbf6bc9723edc7384ead80503839f49dcc56d767"
    offsets = array("Q", range(0, len(data) + 1, size))
    assert kernel.digests(data, offsets) == bytes.fromhex(wanted) * count


def test_threads_at_once(kernel):
    offsets = kernel_cases.bounds(kernel_cases.EDGES)
    data = kernel_cases.NOISE
    wanted = kernel_cases.expected(data, offsets, b"\0")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: kernel.leaf_hashes(data, offsets), range(40)))
    assert found == [wanted] * 40


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer(kernel, kind):
    wanted = kernel_cases.expected(b"onetwo", [0, 3, 6])
    assert kernel.digests(kind(b"onetwo"), array("Q", [0, 3, 6])) == wanted
    assert kernel.level_above(kind(bytes(64))) == kernel.levels_above(kind(bytes(64)))


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offsets",
    [
        array("Q"),
        array("Q", [0, 11]),
        array("Q", [11, 11]),
        array("Q", [3, 2]),
        array("Q", [0, 5, 4, 6]),
        array("Q", [0, 2**64 - 1]),
        array("Q", [2**64 - 1, 2]),
        array("I", [0, 1]),
        array("q", [0, 1]),
        array("d", [0, 1]),
        memoryview(bytes(16)),
    ],
    ids=lambda offsets: f"{memoryview(offsets).format}{list(offsets)}",
)
def test_offsets_that_lead_out_or_back(kernel, offsets):
    for method in (kernel.digests, kernel.leaf_hashes):
        with pytest.raises(ValueError, match="offset"):
            method(bytes(10), offsets)


@pytest.mark.parametrize("length", [1, 31, 33, 63, 95])
def test_hashes_that_are_cut(kernel, length):
    for method in (kernel.level_above, kernel.levels_above):
        with pytest.raises(ValueError, match=f"{length} bytes are not whole hashes"):
            method(bytes(length))


FIVE = kernel_cases.tree(5)
ONE = array("Q", [4])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"indices": array("Q", [5])}, "no leaf 5 in a tree of 5"),
        ({"indices": array("Q", [0, 2**64 - 1])}, f"no leaf {2**64 - 1} in a tree of 5"),
        ({"indices": array("I", [0, 1])}, "not unsigned integers of 64 bits"),
        ({"indices": array("q", [0, 1])}, "not unsigned integers of 64 bits"),
        ({"size": 4}, "no leaf 4 in a tree of 4"),
        ({"size": 8}, "3 levels are not those of the tree"),
        ({"size": 2**64 + 5}, f"no tree has {2**64 + 5} leaves"),
        ({"size": -1}, "no tree has -1 leaves"),
        ({"size": 6}, "level 0 is cut: 160 bytes"),
        ({"levels": FIVE[0][:2]}, "2 levels are not those of the tree"),
        ({"levels": [*FIVE[0], b""]}, "4 levels are not those of the tree"),
        ({"levels": [FIVE[0][0], FIVE[0][1][:-1], FIVE[0][2]]}, "level 1 is cut: 63 bytes"),
        ({"last": FIVE[1][:-32]}, "64 bytes are not one last hash a level"),
        ({"last": FIVE[1] + bytes(32)}, "128 bytes are not one last hash a level"),
    ],
    ids=str,
)
def test_paths_that_are_not_of_the_tree(kernel, change, why):
    given = {"levels": FIVE[0], "last": FIVE[1], "indices": ONE, "size": 5}
    assert len(kernel.paths(*given.values())) == 32
    with pytest.raises(ValueError, match=why):
        kernel.paths(*(given | change).values())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"indices": array("Q", [4, 5])}, "no leaf 5 in a tree of 5"),
        ({"indices": array("Q", [0])}, "32 and 32 bytes are not the hashes of 1 proofs"),
        ({"indices": array("i", [0, 1])}, "not unsigned integers of 64 bits"),
        ({"size": 2**64 + 5}, f"no tree has {2**64 + 5} leaves"),
        ({"size": -5}, "no tree has -5 leaves"),
        ({"leaves": b""}, "0 and 32 bytes are not the hashes of 1 proofs"),
        ({"leaves": bytes(31)}, "31 and 32 bytes are not"),
        ({"leaves": bytes(64)}, "64 and 32 bytes are not"),
        ({"paths": b""}, "32 and 0 bytes are not"),
        ({"paths": bytes(33)}, "32 and 33 bytes are not"),
        ({"paths": bytes(64)}, "32 and 64 bytes are not"),
    ],
    ids=str,
)
def test_climbing_with_other_hashes_than_there_should_be(kernel, change, why):
    given = {"leaves": bytes(32), "indices": ONE, "size": 5, "paths": bytes(32)}
    assert kernel.climb(*given.values()) == sha256(b"\1" + bytes(64)).digest()
    with pytest.raises(ValueError, match=why):
        kernel.climb(*(given | change).values())


def test_the_extension_takes_only_buffers_and_its_own_kernels():
    extension = pytest.importorskip("provenance.native.kernel")
    with pytest.raises(TypeError):
        extension.leaf_hashes("text", array("Q", [0, 1]))
    with pytest.raises(TypeError):
        extension.leaf_hashes(b"x", [0, 1])
    with pytest.raises(TypeError):
        extension.level_above(None)
    with pytest.raises(BufferError):
        extension.level_above(memoryview(bytes(128))[::2])
    with pytest.raises(ValueError, match="no kernel 'abacus' on this processor"):
        extension.level_above(b"", kernel="abacus")
    for levels in (5, [None] * 3, ["text"] * 3):
        with pytest.raises(TypeError):
            extension.paths(levels, FIVE[1], ONE, 5)
    with pytest.raises(TypeError):
        extension.climb(bytes(32), [4], 5, bytes(32))


# --- nothing is read outside --------------------------------------------------------------------

GUARDED = """
import ctypes, mmap, sys
from array import array
from hashlib import sha256
from provenance.merkle.bulk import kernel_named, kernels

PAGE = mmap.PAGESIZE
memory = mmap.mmap(-1, 3 * PAGE)
memory[:] = bytes(range(256)) * (3 * PAGE // 256)
address = ctypes.addressof((ctypes.c_char * len(memory)).from_buffer(memory))
protect = ctypes.CDLL(None).mprotect
for page in (0, 2):  # nobody may read what stands before and behind
    assert protect(ctypes.c_void_p(address + page * PAGE), PAGE, 0) == 0
page = memoryview(memory)[PAGE : 2 * PAGE]
if sys.argv[1:]:
    memory[PAGE - 1]
for name in kernels():
    kernel = kernel_named(name)
    for size in range(300):
        for data in (page[:size], page[PAGE - size :]):
            for regions in ([0, size], [0, *[size // 3] * 20, size]):
                ends = array("Q", regions)
                wanted = [sha256(b"\\0" + data[a:b]).digest() for a, b in zip(ends, ends[1:])]
                assert kernel.leaf_hashes(data, ends) == b"".join(wanted)
                kernel.digests(data, ends)
    for size in range(0, PAGE + 1, 32):
        assert kernel.level_above(page[:size])[:32] == kernel.levels_above(page[:size])[:32]
        kernel.level_above(page[PAGE - size :])
print(*kernels())
"""


def test_nothing_is_read_before_or_behind_the_data():
    command = [sys.executable, "-c", GUARDED]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert tuple(done.stdout.split()) == HERE
    assert subprocess.run([*command, "read outside"], capture_output=True).returncode < 0


# --- which one is used --------------------------------------------------------------------------


@pytest.fixture
def choosing():
    bulk.kernel.cache_clear()
    yield
    bulk.kernel.cache_clear()


def without_extension(monkeypatch):
    monkeypatch.setitem(sys.modules, "provenance.native.kernel", None)
    monkeypatch.delattr(importlib.import_module("provenance.native"), "kernel", raising=False)


def test_the_best_is_used(choosing, monkeypatch):
    monkeypatch.delenv("PROVENANCE_KERNEL", raising=False)
    assert bulk.kernel().name == HERE[0]


def test_without_the_extension_hashlib_is_used(choosing, monkeypatch):
    monkeypatch.delenv("PROVENANCE_KERNEL", raising=False)
    without_extension(monkeypatch)
    assert bulk.kernels() == ("hashlib",)
    assert isinstance(bulk.kernel(), bulk.Hashlib)


def test_with_an_extension_its_best_is_used(choosing, monkeypatch):
    """Whether or not one was built here: what it is asked, and that its answer is handed on."""
    monkeypatch.delenv("PROVENANCE_KERNEL", raising=False)
    asked = []

    def answer(*arguments, kernel):
        asked.append((*arguments, kernel))
        return b"answer"

    methods = dict.fromkeys(("digests", "leaf_hashes", "level_above", "levels_above"), answer)
    extension = SimpleNamespace(kernels=lambda: ("best", "good"), **methods)
    monkeypatch.setitem(sys.modules, "provenance.native.kernel", extension)
    package = importlib.import_module("provenance.native")
    monkeypatch.setattr(package, "kernel", extension, raising=False)
    assert bulk.kernels() == ("best", "good", "hashlib")
    chosen = bulk.kernel()
    assert chosen.name == "best"
    assert chosen.digests(1, 2) == chosen.leaf_hashes(3, 4) == b"answer"
    assert chosen.level_above(5) == chosen.levels_above(6) == b"answer"
    assert asked == [(1, 2, "best"), (3, 4, "best"), (5, "best"), (6, "best")]


@pytest.mark.parametrize("name", HERE)
def test_the_environment_names_one(choosing, monkeypatch, name):
    monkeypatch.setenv("PROVENANCE_KERNEL", name)
    assert bulk.kernel().name == name


def test_a_name_that_is_not_here_is_an_error(choosing, monkeypatch):
    monkeypatch.setenv("PROVENANCE_KERNEL", "abacus")
    with pytest.raises(InputError, match="PROVENANCE_KERNEL: no kernel 'abacus' here; there are "):
        bulk.kernel()


# --- under the sanitizers -----------------------------------------------------------------------

WATCHED = """
from functools import partial
from types import SimpleNamespace
import kernel_cases

METHODS = ("digests", "leaf_hashes", "level_above", "levels_above", "climb")
for name in extension.kernels():
    methods = {method: partial(getattr(extension, method), kernel=name) for method in METHODS}
    kernel_cases.check_all(SimpleNamespace(**methods, paths=extension.paths))
print(*extension.kernels())
"""


def test_the_sanitizers_find_nothing(watched):
    """They watch every case above, and the module's own code."""
    found = watched.run(WATCHED, Path(__file__).parent)
    assert set(found.split()) <= set(NAMES)
