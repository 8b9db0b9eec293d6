"""Every step of a verification: where it holds, and each way in which it fails.

What is refused here is made by hand from the same parts as what holds, with the keys of a log
that does not keep the rules; so each test fails if its one check is taken out.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from world import (
    ADMIN,
    ALICE,
    BOB,
    THIEF,
    WITNESSES,
    Registered,
    World,
    fails,
    key,
    prove,
    signer,
    undecided,
    witness_vkey,
)

from provenance.errors import ChainError, InputError, UndecidedError, VerificationError
from provenance.log import Checkpoint, Entry
from provenance.merkle import Tree, node_hash
from provenance.records import ARTIFACT_DIGEST, FILE, JSON, LINE, Artifact, hash_record
from provenance.signing import (
    COSIGNATURE,
    Envelope,
    Signature,
    VerifierKey,
    add_signatures,
    cosign_note,
    sign,
    sign_note,
)
from provenance.statements import Dataset, Review, Statement, Subject
from provenance.verification import (
    STEPS,
    Bundle,
    Content,
    Demand,
    Mark,
    Policy,
    RecordProof,
    Report,
    Verifier,
)
from provenance.verification.bundle import MAX_RECORDS
from provenance.verification.verifier import _STEPS


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rows(world: World) -> Registered:
    return world.register()


def test_the_steps_run_in_the_order_of_their_list() -> None:
    assert tuple(name for name, _ in _STEPS) == STEPS


def test_all_of_it_holds(world: World, rows: Registered) -> None:
    world.anchor(1_800_000_000)
    world.register([{"n": 4}])
    policy = world.policy(
        minimum="confidential", witnesses=tuple(map(witness_vkey, WITNESSES)), standing="scanned"
    )
    bundle = world.bundle(rows, record=2, witnesses=WITNESSES[:2])
    verified = world.verify(bundle, policy=policy, record={"n": 3}, scan=True)

    assert [check.mark for check in verified.report.checks] == [Mark.HOLDS] * len(STEPS)
    assert verified.statement == rows.statement
    assert verified.artifact == rows.artifact
    assert (verified.index, verified.record_indices) == (3, (2,))
    assert verified.signers == (signer(ALICE).name,)
    assert verified.checkpoint == Checkpoint(world.origin, 5, world.tree(5).root)
    assert [str(anchored.time) for anchored in verified.anchors] == ["2027-01-15 08:00:00+00:00"]
    assert verified.policy == sha256(policy.to_bytes()).hexdigest()
    assert not verified.report.warnings
    assert verified.report["witnesses"].finding == "2 of 3 named witnesses cosigned"
    assert verified.report["standing"].finding == "known up to entry 4, every entry scanned"


def test_what_is_not_demanded_is_marked_so(world: World, rows: Registered) -> None:
    report = world.verify(world.bundle(rows)).report
    marks = {check.step: check.mark for check in report.checks}
    assert {step for step in STEPS if marks[step] is not Mark.HOLDS} == {
        "witnesses",
        "record",
        "anchor",
    }
    assert set(marks.values()) == {Mark.HOLDS, Mark.NOT_DEMANDED}
    assert report["witnesses"].finding == "the policy names none"
    assert report["record"].finding == "nothing was given to compare"
    assert report["anchor"].finding == "none"


def test_a_report_knows_the_steps_that_ran() -> None:
    with pytest.raises(KeyError):
        Report(())["policy"]


# --- bundle -----------------------------------------------------------------------------------


def edited(bundle: Bundle, **changes: Any) -> bytes:
    value = {**json.loads(bundle.to_bytes()), **changes}
    return json.dumps({name: v for name, v in value.items() if v is not ...}).encode()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"mediaType": "application/json"}, "must be one of"),
        ({"mediaType": "application/vnd.provenance-ledger.bundle.v2+json"}, "must be one of"),
        ({"statement": ...}, "lacks the field 'statement'"),
        ({"records": None}, "null|not an array"),
        ({"records": {"index": 0, "path": []}}, "must be a list"),
        ({"records": [{"index": -1, "path": []}]}, "whole number"),
        ({"records": [{"index": 2**53, "path": []}]}, r"beyond 2\^53-1|whole number"),
        ({"records": [{"index": 0, "path": ["ab" * 31]}]}, "64 lower-case hex digits"),
        ({"records": [{"index": 0, "path": ["AB" * 32]}]}, "64 lower-case hex digits"),
        ({"trusted": True}, "unknown field 'trusted'"),
        ({"anchors": {}}, "must be a list"),
    ],
)
def test_a_bundle_of_another_form(
    world: World, rows: Registered, changes: dict[str, Any], match: str
) -> None:
    with fails("bundle", match):
        world.verify(edited(world.bundle(rows), **changes))


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "not JSON"),
        (b"[]", "must be an object"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nests deeper"),
        (b'{"mediaType":"x","mediaType":"x"}', "twice"),
        (b" " * (16 * 2**20 + 1), "at most 16,777,216 are read"),
    ],
)
def test_bytes_that_are_no_bundle(world: World, data: bytes, match: str) -> None:
    with fails("bundle", match):
        world.verify(data)


def test_a_bundle_may_be_written_differently(world: World, rows: Registered) -> None:
    """No verdict rests on white space or the order of members."""
    value = json.loads(world.bundle(rows).to_bytes())
    text = json.dumps(dict(reversed(value.items())), indent=3).encode()
    assert world.verify(text).index == rows.index


# --- checkpoint -------------------------------------------------------------------------------


def noted(world: World, text: str, name: str = "", private: Any = None) -> str:
    return sign_note(text, name or world.origin, private or world.log_key).decode()


def text_of(world: World, origin: str = "", size: int = 0, root: bytes = b"") -> str:
    size = size or world.size
    return Checkpoint(origin or world.origin, size, root or world.tree(size).root).to_text()


def test_a_checkpoint_signed_by_another_key(world: World, rows: Registered) -> None:
    bundle = world.bundle(rows)
    with fails("checkpoint", "signed by no known key"):
        world.verify(replace(bundle, checkpoint=noted(world, text_of(world), private=THIEF)))


def test_a_checkpoint_of_another_log_by_the_same_key(world: World, rows: Registered) -> None:
    """One key may serve two logs; what it says of one is not said of the other."""
    note = noted(world, text_of(world, origin="log.example/other"))
    with fails("checkpoint", "of the log 'log.example/other'; the policy names 'log.example/ml'"):
        world.verify(replace(world.bundle(rows), checkpoint=note))


def test_a_checkpoint_signed_by_witnesses_only(world: World, rows: Registered) -> None:
    text = text_of(world)
    name = VerifierKey.parse(witness_vkey(WITNESSES[0])).name
    note = text + "\n" + cosign_note(text, name, WITNESSES[0], time=1).decode()
    policy = world.policy(witnesses=(witness_vkey(WITNESSES[0]),))
    with fails("checkpoint", "not signed by a log key"):
        world.verify(replace(world.bundle(rows), checkpoint=note), policy=policy)


def test_a_checkpoint_with_a_signature_that_is_not_valid(world: World, rows: Registered) -> None:
    bundle = world.bundle(rows)
    signature = bundle.checkpoint.partition("\n\n")[2]
    note = text_of(world, root=bytes(32)) + "\n" + signature
    with fails("checkpoint", "is not valid"):
        world.verify(replace(bundle, checkpoint=note))


def test_a_checkpoint_with_an_extension_line(world: World, rows: Registered) -> None:
    note = noted(world, text_of(world) + "more\n")
    with fails("checkpoint", "three lines"):
        world.verify(replace(world.bundle(rows), checkpoint=note))


def test_one_of_several_log_keys_is_enough(world: World, rows: Registered) -> None:
    """So that a log can change its key."""
    old = str(VerifierKey(world.origin, key("old log").public))
    assert world.verify(world.bundle(rows), policy=world.policy(log_keys=(old, world.vkey)))


# --- witnesses --------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [0, 1, 2, 3])
@pytest.mark.parametrize("given", [0, 1, 2, 3])
def test_k_of_n_witnesses(world: World, rows: Registered, wanted: int, given: int) -> None:
    policy = world.policy(
        witnesses=tuple(map(witness_vkey, WITNESSES)),
        demands={"public": Demand(witnesses=wanted)},
    )
    bundle = world.bundle(rows, witnesses=WITNESSES[:given])
    if given < wanted:
        with fails(
            "policy",
            f"demands {wanted} of the [0-9] witnesses that the policy names; {given} cosigned",
        ):
            world.verify(bundle, policy=policy)
    else:
        report = world.verify(bundle, policy=policy).report
        assert report["witnesses"].finding == f"{given} of 3 named witnesses cosigned"
        assert report["witnesses"].mark is (Mark.HOLDS if given else Mark.NOT_DEMANDED)


def test_a_witness_under_two_names_counts_once(world: World, rows: Registered) -> None:
    vkeys = tuple(witness_vkey(WITNESSES[0], name) for name in ("w.example/1", "w.example/2"))
    text = text_of(world)
    lines = [cosign_note(text, f"w.example/{n}", WITNESSES[0], time=9) for n in (1, 2)]
    note = add_signatures(sign_note(text, world.origin, world.log_key), lines).decode()
    policy = world.policy(witnesses=vkeys, demands={"public": Demand(witnesses=2)})
    with fails("policy", "demands 2 of the [0-9] witnesses that the policy names; 1 cosigned"):
        world.verify(replace(world.bundle(rows), checkpoint=note), policy=policy)


def test_a_witness_that_nobody_named_does_not_count(world: World, rows: Registered) -> None:
    policy = world.policy(
        witnesses=(witness_vkey(WITNESSES[0]),), demands={"public": Demand(witnesses=1)}
    )
    with fails("policy", "0 cosigned"):
        world.verify(world.bundle(rows, witnesses=WITNESSES[1:]), policy=policy)


def test_a_log_key_is_no_witness(world: World, rows: Registered) -> None:
    """The log's own signature cosigns nothing, even if a policy names its key as a witness."""
    vkey = str(VerifierKey(world.origin, world.log_key.public, COSIGNATURE))
    policy = world.policy(witnesses=(vkey,), demands={"public": Demand(witnesses=1)})
    with fails("policy", "0 cosigned"):
        world.verify(world.bundle(rows), policy=policy)


def test_a_cosignature_of_the_year_1970(world: World, rows: Registered) -> None:
    note = world.note(world.size, WITNESSES[0], time=0)
    policy = world.policy(
        witnesses=(witness_vkey(WITNESSES[0]),), demands={"public": Demand(witnesses=1)}
    )
    assert world.verify(replace(world.bundle(rows), checkpoint=note), policy=policy)


def test_a_cosignature_of_another_checkpoint(world: World, rows: Registered) -> None:
    other = world.note(world.size - 1, WITNESSES[0]).splitlines(keepends=True)[-1]
    policy = world.policy(witnesses=(witness_vkey(WITNESSES[0]),))
    bundle = world.bundle(rows)
    with fails("checkpoint", "is not valid"):
        world.verify(replace(bundle, checkpoint=bundle.checkpoint + other), policy=policy)


# --- entry ------------------------------------------------------------------------------------


def test_an_entry_that_is_not_in_the_log(world: World, rows: Registered) -> None:
    other = World(origin=world.origin)
    stolen = other.register([{"n": 99}])
    bundle = replace(world.bundle(rows), statement=other.logged(stolen.index, other.size))
    with fails("entry", "the path leads to the root"):
        world.verify(bundle)


def test_an_entry_of_another_envelope(world: World, rows: Registered) -> None:
    other = world.register([{"n": 99}])
    bundle = world.bundle(rows)
    swapped = replace(bundle.statement, envelope=world.leaves[other.index][1])
    with fails("entry", "entry 3 is of another envelope"):
        world.verify(replace(bundle, statement=swapped))


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"\x02" + b"\x01" + bytes(34),
        b"\x01\x0a" + bytes(34),
        b"\x01\x01" + bytes(32) + b"\x00\x01" + bytes(31),
        b"\x01\x01" + bytes(32) + b"\x00\x01" + bytes(33),
    ],
    ids=["empty", "version", "kind", "short", "long"],
)
def test_an_entry_of_another_form(world: World, rows: Registered, entry: bytes) -> None:
    bundle = world.bundle(rows)
    with fails("entry", "log entry"):
        world.verify(replace(bundle, statement=replace(bundle.statement, entry=entry)))


def test_an_inner_node_passed_off_as_an_entry(world: World, rows: Registered) -> None:
    """The two hashes of an inner node are 65 bytes with 0x01 in front: so is no entry."""
    hashes = [entry.leaf_hash for entry, _ in world.leaves]
    inner = b"\x01" + hashes[2] + hashes[3]
    assert sha256(inner).digest() == node_hash(hashes[2], hashes[3])
    path = (node_hash(hashes[0], hashes[1]),)
    bundle = world.bundle(rows)
    # As an entry it must also parse: 1 artifact makes 68 bytes, none makes 36.
    for entry in (inner, inner[1:], inner + bytes(3)):
        forged = replace(bundle.statement, entry=entry, index=1, path=path)
        with fails("entry", "not a log entry|log entry of"):
            world.verify(replace(bundle, statement=forged))
    with pytest.raises(InputError):
        Entry.parse(inner)


@pytest.mark.parametrize("index", [0, 1, 2, 4, 5, 2**52])
def test_an_entry_replayed_at_another_index(world: World, rows: Registered, index: int) -> None:
    world.register([{"n": 99}])
    bundle = world.bundle(rows)
    with fails("entry", "leads to the root|no leaf|hashes"):
        world.verify(replace(bundle, statement=replace(bundle.statement, index=index)))


# --- envelope · signature · statement -----------------------------------------------------------


def logged_raw(world: World, envelope: bytes, kind: int, *digests: bytes) -> Registered:
    """Enter any bytes, as a log can that does not look."""
    world.leaves.append((Entry(kind, sha256(envelope).digest(), digests), envelope))
    rows = world.register()
    return Registered(rows.rows, world.size - 2, rows.statement)


def test_an_envelope_written_in_another_way(world: World, rows: Registered) -> None:
    """Else one statement could have as many entries as it has ways to be written."""
    again = world.leaves[rows.index][1].replace(b'":', b'": ')
    entered = logged_raw(world, again, 1, rows.artifact.digest)
    with fails("envelope", "canonical form"):
        world.verify(world.bundle(entered))


def test_an_envelope_that_is_none(world: World) -> None:
    with fails("envelope", "not JSON"):
        world.verify(world.bundle(logged_raw(world, b"nothing", 1)))


def test_a_statement_signed_by_nobody_who_counts(world: World) -> None:
    rows = world.register([{"n": 1}], THIEF)
    with fails("signature", "signed by 0 of the policy's signers who may sign .*'dataset'; 1"):
        world.verify(world.bundle(rows))


def test_the_admin_and_the_log_are_no_signers(world: World) -> None:
    rows = world.register([{"n": 1}], ADMIN, world.log_key)
    with fails("signature", "signed by 0"):
        world.verify(world.bundle(rows))


def test_a_signer_for_other_kinds(world: World, rows: Registered) -> None:
    bundle = world.bundle(rows)
    with fails("signature", "signed by 0"):
        world.verify(bundle, policy=world.policy(signers=(signer(ALICE, "model", "review"),)))
    assert world.verify(bundle, policy=world.policy(signers=(signer(ALICE, "dataset", "model"),)))


def test_the_threshold_counts_keys(world: World) -> None:
    one, two = world.register([{"n": 1}]), world.register([{"n": 2}], ALICE, BOB)
    policy = world.policy(threshold=2)
    with fails("signature", "signed by 1 .* 2 needed"):
        world.verify(world.bundle(one), policy=policy)
    verified = world.verify(world.bundle(two), policy=policy)
    assert set(verified.signers) == {signer(ALICE).name, signer(BOB).name}


def test_a_signature_that_is_not_valid(world: World) -> None:
    said = world.register([{"n": 1}]).statement.to_bytes()
    sig = BOB.sign(b"something else")
    envelope = Envelope(
        payload=said, signatures=(Signature(keyid=ALICE.public.keyid, sig=sig),)
    ).to_bytes()
    with fails("signature", "is not valid"):
        world.verify(world.bundle(logged_raw(world, envelope, 1)))


def test_one_valid_signature_does_not_excuse_a_false_one(world: World) -> None:
    good = sign(world.register([{"n": 1}]).statement.to_bytes(), [ALICE])
    false = Signature(keyid=BOB.public.keyid, sig=bytes(64))
    both = sorted((*good.signatures, false), key=lambda signature: signature.keyid)
    envelope = replace(good, signatures=tuple(both)).to_bytes()
    with fails("signature", "is not valid"):
        world.verify(world.bundle(logged_raw(world, envelope, 1)))


def test_signed_bytes_that_are_no_statement(world: World) -> None:
    envelope = sign(b'{"_type":"x"}', [ALICE]).to_bytes()
    with fails("statement", "lacks|must be"):
        world.verify(world.bundle(logged_raw(world, envelope, 1)))


def test_an_entry_that_names_other_artifacts(world: World, rows: Registered) -> None:
    envelope = sign(rows.statement.to_bytes(), [ALICE, BOB]).to_bytes()
    for kind, digests in [
        (1, ()),
        (1, (bytes(32),)),
        (1, (rows.artifact.digest, bytes(32))),
        (2, (rows.artifact.digest,)),
    ]:
        entered = logged_raw(world, envelope, kind, *digests)
        with fails("statement", "names other artifacts or another kind"):
            world.verify(world.bundle(entered))


def test_a_statement_that_describes_no_artifact(world: World, rows: Registered) -> None:
    subject = Subject(name="rows", digest=rows.ref.digest)
    said = Statement(
        subjects=(subject,), predicate=Review(**world.stamp(), verdict="approve", reason="seen")
    )
    index = world.submit(said, ALICE)
    with fails("statement", "of kind 'review', which describes no artifact"):
        world.verify(world.bundle(Registered(rows.rows, index, said)))


# --- record -----------------------------------------------------------------------------------


def test_a_record_of_every_place(world: World, rows: Registered) -> None:
    for index, row in enumerate(rows.rows):
        verified = world.verify(world.bundle(rows, record=index), record=row)
        assert verified.record_indices == (index,)
        finding = f"the record is number {index} of 3"
        assert verified.report["record"].finding == finding


def test_a_record_as_an_auditor_types_it(world: World, rows: Registered) -> None:
    assert world.verify(world.bundle(rows, record=1), record=' {"n" : 2} ')


@pytest.mark.parametrize("record", [{"n": 1}, {"n": "2"}, {"n": 2, "m": None}, {}])
def test_another_record(world: World, rows: Registered, record: Any) -> None:
    with fails("record", "leads to the root"):
        world.verify(world.bundle(rows, record=1), record=record)


def test_a_record_that_is_none_is_the_caller_s_fault(world: World, rows: Registered) -> None:
    with pytest.raises(InputError, match="JSON"):
        world.verify(world.bundle(rows, record=1), record="{")


@pytest.mark.parametrize("index", [0, 2, 3, 2**53 - 1])
def test_a_record_replayed_at_another_index(world: World, rows: Registered, index: int) -> None:
    bundle = world.bundle(rows, record=1)
    moved = RecordProof(index=index, path=prove(rows.rows, 1).path)
    with fails("record", "leads to the root|no leaf|hashes"):
        world.verify(replace(bundle, records=(moved,)), record={"n": 2})


def test_a_record_of_another_data_set(world: World, rows: Registered) -> None:
    other = world.register([{"n": 7}, {"n": 8}, {"n": 9}])
    bundle = replace(world.bundle(rows), records=(prove(other.rows, 1),))
    with fails("record", "leads to the root"):
        world.verify(bundle, record={"n": 8})


def test_nothing_can_be_proven_in_an_empty_data_set(world: World) -> None:
    empty = world.register([])
    assert world.verify(world.bundle(empty)).artifact.size == 0
    bundle = replace(world.bundle(empty), records=(RecordProof(index=0, path=()),))
    with fails("record", "no leaf 0 in a tree of 0"):
        world.verify(bundle, record={"n": 1})


def test_a_record_without_its_proof(world: World, rows: Registered) -> None:
    with fails("record", "the bundle proves no record"):
        world.verify(world.bundle(rows), record={"n": 2})


def test_a_proof_without_its_record(world: World, rows: Registered) -> None:
    verified = world.verify(world.bundle(rows, record=1))
    assert verified.record_indices == ()
    assert verified.report["record"].mark is Mark.NOT_DEMANDED
    assert "give the record" in verified.report["record"].finding


def test_record_and_content_at_once_would_leave_one_unread(world: World, rows: Registered) -> None:
    with pytest.raises(InputError, match="one of them is checked"):
        world.verify(world.bundle(rows, record=1), record={"n": 2}, content=Content(rows.rows))


def test_the_whole_content(world: World, rows: Registered) -> None:
    bundle = world.bundle(rows)
    report = world.verify(bundle, content=Content(list(rows.rows))).report
    assert report["record"].finding == "all 3 records, recomputed"
    for other in (rows.rows[:2], [*rows.rows, {"n": 4}], rows.rows[::-1]):
        with fails("record", "signed are 3 with root"):
            world.verify(bundle, content=Content(list(other)))


def test_content_that_cannot_be_read(world: World, rows: Registered, tmp_path: Any) -> None:
    with pytest.raises(InputError, match="there is no file"):
        world.verify(world.bundle(rows), content=Content(tmp_path / "missing.jsonl"))


def test_exact_bytes(world: World, tmp_path: Any) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"n":1}\n{"n":2}\n')
    sha = sha256(file.read_bytes()).hexdigest()
    rows = world.register([{"n": 1}, {"n": 2}], digest={"sha256": sha})
    bundle = world.bundle(rows)
    assert world.verify(bundle, content=Content(file), exact=True)

    file.write_text('{"n": 1}\n{"n": 2}\n')
    finding = world.verify(bundle, content=Content(file)).report["record"].finding
    assert finding == "all 2 records, recomputed; file re-encoded"
    with fails("record", "another sha256: the file was re-encoded"):
        world.verify(bundle, content=Content(file), exact=True)


def test_exact_bytes_of_which_nothing_is_signed(world: World, tmp_path: Any) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"n":1}\n')
    rows = world.register([{"n": 1}])
    with fails("record", "nothing is signed that fixes the file's bytes"):
        world.verify(world.bundle(rows), content=Content(file), exact=True)
    rows = world.register([{"n": 1}], digest={"sha256": "ab" * 32})
    with fails("record", "nothing is signed that fixes the file's bytes"):
        world.verify(world.bundle(rows), content=Content([{"n": 1}]), exact=True)


def described(world: World, artifact: Artifact) -> Registered:
    digest = {ARTIFACT_DIGEST: artifact.digest_hex}
    predicate = Dataset(**world.stamp(), artifact=artifact, sensitivity="public")
    said = Statement(subjects=(Subject(name="it", digest=digest),), predicate=predicate)
    return Registered((), world.submit(said, ALICE), said)


def test_tables_that_are_one_data_set_together(world: World, tmp_path: Any) -> None:
    shards = [tmp_path / f"{number}.jsonl" for number in range(2)]
    for number, shard in enumerate(shards):
        shard.write_text(json.dumps({"n": number}) + "\n")
    rows = world.register([{"n": 0}, {"n": 1}])
    assert world.verify(world.bundle(rows), content=Content(shards))
    with fails("record", "signed are 2"):
        world.verify(world.bundle(rows), content=Content(shards[::-1]))


def test_what_was_left_out_of_a_folder_is_told(world: World, tmp_path: Any) -> None:
    """It is no part of the data set: whoever adds such a file changes nothing that was signed."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(b"w")
    (folder / "added.pyc").write_bytes(b"anything")
    encoding = replace(FILE, ignore=("*.pyc", "*~"))
    record = {"path": "weights", "sha256": sha256(b"w").hexdigest(), "size": 1}
    artifact = Artifact(root=hash_record(record, encoding), size=1, encoding=encoding)
    verified = world.verify(world.bundle(described(world, artifact)), content=Content(folder))
    finding = "all 1 records, recomputed; left out: '*.pyc', '*~'"
    assert verified.report["record"].finding == finding


class TestOneFileOfAFolder:
    @pytest.fixture
    def bundle(self, world: World) -> Bundle:
        leaves = [
            hash_record({"path": p, "sha256": sha256(d).hexdigest(), "size": len(d)}, FILE)
            for p, d in {"a.txt": b"a", "sub/a.txt": b"b", "sub/c.txt": b"c"}.items()
        ]
        tree = Tree.from_leaf_hashes(b"".join(leaves))
        folder = described(world, Artifact(root=tree.root, size=3, encoding=FILE))
        record = RecordProof(index=1, path=tree.prove(1).path)
        return replace(world.bundle(folder), records=(record,))

    def test_holds(self, world: World, bundle: Bundle, tmp_path: Any) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "a.txt").write_bytes(b"b")
        verified = world.verify(bundle, content=Content(tmp_path / "sub" / "a.txt"))
        finding = "the file 'sub/a.txt' is number 1 of 3"
        assert verified.report["record"].finding == finding

    def test_another_content(self, world: World, bundle: Bundle, tmp_path: Any) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "a.txt").write_bytes(b"a")
        with fails("record", "leads to the root"):
            world.verify(bundle, content=Content(tmp_path / "sub" / "a.txt"))

    def test_another_name(self, world: World, bundle: Bundle, tmp_path: Any) -> None:
        (tmp_path / "a.txt").write_bytes(b"b")
        with fails("record", "leads to the root"):
            world.verify(bundle, content=Content(tmp_path / "a.txt"))

    def test_missing(self, world: World, bundle: Bundle, tmp_path: Any) -> None:
        with pytest.raises(InputError, match=r"a\.txt cannot be read: No such file"):
            world.verify(bundle, content=Content(tmp_path / "a.txt"))

    def test_hashed_as_the_folder_was(
        self, world: World, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By BLAKE3, say, and not by SHA-256 under its name."""
        (tmp_path / "a.txt").write_bytes(b"a")
        encoding = replace(FILE, digest="blake3")
        folder = described(world, Artifact(root=bytes(32), size=1, encoding=encoding))
        bundle = replace(world.bundle(folder), records=(RecordProof(index=0, path=()),))
        monkeypatch.setitem(sys.modules, "blake3", None)
        with pytest.raises(InputError, match="blake3 digests need the package"):
            world.verify(bundle, content=Content(tmp_path / "a.txt"))

    def test_by_hand(self, world: World, bundle: Bundle) -> None:
        record = {"path": "sub/a.txt", "sha256": sha256(b"b").hexdigest(), "size": 1}
        assert world.verify(bundle, record=record).record_indices == (1,)

    def test_rows_are_no_file(self, world: World, bundle: Bundle) -> None:
        with pytest.raises(InputError, match="rows in memory have the encoding 'json', not 'file'"):
            world.verify(bundle, content=Content([{"n": 1}]))

    def test_a_folder_of_some(self, world: World, bundle: Bundle, tmp_path: Any) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "a.txt").write_bytes(b"b")
        verified = world.verify(bundle, content=Content(tmp_path))
        assert verified.report["record"].finding == "the record is number 1 of 3"
        (tmp_path / "a.txt").write_bytes(b"a")
        with fails("record", "the bundle proves 1 records, and more were given"):
            world.verify(bundle, content=Content(tmp_path))


# --- several records ------------------------------------------------------------------------------


MANY = [{"n": n % 7, "of": n // 7} for n in range(21)]
SOME = (20, 3, 3, 0, 11)


@pytest.fixture
def some(world: World) -> Bundle:
    """The proof of a few records, one of them twice, in no order."""
    bundle = world.bundle(world.register(MANY))
    return replace(bundle, records=tuple(prove(MANY, index) for index in SOME))


def test_all_of_several_records(world: World, some: Bundle, tmp_path: Any) -> None:
    asked = [MANY[index] for index in SOME]
    file = tmp_path / "asked.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in asked))
    hashes = [hash_record(row, JSON) for row in asked]
    for given in (
        {"content": Content(asked)},
        {"content": Content(file)},
        {"leaf_hashes": hashes},
        {"records": asked},
        {"records": [json.dumps(row) for row in asked]},
    ):
        verified = world.verify(some, **given)
        assert verified.record_indices == SOME
        assert verified.report["bundle"].finding == "proves 5 records, with 0 anchors"
        finding = "the records are numbers 20, 3, 3, 0, 11 of 21"
        assert verified.report["record"].finding == finding


def test_the_findings_about_many_records_stay_short(world: World) -> None:
    bundle = world.bundle(world.register(MANY))
    bundle = replace(bundle, records=tuple(prove(MANY, index) for index in range(21)))
    finding = world.verify(bundle, content=Content(MANY)).report["record"].finding
    assert finding == "the records are numbers 0, 1, 2, 3, 4, … of 21"


def test_one_of_several_records(world: World, some: Bundle) -> None:
    for index in SOME:
        verified = world.verify(some, record=MANY[index])
        assert verified.record_indices == (index,)
        assert verified.report["record"].finding == f"the record is number {index} of 21"
    with fails("record", "it is none of the 5 records that the bundle proves"):
        world.verify(some, record=MANY[1])


@pytest.mark.parametrize("place", range(5))
def test_one_other_record_among_several(world: World, some: Bundle, place: int) -> None:
    asked = [MANY[index] for index in SOME]
    asked[place] = {**asked[place], "n": 8}
    for given in ({"content": Content(asked)}, {"records": asked}):
        with fails("record", f"the path of leaf {SOME[place]} leads to the root"):
            world.verify(some, **given)


@pytest.mark.parametrize("asked", [[], [20], [20, 3, 3, 0], [20, 3, 3, 0, 11, 1], range(21)])
def test_more_or_fewer_records_than_are_proven(world: World, some: Bundle, asked: Any) -> None:
    given = [MANY[index] for index in asked]
    said = "more" if len(asked) > 5 else f"only {len(asked)}"
    with fails("record", f"the bundle proves 5 records, and {said} were given"):
        world.verify(some, content=Content(given))
    with fails("record", f"the bundle proves 5 records, and {said} were given"):
        world.verify(some, leaf_hashes=[hash_record(row, JSON) for row in given])
    with fails("record", f"the bundle proves 5 records, and {said} were given"):
        world.verify(some, records=given)


def test_several_records_in_another_order(world: World, some: Bundle) -> None:
    asked = [MANY[index] for index in sorted(SOME)]
    with fails("record", "not those that the bundle proves, in its order"):
        world.verify(some, content=Content(asked))


def test_no_hash_of_a_path_counts_for_the_next(world: World, some: Bundle) -> None:
    """Joined to one buffer, the paths would be the same bytes."""
    first, second, *rest = some.records
    moved = (
        replace(first, path=(*first.path, second.path[0])),
        replace(second, path=second.path[1:]),
        *rest,
    )
    with fails("record", f"no path of {len(first.path) + 1} hashes leads from leaf 20 of 21"):
        world.verify(replace(some, records=moved), content=Content([MANY[index] for index in SOME]))
    beyond = (replace(first, index=21), second, *rest)
    with fails("record", "leads from leaf 21 of 21"):
        world.verify(
            replace(some, records=beyond), content=Content([MANY[index] for index in SOME])
        )


def test_no_byte_of_a_leaf_hash_counts_for_the_next(world: World, some: Bundle) -> None:
    hashes = [hash_record(MANY[index], JSON) for index in SOME]
    moved = [hashes[0] + hashes[1][:5], hashes[1][5:], *hashes[2:]]
    with fails("record", "a leaf hash of 37 bytes instead of 32"):
        world.verify(some, leaf_hashes=moved)


def test_leaf_hashes_need_a_bundle_that_proves_records(world: World, rows: Registered) -> None:
    for hashes in ([], [bytes(32)]):
        with fails("record", "the bundle proves no record"):
            world.verify(world.bundle(rows), leaf_hashes=hashes)


def test_what_is_no_record_among_several(world: World, some: Bundle) -> None:
    with pytest.raises(InputError, match="not an object"):
        world.verify(some, records=[MANY[20], 7, MANY[3], MANY[0], MANY[11]])
    with pytest.raises(InputError, match="one of them is checked"):
        world.verify(some, records=[], record=MANY[20])


def test_more_records_than_a_bundle_proves(world: World, some: Bundle) -> None:
    many = replace(some, records=some.records[:1] * (MAX_RECORDS + 1))
    with fails("bundle", "the bundle proves more than 16,384 records"):
        world.verify(many)
    assert world.verify(replace(many, records=many.records[1:]), record=MANY[20])


def test_some_records_have_no_bytes_of_their_own(world: World, some: Bundle) -> None:
    asked = [MANY[index] for index in SOME]
    with fails("record", "nothing is signed that fixes the bytes of a file of some records"):
        world.verify(some, content=Content(asked), exact=True)


def test_an_inner_node_passed_off_as_a_record(world: World) -> None:
    """Under an encoding of raw bytes a record may hold anything, and its hash still differs."""
    lines = [b"first", b"second", b"third", b"fourth"]
    hashes = [hash_record(line, LINE) for line in lines]
    tree = Tree.from_leaf_hashes(b"".join(hashes))
    registered = described(world, Artifact(root=tree.root, size=4, encoding=LINE))
    inner = b"\x01" + hashes[0] + hashes[1]
    assert b"\n" not in inner
    bundle = replace(
        world.bundle(registered),
        records=(RecordProof(index=0, path=(node_hash(hashes[2], hashes[3]),)),),
    )
    for forged in (inner, inner[1:]):
        with fails("record", "has 1 hashes; leaf 0 of 4 has 2"):
            world.verify(bundle, record=forged)
    smaller = described(world, Artifact(root=tree.root, size=2, encoding=LINE))
    bundle = replace(world.bundle(smaller), records=bundle.records)
    for forged in (inner, inner[1:]):
        with fails("record", "leads to the root"):
            world.verify(bundle, record=forged)


# --- no policy, another policy --------------------------------------------------------------------


@pytest.mark.parametrize("sensitivity", ["public", "internal", "confidential", "restricted"])
def test_without_a_policy_nothing_is_ever_verified(sensitivity: str) -> None:
    world = World()
    rows = world.register([{"n": 1}], ALICE, BOB, sensitivity=sensitivity)
    world.anchor()
    bundle = world.bundle(rows, record=0, witnesses=WITNESSES)
    with undecided("policy", "consistent, but vouched for by nobody you named"):
        Verifier(None, chains={"main": world.chain}).verify(bundle.to_bytes(), record={"n": 1})
    assert world.chain.asked == 0, "a bundle must not say which chain to ask"


def test_without_a_policy_what_fails_still_fails(world: World, rows: Registered) -> None:
    bundle = world.bundle(rows, record=0).to_bytes()
    with fails("record", "leads to the root"):
        Verifier(None).verify(bundle, record={"n": 2})
    world.revoke(ALICE, since="2020-01-01T00:00:00Z")
    with fails("standing", "compromised since 2020"):
        Verifier(None).verify(world.bundle(rows).to_bytes())


def test_without_a_policy_and_a_genesis(world: World, rows: Registered) -> None:
    with fails("bundle", "names no log of its own"):
        Verifier(None).verify(world.bundle(rows, standing=[1, 2]).to_bytes())


def test_without_a_policy_and_with_a_key_that_is_none(world: World, rows: Registered) -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
    said = world.key_statement(THIEF, action="add", public_key=THIEF.public.to_pem())
    digest = {"sha256": sha256(bytes(3)).hexdigest()}
    said = Statement(
        subjects=(Subject(name="none", digest=digest),),
        predicate=replace(said.predicate, public_key=pem),
    )
    world.submit(said, ADMIN)
    with fails("bundle", "a key that cannot be used"):
        Verifier(None).verify(world.bundle(rows).to_bytes())
    with fails("standing", "entry 4 adds what cannot be used"):
        world.verify(world.bundle(rows))


def stranger() -> World:
    """A log of the same name with the same statements: its keys are all that differ."""
    return World(log_key=key("log of a stranger"), admin=key("admin of a stranger"))


def test_a_stranger_s_consistent_bundle(world: World) -> None:
    other = stranger()
    rows = other.register()
    other.anchor()
    bundle = other.bundle(rows, record=0)
    assert other.verify(bundle, record={"n": 1})
    with fails("checkpoint", "signed by no known key"):
        world.verify(bundle, record={"n": 1})


def test_a_stranger_s_log_key_is_not_enough(world: World) -> None:
    """Each key of the path is pinned: with the true log key, an admin's is still missing."""
    other = World(admin=key("admin of a stranger"))
    rows = other.register()
    with fails("standing", "a genesis is entry 0 and signed by an admin key"):
        world.verify(other.bundle(rows))
    with fails("standing", "entry 1 adds a key, but no admin key signed it"):
        world.verify(other.bundle(rows, standing=[1]))
    with fails("standing", "was not added before entry 3"):
        world.verify(other.bundle(rows, standing=[]))


def test_a_stranger_s_signers(world: World) -> None:
    other = World(signers=(key("signer of a stranger"), THIEF))
    rows = other.register([{"n": 1}], THIEF)
    with fails("signature", "signed by 0"):
        world.verify(other.bundle(rows))


# --- policy: levels -------------------------------------------------------------------------------


def leveled(world: World, sensitivity: str, *by: Any) -> Registered:
    return world.register([{"n": 1}], *by, sensitivity=sensitivity)


LEVELS = ["public", "internal", "confidential", "restricted"]
PROOFS = ["anchor", "final", "witness", "signer"]
NEEDS = {
    "public": set(),
    "internal": {"anchor"},
    "confidential": {"anchor", "final", "witness"},
    "restricted": {"anchor", "final", "witness", "signer"},
}
LACKING = {
    "anchor": "demands an anchor",
    "final": "demands a final anchor",
    "witness": "demands 1 of the [0-9] witnesses that the policy names; 0 cosigned",
    "signer": "demands 2 signers; 1 of them count",
}


def verify_with(world: World, sensitivity: str, shown: set[str], **policy: Any) -> Any:
    by = (ALICE, BOB) if "signer" in shown else (ALICE,)
    rows = leveled(world, sensitivity, *by)
    if "anchor" in shown:
        world.anchor()
    chain = world.chain.lying(**({} if "final" in shown else {"finalized": lambda: 0}))
    return world.verify(
        world.bundle(rows, witnesses=WITNESSES[:1] if "witness" in shown else ()),
        policy=world.policy(witnesses=(witness_vkey(WITNESSES[0]),), **policy),
        chains={"main": chain},
    )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("lacking", [None, *PROOFS])
@pytest.mark.parametrize("from_minimum", [False, True])
def test_levels(world: World, level: str, lacking: str | None, from_minimum: bool) -> None:
    """Each level demands what it needs and nothing else; a minimum lifts a public statement."""
    shown = set(PROOFS) - {lacking}
    sensitivity, minimum = ("public", level) if from_minimum else (level, "public")
    if lacking in NEEDS[level]:
        with fails("policy", f"'{level}' {LACKING[str(lacking)]}"):
            verify_with(world, sensitivity, shown, minimum=minimum)
    else:
        verified = verify_with(world, sensitivity, shown, minimum=minimum)
        assert verified.report["policy"].finding.startswith(f"'{level}', under policy")


def test_a_statement_cannot_lower_its_level(world: World) -> None:
    with fails("policy", "'restricted' demands 2 signers"):
        verify_with(world, "public", set(PROOFS) - {"signer"}, minimum="restricted")


def test_a_statement_can_raise_its_level(world: World) -> None:
    with fails("policy", "'restricted' demands 2 signers"):
        verify_with(world, "restricted", set(PROOFS) - {"signer"}, minimum="internal")


def test_demands_of_one_s_own(world: World) -> None:
    demands = {"restricted": Demand(), "public": Demand(anchored=True)}
    assert verify_with(world, "restricted", set(), demands=demands)
    with fails("policy", "'public' demands an anchor"):
        verify_with(world, "public", set(), demands=demands)


def test_a_final_anchor_is_an_anchor(world: World) -> None:
    with fails("policy", "'public' demands an anchor"):
        verify_with(world, "public", set(), demands={"public": Demand(final=True)})


def test_the_threshold_holds_below_a_demand(world: World) -> None:
    with fails("signature", "2 needed"):
        verify_with(world, "public", set(), threshold=2)


def test_a_chain_without_a_notion_of_final_is_accepted(world: World) -> None:
    rows = leveled(world, "confidential")
    world.anchor()
    policy = world.policy(witnesses=(witness_vkey(WITNESSES[0]),))
    bundle = world.bundle(rows, witnesses=WITNESSES[:1])
    chain = world.chain.lying(finalized=lambda: None)
    assert world.verify(bundle, policy=policy, chains={"main": chain})


def test_the_policy_is_what_its_bytes_say(world: World) -> None:
    policy = world.policy(threshold=2, demands={"public": Demand(signers=2)}, minimum="internal")
    again = Policy.parse(policy.to_bytes())
    assert again == policy
    assert again.fingerprint == policy.fingerprint == sha256(policy.to_bytes()).hexdigest()
    assert again.fingerprint != world.policy().fingerprint


def test_errors_carry_the_report(world: World, rows: Registered) -> None:
    with pytest.raises(VerificationError) as caught:
        world.verify(world.bundle(rows), policy=world.policy(minimum="internal"))
    assert isinstance(caught.value, VerificationError)
    assert not isinstance(caught.value, (UndecidedError, ChainError))
    assert caught.value.report["policy"].mark is Mark.FAILS
    assert str(caught.value).startswith("policy: ")


def test_encodings_are_part_of_the_name(world: World, rows: Registered) -> None:
    """The same root and size under another encoding is another artifact."""
    same = Artifact(root=rows.artifact.root, size=3, encoding=LINE)
    assert same.digest != rows.artifact.digest
    bundle = replace(world.bundle(described(world, same)), records=(prove(rows.rows, 1),))
    with fails("record", "leads to the root"):
        world.verify(bundle, record='{"n":2} ')
    assert world.verify(bundle, record='{"n":2}')
    assert hash_record({"n": 2}, JSON) == hash_record('{"n":2}', LINE)
