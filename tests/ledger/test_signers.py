"""Keys of a ledger: who signs, who may, and what a revocation does to what was signed."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from provenance import InputError, Ledger, LedgerError, UndecidedError, VerificationError, verify
from provenance.ledger.keyring import PASSPHRASE
from provenance.records import ARTIFACT_DIGEST
from provenance.signing import PrivateKey, sign
from provenance.statements import (
    Access,
    Key,
    Review,
    Statement,
    Subject,
    key_subject,
)
from provenance.verification import Demand

ROWS = [{"id": number} for number in range(3)]


def states(ledger):
    return {(key.name, key.role): key.state for key in ledger.keys()}  # noqa: SIM118


def test_a_new_ledger_has_an_admin_and_a_signer(ledger):
    admin, signer = ledger.keys()
    assert (admin.name, admin.role, admin.entry) == ("admin", "admin", 0)
    assert (signer.name, signer.role, signer.entry) == ("signer", "signer", 1)
    assert signer.keyid == ledger.keyring.signers[0].public.keyid
    assert (signer.state, signer.algorithm, signer.kinds) == ("active", "ed25519", ())


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
def test_a_key_signs_from_when_it_is_added_to_when_it_is_revoked(ledger, home, algorithm):
    public = ledger.keyring.new("night", algorithm)
    with Ledger.open(home, signers=("night",)) as night:
        with pytest.raises(
            InputError, match=rf"does not know the key {public.keyid}: add it first"
        ):
            night.register(ROWS, name="rows")
        ledger.add_key(public, name="night")
        before = night.register(ROWS, name="rows")
        night.anchor()
        proof = night.prove(before)
        assert verify(proof, policy=night.policy(), chains=night.chains).signers == ("night",)
        ledger.revoke_key(public.keyid[:12], reason="left")
        assert states(ledger)["night", "signer"] == "revoked"
        with pytest.raises(InputError, match="was revoked at entry"):
            night.register(ROWS, name="others")
        later = night.prove(before)
        assert verify(later, policy=night.policy(), chains=night.chains), "it signed before that"
        ledger.add_key(public, name="night")
        assert night.register(ROWS, name="others").index == ledger.status().size - 1


def test_kinds_limit_what_a_key_signs(ledger, home):
    ledger.add_key(ledger.keyring.new("models"), name="models", kinds=("model", "model"))
    assert ledger.keys()[-1].kinds == ("model",)
    with Ledger.open(home, signers=("models",)) as models:
        models.register(b"weights", name="clf", kind="model")
        with pytest.raises(InputError, match="was added for model, not for dataset"):
            models.register(ROWS, name="rows")


def test_rotation_hands_over_rights(ledger, home):
    ledger.add_key(ledger.keyring.new("old"), name="old", kinds=("dataset",))
    new = ledger.keyring.new("new")
    with Ledger.open(home, signers=("old",)) as old:
        key = Key(
            **old.journal.stamp(),
            action="rotate",
            public_key=new.to_pem(),
            replaces=old.keyring.signers[0].public.keyid,
        )
        old.journal.submit(Statement(subjects=(key_subject("new", new.keyid),), predicate=key))
        with pytest.raises(InputError, match="was revoked"):
            old.register(ROWS, name="rows")
    listed = {key.name: (key.state, key.kinds) for key in list(ledger.keys())}
    assert listed["old"] == ("revoked", ("dataset",))
    assert listed["new"] == ("active", ("dataset",))
    with Ledger.open(home, signers=("new",)) as signer:
        signer.register(ROWS, name="rows")


def test_what_a_compromised_key_signed_counts_only_if_anchored_before(ledger, home):
    policy, chains = ledger.policy(), ledger.chains
    early = ledger.register(ROWS, name="early", sensitivity="public")
    (anchor,) = ledger.anchor()
    late = ledger.register(ROWS[:1], name="late", sensitivity="public")
    ledger.revoke_key(
        "signer",
        reason="laptop stolen",
        compromised_since=anchor.block_time + timedelta(seconds=1),
    )
    assert verify(ledger.prove(early), policy=policy, chains=chains)
    with pytest.raises(UndecidedError, match="compromised since"):
        verify(ledger.prove(early), policy=policy)
    for _ in ("not anchored", "anchored after"):
        with pytest.raises(VerificationError, match="compromised since") as failure:
            verify(ledger.prove(late), policy=policy, chains=chains)
        assert failure.value.step == "standing"
        ledger.anchor()
    with pytest.raises(InputError, match="no key is meant by 'nobody'"):
        ledger.revoke_key("nobody", reason="gone")


def test_what_was_logged_is_answered_again_though_its_key_is_revoked(ledger):
    """Else a lost answer, or a crash before the spool was cleared, leaves what cannot be resent."""
    (key,) = ledger.keyring.signers
    rows = ledger.register(ROWS, name="rows")
    revoke = Key(
        **ledger.journal.stamp(), action="revoke", keyid=key.public.keyid, reason="by itself"
    )
    said = Statement(subjects=(key_subject("signer", key.public.keyid),), predicate=revoke)
    index = ledger.journal.submit(said)
    assert ledger.journal.submit(said) == index
    assert ledger.journal.submit(rows.statement) == rows.index
    assert ledger.submit(sign(rows.statement.to_bytes(), [key]).to_bytes()) == rows.index
    assert ledger.status().size == index + 1


def test_two_signers_for_what_is_restricted(ledger, home):
    ledger.add_key(ledger.keyring.new("second"), name="second")
    final = Demand(anchored=True, final=True, signers=2)
    policy = replace(ledger.policy(), demands={"restricted": final})
    with pytest.warns(UserWarning, match="guessed"):
        one = ledger.register(ROWS, name="people", sensitivity="restricted")
    with Ledger.open(home, signers=("signer", "second")) as both:
        with pytest.warns(UserWarning, match="guessed"):
            two = both.register(ROWS, name="people", sensitivity="restricted")
        both.anchor()
        verified = verify(both.prove(two), policy=policy, chains=both.chains)
        assert verified.signers == ("signer", "second")
        with pytest.raises(VerificationError, match="demands 2 signers; 1 of them") as failure:
            verify(both.prove(one), policy=policy, chains=both.chains)
        assert failure.value.step == "policy"


def test_names_of_keys_are_names_of_files(ledger):
    for name in ("../admin", "", "a/b", "-x", "a" * 65):
        with pytest.raises(InputError, match="cannot name a key file"):
            ledger.keyring.new(name)
    with pytest.raises(InputError, match=r"signer\.pem exists; a key file is never overwritten"):
        ledger.keyring.new("signer")


# --- passphrases and files ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A ledger whose keys are encrypted."""
    folder = tmp_path_factory.mktemp("locked")
    Ledger.init(folder, origin="locked.example/x", passphrase="right").close()
    return folder


@pytest.mark.parametrize(
    ("passphrase", "said"), [("wrong", "passphrase"), (None, "passphrase"), ("", "passphrase")]
)
def test_without_the_passphrase_nothing_is_signed_and_all_is_read(locked, passphrase, said):
    with Ledger.open(locked, passphrase=passphrase) as ledger:
        size = ledger.status().size
        for use in (
            lambda: ledger.register(ROWS, name="rows"),
            lambda: ledger.step("clean"),
            lambda: ledger.outputs(name="answers"),
            lambda: ledger.add_key(PrivateKey.generate().public, name="x"),
            ledger.checkpoint,
            ledger.anchor,
        ):
            with pytest.raises(InputError, match=said) as failure:
                use()
            assert str(locked / ".provenance/keys") in str(failure.value)
        assert ledger.status().size == size


def test_the_passphrase_opens_by_argument_or_environment(locked, monkeypatch):
    with Ledger.open(locked, passphrase="right") as ledger:
        first = ledger.register(ROWS, name="rows")
        ledger.anchor()
    monkeypatch.setenv(PASSPHRASE, "right")
    with Ledger.open(locked) as ledger:
        assert ledger.register(ROWS, name="rows") == first
        assert ledger.keyring.encrypted


def test_key_files_that_others_may_read_are_refused(ledger):
    path = ledger.folder.keys / "signer.pem"
    path.chmod(0o640)
    with pytest.raises(InputError, match=rf"mode 0640\): chmod 600 {path}"):
        ledger.register(ROWS, name="rows")
    path.chmod(0o600)
    ledger.register(ROWS, name="rows")
    assert {f.stat().st_mode & 0o777 for f in ledger.folder.keys.iterdir()} == {0o600}
    assert ledger.folder.keys.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_damaged_key_file_is_named(ledger, content):
    for name, use in (("signer", lambda: ledger.step("x")), ("log", ledger.checkpoint)):
        path = ledger.folder.keys / f"{name}.pem"
        path.write_bytes(content)
        with pytest.raises(InputError, match=str(path)):
            use()
    with pytest.raises((InputError, LedgerError)):
        ledger.anchor()


# --- what others signed -------------------------------------------------------------------------


def stamp():
    return {"nonce": bytes(16), "issued": datetime.now(UTC).isoformat()[:23] + "Z"}


@pytest.fixture
def reviewer(ledger):
    key = PrivateKey.generate("ecdsa-p256")
    ledger.add_key(key.public, name="reviewer", kinds=("review", "access"))
    return key


def review(artifact, verdict="approve"):
    subject = Subject(name=artifact.name, digest=artifact.digests)
    return Statement(subjects=(subject,), predicate=Review(**stamp(), verdict=verdict))


def foreign(envelope):
    """The same envelope as another tool may write it."""
    value = json.loads(envelope.to_bytes())
    loose = base64.urlsafe_b64encode(base64.b64decode(value["payload"])).decode().rstrip("=")
    signatures = [{"sig": s["sig"], "cert": "…"} for s in value["signatures"]]
    return json.dumps(
        {
            "signatures": signatures,
            "payload": loose,
            **{"payloadType": value["payloadType"], "more": 1},
        },
        indent=1,
    ).encode()


def test_a_foreign_envelope_is_taken_in_once(ledger, reviewer):
    rows = ledger.register(ROWS, name="rows")
    envelope = sign(review(rows).to_bytes(), [reviewer])
    index = ledger.submit(foreign(envelope))
    assert ledger.submit(envelope.to_bytes()) == index
    line = ledger.entries(start=index)[0]
    assert (line.kind, line.subjects) == ("review", ("rows",))
    (event,) = [e for e in ledger.history(rows).events if e.statement.kind == "review"]
    assert event.signers == (reviewer.public.keyid,)
    assert "review of rows: approve" in ledger.history(rows).to_text()


def test_a_batch_of_uses(ledger, reviewer):
    rows = ledger.register(ROWS, name="rows")
    batch = ledger.register([{"who": "B", "action": "training"}], name="batch").artifact
    subjects = tuple(
        Subject(name=name, digest={ARTIFACT_DIGEST: digest})
        for name, digest in (("uses", batch.digest_hex), ("rows", rows.digest))
    )
    now = stamp()
    access = Access(
        **now, artifact=batch, uses={rows.digest: 1}, started=now["issued"], finished=now["issued"]
    )
    envelope = sign(Statement(subjects=subjects, predicate=access).to_bytes(), [reviewer])
    index = ledger.submit(envelope.to_bytes(), with_tree=True)
    assert ledger.entries(start=index)[0].kind == "access"
    (told,) = ledger.access("rows").batches
    assert (told.entry, told.counted, told.here) == (index, 1, 0), "kept by somebody else"


def test_foreign_envelopes_that_are_refused(ledger, reviewer):
    rows = ledger.register(ROWS, name="rows")
    size = ledger.status().size
    stranger = PrivateKey.generate()
    dataset = Statement(
        subjects=rows.statement.subjects, predicate=rows.statement.predicate
    ).to_bytes()
    forged = json.loads(sign(review(rows).to_bytes(), [reviewer]).to_bytes())
    forged["payload"] = base64.b64encode(review(rows, "reject").to_bytes()).decode()
    for data, said in (
        (b"", "envelope"),
        (b"{}", "signatures"),
        (sign(b"{}", [reviewer]).to_bytes(), "statement"),
        (sign(review(rows).to_bytes(), [stranger]).to_bytes(), "add the signer's key first"),
        (json.dumps(forged).encode(), "add the signer's key first"),
        (sign(dataset, [reviewer]).to_bytes(), "was added for access, review, not for dataset"),
    ):
        with pytest.raises(InputError, match=said):
            ledger.submit(data)
    assert ledger.status().size == size
