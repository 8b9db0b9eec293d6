"""python trees.py PEER FILE COUNT: records of 200 bytes, in memory, to the root of their tree.

Each peer is given what it takes fastest, and the root of RFC 9162 where it can have it. Imports
nothing but the peer, so that it runs in the environment of each.
"""

import json
import sys
import time
from hashlib import sha256
from pathlib import Path

RECORD = 200


def provenance(data):
    """The data as it lies in memory, in blocks on every core, into a tree that can prove."""
    from array import array

    from provenance.merkle import Tree, kernel
    from provenance.merkle.parallel import in_order

    step = 1 << 14
    view = memoryview(data)
    offsets = array("Q", range(0, RECORD * step + 1, RECORD))

    def hashed(begin):
        block = view[begin : begin + RECORD * step]
        return kernel().leaf_hashes(block, offsets[: len(block) // RECORD + 1])

    leaves = b"".join(in_order(hashed, range(0, len(view), RECORD * step)))
    return Tree.from_leaf_hashes(leaves).root.hex()


def merkletools(records):
    """With the prefixes that it lacks; `add_leaf` would take each hash as hexadecimal digits."""
    from merkletools import MerkleTools

    tree = MerkleTools()
    tree.hash_function = lambda pair: sha256(b"\x01" + pair)
    tree.leaves = [sha256(b"\x00" + record).digest() for record in records]
    tree.make_tree()
    return tree.get_merkle_root()


def pymerkle(records):
    from pymerkle import InmemoryTree

    tree = InmemoryTree("sha256")
    tree.append_entries(records)
    return tree.get_root().hex()


def merkly(records):
    """It takes texts only, and has neither prefixes nor the form of RFC 9162."""
    from merkly.mtree import MerkleTree

    return MerkleTree(records, lambda left, right: sha256(left + right).digest()).root.hex()


def resident(field):
    """A line of /proc/self/status, in bytes; None where there is none."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(found[0]) * 1024 if found else None


def memory_from_here():
    """Forget the highest use of memory so far; return what is in use."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return resident("VmRSS")


def main(peer, path, count):
    with Path(path).open("rb") as file:
        data = file.read(count * RECORD)
    given = data
    if peer != "provenance":
        given = [data[at : at + RECORD] for at in range(0, len(data), RECORD)]
    if peer == "merkly":
        given = [record.hex() for record in given]
    contestants = {f.__name__: f for f in (provenance, merkletools, pymerkle, merkly)}
    before = memory_from_here()
    begin, used = time.perf_counter(), time.process_time()
    root = contestants[peer](given)
    seconds, processor = time.perf_counter() - begin, time.process_time() - used
    parts = {"": [count, seconds], "processor": [count, processor]}
    said = {"parts": parts, "root": root}
    if before is not None:
        said["memory"] = max(0, resident("VmHWM") - before) / count
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
