"""``verify``: whether a file, a folder or a record is what was signed, logged and anchored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from provenance import forms
from provenance.cli.options import Json, Rpc, pairs
from provenance.cli.output import EMBEDDED, emit, moment
from provenance.cli.prove import read_record, sidecar_of
from provenance.errors import InputError, UndecidedError, VerificationError
from provenance.verification import BUNDLE_TYPE, Report, Verified

__all__ = ["verify"]


def verify(
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A data file, a folder, or a bundle.")
    ],
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The bundle; else TARGET.provenance.json beside it."),
    ] = None,
    record: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Check this record; - reads it from standard input."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Whom to trust; else the ledger's here, or a trusted."),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--bytes", help="The same bytes, not only the same records.")
    ] = False,
    rpc: Rpc = None,
    trusted_block: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=0xHASH",
            help="Trust this block of the policy's chain NAME, and ask no node of it.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify a file, folder or record, and say which link broke.

    A data file or folder is compared with the bundle beside it, NAME.provenance.json, or with
    --bundle. Exit status: 0 verified, 1 not verified, 2 wrong usage or malformed input, 3
    undecided.
    """
    from provenance.cli.app import exit_code
    from provenance.ledger.checking import verify

    proof, data = _bundle_and_data(target, bundle, record)
    if exact and data is None:
        raise InputError(f"--bytes compares data with a bundle, and {target} is a bundle")
    try:
        verified = verify(
            proof,
            record=None if record is None else read_record(record),
            data=data,
            policy=policy,
            chains=pairs("--rpc", rpc),
            trusted_blocks=pairs("--trusted-block", trusted_block),
            exact=exact,
        )
    except VerificationError as error:
        decided = not isinstance(error, UndecidedError)
        value = {"verified": False if decided else None, "step": error.step}
        verdict = f"not verified: the link {error.step!r} does not hold"
        if not decided:
            verdict = f"undecided: {error.report[error.step].finding}"
        emit(as_json, value | _report_json(error.report), [*_lines(error.report), "", verdict])
        raise typer.Exit(exit_code(error)) from None
    value = {"verified": True, "step": None, **_verified_json(verified)}
    emit(
        as_json,
        value | _report_json(verified.report),
        [
            *_lines(verified.report),
            "",
            *_verdict(verified),
            *_evidence(verified),
            *_source(verified, policy),
        ],
    )


def _bundle_and_data(
    target: Path, bundle: Path | None, record: str | None
) -> tuple[Path, Path | None]:
    """Return the file of the bundle, and the data that it is to be compared with.

    Raises:
        InputError: there is no such file, or no bundle.
    """
    if not target.exists():
        raise InputError(f"there is no file {target}")
    beside = sidecar_of(target)
    # Data is never taken for a bundle: whoever can change it could put any bundle in its place.
    if bundle is None and not beside.is_file() and _is_bundle(target):
        return target, None
    if record is not None:
        raise InputError(f"--record needs a bundle as TARGET, and {target} is none")
    if bundle is not None:
        return bundle, target
    if not beside.is_file():
        raise InputError(f"{target} has no {beside.name} beside it: name a bundle with --bundle")
    return beside, target


def _is_bundle(path: Path) -> bool:
    """Say whether a file is meant as a bundle; whether it is one, the first step says."""
    if path.name.endswith(".provenance.json"):
        return True
    if path.suffix != ".json" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            if file.read(1) != b"{":
                return False
            file.seek(0)
            return BUNDLE_TYPE.encode() in file.read(16 << 20)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _lines(report: Report) -> list[str]:
    """Return one line for each step, and the warnings."""
    steps = [f"{check.mark.value} {check.step:<11} {check.finding}" for check in report.checks]
    return [*steps, *(f"warning: {warning}" for warning in report.warnings)]


def _verdict(verified: Verified) -> list[str]:
    subject = verified.statement.subjects[0].name
    what = f"{verified.statement.kind} {subject!r}"
    if len(verified.record_indices) == 1:
        what = f"record {verified.record_indices[0]} of {what}"
    elif verified.record_indices:
        what = f"{len(set(verified.record_indices))} records of {what}"
    elif verified.report["record"].mark.name == "NOT_DEMANDED":
        what = f"the statement about {what}; no data was compared with it"
    lines = [f"verified: {what}"]
    shared = [anchored for anchored in verified.anchors if not anchored.pin.embedded]
    if verified.anchors:  # an embedded chain dates only where no other does: it is no witness
        dating = (shared or verified.anchors)[0]
        lines.append(f"  signed and logged not later than {moment(dating.time)}")
        if not shared:
            lines.append(f"  {EMBEDDED}")
    return lines


def _evidence(verified: Verified) -> list[str]:
    lines = []
    for evidence in verified.statement.predicate.evidence:
        digests = ", ".join(f"{name} {digest}" for name, digest in evidence.digest.items())
        lines.append(f"  its signers name as evidence: {evidence.type}, {digests}")
    return lines


def _source(verified: Verified, given: Path | None) -> list[str]:
    """Say where the policy came from, unless it was named: a ledger can come with the data."""
    from provenance.ledger.checking import read_policy
    from provenance.ledger.folder import Folder

    if given is not None:
        return []
    around = Folder.around(Path())
    if around is not None and read_policy(around.policy).fingerprint == verified.policy:
        return [f"  by the policy of the ledger here, {around.path}"]
    return ["  by a policy that you trust"]


def _report_json(report: Report) -> dict[str, Any]:
    return {
        "steps": [
            {"step": check.step, "mark": check.mark.name.lower(), "finding": check.finding}
            for check in report.checks
        ],
        "warnings": list(report.warnings),
    }


def _verified_json(verified: Verified) -> dict[str, Any]:
    return {
        "name": verified.statement.subjects[0].name,
        "kind": verified.statement.kind,
        "digest": verified.artifact.digest_hex,
        "record_indices": list(verified.record_indices),
        "index": verified.index,
        "origin": verified.checkpoint.origin,
        "checkpoint_size": verified.checkpoint.size,
        "signers": list(verified.signers),
        "evidence": [forms.encode(each) for each in verified.statement.predicate.evidence],
        "anchors": [
            {
                "chain": anchored.pin.name,
                "embedded": anchored.pin.embedded,
                "size": anchored.anchor.size,
                "block": anchored.anchor.block,
                "block_time": moment(anchored.time),
                "confirmations": anchored.facts.confirmations,
                "final": anchored.facts.final,
            }
            for anchored in verified.anchors
        ],
        "policy": verified.policy,
    }
