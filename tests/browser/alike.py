"""One case, verified by Python and in a page: verdict, step, marks and words are the same."""

from __future__ import annotations

import base64
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provenance import forms
from provenance.anchoring import RpcReader
from provenance.errors import InputError, UndecidedError, VerificationError
from provenance.verification import Mark, Policy, Report, Verifier

VERIFY = """async ({ base, cases, rpc }) => {
  const whole = base.map(bytes);
  const joined = ([start, put, end], from) =>
    new Uint8Array([...from.subarray(0, start), ...bytes(put), ...from.subarray(end)]);
  const verify = ([bundle, policy, record]) => tried(async () => {
    const given = { bundle: joined(bundle, whole[0]), record, rpc };
    if (policy !== null) given.policy = joined(policy, whole[1]);
    const { verified, step, steps, warnings } = await provenance.verify(given);
    return { verified, step, steps, warnings };
  });
  remember(cases.length > 1);
  const results = [];
  while (results.length < cases.length) {
    const next = cases.slice(results.length, results.length + 24);
    results.push(...await Promise.all(next.map(verify)));
  }
  return results;
}"""

OTHER_WORDS = (
    *("is not JSON", "is not UTF-8", "must be one of", "a PEM public key"),
    "is not an object but",
)
"""What Python's own libraries word, or what says more in one of both."""


@dataclass(frozen=True)
class Given:
    """What a verifier is given."""

    bundle: bytes
    policy: bytes | None
    record: str | None = None


def ask(room: Any, function: str, value: Any) -> Any:
    """Call a function of the page with a JSON value; return its result.

    As text: for objects, Playwright takes longer than the page for what is in them.
    """
    script = f"async (text) => JSON.stringify(await ({function})(JSON.parse(text)))"
    return json.loads(room.evaluate(script, json.dumps(value)))


class RememberingReader(RpcReader):
    """Asks a node each thing once."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._answers: dict[bytes, dict[str, Any]] = {}

    def _answer(self, method: str, params: Sequence[Any]) -> dict[str, Any]:
        asked = forms.canonical([method, params])
        if asked not in self._answers:
            self._answers[asked] = super()._answer(method, params)
        return self._answers[asked]


def by_python(given: Given, chains: Mapping[str, RpcReader]) -> dict[str, Any]:
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
    rpc = dict(rpc or {})
    base = (cases[0].bundle, next((case.policy for case in cases if case.policy), b""))
    sent = [
        (
            _change(base[0], case.bundle),
            None if case.policy is None else _change(base[1], case.policy),
            case.record,
        )
        for case in cases
    ]
    reader = RememberingReader if len(cases) > 1 else RpcReader
    chains = {name: reader(url) for name, url in rpc.items()}
    results = ask(room, VERIFY, {"base": list(map(_text, base)), "cases": sent, "rpc": rpc})
    seen: Counter[str] = Counter()
    for case, there in zip(cases, results, strict=True):
        here = by_python(case, chains)
        seen[outcome(here)] += 1
        assert outcome(there) == outcome(here), (case, here, there)
        if "refused" in here:
            known = any(map(here["refused"].count, OTHER_WORDS))
            assert not words or known or there == here, case
            continue
        assert there["warnings"] == here["warnings"], case
        for one, other in zip(here["steps"], there["steps"], strict=True):
            assert (one["step"], one["mark"]) == (other["step"], other["mark"])
            other_words = one["mark"] == Mark.FAILS and any(map(one["finding"].count, OTHER_WORDS))
            if words and not other_words:
                assert plain(other["finding"]) == plain(one["finding"])
    return seen


def _change(old: bytes, new: bytes) -> tuple[int, str, int]:
    """What makes `new` of `old`: most are alike, and to send all of each takes the longest."""
    start = _shared(old, new)
    end = _shared(old[start:][::-1], new[start:][::-1])
    return start, _text(new[start : len(new) - end]), len(old) - end


def _shared(one: bytes, other: bytes) -> int:
    """Return the length of what both begin with."""
    return bisect_left(
        range(min(len(one), len(other))), True, key=lambda n: one[: n + 1] != other[: n + 1]
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def plain(finding: str) -> str:
    """Without what is offered to a reader at a command line alone."""
    return finding.partition(", or the hash of block")[0]


def outcome(result: dict[str, Any]) -> str:
    if "refused" in result:
        return "refused"
    if result["verified"]:
        return "verified"
    return "undecided" if result["verified"] is None else str(result["step"])
