"""Consistency proofs: all pairs of sizes against RFC 9162's own text, and an attacker."""

from functools import cache

import pytest
import rfc9162
from hypothesis import given
from hypothesis import strategies as st

from provenance.merkle import (
    ConsistencyProof,
    ProofError,
    Tree,
    check_consistency,
    leaf_hash,
    prove_consistency,
)
from provenance.merkle.proofs import MAX_SIZE

SIZES = 300


@cache
def tree(size):
    return Tree.from_leaf_hashes(rfc9162.leaf_hashes(size))


def accepts(**claim):
    try:
        check_consistency(**claim)
    except ProofError:
        return False
    return True


@pytest.mark.untraced
@pytest.mark.parametrize("size", range(1, SIZES + 1))
def test_every_proof_is_the_one_of_the_rfc(size):
    for old_size in range(1, size + 1):
        proof = tree(size).prove_consistency(old_size)
        assert proof == ConsistencyProof(old_size, size, tuple(rfc9162.subproof(old_size, 0, size)))
        check_consistency(
            old_size=old_size,
            old_root=rfc9162.mth(0, old_size),
            size=size,
            root=rfc9162.mth(0, size),
            path=proof.path,
        )


@st.composite
def claims(draw):
    """A true claim: two sizes, their roots and the path between them."""
    size = draw(st.integers(1, SIZES))
    old_size = draw(st.integers(1, size))
    return {
        "old_size": old_size,
        "old_root": rfc9162.mth(0, old_size),
        "size": size,
        "root": rfc9162.mth(0, size),
        "path": tuple(rfc9162.subproof(old_size, 0, size)),
    }


def flipped(value, bit):
    return (int.from_bytes(value) ^ 1 << bit).to_bytes(len(value))


@given(claims(), st.data())
def test_one_flipped_bit_is_rejected(claim, data):
    bit = data.draw(st.integers(0, 255))
    at = data.draw(st.integers(-2, len(claim["path"]) - 1))
    if at == -2:
        changed = {"old_root": flipped(claim["old_root"], bit)}
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
        st.sampled_from([*path, claim["root"], claim["old_root"], bytes(32), bytes(31), b""])
    )
    assert not accepts(**claim | {"path": (*path[:at], extra, *path[at:])})
    if path:
        at = min(at, len(path) - 1)
        assert not accepts(**claim | {"path": ()})
        assert not accepts(**claim | {"path": path[:at] + path[at + 1 :]})
        assert not accepts(**claim | {"path": (*path[:at], path[at][:-1], *path[at + 1 :])})
    shuffled = data.draw(st.permutations(path))
    assert accepts(**claim | {"path": shuffled}) == (tuple(shuffled) == path)


@given(claims(), st.data())
def test_no_hash_may_have_another_length(claim, data):
    name = data.draw(st.sampled_from(["old_root", "root"]))
    wrong = data.draw(st.sampled_from([claim[name][:-1], claim[name] + b"\0", b""]))
    assert not accepts(**claim | {name: wrong})


def steps(old_size, size, known=True):
    """What SUBPROOF does at each level, from the bottom up: where the known part ends."""
    if old_size == size:
        return "known" if known else "given"
    k = rfc9162.split(size)
    if old_size <= k:
        return steps(old_size, k, known) + " R"
    return steps(old_size - k, size - k, known=False) + " L"


@pytest.mark.untraced
@pytest.mark.parametrize("size", range(1, 20))
def test_a_proof_between_other_sizes_holds_only_where_the_same_hashing_is_asked(size):
    """RFC 9162 binds no size into a root: why a checkpoint signs the size together with it."""
    for old_size in range(1, size + 1):
        claim = {
            "old_root": tree(old_size).root,
            "root": tree(size).root,
            "path": tree(size).prove_consistency(old_size).path,
        }
        for other_size in range(22):
            for other_old in range(22):
                asked = 1 <= other_old <= other_size
                assert accepts(old_size=other_old, size=other_size, **claim) == (
                    asked and steps(other_old, other_size) == steps(old_size, size)
                )


def test_a_fork_is_rejected():
    """A log that changed leaf 3 finds no proof among all hashes it could offer."""
    honest, forked = bytearray(rfc9162.leaf_hashes(7)), bytearray(rfc9162.leaf_hashes(12))
    forked[3 * 32 : 4 * 32] = leaf_hash(b"rewritten")
    old, new = Tree.from_leaf_hashes(bytes(honest)), Tree.from_leaf_hashes(bytes(forked))
    for path in (new.prove_consistency(7).path, tree(12).prove_consistency(7).path):
        assert not accepts(old_size=7, old_root=old.root, size=12, root=new.root, path=path)


def test_equal_sizes_have_one_root_and_no_path():
    claim = {"old_size": 5, "old_root": tree(5).root, "size": 5}
    assert accepts(root=tree(5).root, path=(), **claim)
    with pytest.raises(ProofError, match="no hashes"):
        check_consistency(root=tree(5).root, path=(bytes(32),), **claim)
    with pytest.raises(ProofError, match="two roots at size 5"):
        check_consistency(root=tree(6).root, path=(), **claim)


@pytest.mark.parametrize(("old_size", "size"), [(0, 0), (0, 5), (-1, 5), (6, 5), (1, -1)])
def test_sizes_that_have_no_proof(old_size, size):
    with pytest.raises(ProofError, match=f"from size {old_size} to {size}"):
        check_consistency(old_size=old_size, old_root=bytes(32), size=size, root=bytes(32), path=())
    with pytest.raises(ValueError, match=f"from size {old_size} to {size}"):
        prove_consistency(old_size, size, lambda level, index: bytes(32))


def test_a_size_no_json_reader_knows_exactly_is_rejected():
    with pytest.raises(ProofError, match="no consistency proof"):
        check_consistency(
            old_size=1, old_root=bytes(32), size=MAX_SIZE + 1, root=bytes(32), path=(bytes(32),)
        )


def test_each_refusal_says_what_is_wrong():
    """Which also proves that each of these checks is reached."""
    claim = {
        "old_size": 6,
        "old_root": tree(6).root,
        "size": 7,
        "root": tree(7).root,
        "path": tree(7).prove_consistency(6).path,
    }
    for change, message in (
        ({"path": ()}, "an empty proof"),
        ({"path": claim["path"][:-1]}, "too few hashes"),
        ({"path": (*claim["path"], bytes(32))}, "too many hashes"),
        ({"path": (b"short", *claim["path"][1:])}, "a hash of 5 bytes"),
        ({"old_root": bytes(32)}, "leads to the old root"),
        ({"root": bytes(32)}, "leads to the root"),
    ):
        with pytest.raises(ProofError, match=message):
            check_consistency(**claim | change)
