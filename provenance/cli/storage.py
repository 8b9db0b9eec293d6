"""``storage``: have the trees of artifacts in a place outside of this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from provenance.cli.opening import open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit, progress, tell
from provenance.errors import InputError

__all__ = ["storage"]


def storage(
    url: Annotated[
        str | None,
        typer.Argument(metavar="[URL]", help="s3://bucket/prefix, or any other that fsspec knows."),
    ] = None,
    cache: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="BYTES", help="Of trees that are kept on this disk to be read; 10 GiB."
        ),
    ] = None,
    free: Annotated[
        bool,
        typer.Option("--free", help="Let what lies in the ledger's folder make way for others."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Have the trees of artifacts in a place outside of this machine, or see whether it answers.

    With a URL, every tree is put there, too, and whoever opens the ledger from then on uses it.
    Start anew what has it open, then let go of the files in its folder with --free.
    """
    from provenance.ledger import storing
    from provenance.ledger.config import StorageConfig

    if free and (url is not None or cache is not None):
        raise InputError("--free stands alone: it is the second step")
    if cache is not None and url is None:
        raise InputError("--cache goes with a URL, the one that is in use for instance")
    with open_ledger() as ledger:
        made = None
        if url is not None:
            known = ledger.config.storage
            room = known.cache_bytes if known is not None and cache is None else cache
            config = StorageConfig.of(url, room)
            with progress("copying") as bar:
                made = storing.use(ledger, config, bar)
    with open_ledger() as ledger:
        if free:
            with progress("moving") as bar:
                made = storing.free(ledger, bar)
        ledger.trees.check()
        found = ledger.trees.storage
        place = None if found is None else found.place
    for left in made.damaged if made else ():
        tell(f"warning: {left}")
    value = {"storage": place, "trees": made.count if made else None}
    lines = [f"the trees are in {place}" if place else "the trees are in the ledger's folder"]
    if made and url is not None:
        lines.append(f"{made.count} put there: start anew what has the ledger open, then --free")
    elif made:
        lines.append(f"{made.count} let go of")
    emit(as_json, value, lines)
