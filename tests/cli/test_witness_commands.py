"""``witness`` and ``prove --tlog-proof``: what they print, and how they fail."""

import base64
import json
import re
from hashlib import sha256

import pytest

from provenance.log import LogProof, check_proof
from provenance.verification import Policy

VKEY = re.compile(r"w\.example/1\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*")


@pytest.fixture
def watching(provenance):
    """The vkey of a witness in ``w`` that watches the ledger."""
    out, _ = provenance("witness", "init", "w", "--name", "w.example/1")
    log_key = re.search(r"^log key +(\S+)$", provenance("policy", "show")[0], re.MULTILINE)[1]
    provenance("witness", "watch", "w", log_key)
    return out.strip()


def test_a_witness_from_the_first_to_the_last_command(provenance, watching):
    assert VKEY.fullmatch(watching)
    assert provenance("witness", "show", "w")[0] == (
        f"{watching}\nacme.example/ml: nothing cosigned yet\n"
    )
    server = provenance.start("witness", "serve", "w", "--port", "0", "--json", stdout=-1)
    try:
        text = ""
        while "}" not in text:
            text += server.stdout.readline()
        url = json.loads(text)["url"]
        added = provenance.json("witness", "add", "one", url, watching)
        assert (added["name"], added["url"], added["vkey"]) == ("one", url, watching)
        assert provenance.json("witness", "list") == {
            "witnesses": [{"name": "one", "url": url, "vkey": watching}]
        }
        (answer,) = provenance.json("witness", "ask")["witnesses"]
        assert set(answer) == {"name", "size", "time"}
        out, _ = provenance("witness", "ask")
        assert out == f"one: cosigned {answer['size']} entries at {answer['time']}\n"
    finally:
        server.terminate()
        assert server.wait(30) == 0
        server.stdout.close()
    (log,) = provenance.json("witness", "show", "w")["logs"]
    assert (log["origin"], log["size"], log["time"]) == (
        "acme.example/ml",
        answer["size"],
        answer["time"],
    )
    assert f", root {log['root']}, {log['time']}\n" in provenance("witness", "show", "w")[0]
    assert f"witness      {watching}\n" in provenance("policy", "show")[0]


def test_too_few_is_an_error_that_names_each(provenance, watching):
    provenance("witness", "add", "one", "http://127.0.0.1:9", watching)
    failed = provenance.json("witness", "ask", "--need", "2", status=2)["error"]
    assert failed["type"] == "InputError"
    out, told = provenance("witness", "ask", "--need", "0")
    assert (out, told[:14]) == ("", "warning: one: ")
    anchors, told = provenance("anchor")
    assert "entries" in anchors
    assert "warning: witness one: w.example/1 at 127.0.0.1:9 does not answer" in told


def test_what_is_no_witness_is_refused(provenance, watching):
    for arguments, said in (
        (("init", "w", "--name", "w.example/1"), "Directory not empty"),
        (("init", "v", "--name", "two words"), "cannot name a key"),
        (("watch", "model", watching), "there is no witness in model"),
        (("watch", "w", watching), "that is the vkey of a witness"),
        (("serve", "model"), "there is no witness in model"),
        (("add", "one", "http://w.example", "no key"), "vkey"),
        (("ask",), "witnesses needed: 1, known: 0"),
    ):
        out, told = provenance("witness", *arguments, status=2)
        assert out == ""
        assert said in told
        assert told.count("\n") == 1


def test_the_proof_of_an_entry(provenance, made):
    out, _ = provenance("prove", "rows", "--tlog-proof")
    provenance("prove", "rows", "--tlog-proof", "-o", "rows.tlog-proof")
    assert (provenance.folder / "rows.tlog-proof").read_text() == out
    told = provenance.json("prove", "rows", "--tlog-proof")
    assert told == {"index": told["index"], "proof": out}
    bundle = provenance.json("prove", "rows")["bundle"]["statement"]
    policy = Policy.parse((made / "policy.json").read_bytes())
    proof = LogProof.parse(out.encode())
    assert proof.index == told["index"] == bundle["index"]
    check_proof(
        proof,
        leaf_hash=sha256(b"\0" + base64.b64decode(bundle["entry"])).digest(),
        origin="acme.example/ml",
        log_keys=policy.log_verifiers,
    )
    for more in (("--index", "1"), ("--sidecar",)):
        assert "about the entry" in provenance("prove", "rows", "--tlog-proof", *more, status=2)[1]
