"""What leaves and records must come to when they are sorted, against `sorted`.

Imports nothing but the standard library: it also runs where the sanitizers watch.
"""

import random

SOURCE = random.Random(4096)


def hashes(count, shared=0, kinds=None):
    """So many hashes that share their first bytes; of so many kinds, where that is given."""
    front = SOURCE.randbytes(shared)
    made = [front + SOURCE.randbytes(32 - shared) for _ in range(kinds or count)]
    return SOURCE.choices(made, k=count) if kinds else made


def mostly_equal(count):
    """Of ten leaves nine are equal, and the others anywhere between."""
    return [bytes(32) if SOURCE.random() < 0.9 else SOURCE.randbytes(32) for _ in range(count)]


# Whom a sort could hurt: keys in few buckets or in all, equal ones, what is in order already.
CASES = {
    "none": [],
    "one": hashes(1),
    "two": sorted(hashes(2), reverse=True),
    "random": hashes(3000),
    "in order": sorted(hashes(1000)),
    "in reverse": sorted(hashes(1000), reverse=True),
    "equal": [b"\xff" * 32] * 1000,
    "mostly equal": mostly_equal(2000),
    "few kinds": hashes(2000, kinds=7),
    "least and greatest": [bytes(32), b"\xff" * 32, bytes(31) + b"\1", b"\x80" + bytes(31)] * 3,
    **{f"first {shared} bytes shared": hashes(700, shared) for shared in (1, 7, 8, 9, 31)},
    "shared by half": [*hashes(500, 24), *hashes(500)],
}


def check_leaves(sorted_leaves, leaves, first, width):
    records = [leaf + number.to_bytes(width, "big") for number, leaf in enumerate(leaves, first)]
    assert sorted_leaves(b"".join(leaves), first, width) == b"".join(sorted(records))


def check_records(sorted_records, records, size):
    cut = [(record * 2)[:size] for record in records]
    assert sorted_records(b"".join(cut), size) == b"".join(sorted(cut))


def check_all(sorted_leaves, sorted_records):
    for leaves in CASES.values():
        for first, width in ((0, 2), (0, 8), (2**32 - 1, 5), (2**53 - 4000, 7)):
            check_leaves(sorted_leaves, leaves, first, width)
        for size in (8, 9, 33, 36, 40):
            check_records(sorted_records, leaves, size)
