"""Keys and their passphrase: from the environment, from a prompt on a terminal, or none."""

import os
import pty
import subprocess
import time

import pytest
from command_line import COMMAND, environment
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


def on_a_terminal(command, *arguments, answers=()):
    """Run it on a terminal, answering its prompts; return (exit status, what the terminal saw)."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(command.folder)
        os.execve(COMMAND[0], [*COMMAND, *arguments], environment(command.home, TERM="xterm"))
    seen = b""
    waiting = list(answers)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not data:
            break
        seen += data
        if waiting and seen.endswith(b": "):
            os.write(terminal, waiting.pop(0).encode() + b"\n")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), seen.decode()


def test_a_second_key_signs_once_the_log_knows_it_and_until_it_is_revoked(provenance):
    new = provenance.json("keys", "new", "alice", "--algorithm", "ecdsa-p256")
    assert new["algorithm"] == "ecdsa-p256"
    provenance("register", "policy.json", "--signer", "alice", status=2)
    provenance("keys", "add", "alice", "--kind", "dataset")
    provenance("register", "policy.json", "--signer", "signer", "--signer", "alice")
    signers = provenance.json("history", "policy.json")["statements"][0]["signers"]
    assert len(signers) == 2
    assert new["keyid"] in signers
    given = ("quality", "rows", "--metric", "a=1", "--signer", "alice")
    assert "quality" in provenance.json(*given, status=2)["error"]["message"]
    provenance("keys", "revoke", new["keyid"][:12], "--reason", "left")
    listed = {key["name"]: key["state"] for key in provenance.json("keys", "list")["keys"]}
    assert listed["alice"] == "revoked"
    provenance("register", "row7.json", "--signer", "alice", status=2)


def test_keys_come_and_go_as_pem(provenance):
    theirs = Ed25519PrivateKey.generate()
    public = theirs.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (provenance.folder / "bob.pem").write_bytes(public)
    provenance("keys", "add", "bob.pem")
    assert provenance("keys", "export", "bob")[0].encode() == public
    private = provenance.folder / "carol.pem"
    private.write_bytes(theirs.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    private.chmod(0o644)
    assert "chmod 600" in provenance("keys", "import", "carol.pem", status=2)[1]
    private.chmod(0o600)
    provenance("keys", "import", "carol.pem", "--name", "bob2")
    kept = provenance.folder / ".provenance" / "keys" / "bob2.pem"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert load_pem_private_key(kept.read_bytes(), None).public_key() == theirs.public_key()
    provenance("register", "policy.json", "--signer", "bob2")


def test_a_passphrase_from_the_environment_protects_every_key(elsewhere):
    secret = {"PROVENANCE_PASSPHRASE": "correct horse"}
    _, told = elsewhere("init", "--origin", "x.example/y", **secret)
    assert told == ""
    for path in (elsewhere.folder / ".provenance" / "keys").iterdir():
        assert b"ENCRYPTED" in path.read_bytes()
    (elsewhere.folder / "a.jsonl").write_text("{}\n")
    _, told = elsewhere("register", "a.jsonl", status=2)
    assert "no passphrase was given" in told
    _, told = elsewhere("register", "a.jsonl", status=2, PROVENANCE_PASSPHRASE="wrong")
    assert "wrong passphrase" in told
    elsewhere("register", "a.jsonl", **secret)
    assert elsewhere.json("status")["size"] == 3, "reading needs no passphrase"
    # A wrong passphrase shows before the command of a step runs, not after.
    elsewhere("step", "s", "--", "touch", "ran", status=2, PROVENANCE_PASSPHRASE="wrong")
    assert not (elsewhere.folder / "ran").exists()


def test_on_a_terminal_the_passphrase_is_asked_for_and_not_shown(elsewhere):
    status, seen = on_a_terminal(
        elsewhere, "init", "--origin", "x.example/y", answers=["hush hush", "hush hush"]
    )
    assert status == 0, seen
    assert "hush" not in seen
    assert "not encrypted" not in seen
    (elsewhere.folder / "a.jsonl").write_text("{}\n")
    status, seen = on_a_terminal(elsewhere, "register", "a.jsonl", answers=["hush hush"])
    assert status == 0, seen
    status, seen = on_a_terminal(elsewhere, "anchor", answers=["wrong"])
    assert status == 2
    assert "wrong passphrase" in seen
    elsewhere("anchor", PROVENANCE_PASSPHRASE="hush hush")


@pytest.mark.parametrize(("answers", "status"), [(["a", "b"], 2), ([""], 0)])
def test_two_passphrases_must_agree_and_none_is_allowed(elsewhere, answers, status):
    found, seen = on_a_terminal(elsewhere, "init", "--origin", "x.example/y", answers=answers)
    assert found == status, seen
    assert (elsewhere.folder / ".provenance").exists() == (status == 0)
    assert ("not encrypted" in seen) == (status == 0)


def test_no_prompt_where_nobody_can_answer(elsewhere):
    done = subprocess.run(
        [*COMMAND, "init", "--origin", "x.example/y"],
        cwd=elsewhere.folder,
        env=environment(elsewhere.home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    assert (done.returncode, "Passphrase" in done.stderr) == (0, False)
