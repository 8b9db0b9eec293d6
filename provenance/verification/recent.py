"""A verifier that remembers for a moment what bundles have in common.

A server is sent thousands of bundles that differ in one member alone, `records`: the artifact, its
statement, the checkpoint and the anchors are the same bytes each time. Whether those hold is
remembered for a moment; which records are in the artifact is checked each time::

    {"anchors":…,"checkpoint":…,"mediaType":…,"records":[…],"standing":…,"statement":…}
    └──────────────────── head ────────────────────────┘   └────────── tail ──────────┘

A bundle is cut there, in whatever form it is written. What is between, in one that was verified,
was the whole value of that member; so another value in its place makes a bundle that differs in
nothing else. Whatever cannot be cut, or read, goes through every step, and so does what failed or
was undecided: only what held is remembered, and no longer than an anchor may be (`RecentAnchors`).
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from provenance import forms
from provenance.errors import MalformedError
from provenance.log.blocking import before_blocking
from provenance.verification.bundle import MAX_BUNDLE, MAX_RECORDS, RecordProof
from provenance.verification.policy import Policy
from provenance.verification.report import Check, Mark
from provenance.verification.steps import Case
from provenance.verification.verifier import Verifier, run_step

__all__ = ["RecentVerifier"]

MOST: Final = 256
"""Bundles; the one that was needed least recently gives way."""

WAYS: Final = 64
"""Bundles that go through every step at a time."""

LARGE: Final = 1 << 18
"""Bytes of a bundle beside its records that are not worth their room."""


_NAME = re.compile(rb'"records"[ \t\r\n]*:[ \t\r\n]*')

# Finds where the value ends; what it is, is read strictly.
_SCANNER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


@dataclass(frozen=True, kw_only=True)
class _Records:
    records: tuple[RecordProof, ...]


@dataclass(frozen=True)
class _Held:
    """A bundle that held, at this moment of the clock."""

    moment: float
    case: Case
    checks: list[Check]


class RecentVerifier(Verifier):
    """As `Verifier`; may be shared between threads.

    Args:
        policy: whom to trust.
        seconds: for which it is remembered that a bundle holds.
        clock: in seconds.
        more: as of `Verifier`.
    """

    def __init__(
        self,
        policy: Policy,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        **more: Any,
    ) -> None:
        super().__init__(policy, **more)
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._held: OrderedDict[bytes, _Held] = OrderedDict()
        self._asking = [threading.Lock() for _ in range(WAYS)]

    def _run(self, case: Case) -> list[Check]:
        key, records = _cut(case.data)
        if key is None or records is None:
            return super()._run(case)
        if held := self._recent(key):
            return self._run_again(case, held, records)
        before_blocking()  # every step takes longer than an event loop should
        with self._asking[key[0] % WAYS]:  # of many at a time, one goes through them
            if held := self._recent(key):
                return self._run_again(case, held, records)
            now = self._clock()
            checks = super()._run(case)
            undecided = any(check.mark is Mark.UNDECIDED for check in checks)
            if records == case.bundle.records and not undecided:
                self._remember(key, _Held(now, case.without_records(), checks))
            return checks

    def _recent(self, key: bytes) -> _Held | None:
        with self._lock:
            held = self._held.get(key)
        return held if held and self._clock() - held.moment < self._seconds else None

    @staticmethod
    def _run_again(case: Case, held: _Held, records: tuple[RecordProof, ...]) -> list[Check]:
        """Run the steps that rest on the records, and take the others as they ended."""
        case.continue_as(held.case, records)
        again = {"bundle": Case.say_what_it_proves, "record": Case.check_record}
        checks: list[Check] = []
        for known in held.checks:
            step = again.get(known.step)
            checks.append(run_step(known.step, step, case, checks) if step else known)
        case.warnings = list(held.case.warnings)
        return checks

    def _remember(self, key: bytes, held: _Held) -> None:
        with self._lock:
            self._held[key] = held
            self._held.move_to_end(key)
            while len(self._held) > MOST:
                self._held.popitem(last=False)


def _cut(data: bytes) -> tuple[bytes | None, tuple[RecordProof, ...] | None]:
    """Return what tells a bundle from others beside its records, and these.

    The name cannot stand so within a text, whose quotes are escaped; and no other member of a
    bundle that can be read is called so.
    """
    name = _NAME.search(data)
    if name is None or len(data) > MAX_BUNDLE:
        return None, None
    head, rest = data[: name.end()], data[name.end() :]
    try:
        text = rest.decode()
        _, end = _SCANNER.raw_decode(text)
    except (ValueError, RecursionError):
        return None, None
    middle, tail = text[:end].encode(), text[end:].encode()
    if len(head) + len(tail) > LARGE:
        return None, None
    key = sha256(len(head).to_bytes(8, "big") + head + tail).digest()
    with suppress(MalformedError):
        value = forms.parse(b'{"records":' + middle + b"}", what="the records", cap=MAX_BUNDLE)
        records = forms.decode(_Records, value, "the records").records
        if len(records) <= MAX_RECORDS:
            return key, records
    return key, None
