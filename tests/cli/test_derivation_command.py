"""`diff` and `derivation`: what a pipeline claims, and what an auditor with a file sees."""

import json

import pytest
from command_line import ROWS

CLEAN = [row for row in ROWS if row["id"] not in (3, 17)]


def write(folder, name, rows):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def versions(provenance):
    """The rows without two of them, and split; registered. The digests by name."""
    write(provenance.folder, "clean.jsonl", CLEAN)
    write(provenance.folder, "train.jsonl", CLEAN[:12])
    write(provenance.folder, "test.jsonl", CLEAN[12:])
    names = ("clean.jsonl", "train.jsonl", "test.jsonl")
    provenance("register", *names)
    return {name: provenance.json("show", name)["digest"] for name in ("rows", *names)}


def test_diff(provenance, versions):
    assert provenance("diff", "rows", "clean.jsonl") == (
        "a: rows, 20 records\n"
        "b: clean.jsonl, 18 records\n"
        "18 unchanged, 0 moved, 2 removed, 0 added\n"
        "- record 3 of a\n"
        "- record 17 of a\n",
        "",
    )
    out, told = provenance("diff", "rows", "clean.jsonl", "--limit", "1")
    assert out.endswith("0 added\n- record 3 of a\n")
    assert told == "1 of each sort are listed: --limit shows more\n"
    write(provenance.folder, "other.jsonl", [CLEAN[1], CLEAN[0], {"new": 1}])
    provenance("register", "other.jsonl")
    found = provenance.json("diff", "clean.jsonl", "other.jsonl", "--limit", "2")
    assert (found["a"]["name"], found["b"]["name"]) == ("clean.jsonl", "other.jsonl")
    assert [found[word] for word in ("unchanged", "moved", "removed", "added")] == [1, 1, 16, 1]
    assert found["moved_records"] in ([{"from": 0, "to": 1}], [{"from": 1, "to": 0}])
    assert (found["removed_records"], found["added_records"]) == ([2, 3], [2])
    _, told = provenance("diff", "rows", "clf", status=2)
    assert "different encodings" in told


def test_a_step_that_claims_and_the_same_afterwards(provenance, versions):
    copy = ("cp", "clean.jsonl", "again.jsonl")
    step = ("step", "copy", "--input", "rows", "--output", "again.jsonl", "--derive", "--json")
    found = json.loads(provenance(*step, "--", *copy)[0])
    claim = {
        "claim": "subset",
        "ordered": True,
        "sources": [versions["rows"]],
        "targets": [versions["clean.jsonl"]],
    }
    assert found["derivations"] == [claim]
    signed = provenance.json("entry", str(found["index"]))["statement"]["predicate"]
    assert signed["derivations"] == [claim]
    options = ("--from", "rows", "--to", "clean.jsonl", "--step", "deduplicate")
    out, _ = provenance("derivation", "claim", *options)
    index = found["index"] + 1
    assert out == (
        f"entry {index}: clean.jsonl is rows without 2 of its 20 records, their order kept\n"
    )
    again = provenance.json("derivation", "claim", *options)
    assert again == {"index": index + 1, "derivation": claim}
    signed = provenance.json("entry", str(index))["statement"]["predicate"]
    assert (signed["name"], signed["derivations"]) == ("deduplicate", [claim])
    _, told = provenance("derivation", "claim", "--from", "clf", "--to", "rows", status=2)
    assert "records of different encodings" in told


def test_a_step_that_cannot_claim_anything_does_not_run(provenance):
    one, two = ("--input", "rows"), ("--output", "a", "--output", "b")
    for given in (one, two, (*one, "--input", "clf", *two)):
        command = ("step", "copy", *given, "--derive", "--", "touch", "a", "b")
        _, told = provenance(*command, status=2)
        assert "--derive is from one --input to one --output or several" in told
    assert not (provenance.folder / "a").exists()


def test_an_auditor_has_the_digests_and_the_file(provenance, versions, elsewhere):
    proof = elsewhere.folder / "split.proof"
    parts = ("--to", "train.jsonl", "--to", "test.jsonl")
    out, _ = provenance("derivation", "prove", "--from", "clean.jsonl", *parts, "-o", str(proof))
    sentence = "each of the 18 records of {} is in one of {} and {}, their order kept\n"
    assert out == sentence.format("clean.jsonl", "train.jsonl", "test.jsonl") + f"wrote {proof}\n"
    clean, train, test = (versions[f"{name}.jsonl"] for name in ("clean", "train", "test"))
    asked = ("derivation", "check", "split.proof", "--claim", "split", "--from", clean)
    both = ("--to", train, "--to", test)
    out, _ = elsewhere(*asked, *both, "--ordered", "--index", "17", "--index", "0")
    assert out == (
        "holds: "
        + sentence.format(clean[:16], train[:16], test[:16])
        + f"record 0 is record 0 of {train[:16]}\nrecord 17 is record 5 of {test[:16]}\n"
    )
    found = elsewhere.json(*asked, *both)
    assert found["holds"]
    assert found["derivation"]["targets"] == [train, test]
    assert found["places"] == {}
    found = elsewhere.json(*asked, "--to", test, "--to", train, status=1)
    assert found == {"holds": False, "finding": "the proof has the targets in another order"}
    data = proof.read_bytes()
    proof.write_bytes(data[:-1] + b"\1")
    out, _ = elsewhere(*asked, *both, status=1)
    assert out == "does not hold: target 0 gets 13 records instead of 12\n"
    proof.write_bytes(data[:-1])
    _, told = elsewhere(*asked, *both, status=2)
    assert "the proof's body has" in told


def test_where_a_record_of_a_subset_went(provenance, versions, elsewhere):
    proof = elsewhere.folder / "clean.proof"
    named = ("--from", "rows", "--to", "clean.jsonl", "-o", str(proof))
    found = provenance.json("derivation", "prove", *named)
    assert found["file"] == str(proof)
    digests = ("--from", versions["rows"], "--to", versions["clean.jsonl"])
    asked = ("derivation", "check", "clean.proof", "--claim", "subset", *digests)
    out, _ = elsewhere(*asked, "--index", "3", "--index", "4")
    assert "record 3 is in no target\nrecord 4 is record 3 of " in out
    found = elsewhere.json(*asked, "--index", "3", "--index", "4")
    assert found["places"] == {"3": None, "4": {"target": 0, "index": 3}}
    _, told = elsewhere(*asked, "--index", "20", status=2)
    assert "there is no record 20: the sources have 20" in told


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--claim", "subset", "--from", "ab", "--to", "00" * 32), "takes 64 hex digits"),
        (("--claim", "subset", "--from", "00" * 32, "--to", "00" * 32), "is on both sides"),
        (("--claim", "subset", "--from", "00" * 32, "--to", "01" * 32), "No such file"),
        (("--claim", "split", "--from", "00" * 32, "--to", "01" * 32), "no split of 1 sources"),
        (("--claim", "other", "--from", "00" * 32, "--to", "01" * 32), "--claim"),
        (("--from", "00" * 32, "--to", "01" * 32), "--claim"),
        (("--claim", "subset", "--from", "00" * 32), "--to"),
    ],
)
def test_what_cannot_be_checked(elsewhere, given, said):
    _, told = elsewhere("derivation", "check", "none", *given, status=2)
    assert said in told


def test_the_sentences(provenance, versions):
    def said(sources, targets):
        named = [x for name in sources for x in ("--from", name)]
        named += [x for name in targets for x in ("--to", name)]
        out, _ = provenance("derivation", "prove", *named, "-o", "proof")
        return out.partition("\n")[0]

    write(provenance.folder, "mixed.jsonl", CLEAN[::-1])
    write(provenance.folder, "some.jsonl", CLEAN[:5][::-1])
    provenance("register", "mixed.jsonl", "some.jsonl")
    clean, train, test = "clean.jsonl", "train.jsonl", "test.jsonl"
    assert said([train], [clean]) == "clean.jsonl is train.jsonl, 12 records, and 6 more"
    assert said([clean], ["mixed.jsonl"]) == (
        "mixed.jsonl is the 18 records of clean.jsonl in another order"
    )
    assert said([clean], ["some.jsonl"]) == (
        "some.jsonl is clean.jsonl without 13 of its 18 records, in whatever order"
    )
    assert said([train, test], [clean]) == (
        "clean.jsonl is the 18 records of train.jsonl and test.jsonl, their order kept"
    )
    assert said([test, train], [clean]) == (
        "clean.jsonl is the 18 records of test.jsonl and train.jsonl, in whatever order"
    )
