r"""What the commands write: one JSON object, or lines for a person.

Names, findings and messages come from data, so they are hostile: whatever could act on a terminal
(control characters, changes of direction, zero-width characters, bytes that are no UTF-8) is shown
as an escape, ``\u202e`` say. JSON is ASCII, for the same reason.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from provenance.errors import LedgerError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from provenance.ledger.anchors import AnchorRecord
    from provenance.ledger.catalog import RegisteredArtifact

__all__ = [
    "BROKEN_PIPE",
    "EMBEDDED",
    "anchor_json",
    "artifact_line",
    "emit",
    "give_up_output",
    "moment",
    "progress",
    "shown",
    "tell",
    "write",
    "write_whole",
]

BROKEN_PIPE = 141
"""128 + SIGPIPE: whoever read the output went away. Never 0 to 3, which are verdicts."""

EMBEDDED = "embedded chain: worth as much as this machine"

QUIET = 0.5
"""Seconds that work may take before a bar is drawn."""


def shown(text: object) -> str:
    """Return `text` as one line on which nothing can act on a terminal."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in str(text)
    )


def emit(as_json: bool, value: Any, lines: Iterable[str]) -> None:
    """Write `value` as JSON, or `lines` for a person, to standard output."""
    if as_json:
        write(json.dumps(value, indent=2) + "\n")
    else:
        write("".join(f"{shown(line)}\n" for line in lines))


def write(text: str) -> None:
    """Write to standard output, as it is, now."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise typer.Exit(give_up_output()) from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        LedgerError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise LedgerError(f"cannot write {path}: {error.strerror}") from error


def give_up_output() -> int:
    """Let nothing more be written where nobody reads; return the exit status that says so."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def tell(text: str) -> None:
    """Write a line to standard error, beside the result."""
    sys.stderr.write(f"{shown(text)}\n")
    sys.stderr.flush()


def moment(time: datetime | None) -> str | None:
    """Return RFC 3339, in seconds and in UTC."""
    return None if time is None else time.isoformat(timespec="seconds").replace("+00:00", "Z")


# --- how the SDK's values are written -------------------------------------------------------------


def artifact_line(artifact: RegisteredArtifact) -> str:
    """Return what a registered artifact is, in one line."""
    encoding = artifact.artifact.encoding.name
    return (
        f"{artifact.digest[:16]}  {artifact.kind} {artifact.name}, {artifact.size} "
        f"record{'' if artifact.size == 1 else 's'} ({encoding}), entry {artifact.index}"
    )


def anchor_json(anchor: AnchorRecord) -> dict[str, Any]:
    """Return an anchor as JSON."""
    return {
        "chain": anchor.chain,
        "embedded": anchor.embedded,
        "size": anchor.size,
        "root": anchor.root.hex(),
        "state": anchor.state,
        "block": anchor.block,
        "block_hash": None if anchor.block_hash is None else anchor.block_hash.hex(),
        "block_time": moment(anchor.block_time),
        "tx_hash": anchor.tx_hash.hex(),
        "nonce": anchor.nonce,
    }


# --- progress -------------------------------------------------------------------------------------


class _Bar:
    """A `provenance.records.sources.Progress` that draws itself once the work takes long."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._started = time.monotonic()
        self._bar: Any = None

    def __call__(self, done: int, total: int | None) -> None:
        if self._bar is None:
            if time.monotonic() - self._started < QUIET:
                return
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
            from rich.progress import TimeRemainingColumn as Remaining

            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                Remaining(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.add_task(self._label)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def progress(label: str) -> Iterator[_Bar | None]:
    """Give what long work calls with how far it is: a bar on a terminal, None in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(shown(label))
    try:
        yield bar
    finally:
        bar.stop()
