"""python proofs.py PEER TREE SINGLE MANY: proofs from a stored tree, and their checks.

SINGLE proofs one call each; MANY as each peer makes many: ours in one call, leaf hashes with them.
Ours reads the file, merkletools builds its tree in memory from the same leaf hashes first, which is
not timed.
"""

import json
import random
import sys
import time
from hashlib import sha256
from pathlib import Path


class Provenance:
    def __init__(self, path):
        from provenance import merkle

        self.merkle, self.tree = merkle, merkle.Tree.open(path)
        self.size, self.root = self.tree.size, self.tree.root

    def prove(self, index):
        return self.tree.leaf(index), self.tree.prove(index)

    def check(self, proven):
        leaf, proof = proven
        self.merkle.check_inclusion(
            leaf_hash=leaf, index=proof.index, size=proof.size, path=proof.path, root=self.root
        )

    def prove_all(self, indices):
        return b"".join(map(self.tree.leaf, indices)), self.tree.prove_all(indices)

    def check_all(self, proven):
        leaves, proofs = proven
        self.merkle.check_inclusions(
            leaf_hashes=leaves,
            indices=proofs.indices,
            size=proofs.size,
            paths=proofs.paths,
            root=self.root,
        )


class Merkletools:
    def __init__(self, path):
        from merkletools import MerkleTools

        length = path.stat().st_size
        size = length // 64
        while (2 * size - size.bit_count()) * 32 < length:
            size += 1
        with path.open("rb") as file:
            leaves = file.read(size * 32)
        self.tree = MerkleTools()
        self.tree.hash_function = lambda pair: sha256(b"\x01" + pair)
        self.tree.leaves = [leaves[at : at + 32] for at in range(0, len(leaves), 32)]
        self.tree.make_tree()
        self.size, self.root = size, self.tree.get_merkle_root()

    def prove(self, index):
        return self.tree.get_leaf(index), self.tree.get_proof(index)

    def check(self, proven):
        leaf, path = proven
        if not self.tree.validate_proof(path, leaf, self.root):
            raise ValueError("a true proof was refused")

    def prove_all(self, indices):
        return [self.prove(index) for index in indices]

    def check_all(self, proofs):
        for proof in proofs:
            self.check(proof)


def main(name, path, single, many):
    peer = {"provenance": Provenance, "merkletools": Merkletools}[name](Path(path))
    source = random.Random(2)

    def drawn(count):
        return [source.randrange(peer.size) for _ in range(count)]

    parts = {}

    def timed(part, work, items, count):
        begin = time.perf_counter()
        done = work(items)
        parts[part] = [count, time.perf_counter() - begin]
        return done

    def each(work):
        return lambda items: [work(item) for item in items]

    peer.check_all(peer.prove_all(drawn(100)))  # once before anything is timed
    alone = timed("one proof", each(peer.prove), drawn(single), single)
    timed("one proof, checked", each(peer.check), alone, single)
    together = timed("many proofs", peer.prove_all, drawn(many), many)
    timed("many proofs, checked", peer.check_all, together, many)
    print(json.dumps({"parts": parts}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
