"""Each command does to a real ledger what it says, and prints it for people and for programs."""

import json
import re
import subprocess
from hashlib import sha256

import pytest

HEX = re.compile("[0-9a-f]{64}")


def test_register_tells_what_was_registered(provenance):
    (provenance.folder / "a.jsonl").write_text('{"x":1}\n{"x":2}\n')
    (provenance.folder / "b.bin").write_bytes(b"abc")
    found = provenance.json(
        "register",
        "a.jsonl",
        "b.bin",
        "--license",
        "MIT",
        "--meta",
        "n=[1]",
        "--meta",
        "note=two words",
    )
    first, second = found["artifacts"]
    assert (first["name"], first["kind"], first["size"], first["encoding"]) == (
        "a.jsonl",
        "dataset",
        2,
        {"encoding": "json"},
    )
    assert first["digests"]["sha256"] == sha256(b'{"x":1}\n{"x":2}\n').hexdigest()
    # RFC 9162, by hand: two leaves under one node.
    leaves = [sha256(b"\0" + row).digest() for row in (b'{"x":1}', b'{"x":2}')]
    assert first["root"] == sha256(b"\1" + b"".join(leaves)).hexdigest()
    assert second["encoding"]["encoding"] == "chunk"
    shown = provenance.json("show", "a.jsonl")
    assert shown["statement"]["predicate"]["license"] == "MIT"
    assert shown["statement"]["predicate"]["metadata"] == {"n": [1], "note": "two words"}
    assert shown["state"] == "logged"


def test_find_by_what_was_signed(provenance):
    (provenance.folder / "x.csv").write_text("a\n1\n")
    provenance("register", "x.csv", "--meta", "split=train", "--meta", "n=1.50", "--provider", "me")
    entry = provenance.json("show", "rows")["statement"]["predicate"]

    def found(*options):
        names = [each["name"] for each in provenance.json("find", *options)["artifacts"]]
        text, _ = provenance("find", *options)
        assert [line.split(",")[0].split()[-1] for line in text.splitlines()] == names
        return names

    assert found() == ["x.csv", "open.csv", "clf", "rows"]
    assert found("--sort", "name") == ["clf", "open.csv", "rows", "x.csv"]
    assert found("--sort", "-size") == ["rows", "clf", "x.csv", "open.csv"]
    assert found("--license", "CC-BY-4.0") == ["rows"]
    assert found("--meta", "split=train", "--meta", "n=1.5", "--provider", "me") == ["x.csv"]
    assert found("--meta", "split=test") == []
    assert found("--kind", "model") == ["clf"]
    assert found("--sensitivity", "public", "--sort", "issued") == ["open.csv"]
    assert found("--issued-before", entry["issued"]) == []
    rows = provenance.json("show", "rows")
    assert found("--root", rows["root"], "--digest", rows["digest"]) == ["rows"]
    assert found("--sha256", rows["digests"]["sha256"], "--name", "rows") == ["rows"]
    assert found("--signer", "00" * 32, "--source", "x") == []


def test_find_goes_on_where_a_page_ended(provenance):
    page = provenance.json("find", "--limit", "2")
    _, told = provenance("find", "--limit", "2")
    assert f"there may be more: --cursor {page['next_cursor']}\n" in told
    rest = provenance.json("find", "--limit", "2", "--cursor", page["next_cursor"])
    assert [each["name"] for each in (*page["artifacts"], *rest["artifacts"])] == [
        "open.csv",
        "clf",
        "rows",
    ]
    assert rest["next_cursor"] is None
    error = provenance.json("find", "--sort", "name", "--cursor", "-index..3", status=2)["error"]
    assert "of the order '-index'" in error["message"]
    assert "64 hex" in provenance.json("find", "--root", "ab", status=2)["error"]["message"]


def test_find_by_a_record(provenance):
    provenance("register", "rows.jsonl", "--name", "again")
    (provenance.folder / "sample.jsonl").write_text('{"id":3,"text":"row 3"}\n')
    text, _ = provenance("find", "--record", '{"text":"row 3","id":3}')
    assert [line.partition(": ")[2] for line in text.splitlines()] == ["record 3"]
    assert "dataset again, 20 records" in text
    (place,) = provenance.json("find", "--record", "-", stdin='{"id":3,"text":"row 3"}\n')["places"]
    assert (place["artifact"]["name"], place["index"], place["equal"]) == ("again", 3, 1)
    ways = (("--records", "sample.jsonl"), ("--leaf-hash", place["leaf_hash"], "--name", "again"))
    for way in ways:
        assert provenance.json("find", *way)["places"] == [place]
    assert provenance.json("find", "--leaf-hash", "00" * 32)["places"] == []
    (layer,) = provenance.json("find", "--path", "model/layers/1.bin")["places"]
    assert (layer["artifact"]["name"], layer["index"]) == ("clf", 1)
    assert "64 hex" in provenance.json("find", "--leaf-hash", "x", status=2)["error"]["message"]
    next((provenance.folder / ".provenance/trees").glob(f"{place['artifact']['digest']}*")).unlink()
    _, told = provenance("find", "--record", '{"text":"row 3","id":3}')
    assert "its tree or its statement is not whole" in told


def test_entry_by_its_number_and_by_its_envelope(reading):
    rows = reading.json("show", "rows")
    found = reading.json("entry", str(rows["index"]))
    assert (found["kind"], found["artifacts"], found["state"]) == (
        "dataset",
        [rows["digest"]],
        "anchored",
    )
    assert found["statement"] == rows["statement"]
    assert reading.json("entry", found["envelope_hash"]) == found
    text, _ = reading("entry", found["envelope_hash"])
    for part in (found["envelope_hash"], rows["digest"], found["signers"][0], "CC-BY-4.0"):
        assert part in text
    for wrong in ("99", "00" * 32, "x"):
        assert reading.json("entry", wrong, status=2)["error"]["exit_code"] == 2


def test_unchanged_content_is_registered_once(provenance):
    before = provenance.json("status")["size"]
    found = provenance.json("register", "rows.jsonl", "--name", "rows", "--license", "CC-BY-4.0")
    assert found["artifacts"][0]["index"] < before
    assert provenance.json("status")["size"] == before


def test_tables_are_joined_in_the_order_given(provenance):
    (provenance.folder / "1.jsonl").write_text('{"x":1}\n')
    (provenance.folder / "2.jsonl").write_text('{"x":2}\n')
    joined = ("register", "2.jsonl", "1.jsonl", "--together", "--name", "both")
    (artifact,) = provenance.json(*joined)["artifacts"]
    leaves = [sha256(b"\0" + row).digest() for row in (b'{"x":2}', b'{"x":1}')]
    assert artifact["root"] == sha256(b"\1" + b"".join(leaves)).hexdigest()


def test_tables_that_are_joined_need_a_name(provenance):
    error = provenance.json("register", "rows.jsonl", "--together", status=2)["error"]
    assert "--name" in error["message"]


def test_what_is_registered_before_an_error_is_told(provenance):
    text, told = provenance("register", "row7.json", "missing", status=2)
    assert "row7.json, 1 record (chunk), entry 5" in text
    assert "no file missing" in told
    assert provenance.json("status")["size"] == 6


def test_a_folder_leaves_out_what_it_is_told_to(provenance):
    (artifact,) = provenance.json("register", "model", "--ignore", "*.json")["artifacts"]
    assert artifact["size"] == 1
    assert artifact["encoding"]["ignore"] == ["*.json"]


def test_status_and_log_tell_how_far_entries_got(provenance):
    provenance("register", "policy.json")
    status = provenance.json("status")
    assert (status["origin"], status["artifacts"], status["size"]) == ("acme.example/ml", 4, 6)
    assert [(chain["name"], chain["embedded"], chain["size"]) for chain in status["chains"]] == [
        ("embedded", True, 5)
    ]
    entries = provenance.json("log", "--start", "3", "--limit", "9")["entries"]
    assert [(entry["index"], entry["subjects"], entry["state"]) for entry in entries] == [
        (3, ["clf"], "anchored"),
        (4, ["open.csv"], "anchored"),
        (5, ["policy.json"], "logged"),
    ]
    newest, _ = provenance("log", "--limit", "1")
    assert newest.split()[0] == "5"


def test_anchor_brings_everything_to_the_chain_and_says_what_that_is_worth(provenance):
    provenance("register", "policy.json")
    (anchor,) = provenance.json("anchor")["anchors"]
    assert (anchor["chain"], anchor["embedded"], anchor["size"]) == ("embedded", True, 6)
    assert HEX.fullmatch(anchor["root"])
    assert HEX.fullmatch(anchor["tx_hash"])
    text, _ = provenance("anchor", "--chain", "embedded")
    assert "embedded chain: worth as much as this machine" in text


def test_quality_and_supersede_stand_in_the_history(provenance):
    met = provenance.json(
        "quality", "rows", "--metric", "accuracy=0.93", "--criterion", "accuracy >= 0.9"
    )
    missed = provenance.json("quality", "rows", "--metric", "f1=0.5", "--criterion", "f1>0.9")
    assert (met["passed"], missed["passed"]) == (True, False)
    provenance("supersede", "rows", "open.csv", "--reason", "mislabelled")
    statements = provenance.json("history", "rows")["statements"]
    assert [statement["kind"] for statement in statements] == [
        "dataset",
        "quality",
        "quality",
        "supersede",
    ]
    criteria = [statement["statement"]["predicate"].get("criteria") for statement in statements]
    assert criteria[1:3] == [{"accuracy": ">= 0.9"}, {"f1": "> 0.9"}]


def test_a_verdict_stands_in_the_history(provenance):
    provenance("review", "rows", "approve")
    said = provenance.json("review", "rows", "reject", "--reason", "faces in row 7")
    assert said["verdict"] == "reject"
    statements = provenance.json("history", "rows")["statements"]
    predicates = [statement["statement"]["predicate"] for statement in statements[1:]]
    assert [(each["verdict"], each.get("reason")) for each in predicates] == [
        ("approve", None),
        ("reject", "faces in row 7"),
    ]
    text, _ = provenance("history", "rows")
    assert f"#{said['index']}  review of rows: reject: faces in row 7\n" in text


def test_a_superseded_artifact_verifies_with_a_warning(provenance):
    provenance("supersede", "rows", "open.csv", "--reason", "mislabelled")
    provenance("anchor")
    provenance("prove", "rows.jsonl", "--sidecar")
    text, _ = provenance("verify", "rows.jsonl")
    assert re.search("^warning: superseded.*mislabelled", text, re.MULTILINE)


def test_what_was_made_of_an_artifact(provenance):
    provenance("step", "train", "--input", "rows", "--output", "open.csv", "--", "true")
    found = provenance.json("descendants", "rows")["statements"]
    assert [(line["kind"], line["depth"]) for line in found] == [("step", 0)]
    text, _ = provenance("descendants", "rows", "--depth", "0")
    assert "step train succeeded" in text
    page = provenance.json("history", "open.csv", "--limit", "1")
    assert [line["depth"] for line in page["statements"]] == [0]
    _, told = provenance("history", "open.csv", "--limit", "1")
    assert f"there is more: --cursor {page['next_cursor']}\n" in told
    rest = provenance.json("history", "open.csv", "--limit", "9", "--cursor", page["next_cursor"])
    whole = provenance.json("history", "open.csv")["statements"]
    assert page["statements"] + rest["statements"] == whole
    assert len(provenance.json("history", "open.csv", "--depth", "0")["statements"]) < len(whole)


def test_what_descends(provenance):
    provenance("step", "train", "--input", "rows", "--output", "open.csv", "--", "true")
    row = (provenance.folder / "rows.jsonl").read_text().splitlines()[3]
    found = provenance.json("impact", "--record", row)
    assert "rows" in [each["name"] for each in found["sources"]]
    assert [(each["name"], each["grade"]) for each in found["artifacts"]] == [
        ("open.csv", "attested")
    ]
    assert provenance.json("impact", "rows")["artifacts"] == found["artifacts"]
    text, _ = provenance("impact", "--records", "rows.jsonl", "--limit", "1")
    assert text.endswith("1 dataset; 1 attested\n")
    leaf = "00" * 32
    assert provenance.json("impact", "--leaf-hash", leaf)["sources"] == []


def test_runs_that_another_tool_told_of(provenance):
    event = {
        "eventType": "COMPLETE",
        "eventTime": "2026-06-01T09:08:51Z",
        "run": {"runId": "01977b2f-5c5e-7d35-a1a6-25a7b5a7c1de"},
        "job": {"namespace": "airflow", "name": "clean"},
        "inputs": [{"namespace": "s3://lake", "name": "raw"}],
        "outputs": [{"namespace": "s3://lake", "name": "clean"}],
    }
    path = provenance.folder / "events.ndjson"
    path.write_text(json.dumps(event) + "\n\n" + json.dumps(event) + "\n")
    asked = ("import", "lineage", "events.ndjson")

    def refused():
        return provenance.json(*asked, status=2)["error"]["message"]

    assert "takes no lineage" in refused()
    provenance("keys", "new", "collector")
    provenance("keys", "add", "collector", "--kind", "step")
    config = provenance.folder / ".provenance/config.toml"
    config.write_text(config.read_text() + '\n[service.lineage]\nkey = "collector"\n')
    first, again = provenance.json(*asked)["entries"]
    assert first == again
    assert provenance(*asked)[0] == "2 runs that ended\n"
    told = provenance("history", "s3://lake/clean")[0]
    assert "made s3://lake/clean" in told
    assert "declared: not registered here" in told
    path.write_text(json.dumps(event) + "\n{}\n")
    assert (
        "line 2: run.runId is not a UUID" in provenance.json(*asked, status=2)["error"]["message"]
    )
    path.unlink()
    assert "cannot read" in refused()


def test_how_sure_a_history_is(provenance):
    provenance("step", "train", "--input", "rows", "--output", "open.csv", "--", "true")
    size = provenance.json("status")["size"]
    provenance("supersede", "rows", "--reason", "poisoned")

    def grades(*more):
        found = provenance.json("history", "open.csv", *more)["statements"]
        return [arrow["grade"] for line in found for arrow in line.get("arrows", ())]

    assert grades() == ["broken", "attested"]
    assert grades("--as-of", str(size)) == ["attested", "attested"]
    assert grades("--as-of", str(size - 1)) == []
    assert f"broken: superseded by #{size}\n" in provenance("history", "open.csv")[0]


@pytest.mark.parametrize(("form", "begin"), [("mermaid", "flowchart LR"), ("dot", "digraph ")])
def test_history_is_drawn(reading, form, begin):
    assert reading("history", "rows", "--format", form)[0].startswith(begin)


def test_history_as_json_is_the_same_by_either_option(reading):
    one, _ = reading("history", "rows", "--format", "json")
    assert json.loads(one) == reading.json("history", "rows")


def test_prove_writes_the_bundle_to_standard_output_or_a_file(provenance):
    printed, _ = provenance("prove", "rows", "--index", "3")
    (provenance.folder / "three.json").write_text(printed)
    row = '{"id":3,"text":"row 3"}'
    assert provenance.json("verify", "three.json", "--record", row)["record_indices"] == [3]
    told = provenance.json("prove", "rows", "--index", "3")
    assert told["bundle"] == json.loads(printed)
    assert (told["indices"], told["equal"]) == ([3], 1)
    told = provenance.json("prove", "rows", "--record", "-", "-o", "out.json", stdin=row + "\n")
    assert told == {"indices": [3], "equal": 1, "file": "out.json"}
    assert (provenance.folder / "out.json").read_text() == printed


def test_the_proof_of_the_records_of_a_file_lies_beside_it(provenance):
    sample = provenance.folder / "sample.csv"
    sample.write_text("text,id\nrow 7,7\nrow 1,1\n")
    _, told = provenance("prove", "rows", "--records", "sample.csv", status=2)
    assert "'rows' has no such record as number 0 of those given" in told
    sample = provenance.folder / "sample.jsonl"
    sample.write_text('{"text":"row 7","id":7}\n{"text":"row 1","id":1}\n')
    proof = "sample.jsonl.provenance.json"
    told = provenance.json("prove", "rows", "--records", "sample.jsonl", "-o", proof)
    assert told == {"indices": [7, 1], "equal": 0, "file": proof}
    assert provenance.json("verify", "sample.jsonl")["record_indices"] == [7, 1]
    out, _ = provenance("verify", "sample.jsonl")
    assert "✓ record      the records are numbers 7, 1 of 20\n" in out
    assert "verified: 2 records of dataset 'rows'" in out
    printed, _ = provenance("prove", "rows", "--index", "7", "--index", "1")
    assert printed == (provenance.folder / proof).read_text()
    sample.write_text('{"text":"row 7","id":7}\n{"text":"row 2","id":2}\n')
    out, _ = provenance("verify", "sample.jsonl", status=1)
    assert "✗ record" in out
    assert "the path of leaf 1 leads to the root" in out


def test_prove_says_how_many_records_are_equal_and_what_is_not_anchored(provenance):
    (provenance.folder / "twice.jsonl").write_text('{"x":1}\n' * 3)
    provenance("register", "twice.jsonl")
    _, told = provenance("prove", "twice.jsonl", "--record", '{"x":1}', "-o", "p.json")
    assert "3 records are equal; this proves number 0" in told
    assert "no anchor covers it yet" in told


@pytest.mark.parametrize("target", ["model", "model/", "./model", "rows.jsonl"])
def test_a_sidecar_lies_beside_what_it_is_about(provenance, target):
    name = target.strip("./") if "model" in target else target
    sidecar = provenance.folder / f"{name}.provenance.json"
    sidecar.unlink()
    provenance("prove", target, "--sidecar")
    assert sidecar.is_file()
    provenance("verify", target)


def test_policy_is_shown_and_exported_with_its_fingerprint(reading):
    shown = reading.json("policy", "show")
    exported, told = reading("policy", "export")
    assert json.loads(exported) == shown["policy"]
    # RFC 8785 of what was exported: the bytes themselves, without the final newline.
    fingerprint = sha256(exported.strip().encode()).hexdigest()
    assert told.split() == ["fingerprint", fingerprint]
    assert shown["fingerprint"] == fingerprint
    text, _ = reading("policy", "show")
    assert fingerprint in text
    assert "embedded chain: worth as much as this machine" in text


def test_init_warns_of_keys_that_nothing_protects(elsewhere):
    out, told = elsewhere("init", "sub", "--origin", "x.example/y")
    assert out.startswith("ledger x.example/y in ")
    assert "not encrypted" in told
    keys = elsewhere.folder / "sub" / ".provenance" / "keys"
    assert {path.stat().st_mode & 0o777 for path in keys.iterdir()} == {0o600}


def test_a_ledger_is_found_upward(provenance):
    deep = provenance.folder / "a" / "b"
    deep.mkdir(parents=True)
    assert provenance.json("status", folder=deep)["origin"] == "acme.example/ml"


def test_serve_answers_until_it_is_ended(provenance):
    served = provenance.start(
        *("serve", "--public", "--port", "0", "--log", "json", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        url = json.loads("".join(iter(served.stdout.readline, "}\n")) + "}")["url"]
        from urllib.request import urlopen

        with urlopen(f"{url}/healthz", timeout=30) as answer:
            assert json.load(answer) == {"status": "ok", "origin": "acme.example/ml"}
    finally:
        served.terminate()
        _, told = served.communicate(timeout=30)
    assert served.returncode == 0
    line = json.loads(told)
    assert (line["path"], line["status"]) == ("/healthz", 200)


def test_a_ledger_on_a_server(elsewhere, postgres):
    url = postgres.database()
    elsewhere("init", "--origin", "acme.example/ml", "--database", url)
    _, told = elsewhere("init", "--origin", "b.example", "other", "--database", url, status=2)
    assert "Give each ledger a database, or a schema, of its own" in told
    assert "s3cret" not in told
