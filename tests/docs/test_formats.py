"""docs/formats.md shows what the code writes, and what it shows is valid."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from format_examples import (
    ANCHOR,
    BUNDLE,
    CONFIG,
    ENVELOPES,
    EVIDENCE,
    EXAMPLES,
    NOTE,
    PIN,
    POLICY,
    ROWS,
)

from provenance import forms
from provenance.anchoring import StateProof
from provenance.anchoring.contract import runtime_code
from provenance.anchoring.state import check_state
from provenance.derivation import Derivation, Place, check_derivation
from provenance.errors import UndecidedError
from provenance.ledger.config import Config, wei
from provenance.log import Checkpoint, LogProof, check_proof
from provenance.merkle import check_consistency, leaf_hash
from provenance.monitoring import Evidence
from provenance.signing import Envelope, VerifierKey, open_note
from provenance.verification import Bundle, Mark, Policy, Verifier

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
EXAMPLE = re.compile(r"<!-- example: ([a-z]+) -->\n```[a-z]*\n(.*?)\n```", re.DOTALL)


def shown() -> dict[str, str]:
    return dict(EXAMPLE.findall(PAGE.read_text("utf-8")))


def test_every_example_is_what_the_code_writes() -> None:
    assert shown() == EXAMPLES, "run scripts/write_formats"


def test_the_bundle_on_the_page_verifies_as_far_as_its_chain_is_out_of_reach() -> None:
    bundle = Bundle.parse(shown()["bundle"].encode())
    policy = Policy.parse(shown()["policy"].encode())
    assert (bundle, policy) == (BUNDLE, POLICY)
    with pytest.raises(UndecidedError) as caught:
        Verifier(policy).verify(shown()["bundle"].encode(), record=ROWS[1])
    marks = {check.step: check.mark for check in caught.value.report.checks}
    assert marks.pop("witnesses") is Mark.NOT_DEMANDED
    assert {marks.pop("anchor"), marks.pop("policy")} == {Mark.UNDECIDED}
    assert set(marks.values()) == {Mark.HOLDS}


def test_the_state_on_the_page_holds_under_the_hash_on_the_page() -> None:
    state = json.loads(shown()["state"])
    block_hash = re.search(r"block hash ([0-9a-f]{64})", shown()["slot"])
    assert block_hash
    pin = replace(PIN, code_sha256=sha256(runtime_code()).digest())
    proof = forms.decode(StateProof, state, "state")
    facts = check_state(ANCHOR, pin, proof, block_hash=bytes.fromhex(block_hash[1]))
    assert facts.block_time == 1_800_000_000


def test_the_derivation_on_the_page_is_proven_by_what_is_on_the_page(tmp_path: Path) -> None:
    claim = forms.decode(Derivation, json.loads(shown()["derivation"]), "claim", whole=True)
    header, body = shown()["header"].encode(), bytes.fromhex(shown()["body"])
    (tmp_path / "proof").write_bytes(header + b"\n" + body)
    checked = check_derivation(tmp_path / "proof", claim, follow=range(3))
    assert checked.places == {0: Place(0, 0), 1: None, 2: Place(0, 1)}
    assert checked.sources[0].digest_hex in shown()["artifact"]


def test_the_configuration_on_the_page_is_read_as_it_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(shown()["config"])
    assert Config.read(path) == CONFIG
    assert wei(CONFIG.chains["sepolia"].max_fee) == 30 * 10**9


def test_the_envelope_and_the_note_on_the_page_are_byte_exact() -> None:
    assert Envelope.parse(shown()["envelope"].encode()).to_bytes() == ENVELOPES[2]
    assert shown()["checkpoint"] + "\n" == NOTE


def test_the_evidence_on_the_page_convicts_the_log() -> None:
    evidence = Evidence.parse(shown()["evidence"].encode())
    assert evidence == EVIDENCE
    assert evidence.seen
    assert evidence.checkpoint
    assert evidence.history
    notes = (evidence.seen, evidence.checkpoint)
    seen, now = (Checkpoint.parse(open_note(n.encode(), POLICY.log_verifiers).text) for n in notes)
    history = evidence.history
    assert (history.old_size, history.size, history.root) == (seen.size, now.size, now.root)
    check_consistency(**vars(history))
    assert history.old_root != seen.root


def test_the_proof_on_the_page_holds_with_the_keys_on_the_page() -> None:
    proof = LogProof.parse(shown()["proof"].encode() + b"\n")
    checkpoint = check_proof(
        proof,
        leaf_hash=leaf_hash(bytes.fromhex(shown()["entry"])),
        origin=POLICY.origin,
        log_keys=POLICY.log_verifiers,
        witnesses=[VerifierKey.parse(shown()["witness"])],
        need=1,
    )
    assert checkpoint.to_text() == shown()["checkpoint"].partition("\n\n")[0] + "\n"
