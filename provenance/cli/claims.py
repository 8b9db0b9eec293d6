"""``register``, ``quality``, ``review`` and ``supersede``: what is said of artifacts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from provenance.cli.ledger import RefArgument
from provenance.cli.opening import open_ledger
from provenance.cli.options import (
    Columns,
    Digest,
    EncodingName,
    FollowSymlinks,
    Ignore,
    Json,
    NoCache,
    Signers,
    Together,
    TreeOnly,
    pairs,
    values,
)
from provenance.cli.output import artifact_line, emit, progress
from provenance.errors import InputError
from provenance.statements import Sensitivity, Verdict, judge, measured

if TYPE_CHECKING:
    from provenance.lineage.model_signature import ModelSignature

__all__ = ["quality", "register", "review", "supersede"]


def register(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files and folders, each an artifact.")
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the artifact; else the file's name.")
    ] = None,
    kind: Annotated[
        Literal["dataset", "model", "outputs"] | None,
        typer.Option(help="What it is; by default by the form of the file."),
    ] = None,
    encoding: EncodingName = None,
    together: Together = False,
    column: Columns = None,
    ignore: Ignore = None,
    follow_symlinks: FollowSymlinks = False,
    digest: Digest = "sha256",
    tree_only: TreeOnly = False,
    no_cache: NoCache = False,
    source: Annotated[str | None, typer.Option(metavar="TEXT", help="Where it is from.")] = None,
    provider: Annotated[str | None, typer.Option(metavar="TEXT", help="Who gave it.")] = None,
    collected: Annotated[
        str | None, typer.Option(metavar="TEXT", help="When and how it was collected.")
    ] = None,
    license: Annotated[
        str | None, typer.Option(metavar="TEXT", help="An SPDX name, if there is one.")
    ] = None,
    sensitivity: Annotated[Sensitivity, typer.Option(help="What a verifier demands.")] = "internal",
    meta: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Anything else; repeatable; VALUE may be JSON."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="REF", help="The model that made these outputs.")
    ] = None,
    model_signature: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="An OpenSSF model signature of PATH: checked, named as evidence."
        ),
    ] = None,
    signature_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEM public key, or certificate, of who made that."),
    ] = None,
    signer: Signers = None,
    as_json: Json = False,
) -> None:
    """Hash files and folders, sign what they are, and log that."""
    if name is not None and len(paths) > 1 and not together:
        raise InputError("one --name for several artifacts: register each by itself, or --together")
    if name is None and together:
        raise InputError("--together makes one artifact of several tables: give it a --name")
    if name is None:
        for path in paths:
            _check_text(path)
    metadata = values("--meta", meta)
    schema = pairs("--column", column) or None
    theirs = _model_signature(model_signature, signature_key, len(paths))
    artifacts = []
    with open_ledger(signing=True, signers=signer) as ledger:
        for data in [paths] if together else paths:
            with progress(f"{paths[0]} …" if together else str(data)) as bar:
                artifact = ledger.register(
                    data,
                    name=name,
                    kind=kind,
                    encoding=encoding,
                    together=together,
                    ignore=ignore or (),
                    follow_symlinks=follow_symlinks,
                    digest=digest,
                    tree_only=tree_only,
                    schema=schema,
                    source=source,
                    provider=provider,
                    collected=collected,
                    license=license,
                    sensitivity=sensitivity,
                    metadata=metadata,
                    model=model,
                    model_signature=theirs,
                    cache=not no_cache,
                    progress=bar,
                )
            artifacts.append(artifact)
            if not as_json:  # told at once: the next path may be an error, and this one is logged
                emit(False, None, [artifact_line(artifact)])
    if as_json:
        emit(True, {"artifacts": [artifact.to_json() for artifact in artifacts]}, [])


def _model_signature(signature: Path | None, key: Path | None, count: int) -> ModelSignature | None:
    if signature is None and key is None:
        return None
    if signature is None or key is None:
        raise InputError("--model-signature and --signature-key go together")
    if count > 1:
        raise InputError("one model signature for several artifacts: register each by itself")
    from provenance.lineage.model_signature import ModelSignature

    return ModelSignature.open(signature.read_bytes(), key.read_bytes())


def _check_text(path: Path) -> None:
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise InputError(f"the name of {path} is not UTF-8: give the artifact a --name") from None


def quality(
    ref: RefArgument,
    metric: Annotated[list[str], typer.Option(metavar="NAME=NUMBER", help="A figure; repeatable.")],
    criterion: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="What it must meet: 'accuracy >= 0.9'; repeatable."),
    ] = None,
    signer: Signers = None,
    as_json: Json = False,
) -> None:
    """Sign figures of an artifact's quality, and whether they do."""
    metrics, criteria = values("--metric", metric), _criteria(criterion or [])
    with open_ledger(signing=True, signers=signer) as ledger:
        index = ledger.quality(ref, metrics=metrics, criteria=criteria)
    met = judge(measured(metrics), criteria)  # as it was signed
    emit(
        as_json,
        {"index": index, "passed": met},
        [f"entry {index}: {'passed' if met else 'failed'}"],
    )


def _criteria(given: list[str]) -> dict[str, str]:
    """Return metric → criterion of texts such as ``accuracy >= 0.9``."""
    criteria: dict[str, str] = {}
    for text in given:
        match = re.fullmatch(r"\s*(.+?)\s*([<>=!]=|[<>])\s*(\S+)\s*", text)
        if not match:
            raise InputError(
                f"--criterion takes a comparison such as 'accuracy >= 0.9', not {text!r}"
            )
        if match[1] in criteria:
            raise InputError(f"--criterion was given {match[1]!r} twice")
        criteria[match[1]] = f"{match[2]} {match[3]}"
    return criteria


def review(
    ref: RefArgument,
    verdict: Annotated[Verdict, typer.Argument(metavar="approve|flag|reject", help="Yours.")],
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why; flag and reject take one.")
    ] = None,
    signer: Signers = None,
    as_json: Json = False,
) -> None:
    """Sign what you make of an artifact."""
    with open_ledger(signing=True, signers=signer) as ledger:
        index = ledger.review(ref, verdict, reason=reason)
    emit(as_json, {"index": index, "verdict": verdict}, [f"entry {index}: {verdict} {ref}"])


def supersede(
    old: Annotated[str, typer.Argument(metavar="OLD", help="REF of what is not to be used.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    new: Annotated[
        str | None, typer.Argument(metavar="NEW", help="REF of what is to be used instead.")
    ] = None,
    signer: Signers = None,
    as_json: Json = False,
) -> None:
    """Say that an artifact is not to be used, and which one is.

    Nothing is deleted: whoever verifies OLD from now on is warned.
    """
    with open_ledger(signing=True, signers=signer) as ledger:
        index = ledger.supersede(old, new, reason=reason)
    by = f" by {new}" if new else ""
    emit(as_json, {"index": index}, [f"entry {index}: {old} superseded{by}"])
