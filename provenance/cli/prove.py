"""``prove``: make a bundle, or the proof of an entry alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from provenance.cli.ledger import RefArgument
from provenance.cli.opening import open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit, tell, write, write_whole
from provenance.errors import InputError

__all__ = ["SIDECAR", "prove", "read_record", "sidecar_of"]

SIDECAR = ".provenance.json"


def sidecar_of(target: Path) -> Path:
    """Return where the bundle of a file or folder lies: beside it, as NAME.provenance.json."""
    if target.name in ("", ".."):
        target = target.resolve()
    return target.with_name(target.name + SIDECAR)


def read_record(text: str) -> Any:
    """Return a record as it was given: JSON or text, or ``-`` for what is on standard input."""
    return sys.stdin.buffer.read() if text == "-" else text


def prove(
    ref: RefArgument,
    record: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Prove this record; - reads it from standard input."),
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Prove the records of a file, in its order."),
    ] = None,
    index: Annotated[
        list[int] | None,
        typer.Option(min=0, metavar="N", help="Prove record N, from 0; may be given again."),
    ] = None,
    path: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Prove this file of a folder.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the bundle here.")
    ] = None,
    tlog_proof: Annotated[
        bool,
        typer.Option(
            "--tlog-proof", help="Only that REF's entry is in the log, as C2SP tlog-proof."
        ),
    ] = False,
    sidecar: Annotated[
        bool,
        typer.Option("--sidecar", help="REF is a path: write PATH.provenance.json beside it."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a bundle: every proof from a record to the chain.

    Of the whole artifact, unless records are named. It goes to standard output, unless a file is
    named.
    """
    named = (record, records, path) != (None, None, None) or bool(index)
    if tlog_proof:
        if sidecar or named:
            raise InputError("--tlog-proof is about the entry of REF: no record, and no sidecar")
        _prove_entry(ref, output, as_json=as_json)
        return
    if sidecar:
        if output is not None or named:
            raise InputError("--sidecar is for the whole of REF, and says where the bundle goes")
        if not Path(ref).exists():
            raise InputError(f"--sidecar needs a path: there is no file {ref}")
        output = sidecar_of(Path(ref))
    with open_ledger(signing=True) as ledger:
        proof = ledger.prove(
            Path(ref).absolute() if sidecar else ref,
            record=None if record is None else read_record(record),
            records=records,
            index=index or None,
            path=path,
        )
    bundle = proof.to_bytes()
    if output is not None:
        write_whole(output, bundle + b"\n")
    told: dict[str, Any] = {"indices": list(proof.indices), "equal": proof.equal}
    if as_json:
        told |= {"file": str(output)} if output else {"bundle": json.loads(bundle)}
        emit(True, told, [])
    elif output is None:
        write(bundle.decode() + "\n")
    else:
        emit(False, None, [f"wrote {output}"])
    if proof.equal > 1:
        tell(f"{proof.equal} records are equal; this proves number {proof.indices[0]}")
    if not proof.bundle.anchors:
        tell("no anchor covers it yet: run `provenance anchor`, then prove again")


def _prove_entry(ref: str, output: Path | None, *, as_json: bool) -> None:
    with open_ledger(signing=True) as ledger:
        proof = ledger.prove_entry(ref)
    text = proof.to_bytes()
    if output is not None:
        write_whole(output, text)
    if as_json:
        told = {"file": str(output)} if output else {"proof": text.decode()}
        emit(True, {"index": proof.index, **told}, [])
    elif output is None:
        write(text.decode())
    else:
        emit(False, None, [f"wrote {output}"])
