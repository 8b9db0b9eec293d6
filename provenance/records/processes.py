"""Other processes, for work that keeps the interpreter to itself.

Python runs one thread at a time, and much that is small and heavy, the hash of a short message or
the check of a signature, does not let another one run. Such work goes to processes that run a
function of a module of ours: started when they are first needed, they end when they are closed, or
when the process that started them does.

A request and an answer are each a length (8 bytes, big-endian) and a value as `marshal` writes it.
"""

from __future__ import annotations

import fcntl
import marshal
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Self

__all__ = ["Process", "Processes", "serve"]

PIPE = 1 << 20
"""Bytes that a pipe holds, where that may be set: most requests and answers pass in one piece,
without a wait in between for the thread of this process that runs."""

MOST = 1 << 32
"""Bytes of a request or an answer; those of the largest parts of work are far smaller."""

_PROGRAM = """
import sys
module, *sys.path[:] = sys.argv[1:]
from importlib import import_module
from provenance.records.processes import serve
serve(import_module(module).answer, sys.stdin.buffer, sys.stdout.buffer)
"""


class Processes:
    """Some processes of one kind, lent one at a time. May be shared between threads."""

    def __init__(self, module: str, count: int) -> None:
        """Start none yet; `module` has a function ``answer`` from a request to an answer."""
        self._module = module
        self._idle: queue.SimpleQueue[Process | None] = queue.SimpleQueue()
        for _ in range(count):
            self._idle.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def lent(self) -> Iterator[Process]:
        """Lend one, started if need be, waiting until one is idle.

        One that an error was raised over is ended: whatever it said is not worth more than doing
        without it.
        """
        process = self._idle.get()
        try:
            process = process or Process(self._module)
            yield process
        except BaseException:
            if process is not None:
                process.close()
            process = None
            raise
        finally:
            self._idle.put(process)

    def close(self) -> None:
        """End those that are idle."""
        while not self._idle.empty():
            process = self._idle.get()
            if process is not None:
                process.close()


class Process:
    """One of them, from here.

    Attributes:
        told: whatever who asks remembers of what it was told before.
    """

    def __init__(self, module: str) -> None:
        self.told: Any = None
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, module, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError, AttributeError):  # more than is allowed; not Linux
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)  # type: ignore[arg-type]

    def ask(self, request: Any) -> Any:
        """Return the answer.

        Raises:
            OSError, EOFError, ValueError, TypeError: it ended, or says something else.
        """
        assert self._process.stdin is not None  # noqa: S101 - both are pipes
        assert self._process.stdout is not None  # noqa: S101
        _write(self._process.stdin, request)
        return _read(self._process.stdout)

    def close(self) -> None:
        """End it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()  # at the end of its input it ends
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(answer: Callable[[Any], Any], requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer what is asked, until the requests end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that asks
    with suppress(EOFError, BrokenPipeError):
        while True:
            _write(answers, answer(_read(requests)))


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
