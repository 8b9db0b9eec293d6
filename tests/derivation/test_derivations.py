"""Proving a derivation and checking it: every small case, and every proof that could be sent."""

import dataclasses
import os
import sys
from array import array
from collections import Counter
from contextlib import contextmanager
from itertools import chain, permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from versions import artifacts, claim, holds, version, words

from provenance.derivation import (
    Derivation,
    Place,
    check_derivation,
    checking,
    columns,
    proof,
)
from provenance.derivation.claims import claim_between
from provenance.derivation.proof import MAX_HEADER, Header
from provenance.derivation.proving import prove_derivation
from provenance.errors import InputError, LedgerError, MalformedError
from provenance.merkle import ProofError
from provenance.records import CHUNK, LINE


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("proofs")


def prove(sources, targets, path):
    return prove_derivation([*map(version, sources)], [*map(version, targets)], path)


def forged(sources, targets, *, ordered, numbers=None, path=()):
    """The bytes of a proof with any map, whether it proves anything or not."""
    header = Header.of(artifacts(*sources), artifacts(*targets), ordered=ordered)
    column = b"".join(version(word).tree.leaf_hashes(0, len(word)) for word in sources)
    if header.claim == "extension":
        return header.to_bytes() + b"\n" + b"".join(path)
    table = array(header.code, numbers or ())
    if sys.byteorder == "little":
        table.byteswap()
    return header.to_bytes() + b"\n" + column + table.tobytes()


def accepts(folder, data, wanted, **more):
    file = folder / "proof"
    file.write_bytes(data)
    try:
        return check_derivation(file, wanted, **more)
    except (ProofError, MalformedError):
        return None


SOME = words("ab", 3)
DISTINCT = ["".join(word) for n in range(4) for word in permutations("abc", n)]
SHORT = words("ab", 2)


def cases():
    """Sources and targets: all pairs of short words, and all ways to cut some in two."""
    for before, after in product(SOME, SOME):
        yield [before], [after]
    for whole in ("ab", "ba", "aab", "aba", "abb"):
        for one, other in product(SHORT, SHORT):
            if len(one) + len(other) == len(whole):
                yield [whole], [one, other]
                yield [one, other], [whole]


def cases_of_different_records():
    for whole, one, other in product(DISTINCT, DISTINCT, DISTINCT):
        if len(one) + len(other) == len(whole):
            yield [whole], [one, other]


def claims_of(sources, targets):
    """What can be claimed, true or not."""
    try:
        name = claim_between(artifacts(*sources), artifacts(*targets))
        claim(name, sources, targets, ordered=name == "extension")
    except MalformedError:
        return []
    orders = {"extension": [True], "permutation": [False]}.get(name, [True, False])
    return [(name, ordered) for ordered in orders]


def test_what_is_true_is_proven_and_nothing_else(folder):
    """The strongest claim that holds; with equal records in several targets, perhaps a weaker."""
    seen = Counter()
    for sources, targets in chain(cases(), cases_of_different_records()):
        possible = claims_of(sources, targets)
        true = [each for each in possible if holds(each[0], sources, targets, ordered=each[1])]
        try:
            derivation = prove(sources, targets, folder / "proof")
        except InputError:
            assert not true, (sources, targets)
            continue
        name, ordered = derivation.claim, derivation.ordered
        assert derivation == claim(name, sources, targets, ordered=ordered)
        is_sure = name != "split" or len(set(sources[0])) == len(sources[0])
        assert (name, ordered) == true[0] or (not is_sure and (name, ordered) in true)
        for name, ordered in true:
            wanted = claim(name, sources, targets, ordered=ordered)
            if derivation.implies(wanted):
                assert check_derivation(folder / "proof", wanted).derivation == derivation
                seen[name, ordered] += 1
    assert len(seen) == 8
    assert min(seen.values()) >= 8


@pytest.mark.untraced
def test_no_proof_of_what_is_not_true(folder):
    """Every map that there can be, with the true columns: accepted only where the claim holds."""
    seen = Counter()
    for sources, targets in cases():
        for name, ordered in claims_of(sources, targets):
            wanted = claim(name, sources, targets, ordered=ordered)
            true = holds(name, sources, targets, ordered=ordered)
            records, places = len("".join(sources)), len("".join(targets))
            if name == "extension":
                continue  # consistency proofs have tests of their own
            if places == 3 and "aab" not in (*sources, *targets):
                continue  # of as many maps as these have, one word will do
            if ordered and name == "concatenation":
                maps = [()]
            elif ordered:
                maps = product(range(len(targets) + 2), repeat=records)
            else:
                maps = product(range(records + 1), repeat=places)
            found = sum(
                accepts(folder, forged(sources, targets, ordered=ordered, numbers=numbers), wanted)
                is not None
                for numbers in maps
            )
            assert bool(found) == true, (name, ordered, sources, targets)
            seen[name, ordered, true] += 1
    assert len(seen) >= 12


KINDS = {
    "extension": (["abcde"], ["abcdefg"]),
    "subset": (["abcde"], ["ace"]),
    "subset, any order": (["abcde"], ["eca"]),
    "permutation": (["abcde"], ["edcba"]),
    "split": (["abcde"], ["ad", "bce"]),
    "split, any order": (["abcde"], ["da", "ebc"]),
    "concatenation": (["ab", "cde"], ["abcde"]),
    "concatenation, any order": (["ab", "cde"], ["badec"]),
}


@pytest.fixture(params=KINDS)
def proven(request, tmp_path):
    """A claim and the bytes of its proof."""
    derivation = prove(*KINDS[request.param], tmp_path / "proof")
    assert derivation.ordered != request.param.endswith("any order") or request.param == (
        "permutation"
    )
    return derivation, (tmp_path / "proof").read_bytes()


def test_a_proof_with_any_byte_changed_is_none(folder, proven):
    derivation, data = proven
    assert accepts(folder, data, derivation)
    for at in range(len(data)):
        for flip in (1 << at % 8, 0xFF):
            changed = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
            assert accepts(folder, changed, derivation) is None, at


def test_a_proof_of_another_length_is_none(folder, proven):
    derivation, data = proven
    for length in range(len(data)):
        assert accepts(folder, data[:length], derivation) is None
    for more in (b"\0", b"\n", bytes(32), data[-32:], data):
        assert accepts(folder, data + more, derivation) is None


def test_one_kept_back_one_added_one_altered_or_two_exchanged(folder, proven):
    """The columns of other versions, under the heads of the claimed ones."""
    derivation, data = proven
    line, _, body = data.partition(b"\n")
    hashes = [body[at : at + 32] for at in range(0, len(body) // 32 * 32, 32)]
    rest = body[len(hashes) * 32 :]
    others = [
        hashes[1:],
        [*hashes, hashes[0]],
        [bytes(32), *hashes[1:]],
        [hashes[1], hashes[0], *hashes[2:]],
        [hashes[0], hashes[0], *hashes[2:]],
    ]
    for other in others:
        assert accepts(folder, line + b"\n" + b"".join(other) + rest, derivation) is None


def test_a_proof_of_another_claim_is_none(folder):
    both = {name: prove(*case, folder / name) for name, case in KINDS.items()}
    for name, derivation in both.items():
        data = (folder / name).read_bytes()
        for other in both.values():
            assert (accepts(folder, data, other) is not None) == (other == derivation)


def test_a_proof_that_the_order_was_kept_proves_the_records_too(folder):
    for name in ("subset", "split", "concatenation"):
        derivation = prove(*KINDS[name], folder / "proof")
        weaker = dataclasses.replace(derivation, ordered=False)
        assert check_derivation(folder / "proof", weaker).derivation == derivation
        weaker = prove(*KINDS[f"{name}, any order"], folder / "proof")
        with pytest.raises(ProofError, match="does not show that the order was kept"):
            check_derivation(folder / "proof", dataclasses.replace(weaker, ordered=True))


def test_what_differs_from_the_claim_is_told(folder):
    split = prove(["abcd"], ["ab", "cd"], folder / "proof")
    turned = dataclasses.replace(split, targets=split.targets[::-1])
    with pytest.raises(ProofError, match="the targets in another order"):
        check_derivation(folder / "proof", turned)
    other = dataclasses.replace(split, sources=(bytes(32),))
    with pytest.raises(ProofError, match=f"other sources: {split.sources[0].hex()}"):
        check_derivation(folder / "proof", other)
    subset = claim("subset", ["abcd"], ["ab"], ordered=True)
    with pytest.raises(ProofError, match="of the claim 'split', not 'subset'"):
        check_derivation(folder / "proof", subset)


def test_a_target_used_twice_takes_its_records_twice(folder):
    assert prove(["abab"], ["ab", "ab"], folder / "proof").ordered
    assert prove(["ab", "ab"], ["abab"], folder / "proof").ordered
    with pytest.raises(InputError, match=r"record \d of the targets is none of the sources"):
        prove(["abcd"], ["ab", "ab"], folder / "proof")
    twice = claim("split", ["abcd"], ["ab", "ab"], ordered=False)
    data = forged(["abcd"], ["ab", "ab"], ordered=False, numbers=[0, 1, 0, 1])
    (folder / "proof").write_bytes(data)
    with pytest.raises(ProofError, match="a record goes to two places"):
        check_derivation(folder / "proof", twice)


def test_why_a_proof_is_none(folder):
    def refused(match, sources, targets, numbers, *, ordered, name="subset"):
        data = forged(sources, targets, ordered=ordered, numbers=numbers)
        (folder / "proof").write_bytes(data)
        with pytest.raises(ProofError, match=match):
            check_derivation(folder / "proof", claim(name, sources, targets, ordered=ordered))

    refused("target 0 gets 1 records instead of 2", ["abc"], ["ab"], [1, 0, 0], ordered=True)
    refused("that target 0 gets do not lead", ["abc"], ["ab"], [0, 1, 1], ordered=True)
    refused("that target 0 gets do not lead", ["abc"], ["ab"], [1, 0], ordered=False)
    refused("goes to target 2, which there is not", ["abc"], ["ab"], [1, 1, 2], ordered=True)
    refused("the sources have no record 3", ["abc"], ["ab"], [0, 3], ordered=False)
    refused("a record goes to two places", ["abc"], ["aa"], [0, 0], ordered=False)
    data = forged(["abc"], ["ab"], ordered=True, numbers=[1, 1, 0])
    (folder / "proof").write_bytes(data[:-4] + bytes([data[-4] ^ 1]) + data[-3:])
    with pytest.raises(ProofError, match="the leaf hashes of source 0 do not lead to its root"):
        check_derivation(folder / "proof", claim("subset", ["abc"], ["ab"], ordered=True))


def test_where_equal_records_could_go_to_either_one_goes_where_the_last_went(folder):
    assert prove(["baba"], ["a", "bab"], folder / "proof").ordered
    assert prove(["baba"], ["bab", "a"], folder / "proof").ordered
    # Here that leads astray: no order is claimed, though there is a way to keep it.
    assert holds("split", ["aba"], ["a", "ab"], ordered=True)
    assert not prove(["aba"], ["a", "ab"], folder / "proof").ordered


def test_artifacts_without_records(folder):
    assert prove(["ab"], [""], folder / "proof").claim == "subset"
    assert prove(["ab"], ["ba", ""], folder / "proof").claim == "split"
    for sources, targets in ((["ab"], ["ab", ""]), (["", "ab"], ["ab"]), ([""], [""])):
        with pytest.raises(MalformedError, match="is on both sides"):
            prove(sources, targets, folder / "proof")
    with pytest.raises(MalformedError, match="extends an artifact without records"):
        prove([""], ["a"], folder / "proof")


def test_why_there_is_no_proof(folder, tmp_path):
    with pytest.raises(InputError, match="the first 2 records of the target are not those"):
        prove(["ab"], ["bac"], tmp_path / "proof")
    with pytest.raises(InputError, match="record 2 of the targets is none of the sources, or one"):
        prove(["abc"], ["aba"], tmp_path / "proof")
    with pytest.raises(MalformedError, match="3 records on one side cannot be the 2 on the other"):
        prove(["abc"], ["a", "b"], tmp_path / "proof")
    with pytest.raises(MalformedError, match="of one source, or to one target"):
        prove(["ab", "c"], ["a", "bc"], tmp_path / "proof")
    with pytest.raises(MalformedError, match="a derivation has sources and targets"):
        prove(["abc"], [], tmp_path / "proof")
    with pytest.raises(MalformedError, match="encodings, 'chunk' and 'line', cannot be compared"):
        prove_derivation([version("ab", CHUNK)], [version("a", LINE)], tmp_path / "proof")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LedgerError, match=r"the proof of a derivation in .* cannot be written"):
        prove(["ab"], ["a"], tmp_path / "nowhere" / "proof")


# --- where records went ---------------------------------------------------------------------------


def test_where_each_record_went(folder):
    for sources, targets in cases():
        try:
            derivation = prove(sources, targets, folder / "proof")
        except InputError:
            continue
        before = "".join(sources)
        numbers = range(len(before))
        places = check_derivation(folder / "proof", derivation, follow=numbers).places
        assert sorted(places) == [*numbers]
        taken = [place for place in places.values() if place]
        assert len(set(taken)) == len(taken)
        assert all(targets[to.target][to.index] == before[n] for n, to in places.items() if to)
        left = Counter(before[n] for n, to in places.items() if to is None)
        if derivation.claim != "extension":
            assert left == Counter(before) - Counter("".join(targets))


def test_only_what_is_asked_for_is_told(folder):
    derivation = prove(["abcde"], ["ace"], folder / "proof")
    found = check_derivation(folder / "proof", derivation, follow=[3, 4])
    assert found.places == {3: None, 4: Place(0, 2)}
    assert check_derivation(folder / "proof", derivation).places == {}
    for number in (-1, 5):
        with pytest.raises(InputError, match=f"no record {number}: the sources have 5"):
            check_derivation(folder / "proof", derivation, follow=[number])


# --- larger ones ----------------------------------------------------------------------------------

LETTERS = st.text("abcdefgh", max_size=40)


@contextmanager
def small(wide):
    """Blocks of 4 hashes; and numbers as wide as if there were more than fit in fewer bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking, "BLOCK", 4)
        patch.setattr(columns, "BLOCK", 4)
        if wide:
            patch.setattr(proof, "_SHORT_INDICES", 0)
            patch.setattr(proof, "_SHORT_TARGETS", 0)
        yield


def deal(draw, word, parts):
    ways = draw(st.lists(st.integers(0, parts - 1), min_size=len(word), max_size=len(word)))
    return ["".join(c for c, to in zip(word, ways, strict=True) if to == n) for n in range(parts)]


@pytest.mark.parametrize("wide", [False, True])
@given(data=st.data())
def test_any_true_claim_is_proven(folder, wide, data):
    word = data.draw(LETTERS)
    kind = data.draw(st.sampled_from(["extension", "subset", "split", "concatenation"]))
    if kind == "extension":
        sources, targets = [word], [word + data.draw(LETTERS)]
    elif kind == "subset":
        sources, targets = [word], deal(data.draw, word, 2)[:1]
    else:
        parts = deal(data.draw, word, data.draw(st.integers(2, 5)))
        sources, targets = ([word], parts) if kind == "split" else (parts, [word])
    if data.draw(st.booleans()) and kind != "extension":
        targets = ["".join(data.draw(st.permutations(target))) for target in targets]
    possible = claims_of(sources, targets)
    if not possible:
        return
    records = "".join(sources)
    follow = data.draw(st.sets(st.integers(0, len(records) - 1), max_size=3))
    with small(wide):
        derivation = prove(sources, targets, folder / "proof")
        checked = check_derivation(folder / "proof", derivation, follow=follow)
    assert checked.derivation == derivation
    assert sorted(checked.places) == sorted(follow)
    for number, place in checked.places.items():
        assert place is None or targets[place.target][place.index] == records[number]
    assert checked.sources == artifacts(*sources)
    assert checked.targets == artifacts(*targets)
    if derivation.ordered and derivation.claim == "subset":
        assert holds("subset", sources, targets, ordered=True)


@given(before=LETTERS, after=LETTERS)
def test_any_claim_is_proven_if_it_holds(folder, before, after):
    for name, ordered in claims_of([before], [after]):
        true = holds(name, [before], [after], ordered=ordered)
        with small(wide=False):
            try:
                found = prove([before], [after], folder / "proof")
            except InputError:
                assert not true
            else:
                assert found.implies(claim(name, [before], [after], ordered=ordered)) == true


def test_more_targets_than_a_byte_has_numbers(folder):
    names = [chr(0x4E00 + number) for number in range(300)]
    derivation = prove(["".join(names)], names, folder / "proof")
    assert derivation.ordered
    checked = check_derivation(folder / "proof", derivation, follow=[299])
    assert checked.places == {299: Place(299, 0)}


def test_numbers_are_as_wide_as_they_must_be(folder, monkeypatch):
    monkeypatch.setattr(proof, "_SHORT_INDICES", 3)
    for word, width in (("abc", 4), ("abcd", 8)):
        prove([word], [word[::-1]], folder / "proof")
        body = (folder / "proof").read_bytes().partition(b"\n")[2]
        assert len(body) == len(word) * (32 + width)
        assert body[32 * len(word) :][:width] == (len(word) - 1).to_bytes(width)
    monkeypatch.setattr(proof, "_SHORT_TARGETS", 2)
    for parts, width in ((["ab", "c"], 1), (["a", "b", "c"], 2)):
        prove(["abc"], parts, folder / "proof")
        body = (folder / "proof").read_bytes().partition(b"\n")[2]
        assert body[96:] == b"".join(
            number.to_bytes(width) for number, part in enumerate(parts, 1) for _ in part
        )


# --- what a proof must look like ------------------------------------------------------------------


def test_the_first_line_has_one_form(folder):
    derivation = prove(["ab"], ["a"], folder / "proof")
    data = (folder / "proof").read_bytes()
    line, _, body = data.partition(b"\n")

    def refused(match, changed):
        (folder / "changed").write_bytes(changed)
        with pytest.raises(MalformedError, match=match):
            check_derivation(folder / "changed", derivation)

    refused("does not begin with a line", b"")
    refused("does not begin with a line", line)
    refused("does not begin with a line", b" " * (MAX_HEADER + 1) + data)
    refused("not JSON", b"\n" + body)
    refused("not in canonical form", b" " + data)
    refused("not in canonical form", line.replace(b":true", b": true") + b"\n" + body)
    refused("type must be one of", data.replace(b"proof:v1", b"proof:v2"))
    refused("more", data.replace(b'"ordered"', b'"more":1,"ordered"'))
    refused("ordered", data.replace(b'"ordered":true,', b""))
    refused("not those of a permutation", data.replace(b'"subset"', b'"permutation"'))
    refused("claim", data.replace(b'"subset"', b'"superset"'))
    refused("not those of a subset", data.replace(b'"size":1', b'"size":3'))
    refused("cannot have the root", data.replace(b'"size":1', b'"size":0'))
    refused("instead of", data.replace(b'"size":2', b'"size":3'))
    refused("instead of", data.replace(b'"size":2', b'"size":9007199254740991'))
    (folder / "changed").write_bytes(data.replace(b'"json"', b'"line"'))
    with pytest.raises(ProofError, match="the proof has other sources"):
        check_derivation(folder / "changed", derivation)


def test_a_permutation_says_nothing_of_the_order(folder):
    derivation = prove(["ab"], ["ba"], folder / "proof")
    data = (folder / "proof").read_bytes().replace(b'"ordered":false', b'"ordered":true')
    (folder / "proof").write_bytes(data)
    with pytest.raises(MalformedError, match="'permutation' is never ordered"):
        check_derivation(folder / "proof", derivation)


def test_claims_that_there_cannot_be():
    one, two = bytes(32), b"\1" * 32

    def refused(match, **changes):
        whole = {"claim": "subset", "ordered": True, "sources": (one,), "targets": (two,)}
        with pytest.raises(MalformedError, match=match):
            Derivation(**{**whole, **changes})

    refused("no subset of 2 sources", sources=(one, one))
    refused("no subset of 1 sources to 2", targets=(two, two))
    refused("no split of 1 sources to 1", claim="split")
    refused("no concatenation of 1 sources to 1", claim="concatenation")
    refused("no split of 2 sources", claim="split", sources=(one, one))
    refused("has sources and targets", sources=())
    refused("has sources and targets", claim="split", sources=(), targets=(two, two))
    refused("'extension' is always ordered", claim="extension", ordered=False)
    refused("'permutation' is never ordered", claim="permutation")
    refused("is on both sides", targets=(one,))


# --- the file -------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_read(folder):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        check_derivation(folder / "none", claim("subset", ["ab"], ["a"], ordered=True))


def test_a_file_that_changes_meanwhile(folder, monkeypatch):
    derivation = prove(["ab"], ["a"], folder / "proof")
    check = checking._check

    def touched(*arguments):
        checked = check(*arguments)
        os.utime(folder / "proof", ns=(1, 1))
        return checked

    with monkeypatch.context() as patch:
        patch.setattr(checking, "_check", touched)
        with pytest.raises(InputError, match="changed while it was read"):
            check_derivation(folder / "proof", derivation)
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda file, length, at: pread(file, length, at)[1:])
    with pytest.raises(InputError, match="became shorter while it was read"):
        check_derivation(folder / "proof", derivation)
