"""What every kernel must give the same bytes for, against `hashlib`, message by message.

Imports nothing but the standard library, and the text of RFC 9162: it also runs where the
sanitizers watch.
"""

import random
from array import array
from hashlib import sha256
from itertools import accumulate, pairwise

import rfc9162

NOISE = random.Random(6962).randbytes(1 << 21)

# Every length up to a few blocks, and one byte either side of where a block or its padding ends.
SHORT = list(range(301))
EDGES = sorted({64 * n + d for n in (*range(1, 40), 255, 256) for d in (-10, -9, -8, -1, 0, 1)})
CASES = {
    "none": [],
    "empty": [0],
    "many empty": [0] * 37,
    "short": SHORT,
    "short, falling": SHORT[::-1],
    "edges": EDGES,
    "edges, mixed": random.Random(1).sample(EDGES * 3, len(EDGES) * 3),
    "equal": [200] * 100,
    "chunks": [20_000] * 17 + [19_999],
    "one long": [700_001],
    "long first": [300_001, *[40] * 200],
    "long last": [*[40] * 200, 300_001],
    "few long": [100_000, 150_001, 200_003, 0, 64],
    **{f"{n} messages": [191] * n for n in range(1, 36)},
}


def bounds(sizes, start=0):
    """The offsets of consecutive regions of these sizes, the first at `start`."""
    return array("Q", accumulate(sizes, initial=start))


def expected(data, offsets, prefix=b""):
    return b"".join(sha256(prefix + data[begin:end]).digest() for begin, end in pairwise(offsets))


def check_regions(kernel, sizes, start=0):
    """As plain digests and as leaves; in a buffer that is not longer than it must be."""
    offsets = bounds(sizes, start)
    data = (NOISE * (offsets[-1] // len(NOISE) + 1))[: offsets[-1]]
    assert kernel.digests(data, offsets) == expected(data, offsets)
    assert kernel.leaf_hashes(data, offsets) == expected(data, offsets, b"\0")


def check_level(kernel, size, start=0):
    """A level, and all above it, from an address that may be odd."""
    level = memoryview(NOISE)[start : start + 32 * size]
    levels = [bytes(level)]
    while len(levels[-1]) >= 64:
        below = levels[-1]
        pairs = range(0, len(below) - 32, 64)
        levels.append(b"".join(sha256(b"\1" + below[at : at + 64]).digest() for at in pairs))
    assert kernel.level_above(level) == (levels[1] if size > 1 else b"")
    assert kernel.levels_above(level) == b"".join(levels[1:])


def check_any_address(kernel):
    for start in range(1, 65):
        check_regions(kernel, SHORT[:150], start)
        check_level(kernel, 67, start)


def check_levels(kernel):
    """Odd counts at any height; the native kernels go up 12 levels with 4,096 nodes at a time."""
    for size in (*range(140), 4095, 4096, 4097, 8191, 8192, 8193, 12_345):
        check_level(kernel, size)


def tree(size):
    """The levels of a tree that hold complete subtrees, and what the last ones come to."""
    levels = [
        b"".join(rfc9162.mth(i << up, (i + 1) << up) for i in range(size >> up))
        for up in range(size.bit_length())
    ]
    ups = range((size - 1).bit_length() if size else 0)
    last = b"".join(rfc9162.mth((size - 1 >> up) << up, size) for up in ups)
    return levels, last


def check_proofs(kernel, size, times=1):
    """Of every leaf in some order, and each several times; more than a native one does at once."""
    levels, last = tree(size)
    indices = array("Q", random.Random(size).sample(range(size), size) * times)
    wanted = b"".join(b"".join(rfc9162.path(index, 0, size)) for index in indices)
    assert kernel.paths(levels, last, indices, size) == wanted
    leaves = b"".join(rfc9162.mth(index, index + 1) for index in indices)
    assert kernel.climb(leaves, indices, size, wanted) == rfc9162.mth(0, size) * len(indices)


def check_paths(kernel):
    for size in (*range(130), 255, 256, 257):
        check_proofs(kernel, size)
    check_proofs(kernel, 300, times=5)


def check_all(kernel):
    for sizes in CASES.values():
        check_regions(kernel, sizes)
    check_any_address(kernel)
    check_levels(kernel)
    check_paths(kernel)
