"""``witness`` and ``prove --tlog-proof``: what they print, and how they fail."""

import base64
import contextlib
import json
import re
from hashlib import sha256

import pytest

from provenance.log import Checkpoint, LogProof, check_proof
from provenance.signing import PrivateKey, VerifierKey, sign_note
from provenance.verification import Policy
from provenance.witness import RefusedError, Witness

VKEY = re.compile(r"w\.example/1\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*")


@pytest.fixture
def watching(provenance, made):
    """The vkey of a witness in ``w`` that watches the ledger."""
    policy = Policy.parse((made / "policy.json").read_bytes())
    (_, out, _), (status, _, _) = provenance.many(
        [
            ["witness", "init", "w", "--name", "w.example/1"],
            ["witness", "watch", "w", *policy.log_keys],
        ]
    )
    assert status == 0
    return out.strip()


def test_a_witness_from_the_first_to_the_last_command(provenance, watching):
    assert VKEY.fullmatch(watching)
    server = provenance.start("witness", "serve", "w", "--port", "0", "--json", stdout=-1)
    try:
        text = ""
        while "}" not in text:
            text += server.stdout.readline()
        url = json.loads(text)["url"]
        added = provenance.json("witness", "add", "one", url, watching)
        assert (added["name"], added["url"], added["vkey"]) == ("one", url, watching)
        (answer,) = provenance.json("witness", "ask")["witnesses"]
        assert set(answer) == {"name", "size", "time"}
        done = provenance.many(
            [["witness", "ask"], ["witness", "list"], ["policy", "show"], ["witness", "show", "w"]]
        )
        asked, listed, policy, shown = (out for _, out, _ in done)
        assert asked == f"one: cosigned {answer['size']} entries at {answer['time']}\n"
        assert listed == f"one  {url}  {watching}\n"
        assert f"\nwitness      {watching}\n" in policy
        assert shown.startswith(f"{watching}\nacme.example/ml: {answer['size']} entries, root ")
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
    assert f", root {log['root']}, {log['time']}\n" in shown


def test_two_histories_are_shown(provenance, watching):
    key = PrivateKey.generate()
    with Witness.open(provenance.folder / "w") as witness:
        witness.watch(str(VerifierKey("log.example/1", key.public)))
        for old, root in ((0, bytes(32)), (5, bytes([1]) * 32)):
            text = Checkpoint("log.example/1", 5, root).to_text()
            note = sign_note(text, "log.example/1", key)
            with contextlib.suppress(RefusedError):
                witness.add_checkpoint(b"old %d\n\n%s" % (old, note))
    (_, out, _), (_, told, _) = provenance.many(
        [["witness", "show", "w"], ["witness", "show", "w", "--json"]]
    )
    (_, log) = json.loads(told)["logs"]
    cosigned, refused = log["contradiction"]
    assert refused == note.decode()
    assert cosigned.startswith("log.example/1\n5\nAAAA")
    said = "log.example/1 signed two histories, one cosigned and one refused:\n\n"
    assert out.partition(said)[2] == f"{cosigned}\n{refused}"


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
    refused = {
        ("init", "w", "--name", "w.example/1"): "Directory not empty",
        ("init", "v", "--name", "two words"): "cannot name a key",
        ("watch", "model", watching): "there is no witness in model",
        ("watch", "w", watching): "that is the vkey of a witness",
        ("serve", "model"): "there is no witness in model",
        ("add", "one", "http://w.example", "no key"): "vkey",
        ("ask",): "witnesses needed: 1, known: 0",
    }
    done = provenance.many([["witness", *arguments] for arguments in refused])
    for (status, out, told), said in zip(done, refused.values(), strict=True):
        assert (status, out, told.count("\n")) == (2, "", 1)
        assert said in told


def test_the_proof_of_an_entry(provenance, made):
    prove = ["prove", "rows", "--tlog-proof"]
    more = [[], ["-o", "rows.tlog-proof"], ["--json"]]
    (_, out, _), _, (_, told, _), (_, bundle, _) = provenance.many(
        [*([*prove, *each] for each in more), ["prove", "rows"]]
    )
    assert (provenance.folder / "rows.tlog-proof").read_text() == out
    told, bundle = json.loads(told), json.loads(bundle)["statement"]
    assert told == {"index": told["index"], "proof": out}
    policy = Policy.parse((made / "policy.json").read_bytes())
    proof = LogProof.parse(out.encode())
    assert proof.index == told["index"] == bundle["index"]
    check_proof(
        proof,
        leaf_hash=sha256(b"\0" + base64.b64decode(bundle["entry"])).digest(),
        origin="acme.example/ml",
        log_keys=policy.log_verifiers,
    )
    done = provenance.many([[*prove, "--index", "1"], [*prove, "--sidecar"]])
    assert [status for status, _, told in done if "about the entry" in told] == [2, 2]
