"""Drafting on every core: reading an envelope and checking its signatures is most of an append.

Python runs one thread at a time, and `cryptography` keeps it while it verifies; so large batches
are drafted by other processes, that get envelopes and public keys, and hand back what the log is
to keep. They run this module with nothing but the verify half loaded, are started for the first
large batch, and end with the ledger, or when the process that started them does. One that ends or
misbehaves is done without: its part is drafted here.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from provenance.errors import InputError, MalformedError
from provenance.ledger.drafting import Draft, Keys, draft, read
from provenance.ledger.indexing import IndexRows, Registers
from provenance.log.submission import Leaf
from provenance.merkle.parallel import cores
from provenance.records.processes import Processes
from provenance.signing import PublicKey

__all__ = ["Drafters", "answer", "draft_all"]

PART = 128
"""Envelopes that a process gets at a time."""

LEAST = 2 * PART
"""A smaller batch is drafted here: processes take a moment to start."""


def draft_all(envelopes: Sequence[bytes], keys: Keys) -> list[Draft | InputError]:
    """Draft envelopes in any form of DSSE; in the place of one that cannot be read, say why."""
    outcomes: list[Draft | InputError] = []
    for data in envelopes:
        try:
            outcomes.append(draft(read(data, keys), keys))
        except InputError as error:
            outcomes.append(error)
    return outcomes


class Drafters:
    """A process for each core, and one more. May be shared between threads."""

    def __init__(self) -> None:
        # One is handed its part while others draft.
        self._count = cores() + 1 if cores() > 1 else 0
        self._starting = threading.Lock()
        self._processes: Processes | None = None
        self._threads: ThreadPoolExecutor | None = None

    def draft_all(self, envelopes: Sequence[bytes], keys: Keys) -> list[Draft | InputError]:
        """As the function of this name."""
        if len(envelopes) < LEAST or not self._count:
            return draft_all(envelopes, keys)
        with self._starting:
            if self._threads is None:
                self._processes = Processes(__name__, self._count)
                self._threads = ThreadPoolExecutor(self._count, "drafters")
        parts = [envelopes[at : at + PART] for at in range(0, len(envelopes), PART)]
        drafted = self._threads.map(lambda part: self._draft_part(part, keys), parts)
        return [outcome for outcomes in drafted for outcome in outcomes]

    def close(self) -> None:
        """End the processes."""
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
        if self._processes is not None:
            self._processes.close()

    def _draft_part(self, part: Sequence[bytes], keys: Keys) -> list[Draft | InputError]:
        assert self._processes is not None  # noqa: S101 - so are the threads
        try:
            with self._processes.lent() as process:
                told = None if keys is process.told else [key.spki for key in keys.values()]
                outcomes = process.ask((told, list(part)))
                process.told = keys
                return [
                    _unpacked(packed, data) for packed, data in zip(outcomes, part, strict=True)
                ]
        except Exception:  # it ended, or said something else: then it is drafted here
            return draft_all(part, keys)


_keys: dict[str, PublicKey] = {}
"""Of a process that drafts: the keys that it was told last."""


def answer(request: Any) -> list[tuple[Any, ...]]:
    """Draft a part, in one of the processes.

    Args:
        request: the keys, or None if they are those of the request before; the envelopes.
    """
    told, part = request
    if told is not None:
        _keys.clear()
        _keys.update((key.keyid, key) for key in map(PublicKey, told))
    return list(map(_packed, draft_all(part, _keys), part))


def _packed(outcome: Draft | InputError, data: bytes) -> tuple[Any, ...]:
    if isinstance(outcome, InputError):
        return isinstance(outcome, MalformedError), str(outcome)
    leaf, (registers, mentions, facets) = outcome.leaf, outcome.rows
    kept = None if leaf.envelope == data else leaf.envelope  # who asks has it already
    return (
        outcome.kind,
        (leaf.kind, leaf.data, leaf.hash, leaf.identity, kept),
        (registers and tuple(registers), mentions, facets),
        outcome.keyids,
        outcome.verified,
    )


def _unpacked(packed: tuple[Any, ...], data: bytes) -> Draft | InputError:
    if len(packed) == 2:
        malformed, message = packed
        return MalformedError(message) if malformed else InputError(message)
    kind, (number, entry, digest, identity, kept), rows, keyids, verified = packed
    leaf = Leaf(number, entry, digest, identity, data if kept is None else kept)
    registers, mentions, facets = rows
    indexed = IndexRows(registers and Registers(*registers), mentions, facets)
    return Draft(kind, leaf, indexed, keyids, verified)
