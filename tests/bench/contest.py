"""One contest: contestants take turns on the same data, and each counts by the median of its runs.

A contestant is a command as a shell takes it. Usually all of it is timed, the start of its
interpreter included. A command that begins with data already in memory times itself, and prints a
JSON object as its last line::

    {"parts": {"": [10000000, 1.31], "processor": [10000000, 2.5]}, "root": "66240b…"}

`parts` holds how many units it did and in how many seconds, by the name of the part that was timed;
"" where there is one. Beside "", "processor" holds seconds of the processor, over all cores: what
other work on the machine disturbs less. The rest is about all of the run.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

Parts = dict[str, tuple[int, float]]
"""Name of what was timed → (units, seconds)."""

PROCESSOR = "processor"


class NotRunError(Exception):
    """Why a contestant cannot take part."""


@dataclass(frozen=True)
class Contestant:
    """A command in a contest.

    Attributes:
        name: what the tables call it.
        command: run by bash in the folder of the data, and printed as it stands here.
        count: of how many units.
        peer: in `peers.PEERS`, what it needs; "" for what the product itself brings.
        base: the others are compared with it; several may be.
        agrees: comes to the same root as the others that do, where it does as many units.
        before: a command before each run that is not timed.
        timed_inside: the command times itself.
    """

    name: str
    command: str
    count: int
    peer: str = ""
    base: bool = False
    agrees: bool = False
    before: str = ""
    timed_inside: bool = False


@dataclass
class Outcome:
    """What a contestant did in a contest.

    Attributes:
        parts: part → (units, median of the seconds).
        runs: part → the seconds of each run.
        said: what its last run printed beside its parts.
        missing: why it did not take part; "" if it did.
    """

    contestant: Contestant
    parts: Parts = field(default_factory=dict)
    runs: dict[str, list[float]] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)
    missing: str = ""

    def cost(self, part: str = "") -> float:
        """Seconds for one unit."""
        count, seconds = self.parts[part]
        return seconds / count

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Outcome:
        parts = {part: (count, seconds) for part, (count, seconds) in value["parts"].items()}
        return cls(**{**value, "contestant": Contestant(**value["contestant"]), "parts": parts})


Run = Callable[[Contestant], tuple[Parts, dict[str, Any]]]
"""Runs a contestant once; raises `NotRunError` where it cannot."""


def contest(contestants: Sequence[Contestant], run: Run, rounds: int) -> list[Outcome]:
    """Run each contestant once a round, and take medians.

    One that fails in any round is missing, with what it said: it is never left out. What the
    product itself brings must not fail.

    Raises:
        NotRunError: it did, or those who should agree do not.
    """
    outcomes = [Outcome(contestant) for contestant in contestants]
    for _ in range(rounds):
        for outcome in outcomes:
            if outcome.missing:
                continue
            try:
                parts, outcome.said = run(outcome.contestant)
            except NotRunError as reason:
                if not outcome.contestant.peer:
                    raise
                outcome.missing = str(reason)
                continue
            for part, (count, seconds) in parts.items():
                outcome.runs.setdefault(part, []).append(seconds)
                outcome.parts[part] = count, median(outcome.runs[part])
    for outcome in outcomes:
        if outcome.missing:
            outcome.parts, outcome.runs, outcome.said = {}, {}, {}
    agreed: dict[int, Outcome] = {}
    for outcome in outcomes:
        if outcome.contestant.agrees and not outcome.missing:
            other = agreed.setdefault(outcome.contestant.count, outcome)
            if outcome.said["root"] != other.said["root"]:
                raise NotRunError(
                    f"{outcome.contestant.name} and {other.contestant.name} come to two roots"
                )
    return outcomes


def run_command(contestant: Contestant, folder: Path, environment: dict[str, str]) -> Any:
    """Run a contestant once in `folder`; see `Run`."""

    def shell(command: str) -> str:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise NotRunError(f"exit status {done.returncode}: {said[-1] if said else command}")
        return done.stdout

    if contestant.before:
        shell(contestant.before)
    begin, used = time.perf_counter(), _of_children()
    printed = shell(contestant.command)
    seconds, processor = time.perf_counter() - begin, _of_children() - used
    if not contestant.timed_inside:
        said = {"root": printed.split()[0]} if contestant.agrees else {}
        count = contestant.count
        return {"": (count, seconds), PROCESSOR: (count, processor)}, said
    said = json.loads(printed.splitlines()[-1])
    return {part: (count, spent) for part, (count, spent) in said.pop("parts").items()}, said


def _of_children() -> float:
    """Seconds of the processor that commands took so far, and what they started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# --- tables -----------------------------------------------------------------------------------


def table(outcomes: Sequence[Outcome], unit: str, part: str = "") -> str:
    """Return the ratios of one part as a table in Markdown.

    Each column headed by a base says how many times as much time a unit costs the contestant of
    the row.
    """
    bases = [o for o in outcomes if o.contestant.base and not o.missing]
    ratios = [f"× {base.contestant.name}" for base in bases]
    told = part == "" and any(PROCESSOR in outcome.parts for outcome in outcomes)
    titles = [unit, "seconds", *([PROCESSOR] if told else []), f"{unit}/s", *ratios]
    lines = [f"| | {' | '.join(titles)} |", "|---|" + "---:|" * len(titles)]
    for outcome in outcomes:
        name = outcome.contestant.name
        if outcome.missing:
            cells = [f"not run: {outcome.missing}".replace("|", "\\|"), *[""] * (len(titles) - 1)]
        else:
            count, seconds = outcome.parts[part]
            ratios = [times(outcome.cost(part) / base.cost(part)) for base in bases]
            used = [spent(outcome.parts[PROCESSOR][1])] if told else []
            cells = [f"{count:,}", spent(seconds), *used, f"{count / seconds:,.0f}", *ratios]
        if outcome.contestant.base:
            name = f"**{name}**"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def times(ratio: float) -> str:
    """Return a ratio with three digits or more."""
    return f"{ratio:,.{2 if ratio < 10 else 1 if ratio < 100 else 0}f}"


def spent(seconds: float) -> str:
    """Return seconds to the millisecond, and short ones with three digits."""
    return f"{seconds:.3f}" if seconds >= 0.1 else f"{seconds:.3g}"
