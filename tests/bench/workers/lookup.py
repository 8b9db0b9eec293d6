"""python lookup.py TREE COUNT: records looked up by their leaf hashes, through the index of a tree.

Each look-up opens both files, as a ledger does for each proof.
"""

import json
import random
import sys
import time
from pathlib import Path

from provenance.merkle import Tree, check_inclusion
from provenance.merkle.index import LeafIndex


def main(path, count):
    size, source = Tree.open(path).size, random.Random(5)
    indices = [source.randrange(size) for _ in range(count)]
    there = [Tree.open(path).leaf(index) for index in indices]
    absent = [source.randbytes(32) for _ in range(count)]

    def find(leaf_hash):
        tree = Tree.open(path)
        return tree, list(LeafIndex.open(path.with_suffix(".index"), tree).find(leaf_hash))

    def prove(leaf_hash):
        tree, (index,) = find(leaf_hash)
        return tree.root, tree.prove(index)

    def timed(work, leaf_hashes):
        begin = time.perf_counter()
        done = [work(leaf_hash) for leaf_hash in leaf_hashes]
        return done, [count, time.perf_counter() - begin]

    parts = {}
    found, parts["a record that is there"] = timed(find, there)
    missed, parts["a record that is not"] = timed(find, absent)
    proven, parts["a record and its proof"] = timed(prove, there)
    if [places for _, places in found] != [[index] for index in indices]:
        raise ValueError("a record was not found, or not alone")
    if any(places for _, places in missed):
        raise ValueError("a record was found that is not there")
    for leaf_hash, (root, proof) in zip(there, proven, strict=True):
        check_inclusion(
            leaf_hash=leaf_hash, index=proof.index, size=size, path=proof.path, root=root
        )
    print(json.dumps({"parts": parts}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
