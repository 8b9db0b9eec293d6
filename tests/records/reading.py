"""How these tests read: everything a source gives, and the references it is held against."""

import warnings
from dataclasses import dataclass
from hashlib import sha256

import rfc8785

from provenance.merkle import Tree
from provenance.records import map_value
from provenance.records.opening import open_source

with warnings.catch_warnings():  # it misses pysha3, which nothing here needs
    warnings.simplefilter("ignore")
    import merkletools


@dataclass
class Read:
    root: str
    size: int
    encoding: object
    digests: dict
    schema: dict | None


def read(data, **options) -> Read:
    source = open_source(data, **options)
    tree = Tree.from_leaf_hashes(b"".join(source.leaf_hash_blocks()))
    return Read(tree.root.hex(), tree.size, source.encoding, source.digests, source.schema)


def leaves(data, **options) -> list[bytes]:
    return list(open_source(data, **options).leaves())


def texts(data, **options) -> list[str]:
    return [leaf.decode() for leaf in leaves(data, **options)]


def reference_root(rows) -> str:
    """RFC 9162, section 2.1.1, over RFC 8785 of the mapped rows, as both texts read."""

    def root(d):
        if len(d) < 2:
            return sha256(b"\x00" + d[0]).digest() if d else sha256(b"").digest()
        k = 1
        while 2 * k < len(d):
            k *= 2
        return sha256(b"\x01" + root(d[:k]) + root(d[k:])).digest()

    return root([rfc8785.dumps(map_value(row)) for row in rows]).hex()


def merkletools_root(leaves) -> str:
    """merkletools, given the prefixes that it lacks."""
    tree = merkletools.MerkleTools()
    tree.hash_function = lambda pair: sha256(b"\x01" + pair)
    tree.add_leaf([sha256(b"\x00" + leaf).hexdigest() for leaf in leaves])
    tree.make_tree()
    return tree.get_merkle_root()
