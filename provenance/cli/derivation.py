"""``diff`` and ``derivation``: how the records of one version follow from those of another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from provenance import forms
from provenance.cli.opening import open_ledger
from provenance.cli.options import Json, Signers
from provenance.cli.output import emit, tell
from provenance.derivation import Derivation, check_derivation
from provenance.errors import InputError
from provenance.merkle import ProofError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from provenance.records import Artifact

__all__ = ["claim_line", "derivation", "diff"]

derivation = typer.Typer(
    rich_markup_mode=None,
    help="How the records of one version follow from those of another: claim, prove, check.",
)

From = Annotated[
    list[str],
    typer.Option("--from", metavar="REF", help="What it was made of; repeatable, in order."),
]

To = Annotated[
    list[str], typer.Option("--to", metavar="REF", help="What was made; repeatable, in order.")
]


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="REF of one version.")],
    after: Annotated[str, typer.Argument(metavar="B", help="REF of the other.")],
    limit: Annotated[
        int, typer.Option(min=0, metavar="N", help="Records of each sort that are listed.")
    ] = 20,
    as_json: Json = False,
) -> None:
    """Show which records were added, removed and moved from A to B.

    From the trees alone: records are named by their numbers, from 0.
    """
    with open_ledger() as ledger:
        old, new = ledger.resolve(before), ledger.resolve(after)
        found = ledger.diff(old, new)
    moved = [*zip(*(side[:limit] for side in found.moved), strict=True)]
    counts = {
        "unchanged": found.unchanged,
        "moved": len(found.moved[0]),
        "removed": len(found.removed),
        "added": len(found.added),
    }
    told: dict[str, Any] = {
        "a": old.to_json(),
        "b": new.to_json(),
        **counts,
        "moved_records": [{"from": i, "to": j} for i, j in moved],
        "removed_records": [*found.removed[:limit]],
        "added_records": [*found.added[:limit]],
    }
    lines = [
        f"a: {old.name}, {old.size:,} records",
        f"b: {new.name}, {new.size:,} records",
        ", ".join(f"{count:,} {word}" for word, count in counts.items()),
    ]
    lines += [f"> record {i} of a is record {j} of b" for i, j in moved]
    lines += [f"- record {number} of a" for number in found.removed[:limit]]
    lines += [f"+ record {number} of b" for number in found.added[:limit]]
    emit(as_json, told, lines)
    if not as_json and any(counts[word] > limit for word in ("moved", "removed", "added")):
        tell(f"{limit} of each sort are listed: --limit shows more")


@derivation.command("claim")
def claim(
    sources: From,
    targets: To,
    name: Annotated[
        str, typer.Option("--step", metavar="NAME", help="What was done: 'deduplicate'.")
    ] = "derive",
    signer: Signers = None,
    as_json: Json = False,
) -> None:
    """Find out which claim holds, check it, and sign it as a step.

    It is about what was registered before; `provenance step` claims it at once.
    """
    with open_ledger(signing=True, signers=signer) as ledger:
        run = ledger.derive(sources, targets, step=name)
        (found,) = run.derivations
        sizes = [[ledger.resolve(ref).artifact for ref in side] for side in (sources, targets)]
    emit(
        as_json,
        {"index": run.index, "derivation": forms.encode(found)},
        [f"entry {run.index}: {claim_line(found, sizes, _by_name(found, sources, targets))}"],
    )


@derivation.command("prove")
def prove(
    sources: From,
    targets: To,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Write the proof here.")
    ],
    as_json: Json = False,
) -> None:
    """Find out which claim holds, and write its proof; nothing is signed.

    The same trees give the same file, byte for byte.
    """
    with open_ledger() as ledger:
        found = ledger.prove_derivation(sources, targets, output)
        sizes = [[ledger.resolve(ref).artifact for ref in side] for side in (sources, targets)]
    emit(
        as_json,
        {"file": str(output), "derivation": forms.encode(found)},
        [claim_line(found, sizes, _by_name(found, sources, targets)), f"wrote {output}"],
    )


@derivation.command("check")
def check(
    proof: Annotated[Path, typer.Argument(metavar="FILE", help="The proof.")],
    name: Annotated[
        Literal["extension", "subset", "permutation", "split", "concatenation"],
        typer.Option("--claim", help="What it must prove."),
    ],
    sources: Annotated[
        list[str],
        typer.Option("--from", metavar="DIGEST", help="Artifact digest; repeatable, in order."),
    ],
    targets: Annotated[
        list[str],
        typer.Option("--to", metavar="DIGEST", help="Artifact digest; repeatable, in order."),
    ],
    ordered: Annotated[
        bool, typer.Option("--ordered", help="And that the order of the records was kept.")
    ] = False,
    index: Annotated[
        list[int] | None,
        typer.Option(min=0, metavar="N", help="Tell where record N went; may be given again."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a proof against the artifact digests; needs no ledger and no data.

    Exit status: 0 it holds, 1 it does not, 2 wrong usage or a file that is no such proof.
    """
    wanted = Derivation(
        claim=name,
        ordered=ordered or name == "extension",
        sources=_digests("--from", sources),
        targets=_digests("--to", targets),
    )
    try:
        checked = check_derivation(proof, wanted, follow=index or ())
    except ProofError as error:
        told = {"holds": False, "finding": str(error)}
        emit(as_json, told, [f"does not hold: {error}"])
        raise typer.Exit(1) from None
    places = {
        number: None if place is None else {"target": place.target, "index": place.index}
        for number, place in sorted(checked.places.items())
    }
    lines = [claim_line(checked.derivation, [checked.sources, checked.targets], _short)]
    for number, place in places.items():
        where = "in no target"
        if place is not None:
            target = _short(checked.derivation.targets[place["target"]])
            where = f"record {place['index']} of {target}"
        lines.append(f"record {number} is {where}")
    emit(
        as_json,
        {"holds": True, "derivation": forms.encode(checked.derivation), "places": places},
        ["holds: " + lines[0], *lines[1:]],
    )


def _digests(option: str, given: list[str]) -> tuple[bytes, ...]:
    for text in given:
        if not re.fullmatch("[0-9a-f]{64}", text):
            raise InputError(f"{option} takes 64 hex digits of an artifact digest, not {text!r}")
    return tuple(map(bytes.fromhex, given))


def _short(digest: bytes) -> str:
    return digest.hex()[:16]


def _by_name(
    found: Derivation, sources: Sequence[str], targets: Sequence[str]
) -> Callable[[bytes], str]:
    """Return how the artifacts were named when they were asked about."""
    digests = (*found.sources, *found.targets)
    return dict(zip(digests, (*sources, *targets), strict=True)).__getitem__


def claim_line(
    found: Derivation, sides: Sequence[Sequence[Artifact]], named: Callable[[bytes], str]
) -> str:
    """Return a claim as a sentence."""
    before, after = (sum(artifact.size for artifact in side) for side in sides)
    sources, targets = (" and ".join(map(named, side)) for side in (found.sources, found.targets))
    said = {
        "extension": f"{targets} is {sources}, {before:,} records, and {after - before:,} more",
        "subset": f"{targets} is {sources} without {before - after:,} of its {before:,} records",
        "permutation": f"{targets} is the {before:,} records of {sources} in another order",
        "split": f"each of the {before:,} records of {sources} is in one of {targets}",
        "concatenation": f"{targets} is the {before:,} records of {sources}",
    }[found.claim]
    if found.claim in ("extension", "permutation"):
        return said
    return said + (", their order kept" if found.ordered else ", in whatever order")
