"""Whose policy `provenance.verify` takes: one given, that of the ledger around, one trusted."""

import json

import pytest

from provenance import InputError, Ledger, LedgerError, UndecidedError, VerificationError, verify
from provenance.ledger import trust
from provenance.verification import Policy

ROWS = [{"id": number} for number in range(3)]


@pytest.fixture
def proof(ledger):
    ledger.register(ROWS, name="rows")
    ledger.anchor()
    return ledger.prove("rows", record={"id": 1})


def test_the_policy_of_the_ledger_around(ledger, home, proof, monkeypatch):
    below = home / "notebooks/deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    verified = verify(proof, record={"id": 1})
    assert verified.policy == ledger.policy().fingerprint
    assert len(verified.anchors) == 1


def test_nobody_is_trusted_unasked(proof):
    with pytest.raises(UndecidedError, match="vouched for by nobody you named") as failure:
        verify(proof, record={"id": 1})
    assert failure.value.step == "policy"
    with pytest.raises(VerificationError) as failure:
        verify(proof, record={"id": 2})
    assert failure.value.step == "record"


def test_a_ledger_of_another_log_does_not_count(proof, tmp_path, monkeypatch):
    with Ledger.init(tmp_path / "other", origin="other.example/x"):
        monkeypatch.chdir(tmp_path / "other")
        with pytest.raises(UndecidedError, match="nobody you named"):
            verify(proof)


def test_a_ledger_that_came_with_the_data_does_not_overrule_a_fingerprint(
    ledger, home, proof, tmp_path, monkeypatch
):
    """An archive may hold data, bundle and a ledger of the same name, all of them a stranger's."""
    trust.add(ledger.policy(), fingerprint=ledger.policy().fingerprint)
    with Ledger.init(tmp_path / "archive", origin=ledger.origin) as stranger:
        stranger.register(ROWS, name="rows")
        stranger.anchor()
        false = stranger.prove("rows", record={"id": 1})
    monkeypatch.chdir(tmp_path / "archive")
    for bundle in (false, proof):
        with pytest.raises(InputError, match=r"has another policy .* than the one you trust"):
            verify(bundle, record={"id": 1})
    assert verify(proof, record={"id": 1}, policy=ledger.policy(), chains=ledger.chains)
    monkeypatch.chdir(home)
    assert verify(proof, record={"id": 1}), "one policy, found twice"


def test_trusted_by_fingerprint(ledger, proof, tmp_path):
    policy = ledger.policy()
    with pytest.raises(InputError, match=rf"the fingerprint {policy.fingerprint}, not 00"):
        trust.add(policy, fingerprint="00" * 32)
    with pytest.raises(InputError, match="pins no chain 'mainnet'; it pins embedded"):
        trust.add(policy, fingerprint=policy.fingerprint, chains={"mainnet": "http://127.0.0.1"})
    assert trust.listed() == []
    path = trust.add(policy, fingerprint=policy.fingerprint.upper())
    assert path.is_relative_to(tmp_path / "config/provenance/trust")
    assert [trusted.policy for trusted in trust.listed()] == [policy]

    with pytest.raises(UndecidedError) as failure:
        verify(proof, record={"id": 1})
    assert "chain 'embedded': out of reach" in failure.value.report["anchor"].finding
    verified = verify(proof, record={"id": 1}, chains=ledger.chains)
    assert verified.policy == policy.fingerprint

    trust.remove(policy.origin)
    with pytest.raises(InputError, match=r"nothing is trusted for the origin 'acme\.example/ml'"):
        trust.remove(policy.origin)
    with pytest.raises(UndecidedError, match="nobody you named"):
        verify(proof, chains=ledger.chains)


def test_a_trusted_chain_is_asked_at_its_url(ledger, proof):
    policy = ledger.policy()
    nobody = "http://127.0.0.1:9"
    trust.add(policy, fingerprint=policy.fingerprint, chains={"embedded": nobody})
    with pytest.raises(UndecidedError) as failure:
        verify(proof)
    assert "127.0.0.1" in failure.value.report["anchor"].finding


def test_an_edited_trust_file_is_named(ledger, proof):
    policy = ledger.policy()
    path = trust.add(policy, fingerprint=policy.fingerprint)
    for content in (b"", b'{"policy":{}}', path.read_bytes().replace(b'"chains"', b'"chain"')):
        path.write_bytes(content)
        for use in (lambda: verify(proof), trust.listed):
            with pytest.raises(InputError, match=str(path)):
                use()
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=rf"{path} cannot be read"):
        trust.listed()
    with pytest.raises(LedgerError, match=str(path)):
        trust.remove(policy.origin)


def test_where_the_trust_folder_cannot_be_made(ledger, tmp_path):
    (tmp_path / "config").write_text("a file is in the way")
    policy = ledger.policy()
    with pytest.raises(LedgerError, match=str(tmp_path / "config")):
        trust.add(policy, fingerprint=policy.fingerprint)


def test_files_of_bundle_and_policy(ledger, proof, tmp_path):
    bundle, policy = tmp_path / "bundle.json", tmp_path / "policy.json"
    bundle.write_bytes(proof.to_bytes())
    policy.write_bytes(ledger.policy().to_bytes())
    for given in (bundle, str(bundle), proof, proof.bundle, proof.to_bytes()):
        verified = verify(given, record={"id": 1}, policy=policy, chains=ledger.chains)
        assert verified.record_indices == (1,)
    with pytest.raises(InputError, match=r"bundle .*missing\.json cannot be read"):
        verify(tmp_path / "missing.json")
    with pytest.raises(InputError, match=r"policy .*missing\.json cannot be read"):
        verify(bundle, policy=tmp_path / "missing.json")
    policy.write_text('{"orgin":"acme.example/ml"}')
    with pytest.raises(InputError, match=rf"{policy}: .*orgin"):
        verify(bundle, policy=policy)


@pytest.mark.parametrize("bundle", [b"", b"{}", b"[" * 100_000, b"\xff"])
def test_a_malformed_bundle_fails_its_first_step_with_or_without_a_policy(ledger, bundle):
    for policy in (ledger.policy(), None):
        with pytest.raises(VerificationError) as failure:
            verify(bundle, policy=policy)
        assert failure.value.step == "bundle"


def test_every_entry_is_scanned_where_the_policy_wants_it(ledger, home, proof, monkeypatch):
    path = ledger.folder.policy
    policy = json.loads(path.read_bytes())
    path.write_text(json.dumps({**policy, "standing": "scanned"}))
    monkeypatch.chdir(home)
    assert "every entry scanned" in verify(proof).report["standing"].finding
    ledger.revoke_key("signer", reason="lost")
    ledger.add_key(ledger.keyring.signers[0].public, name="signer")
    assert verify(ledger.prove("rows")), "revoked later"
    with pytest.raises(UndecidedError) as failure:
        verify(proof, policy=ledger.policy(), chains=ledger.chains)
    assert failure.value.step == "standing"


def test_a_damaged_ledger_around_is_not_passed_over(ledger, home, proof, monkeypatch):
    monkeypatch.chdir(home)
    ledger.folder.config.write_text("origin = ")
    with pytest.raises(LedgerError, match=str(ledger.folder.config)):
        verify(proof)


def test_a_key_that_is_added_joins_the_ledgers_own_policy(ledger, home):
    public = ledger.keyring.new("second", "ecdsa-p256")
    before = ledger.policy()
    ledger.add_key(public, name="second", kinds=("model",))
    ledger.add_key(public, name="second", kinds=("dataset", "model"))
    after = ledger.policy()
    assert after.fingerprint != before.fingerprint
    assert after.signers[:1] == before.signers
    assert [(s.name, s.key.keyid, s.kinds) for s in after.signers[1:]] == [
        ("second", public.keyid, ("dataset", "model"))
    ]
    assert Policy.parse(ledger.folder.policy.read_bytes()) == after
