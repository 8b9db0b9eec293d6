"""What `provenance verify` says, and its exit status.

0 verified, 1 not verified, 2 malformed, 3 undecided.
"""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from command_line import ROWS

from provenance.cli.verify import _verdict

STEPS = [
    "bundle",
    "checkpoint",
    "witnesses",
    "entry",
    "envelope",
    "signature",
    "statement",
    "record",
    "anchor",
    "standing",
    "policy",
]


def steps_of(text):
    """Return [(mark, step)] of the lines up to the empty one."""
    return [tuple(line.split()[:2]) for line in text.split("\n\n")[0].splitlines()]


@pytest.mark.parametrize(
    "target", ["rows.jsonl", "model", "open.csv", "rows.jsonl.provenance.json"]
)
def test_what_was_signed_is_verified_with_one_line_for_each_step(reading, target):
    text, told = reading("verify", target)
    assert [step for _, step in steps_of(text)] == STEPS
    assert {mark for mark, _ in steps_of(text)} <= {"✓", "–"}
    assert ("✓" if target[-4:] != "json" else "–", "record") in steps_of(text)
    assert "\nverified: " in text
    assert "embedded chain: worth as much as this machine" in text.split("\n\n")[1]
    assert told == ""


def test_the_verdict_as_json(reading):
    found = reading.json("verify", "rows.jsonl")
    assert (found["verified"], found["step"], found["name"]) == (True, None, "rows")
    assert [(step["step"], step["mark"]) for step in found["steps"]] == [
        (step, "not_demanded" if step == "witnesses" else "holds") for step in STEPS
    ]
    (anchor,) = found["anchors"]
    assert (anchor["embedded"], anchor["size"], anchor["confirmations"]) == (True, 5, 1)
    assert found["policy"] == reading.json("policy", "show")["fingerprint"]


def test_an_embedded_chain_dates_only_where_no_other_does():
    def anchored(day, *, embedded):
        pin = SimpleNamespace(embedded=embedded)
        return SimpleNamespace(pin=pin, time=datetime(2026, 1, day, tzinfo=UTC))

    def verdict(*anchors):
        subject = SimpleNamespace(name="rows")
        statement = SimpleNamespace(kind="dataset", subjects=[subject])
        verified = SimpleNamespace(statement=statement, record_indices=(0,), anchors=anchors)
        return _verdict(verified)[1:]

    alone, shared = anchored(1, embedded=True), anchored(2, embedded=False)
    assert verdict(alone, shared) == ["  signed and logged not later than 2026-01-02T00:00:00Z"]
    assert verdict(alone) == [
        "  signed and logged not later than 2026-01-01T00:00:00Z",
        "  embedded chain: worth as much as this machine",
    ]
    assert verdict() == []


def test_a_bundle_alone_says_that_nothing_was_compared(reading):
    text, _ = reading("verify", "rows.jsonl.provenance.json")
    assert "no data was compared" in text


@pytest.mark.parametrize(
    ("old", "new", "step"), [("row 3", "row 4", "record"), ("}\n", "}\n{}\n", "record")]
)
def test_one_change_in_the_data_breaks_the_link_that_is_named(provenance, old, new, step):
    path = provenance.folder / "rows.jsonl"
    path.write_text(path.read_text().replace(old, new, 1))
    text, _ = provenance("verify", "rows.jsonl", status=1)
    assert steps_of(text)[-1] == ("✗", step)
    assert text.endswith(f"\nnot verified: the link {step!r} does not hold\n")
    found = provenance.json("verify", "rows.jsonl", status=1)
    assert (found["verified"], found["step"]) == (False, step)


def test_one_byte_in_a_file_of_a_folder_breaks_the_record(provenance):
    path = provenance.folder / "model" / "layers" / "1.bin"
    path.write_bytes(b"\1" + path.read_bytes()[1:])
    assert provenance.json("verify", "model", status=1)["step"] == "record"
    given = ("verify", "model/layers/1.bin", "--bundle", "layer.json")
    assert provenance.json(*given, status=1)["step"] == "record"


@pytest.mark.parametrize(("part", "step"), [("checkpoint", "checkpoint"), ("statement", "entry")])
def test_a_changed_bundle_breaks_its_link(provenance, part, step):
    path = provenance.folder / "rows.jsonl.provenance.json"
    bundle = json.loads(path.read_text())
    if part == "checkpoint":
        bundle[part] = bundle[part].replace("\n5\n", "\n6\n")
    else:
        bundle[part]["path"] = bundle[part]["path"][::-1]
    path.write_text(json.dumps(bundle))
    assert provenance.json("verify", "rows.jsonl", status=1)["step"] == step


def test_a_record_is_verified_as_a_person_types_it(reading):
    row = json.dumps(ROWS[7], indent=3)
    text, _ = reading("verify", "row7.json", "--record", row)
    assert "verified: record 7 of dataset 'rows'" in text
    other = json.dumps(ROWS[8])
    found = reading.json("verify", "row7.json", "--record", other, status=1)
    assert found["step"] == "record"
    assert found["steps"][-1]["finding"].startswith("the record is not number 7 of 20: ")
    # Standard input holds it too, and for a bundle of the whole artifact there is no record proof.
    reading("verify", "row7.json", "--record", "-", stdin=row)
    given = ("verify", "rows.jsonl.provenance.json", "--record", row)
    assert reading.json(*given, status=1)["step"] == "record"


def test_one_file_of_a_folder_is_verified_by_its_own_bundle(reading):
    found = reading.json("verify", "model/layers/1.bin", "--bundle", "layer.json")
    assert (found["verified"], found["record_indices"]) == (True, [1])


def test_a_file_that_was_written_anew_holds_the_same_records_but_not_the_same_bytes(provenance):
    path = provenance.folder / "rows.jsonl"
    path.write_text(
        "".join(json.dumps(row, sort_keys=True, indent=None) + "\n \n"[:1] for row in ROWS).replace(
            '": ', '":  '
        )
    )
    text, _ = provenance("verify", "rows.jsonl")
    assert "file re-encoded" in text
    assert provenance.json("verify", "rows.jsonl", "--bytes", status=1)["step"] == "record"


def test_without_a_policy_it_is_undecided(made, elsewhere):
    found = elsewhere.json("verify", str(made / "rows.jsonl"), status=3)
    assert (found["verified"], found["step"]) == (None, "policy")
    text, _ = elsewhere("verify", str(made / "rows.jsonl"), status=3)
    assert "undecided: consistent, but vouched for by nobody you named" in text


def test_a_chain_out_of_reach_leaves_it_undecided(made, elsewhere):
    policy = ("--policy", str(made / "policy.json"))
    found = elsewhere.json("verify", str(made / "rows.jsonl"), *policy, status=3)
    assert {step["step"]: step["mark"] for step in found["steps"]}["anchor"] == "undecided"
    # What is public needs no anchor.
    elsewhere("verify", str(made / "open.csv"), *policy)
    # A port at which nobody listens.
    refused = elsewhere.json(
        "verify",
        str(made / "rows.jsonl"),
        *policy,
        "--rpc",
        "embedded=http://127.0.0.1:9/",
        status=3,
    )
    assert "127.0.0.1" in refused["steps"][STEPS.index("anchor")]["finding"]


def test_a_node_for_a_chain_that_the_policy_does_not_pin_is_a_mistake(reading):
    given = ("verify", "row7.json", "--rpc", "embeded=http://127.0.0.1:9/")
    message = reading.json(*given, status=2)["error"]["message"]
    assert message == "the policy pins no chain 'embeded'; it pins embedded"


def test_a_failing_link_wins_over_an_undecided_one(made, elsewhere):
    given = (
        "verify",
        str(made / "row7.json"),
        "--policy",
        str(made / "policy.json"),
        "--record",
        json.dumps(ROWS[8]),
    )
    assert elsewhere.json(*given, status=1)["step"] == "record"


def test_a_ledger_is_trusted_by_its_fingerprint_until_it_is_not(made, elsewhere, reading):
    fingerprint = reading.json("policy", "show")["fingerprint"]
    wrong = "0" * 64
    error = elsewhere.json(
        "trust", "add", str(made / "policy.json"), "--fingerprint", wrong, status=2
    )["error"]
    assert fingerprint in error["message"]
    assert elsewhere.json("trust", "list") == {"trusted": []}
    elsewhere("trust", "add", str(made / "policy.json"), "--fingerprint", fingerprint)
    assert elsewhere.json("trust", "list")["trusted"] == [
        {"origin": "acme.example/ml", "fingerprint": fingerprint, "rpc": {}}
    ]
    elsewhere("verify", str(made / "open.csv"))
    elsewhere("trust", "remove", "acme.example/ml")
    elsewhere("verify", str(made / "open.csv"), status=3)


def test_a_consistent_bundle_by_a_stranger_is_not_verified(made, elsewhere):
    (elsewhere.folder / "rows.jsonl").write_bytes((made / "rows.jsonl").read_bytes())
    elsewhere("init", "--origin", "acme.example/ml")
    elsewhere("register", "rows.jsonl")
    elsewhere("anchor")
    elsewhere("prove", "rows.jsonl", "--sidecar")
    elsewhere("verify", "rows.jsonl")
    given = ("verify", "rows.jsonl", "--policy", str(made / "policy.json"))
    assert elsewhere.json(*given, status=1)["step"] == "checkpoint"


@pytest.mark.parametrize(
    "content",
    [b"{}", b"", b"[" * 100_000, b'{"mediaType":1}'],
    ids=["empty object", "empty", "nested", "wrong type"],
)
def test_a_bundle_that_is_none_is_malformed_input(elsewhere, content):
    (elsewhere.folder / "x.provenance.json").write_bytes(content)
    found = elsewhere.json("verify", "x.provenance.json", status=2)
    assert (found["verified"], found["step"]) == (False, "bundle")
    assert "the bundle" in found["steps"][0]["finding"]


def test_a_bundle_is_known_by_what_it_holds_and_other_json_is_data(made, elsewhere):
    (elsewhere.folder / "b.json").write_bytes((made / "row7.json").read_bytes())
    elsewhere("verify", "b.json", status=3)
    (elsewhere.folder / "data.json").write_text('{"a": 1}')
    error = elsewhere.json("verify", "data.json", status=2)["error"]
    assert "data.json.provenance.json" in error["message"]


def test_a_bundle_in_the_place_of_data_is_data(provenance):
    """Whoever can change a file could put a true bundle of something else in its place."""
    true = (provenance.folder / "rows.jsonl.provenance.json").read_bytes()
    (provenance.folder / "rows.jsonl").write_bytes(true)
    text, _ = provenance("verify", "rows.jsonl", status=1)
    assert "✗ record" in text
    (provenance.folder / "loose.jsonl").write_bytes(true)
    _, error = provenance("verify", "loose.jsonl", status=2)
    assert "no loose.jsonl.provenance.json beside it" in error
    _, error = provenance("verify", "rows.jsonl.provenance.json", "--bytes", status=2)
    assert "--bytes compares data with a bundle" in error


def test_where_the_policy_came_from_is_said_unless_it_was_named(reading):
    text, _ = reading("verify", "rows.jsonl")
    assert f"by the policy of the ledger here, {reading.folder / '.provenance'}" in text
    text, _ = reading("verify", "open.csv", "--policy", "policy.json")
    assert "by the policy" not in text
