"""``monitor``: follow a log, and keep evidence of what does not hold."""

from __future__ import annotations

import json
import os
import time
from base64 import b64encode
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.options import Json, Rpc, pairs, seconds
from provenance.cli.output import emit, moment, tell, write

if TYPE_CHECKING:
    from provenance.ledger.watching import Look
    from provenance.monitoring import Evidence, Round

__all__ = ["monitor"]

FINE, FOUND, UNDECIDED = 0, 1, 3
VERDICTS = {FINE: "one history", FOUND: "found", UNDECIDED: "undecided"}


def monitor(
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="URL of a log, or the folder of a ledger."),
    ],
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Whom to trust; else a trusted, or the ledger's."),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Go on, with so long between: 30s, 10m, 2h."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep what was seen here; else one file per log."),
    ] = None,
    evidence: Annotated[
        Path, typer.Option(metavar="DIR", help="Write evidence of what is found here.")
    ] = Path(),
    rpc: Rpc = None,
    as_json: Json = False,
) -> None:
    """Follow a log from what was last seen of it: one history, on every chain.

    The token for a log that not everybody may read comes from PROVENANCE_TOKEN.

    Looks once, or until something is found. Exit status: 0 one history, 1 something does not
    hold, 2 wrong usage or malformed input, 3 undecided: the log, a chain or a witness is missing.
    """
    from provenance.ledger.watching import Watch
    from provenance.monitoring import SourceError

    pause = None if every is None else seconds("--every", every)
    with Watch(
        target,
        token=os.environ.get("PROVENANCE_TOKEN"),
        policy=policy,
        chains=pairs("--rpc", rpc),
        state=state,
        evidence=evidence,
    ) as watch:
        while True:
            try:
                status = _tell(watch.round(), as_json, pause is not None)
            except SourceError as error:
                status = UNDECIDED
                value = {"verdict": VERDICTS[status], "undecided": [str(error)]}
                _emit(as_json, pause is not None, value, [f"? {error}"])
            if pause is None or status == FOUND:
                raise typer.Exit(status)
            time.sleep(pause)


def _tell(look: Look, as_json: bool, going_on: bool) -> int:
    """Print one round; return its status."""
    found = look.round
    status = FOUND if found.findings else UNDECIDED if found.undecided else FINE
    _emit(as_json, going_on, _json(look, VERDICTS[status]), _lines(look))
    if look.trouble:
        tell(f"error: {look.trouble}")
    return status


def _emit(as_json: bool, going_on: bool, value: Any, lines: list[str]) -> None:
    if as_json and going_on:
        write(json.dumps(value) + "\n")
    else:
        emit(as_json, value, lines)


def _json(look: Look, verdict: str) -> dict[str, Any]:
    found = look.round
    files = [str(path) for path in look.files]
    return {
        "verdict": verdict,
        "origin": found.origin,
        "time": moment(found.time),
        "size": found.head.size if found.head else None,
        "root": found.head.root.hex() if found.head else None,
        "new": found.new,
        "cosigned": list(found.cosigned),
        "anchored": found.anchored,
        "findings": [
            {"file": file, **json.loads(evidence.to_bytes())}
            for evidence, file in zip_longest(found.findings, files)
        ],
        "undecided": list(found.undecided),
        "notices": list(found.notices),
    }


def _lines(look: Look) -> list[str]:
    found = look.round
    lines = [_line(found)]
    for number, finding in enumerate(found.findings):
        lines += _finding(finding)
        if number < len(look.files):
            lines.append(f"  evidence: {look.files[number]}")
    return lines


def _line(found: Round) -> str:
    """Return the round in one line."""
    said = [f"{found.head.size} entries, {found.new} new" if found.head else "nothing seen yet"]
    if found.cosigned:
        said.append(f"cosigned by {', '.join(found.cosigned)}")
    anchored = ", ".join(f"{size} on {name}" for name, size in found.anchored.items())
    said += [f"anchored {anchored}"] if anchored else []
    said += [f"? {doubt}" for doubt in found.undecided]
    said += found.notices
    mark = "✗" if found.findings else "?" if found.undecided else "✓"
    return f"{mark} {moment(found.time)} {found.origin}: {'; '.join(said)}"


def _finding(evidence: Evidence) -> Iterator[str]:
    """Return a finding with both heads and the proof, as they stand in the file."""
    yield f"✗ {evidence.kind}: {evidence.finding}"
    for what, note in (("seen:", evidence.seen), ("served:", evidence.checkpoint)):
        for line in note.strip().split("\n") if note else ():
            yield f"  {what:<10}{line}".rstrip()
            what = ""
    history = evidence.history
    if history is not None:
        root = b64encode(history.old_root).decode()
        yield f"  proof:    the first {history.old_size} of {history.size} have the root {root}, by"
        for node in history.path:
            yield f"          {b64encode(node).decode()}"
    for what, head in (("had:", evidence.lost), ("chain:", evidence.anchor)):
        if head is not None:
            yield (
                f"  {what:<10}{head.size} entries, root {b64encode(head.root).decode()}, at block "
                f"{head.block} of chain {head.chain_id}, contract {head.contract}"
            )
