"""A file at hand, held in the browser and by Python against the same bundle."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from alike import outcome, plain, told
from world import ALICE, Registered, World

from provenance.errors import InputError, UndecidedError, VerificationError
from provenance.merkle import Tree, leaf_hash
from provenance.records import CHUNK, FILE, JSON, LINE, Artifact, Encoding
from provenance.records.artifacts import ARTIFACT_DIGEST
from provenance.statements import Dataset, Statement, Subject
from provenance.verification import Bundle, Content, RecordProof, Verifier

pytestmark = pytest.mark.untraced

VERIFY = """async ([bundle, policy, record]) => tried(async () => {
  const [file = null] = record === null ? document.querySelector("input").files : [];
  return provenance.verify({ bundle: bytes(bundle), policy: bytes(policy), record, file });
})"""

SMALL = replace(CHUNK, chunk_size=5)


@dataclass
class Signed:
    """Leaves under an encoding, signed as an artifact; proofs of some of them."""

    leaves: Sequence[bytes]
    encoding: Encoding
    sha256: str | None = None

    def __post_init__(self) -> None:
        self.world = World()
        self.tree = Tree.from_leaf_hashes(b"".join(map(leaf_hash, self.leaves)))
        artifact = Artifact(root=self.tree.root, size=self.tree.size, encoding=self.encoding)
        digest = {ARTIFACT_DIGEST: artifact.digest_hex}
        if self.sha256:
            digest["sha256"] = self.sha256
        predicate = Dataset(**self.world.stamp(), artifact=artifact, sensitivity="public")
        said = Statement(subjects=(Subject(name="it", digest=digest),), predicate=predicate)
        self.registered = Registered([], self.world.submit(said, ALICE), said)

    def bundle(self, *indices: int) -> Bundle:
        proofs = [RecordProof(index=i, path=self.tree.prove(i).path) for i in indices]
        return replace(self.world.bundle(self.registered), records=tuple(proofs))


def compare(
    room: Any, signed: Signed, bundle: Bundle, path: Path | None, record: str | None = None
) -> str:
    """Verify by both; return what came of it, which must be the same, in the same words."""
    policy = signed.world.policy()
    room.evaluate("() => { document.body.innerHTML = '<input type=file>' }")
    if path is not None:
        room.set_input_files("input", path)
    data = [base64.b64encode(each).decode() for each in (bundle.to_bytes(), policy.to_bytes())]
    there = room.evaluate(VERIFY, [*data, record])
    content = None if path is None else Content(path)
    try:
        verifier = Verifier(policy)
        verified = verifier.verify(bundle.to_bytes(), content=content, record=record)
        here = told(verified.report, True, None)
    except VerificationError as error:
        decided = not isinstance(error, UndecidedError)
        here = told(error.report, False if decided else None, error.step)
    except InputError as error:
        here = {"refused": str(error)}
    assert outcome(there) == outcome(here), (here, there)
    if "refused" not in here:
        findings = [
            [(step["mark"], plain(step["finding"])) for step in each["steps"]]
            for each in (here, there)
        ]
        assert findings[0] == findings[1]
    return outcome(here)


ROWS = [{"n": number, "text": "é" * number} for number in range(6)]
TEXT = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
LINES = [line.encode() for line in ("a", "", "b\r", "é", "a")]


def check_whole(room: Any, signed: Signed, folder: Path, name: str, good: bytes) -> None:
    path = folder / name
    path.write_bytes(good)
    assert compare(room, signed, signed.bundle(), path) == "verified"
    for changed in (good + b"x\n", good[:-1] + b"?", good[1:], good[:-3], b"", good * 2):
        path.write_bytes(changed)
        assert compare(room, signed, signed.bundle(), path) in ("record", "refused")


def test_whole_files(room: Any, tmp_path: Path) -> None:
    data = bytes(range(17))
    chunks = [data[at : at + 5] for at in range(0, 17, 5)]
    check_whole(room, Signed(chunks, SMALL), tmp_path, "model.bin", data)
    check_whole(room, Signed(LINES, LINE), tmp_path, "a.txt", b"\n".join(LINES))
    texts = [json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() for row in ROWS]
    check_whole(room, Signed(texts, JSON), tmp_path, "rows.jsonl", TEXT)


@pytest.mark.parametrize("digest", [sha256(TEXT).hexdigest(), sha256(b"").hexdigest()])
def test_a_file_that_was_re_encoded(room: Any, tmp_path: Path, digest: str) -> None:
    texts = [json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() for row in ROWS]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(TEXT)
    signed = Signed(texts, JSON, digest)
    assert compare(room, signed, signed.bundle(), path) == "verified"


def test_an_empty_artifact(room: Any, tmp_path: Path) -> None:
    path = tmp_path / "none.jsonl"
    path.write_bytes(b"")
    signed = Signed([], JSON)
    assert compare(room, signed, signed.bundle(), path) == "verified"
    proof = replace(signed.bundle(), records=(RecordProof(index=0, path=()),))
    assert compare(room, signed, proof, path) == "record"
    assert compare(room, signed, proof, None, "{}") == "record"


def test_several_records(room: Any, tmp_path: Path) -> None:
    signed = Signed(LINES, LINE)
    path = tmp_path / "some.txt"
    for indices in ((0,), (1, 3), (3, 1), (0, 4), (4, 4), tuple(range(5))):
        bundle = signed.bundle(*indices)
        path.write_bytes(b"".join(LINES[index] + b"\n" for index in indices))
        assert compare(room, signed, bundle, path) == "verified"
        assert compare(room, signed, signed.bundle(), path) in ("verified", "record")
        for wrong in (b"", b"a\n" * 9, path.read_bytes() + b"a\n", b"x\n" * len(indices)):
            path.write_bytes(wrong)
            assert compare(room, signed, bundle, path) == "record"
        for line in ("a", "b\r", "é", "x", "a\nb", ""):
            compare(room, signed, bundle, None, line)
        bent = replace(bundle.records[0], index=bundle.records[0].index + 1)
        compare(room, signed, replace(bundle, records=(bent, *bundle.records[1:])), path)


def test_leaf_hashes(room: Any) -> None:
    """As a page has them that shows a proof: of all records that are proven, in its order."""
    signed = Signed(LINES, LINE)
    policy = signed.world.policy()
    leaves = [leaf_hash(line).hex() for line in LINES]
    one, two, other = leaves[0], leaves[1], leaves[3]
    given: list[list[str]] = [[one, two], [two, one], [one, other], [one], [one, two, other], []]
    for malformed in (one.upper(), one[:-2], f"{one}00", one[:-1] + "g", "", f"{one}\n"):
        given.append([malformed, two])
    bundle = signed.bundle(0, 1).to_bytes()
    sent = [base64.b64encode(each).decode() for each in (bundle, policy.to_bytes())]
    found = room.evaluate(
        """([bundle, policy, given]) => Promise.all(given.map((leafHashes) => provenance.verify({
          bundle: bytes(bundle), policy: bytes(policy), leafHashes })))""",
        [*sent, given],
    )
    assert [each["verified"] for each in found] == [True] + [False] * (len(given) - 1)
    assert {each["step"] for each in found[1:]} == {"record"}
    for hashes, there in zip(given[1:6], found[1:6], strict=True):
        with pytest.raises(VerificationError) as caught:
            Verifier(policy).verify(bundle, leaf_hashes=list(map(bytes.fromhex, hashes)))
        assert caught.value.report["record"].finding == there["steps"][-1]["finding"]


def test_records_of_chunks_are_bytes(room: Any, tmp_path: Path) -> None:
    signed = Signed([b"12345", b"67"], SMALL)
    path = tmp_path / "part"
    path.write_bytes(b"67")
    assert compare(room, signed, signed.bundle(1), path) == "verified"
    assert compare(room, signed, signed.bundle(1), None, "67") == "refused"
    path.write_bytes(b"123456")
    assert compare(room, signed, signed.bundle(0), path) == "record"


def test_one_file_of_a_folder(room: Any, tmp_path: Path) -> None:
    """By its name, if it lies at the top; else by its record."""
    records = [
        {"path": "b.bin", "sha256": sha256(b"b").hexdigest(), "size": 1},
        {"path": "sub/a.bin", "sha256": sha256(b"a").hexdigest(), "size": 1},
    ]
    leaves = [json.dumps(each, separators=(",", ":")).encode() for each in records]
    signed = Signed(leaves, FILE)
    path = tmp_path / "b.bin"
    path.write_bytes(b"b")
    assert compare(room, signed, signed.bundle(0), path) == "verified"
    data = [signed.bundle(0).to_bytes(), signed.world.policy().to_bytes()]
    sent = [*(base64.b64encode(each).decode() for each in data), None]
    assert room.evaluate(VERIFY, sent)["verified"]
    path.write_bytes(b"c")  # which the browser notices: the file is not the one that was chosen
    assert "cannot be read" in room.evaluate(VERIFY, sent)["refused"]
    room.set_input_files("input", path)
    assert room.evaluate(VERIFY, sent)["step"] == "record"
    for index, record in enumerate(records):
        assert compare(room, signed, signed.bundle(index), None, json.dumps(record)) == "verified"
    wrong = [
        {**records[0], "size": 2},
        {**records[0], "size": -1},
        {**records[0], "size": 1.0},
        {**records[0], "size": True},
        {**records[0], "more": 1},
        {**records[0], "sha256": records[0]["sha256"].upper()},
        {**records[0], "path": 1},
        {"path": "b.bin"},
    ]
    for record in wrong:
        seen = compare(room, signed, signed.bundle(0), None, json.dumps(record))
        assert seen in ("record", "refused")
