"""Drafting on every core: reading an envelope and checking its signatures is most of an append.

Python runs one thread at a time, and `cryptography` keeps it while it verifies; so large batches
are drafted by other processes, that get envelopes and public keys, and hand back what the log is
to keep. They run this module with nothing but the verify half loaded, are started for the first
large batch, and end with the ledger, or when the process that started them does.

A request and an answer are each a length (8 bytes, big-endian) and a value as `marshal` writes
it. One that ends or misbehaves is done without: its part is drafted here.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any

from provenance.errors import InputError, MalformedError
from provenance.ledger.drafting import Draft, Keys, draft, read
from provenance.log.submission import Leaf
from provenance.signing import PublicKey

__all__ = ["Drafters", "draft_all", "serve"]

PART = 128
"""Envelopes that a process gets at a time."""

LEAST = 2 * PART
"""A smaller batch is drafted here: processes take a moment to start."""

PIPE = 1 << 20
"""Bytes that a pipe holds, where that may be set: most parts and answers pass in one piece, without
a wait in between for the thread of this process that runs."""

MOST = 1 << 32
"""Bytes of a request or an answer; a part of the largest envelopes is far smaller."""

_PROGRAM = """
import sys
sys.path[:] = sys.argv[1:]
from provenance.ledger.drafters import serve
serve(sys.stdin.buffer, sys.stdout.buffer)
"""


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
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        self._count = cores + 1 if cores > 1 else 0  # one is handed its part while others draft
        self._starting = threading.Lock()
        self._idle: queue.SimpleQueue[_Process | None] = queue.SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None

    def draft_all(self, envelopes: Sequence[bytes], keys: Keys) -> list[Draft | InputError]:
        """As the function of this name."""
        if len(envelopes) < LEAST or not self._count:
            return draft_all(envelopes, keys)
        with self._starting:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._count, "drafters")
                for _ in range(self._count):
                    self._idle.put(None)
        parts = [envelopes[at : at + PART] for at in range(0, len(envelopes), PART)]
        drafted = self._threads.map(lambda part: self._draft_part(part, keys), parts)
        return [outcome for outcomes in drafted for outcome in outcomes]

    def close(self) -> None:
        """End the processes."""
        if self._threads is None:
            return
        self._threads.shutdown()
        self._threads = None
        while not self._idle.empty():
            process = self._idle.get()
            if process is not None:
                process.close()

    def _draft_part(self, part: Sequence[bytes], keys: Keys) -> list[Draft | InputError]:
        process = self._idle.get()
        try:
            process = process or _Process()
            return process.draft_all(part, keys)
        except Exception:  # whatever it answered is not worth more than doing without it
            if process is not None:
                process.close()
            process = None
            return draft_all(part, keys)
        finally:
            self._idle.put(process)


class _Process:
    """One of them, from here."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError, AttributeError):  # more than is allowed; not Linux
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)  # type: ignore[arg-type]
        self._keys: Keys | None = None  # that it was told

    def draft_all(self, part: Sequence[bytes], keys: Keys) -> list[Draft | InputError]:
        told = None if keys is self._keys else [key.spki for key in keys.values()]
        assert self._process.stdin is not None  # noqa: S101 - both are pipes
        assert self._process.stdout is not None  # noqa: S101
        _write(self._process.stdin, (told, list(part)))
        answer = _read(self._process.stdout)
        self._keys = keys
        return [_unpacked(packed, data) for packed, data in zip(answer, part, strict=True)]

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()  # at the end of its input it ends
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Draft what is asked, until the requests end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that asks
    keys: Keys = {}
    with suppress(EOFError, BrokenPipeError):
        while True:
            told, part = _read(requests)
            if told is not None:
                keys = {key.keyid: key for key in map(PublicKey, told)}
            _write(answers, list(map(_packed, draft_all(part, keys), part)))


def _packed(outcome: Draft | InputError, data: bytes) -> tuple[Any, ...]:
    if isinstance(outcome, InputError):
        return isinstance(outcome, MalformedError), str(outcome)
    leaf = outcome.leaf
    kept = None if leaf.envelope == data else leaf.envelope  # who asks has it already
    return (
        outcome.kind,
        (leaf.kind, leaf.data, leaf.hash, leaf.identity, kept),
        outcome.mentions,
        outcome.keyids,
        outcome.verified,
    )


def _unpacked(packed: tuple[Any, ...], data: bytes) -> Draft | InputError:
    if len(packed) == 2:
        malformed, message = packed
        return MalformedError(message) if malformed else InputError(message)
    kind, (number, entry, digest, identity, kept), mentions, keyids, verified = packed
    leaf = Leaf(number, entry, digest, identity, data if kept is None else kept)
    return Draft(kind, leaf, mentions, keyids, verified)


def _write(pipe: IO[bytes], value: Any) -> None:
    data = marshal.dumps(value)
    pipe.write(len(data).to_bytes(8, "big") + data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> Any:
    head = pipe.read(8)
    length = int.from_bytes(head, "big")
    if len(head) < 8 or length > MOST:  # as when something else writes to standard output
        raise EOFError
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return marshal.loads(data)  # noqa: S302 - by a process of our own
