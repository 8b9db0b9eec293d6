"""docs/formats.md shows what the code writes, and what it shows is valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from format_examples import BUNDLE, ENVELOPES, EVIDENCE, EXAMPLES, NOTE, POLICY, ROWS

from provenance.errors import UndecidedError
from provenance.log import Checkpoint
from provenance.merkle import check_consistency
from provenance.monitoring import Evidence
from provenance.signing import Envelope, open_note
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
