"""Inclusion proofs against RFC 9162's own text, against merkletools, and against an attacker."""

import warnings
from functools import cache
from hashlib import sha256

import pytest
import rfc9162
from hypothesis import given
from hypothesis import strategies as st

from provenance.merkle import (
    InclusionProof,
    InclusionProofs,
    ProofError,
    Tree,
    check_inclusion,
    check_inclusions,
    leaf_hash,
    node_hash,
    prove_inclusion,
)
from provenance.merkle.proofs import MAX_SIZE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks for pysha3, which SHA-256 does not need
    from merkletools import MerkleTools

SIZES = 300


@cache
def tree(size):
    return Tree.from_leaf_hashes(rfc9162.leaf_hashes(size))


def accepts(**claim):
    try:
        check_inclusion(**claim)
    except ProofError:
        return False
    return True


@pytest.mark.untraced
@pytest.mark.parametrize("size", range(1, SIZES + 1))
def test_every_proof_is_the_one_of_the_rfc(size):
    root = rfc9162.mth(0, size)
    for index in range(size):
        proof = tree(size).prove(index)
        assert proof == InclusionProof(index, size, tuple(rfc9162.path(index, 0, size)))
        assert proof == prove_inclusion(index, size, tree(size).node)
        check_inclusion(
            leaf_hash=rfc9162.mth(index, index + 1),
            index=index,
            size=size,
            path=proof.path,
            root=root,
        )


@pytest.mark.parametrize("size", [*range(1, 70), 127, 128, 129, 255, 256, 257, 300])
def test_merkletools_agrees_on_root_and_paths(size):
    """With RFC 9162's node hash injected; without, it lets an inner node pass for a leaf."""
    oracle = MerkleTools()
    oracle.hash_function = lambda nodes: sha256(b"\x01" + nodes)
    oracle.add_leaf([leaf_hash(rfc9162.leaf(i)).hex() for i in range(size)])
    oracle.make_tree()
    assert oracle.get_merkle_root() == tree(size).root.hex()
    for index in range(size):
        sides = oracle.get_proof(index)
        assert [bytes.fromhex(*side.values()) for side in sides] == [*tree(size).prove(index).path]
        assert oracle.validate_proof(sides, oracle.get_leaf(index), oracle.get_merkle_root())


def test_the_example_of_the_rfc():
    """Section 2.1.5: seven leaves d0 … d6, nodes named as there, the final root is ``hash``."""
    a, b, c, d, e, f, j = (leaf_hash(bytes([i])) for i in range(7))
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, l = node_hash(g, h), node_hash(i, j)  # noqa: E741
    seven = Tree.from_leaf_hashes(a + b + c + d + e + f + j)
    assert seven.root == node_hash(k, l)
    assert seven.prove(0).path == (b, h, l)
    assert seven.prove(3).path == (c, g, l)
    assert seven.prove(4).path == (f, j, k)
    assert seven.prove(6).path == (i, k)
    assert seven.prove_consistency(3).path == (c, d, g, l)
    assert seven.prove_consistency(4).path == (l,)
    assert seven.prove_consistency(6).path == (i, j, k)


LEAVES = "", "00", "10", "2021", "3031", "40414243", "5051525354555657", bytes(range(96, 112)).hex()
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


@pytest.mark.parametrize("size", range(9))
def test_roots_that_certificate_transparency_has_always_tested_with(size):
    """The test leaves of certificate-transparency-go and transparency-dev/merkle."""
    hashes = b"".join(leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size])
    assert Tree.from_leaf_hashes(hashes).root.hex() == ROOTS[size]


# --- an attacker ------------------------------------------------------------------------------


@st.composite
def claims(draw):
    """A true claim: a leaf, its index, size, path and root."""
    size = draw(st.integers(1, SIZES))
    index = draw(st.integers(0, size - 1))
    return {
        "leaf_hash": rfc9162.mth(index, index + 1),
        "index": index,
        "size": size,
        "path": tuple(rfc9162.path(index, 0, size)),
        "root": rfc9162.mth(0, size),
    }


def flipped(value, bit):
    return (int.from_bytes(value) ^ 1 << bit).to_bytes(len(value))


@given(claims(), st.data())
def test_one_flipped_bit_is_rejected(claim, data):
    bit = data.draw(st.integers(0, 255))
    at = data.draw(st.integers(-2, len(claim["path"]) - 1))
    if at == -2:
        changed = {"leaf_hash": flipped(claim["leaf_hash"], bit)}
    elif at == -1:
        changed = {"root": flipped(claim["root"], bit)}
    else:
        path = claim["path"]
        changed = {"path": (*path[:at], flipped(path[at], bit), *path[at + 1 :])}
    assert accepts(**claim)
    assert not accepts(**claim | changed)


@given(claims(), st.data())
def test_a_path_with_another_number_or_order_of_hashes_is_rejected(claim, data):
    path = claim["path"]
    at = data.draw(st.integers(0, len(path)))
    extra = data.draw(
        st.sampled_from([*path, claim["root"], claim["leaf_hash"], bytes(32), bytes(31), b""])
    )
    assert not accepts(**claim | {"path": (*path[:at], extra, *path[at:])})
    if path:
        at = min(at, len(path) - 1)
        assert not accepts(**claim | {"path": path[:at] + path[at + 1 :]})
        assert not accepts(**claim | {"path": (*path[:at], path[at][:-1], *path[at + 1 :])})
        assert not accepts(**claim | {"path": (*path[:at], path[at] + b"\0", *path[at + 1 :])})
    shuffled = data.draw(st.permutations(path))
    assert accepts(**claim | {"path": shuffled}) == (tuple(shuffled) == path)


@given(claims(), st.data())
def test_no_hash_may_have_another_length(claim, data):
    name = data.draw(st.sampled_from(["leaf_hash", "root"]))
    wrong = data.draw(st.sampled_from([claim[name][:-1], claim[name] + b"\0", b""]))
    assert not accepts(**claim | {name: wrong})


@given(claims(), st.integers(-2, SIZES + 2))
def test_a_proof_holds_at_no_other_index(claim, index):
    assert accepts(**claim | {"index": index}) == (index == claim["index"])


@cache
def turns(index, size):
    """On which side each sibling of a path stands, from the leaf up, by the RFC's recursion."""
    if size == 1:
        return ""
    k = rfc9162.split(size)
    return turns(index, k) + "R" if index < k else turns(index - k, size - k) + "L"


@pytest.mark.untraced
@pytest.mark.parametrize("size", range(1, 28))
def test_a_proof_at_another_size_holds_only_where_the_same_hashing_is_asked(size):
    """RFC 9162 binds no size into a root: why the size is signed together with the root.

    Leaf 0 of 5 and leaf 0 of 8, say, hash the same three siblings in the same order.
    """
    for index in range(size):
        proof = tree(size).prove(index)
        for other_size in range(30):
            for other_index in range(other_size):
                assert accepts(
                    leaf_hash=tree(size).leaf(index),
                    index=other_index,
                    size=other_size,
                    path=proof.path,
                    root=tree(size).root,
                ) == (turns(other_index, other_size) == turns(index, size))


@st.composite
def many_claims(draw):
    """True claims about leaves of one tree, any of them twice."""
    size = draw(st.integers(1, SIZES))
    indices = draw(st.lists(st.integers(0, size - 1), max_size=20))
    return {
        "leaf_hashes": b"".join(rfc9162.mth(index, index + 1) for index in indices),
        "indices": indices,
        "size": size,
        "paths": b"".join(b"".join(rfc9162.path(index, 0, size)) for index in indices),
        "root": rfc9162.mth(0, size),
    }


@given(many_claims())
def test_many_at_once_are_those_one_by_one(claim):
    check_inclusions(**claim)
    proofs = tree(claim["size"]).prove_all(claim["indices"])
    assert proofs == InclusionProofs(claim["indices"], claim["size"], claim["paths"])
    assert [*proofs] == [tree(claim["size"]).prove(index) for index in claim["indices"]]


@given(many_claims().filter(lambda claim: claim["indices"]), st.data())
def test_one_flipped_bit_among_many_is_rejected(claim, data):
    name = data.draw(st.sampled_from(["leaf_hashes", "root", *["paths"] * bool(claim["paths"])]))
    bit = data.draw(st.integers(0, 8 * len(claim[name]) - 1))
    with pytest.raises(ProofError, match=r"the path of leaf \d+ leads to the root"):
        check_inclusions(**claim | {name: flipped(claim[name], bit)})


@given(many_claims().filter(lambda claim: claim["indices"]), st.data())
def test_one_other_index_among_many_is_rejected(claim, data):
    at = data.draw(st.integers(0, len(claim["indices"]) - 1))
    other = data.draw(st.integers(-2, claim["size"] + 2).filter(claim["indices"][at].__ne__))
    changed = [*claim["indices"][:at], other, *claim["indices"][at + 1 :]]
    with pytest.raises(ProofError):
        check_inclusions(**claim | {"indices": changed})


@given(many_claims().filter(lambda claim: claim["indices"]), st.data())
def test_more_or_fewer_hashes_among_many_are_rejected(claim, data):
    name = data.draw(st.sampled_from(["leaf_hashes", "paths", "root"]))
    more = data.draw(st.sampled_from([1, 31, 32, 64]))
    for changed in (claim[name] + bytes(more), claim[name][more:]):
        if changed != claim[name]:
            with pytest.raises(ProofError, match="hashes in their paths, of 32 bytes, not"):
                check_inclusions(**claim | {name: changed})


def test_many_at_once_name_the_one_that_fails():
    claim = {"leaf_hashes": tree(7).leaf(2) + tree(7).leaf(5) + tree(7).leaf(6), "size": 7}
    paths = b"".join(b"".join(tree(7).prove(index).path) for index in (2, 4, 6))
    with pytest.raises(ProofError, match="the path of leaf 4 leads to the root"):
        check_inclusions(indices=[2, 4, 6], paths=paths, root=tree(7).root, **claim)
    with pytest.raises(ProofError, match=f"no leaf 2 in a tree of {MAX_SIZE + 1}"):
        check_inclusions(
            indices=[2],
            paths=b"",
            root=tree(7).root,
            leaf_hashes=bytes(32),
            size=MAX_SIZE + 1,
        )


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 5), (5, 5), (6, 5), (0, -1)])
def test_an_index_outside_the_tree_is_rejected(index, size):
    claim = {"leaf_hash": bytes(32), "path": (), "root": bytes(32)}
    with pytest.raises(ProofError, match=f"no leaf {index} in a tree of {size}"):
        check_inclusion(index=index, size=size, **claim)
    with pytest.raises(ValueError, match=f"no leaf {index} in a tree of {size}"):
        prove_inclusion(index, size, lambda level, index: bytes(32))
    if size >= 0:
        with pytest.raises(ValueError, match=f"no leaf {index} in a tree of {size}"):
            tree(size).prove(index)


@pytest.mark.untraced
@pytest.mark.parametrize("size", range(2, 65))
def test_an_inner_node_does_not_pass_for_a_leaf(size):
    """Neither under the committed size, nor as a record: records are hashed under 0x00."""
    whole = tree(size)
    for index in range(size // 2):
        left, right = whole.leaf(2 * index), whole.leaf(2 * index + 1)
        inner, path = node_hash(left, right), whole.prove(2 * index).path[1:]
        for claimed in range(size):
            assert not accepts(
                leaf_hash=inner, index=claimed, size=size, path=path, root=whole.root
            )
        # The tree of the level above has half the size; its "record" would be left ‖ right.
        assert not accepts(
            leaf_hash=leaf_hash(left + right),
            index=index,
            size=(size + 1) // 2,
            path=path,
            root=whole.root,
        )


@given(st.integers(1, MAX_SIZE), st.data())
def test_sizes_up_to_the_largest(size, data):
    """All leaves equal, so that every complete subtree of a level has one hash."""
    index = data.draw(st.integers(0, size - 1))
    levels = [leaf_hash(b"")]
    while len(levels) < 54:
        levels.append(node_hash(levels[-1], levels[-1]))
    proof = prove_inclusion(index, size, lambda level, _: levels[level])
    root = rfc_root(size, levels)
    claim = {"leaf_hash": levels[0], "index": index, "size": size, "root": root}
    assert accepts(path=proof.path, **claim)
    assert not accepts(path=(*proof.path, bytes(32)), **claim)
    assert not accepts(path=proof.path, **claim | {"size": MAX_SIZE + 1})


def rfc_root(size, levels):
    if size & (size - 1) == 0:
        return levels[size.bit_length() - 1]
    k = rfc9162.split(size)
    return node_hash(rfc_root(k, levels), rfc_root(size - k, levels))
