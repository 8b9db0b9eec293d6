"""One case, verified by Python and in a page: verdict, step, marks and words are the same."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provenance.anchoring import RpcReader
from provenance.errors import InputError, UndecidedError, VerificationError
from provenance.verification import Mark, Policy, Report, Verifier

VERIFY = """async ([cases, rpc]) => {
  const verify = ({ bundle, policy, record }) => tried(async () => {
    const given = { bundle: bytes(bundle), policy: policy && bytes(policy), record, rpc };
    const { verified, step, steps, warnings, origin } = await provenance.verify(given);
    return { verified, step, steps, warnings, origin };
  });
  const results = [];
  while (results.length < cases.length) {
    const next = cases.slice(results.length, results.length + 24);
    results.push(...await Promise.all(next.map(verify)));
  }
  return results;
}"""

OTHER_WORDS = ("is not JSON", "is not UTF-8", "must be one of", "a PEM public key")
"""Findings that Python's own libraries word, or that say more in one of both."""


@dataclass(frozen=True)
class Given:
    """What a verifier is given."""

    bundle: bytes
    policy: bytes | None
    record: str | None = None


def by_python(given: Given, rpc: Mapping[str, str]) -> dict[str, Any]:
    chains = {name: RpcReader(url) for name, url in rpc.items()}
    try:
        policy = None if given.policy is None else Policy.parse(given.policy)
        verified = Verifier(policy, chains=chains).verify(given.bundle, record=given.record)
    except VerificationError as error:
        decided = not isinstance(error, UndecidedError)
        return told(error.report, False if decided else None, error.step)
    except InputError as error:
        return {"refused": str(error)}
    return told(verified.report, True, None)


def told(report: Report, verified: bool | None, step: str | None) -> dict[str, Any]:
    return {
        "verified": verified,
        "step": step,
        "steps": [{**vars(check), "mark": check.mark.value} for check in report.checks],
        "warnings": list(report.warnings),
    }


def compare(
    room: Any, cases: Sequence[Given], rpc: Mapping[str, str] | None = None, *, words: bool = True
) -> Counter[str]:
    """Verify every case twice; count what came of it: "verified", "undecided", the failing step.

    Findings must be the same where `words`, but for `OTHER_WORDS`.
    """
    sent = [
        {
            "bundle": base64.b64encode(case.bundle).decode(),
            "policy": None if case.policy is None else base64.b64encode(case.policy).decode(),
            "record": case.record,
        }
        for case in cases
    ]
    seen: Counter[str] = Counter()
    for case, there in zip(cases, room.evaluate(VERIFY, [sent, dict(rpc or {})]), strict=True):
        here = by_python(case, rpc or {})
        seen[outcome(here)] += 1
        assert outcome(there) == outcome(here), (case, here, there)
        if "refused" in here:
            continue
        assert there["warnings"] == here["warnings"], case
        for one, other in zip(here["steps"], there["steps"], strict=True):
            assert (one["step"], one["mark"]) == (other["step"], other["mark"])
            other_words = one["mark"] == Mark.FAILS and any(map(one["finding"].count, OTHER_WORDS))
            if words and not other_words:
                assert plain(other["finding"]) == plain(one["finding"])
    return seen


def plain(finding: str) -> str:
    """Without what is offered to a reader at a command line alone."""
    return finding.partition(", or the hash of block")[0]


def outcome(result: dict[str, Any]) -> str:
    if "refused" in result:
        return "refused"
    if result["verified"]:
        return "verified"
    return "undecided" if result["verified"] is None else str(result["step"])
