"""python proofs.py PEER TREE SINGLE MANY: proofs from a stored tree, and their checks.

SINGLE proofs one call each; MANY as each peer makes many. Ours reads the file, merkletools builds
its tree in memory from the same leaf hashes first, which is not timed.
"""

import json
import random
import sys
import time
from hashlib import sha256
from pathlib import Path


def provenance(path):
    from provenance.merkle import Tree, check_inclusion

    tree = Tree.open(path)
    root = tree.root

    def check(proof):
        check_inclusion(
            leaf_hash=tree.leaf(proof.index),
            index=proof.index,
            size=proof.size,
            path=proof.path,
            root=root,
        )

    return tree.size, tree.prove, check


def merkletools(path):
    from merkletools import MerkleTools

    length = path.stat().st_size
    size = length // 64
    while (2 * size - size.bit_count()) * 32 < length:
        size += 1
    with path.open("rb") as file:
        leaves = file.read(size * 32)
    tree = MerkleTools()
    tree.hash_function = lambda pair: sha256(b"\x01" + pair)
    tree.leaves = [leaves[at : at + 32] for at in range(0, len(leaves), 32)]
    tree.make_tree()
    root = tree.get_merkle_root()

    def prove(index):
        return tree.get_leaf(index), tree.get_proof(index)

    def check(proof):
        leaf, path = proof
        if not tree.validate_proof(path, leaf, root):
            raise ValueError("a true proof was refused")

    return size, prove, check


def timed(work, items):
    begin = time.perf_counter()
    done = [work(item) for item in items]
    return done, [len(items), time.perf_counter() - begin]


def main(peer, path, single, many):
    size, prove, check = {"provenance": provenance, "merkletools": merkletools}[peer](Path(path))
    source = random.Random(2)
    for _ in range(100):
        check(prove(source.randrange(size)))
    parts = {}
    for name, count in (("one proof", single), ("many proofs", many)):
        proofs, parts[name] = timed(prove, [source.randrange(size) for _ in range(count)])
        _, parts[f"{name}, checked"] = timed(check, proofs)
    print(json.dumps({"parts": parts}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
