"""Proofs, roots and files in the browser, held against Python for every small size."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import Any

import pytest
from alike import ask

from provenance.errors import InputError, ProvenanceError
from provenance.merkle import Tree, check_consistency, check_inclusion, leaf_hash, path_length
from provenance.records import CHUNK, JSON, LINE
from provenance.records.opening import open_source

pytestmark = pytest.mark.untraced

SIZES = range(1, 21)
LEAVES = [leaf_hash(str(number).encode()) for number in range(SIZES[-1])]
TREES = {size: Tree.from_leaf_hashes(b"".join(LEAVES[:size])) for size in SIZES}

CHECKED = """([name, cases]) => Promise.all(cases.map(async (given) =>
  (await tried(() => provenance[name](given))) ?? null))"""


def hexed(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return [hexed(item) for item in value] if isinstance(value, (list, tuple)) else value


def check_parity(
    room: Any, name: str, cases: list[dict[str, Any]], check: Any, names: dict[str, str]
) -> int:
    """Hold every case against Python, words included; return how many hold."""
    given = [{names.get(key, key): hexed(value) for key, value in case.items()} for case in cases]
    held = 0
    for case, found in zip(cases, ask(room, CHECKED, [name, given]), strict=True):
        assert found == refusal_of(check, case), case
        held += found is None
    return held


def refusal_of(check: Any, case: dict[str, Any]) -> dict[str, str] | None:
    try:
        check(**case)
    except ProvenanceError as error:
        return {"refused": str(error)}
    return None


def bent(paths: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """A path, and what an attacker makes of it."""
    other = hashlib.sha256(b"other").digest()
    found = [paths, (*paths, other), paths[:-1], paths[1:], paths[::-1], (other, *paths[1:])]
    return [*found, (*paths[:-1], paths[-1][:-1])] if paths else found


def test_inclusion_of_every_index_of_every_size(room: Any) -> None:
    cases = [
        {"leaf_hash": leaf, "index": at, "size": size, "path": path, "root": TREES[size].root}
        for size in SIZES
        for index in range(size)
        for path in bent(TREES[size].prove(index).path)
        for at, leaf in ((index, LEAVES[index]), (index + 1, LEAVES[index]), (index, LEAVES[0]))
    ]
    held = check_parity(room, "checkInclusion", cases, check_inclusion, {"leaf_hash": "leaf"})
    assert held >= sum(SIZES)
    assert len(cases) - held > 2000


def test_consistency_of_every_pair_of_sizes(room: Any) -> None:
    cases = [
        {
            "old_size": old,
            "old_root": TREES[old_root].root,
            "size": size,
            "root": TREES[size].root,
            "path": path,
        }
        for old, size in itertools.product(SIZES, SIZES)
        for proven in [TREES[size].prove_consistency(old).path if old <= size else (LEAVES[0],)]
        for path in bent(proven)
        for old_root in {old, max(1, old - 1)}
    ]
    names = {"old_size": "oldSize", "old_root": "oldRoot"}
    held = check_parity(room, "checkConsistency", cases, check_consistency, names)
    assert held >= len(SIZES) * (len(SIZES) + 1) // 2
    assert len(cases) - held > 2000


def test_sizes_beyond_what_the_language_shifts(room: Any) -> None:
    cases = [
        (index, size)
        for size in (2**31, 2**32, 2**32 + 1, 2**40 + 7, 2**53 - 1)
        for index in (0, 1, size // 2, size // 3, size - 2, size - 1)
    ]
    found = room.evaluate("(cases) => cases.map((each) => provenance.pathLength(...each))", cases)
    assert found == [path_length(index, size) for index, size in cases]
    one = {"leaf_hash": LEAVES[0], "index": 2**53 - 2, "size": 2**53 - 1, "root": LEAVES[1]}
    cases_of_one = [{**one, "path": LEAVES[:20] * 3}, {**one, "path": (LEAVES * 2)[:52]}]
    leaf = {"leaf_hash": "leaf"}
    assert not check_parity(room, "checkInclusion", cases_of_one, check_inclusion, leaf)


def test_roots_grow_leaf_by_leaf(room: Any) -> None:
    found = room.evaluate(
        """async (leaves) => {
          const frontier = new provenance.Frontier();
          const roots = [await frontier.root()];
          for (const leaf of leaves) {
            await frontier.append(leaf);
            roots.push(await frontier.root());
          }
          return roots;
        }""",
        hexed(LEAVES),
    )
    assert found == [hashlib.sha256(b"").hexdigest(), *(TREES[size].root.hex() for size in SIZES)]


# --- files ----------------------------------------------------------------------------------------

MIB = 1 << 20

HASH_FILE = """async ([encoding]) => tried(async () => {
  const told = [];
  const onProgress = (done, all) => told.push([done, all]);
  const file = document.querySelector("input").files[0];
  const hashed = await provenance.hashFile(file, { encoding, onProgress });
  return { ...hashed, encoding: hashed.encoding.encoding, told: told[told.length - 1] ?? null };
})"""


def check_file(room: Any, path: Path, encoding: Any) -> dict[str, Any]:
    """Choose a file in the page, as a person does, and hold its hashes against Python."""
    room.evaluate("() => { document.body.innerHTML = '<input type=file>' }")
    room.set_input_files("input", path)
    found: dict[str, Any] = room.evaluate(HASH_FILE, [encoding.name])
    try:
        source = open_source(path, encoding=encoding)
        artifact = source.artifact()
    except InputError:
        assert set(found) == {"refused"}
        return found
    assert (found["root"], found["size"]) == (artifact.root.hex(), artifact.size)
    assert (found["digest"], found["sha256"]) == (artifact.digest_hex, source.digests["sha256"])
    if path.stat().st_size:
        assert found["told"] == [path.stat().st_size] * 2
    return found


@pytest.mark.parametrize(
    "size", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 5 * MIB + 3, 16 * MIB, 16 * MIB + 1, 33 * MIB]
)
def test_a_file_in_chunks(room: Any, tmp_path: Path, size: int) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes((hashlib.sha256(b"x").digest() * (size // 32 + 1))[:size])
    check_file(room, path, CHUNK)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\n", b"\n\n", b"a", b"a\n", b"a\r\nb\r\n", b"\xff\x00\nx", b"a\n\nb"),
        *(b"x" * MIB, b"x" * (MIB - 1) + b"\n" + b"y" * MIB, b"x" * (3 * MIB) + b"\nz\n"),
    ],
    ids=range(11),
)
def test_a_file_in_lines(room: Any, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(data)
    check_file(room, path, LINE)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", ""),
        (b'{"a":1}\n{"a":2}', ""),
        (b'{"a":1}\r\n {"b":1e3} \n', ""),
        (b'{"a":"' + b"x" * MIB + b'"}\n{"a":2}\n', ""),
        (b'{"a":1}\n\n{"a":2}\n', "'rows.jsonl', row 2 is not JSON: "),
        (b'{"a":1}\n[]\n', "'rows.jsonl', row 2 is not an object"),
        (b'{"a":"\xff"}\n', "'rows.jsonl', row 1 is not UTF-8"),
        (b'\xef\xbb\xbf{"a":1}\n', "'rows.jsonl', row 1 is not JSON: "),
    ],
    ids=range(8),
)
def test_a_file_of_rows(room: Any, tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    assert check_file(room, path, JSON).get("refused", "").startswith(why)


def test_a_table_of_another_form_is_refused(room: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n")
    room.evaluate("() => { document.body.innerHTML = '<input type=file>' }")
    room.set_input_files("input", path)
    assert "is not JSONL" in room.evaluate(HASH_FILE, ["json"])["refused"]
    assert "no encoding 'toString'" in room.evaluate(HASH_FILE, ["toString"])["refused"]
