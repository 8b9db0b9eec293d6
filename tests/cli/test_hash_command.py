"""``hash`` says what `register` would, in lines that ``--check`` reads: as ``sha256sum`` does."""

import hashlib
import json
import time

import blake3
import pytest
import rfc8785
from command_line import ROWS

from provenance.records.cache import LOCAL, filesystem_of, user_cache
from provenance.records.filesystem import unpack
from provenance.records.listing import list_folder


def root_of(leaves):
    """RFC 9162, section 2.1.1."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root_of(leaves[:half]) + root_of(leaves[half:])).digest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


MODEL = {"config.json": b"{}", "layers/1.bin": bytes(range(256))}


def model_root(digest, new_hash):
    return root_of(
        [
            rfc8785.dumps({"path": path, digest: new_hash(data).hexdigest(), "size": len(data)})
            for path, data in MODEL.items()
        ]
    ).hex()


ROWS_ROOT = root_of([rfc8785.dumps(row) for row in ROWS]).hex()
MODEL_ROOT = model_root("sha256", hashlib.sha256)


def test_one_line_a_path(reading):
    whole = sha256((reading.folder / "rows.jsonl").read_bytes())
    layer = root_of([MODEL["layers/1.bin"]]).hex()
    out, told = reading("hash", "rows.jsonl", "model", "./model/layers/1.bin")
    assert told == ""
    assert out == (
        f"{ROWS_ROOT}  20  json,sha256={whole}  rows.jsonl\n"
        f"{MODEL_ROOT}  2  file,digest=sha256  model\n"
        f"{layer}  1  chunk,chunkSize=1048576,sha256={sha256(MODEL['layers/1.bin'])}  "
        "model/layers/1.bin\n"
    )


def test_as_it_is_registered(provenance):
    told = provenance.json("hash", "rows.jsonl", "model")["artifacts"]
    registered = provenance.json("register", "rows.jsonl", "model", "--license", "MIT")
    fields = ("digest", "root", "size", "encoding", "digests")
    assert [[one[field] for field in fields] for one in told] == [
        [one["digests" if field == "digests" else field] for field in fields]
        for one in without_artifact_digest(registered["artifacts"])
    ]
    assert [one["names"] for one in told] == [["rows.jsonl"], ["model"]]


def without_artifact_digest(artifacts):
    for one in artifacts:
        assert one["digests"].pop("provenance-artifact-v1") == one["digest"]
    return artifacts


def test_no_ledger_is_needed(elsewhere):
    (elsewhere.folder / "a").write_bytes(b"")
    out, _ = elsewhere("hash", "a")
    assert out == f"{sha256(b'')}  0  chunk,chunkSize=1048576,sha256={sha256(b'')}  a\n"


def test_how_to_hash(reading):
    lines, _ = reading("hash", "rows.jsonl", "--encoding", "line", "--tree-only")
    texts = (reading.folder / "rows.jsonl").read_bytes().splitlines()
    assert lines == f"{root_of(texts).hex()}  20  line  rows.jsonl\n"
    out, _ = reading("hash", "model", "--ignore", "*.json", "--ignore", "a,b")
    assert "  1  file,digest=sha256,ignore=*.json,ignore=a%2Cb  model\n" in out
    assert ",followSymlinks  model\n" in reading("hash", "model", "--follow-symlinks")[0]


def test_blake3_on_request(reading):
    out, _ = reading("hash", "model", "model/config.json", "--digest", "blake3")
    folder, file = out.splitlines()
    assert folder == f"{model_root('blake3', blake3.blake3)}  2  file,digest=blake3  model"
    content = blake3.blake3(b"{}").hexdigest()
    assert file.endswith(f",sha256={sha256(b'{}')},blake3={content}  model/config.json")
    (tree,) = reading("hash", "model/config.json", "--digest", "blake3", "--tree-only")[0].split(
        "\n"
    )[:1]
    assert tree.endswith("  1  chunk,chunkSize=1048576  model/config.json")


def test_what_is_hashed_before_an_error_is_told(reading):
    out, told = reading("hash", "rows.jsonl", "missing", "model", status=2)
    assert out.startswith(ROWS_ROOT)
    assert out.count("\n") == 1
    assert told == "error: there is no file missing\n"


def test_tables_together_in_one_line(provenance):
    folder = provenance.folder
    texts = (folder / "rows.jsonl").read_text().splitlines(keepends=True)
    (folder / "the first.jsonl").write_text("".join(texts[:7]))
    (folder / "second.jsonl").write_text("".join(texts[7:]))
    out, told = provenance("hash", "the first.jsonl", "second.jsonl", "--together")
    assert (out, told) == (
        f"\\{ROWS_ROOT}  20  json,together  the\\x20first.jsonl  second.jsonl\n",
        "",
    )
    registered = ("register", "the first.jsonl", "second.jsonl", "--together", "--name", "rows")
    assert provenance.json(*registered)["artifacts"][0]["root"] == ROWS_ROOT
    (folder / "list").write_text(out)
    checked = "the first.jsonl … second.jsonl"
    assert provenance("hash", "--check", "list") == (f"{checked}: OK\n", "")
    (folder / "second.jsonl").write_text("".join(texts[8:]))
    out, told = provenance("hash", "--check", "list", status=1)
    assert out == f"{checked}: FAILED\n"
    assert told.startswith(f"{checked} has another size, 19, and root, ")
    one, _ = provenance("hash", "rows.jsonl", "--together")
    assert one == provenance("hash", "rows.jsonl")[0]


def test_columns_of_csv_with_types(provenance):
    typed = ("--column", "id=int64", "--column", "at=timestamp[s, tz=UTC]")
    (provenance.folder / "t.csv").write_text("id,at,text\n7,2026-01-02T03:04:05Z,08\n")
    root = root_of([b'{"at":"2026-01-02T03:04:05Z","id":7,"text":"08"}']).hex()
    out, _ = provenance("hash", "t.csv", "--tree-only", *typed)
    words = "column=at:timestamp[s%2C%20tz%3DUTC],column=id:int64"
    assert out == f"{root}  1  json,{words}  t.csv\n"
    (artifact,) = provenance.json("register", "t.csv", *typed)["artifacts"]
    assert artifact["root"] == root
    shown = provenance.json("show", artifact["digest"])["statement"]["predicate"]["schema"]
    assert shown == {"id": "int64", "at": "timestamp[s, tz=UTC]", "text": "string"}
    (provenance.folder / "list").write_text(out)
    assert provenance("hash", "--check", "list") == ("t.csv: OK\n", "")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (["rows.jsonl", "--column", "id=int64"], "rows.jsonl is not CSV: what it holds has types"),
        (["model", "--column", "id=int64"], "model is not CSV: what it holds has types"),
        (["open.csv", "--column", "none=int64"], "open.csv has no column 'none'"),
        (["open.csv", "--column", "a"], "--column takes NAME=VALUE"),
    ],
)
@pytest.mark.parametrize("command", ["hash", "register"])
def test_types_of_columns_that_there_are_not(provenance, command, given, error):
    out, told = provenance(command, *given, status=2)
    assert (out, told[: len(error) + 7]) == ("", f"error: {error}")


def test_standard_input(reading):
    rows = (reading.folder / "rows.jsonl").read_text()
    out, _ = reading("hash", "-", "--encoding", "json", stdin=rows)
    assert out == f"{ROWS_ROOT}  20  json,sha256={sha256(rows.encode())}  -\n"
    assert reading("hash", "-", stdin=rows)[0].startswith(root_of([rows.encode()]).hex())
    (reading.folder / "list").write_text(out)
    assert reading("hash", "--check", "list", stdin=rows)[0] == "-: OK\n"
    assert reading("hash", "--check", "list", stdin="", status=1)[0] == "-: FAILED\n"
    (reading.folder / "-").write_bytes(b"")
    assert reading("hash", reading.folder / "-", stdin=rows)[0].startswith(sha256(b""))


# --- the cache ------------------------------------------------------------------------------------


@pytest.fixture
def lying(provenance, monkeypatch):
    """The command of a user whose cache has wrong digests of the folder ``model``."""
    if filesystem_of(provenance.folder.resolve()) not in LOCAL:
        pytest.skip("no digests are remembered on this filesystem")
    monkeypatch.setenv("HOME", str(provenance.home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    page = user_cache().page(provenance.folder / "model", "sha256")
    page._before = time.time_ns() + 10**9
    listing = list_folder(provenance.folder / "model", "model")
    page.keep([(state, bytes(32)) for state in unpack(listing.states)])
    assert len(page.digests()) == len(listing.paths)
    return provenance


def test_what_did_not_change_is_taken_from_the_cache(lying):
    lies = root_of(
        [
            rfc8785.dumps({"path": path, "sha256": "00" * 32, "size": len(data)})
            for path, data in MODEL.items()
        ]
    ).hex()
    assert lying("hash", "model")[0].startswith(lies)


def test_registering_takes_it_from_there(lying):
    registered = lying.json("register", "model", "--name", "lies")["artifacts"]
    assert registered[0]["root"] != MODEL_ROOT


def test_without_the_cache(lying):
    assert lying("hash", "model", "--no-cache")[0].startswith(MODEL_ROOT)
    found = lying.json("register", "model", "--name", "truth", "--no-cache")
    assert found["artifacts"][0]["root"] == MODEL_ROOT


def test_whatever_checks_never_reads_the_cache(lying):
    (lying.folder / "list").write_text(f"{MODEL_ROOT}  2  file,digest=sha256  model\n")
    assert lying("hash", "--check", "list") == ("model: OK\n", "")
    assert "verified" in lying("verify", "model")[0]
    assert lying.json("show", "./model")["root"] == MODEL_ROOT


def test_what_is_remembered_is_held_against_the_files(lying):
    (page,) = user_cache().pages()
    out, told = lying("hash", "--check-cache", status=1)
    assert out == f"{page}: FAILED\n" * 2 + "0 files as remembered; 1 page removed\n"
    folder = lying.folder.resolve() / "model"
    assert sorted(told.splitlines()) == [f"{folder}/{path} has another sha256" for path in MODEL]
    assert lying("hash", "model")[0].startswith(MODEL_ROOT)
    out, told = lying("hash", "--check-cache")
    assert (told, lying.json("hash", "--check-cache")["failed"]) == ("", [])


def test_what_is_wrong_in_the_cache_as_json(lying):
    (page,) = user_cache().pages()
    found = lying.json("hash", "--check-cache", status=1)
    assert (found["checked"], found["forgotten"]) == (0, 1)
    assert [one["page"] for one in found["failed"]] == [str(page)] * 2


# --- --check --------------------------------------------------------------------------------------


@pytest.fixture
def listed(provenance):
    """The command in a folder where ``list`` holds three lines."""
    out, _ = provenance("hash", "rows.jsonl", "model", "open.csv")
    (provenance.folder / "list").write_text(out)
    return provenance


def test_all_as_listed(listed):
    all_ok = "rows.jsonl: OK\nmodel: OK\nopen.csv: OK\n"
    assert listed("hash", "--check", "list") == (all_ok, "")
    lines = (listed.folder / "list").read_text()
    assert listed("hash", "--check", "-", stdin=lines) == (all_ok, "")
    assert listed("hash", "--check", "list", "--quiet") == ("", "")
    assert listed("hash", "--check", "list", "--status") == ("", "")
    assert listed.json("hash", "--check", "list")["failed"] == 0


def test_the_same_records_in_other_bytes_are_as_listed(listed):
    rows = listed.folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row, separators=(" , ", " : ")) + "\n" for row in ROWS))
    out, told = listed("hash", "--check", "list")
    assert out == "rows.jsonl: OK\nmodel: OK\nopen.csv: OK\n"
    assert told == "rows.jsonl has the same records in other bytes: file re-encoded\n"
    assert listed("hash", "--check", "list", "--quiet") == ("", "")
    assert listed.json("hash", "--check", "list")["failed"] == 0


@pytest.mark.parametrize("digest", ["sha256", "blake3"])
def test_a_digest_that_was_never_this_files(provenance, digest):
    line, _ = provenance("hash", "model/config.json", "--digest", "blake3")
    value = line.partition(f",{digest}=")[2][:64]
    (provenance.folder / "list").write_text(line.replace(value, "00" * 32))
    out, told = provenance("hash", "--check", "list", status=1)
    assert out == "model/config.json: FAILED\n"
    assert told.startswith(f"model/config.json has another {digest} than the one beside its root\n")


def test_what_is_not_as_listed(listed):
    (listed.folder / "model/layers/1.bin").write_bytes(bytes(256))
    (listed.folder / "model/new").write_bytes(b"")
    (listed.folder / "rows.jsonl").write_text('{"id": 0')
    out, told = listed("hash", "--check", "list", status=1)
    assert out == "rows.jsonl: FAILED\nmodel: FAILED\nopen.csv: OK\n"
    assert "rows.jsonl, row 1 is not JSON" in told
    assert "model has another size, 3, and root, " in told
    assert told.endswith("warning: 2 of 3 failed\n")
    out, _ = listed("hash", "--check", "list", "--quiet", status=1)
    assert out == "rows.jsonl: FAILED\nmodel: FAILED\n"
    assert listed("hash", "--check", "list", "--status", status=1) == ("", "")
    found = listed.json("hash", "--check", "list", status=1)
    assert [one["ok"] for one in found["checked"]] == [False, False, True]
    assert (found["failed"], found["checked"][2]["finding"]) == (2, None)


def test_one_byte_of_the_same_size(listed):
    path = listed.folder / "model/layers/1.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    _, told = listed("hash", "--check", "list", status=1)
    assert "model has another root, " in told


def test_what_is_not_there_fails(listed):
    (listed.folder / "open.csv").unlink()
    out, told = listed("hash", "--check", "list", status=1)
    assert "open.csv: FAILED\n" in out
    assert "there is no file open.csv" in told


def test_how_it_was_hashed_is_taken_from_the_line(provenance):
    (provenance.folder / "model/x.tmp").write_bytes(b"1")
    out, _ = provenance(
        "hash", "model", "--ignore", "*.tmp", "--follow-symlinks", "--digest", "blake3"
    )
    (provenance.folder / "list").write_text(out)
    (provenance.folder / "model/y.tmp").write_bytes(b"2")
    assert provenance("hash", "--check", "list")[0] == "model: OK\n"


def test_names_that_cannot_be_shown(provenance):
    (provenance.folder / "odd").mkdir()
    for name in ("a\nb", "back\\slash", "\udcff", " ä ", "\u202e"):
        (provenance.folder / "odd" / name).write_bytes(b"1")
    names = sorted((provenance.folder / "odd").iterdir())
    out, _ = provenance("hash", *(str(path.relative_to(provenance.folder)) for path in names))
    assert out.count("\n") == 5
    assert all(line.isprintable() for line in out.split("\n"))
    (provenance.folder / "list").write_text(out)
    assert provenance("hash", "--check", "list", "--quiet") == ("", "")
    names[0].write_bytes(b"")
    assert provenance("hash", "--check", "list", "--quiet", status=1)[0].count("FAILED") == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [("", 1), (f"{'2c' * 32}  a\n", 1), ("{good}\n\n", 2), ("{good}\n{good}\n{good}x", None)],
)
def test_a_malformed_list(listed, text, line):
    good = (listed.folder / "list").read_text().split("\n")[0]
    (listed.folder / "bad").write_text(text.replace("{good}", good))
    if line is None:  # a line without LF is one, and names another file
        assert "rows.jsonlx: FAILED" in listed("hash", "--check", "bad", status=1)[0]
        return
    out, told = listed("hash", "--check", "bad", status=2)
    assert out == ""
    assert told.startswith(f"error: bad, line {line}: not a line of root, size, encoding and name")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--check", "list", "model"],
        ["--check", "list", "--tree-only"],
        ["--check", "list", "--no-cache"],
        ["--check", "list", "--together"],
        ["--check", "list", "--column", "a=double"],
        ["--check", "list", "--digest", "blake3"],
        ["--check", "list", "--ignore", "a"],
        ["--check-cache", "model"],
        ["--check-cache", "--check", "list"],
        ["--check-cache", "--no-cache"],
        ["--check-cache", "--digest", "blake3"],
        ["--check-cache", "--quiet"],
        ["model", "--quiet"],
        ["model", "--status"],
        ["--check", "nowhere"],
        ["model", "--encoding", "chunk"],
    ],
)
def test_wrong_usage(listed, arguments):
    out, told = listed("hash", *arguments, status=2)
    assert out == ""
    assert told.startswith("error: ")
